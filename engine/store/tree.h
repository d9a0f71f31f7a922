/*
 * Trees, as the inside of the engine sees them: how files lie in the store.
 * tree_load.c makes one of a manifest, tree_read.c reads the files.
 */
#ifndef RVS_STORE_TREE_H
#define RVS_STORE_TREE_H

#include <rvs/tree.h>

#include "format/extent.h"
#include "format/manifest.h"

/* The extents of a regular file; @ret_count of them. */
const struct rvs_extent *rvs_tree_extents(const struct rvs_tree *tree,
					  const struct rvs_entry *file,
					  size_t *ret_count);

/* The snapshot that extents call @volume. */
uint32_t rvs_tree_volume_count(const struct rvs_tree *tree);
const char *rvs_tree_volume(const struct rvs_tree *tree, uint32_t volume);

/* How the source looked when the entry was taken; kept by a tree that was
 * loaded with origins. */
struct rvs_origin {
	uint64_t ino;
	struct timespec ctime;
	struct rvs_vector_note vectors;
};
const struct rvs_origin *rvs_tree_origin(const struct rvs_tree *tree,
					 uint32_t index);

/* The segments of its manifest. */
const struct rvs_segment *rvs_tree_segments(const struct rvs_tree *tree,
					    size_t *ret_count);

/* The same without loading the tree; @ret is malloc'ed. */
int rvs_tree_read_root(struct rvs_store *store, const char *id,
		       struct rvs_segment **ret, size_t *ret_count,
		       struct rvs_damage *damage, struct rvs_error *err);

/* rvs_tree_read() for threads that share a file out, front to back, and skip
 * much of it: nothing is loaded ahead. */
ssize_t rvs_tree_peek(struct rvs_tree *tree, const struct rvs_entry *file,
		      void *buf, size_t len, uint64_t offset,
		      struct rvs_error *err);

/* SHA-256 of the logical tree, computed as it was loaded. */
const struct rvs_digest *rvs_tree_checksum(const struct rvs_tree *tree);

/* As rvs_tree_open(), with origins. */
int rvs_tree_open_with_origins(struct rvs_store *store, const char *id,
			       struct rvs_tree **ret, struct rvs_error *err);

/* The same for any snapshot whose data is there, deleted or not; @damage (may
 * be NULL) says what was damaged. */
int rvs_tree_load(struct rvs_store *store, const char *id,
		  struct rvs_tree **ret, struct rvs_damage *damage,
		  struct rvs_error *err);

void rvs_tree_cleanup(struct rvs_tree **tree);

#endif
