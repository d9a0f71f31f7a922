/*
 * Retention: which snapshots a policy keeps, and why.
 *
 * Looks neither at the clock nor at the disk.
 */
#ifndef RVS_RETENTION_H
#define RVS_RETENTION_H

#include <stdbool.h>
#include <time.h>

#include <rvs/job.h>

#define RVS_REASONS_SIZE 96

struct rvs_keep {
	bool keep;
	char reasons[RVS_REASONS_SIZE]; /* "last, daily" */
};

/* Whether any rule keeps anything. */
bool rvs_retention_has_rule(const struct rvs_policy *policy);

/* Judge @list (oldest first) at the time @now; @ret has a place for each. */
void rvs_retention_judge(const struct rvs_policy *policy,
			 const struct rvs_snapshot_list *list,
			 struct timespec now, struct rvs_keep *ret);

#endif
