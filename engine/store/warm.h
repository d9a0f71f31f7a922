/*
 * Warm: memory that is about to be written, faulted in by another core.
 *
 * One owner asks; a pool's workers do it, in order.  What it does changes no
 * byte, and where the kernel cannot do it, nothing is lost but time.
 */
#ifndef RVS_WARM_H
#define RVS_WARM_H

#include <stddef.h>

#include "base/error.h"

struct rvs_pool;
struct rvs_warm;

int rvs_warm_new(struct rvs_pool *pool, struct rvs_warm **ret,
		 struct rvs_error *err);
void rvs_warm_free(struct rvs_warm *warm); /* accepts NULL */

/* The @len bytes must stay where they are until rvs_warm_wait(). */
void rvs_warm_ask(struct rvs_warm *warm, void *bytes, size_t len);
void rvs_warm_wait(struct rvs_warm *warm);

#endif
