#include "misses.h"

enum { FILL_AT = 2 };

static unsigned place_of(uint64_t number, off_t block)
{
	uint64_t key = number * 0x9e3779b97f4a7c15u + (uint64_t)block;

	return (unsigned)(key * 0x9e3779b97f4a7c15u >> 52) % MISSES_BLOCKS;
}

static bool is_at(const struct misses *misses, unsigned place, uint64_t number,
		  off_t block)
{
	return misses->seen[place].count > 0 &&
	       misses->seen[place].number == number &&
	       misses->seen[place].block == block;
}

bool misses_note(struct misses *misses, uint64_t number, off_t block)
{
	unsigned place = place_of(number, block);

	if (!is_at(misses, place, number, block)) {
		misses->seen[place].number = number;
		misses->seen[place].block = block;
		misses->seen[place].count = 0;
	}
	if (misses->seen[place].count == FILL_AT)
		return false;
	return ++misses->seen[place].count == FILL_AT;
}

void misses_filled(struct misses *misses, uint64_t number, off_t block)
{
	unsigned place = place_of(number, block);

	if (is_at(misses, place, number, block))
		misses->seen[place].count = 0;
}
