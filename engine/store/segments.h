/*
 * Segments: those of a manifest, loaded and proved side by side, in order.
 *
 * A pool's workers load a bounded number of them ahead of the one owner that
 * reads them.
 */
#ifndef RVS_SEGMENTS_H
#define RVS_SEGMENTS_H

#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

struct rvs_damage;
struct rvs_pool;
struct rvs_segment;
struct rvs_segments;
struct rvs_volumes;

/* The @count @items must stay.  @pool NULL: each is loaded when it is asked
 * for. */
int rvs_segments_new(struct rvs_volumes *volumes,
		     const struct rvs_segment *items, size_t count,
		     struct rvs_pool *pool, struct rvs_segments **ret,
		     struct rvs_error *err);
void rvs_segments_free(struct rvs_segments *segments); /* accepts NULL */
void rvs_segments_cleanup(struct rvs_segments **segments);

/* The plain bytes of the next one, valid until the next call; 1: there is none.
 * Fails as rvs_volume_load() does. */
int rvs_segments_next(struct rvs_segments *segments, const struct rvs_buf **ret,
		      struct rvs_damage *damage, struct rvs_error *err);

#endif
