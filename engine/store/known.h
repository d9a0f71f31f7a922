/*
 * Known: where bytes with a given SHA-256 lie already.
 *
 * Two tables: members, by the digest of their plain bytes; and whole files, by
 * the digest of theirs.  A place takes 16 bytes, at a load of 3/8 to 3/4, and a
 * member is 96 KiB of data on average: 0.23 to 0.46 GiB a TiB.  The digests
 * themselves stay in the volumes' indexes, with 48 bytes a member.
 */
#ifndef RVS_KNOWN_H
#define RVS_KNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rvs/digest.h>

#include "base/error.h"

/* A table from digests to a pair of numbers.  Reads are safe from any number of
 * threads while nobody adds. */
struct rvs_known {
	struct rvs_known_place *places;
	size_t count;
	size_t capacity;
};

#define RVS_KNOWN_INIT                                                         \
	{                                                                      \
		NULL, 0, 0                                                     \
	}

void rvs_known_done(struct rvs_known *known);

/* Make room for @count digests at once, so that no table ever stands beside its
 * larger copy. */
int rvs_known_reserve(struct rvs_known *known, size_t count,
		      struct rvs_error *err);

/* The first pair added for a digest stays. */
int rvs_known_add(struct rvs_known *known, const struct rvs_digest *digest,
		  uint32_t first, uint32_t second, struct rvs_error *err);

/*
 * A candidate for @digest: its first eight bytes agree, the caller compares the
 * rest.  False: there is none.
 */
bool rvs_known_find(const struct rvs_known *known,
		    const struct rvs_digest *digest, uint32_t *ret_first,
		    uint32_t *ret_second);

#endif
