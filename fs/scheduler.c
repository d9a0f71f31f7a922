#include "scheduler.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include <jansson.h>
#include <rvs/schedule.h>

#include "cleanup.h"
#include "jobs.h"
#include "log.h"
#include "settings.h"

enum { LOOK_S = 60 }; /* at the settings, at least so often */

struct scheduler {
	struct scheduler_context context;
	pthread_t thread;
	time_t not_before; /* the thread's own: after a run that failed */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Protected by lock. */
	bool stopping;
	bool woken;
};

static json_t *result_json(const struct rvs_tick_result *tick)
{
	return json_pack("{s:s?, s:s?, s:I, s:o}", "id",
			 tick->made ? tick->snapshot.id : NULL, "name",
			 tick->made ? tick->snapshot.name : NULL, "deleted",
			 (json_int_t)tick->pruned, "due_at",
			 settings_time_json(tick->due_at));
}

/* One run that is due.  Returns when to try again. */
static time_t run(struct scheduler *scheduler, time_t now)
{
	const struct scheduler_context *context = &scheduler->context;
	CLEANUP(rvs_tick_done) struct rvs_tick_result tick = { 0 };
	struct rvs_tick_options options = { .source = context->source };
	struct rvs_error err = RVS_ERROR_INIT;
	struct job *job;
	int r;

	/* Refused at the end of the mount, or when too much runs. */
	if (job_begin(context->jobs, "schedule", NULL, NULL, &job, &err) < 0)
		return now + LOOK_S;
	options.monitor = job_monitor(job);
	r = rvs_tick(context->store, now, &options, &tick, &err);
	if (r < 0)
		log_warning(context->log, "schedule: %s", err.text);
	job_end(job, r,
		job_ended_json(job, r, &err, r < 0 ? NULL :
						     result_json(&tick)));
	return tick.next;
}

/* Do what is due.  Returns when to look again at the latest. */
static time_t look(struct scheduler *scheduler)
{
	struct rvs_store *store = scheduler->context.store;
	const struct rvs_tick_options only_look = { .look = true };
	CLEANUP(rvs_tick_done) struct rvs_tick_result tick = { 0 };
	CLEANUP(rvs_tick_done) struct rvs_tick_result begun = { 0 };
	struct rvs_error err = RVS_ERROR_INIT;
	time_t now = time(NULL), next;

	if (rvs_tick(store, now, &only_look, &tick, &err) < 0 ||
	    !tick.scheduled)
		return now + LOOK_S; /* .schedule tells the failure */
	if (tick.due && now >= scheduler->not_before) {
		next = run(scheduler, now);
		scheduler->not_before = next;
	} else if (tick.due) {
		next = scheduler->not_before;
	} else {
		/* It begins to count where nobody did. */
		(void)rvs_tick(store, now, NULL, &begun, &err);
		next = tick.next;
	}
	return next && next < now + LOOK_S ? next : now + LOOK_S;
}

/* By the clock on the wall, which schedules go by.  False: time to end. */
static bool wait_until(struct scheduler *scheduler, time_t time)
{
	const struct timespec at = { .tv_sec = time };
	int r = 0;
	LOCKED(&scheduler->lock);

	while (!scheduler->stopping && !scheduler->woken && r != ETIMEDOUT)
		r = pthread_cond_timedwait(&scheduler->changed,
					   &scheduler->lock, &at);
	if (scheduler->woken)
		scheduler->not_before = 0;
	scheduler->woken = false;
	return !scheduler->stopping;
}

static void *thread_main(void *arg)
{
	struct scheduler *scheduler = arg;

	while (wait_until(scheduler, look(scheduler)))
		continue;
	return NULL;
}

static void release(struct scheduler *scheduler)
{
	pthread_cond_destroy(&scheduler->changed);
	pthread_mutex_destroy(&scheduler->lock);
	free(scheduler);
}

struct scheduler *scheduler_new(const struct scheduler_context *context)
{
	struct scheduler *scheduler = calloc(1, sizeof(*scheduler));

	if (!scheduler)
		return NULL;
	scheduler->context = *context;
	pthread_mutex_init(&scheduler->lock, NULL);
	pthread_cond_init(&scheduler->changed, NULL);
	if (pthread_create(&scheduler->thread, NULL, thread_main,
			   scheduler) == 0)
		return scheduler;
	release(scheduler);
	return NULL;
}

static void tell(struct scheduler *scheduler, bool *what)
{
	LOCKED(&scheduler->lock);

	*what = true;
	pthread_cond_signal(&scheduler->changed);
}

void scheduler_wake(struct scheduler *scheduler)
{
	if (scheduler)
		tell(scheduler, &scheduler->woken);
}

void scheduler_free(struct scheduler *scheduler)
{
	if (!scheduler)
		return;
	tell(scheduler, &scheduler->stopping);
	pthread_join(scheduler->thread, NULL);
	release(scheduler);
}
