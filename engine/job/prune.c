/*
 * Prune: delete what a policy does not keep.
 */
#include <rvs/job.h>

#include <stdlib.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "prune.h"
#include "retention.h"
#include "retire.h"

static int retire_others(struct rvs_store *store,
			 const struct rvs_snapshot_list *list,
			 const struct rvs_keep *keeps,
			 const struct rvs_monitor *monitor,
			 uint64_t *ret_deleted, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_cleanup_free)
	const char **ids = calloc(list->count, sizeof(*ids));
	struct rvs_retire_options options = { .ids = ids,
					      .spare_pinned = true,
					      .monitor = monitor };
	size_t i, retired;
	int r;

	if (!ids)
		return rvs_error_no_memory(err);
	for (i = 0; i < list->count; i++)
		if (!keeps[i].keep)
			ids[options.count++] = list->items[i].id;
	r = rvs_retire(store, &options, &retired, err);
	*ret_deleted = retired;
	return r;
}

int rvs_prune_at(struct rvs_store *store, const struct rvs_policy *policy,
		 struct timespec now, bool dry_run,
		 const struct rvs_monitor *monitor,
		 void (*judged)(void *arg, const struct rvs_verdict *verdict),
		 void *arg, uint64_t *ret_deleted, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_snapshot_list_done)
	struct rvs_snapshot_list list = { NULL, 0 };
	RVS_CLEANUP(rvs_cleanup_free) struct rvs_keep *keeps = NULL;
	uint64_t deleted = 0;
	size_t i;
	int r;

	if (!rvs_retention_has_rule(policy))
		return rvs_error_set(err, RVS_ERR_USAGE,
				     "no rule says what to keep: everything "
				     "would go");
	r = rvs_snapshot_list(store, &list, NULL, NULL, err);
	if (r < 0)
		return r;
	keeps = calloc(list.count + 1, sizeof(*keeps));
	if (!keeps)
		return rvs_error_no_memory(err);
	rvs_retention_judge(policy, &list, now, keeps);
	for (i = 0; i < list.count; i++) {
		const struct rvs_verdict verdict = { &list.items[i],
						     keeps[i].keep,
						     keeps[i].reasons };

		deleted += !keeps[i].keep;
		if (judged)
			judged(arg, &verdict);
	}
	if (!dry_run && deleted > 0)
		r = retire_others(store, &list, keeps, monitor, &deleted, err);
	if (ret_deleted)
		*ret_deleted = deleted;
	return r;
}

int rvs_prune(struct rvs_store *store, const struct rvs_policy *policy,
	      bool dry_run, const struct rvs_monitor *monitor,
	      void (*judged)(void *arg, const struct rvs_verdict *verdict),
	      void *arg, uint64_t *ret_deleted, struct rvs_error *err)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return rvs_prune_at(store, policy, now, dry_run, monitor, judged,
			    arg, ret_deleted, err);
}
