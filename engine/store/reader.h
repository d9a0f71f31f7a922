/*
 * Reader: members decompressed and proved, the last used ones kept.
 *
 * A member enters the cache only after its SHA-256 matched, so whatever the
 * cache holds is good.  However many threads wait for one member, it is loaded
 * once.  Threads may share a reader.
 */
#ifndef RVS_READER_H
#define RVS_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rvs/tree.h>

#include "base/buf.h"
#include "base/error.h"

struct rvs_reader;
struct rvs_slot;
struct rvs_volumes;

/* Memory it may hold is @cache_bytes, and one member for each thread inside. */
int rvs_reader_new(struct rvs_volumes *volumes, uint64_t cache_bytes,
		   bool crc_only, struct rvs_reader **ret,
		   struct rvs_error *err);
void rvs_reader_free(struct rvs_reader *reader); /* accepts NULL */

/* A member whose bytes stay until it is released. */
struct rvs_held {
	const uint8_t *bytes;
	size_t len;
	struct rvs_slot *slot; /* NULL: nothing is held */
	const char *id;
	uint32_t volume;
	uint32_t number;
};

/*
 * Hold the plain bytes of member @number of the snapshot @id, whose
 * rvs_volumes_slot() is @volume.  RVS_ERR_CORRUPT when the member fails its
 * proof, RVS_ERR_MISSING when it is gone; @damage (may be NULL) says which.
 */
int rvs_reader_hold(struct rvs_reader *reader, const char *id, uint32_t volume,
		    uint32_t number, struct rvs_held *ret,
		    struct rvs_damage *damage, struct rvs_error *err);

/* RVS_ERR_CORRUPT unless the member has @len bytes at @offset. */
int rvs_held_check(const struct rvs_held *held, size_t len, uint32_t offset,
		   struct rvs_damage *damage, struct rvs_error *err);

/* Whether a member will be wanted again. */
enum rvs_use {
	RVS_USE_AGAIN, /* it may */
	RVS_USE_PART,  /* as far as its other users know: the rest of it is read
			  by others */
	RVS_USE_LAST,  /* hardly: it goes before others do */
};

/* Accepts what holds nothing. */
void rvs_reader_release(struct rvs_reader *reader, struct rvs_held *held,
			enum rvs_use use);

/*
 * To have a member loaded later on.  NULL when it is in the cache or will come
 * there anyway (or for want of memory); else rvs_reader_fulfil() must follow,
 * which loads it, unless somebody wanted it meanwhile, and did.
 */
struct rvs_slot *rvs_reader_promise(struct rvs_reader *reader, uint32_t volume,
				    uint32_t number);
void rvs_reader_fulfil(struct rvs_reader *reader, const char *id,
		       struct rvs_slot *promised);

/* An empty buffer with room for @len bytes, or with none; it goes back. */
struct rvs_buf rvs_reader_lend(struct rvs_reader *reader, size_t len);
void rvs_reader_take_back(struct rvs_reader *reader, struct rvs_buf *buf);

/* Drop what nobody is using from the cache. */
void rvs_reader_forget(struct rvs_reader *reader);

#endif
