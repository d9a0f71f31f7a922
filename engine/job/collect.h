/*
 * Collect: free what no snapshot uses.
 *
 * A deleted snapshot's directory stays as long as a snapshot leads to data in
 * it.  The caller holds the store's lock.
 */
#ifndef RVS_COLLECT_H
#define RVS_COLLECT_H

#include "base/error.h"

struct rvs_store;

int rvs_collect_run(struct rvs_store *store, struct rvs_error *err);

#endif
