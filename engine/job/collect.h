/*
 * Collect, for the jobs that leave something to collect.
 */
#ifndef RVS_COLLECT_H
#define RVS_COLLECT_H

#include "base/error.h"

struct rvs_monitor;
struct rvs_store;

/*
 * Snapshots were deleted: collect now, or, while another writer is at work or
 * when the user ends it, leave word that the next writer shall at its end.
 * @monitor may be NULL.  RVS_ERR_INTERRUPTED: the user did.
 */
int rvs_collect_soon(struct rvs_store *store, const struct rvs_monitor *monitor,
		     struct rvs_error *err);

/* Collect if somebody left word.  The caller holds the writer's lock. */
int rvs_collect_if_asked(struct rvs_store *store, struct rvs_error *err);

#endif
