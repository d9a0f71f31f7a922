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

/* Bytes of the members that repacking keeps. */
uint64_t rvs_repack_kept(const struct rvs_usage *usage);

/*
 * The caller holds the writer's lock.  @step is told of the bytes of each member
 * that was seen to, as rvs_repack_kept() counts them; a failure that it returns
 * ends the work, and leaves the directory as it was.
 */
int rvs_repack_run(struct rvs_store *store, const struct rvs_usage *usage,
		   int (*step)(void *arg, uint64_t bytes), void *arg,
		   struct rvs_error *err);

#endif
