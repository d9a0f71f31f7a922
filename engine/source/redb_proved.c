#include "redb_proved.h"

#include <stdlib.h>
#include <string.h>

/* Checksums in a damaged file may be chosen to collide: a search gives up after
 * this many steps. */
enum { FIRST_CAPACITY = 4096, STEPS_MAX = 64 };

struct rvs_redb_proved rvs_redb_proved_of(size_t max_bytes)
{
	return (struct rvs_redb_proved){ .max_bytes = max_bytes };
}

void rvs_redb_proved_done(struct rvs_redb_proved *proved)
{
	free(proved->slots);
	*proved = rvs_redb_proved_of(proved->max_bytes);
}

void rvs_redb_proved_clear(struct rvs_redb_proved *proved)
{
	proved->count = 0;
	if (proved->slots)
		memset(proved->slots, 0,
		       proved->capacity * sizeof(*proved->slots));
}

/* The checksum is spread well as it is; the page must tell equal pages at
 * different places apart (the constant is 2^64 divided by the golden ratio). */
static uint64_t fingerprint_of(const struct rvs_redb_ref *ref)
{
	uint64_t fingerprint;

	memcpy(&fingerprint, ref->checksum.bytes, sizeof(fingerprint));
	fingerprint ^= ref->page * UINT64_C(0x9e3779b97f4a7c15);
	return fingerprint ? fingerprint : 1;
}

/* Where the fingerprint is or could be put; NULL when the search gives up. */
static uint64_t *find_slot(const struct rvs_redb_proved *proved,
			   uint64_t fingerprint)
{
	for (size_t step = 0; step < STEPS_MAX; step++) {
		size_t i = (fingerprint + step) & (proved->capacity - 1);

		if (proved->slots[i] == fingerprint || proved->slots[i] == 0)
			return &proved->slots[i];
	}
	return NULL;
}

bool rvs_redb_proved_has(const struct rvs_redb_proved *proved,
			 const struct rvs_redb_ref *ref)
{
	const uint64_t *slot;

	if (proved->count == 0)
		return false;
	slot = find_slot(proved, fingerprint_of(ref));
	return slot && *slot != 0;
}

static void insert(struct rvs_redb_proved *proved, uint64_t fingerprint)
{
	uint64_t *slot = find_slot(proved, fingerprint);

	if (!slot || *slot == fingerprint)
		return;
	*slot = fingerprint;
	proved->count++;
}

static bool grow(struct rvs_redb_proved *proved)
{
	struct rvs_redb_proved larger = *proved;

	larger.capacity =
		proved->capacity ? 2 * proved->capacity : FIRST_CAPACITY;
	larger.count = 0;
	if (larger.capacity > proved->max_bytes / sizeof(*larger.slots))
		return false;
	larger.slots = calloc(larger.capacity, sizeof(*larger.slots));
	if (!larger.slots)
		return false;

	for (size_t i = 0; i < proved->capacity; i++)
		if (proved->slots[i])
			insert(&larger, proved->slots[i]);
	free(proved->slots);
	*proved = larger;
	return true;
}

void rvs_redb_proved_add(struct rvs_redb_proved *proved,
			 const struct rvs_redb_ref *ref)
{
	if (proved->count >= proved->capacity / 4 * 3 && !grow(proved))
		return;
	insert(proved, fingerprint_of(ref));
}
