/*
 * Prune, at a time that the caller tells.
 */
#ifndef RVS_PRUNE_H
#define RVS_PRUNE_H

#include <time.h>

#include <rvs/job.h>

/* rvs_prune(), were it @now. */
int rvs_prune_at(struct rvs_store *store, const struct rvs_policy *policy,
		 struct timespec now, bool dry_run,
		 const struct rvs_monitor *monitor,
		 void (*judged)(void *arg, const struct rvs_verdict *verdict),
		 void *arg, uint64_t *ret_deleted, struct rvs_error *err);

#endif
