/*
 * Scheduler: makes the snapshots that the store's schedule asks for, and prunes
 * after each by its policy, as long as the store is mounted.
 *
 * What a run does is the engine's; this is the thread that knows when.  It looks
 * at the settings again at least every minute, so that it follows those who
 * change them elsewhere.
 */
#ifndef SCHEDULER_H
#define SCHEDULER_H

struct jobs;
struct log;
struct rvs_store;
struct scheduler;

struct scheduler_context {
	struct rvs_store *store;
	struct jobs *jobs;
	const struct log *log;
	const char *source; /* what is snapshotted; NULL: the store says */
};

/* Begin, with what was missed.  NULL when out of memory or threads. */
struct scheduler *scheduler_new(const struct scheduler_context *context);

/* After jobs_stop(), which cancels a run.  Accepts NULL. */
void scheduler_free(struct scheduler *scheduler);

/* The settings changed: look at them now.  Accepts NULL. */
void scheduler_wake(struct scheduler *scheduler);

#endif
