#include "warm.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/pool.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

enum { ASKED = 4 };

struct range {
	struct rvs_job job;
	uintptr_t start;
	uintptr_t end;
};

struct rvs_warm {
	struct rvs_lane *lane;
	uintptr_t page; /* bytes of one */
	unsigned asked; /* of all, the next one's place */
	struct range ranges[ASKED];
};

static void populate(struct rvs_job *job, unsigned worker)
{
	const struct range *range = (struct range *)job;

	(void)worker;
	/* A kernel that cannot leaves it to who writes there. */
	(void)madvise((void *)range->start, range->end - range->start,
		      MADV_POPULATE_WRITE);
}

int rvs_warm_new(struct rvs_pool *pool, struct rvs_warm **ret,
		 struct rvs_error *err)
{
	struct rvs_warm *warm = calloc(1, sizeof(*warm));
	int r;

	if (!warm)
		return rvs_error_no_memory(err);
	r = rvs_lane_new(pool, true, &warm->lane, err);
	if (r < 0) {
		free(warm);
		return r;
	}
	warm->page = (uintptr_t)sysconf(_SC_PAGESIZE);
	*ret = warm;
	return 0;
}

void rvs_warm_free(struct rvs_warm *warm)
{
	if (!warm)
		return;
	rvs_lane_free(warm->lane);
	free(warm);
}

void rvs_warm_ask(struct rvs_warm *warm, void *bytes, size_t len)
{
	struct range *range = &warm->ranges[warm->asked % ASKED];
	/* Whole pages, none that is another's. */
	uintptr_t start = ((uintptr_t)bytes + warm->page - 1) & -warm->page;
	uintptr_t end = ((uintptr_t)bytes + len) & -warm->page;

	if (start >= end)
		return;
	if (rvs_lane_depth(warm->lane) == ASKED)
		(void)rvs_lane_collect(warm->lane);
	*range = (struct range){ { .run = populate }, start, end };
	rvs_lane_submit(warm->lane, &range->job);
	warm->asked++;
}

void rvs_warm_wait(struct rvs_warm *warm)
{
	while (rvs_lane_collect(warm->lane))
		continue;
}
