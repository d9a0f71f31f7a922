/*
 * Idle: ends a mount that nobody used for a while.
 *
 * What is in use, a file that is open or the directory of a shell, cannot be
 * unmounted, and is tried again later; so nobody is ever cut off.
 */
#ifndef IDLE_H
#define IDLE_H

#include <stdbool.h>

struct idle;

struct idle_options {
	const char *mountpoint; /* which must outlive it */
	unsigned timeout_s;     /* not 0 */
	/* Whether the mount works on something by itself. */
	bool (*is_busy)(void *arg);
	void *arg;
};

/* NULL when out of memory or threads. */
struct idle *idle_new(const struct idle_options *options);
void idle_free(struct idle *idle); /* accepts NULL */

/* Somebody uses the mount.  Threads may call this at any time. */
void idle_touch(struct idle *idle);

#endif
