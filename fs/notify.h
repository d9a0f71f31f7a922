/*
 * Notify: what the kernel is told to forget, by a thread of its own.
 *
 * The kernel takes locks to forget, and holders of these locks may be waiting
 * for our answers; so the threads that answer only leave word here.
 */
#ifndef NOTIFY_H
#define NOTIFY_H

#include <stdint.h>
#include <sys/types.h>

struct fuse_session;
struct notify;

/* Begin; @device is that of the mounted @session.  NULL when out of memory or
 * threads. */
struct notify *notify_new(struct fuse_session *session, dev_t device);

/* End, even where the kernel waits for answers that will not come any more. */
void notify_free(struct notify *notify);

/* Forget the cached bytes of the file @number.  Returns at once. */
void notify_drop_bytes(struct notify *notify, uint64_t number);

#endif
