/*
 * Watch: looks at the store from time to time, so that what others do to it is
 * seen in the mount although nobody asks.
 *
 * A look costs a stat of the store's directory, which needs no disk; a watch by
 * inotify would be silent about a store that other machines change.
 */
#ifndef WATCH_H
#define WATCH_H

#define WATCH_MS 500

struct view;
struct watch;

/* Begin.  NULL when out of memory or threads. */
struct watch *watch_new(struct view *view);
void watch_free(struct watch *watch); /* accepts NULL */

#endif
