/*
 * Repack: the directory of a deleted snapshot made anew with what is used.
 *
 * Streams of which all is used are kept, members that are used copied as they
 * are; one of which a quarter or more is dead is packed again with zeros in the
 * dead parts, which take no room.  Numbers, and offsets in members, stay.
 */
#ifndef RVS_REPACK_H
#define RVS_REPACK_H

#include "base/error.h"
#include "usage.h"

/* About how many bytes repacking frees, and how many there are. */
void rvs_repack_estimate(const struct rvs_usage *usage, uint64_t *ret_dead,
			 uint64_t *ret_all);

/* The caller holds the writer's lock. */
int rvs_repack_run(struct rvs_store *store, const struct rvs_usage *usage,
		   struct rvs_error *err);

#endif
