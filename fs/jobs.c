#include "jobs.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <rvs/snapshot.h>

#include "cleanup.h"
#include "errors.h"
#include "log.h"
#include "printable.h"

enum {
	VERBS_MAX = 16,
	RATE_AFTER_MS = 100, /* a rate over less says nothing */
};

enum place {
	PLACE_FREE,
	PLACE_RUNNING,
	PLACE_ENDED, /* with a thread to join */
};

struct job {
	struct jobs *jobs;
	const struct canceller *canceller; /* NULL: runs on its own */
	const char *verb;
	uint64_t number;
	struct timespec began_at;
	struct timespec began; /* by a clock that is never set */
	pthread_t thread;
	void (*work)(void *arg);
	void *arg;
	atomic_bool cancelled; /* by jobs_cancel() */
	/* Protected by the lock of jobs. */
	enum place place;
	bool has_thread;
	char *name; /* NULL: none given */
	uint64_t done_bytes, total_bytes;
};

struct verb_counts {
	const char *verb;
	struct job_counts counts;
};

struct jobs {
	const struct log *log;
	atomic_bool stopping;
	pthread_mutex_t lock;
	pthread_cond_t ended; /* a job on a thread of its own did */
	/* Protected by lock. */
	struct job places[JOBS_MAX];
	uint64_t number; /* of the last job */
	json_t *kept[JOBS_KEPT]; /* a ring */
	uint64_t kept_count;     /* ever kept, the next goes to count % KEPT */
	struct verb_counts verbs[VERBS_MAX]; /* to the first without a verb */
};

struct jobs *jobs_new(const struct log *log)
{
	struct jobs *jobs = calloc(1, sizeof(*jobs));

	if (!jobs)
		return NULL;
	jobs->log = log;
	pthread_mutex_init(&jobs->lock, NULL);
	pthread_cond_init(&jobs->ended, NULL);
	return jobs;
}

/* The thread of a job that ended has nothing left to do but to end. */
static void free_place(struct job *job)
{
	if (job->has_thread)
		pthread_join(job->thread, NULL);
	*job = (struct job){ 0 };
}

static bool any_on_its_own(const struct jobs *jobs)
{
	int i;

	for (i = 0; i < JOBS_MAX; i++)
		if (jobs->places[i].place == PLACE_RUNNING &&
		    jobs->places[i].has_thread)
			return true;
	return false;
}

void jobs_stop(struct jobs *jobs)
{
	int i;
	LOCKED(&jobs->lock);

	atomic_store(&jobs->stopping, true);
	while (any_on_its_own(jobs))
		pthread_cond_wait(&jobs->ended, &jobs->lock);
	for (i = 0; i < JOBS_MAX; i++)
		if (jobs->places[i].place == PLACE_ENDED)
			free_place(&jobs->places[i]);
}

void jobs_free(struct jobs *jobs)
{
	int i;

	if (!jobs)
		return;
	jobs_stop(jobs);
	for (i = 0; i < JOBS_KEPT; i++)
		json_decref(jobs->kept[i]);
	pthread_cond_destroy(&jobs->ended);
	pthread_mutex_destroy(&jobs->lock);
	free(jobs);
}

static struct job *find_place(struct jobs *jobs)
{
	int i;

	for (i = 0; i < JOBS_MAX; i++) {
		if (jobs->places[i].place == PLACE_ENDED)
			free_place(&jobs->places[i]);
		if (jobs->places[i].place == PLACE_FREE)
			return &jobs->places[i];
	}
	return NULL;
}

int job_begin(struct jobs *jobs, const char *verb, const char *name,
	      const struct canceller *canceller, struct job **ret,
	      struct rvs_error *err)
{
	struct job *job;
	LOCKED(&jobs->lock);

	if (atomic_load(&jobs->stopping))
		return error_set(err, RVS_ERR_INTERRUPTED, "the mount ends");
	job = find_place(jobs);
	if (!job)
		return error_set(err, RVS_ERR_BUSY,
				 "%d commands are running already", JOBS_MAX);
	*job = (struct job){
		.jobs = jobs,
		.canceller = canceller,
		.verb = verb,
		.number = ++jobs->number,
		.place = PLACE_RUNNING,
		.name = name ? strdup(name) : NULL,
	};
	clock_gettime(CLOCK_REALTIME, &job->began_at);
	clock_gettime(CLOCK_MONOTONIC, &job->began);
	*ret = job;
	return 0;
}

static void *thread_main(void *arg)
{
	const struct job *job = arg;

	job->work(job->arg);
	return NULL;
}

int job_detach(struct job *job, void (*work)(void *arg), void *arg,
	       struct rvs_error *err)
{
	LOCKED(&job->jobs->lock);

	/* Under the lock, so that it cannot end before this is written. */
	job->work = work;
	job->arg = arg;
	if (pthread_create(&job->thread, NULL, thread_main, job) != 0)
		return error_set(err, RVS_ERR_FAILED, "no thread to run it on");
	job->has_thread = true;
	return 0;
}

static void on_progress(void *arg, uint64_t done_bytes, uint64_t total_bytes)
{
	struct job *job = arg;
	LOCKED(&job->jobs->lock);

	job->done_bytes = done_bytes;
	job->total_bytes = total_bytes;
}

static bool is_cancelled(void *arg)
{
	const struct job *job = arg;

	if (atomic_load(&job->cancelled))
		return true;
	if (job->canceller)
		return job->canceller->cancelled(job->canceller->arg);
	return atomic_load(&job->jobs->stopping);
}

static void on_warning(void *arg, const char *text)
{
	const struct job *job = arg;

	log_warning(job->jobs->log, "%s: %s", job->verb, text);
}

struct rvs_monitor job_monitor(struct job *job)
{
	return (struct rvs_monitor){
		.arg = job,
		.progress = on_progress,
		.cancelled = is_cancelled,
		.warning = on_warning,
	};
}

static double seconds_since(struct timespec then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - then.tv_sec) +
	       (double)(now.tv_nsec - then.tv_nsec) / 1e9;
}

/* Bytes a second and seconds left; null where nobody knows. */
static void add_rate(json_t *object, const struct job *job)
{
	double elapsed = seconds_since(job->began);
	double rate = 0;

	if (elapsed * 1000 >= RATE_AFTER_MS)
		rate = (double)job->done_bytes / elapsed;
	(void)json_object_set_new(object, "bytes_per_second",
				  rate >= 1 ? json_integer((json_int_t)rate) :
					      json_null());
	(void)json_object_set_new(
		object, "seconds_left",
		rate >= 1 && job->total_bytes >= job->done_bytes ?
			json_integer((json_int_t)((double)(job->total_bytes -
							   job->done_bytes) /
						  rate)) :
			json_null());
}

static json_t *describe(const struct job *job, const char *state)
{
	char at[RVS_TIME_SIZE];

	return json_pack("{s:I, s:s, s:o, s:s, s:s, s:I, s:I}", "job",
			 (json_int_t)job->number, "command", job->verb, "name",
			 printable_json(job->name), "state", state, "began_at",
			 rvs_time_format(job->began_at, at), "done_bytes",
			 (json_int_t)job->done_bytes, "total_bytes",
			 (json_int_t)job->total_bytes);
}

static json_t *running_json(const struct job *job)
{
	json_t *object = describe(job, "running");

	if (object)
		add_rate(object, job);
	return object;
}

json_t *job_json(struct job *job)
{
	LOCKED(&job->jobs->lock);

	return running_json(job);
}

json_t *job_error_json(const struct rvs_error *err)
{
	return json_pack("{s:s, s:s, s:o}", "status", error_word(err->status),
			 "errno", error_errno_name(err->status), "text",
			 printable_json(err->text));
}

json_t *job_ended_json(struct job *job, int status, const struct rvs_error *err,
		       json_t *result)
{
	struct timespec now;
	char at[RVS_TIME_SIZE];
	json_t *object;
	LOCKED(&job->jobs->lock);

	object = describe(job, status < 0 ? "failed" : "done");

	clock_gettime(CLOCK_REALTIME, &now);
	(void)json_object_set_new(object, "at",
				  json_string(rvs_time_format(now, at)));
	(void)json_object_set_new(object, "error",
				  status < 0 ? job_error_json(err) :
					       json_null());
	(void)json_object_set_new(object, "result",
				  result ? result : json_null());
	return object;
}

static struct job_counts *counts_of(struct jobs *jobs, const char *verb)
{
	struct verb_counts *counts;

	for (counts = jobs->verbs; counts < jobs->verbs + VERBS_MAX; counts++) {
		if (!counts->verb)
			counts->verb = verb;
		if (strcmp(counts->verb, verb) == 0)
			return &counts->counts;
	}
	return NULL;
}

static void count(struct jobs *jobs, const struct job *job, int status)
{
	struct job_counts *counts = counts_of(jobs, job->verb);

	if (!counts)
		return;
	if (status < 0) {
		counts->failed++;
		return;
	}
	counts->done++;
	counts->last_done_at = time(NULL);
	counts->last_duration_s = seconds_since(job->began);
}

static void keep(struct jobs *jobs, json_t *ended)
{
	json_t **place = &jobs->kept[jobs->kept_count % JOBS_KEPT];

	if (!ended)
		return;
	json_decref(*place);
	*place = ended;
	jobs->kept_count++;
}

void job_end(struct job *job, int status, json_t *ended)
{
	struct jobs *jobs = job->jobs;
	LOCKED(&jobs->lock);

	keep(jobs, ended);
	count(jobs, job, status);
	free(job->name);
	job->name = NULL;
	if (job->has_thread) {
		job->place = PLACE_ENDED;
		pthread_cond_broadcast(&jobs->ended);
	} else {
		*job = (struct job){ 0 };
	}
}

/* ---- ending them ---- */

/* Zero: none, as no job has. */
static uint64_t number_of(const char *text)
{
	if (strspn(text, "0123456789") != strlen(text))
		return 0;
	return strtoull(text, NULL, 10);
}

static bool is_running(const struct job *job, const char *which)
{
	if (job->place != PLACE_RUNNING)
		return false;
	return strcmp(which, "all") == 0 || job->number == number_of(which) ||
	       (job->name && strcmp(job->name, which) == 0);
}

static bool any_running(const struct jobs *jobs, const char *which)
{
	int i;

	for (i = 0; i < JOBS_MAX; i++)
		if (is_running(&jobs->places[i], which))
			return true;
	return false;
}

/* How the last job of that number or name ended, if that is remembered. */
static const char *how_ended(const struct jobs *jobs, const char *which)
{
	uint64_t number = number_of(which), i;

	for (i = JOBS_KEPT; i-- > 0;) {
		const json_t *ended =
			jobs->kept[(jobs->kept_count + i) % JOBS_KEPT];
		const char *name = json_string_value(
			json_object_get(ended, "name"));

		if (ended &&
		    ((name && strcmp(name, which) == 0) ||
		     (number && (uint64_t)json_integer_value(json_object_get(
					ended, "job")) == number)))
			return json_string_value(
				json_object_get(ended, "state"));
	}
	return NULL;
}

static int check_running(const struct jobs *jobs, const char *which,
			 struct rvs_error *err)
{
	const char *ended;

	if (any_running(jobs, which))
		return 0;
	if (strcmp(which, "all") == 0)
		return error_set(err, RVS_ERR_NOT_FOUND, "nothing is running");
	ended = how_ended(jobs, which);
	if (ended)
		return error_set(err, RVS_ERR_NOT_FOUND,
				 "'%s' is not running any more: it is %s", which,
				 ended);
	return error_set(err, RVS_ERR_NOT_FOUND,
			 "'%s' is not running; .status tells what is", which);
}

static void cancel(struct jobs *jobs, const char *which, json_t *told)
{
	int i;

	for (i = 0; i < JOBS_MAX; i++) {
		struct job *job = &jobs->places[i];

		if (is_running(job, which) &&
		    !atomic_exchange(&job->cancelled, true))
			(void)json_array_append_new(told, running_json(job));
	}
}

int jobs_cancel(struct jobs *jobs, const char *const *which, size_t count,
		json_t **ret, struct rvs_error *err)
{
	size_t i;
	LOCKED(&jobs->lock);

	for (i = 0; i < count; i++)
		if (check_running(jobs, which[i], err) < 0)
			return err->status;
	*ret = json_array();
	for (i = 0; i < count; i++)
		cancel(jobs, which[i], *ret);
	return 0;
}

/* ---- telling of them ---- */

json_t *jobs_running_json(struct jobs *jobs)
{
	json_t *array = json_array();
	int i;
	LOCKED(&jobs->lock);

	for (i = 0; i < JOBS_MAX; i++)
		if (jobs->places[i].place == PLACE_RUNNING)
			(void)json_array_append_new(
				array, running_json(&jobs->places[i]));
	return array;
}

json_t *jobs_ended_json(struct jobs *jobs)
{
	json_t *array = json_array();
	const json_t *ended;
	uint64_t i;
	LOCKED(&jobs->lock);

	for (i = 0; i < JOBS_KEPT; i++) {
		ended = jobs->kept[(jobs->kept_count + i) % JOBS_KEPT];
		if (ended)
			(void)json_array_append_new(array,
						    json_deep_copy(ended));
	}
	return array;
}

json_t *jobs_last_json(struct jobs *jobs)
{
	LOCKED(&jobs->lock);

	if (!jobs->kept_count)
		return json_null();
	return json_deep_copy(jobs->kept[(jobs->kept_count - 1) % JOBS_KEPT]);
}

unsigned jobs_running(struct jobs *jobs)
{
	unsigned running = 0;
	int i;
	LOCKED(&jobs->lock);

	for (i = 0; i < JOBS_MAX; i++)
		running += jobs->places[i].place == PLACE_RUNNING;
	return running;
}

struct job_counts jobs_counts(struct jobs *jobs, const char *verb)
{
	const struct job_counts *counts;
	LOCKED(&jobs->lock);

	counts = counts_of(jobs, verb);
	return counts ? *counts : (struct job_counts){ 0 };
}
