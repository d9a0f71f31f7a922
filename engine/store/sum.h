/*
 * Sum: the SHA-256 of bytes that are told bit by bit, computed on another core.
 *
 * One owner tells the bytes; a pool's workers hash them, a block at a time, in
 * order.
 */
#ifndef RVS_SUM_H
#define RVS_SUM_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct rvs_digest;
struct rvs_pool;
struct rvs_sum;

/* @pool NULL: the owner's core does it. */
int rvs_sum_new(struct rvs_pool *pool, struct rvs_sum **ret,
		struct rvs_error *err);
void rvs_sum_free(struct rvs_sum *sum); /* accepts NULL */
void rvs_sum_cleanup(struct rvs_sum **sum);

void rvs_sum_add(struct rvs_sum *sum, const void *bytes, size_t len);
/* The digest of all that was added; nothing may be added after it. */
int rvs_sum_finish(struct rvs_sum *sum, struct rvs_digest *ret,
		   struct rvs_error *err);

#endif
