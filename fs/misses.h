/*
 * Misses: which blocks of files are read here and there so often that they are
 * worth having in the kernel's cache as a whole.
 *
 * That is when a block is missed again while its last miss is remembered: a file
 * that is searched in a few places, once each, is left alone.  The table forgets
 * a block when another one takes its place.  Not thread-safe.
 */
#ifndef MISSES_H
#define MISSES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { MISSES_BLOCKS = 4096 };

struct misses {
	struct {
		uint64_t number;
		off_t block;
		unsigned count; /* up to 2; 0: nothing is remembered here */
	} seen[MISSES_BLOCKS];
};

/*
 * Block @block of the file @number was missed.  True at its second miss: it
 * should be filled, and misses_filled() called when that was done, or given up.
 * Until then it is known to be on its way; a block that is missed thereafter
 * was dropped by the kernel, and counts anew.
 */
bool misses_note(struct misses *misses, uint64_t number, off_t block);
void misses_filled(struct misses *misses, uint64_t number, off_t block);

#endif
