/*
 * Fill: the kernel's cache filled before it asks, by threads of its own.
 *
 * A file that is read here and there gets what lies around its places, in whole
 * blocks, so that most reads that follow ask nobody.  When small files are read
 * one after the other, those behind them are put into the cache.  guess.h says
 * what and when.  All of it is help that may fail or be left out.
 */
#ifndef FILL_H
#define FILL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct fill;
struct fuse_session;
struct view;

/* Begin; @device is that of the mounted @session.  NULL when out of memory or
 * threads. */
struct fill *fill_new(struct fuse_session *session, dev_t device,
		      struct view *view);

/* End, even where the kernel waits for answers that will not come any more. */
void fill_free(struct fill *fill); /* accepts NULL */

/* The kernel asked for @len bytes at @offset of the file @number, and has them.
 * Returns at once. */
void fill_note(struct fill *fill, uint64_t number, size_t len, off_t offset);

#endif
