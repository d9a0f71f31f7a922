#include "segments.h"

#include <stdlib.h>

#include <rvs/tree.h>

#include "base/pool.h"
#include "format/manifest.h"
#include "volume.h"

/* A segment has some 30 KiB, so a job's few pay for its handing over, and all
 * under way fit the processor's cache. */
enum { RUN = 4, JOBS = 8 };

/* Some that follow each other. */
struct run {
	struct rvs_job job;
	struct rvs_volumes *volumes;
	const struct rvs_segment *items;
	size_t count;
	size_t taken; /* by the owner */
	int status;   /* of the last that was loaded; the others are good */
	size_t good;
	struct rvs_buf plain[RUN];
	struct rvs_buf scratch;
	struct rvs_damage damage;
	struct rvs_error err;
};

struct rvs_segments {
	struct rvs_volumes *volumes;
	const struct rvs_segment *next; /* to be submitted */
	size_t left;
	struct rvs_lane *lane; /* NULL without a pool */
	struct run *at;        /* the one being read; NULL before the first */
	unsigned submitted;    /* of all, the next one's place */
	struct run runs[JOBS];
};

static void load_run(struct rvs_job *job, unsigned worker)
{
	struct run *run = (struct run *)job;
	size_t i;

	(void)worker;
	run->status = 0;
	for (i = 0; i < run->count && run->status == 0; i++)
		run->status = rvs_volume_load(run->volumes, run->items[i].id,
					      run->items[i].member, false,
					      &run->scratch, &run->plain[i],
					      &run->damage, &run->err);
	run->good = run->status == 0 ? i : i - 1;
}

int rvs_segments_new(struct rvs_volumes *volumes,
		     const struct rvs_segment *items, size_t count,
		     struct rvs_pool *pool, struct rvs_segments **ret,
		     struct rvs_error *err)
{
	struct rvs_segments *segments = calloc(1, sizeof(*segments));
	int r = 0;

	if (!segments)
		return rvs_error_no_memory(err);
	segments->volumes = volumes;
	segments->next = items;
	segments->left = count;
	if (pool)
		r = rvs_lane_new(pool, false, &segments->lane, err);
	if (r < 0) {
		free(segments);
		return r;
	}
	*ret = segments;
	return 0;
}

void rvs_segments_free(struct rvs_segments *segments)
{
	size_t i, k;

	if (!segments)
		return;
	rvs_lane_free(segments->lane);
	for (i = 0; i < JOBS; i++) {
		for (k = 0; k < RUN; k++)
			rvs_buf_done(&segments->runs[i].plain[k]);
		rvs_buf_done(&segments->runs[i].scratch);
	}
	free(segments);
}

void rvs_segments_cleanup(struct rvs_segments **segments)
{
	rvs_segments_free(*segments);
}

/* The next run, which takes the place of one that was read. */
static struct run *new_run(struct rvs_segments *segments, size_t max)
{
	struct run *run = &segments->runs[segments->submitted++ % JOBS];

	run->job.run = load_run;
	run->volumes = segments->volumes;
	run->items = segments->next;
	run->count = segments->left < max ? segments->left : max;
	run->taken = 0;
	run->damage = (struct rvs_damage){ .member = -1 };
	run->err = (struct rvs_error)RVS_ERROR_INIT;
	segments->next += run->count;
	segments->left -= run->count;
	return run;
}

/* Make the run at hand the next one, or NULL. */
static void advance(struct rvs_segments *segments)
{
	if (!segments->lane) {
		segments->at = segments->left ? new_run(segments, 1) : NULL;
		if (segments->at)
			load_run(&segments->at->job, 0);
		return;
	}
	while (segments->left > 0 && rvs_lane_depth(segments->lane) < JOBS)
		rvs_lane_submit(segments->lane, &new_run(segments, RUN)->job);
	segments->at = (struct run *)rvs_lane_collect(segments->lane);
}

int rvs_segments_next(struct rvs_segments *segments, const struct rvs_buf **ret,
		      struct rvs_damage *damage, struct rvs_error *err)
{
	struct run *run = segments->at;

	if (!run || run->taken == run->count) {
		advance(segments);
		run = segments->at;
		if (!run)
			return 1;
	}
	if (run->taken < run->good) {
		*ret = &run->plain[run->taken++];
		return 0;
	}
	if (damage)
		*damage = run->damage;
	*err = run->err;
	return run->status;
}
