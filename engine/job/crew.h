/*
 * Crew: the threads that restore a tree, and what the user hears from them.
 *
 * One thread, the owner, has a crew; workers do its tasks side by side, and the
 * owner collects them in the order in which they were submitted.  What must
 * come after tasks that are under way goes through the same lane: its finish()
 * is called by the owner, once all before it is done.  The first failure is the
 * crew's: from then on tasks are collected without being done.
 */
#ifndef RVS_CREW_H
#define RVS_CREW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <rvs/job.h>

#include "base/error.h"
#include "base/pool.h"

struct rvs_crew;
struct rvs_remark;
struct rvs_store;
struct rvs_tree;

/* What one thread does, and what came of it. */
struct rvs_hand {
	struct rvs_crew *crew;
	struct rvs_error *err;
	struct rvs_restore_result result;
	struct rvs_remark *remarks; /* on their way to the owner */
	size_t remark_count;
};

/* All but stopped, and what made says of an entry that a task restores, belongs
 * to the owner or does not change while there are tasks. */
struct rvs_crew {
	struct rvs_store *store;
	struct rvs_tree *tree;
	const struct rvs_restore_options *options;
	struct rvs_restore_result result; /* of what was collected */
	struct rvs_pool *pool;
	struct rvs_lane *lane;
	struct rvs_hand own; /* the owner's */
	struct rvs_error own_error;
	struct rvs_error *err; /* of the first failure */
	atomic_bool stopped;   /* it failed: err says why */
	uint64_t total_bytes;  /* for progress */
	pid_t pid;             /* of this process */
	uid_t uid;             /* that its files get */
	bool *made;            /* for each entry: it was not there, now it is */
};

/* Work for a worker, or for the owner later. */
struct rvs_task {
	struct rvs_job job; /* its run is the worker's part */
	struct rvs_hand hand;
	struct rvs_error error;
	int status;
	/* By the owner, once all before it is; called though it failed. */
	void (*finish)(struct rvs_task *task);
	uint32_t index; /* of the entry that failed, if it did */
};

/* Start a crew whose store, tree, options and err are set, and all else zeros.
 * rvs_crew_done() takes it back, started or not; every task must have been
 * collected. */
int rvs_crew_start(struct rvs_crew *crew);
void rvs_crew_done(struct rvs_crew *crew);

/* Make @task one of which the worker does nothing yet; it lies on the heap, in
 * front of what it is part of. */
void rvs_crew_init_task(struct rvs_crew *crew, struct rvs_task *task,
			uint32_t index);

/* Hand over a task, and collect until no more than @limit are under way.
 * Returns the status of all so far. */
int rvs_crew_submit(struct rvs_crew *crew, struct rvs_task *task,
		    size_t limit);

/* Collect the oldest until @limit are left; the status of all so far. */
int rvs_crew_collect(struct rvs_crew *crew, size_t limit);

/* The entry @index failed.  Returns the status of the first that did. */
int rvs_crew_fail(struct rvs_crew *crew, uint32_t index,
		  const struct rvs_error *err);

/* Of the entry @index @what could not be set, errno says why; it is no
 * failure.  @what lives as long as the tree. */
void rvs_hand_warn(struct rvs_hand *hand, uint32_t index, const char *what);

/* Give what came of the owner's own work to the user. */
void rvs_hand_settle(struct rvs_hand *hand);

#endif
