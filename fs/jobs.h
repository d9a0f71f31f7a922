/*
 * Jobs: what runs for this mount, and what became of it.
 *
 * A job runs on the thread of a request, which it then answers, or on one of
 * its own.  At most JOBS_MAX run at once, so that those which wait for another
 * writer never take all threads of the mount; the last JOBS_KEPT that ended are
 * remembered.  Threads may share it.
 */
#ifndef JOBS_H
#define JOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <jansson.h>

#include <rvs/job.h>

struct job;
struct jobs;
struct log;

#define JOBS_MAX  16
#define JOBS_KEPT 32

/* Asked again and again while a job runs; true ends it, undone. */
struct canceller {
	void *arg;
	bool (*cancelled)(void *arg);
};

/* What happened to all jobs of one verb. */
struct job_counts {
	uint64_t done;
	uint64_t failed;
	time_t last_done_at;    /* 0: none yet */
	double last_duration_s; /* of that */
};

/* NULL when out of memory. */
struct jobs *jobs_new(const struct log *log);

/* Cancel what runs on threads of its own, wait for its end, refuse more. */
void jobs_stop(struct jobs *jobs);
void jobs_free(struct jobs *jobs); /* accepts NULL */

/*
 * Begin a job.  @verb must outlive it; @name (NULL: none) says what it works
 * on.  Without @canceller it ends with jobs_cancel() and jobs_stop() alone.
 * RVS_ERR_BUSY when too many are running, RVS_ERR_INTERRUPTED after jobs_stop().
 */
int job_begin(struct jobs *jobs, const char *verb, const char *name,
	      const struct canceller *canceller, struct job **ret,
	      struct rvs_error *err);

/*
 * Have the running jobs that @which names come to their end, as if their callers
 * had cancelled them: each by its number, its name (all of that name) or "all".
 * *ret is an array of what they are, NULL when out of memory.
 * RVS_ERR_NOT_FOUND, and none is cancelled, when one of @which is not running.
 */
int jobs_cancel(struct jobs *jobs, const char *const *which, size_t count,
		json_t **ret, struct rvs_error *err);

/* Run @work, which ends the job, on a thread of its own.  On failure the job is
 * still the caller's to end. */
int job_detach(struct job *job, void (*work)(void *arg), void *arg,
	       struct rvs_error *err);

/* How an operation of the engine tells the job where it is. */
struct rvs_monitor job_monitor(struct job *job);

/* The job as it is now, one object. */
json_t *job_json(struct job *job);

/* What will be remembered of the job, which ends with @status and @err; @result
 * (NULL: none) is taken over.  NULL when out of memory. */
json_t *job_ended_json(struct job *job, int status, const struct rvs_error *err,
		       json_t *result);

/* The job has ended, and is gone; @ended, which may be NULL, is taken over. */
void job_end(struct job *job, int status, json_t *ended);

/* A status of the engine with its text, one object. */
json_t *job_error_json(const struct rvs_error *err);

/* What runs, and what ended, oldest first: arrays; what ended last, an object or
 * null; NULL when out of memory. */
json_t *jobs_running_json(struct jobs *jobs);
json_t *jobs_ended_json(struct jobs *jobs);
json_t *jobs_last_json(struct jobs *jobs);

unsigned jobs_running(struct jobs *jobs);
struct job_counts jobs_counts(struct jobs *jobs, const char *verb);

#endif
