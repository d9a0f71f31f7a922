/*
 * Guess: which bytes the kernel will ask for, by those that it asked for.
 *
 * A file that is read here and there: what lies around its places, when
 * misses.h says that it is worth it.  Small files that are read one after the
 * other, a walk: those behind them.  Nothing but arithmetic; the caller holds a
 * lock, if there are threads.
 */
#ifndef GUESS_H
#define GUESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "misses.h"

enum {
	GUESS_BLOCK = 512 << 10,       /* filled around a place */
	GUESS_ASKED_MAX = 64 << 10,    /* the kernel asks for more when in
					  order */
	GUESS_RECENT = 16,             /* files remembered */
	GUESS_PLACES_MAX = 256,        /* waiting to be filled; more are left
					  out */
	GUESS_STREAK = 4,              /* small files in a row that begin a
					  walk */
	GUESS_STEP_MAX = 64,           /* numbers between them */
	GUESS_AHEAD_FILES = 256,       /* of a walk */
	GUESS_SMALL = 128 << 10,       /* the longest file of a walk */
};

struct guess_place {
	uint64_t number; /* of the file */
	off_t block;     /* of GUESS_BLOCK bytes */
};

/* Numbers of files: from @from on, before @to. */
struct guess_walk {
	uint64_t from, to;
};

/* All zero to begin with. */
struct guess {
	struct guess_recent {
		uint64_t number;
		off_t end; /* up to where it was read */
	} recent[GUESS_RECENT];
	unsigned oldest;
	struct misses misses;
	struct guess_place places[GUESS_PLACES_MAX]; /* a ring */
	unsigned first, count;
	/* A walk over small files. */
	uint64_t walked;   /* the last one asked for */
	unsigned streak;
	uint64_t filled;   /* before this one all are filled, or tried */
	bool walk_waiting; /* to be taken */
	bool walking;      /* it was: two would fill the same files */
};

/* The kernel asked for @len bytes at @offset of the file @number.  True: there
 * is something to take that was not before. */
bool guess_note(struct guess *guess, uint64_t number, size_t len, off_t offset);

/* Take what is to be filled next; false: nothing.  A place is followed by
 * guess_place_filled(), a walk, of which there is one at a time, by
 * guess_walk_filled(). */
bool guess_take_walk(struct guess *guess, struct guess_walk *ret);
bool guess_take_place(struct guess *guess, struct guess_place *ret);

void guess_place_filled(struct guess *guess, const struct guess_place *place);

/* The walk that began at @from came to @to. */
void guess_walk_filled(struct guess *guess, uint64_t from, uint64_t to);

#endif
