#include "commands.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rvs/job.h>
#include <rvs/snapshot.h>

#include "cleanup.h"
#include "control.h"
#include "errors.h"
#include "log.h"
#include "printable.h"
#include "snapshots.h"
#include "texts.h"

enum { INDENT = 2 };

/* One running command. */
struct job {
	struct commands *commands;         /* NULL: the place is free */
	const struct canceller *canceller; /* the thread's own */
	const char *verb;
	char *name; /* NULL: none given */
	struct timespec began_at;
	uint64_t done_bytes, total_bytes;
};

struct commands {
	struct commands_context context;
	pthread_mutex_t lock;
	/* Protected by lock. */
	struct job jobs[COMMANDS_MAX];
	json_t *last; /* NULL until one ended */
};

struct commands *commands_new(const struct commands_context *context)
{
	struct commands *commands = calloc(1, sizeof(*commands));

	if (!commands)
		return NULL;
	commands->context = *context;
	pthread_mutex_init(&commands->lock, NULL);
	/* Without memory it stays empty, which serves too. */
	(void)texts_set(context->texts, TEXT_CREATE, "{}\n");
	return commands;
}

void commands_free(struct commands *commands)
{
	if (!commands)
		return;
	json_decref(commands->last);
	pthread_mutex_destroy(&commands->lock);
	free(commands);
}

static struct job *free_place(struct commands *commands)
{
	int i;

	for (i = 0; i < COMMANDS_MAX; i++)
		if (!commands->jobs[i].commands)
			return &commands->jobs[i];
	return NULL;
}

static int begin(struct commands *commands, const char *verb, const char *name,
		 struct job **ret, struct rvs_error *err)
{
	struct job *job;
	LOCKED(&commands->lock);

	job = free_place(commands);
	if (!job)
		return error_set(err, RVS_ERR_BUSY,
				 "%d commands are running already",
				 COMMANDS_MAX);
	*job = (struct job){ .commands = commands, .verb = verb };
	clock_gettime(CLOCK_REALTIME, &job->began_at);
	job->name = name ? strdup(name) : NULL;
	*ret = job;
	return 0;
}

static json_t *error_json(int status, const struct rvs_error *err)
{
	return json_pack("{s:s, s:s, s:o}", "status", error_word(status),
			 "errno", error_errno_name(status), "text",
			 printable_json(err->text));
}

static json_t *result_json(const struct job *job, int status,
			   const struct rvs_error *err)
{
	struct timespec now;
	char at[RVS_TIME_SIZE];

	clock_gettime(CLOCK_REALTIME, &now);
	return json_pack("{s:s, s:o, s:s, s:o}", "command", job->verb, "name",
			 printable_json(job->name), "at",
			 rvs_time_format(now, at), "error",
			 status < 0 ? error_json(status, err) : json_null());
}

static void end(struct job *job, int status, const struct rvs_error *err)
{
	struct commands *commands = job->commands;
	LOCKED(&commands->lock);

	json_decref(commands->last);
	commands->last = result_json(job, status, err);
	free(job->name);
	*job = (struct job){ 0 };
}

static void job_progress(void *arg, uint64_t done_bytes, uint64_t total_bytes)
{
	struct job *job = arg;
	LOCKED(&job->commands->lock);

	job->done_bytes = done_bytes;
	job->total_bytes = total_bytes;
}

static bool job_cancelled(void *arg)
{
	const struct job *job = arg;

	return job->canceller->cancelled(job->canceller->arg);
}

static void job_warning(void *arg, const char *text)
{
	const struct job *job = arg;

	log_warning(job->commands->context.log, "%s: %s", job->verb, text);
}

static int run_create(struct job *job, const struct control_create *request,
		      bool wait, struct rvs_snapshot *ret,
		      struct rvs_error *err)
{
	const struct commands_context *context = &job->commands->context;
	struct rvs_create_options options = {
		.name = request->name,
		.source = context->source,
		.base = request->base,
		.full = request->full,
		.wait = wait,
		.metadata = request->metadata,
		.metadata_count = request->metadata_count,
		.monitor = {
			.arg = job,
			.progress = job_progress,
			.cancelled = job_cancelled,
			.warning = job_warning,
		},
	};

	return rvs_create(context->store, &options, ret, err);
}

/* Out of memory leaves what .create held before. */
static void publish(struct commands *commands, const char *json)
{
	CLEANUP(cleanup_free) char *text = NULL;

	if (json && asprintf(&text, "%s\n", json) > 0)
		(void)texts_set(commands->context.texts, TEXT_CREATE, text);
}

static void publish_record(struct commands *commands,
			   const struct rvs_snapshot *snapshot)
{
	CLEANUP(cleanup_free) char *json = NULL;

	json = rvs_snapshot_json(snapshot, INDENT);
	publish(commands, json);
}

int commands_refuse(struct commands *commands, const struct rvs_error *err)
{
	CLEANUP(cleanup_free) char *json = NULL;
	json_t *value = json_pack("{s:o}", "error",
				  error_json(err->status, err));

	json = json_dumps(value, JSON_INDENT(INDENT));
	json_decref(value);
	publish(commands, json);
	return err->status;
}

static int create(struct commands *commands,
		  const struct control_create *request, bool wait,
		  const struct canceller *canceller, struct rvs_error *err)
{
	CLEANUP(rvs_snapshot_done) struct rvs_snapshot made = { 0 };
	struct job *job;
	int r;

	r = begin(commands, "create", request->name, &job, err);
	if (r < 0)
		return r;
	job->canceller = canceller;
	r = run_create(job, request, wait, &made, err);
	end(job, r, err);
	if (r < 0)
		return r;
	publish_record(commands, &made);
	return 0;
}

int commands_create(struct commands *commands,
		    const struct control_create *request, bool wait,
		    const struct canceller *canceller, struct rvs_error *err)
{
	if (create(commands, request, wait, canceller, err) < 0)
		return commands_refuse(commands, err);
	return 0;
}

int commands_write(struct commands *commands, const char *text, size_t len,
		   bool wait, const struct canceller *canceller,
		   struct rvs_error *err)
{
	CLEANUP(control_create_done)
	struct control_create request = CONTROL_CREATE_INIT;

	if (control_parse_create(text, len, &request, err) < 0)
		return commands_refuse(commands, err);
	return commands_create(commands, &request, wait, canceller, err);
}

int commands_delete(struct commands *commands, const struct snapshot *snapshot,
		    struct rvs_error *err)
{
	struct job *job;
	int r;

	r = begin(commands, "delete", snapshot->name, &job, err);
	if (r < 0)
		return r;
	r = rvs_snapshot_delete(commands->context.store, snapshot->id, err);
	end(job, r, err);
	return r;
}

int commands_rename(struct commands *commands, const struct snapshot *snapshot,
		    const char *name, struct rvs_error *err)
{
	struct job *job;
	int r;

	r = begin(commands, "rename", snapshot->name, &job, err);
	if (r < 0)
		return r;
	r = rvs_snapshot_rename(commands->context.store, snapshot->id, name,
				err);
	end(job, r, err);
	return r;
}

static json_t *job_json(const struct job *job)
{
	char at[RVS_TIME_SIZE];

	return json_pack("{s:s, s:o, s:s, s:I, s:I}", "command", job->verb,
			 "name", printable_json(job->name), "began_at",
			 rvs_time_format(job->began_at, at), "done_bytes",
			 (json_int_t)job->done_bytes, "total_bytes",
			 (json_int_t)job->total_bytes);
}

json_t *commands_running_json(struct commands *commands)
{
	json_t *array = json_array();
	int i;
	LOCKED(&commands->lock);

	for (i = 0; i < COMMANDS_MAX; i++)
		if (commands->jobs[i].commands)
			(void)json_array_append_new(
				array, job_json(&commands->jobs[i]));
	return array;
}

json_t *commands_last_json(struct commands *commands)
{
	LOCKED(&commands->lock);

	if (!commands->last)
		return json_null();
	/* A copy, as the caller reads it without the lock. */
	return json_deep_copy(commands->last);
}
