/*
 * Pool: worker threads for pure jobs, whose results come back in order.
 *
 * One owner submits jobs to a lane and collects them from it in the order of
 * submission, however they finish.  The jobs of one lane run side by side; a
 * serial lane runs its jobs one at a time, in order (a running hash, appends to
 * a file), before those of others: no second core can make up for its delay.
 * The owner bounds what is in flight by collecting before it submits more.  A
 * lane belongs to one owner thread; a pool serves any number of lanes.
 */
#ifndef RVS_POOL_H
#define RVS_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

struct rvs_pool;
struct rvs_lane;

/* The head of a job: embed it first in a struct with input and output. */
struct rvs_job {
	/* @worker is below rvs_pool_threads(): an index for scratch memory. */
	void (*run)(struct rvs_job *job, unsigned worker);
	struct rvs_lane *lane;
	struct rvs_job *next;  /* in the lane; protected by the pool's mutex */
	struct rvs_job *ready; /* in the pool's queue; likewise */
	bool finished;         /* likewise */
	bool awaited;          /* the owner sleeps until it has; likewise */
};

/* @threads 0: one per core that this process may use. */
int rvs_pool_new(unsigned threads, struct rvs_pool **ret,
		 struct rvs_error *err);
/* Every lane must have been freed.  Accepts NULL. */
void rvs_pool_free(struct rvs_pool *pool);
unsigned rvs_pool_threads(const struct rvs_pool *pool);

int rvs_lane_new(struct rvs_pool *pool, bool serial, struct rvs_lane **ret,
		 struct rvs_error *err);
/* Waits for the jobs that are in flight and forgets them.  Accepts NULL. */
void rvs_lane_free(struct rvs_lane *lane);

void rvs_lane_submit(struct rvs_lane *lane, struct rvs_job *job);
/* Wait for the oldest job; NULL when the lane is empty. */
struct rvs_job *rvs_lane_collect(struct rvs_lane *lane);
/* Wait for the oldest job, @ms milliseconds at the most; whether it has finished.
 * The lane must not be empty. */
bool rvs_lane_wait(struct rvs_lane *lane, unsigned ms);
/* The oldest job if it has finished, else NULL; does not wait. */
struct rvs_job *rvs_lane_poll(struct rvs_lane *lane);
size_t rvs_lane_depth(const struct rvs_lane *lane); /* jobs not collected */

#endif
