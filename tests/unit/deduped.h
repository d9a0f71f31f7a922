/*
 * Deduped: a dedup on a press into a store in memory.
 */
#ifndef DEDUPED_H
#define DEDUPED_H

#include "memory_store.h"
#include "sandbox.h"

#include "base/pool.h"
#include "job/dedup.h"
#include "job/press.h"

#define DEDUPED_ID "20261122T101500Z-0001"

enum { DEDUPED_VOLUME = 7 }; /* what extents into what is stored say */

struct deduped {
	struct memory_store *store;
	struct rvs_pool *pool;
	struct rvs_writer *writer;
	struct rvs_press *press;
	struct rvs_dedup *dedup;
	struct rvs_strand *strand;
	unsigned released;
};

static inline void deduped_begin(struct deduped *o,
				 const struct rvs_prior *prior)
{
	struct rvs_error err = RVS_ERROR_INIT;

	*o = (struct deduped){ .store = memory_store_new(1 << 20) };
	expect_ok(rvs_pool_new(2, &o->pool, &err), err);
	expect_ok(rvs_writer_new(&o->store->store, DEDUPED_ID, &o->writer,
				 &err), err);
	expect_ok(rvs_press_new(o->writer, o->pool, 1, &o->press, &err), err);
	expect_ok(rvs_press_begin(o->press, "stream.gz", &o->strand, &err),
		  err);
	expect_ok(rvs_dedup_new(o->press, prior, DEDUPED_VOLUME, &o->dedup,
				&err), err);
}

static inline void deduped_done(struct deduped *o)
{
	rvs_press_free(o->press);
	rvs_dedup_free(o->dedup);
	rvs_writer_free(o->writer);
	rvs_pool_free(o->pool);
	memory_store_cleanup(&o->store);
}

#endif
