#include "extent.h"

#include <stdlib.h>

#include "base/cleanup.h"

void rvs_extents_done(struct rvs_extents *extents)
{
	free(extents->items);
	*extents = (struct rvs_extents)RVS_EXTENTS_INIT;
}

int rvs_extents_reserve(struct rvs_extents *extents, size_t more,
			struct rvs_error *err)
{
	size_t wanted = extents->count + more;
	size_t capacity = 2 * extents->capacity;
	struct rvs_extent *items;

	if (wanted <= extents->capacity)
		return 0;
	capacity = capacity > wanted ? capacity : wanted;
	items = reallocarray(extents->items, capacity, sizeof(*items));
	if (!items)
		return rvs_error_no_memory(err);
	extents->items = items;
	extents->capacity = capacity;
	return 0;
}

static int continues(const struct rvs_extent *last,
		     const struct rvs_extent *next)
{
	if (last->volume != next->volume)
		return 0;
	if (next->volume == RVS_HOLE)
		return 1;
	return last->member == next->member &&
	       last->offset + (next->at - last->at) == next->offset;
}

int rvs_extents_add(struct rvs_extents *extents,
		    const struct rvs_extent *extent, struct rvs_error *err)
{
	if (extents->count > 0 &&
	    continues(&extents->items[extents->count - 1], extent))
		return 0;
	return rvs_extents_push(extents, extent, err);
}

size_t rvs_extent_find(const struct rvs_extent *items, size_t count,
		       uint64_t offset)
{
	size_t low = 0, high = count;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (items[middle].at <= offset)
			low = middle;
		else
			high = middle;
	}
	return low;
}

uint64_t rvs_extent_end(const struct rvs_extent *items, size_t count, size_t i,
			uint64_t size)
{
	return i + 1 < count ? items[i + 1].at : size;
}
