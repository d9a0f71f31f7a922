/*
 * Cache: what was loaded for snapshots, shared by requests, bounded in bytes.
 *
 * An object is loaded when a request first needs it, once however many requests
 * wait for it.  Those not held are dropped, the longest unused first, while
 * more than the limit is loaded; the one used last stays, however large it is,
 * or a walk through it would load it at every step.  Threads may share it.
 */
#ifndef CACHE_H
#define CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rvs/error.h>

struct cache;
struct cache_hold;

/* Where objects come from, how large they are and where they go; load is called
 * without any lock. */
struct cache_loader {
	void *arg;
	int (*load)(void *arg, uint32_t slot, void **ret,
		    struct rvs_error *err);
	size_t (*memory)(const void *object); /* bytes */
	void (*release)(void *object);
};

struct cache_usage {
	size_t objects;
	size_t bytes;
	size_t limit_bytes;
};

/* NULL when out of memory. */
struct cache *cache_new(size_t limit_bytes, const struct cache_loader *loader);

/* Nothing may be held any more. */
void cache_free(struct cache *cache);

/*
 * Hold the object of the snapshot in @slot until cache_release().  A failed load
 * is told to all who waited for it; the next request tries again.
 */
int cache_hold(struct cache *cache, uint32_t slot, struct cache_hold **ret,
	       struct rvs_error *err);
void cache_release(struct cache_hold *hold); /* accepts NULL */

/* Whether cache_hold() would not have to load it, for the moment. */
bool cache_has(struct cache *cache, uint32_t slot);

void *cache_object(const struct cache_hold *hold);

struct cache_usage cache_usage(struct cache *cache);

#endif
