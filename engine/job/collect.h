/*
 * Collect, for the jobs that leave something to collect.
 */
#ifndef RVS_COLLECT_H
#define RVS_COLLECT_H

#include "base/error.h"

struct rvs_store;

/*
 * Snapshots were deleted: collect now, or, while another writer is at work,
 * leave word that it shall at its end.
 */
int rvs_collect_soon(struct rvs_store *store, struct rvs_error *err);

/* Collect if somebody left word.  The caller holds the writer's lock. */
int rvs_collect_if_asked(struct rvs_store *store, struct rvs_error *err);

#endif
