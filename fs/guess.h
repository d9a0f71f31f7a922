/*
 * Guess: which bytes the kernel will ask for, by those that it asked for.
 *
 * A file that is read here and there: what lies around each place.  Small files
 * that are read one after the other, a walk: those behind them.  Nothing but
 * arithmetic; the caller holds a lock, if there are threads.
 */
#ifndef GUESS_H
#define GUESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	GUESS_BLOCK = 512 << 10,       /* filled around a place */
	GUESS_ASKED_MAX = 64 << 10,    /* the kernel asks for more when in
					  order */
	GUESS_RECENT = 16,             /* files remembered */
	GUESS_PLACES_MAX = 64,         /* waiting to be filled; more are left
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
	struct guess_place places[GUESS_PLACES_MAX]; /* a ring */
	unsigned first, count;
	/* A walk over small files. */
	uint64_t walked;   /* the last one asked for */
	unsigned streak;
	uint64_t filled;   /* before this one all are filled, or tried */
	bool walk_waiting; /* to be taken */
};

/* The kernel asked for @len bytes at @offset of the file @number.  True: there
 * is something to take that was not before. */
bool guess_note(struct guess *guess, uint64_t number, size_t len, off_t offset);

/* Take what is to be filled next; false: nothing.  A walk is told with
 * guess_filled() how far it came. */
bool guess_take_walk(struct guess *guess, struct guess_walk *ret);
bool guess_take_place(struct guess *guess, struct guess_place *ret);

/* The walk that began at @from came to @to. */
void guess_filled(struct guess *guess, uint64_t from, uint64_t to);

#endif
