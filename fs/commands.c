#include "commands.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>
#include <rvs/job.h>
#include <rvs/schedule.h>
#include <rvs/snapshot.h>

#include "cleanup.h"
#include "control.h"
#include "damage.h"
#include "errors.h"
#include "jobs.h"
#include "printable.h"
#include "snapshots.h"

enum {
	INDENT = 2,
	LIST_MAX = 1000, /* things told of one by one */
};

struct commands {
	struct commands_context context;
	pthread_mutex_t lock;
	json_t *errors[TEXT_CONTROLS]; /* NULL: none; protected by lock */
};

/* One command on its way. */
struct task {
	struct commands *commands;
	enum text_file file;
	struct control_request request;
	bool wait;
	struct job *job;
	json_t *result;  /* what .status tells too */
	json_t *details; /* what reading the file tells besides */
	char *record;    /* what it tells instead */
};

struct verb {
	const char *name;
	int (*run)(struct task *task, struct rvs_error *err);
};

static void task_free(struct task *task)
{
	if (!task)
		return;
	control_request_done(&task->request);
	json_decref(task->result);
	json_decref(task->details);
	free(task->record);
	free(task);
}

static void cleanup_task(struct task **task)
{
	task_free(*task);
}

static struct task *task_new(struct commands *commands, enum text_file file)
{
	struct task *task = calloc(1, sizeof(*task));

	if (!task)
		return NULL;
	task->commands = commands;
	task->file = file;
	task->wait = true;
	return task;
}

static int no_memory(struct rvs_error *err)
{
	return error_set(err, RVS_ERR_NO_MEMORY, "out of memory");
}

struct commands *commands_new(const struct commands_context *context)
{
	struct commands *commands = calloc(1, sizeof(*commands));
	int file;

	if (!commands)
		return NULL;
	commands->context = *context;
	pthread_mutex_init(&commands->lock, NULL);
	/* Without memory they stay empty, which serves too. */
	for (file = 0; file < TEXT_CONTROLS; file++)
		(void)texts_set(context->texts, (enum text_file)file, "{}\n");
	return commands;
}

void commands_free(struct commands *commands)
{
	int file;

	if (!commands)
		return;
	for (file = 0; file < TEXT_CONTROLS; file++)
		json_decref(commands->errors[file]);
	pthread_mutex_destroy(&commands->lock);
	free(commands);
}

/* ---- what the files tell ---- */

/* Out of memory leaves what the file held before. */
static void publish_text(struct commands *commands, enum text_file file,
			 const char *json)
{
	CLEANUP(cleanup_free) char *text = NULL;

	if (!json)
		return;
	if (asprintf(&text, "%s\n", json) < 0)
		text = NULL; /* which a failed asprintf leaves undefined */
	if (text)
		(void)texts_set(commands->context.texts, file, text);
}

/* Takes @value over. */
static void publish(struct commands *commands, enum text_file file,
		    json_t *value)
{
	CLEANUP(cleanup_free) char *json = json_dumps(value,
						      JSON_INDENT(INDENT));

	json_decref(value);
	publish_text(commands, file, json);
}

/* @err is NULL for what went well. */
static void keep_error(struct commands *commands, enum text_file file,
		       const struct rvs_error *err)
{
	json_t **error = &commands->errors[file];
	LOCKED(&commands->lock);

	json_decref(*error);
	*error = err ? job_error_json(err) : NULL;
}

json_t *commands_error_json(struct commands *commands, enum text_file file)
{
	LOCKED(&commands->lock);

	return commands->errors[file] ? json_copy(commands->errors[file]) :
					json_null();
}

int commands_refuse(struct commands *commands, enum text_file file,
		    const struct rvs_error *err)
{
	keep_error(commands, file, err);
	publish(commands, file, json_pack("{s:o}", "error",
					  job_error_json(err)));
	return err->status;
}

/* The kernel sees the new content before it sees the job gone. */
static void publish_end(struct task *task, json_t *ended)
{
	json_t *text;

	if (task->record) {
		publish_text(task->commands, task->file, task->record);
		return;
	}
	text = json_copy(ended);
	if (text && task->details)
		(void)json_object_update(text, task->details);
	publish(task->commands, task->file, text);
}

/* ---- the verbs ---- */

static bool is_cancelled(struct task *task)
{
	struct rvs_monitor monitor = job_monitor(task->job);

	return monitor.cancelled(monitor.arg);
}

static int check_cancelled(struct task *task, struct rvs_error *err)
{
	if (is_cancelled(task))
		return error_set(err, RVS_ERR_INTERRUPTED, "interrupted");
	return 0;
}

static int create(struct task *task, struct rvs_error *err)
{
	CLEANUP(rvs_snapshot_done) struct rvs_snapshot made = { 0 };
	const struct control_request *request = &task->request;
	struct rvs_create_options options = {
		.name = control_text(request, "name"),
		.source = task->commands->context.source,
		.base = control_text(request, "base"),
		.full = control_flag(request, "full"),
		.best_effort = control_flag(request, "best-effort"),
		.skip_unreadable = control_flag(request, "skip-unreadable"),
		.wait = task->wait,
		.metadata = request->pairs,
		.metadata_count = request->pair_count,
		.monitor = job_monitor(task->job),
	};
	int r;

	r = rvs_create(task->commands->context.store, &options, &made, err);
	if (r < 0)
		return r;
	task->record = rvs_snapshot_json(&made, INDENT);
	task->result = json_pack("{s:s, s:s}", "id", made.id, "name",
				 made.name);
	return 0;
}

static json_t *reference_json(const struct rvs_snapshot *snapshot)
{
	return json_pack("{s:s, s:s}", "id", snapshot->id, "name",
			 snapshot->name);
}

typedef int (*change_one)(struct task *task, const char *id,
			  struct rvs_error *err);

/* Find all that were named before the first is changed. */
static int find_named(struct task *task, json_t **ret, struct rvs_error *err)
{
	const struct control_list *named =
		control_list(&task->request, "snapshots");
	CLEANUP(rvs_snapshot_done) struct rvs_snapshot found = { 0 };
	json_t *array = json_array();
	size_t i;
	int r;

	for (i = 0; i < named->count; i++) {
		rvs_snapshot_done(&found);
		found = (struct rvs_snapshot){ 0 };
		r = rvs_snapshot_find(task->commands->context.store,
				      named->items[i], &found, err);
		if (r < 0) {
			json_decref(array);
			return r;
		}
		(void)json_array_append_new(array, reference_json(&found));
	}
	*ret = array;
	return 0;
}

static int change_named(struct task *task, const char *what, change_one change,
			struct rvs_error *err)
{
	json_t *named = NULL, *one;
	size_t i;
	int r;

	r = find_named(task, &named, err);
	if (r < 0)
		return r;
	task->result = json_pack("{s:o}", what, named);
	json_array_foreach(named, i, one)
	{
		r = check_cancelled(task, err);
		if (r == 0)
			r = change(task,
				   json_string_value(json_object_get(one,
								     "id")),
				   err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int delete_one(struct task *task, const char *id, struct rvs_error *err)
{
	return rvs_snapshot_delete(task->commands->context.store, id, err);
}

static int delete(struct task *task, struct rvs_error *err)
{
	return change_named(task, "deleted", delete_one, err);
}

static int pin_one(struct task *task, const char *id, struct rvs_error *err)
{
	return rvs_snapshot_pin(task->commands->context.store, id, true, err);
}

static int pin(struct task *task, struct rvs_error *err)
{
	return change_named(task, "pinned", pin_one, err);
}

static int unpin_one(struct task *task, const char *id, struct rvs_error *err)
{
	return rvs_snapshot_pin(task->commands->context.store, id, false, err);
}

static int unpin(struct task *task, struct rvs_error *err)
{
	return change_named(task, "unpinned", unpin_one, err);
}

static int rename_one(struct task *task, struct rvs_error *err)
{
	const char *name = control_text(&task->request, "name");

	task->result = json_pack("{s:s}", "name", name);
	return rvs_snapshot_rename(task->commands->context.store,
				   control_text(&task->request, "snapshot"),
				   name, err);
}

static void on_finding(void *arg, const struct rvs_finding *finding)
{
	struct task *task = arg;

	damage_note(task->commands->context.damages, finding->snapshot,
		    finding->path, finding->damage);
	if (json_array_size(task->details) < LIST_MAX)
		(void)json_array_append_new(
			task->details,
			damage_one_json(finding->snapshot, finding->path,
					finding->damage));
}

static int verify(struct task *task, struct rvs_error *err)
{
	const struct control_list *named =
		control_list(&task->request, "snapshots");
	struct rvs_monitor monitor = job_monitor(task->job);
	struct rvs_verify_result result = { 0 };
	int r;

	task->details = json_array();
	r = rvs_verify(task->commands->context.store,
		       (const char *const *)named->items, named->count,
		       &monitor, on_finding, task, &result, err);
	task->details = json_pack("{s:o}", "damage", task->details);
	task->result = json_pack("{s:I, s:I, s:I, s:I, s:I}", "snapshots",
				 (json_int_t)result.snapshots, "files",
				 (json_int_t)result.files, "members",
				 (json_int_t)result.members, "bytes",
				 (json_int_t)result.bytes, "findings",
				 (json_int_t)result.findings);
	return r;
}

static int collect(struct task *task, struct rvs_error *err)
{
	bool dry_run = control_flag(&task->request, "dry-run");
	struct rvs_monitor monitor = job_monitor(task->job);
	struct rvs_collect_result result = { 0 };
	int r;

	r = rvs_collect(task->commands->context.store, dry_run, task->wait,
			&monitor, &result, err);
	task->result = json_pack("{s:I, s:I, s:I, s:b}", "removed",
				 (json_int_t)result.removed, "rewritten",
				 (json_int_t)result.rewritten, "freed_bytes",
				 (json_int_t)result.freed_bytes, "dry_run",
				 dry_run);
	return r;
}

/* ---- the verbs about retention ---- */

static bool is_rule(const struct control_field *field)
{
	return strncmp(field->name, "keep-", 5) == 0;
}

static int print_rules(FILE *out, const struct control_field *field,
		       const struct control_list *list, struct rvs_error *err)
{
	size_t i;

	for (i = 0; i < list->count; i++) {
		if (strpbrk(list->items[i], " \t\r\n\v\f"))
			return error_set(err, RVS_ERR_USAGE,
					 "%s: no name has blanks", field->name);
		(void)fprintf(out, "%s=%s ", field->name, list->items[i]);
	}
	return 0;
}

/* The rules of a request as the engine's text, "" when it has none. */
static int rules_of(const struct control_request *request, char **ret,
		    struct rvs_error *err)
{
	const struct control_field *field;
	size_t len;
	FILE *out = open_memstream(ret, &len);
	int r = 0;

	if (!out)
		return no_memory(err);
	for (field = request->fields; field->name && r == 0; field++)
		if (is_rule(field))
			r = print_rules(out, field,
					control_list(request, field->name),
					err);
	return fclose(out) == 0 ? r : no_memory(err);
}

/* Those of the store where the request has none. */
static int policy_of(const struct task *task, struct rvs_policy *ret,
		     struct rvs_error *err)
{
	CLEANUP(rvs_plan_done) struct rvs_plan plan = { NULL, NULL };
	CLEANUP(cleanup_free) char *rules = NULL;
	int r;

	r = rules_of(&task->request, &rules, err);
	if (r < 0)
		return r;
	if (*rules)
		return rvs_policy_parse(rules, ret, err);
	r = rvs_plan_read(task->commands->context.store, &plan, err);
	if (r < 0)
		return r;
	if (!plan.policy)
		return error_set(err, RVS_ERR_USAGE,
				 "no rule is given, and .policy has none");
	return rvs_policy_parse(plan.policy, ret, err);
}

static void on_verdict(void *arg, const struct rvs_verdict *verdict)
{
	struct task *task = arg;

	if (json_array_size(task->details) < LIST_MAX)
		(void)json_array_append_new(
			task->details,
			json_pack("{s:s, s:s, s:b, s:s}", "id",
				  verdict->snapshot->id, "name",
				  verdict->snapshot->name, "keep",
				  verdict->keep, "reasons", verdict->reasons));
}

static int prune(struct task *task, struct rvs_error *err)
{
	CLEANUP(rvs_policy_done) struct rvs_policy policy = { .last = 0 };
	bool dry_run = control_flag(&task->request, "dry-run");
	struct rvs_monitor monitor = job_monitor(task->job);
	uint64_t deleted = 0;
	int r;

	r = policy_of(task, &policy, err);
	if (r < 0)
		return r;
	task->details = json_array();
	r = rvs_prune(task->commands->context.store, &policy, dry_run, &monitor,
		      on_verdict, task, &deleted, err);
	task->details = json_pack("{s:o}", "snapshots", task->details);
	task->result = json_pack("{s:I, s:b}", "deleted", (json_int_t)deleted,
				 "dry_run", dry_run);
	return r;
}

static int set_policy(struct task *task, struct rvs_error *err)
{
	bool none = control_flag(&task->request, "none");
	CLEANUP(cleanup_free) char *rules = NULL;
	int r;

	r = rules_of(&task->request, &rules, err);
	if (r < 0)
		return r;
	if (none == (*rules != '\0'))
		return error_set(err, RVS_ERR_USAGE,
				 "rules or none: .policy takes %s",
				 control_file(TEXT_POLICY)->usage);
	return rvs_plan_set_policy(task->commands->context.store, rules, err);
}

static int set_schedule(struct task *task, struct rvs_error *err)
{
	const struct commands_context *context = &task->commands->context;
	int r;

	r = rvs_plan_set_schedule(context->store,
				  control_text(&task->request, "schedule"),
				  time(NULL), err);
	if (r == 0)
		context->rescheduled(context->arg);
	return r;
}

static const struct verb verbs[TEXT_CONTROLS] = {
	[TEXT_CREATE] = { "create", create },
	[TEXT_DELETE] = { "delete", delete },
	[TEXT_RENAME] = { "rename", rename_one },
	[TEXT_PIN] = { "pin", pin },
	[TEXT_UNPIN] = { "unpin", unpin },
	[TEXT_VERIFY] = { "verify", verify },
	[TEXT_PRUNE] = { "prune", prune },
	[TEXT_COLLECT] = { "collect", collect },
	[TEXT_SCHEDULE] = { "set schedule", set_schedule },
	[TEXT_POLICY] = { "set policy", set_policy },
};

/* ---- running them ---- */

/* Run the task and end its job. */
static int run(struct task *task, struct rvs_error *err)
{
	json_t *ended;
	int r;

	r = verbs[task->file].run(task, err);
	keep_error(task->commands, task->file, r < 0 ? err : NULL);
	ended = job_ended_json(task->job, r, err, take(task->result));
	publish_end(task, ended);
	job_end(task->job, r, ended);
	return r;
}

static void run_detached(void *arg)
{
	CLEANUP(cleanup_task) struct task *task = arg;
	struct rvs_error err = RVS_ERROR_INIT;

	(void)run(task, &err); /* its file and .status tell */
}

/* What the task works on, for .status; NULL: nothing by name. */
static char *name_of(const struct task *task)
{
	const struct control_field *field = task->request.fields;
	const struct control_list *list = &task->request.values[0];
	CLEANUP(cleanup_free) char *name = NULL;
	char *longer;
	size_t i;

	if (field->kind != CONTROL_WORD && field->kind != CONTROL_WORDS)
		return NULL;
	for (i = 0; i < list->count; i++) {
		if (asprintf(&longer, "%s%s%s", name ? name : "",
			     name ? " " : "", list->items[i]) < 0)
			break;
		free(name);
		name = longer;
	}
	return take(name);
}

static int begin(struct task *task, const struct canceller *canceller,
		 struct rvs_error *err)
{
	CLEANUP(cleanup_free) char *name = name_of(task);

	return job_begin(task->commands->context.jobs, verbs[task->file].name,
			 name, canceller, &task->job, err);
}

/* Takes @task over, which is running then or has failed. */
static int begin_detached(struct task *task, struct rvs_error *err)
{
	CLEANUP(cleanup_task) struct task *owned = task;
	json_t *ended;
	int r;

	r = begin(task, NULL, err);
	if (r < 0)
		return commands_refuse(task->commands, task->file, err);
	publish(task->commands, task->file, job_json(task->job));
	r = job_detach(task->job, run_detached, task, err);
	if (r == 0) {
		(void)take(owned);
		return 0;
	}
	ended = job_ended_json(task->job, r, err, NULL);
	publish_end(task, ended);
	job_end(task->job, r, ended);
	return r;
}

static int run_attached(struct task *task, const struct canceller *canceller,
			struct rvs_error *err)
{
	if (begin(task, canceller, err) < 0)
		return commands_refuse(task->commands, task->file, err);
	return run(task, err);
}

static bool has_flag(const struct task *task, const char *name)
{
	const struct control_field *field = task->request.fields;

	while (field->name && strcmp(field->name, name) != 0)
		field++;
	return field->name && control_flag(&task->request, name);
}

static bool goes_on_alone(const struct task *task)
{
	if (task->file == TEXT_VERIFY)
		return !has_flag(task, "wait");
	return has_flag(task, "nowait");
}

/* No job itself: it must not wait for a place among those that it is to end. */
static int cancel(struct task *task, struct rvs_error *err)
{
	const struct control_list *which = control_list(&task->request, "jobs");
	struct commands *commands = task->commands;
	json_t *told = NULL;

	if (jobs_cancel(commands->context.jobs,
			(const char *const *)which->items, which->count, &told,
			err) < 0)
		return commands_refuse(commands, task->file, err);
	publish(commands, task->file, json_pack("{s:o}", "cancelled", told));
	return 0;
}

int commands_write(struct commands *commands, const struct command_text *text,
		   const struct canceller *canceller, struct rvs_error *err)
{
	CLEANUP(cleanup_task)
	struct task *task = task_new(commands, text->file);

	if (!task)
		return no_memory(err);
	task->wait = text->wait;
	if (control_parse(text->file, text->bytes, text->len, &task->request,
			  err) < 0)
		return commands_refuse(commands, text->file, err);
	if (text->file == TEXT_CANCEL)
		return cancel(task, err);
	if (goes_on_alone(task))
		return begin_detached(take(task), err);
	return run_attached(task, canceller, err);
}

static int write_words(struct commands *commands, enum text_file file,
		       const char *const words[2],
		       const struct canceller *canceller, struct rvs_error *err)
{
	CLEANUP(cleanup_task) struct task *task = task_new(commands, file);
	int i, r;

	if (!task)
		return no_memory(err);
	for (i = 0; i < 2 && words[i]; i++) {
		r = control_add_word(file, words[i], &task->request, err);
		if (r < 0)
			return commands_refuse(commands, file, err);
	}
	return run_attached(task, canceller, err);
}

int commands_create(struct commands *commands, const char *name,
		    const struct canceller *canceller, struct rvs_error *err)
{
	const char *const words[2] = { name };

	return write_words(commands, TEXT_CREATE, words, canceller, err);
}

int commands_delete(struct commands *commands, const struct snapshot *snapshot,
		    const struct canceller *canceller, struct rvs_error *err)
{
	const char *const words[2] = { snapshot->name };

	return write_words(commands, TEXT_DELETE, words, canceller, err);
}

int commands_rename(struct commands *commands, const struct snapshot *snapshot,
		    const char *name, const struct canceller *canceller,
		    struct rvs_error *err)
{
	const char *const words[2] = { snapshot->name, name };

	return write_words(commands, TEXT_RENAME, words, canceller, err);
}
