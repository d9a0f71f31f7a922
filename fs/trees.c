#include "trees.h"

#include <stdlib.h>

#include <rvs/tree.h>

#include "cache.h"

/* A hold is the cache's own, under a name of its own. */
struct trees {
	struct tree_loader loader;
	struct cache *cache;
};

static int load(void *arg, uint32_t slot, void **ret, struct rvs_error *err)
{
	const struct trees *trees = arg;
	struct rvs_tree *tree = NULL;
	int r;

	r = trees->loader.load(trees->loader.arg, slot, &tree, err);
	*ret = tree;
	return r;
}

static size_t memory(const void *object)
{
	return rvs_tree_memory(object);
}

static void release(void *object)
{
	rvs_tree_release(object);
}

struct trees *trees_new(size_t limit_bytes, const struct tree_loader *loader)
{
	struct trees *trees = calloc(1, sizeof(*trees));
	const struct cache_loader own = { trees, load, memory, release };

	if (!trees)
		return NULL;
	trees->loader = *loader;
	trees->cache = cache_new(limit_bytes, &own);
	if (trees->cache)
		return trees;
	free(trees);
	return NULL;
}

void trees_free(struct trees *trees)
{
	if (!trees)
		return;
	cache_free(trees->cache);
	free(trees);
}

int trees_hold(struct trees *trees, uint32_t slot, struct tree_hold **ret,
	       struct rvs_error *err)
{
	struct cache_hold *hold = NULL;
	int r;

	r = cache_hold(trees->cache, slot, &hold, err);
	*ret = (struct tree_hold *)hold;
	return r;
}

void trees_release(struct tree_hold *hold)
{
	cache_release((struct cache_hold *)hold);
}

struct rvs_tree *trees_tree(const struct tree_hold *hold)
{
	return cache_object((const struct cache_hold *)hold);
}

struct trees_usage trees_usage(struct trees *trees)
{
	struct cache_usage usage = cache_usage(trees->cache);

	return (struct trees_usage){
		.trees = usage.objects,
		.bytes = usage.bytes,
		.limit_bytes = usage.limit_bytes,
	};
}
