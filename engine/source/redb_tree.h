/*
 * Redb tree: walks over all trees of one commit of a redb file.
 *
 * A walk believes nothing but checksums: a page is used only after its bytes
 * matched the checksum in its parent, up to the commit slot.  What a damaged or
 * hostile file can make a walk do is bounded: its depth, the pages it visits,
 * the size of a page, the memory that holds what is left to visit.
 */
#ifndef RVS_REDB_TREE_H
#define RVS_REDB_TREE_H

#include <stdint.h>

#include "base/error.h"
#include "input.h"
#include "redb_header.h"
#include "redb_proved.h"

/* The longest page that is read.  A page is as long as its longest entry. */
#define RVS_REDB_PAGE_LEN_MAX (64u << 20)

/* Where pages that fail in a copy are read again, and written into it. */
struct rvs_redb_mend {
	struct rvs_input live;
	int copy_fd;
	uint64_t pages; /* mended so far */
};

struct rvs_redb_walk {
	const struct rvs_redb_header *header;
	const struct rvs_input *input;
	struct rvs_redb_mend *mend;     /* NULL: look, do not mend */
	struct rvs_redb_proved *proved; /* subtrees to skip; gains new ones */
	/* Called now and then; a negative answer ends the walk. */
	int (*pause)(void *arg, struct rvs_error *err);
	void *arg;
};

/*
 * Prove that every page which redb reads to open, repair and use the database
 * at @slot matches its checksum: user, system and freed tree, all tables, the
 * collections of multimaps, the trees that persistent savepoints keep.
 *
 * RVS_ERR_CORRUPT, naming the page, when one does not match, not even after
 * mending.  RVS_ERR_REFUSED for a page above RVS_REDB_PAGE_LEN_MAX.
 */
int rvs_redb_tree_prove(const struct rvs_redb_walk *walk,
			const struct rvs_redb_slot *slot,
			struct rvs_error *err);

#define RVS_REDB_NO_TABLE 1

/*
 * Find the user's table @name at @slot, reading one page for each level of the
 * tree of tables.  Returns 0, RVS_REDB_NO_TABLE, or a negative status as above.
 */
int rvs_redb_tree_find(const struct rvs_redb_header *header,
		       const struct rvs_input *input,
		       const struct rvs_redb_slot *slot, const char *name,
		       struct rvs_redb_table *ret, struct rvs_error *err);

#endif
