/*
 * Trees: the loaded trees of snapshots, shared by requests, bounded in bytes.
 *
 * A cache, see there, of trees.  Threads may share it.
 */
#ifndef TREES_H
#define TREES_H

#include <stddef.h>
#include <stdint.h>

#include <rvs/error.h>

struct rvs_tree;
struct tree_hold;
struct trees;

/* Where trees come from; called without any lock. */
struct tree_loader {
	void *arg;
	int (*load)(void *arg, uint32_t slot, struct rvs_tree **ret,
		    struct rvs_error *err);
};

struct trees_usage {
	size_t trees;
	size_t bytes;
	size_t limit_bytes;
};

/* NULL when out of memory. */
struct trees *trees_new(size_t limit_bytes, const struct tree_loader *loader);

/* Nothing may be held any more. */
void trees_free(struct trees *trees);

/*
 * Hold the tree of the snapshot in @slot until trees_release().  A failed load
 * is told to all who waited for it; the next request tries again.
 */
int trees_hold(struct trees *trees, uint32_t slot, struct tree_hold **ret,
	       struct rvs_error *err);
void trees_release(struct tree_hold *hold); /* accepts NULL */

struct rvs_tree *trees_tree(const struct tree_hold *hold);

struct trees_usage trees_usage(struct trees *trees);

#endif
