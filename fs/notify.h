/*
 * Notify: what the kernel is told to forget, by a thread of its own.
 *
 * The kernel takes locks to forget, and holders of these locks may be waiting
 * for our answers; so the threads that answer only leave word here.  All of it
 * only spares the kernel from being wrong a little longer: word that there is
 * no room for is dropped.  Threads may share it.
 */
#ifndef NOTIFY_H
#define NOTIFY_H

#include <stdint.h>
#include <sys/types.h>

struct fuse_session;
struct notify;

/* NULL when out of memory.  Word can be left from now on. */
struct notify *notify_new(void);
void notify_free(struct notify *notify); /* after notify_end() */

/* Begin to tell the mounted @session, whose device is @device.  Returns 0, or -1
 * when out of threads. */
int notify_begin(struct notify *notify, struct fuse_session *session,
		 dev_t device);

/* End, even where the kernel waits for answers that will not come any more.
 * Word left from now on is told to nobody.  Accepts NULL. */
void notify_end(struct notify *notify);

/* Forget the cached bytes of the file @number.  This and those below return at
 * once. */
void notify_drop_bytes(struct notify *notify, uint64_t number);

/* Forget what @name in the directory @parent leads to. */
void notify_drop_name(struct notify *notify, uint64_t parent, const char *name);

/* The same where it led to the directory @child, which is no more. */
void notify_deleted(struct notify *notify, uint64_t parent, const char *name,
		    uint64_t child);

#endif
