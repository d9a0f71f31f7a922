/*
 * Turn: which threads wait for the kernel's next request.
 *
 * Waking a thread for a request takes longer than answering most of them, and
 * a walk over a tree asks for one after the other.  So while requests come that
 * are answered at once, a single thread reads and answers them, and watches out
 * for the next one for a moment before it sleeps: no other one waits at the
 * device, whom the kernel would wake for nothing.  Once a request may wait, for
 * a disk or for another one, or several come together, threads wait there side
 * by side, as many as there are cores.
 *
 * Nobody watches but after requests that came within such a moment, so that a
 * mount that is not in use takes no processor time, and one that is takes it
 * only where no other thread wants it.
 */
#ifndef TURN_H
#define TURN_H

#include <stddef.h>
#include <sys/types.h>

struct turn;

/* NULL when out of memory. */
struct turn *turn_new(void);
void turn_free(struct turn *turn); /* accepts NULL; no thread may use it */

/* As read(2) of the device @fd, once it is this thread's turn; may be cancelled
 * as that, when all threads are. */
ssize_t turn_read(struct turn *turn, int fd, void *ret, size_t size);

/* To be called before what was read makes this thread wait: others read
 * meanwhile. */
void turn_pass(struct turn *turn);

#endif
