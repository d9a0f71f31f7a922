/*
 * Prior: what a new snapshot may build on: a base's tree, and every member,
 * file and segment that the base can reach.
 *
 * Never changes once made; threads may share it.
 */
#ifndef RVS_PRIOR_H
#define RVS_PRIOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "format/manifest.h"
#include "format/signature.h"
#include "store/tree.h"

struct rvs_prior;

int rvs_prior_new(struct rvs_store *store, const struct rvs_snapshot *base,
		  struct rvs_prior **ret, struct rvs_error *err);
void rvs_prior_free(struct rvs_prior *prior); /* accepts NULL */

struct rvs_tree *rvs_prior_tree(const struct rvs_prior *prior);

/* Index members, files and chunks, which the functions below need. */
int rvs_prior_index(struct rvs_prior *prior, struct rvs_error *err);

/* A member of exactly these bytes; *ret_volume is the tree's. */
bool rvs_prior_find_member(const struct rvs_prior *prior,
			   const struct rvs_digest *digest, size_t plain_len,
			   uint32_t *ret_volume, uint32_t *ret_member);

/* A regular file of exactly these bytes; NULL: there is none. */
const struct rvs_entry *rvs_prior_find_file(const struct rvs_prior *prior,
					    const struct rvs_digest *digest,
					    uint64_t size);

/* Whether @old, a file of the prior, is known to have this chunk.  False says
 * nothing: its bytes may be compared. */
bool rvs_prior_has_chunk(const struct rvs_prior *prior,
			 const struct rvs_entry *old,
			 const struct rvs_signature *chunk);

/* What is known of chunks so. */
const struct rvs_signatures *rvs_prior_signatures(const struct rvs_prior *prior);

/* Whether any regular file has this size and is not empty. */
bool rvs_prior_has_size(const struct rvs_prior *prior, uint64_t size);

/* The segment with these bytes; false: there is none. */
bool rvs_prior_find_segment(const struct rvs_prior *prior,
			    const struct rvs_digest *digest,
			    struct rvs_segment *ret);

/*
 * The entry that an item of the source was when the base was made: the child
 * @name of its directory's entry @parent (RVS_NO_ENTRY: none), or RVS_NO_ENTRY.
 */
uint32_t rvs_prior_child(const struct rvs_prior *prior, uint32_t parent,
			 const char *name);

/*
 * Whether a time stamp is old enough, against the base's scan, to prove that
 * nothing changed since.  A change within the same tick of the clock as the
 * scan leaves no trace (git's "racy" problem).
 */
bool rvs_time_is_settled(struct timespec changed, struct timespec scan);

#endif
