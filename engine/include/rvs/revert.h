/*
 * Revert: a snapshot in place of its source.
 */
#ifndef RVS_REVERT_H
#define RVS_REVERT_H

#include <stdbool.h>
#include <stdint.h>

#include <rvs/error.h>
#include <rvs/job.h>
#include <rvs/snapshot.h>

struct rvs_store;

/* Metadata of the snapshot that keeps the present state: the id of the one that
 * takes its place.  The next is incremental on that. */
#define RVS_META_BEFORE_REVERT "before_revert_to"

struct rvs_revert_options {
	const char *source; /* what is replaced; NULL: what the snapshot was
			       taken of */
	bool wait;          /* for another writer, instead of RVS_ERR_BUSY */
	struct rvs_monitor monitor;
};

struct rvs_revert_result {
	bool kept;                  /* the source was there; its state is in */
	struct rvs_snapshot before; /* this snapshot, pinned: reverting to it
				       is the undo */
	struct rvs_restore_result restored;
	char *source;   /* its path */
	char *leftover; /* path of what was in the source and is in no
			   snapshot, or NULL: excluded files, for example */
};

/*
 * Put the snapshot @reference in place of its source, which may be gone: a copy
 * is made beside it, each file proved by its SHA-256; the present state is kept
 * as a snapshot; then the two change places at once, and what was there is
 * removed, but for what the snapshot of it does not hold.  Whatever stops this,
 * the source is the old one or the new one, whole; what else is left lies beside
 * it as ".NAME.ruvsnap-revert-*", which the next call removes.
 *
 * RVS_ERR_BUSY, with their names, while other processes use files of the source,
 * or when it would not stand still.  RVS_ERR_REFUSED for a source that is a
 * mount point or has one below, or holds the store; RVS_ERR_USAGE when one is a
 * directory and the other a file.  @ret is for rvs_revert_done(), filled as far
 * as it came.
 */
int rvs_revert(struct rvs_store *store, const char *reference,
	       const struct rvs_revert_options *options,
	       struct rvs_revert_result *ret, struct rvs_error *err);
void rvs_revert_done(struct rvs_revert_result *result);

#endif
