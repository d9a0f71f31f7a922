/*
 * Redb proved: which subtrees of a copied database were found whole.
 *
 * A subtree is known by the number and the checksum of its top page, of which
 * eight bytes of fingerprint are kept.  The set is a means to go faster, never
 * a proof: it forgets when it is full, and fingerprints may collide, so the
 * finished copy is verified without what was remembered while it was made.
 */
#ifndef RVS_REDB_PROVED_H
#define RVS_REDB_PROVED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "redb_page.h"

struct rvs_redb_proved {
	uint64_t *slots; /* 0: free */
	size_t capacity; /* a power of two, or 0 */
	size_t count;
	size_t max_bytes; /* of slots, half as much again while they grow */
};

struct rvs_redb_proved rvs_redb_proved_of(size_t max_bytes);
void rvs_redb_proved_done(struct rvs_redb_proved *proved);

bool rvs_redb_proved_has(const struct rvs_redb_proved *proved,
			 const struct rvs_redb_ref *ref);

/* Without memory the subtree is not remembered. */
void rvs_redb_proved_add(struct rvs_redb_proved *proved,
			 const struct rvs_redb_ref *ref);

void rvs_redb_proved_clear(struct rvs_redb_proved *proved);

#endif
