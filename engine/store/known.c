#include "known.h"

#include <stdlib.h>
#include <string.h>

enum { CAPACITY_MIN = 1024 };

struct rvs_known_place {
	uint64_t prefix; /* of the digest; 0: free */
	uint32_t first;
	uint32_t second;
};

void rvs_known_done(struct rvs_known *known)
{
	free(known->places);
	*known = (struct rvs_known)RVS_KNOWN_INIT;
}

/* A digest is as good as random, so its first bytes are a hash; the one value
 * that means a free place gives way to another. */
static uint64_t prefix_of(const struct rvs_digest *digest)
{
	uint64_t prefix;

	memcpy(&prefix, digest->bytes, sizeof(prefix));
	return prefix ? prefix : 1;
}

static struct rvs_known_place *place_of(const struct rvs_known *known,
					uint64_t prefix)
{
	size_t at = prefix & (known->capacity - 1);

	while (known->places[at].prefix && known->places[at].prefix != prefix)
		at = (at + 1) & (known->capacity - 1);
	return &known->places[at];
}

static int resize(struct rvs_known *known, size_t capacity,
		  struct rvs_error *err)
{
	struct rvs_known larger = { .count = known->count,
				    .capacity = capacity };
	size_t i;

	larger.places = calloc(larger.capacity, sizeof(*larger.places));
	if (!larger.places)
		return rvs_error_no_memory(err);
	for (i = 0; i < known->capacity; i++)
		if (known->places[i].prefix)
			*place_of(&larger, known->places[i].prefix) =
				known->places[i];
	free(known->places);
	*known = larger;
	return 0;
}

int rvs_known_reserve(struct rvs_known *known, size_t count,
		      struct rvs_error *err)
{
	size_t capacity = known->capacity ? known->capacity : CAPACITY_MIN;

	while (4 * count > 3 * capacity)
		capacity *= 2;
	return capacity == known->capacity ? 0 : resize(known, capacity, err);
}

int rvs_known_add(struct rvs_known *known, const struct rvs_digest *digest,
		  uint32_t first, uint32_t second, struct rvs_error *err)
{
	struct rvs_known_place *place;
	int r = rvs_known_reserve(known, known->count + 1, err);

	if (r < 0)
		return r;
	place = place_of(known, prefix_of(digest));
	if (place->prefix)
		return 0;
	*place = (struct rvs_known_place){ prefix_of(digest), first, second };
	known->count++;
	return 0;
}

bool rvs_known_find(const struct rvs_known *known,
		    const struct rvs_digest *digest, uint32_t *ret_first,
		    uint32_t *ret_second)
{
	const struct rvs_known_place *place;

	if (known->count == 0)
		return false;
	place = place_of(known, prefix_of(digest));
	if (!place->prefix)
		return false;
	*ret_first = place->first;
	*ret_second = place->second;
	return true;
}
