/*
 * What a tree consists of, for the modules that load one and read its files.
 *
 * It does not change once it is loaded, so threads may share it.
 */
#ifndef RVS_STORE_TREE_INSIDE_H
#define RVS_STORE_TREE_INSIDE_H

#include <stddef.h>
#include <stdint.h>

#include <rvs/tree.h>

#include "tree.h"

/* Memory for what never moves: names, targets, attributes. */
struct arena {
	struct arena *next;
	size_t used;
	size_t size;
	uint8_t bytes[];
};

enum { XATTR_NAMES_MAX = 32 };

struct rvs_tree {
	struct rvs_store *store;
	char id[RVS_ID_SIZE];
	uint64_t number; /* tells the trees of a store apart: its id's slot */
	struct rvs_entry *entries;
	struct rvs_origin *origins; /* one an entry, or NULL */
	uint32_t count;
	uint32_t capacity;
	uint32_t *children; /* indices, a directory's together, by name */
	struct rvs_extents extents;
	char (*volumes)[RVS_ID_SIZE];
	uint32_t *slots; /* the volumes' numbers in the store */
	uint32_t volume_count;
	struct rvs_segment *segments;
	size_t segment_count;
	const char *xattr_names[XATTR_NAMES_MAX]; /* each one that an entry
						     has; or the first of
						     more */
	uint32_t xattr_name_count; /* above XATTR_NAMES_MAX: more */
	struct arena *arena;
	size_t arena_bytes;
	struct rvs_digest checksum;
};

#endif
