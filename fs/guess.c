#include "guess.h"

static bool queue_place(struct guess *guess, uint64_t number, off_t offset)
{
	off_t block = offset / GUESS_BLOCK;

	if (!misses_note(&guess->misses, number, block))
		return false;
	if (guess->count == GUESS_PLACES_MAX) {
		misses_filled(&guess->misses, number, block);
		return false;
	}
	guess->places[(guess->first + guess->count) % GUESS_PLACES_MAX] =
		(struct guess_place){ number, block };
	guess->count++;
	return true;
}

/* Whether the request goes on where the one before ended. */
static bool is_in_order(struct guess *guess, uint64_t number, size_t len,
			off_t offset)
{
	off_t end = offset + (off_t)len, before;
	unsigned i;

	for (i = 0; i < GUESS_RECENT; i++) {
		if (guess->recent[i].number != number)
			continue;
		before = guess->recent[i].end;
		guess->recent[i].end = end;
		return before == offset;
	}
	guess->recent[guess->oldest] = (struct guess_recent){ number, end };
	guess->oldest = (guess->oldest + 1) % GUESS_RECENT;
	return offset == 0;
}

static bool note_walk(struct guess *guess, uint64_t number)
{
	uint64_t reached = guess->streak < GUESS_STREAK ? guess->walked :
							  guess->filled;

	if (number <= guess->walked || number > reached + GUESS_STEP_MAX) {
		guess->streak = 0;
		guess->filled = 0;
	}
	guess->walked = number;
	if (++guess->streak < GUESS_STREAK)
		return false;
	if (guess->filled <= number)
		guess->filled = number + 1;
	guess->walk_waiting = true;
	return true;
}

bool guess_note(struct guess *guess, uint64_t number, size_t len, off_t offset)
{
	if (offset == 0 && len <= GUESS_SMALL)
		return note_walk(guess, number);
	return !is_in_order(guess, number, len, offset) &&
	       len <= GUESS_ASKED_MAX && queue_place(guess, number, offset);
}

bool guess_take_walk(struct guess *guess, struct guess_walk *ret)
{
	if (!guess->walk_waiting || guess->walking)
		return false;
	guess->walk_waiting = false;
	guess->walking = true;
	*ret = (struct guess_walk){ guess->filled,
				    guess->walked + GUESS_AHEAD_FILES };
	return true;
}

bool guess_take_place(struct guess *guess, struct guess_place *ret)
{
	if (guess->count == 0)
		return false;
	*ret = guess->places[guess->first];
	guess->first = (guess->first + 1) % GUESS_PLACES_MAX;
	guess->count--;
	return true;
}

void guess_place_filled(struct guess *guess, const struct guess_place *place)
{
	misses_filled(&guess->misses, place->number, place->block);
}

void guess_walk_filled(struct guess *guess, uint64_t from, uint64_t to)
{
	guess->walking = false;
	/* Unless another walk began meanwhile. */
	if (guess->filled == from)
		guess->filled = to;
}
