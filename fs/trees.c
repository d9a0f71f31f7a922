#include "trees.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <rvs/tree.h>

#include "cleanup.h"
#include "errors.h"

enum state {
	LOADING,
	LOADED,
	FAILED, /* no longer in the table; freed by the last who waited */
};

/* One tree, from the first request for it until it is dropped. */
struct tree_hold {
	struct trees *trees;
	uint32_t slot;
	/* The fields below: protected by trees->lock. */
	enum state state;
	unsigned users;
	size_t bytes;
	struct tree_hold *newer, *older; /* while LOADED */
	struct rvs_error error;          /* when FAILED */
	/* Written before LOADED, constant from then on. */
	struct rvs_tree *tree;
};

struct trees {
	struct tree_loader loader;
	size_t limit_bytes;
	pthread_mutex_t lock;
	pthread_cond_t loaded; /* some load ended */

	/* All below: protected by lock. */
	struct tree_hold **by_slot;
	size_t slots;
	size_t bytes;
	size_t count;
	struct tree_hold *newest, *oldest; /* by use, LOADED ones only */
};

struct trees *trees_new(size_t limit_bytes, const struct tree_loader *loader)
{
	struct trees *trees = calloc(1, sizeof(*trees));

	if (!trees)
		return NULL;
	trees->loader = *loader;
	trees->limit_bytes = limit_bytes;
	pthread_mutex_init(&trees->lock, NULL);
	pthread_cond_init(&trees->loaded, NULL);
	return trees;
}

static void free_hold(struct tree_hold *hold)
{
	rvs_tree_release(hold->tree);
	free(hold);
}

/* Free a chain of trees linked by older. */
static void free_chain(struct tree_hold *hold)
{
	struct tree_hold *older;

	for (; hold; hold = older) {
		older = hold->older;
		free_hold(hold);
	}
}

void trees_free(struct trees *trees)
{
	if (!trees)
		return;
	free_chain(trees->newest);
	free(trees->by_slot);
	pthread_cond_destroy(&trees->loaded);
	pthread_mutex_destroy(&trees->lock);
	free(trees);
}

static void list_remove(struct trees *trees, struct tree_hold *hold)
{
	if (hold->newer)
		hold->newer->older = hold->older;
	else
		trees->newest = hold->older;
	if (hold->older)
		hold->older->newer = hold->newer;
	else
		trees->oldest = hold->newer;
}

static void list_push(struct trees *trees, struct tree_hold *hold)
{
	hold->newer = NULL;
	hold->older = trees->newest;
	if (trees->newest)
		trees->newest->newer = hold;
	else
		trees->oldest = hold;
	trees->newest = hold;
}

static void touch(struct trees *trees, struct tree_hold *hold)
{
	if (trees->newest == hold)
		return;
	list_remove(trees, hold);
	list_push(trees, hold);
}

/* Take what exceeds the limit out of the cache; the caller frees the chain once
 * it let go of the lock. */
static struct tree_hold *evict(struct trees *trees)
{
	struct tree_hold *hold, *newer, *dropped = NULL;

	for (hold = trees->oldest; hold && hold != trees->newest;
	     hold = newer) {
		newer = hold->newer;
		if (trees->bytes <= trees->limit_bytes)
			break;
		if (hold->users)
			continue;
		list_remove(trees, hold);
		trees->by_slot[hold->slot] = NULL;
		trees->bytes -= hold->bytes;
		trees->count--;
		hold->older = dropped;
		dropped = hold;
	}
	return dropped;
}

static int grow(struct trees *trees, uint32_t slot)
{
	size_t slots = slot + (size_t)slot / 2 + 16;
	struct tree_hold **table;

	if (slot < trees->slots)
		return 0;
	table = reallocarray(trees->by_slot, slots, sizeof(*table));
	if (!table)
		return -1;
	memset(table + trees->slots, 0,
	       (slots - trees->slots) * sizeof(*table));
	trees->by_slot = table;
	trees->slots = slots;
	return 0;
}

/* Enter the tree of @slot as LOADING, with one user: who called, to load it. */
static struct tree_hold *add(struct trees *trees, uint32_t slot)
{
	struct tree_hold *hold;

	if (grow(trees, slot) < 0)
		return NULL;
	hold = calloc(1, sizeof(*hold));
	if (!hold)
		return NULL;
	hold->trees = trees;
	hold->slot = slot;
	hold->state = LOADING;
	hold->users = 1;
	trees->by_slot[slot] = hold;
	return hold;
}

/* The tree of @slot with one user more; *@ret_mine when the caller loads it. */
static struct tree_hold *join(struct trees *trees, uint32_t slot,
			      bool *ret_mine)
{
	struct tree_hold *hold;
	LOCKED(&trees->lock);

	hold = slot < trees->slots ? trees->by_slot[slot] : NULL;
	*ret_mine = !hold;
	if (!hold)
		return add(trees, slot);
	hold->users++;
	while (hold->state == LOADING)
		pthread_cond_wait(&trees->loaded, &trees->lock);
	if (hold->state == LOADED)
		touch(trees, hold);
	return hold;
}

static struct tree_hold *enter_loaded(struct trees *trees,
				      struct tree_hold *hold)
{
	LOCKED(&trees->lock);

	hold->state = LOADED;
	hold->bytes = rvs_tree_memory(hold->tree);
	trees->bytes += hold->bytes;
	trees->count++;
	list_push(trees, hold);
	pthread_cond_broadcast(&trees->loaded);
	return evict(trees);
}

static void enter_failed(struct trees *trees, struct tree_hold *hold,
			 const struct rvs_error *err)
{
	LOCKED(&trees->lock);

	hold->state = FAILED;
	hold->error = *err;
	trees->by_slot[hold->slot] = NULL;
	pthread_cond_broadcast(&trees->loaded);
}

static void load(struct trees *trees, struct tree_hold *hold)
{
	struct rvs_error err = RVS_ERROR_INIT;

	if (trees->loader.load(trees->loader.arg, hold->slot, &hold->tree,
			       &err) < 0)
		enter_failed(trees, hold, &err);
	else
		free_chain(enter_loaded(trees, hold));
}

static void cleanup_hold(struct tree_hold **hold)
{
	trees_release(*hold);
}

int trees_hold(struct trees *trees, uint32_t slot, struct tree_hold **ret,
	       struct rvs_error *err)
{
	CLEANUP(cleanup_hold) struct tree_hold *hold = NULL;
	bool mine;

	hold = join(trees, slot, &mine);
	if (!hold)
		return error_set(err, RVS_ERR_NO_MEMORY, "out of memory");
	if (mine)
		load(trees, hold);
	/* The state cannot change while this is a user of it. */
	if (hold->state == FAILED) {
		*err = hold->error;
		return hold->error.status;
	}
	*ret = take(hold);
	return 0;
}

/* What to free, as a chain, when a user of @hold leaves. */
static struct tree_hold *leave(struct trees *trees, struct tree_hold *hold)
{
	LOCKED(&trees->lock);

	if (--hold->users)
		return NULL;
	return hold->state == FAILED ? hold : evict(trees);
}

void trees_release(struct tree_hold *hold)
{
	if (hold)
		free_chain(leave(hold->trees, hold));
}

struct rvs_tree *trees_tree(const struct tree_hold *hold)
{
	return hold->tree;
}

struct trees_usage trees_usage(struct trees *trees)
{
	LOCKED(&trees->lock);

	return (struct trees_usage){
		.trees = trees->count,
		.bytes = trees->bytes,
		.limit_bytes = trees->limit_bytes,
	};
}
