/*
 * Extent: where a run of a file's bytes lies: in a member of some snapshot's
 * streams, or nowhere, because it is a hole.
 *
 * The extents of a file follow each other without gap or overlap; an extent
 * ends where the next begins, the last one at the end of the file.
 */
#ifndef RVS_EXTENT_H
#define RVS_EXTENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define RVS_HOLE UINT32_MAX

struct rvs_extent {
	uint64_t at;     /* offset in the file, bytes */
	uint32_t volume; /* index into a table of snapshot ids, or RVS_HOLE */
	uint32_t member; /* number in that snapshot */
	uint32_t offset; /* in the member's plain bytes */
};

struct rvs_extents {
	struct rvs_extent *items;
	size_t count;
	size_t capacity;
};

#define RVS_EXTENTS_INIT                                                       \
	{                                                                      \
		NULL, 0, 0                                                     \
	}

void rvs_extents_done(struct rvs_extents *extents);

/* Append; an extent that continues its predecessor is merged with it. */
int rvs_extents_add(struct rvs_extents *extents,
		    const struct rvs_extent *extent, struct rvs_error *err);

/* Make room for @more, all at once. */
int rvs_extents_reserve(struct rvs_extents *extents, size_t more,
			struct rvs_error *err);

/* Append whether or not it continues its predecessor. */
static inline int rvs_extents_push(struct rvs_extents *extents,
				   const struct rvs_extent *extent,
				   struct rvs_error *err)
{
	int r = extents->count < extents->capacity ?
			0 :
			rvs_extents_reserve(extents, 1, err);

	if (r == 0)
		extents->items[extents->count++] = *extent;
	return r;
}

/* Index of the extent that holds @offset, which must be below the end of the
 * file; @count must not be 0. */
size_t rvs_extent_find(const struct rvs_extent *items, size_t count,
		       uint64_t offset);

/* Where extent @i of a file of @size bytes ends. */
uint64_t rvs_extent_end(const struct rvs_extent *items, size_t count, size_t i,
			uint64_t size);

#endif
