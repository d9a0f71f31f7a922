#include "cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "errors.h"

enum state {
	LOADING,
	LOADED,
	FAILED, /* no longer in the table; freed by the last who waited */
};

/* One object, from the first request for it until it is dropped. */
struct cache_hold {
	struct cache *cache;
	uint32_t slot;
	/* The fields below: protected by cache->lock. */
	enum state state;
	unsigned users;
	size_t bytes;
	struct cache_hold *newer, *older; /* while LOADED */
	struct rvs_error error;          /* when FAILED */
	/* Written before LOADED, constant from then on. */
	void *object;
};

struct cache {
	struct cache_loader loader;
	size_t limit_bytes;
	pthread_mutex_t lock;
	pthread_cond_t loaded; /* some load ended */

	/* All below: protected by lock. */
	struct cache_hold **by_slot;
	size_t slots;
	size_t bytes;
	size_t count;
	struct cache_hold *newest, *oldest; /* by use, LOADED ones only */
};

struct cache *cache_new(size_t limit_bytes, const struct cache_loader *loader)
{
	struct cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return NULL;
	cache->loader = *loader;
	cache->limit_bytes = limit_bytes;
	pthread_mutex_init(&cache->lock, NULL);
	pthread_cond_init(&cache->loaded, NULL);
	return cache;
}

static void free_hold(struct cache_hold *hold)
{
	if (hold->object)
		hold->cache->loader.release(hold->object);
	free(hold);
}

/* Free a chain of objects linked by older. */
static void free_chain(struct cache_hold *hold)
{
	struct cache_hold *older;

	for (; hold; hold = older) {
		older = hold->older;
		free_hold(hold);
	}
}

void cache_free(struct cache *cache)
{
	if (!cache)
		return;
	free_chain(cache->newest);
	free(cache->by_slot);
	pthread_cond_destroy(&cache->loaded);
	pthread_mutex_destroy(&cache->lock);
	free(cache);
}

static void list_remove(struct cache *cache, struct cache_hold *hold)
{
	if (hold->newer)
		hold->newer->older = hold->older;
	else
		cache->newest = hold->older;
	if (hold->older)
		hold->older->newer = hold->newer;
	else
		cache->oldest = hold->newer;
}

static void list_push(struct cache *cache, struct cache_hold *hold)
{
	hold->newer = NULL;
	hold->older = cache->newest;
	if (cache->newest)
		cache->newest->newer = hold;
	else
		cache->oldest = hold;
	cache->newest = hold;
}

static void touch(struct cache *cache, struct cache_hold *hold)
{
	if (cache->newest == hold)
		return;
	list_remove(cache, hold);
	list_push(cache, hold);
}

/* Take what exceeds the limit out of the cache; the caller frees the chain once
 * it let go of the lock. */
static struct cache_hold *evict(struct cache *cache)
{
	struct cache_hold *hold, *newer, *dropped = NULL;

	for (hold = cache->oldest; hold && hold != cache->newest;
	     hold = newer) {
		newer = hold->newer;
		if (cache->bytes <= cache->limit_bytes)
			break;
		if (hold->users)
			continue;
		list_remove(cache, hold);
		cache->by_slot[hold->slot] = NULL;
		cache->bytes -= hold->bytes;
		cache->count--;
		hold->older = dropped;
		dropped = hold;
	}
	return dropped;
}

static int grow(struct cache *cache, uint32_t slot)
{
	size_t slots = slot + (size_t)slot / 2 + 16;
	struct cache_hold **table;

	if (slot < cache->slots)
		return 0;
	table = reallocarray(cache->by_slot, slots, sizeof(*table));
	if (!table)
		return -1;
	memset(table + cache->slots, 0,
	       (slots - cache->slots) * sizeof(*table));
	cache->by_slot = table;
	cache->slots = slots;
	return 0;
}

/* Enter the object of @slot as LOADING, with one user: who called, to load it. */
static struct cache_hold *add(struct cache *cache, uint32_t slot)
{
	struct cache_hold *hold;

	if (grow(cache, slot) < 0)
		return NULL;
	hold = calloc(1, sizeof(*hold));
	if (!hold)
		return NULL;
	hold->cache = cache;
	hold->slot = slot;
	hold->state = LOADING;
	hold->users = 1;
	cache->by_slot[slot] = hold;
	return hold;
}

/* The object of @slot with one user more; *@ret_mine when the caller loads it. */
static struct cache_hold *join(struct cache *cache, uint32_t slot,
			      bool *ret_mine)
{
	struct cache_hold *hold;
	LOCKED(&cache->lock);

	hold = slot < cache->slots ? cache->by_slot[slot] : NULL;
	*ret_mine = !hold;
	if (!hold)
		return add(cache, slot);
	hold->users++;
	while (hold->state == LOADING)
		pthread_cond_wait(&cache->loaded, &cache->lock);
	if (hold->state == LOADED)
		touch(cache, hold);
	return hold;
}

static struct cache_hold *enter_loaded(struct cache *cache,
				      struct cache_hold *hold)
{
	LOCKED(&cache->lock);

	hold->state = LOADED;
	hold->bytes = cache->loader.memory(hold->object);
	cache->bytes += hold->bytes;
	cache->count++;
	list_push(cache, hold);
	pthread_cond_broadcast(&cache->loaded);
	return evict(cache);
}

static void enter_failed(struct cache *cache, struct cache_hold *hold,
			 const struct rvs_error *err)
{
	LOCKED(&cache->lock);

	hold->state = FAILED;
	hold->error = *err;
	cache->by_slot[hold->slot] = NULL;
	pthread_cond_broadcast(&cache->loaded);
}

static void load(struct cache *cache, struct cache_hold *hold)
{
	struct rvs_error err = RVS_ERROR_INIT;

	if (cache->loader.load(cache->loader.arg, hold->slot, &hold->object,
			       &err) < 0)
		enter_failed(cache, hold, &err);
	else
		free_chain(enter_loaded(cache, hold));
}

static void cleanup_hold(struct cache_hold **hold)
{
	cache_release(*hold);
}

int cache_hold(struct cache *cache, uint32_t slot, struct cache_hold **ret,
	       struct rvs_error *err)
{
	CLEANUP(cleanup_hold) struct cache_hold *hold = NULL;
	bool mine;

	hold = join(cache, slot, &mine);
	if (!hold)
		return error_set(err, RVS_ERR_NO_MEMORY, "out of memory");
	if (mine)
		load(cache, hold);
	/* The state cannot change while this is a user of it. */
	if (hold->state == FAILED) {
		*err = hold->error;
		return hold->error.status;
	}
	*ret = take(hold);
	return 0;
}

/* What to free, as a chain, when a user of @hold leaves. */
static struct cache_hold *leave(struct cache *cache, struct cache_hold *hold)
{
	LOCKED(&cache->lock);

	if (--hold->users)
		return NULL;
	return hold->state == FAILED ? hold : evict(cache);
}

void cache_release(struct cache_hold *hold)
{
	if (hold)
		free_chain(leave(hold->cache, hold));
}

bool cache_has(struct cache *cache, uint32_t slot)
{
	LOCKED(&cache->lock);

	return slot < cache->slots && cache->by_slot[slot] &&
	       cache->by_slot[slot]->state == LOADED;
}

void *cache_object(const struct cache_hold *hold)
{
	return hold->object;
}

struct cache_usage cache_usage(struct cache *cache)
{
	LOCKED(&cache->lock);

	return (struct cache_usage){
		.objects = cache->count,
		.bytes = cache->bytes,
		.limit_bytes = cache->limit_bytes,
	};
}
