/*
 * Tick: do what is due.
 *
 * schedule.json says up to when runs were made.  It outlives the snapshots that
 * they made, and is replaced when one is there: a crash in between makes none
 * twice, as the snapshot itself says which run it is of.
 */
#include "tick.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "prune.h"
#include "store/json.h"
#include "store/record.h"
#include "store/store.h"

#define STATE_NAME "schedule.json"
#define TICK_LOCK  ".schedule.lock"

#define META_SCHEDULE     "schedule"
#define META_SCHEDULED_AT "scheduled_at"

enum {
	STATE_MAX = 64 << 10, /* bytes */
	RETRY_S = 300,        /* a run that failed */
	CLOCK_FAULT_S = 86400, /* a last run so far ahead was never made */
};

/* Times are 0 where there is none. */
struct state {
	time_t last;
	time_t failed_at;
	char *failure;
};

static void state_done(struct state *state)
{
	free(state->failure);
	*state = (struct state){ 0 };
}

/* ---- the state's file ---- */

static const char *format_time(time_t time, char ret[RVS_TIME_SIZE])
{
	return rvs_time_format((struct timespec){ time, 0 }, ret);
}

static time_t get_time(const json_t *root, const char *key)
{
	const char *text = json_string_value(json_object_get(root, key));
	struct timespec time;

	return text && rvs_time_parse(text, &time) == 0 ? time.tv_sec : 0;
}

/* What is missing, or is none of ours, tells nothing: runs count anew. */
static int read_state(struct rvs_store *store, struct state *ret,
		      struct rvs_error *err)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf text = RVS_BUF_INIT;
	RVS_CLEANUP(rvs_json_cleanup) json_t *root = NULL;
	int r = rvs_backend_read_object(store->backend, STATE_NAME, STATE_MAX,
					&text, err);

	*ret = (struct state){ 0 };
	if (r == RVS_ERR_NOT_FOUND || r == RVS_ERR_REFUSED)
		return 0;
	if (r < 0)
		return r;
	root = json_loadb((char *)text.bytes, text.len, 0, NULL);
	ret->last = get_time(root, "last");
	ret->failed_at = get_time(root, "failed_at");
	(void)rvs_json_get_text(root, "failure", &ret->failure); /* or none */
	return 0;
}

static char *format_state(const struct state *state)
{
	char last[RVS_TIME_SIZE], failed[RVS_TIME_SIZE];
	RVS_CLEANUP(rvs_json_cleanup)
	json_t *root = json_pack("{s:s, s:s*, s:o*}", "last",
				 format_time(state->last, last), "failed_at",
				 state->failed_at ?
					 format_time(state->failed_at, failed) :
					 NULL,
				 "failure",
				 state->failure ?
					 rvs_json_text(state->failure) :
					 NULL);

	return root ? json_dumps(root, JSON_INDENT(2)) : NULL;
}

static int write_state(struct rvs_store *store, const struct state *state,
		       struct rvs_error *err)
{
	RVS_CLEANUP(rvs_cleanup_free) char *text = format_state(state);
	struct rvs_lock *lock;
	int r;

	if (!text)
		return rvs_error_no_memory(err);
	r = rvs_store_lock_list(store, &lock, err);
	if (r < 0)
		return r;
	r = store->backend->ops->replace(store->backend, STATE_NAME, text,
					 strlen(text), err);
	rvs_store_unlock(store, lock);
	return r;
}

int rvs_tick_begin(struct rvs_store *store, time_t now, struct rvs_error *err)
{
	return write_state(store, &(struct state){ .last = now }, err);
}

/* ---- one run ---- */

struct ticking {
	struct rvs_store *store;
	time_t now;
	const struct rvs_tick_options *options;
	struct rvs_tick_result *result;
	struct rvs_plan plan;
	struct rvs_schedule schedule;
	struct state state;
	struct rvs_error *err;
};

/* Whether the run's snapshot is there, though the state does not say so; 1:
 * it is. */
static int is_made(struct ticking *t, const char *scheduled_at)
{
	RVS_CLEANUP(rvs_snapshot_list_done)
	struct rvs_snapshot_list list = { NULL, 0 };
	int r = rvs_snapshot_list(t->store, &list, NULL, NULL, t->err);
	size_t i;

	for (i = 0; i < list.count && r == 0; i++) {
		const char *at = rvs_record_metadata(&list.items[i],
						     META_SCHEDULED_AT);

		r = at && !strcmp(at, scheduled_at);
	}
	return r;
}

static int create(struct ticking *t, char *scheduled_at)
{
	struct rvs_metadata metadata[] = {
		{ (char *)(uintptr_t)META_SCHEDULE, t->plan.schedule },
		{ (char *)(uintptr_t)META_SCHEDULED_AT, scheduled_at },
	};
	const struct rvs_create_options options = {
		.source = t->options->source,
		.wait = true,
		.metadata = metadata,
		.metadata_count = 2,
		.monitor = t->options->monitor,
	};
	int r = rvs_create(t->store, &options, &t->result->snapshot, t->err);

	t->result->made = r == 0;
	return r;
}

/* The user's stop is no failure of the run. */
static void remember_failure(struct ticking *t)
{
	if (t->err->status == RVS_ERR_INTERRUPTED)
		return;
	free(t->state.failure);
	t->state.failure = strdup(t->err->text);
	t->state.failed_at = t->now;
	/* The failure itself is what the caller is told. */
	(void)write_state(t->store, &t->state, NULL);
}

static int prune(struct ticking *t)
{
	RVS_CLEANUP(rvs_policy_done) struct rvs_policy policy = { .last = 0 };
	int r;

	if (!t->plan.policy)
		return 0;
	r = rvs_policy_parse(t->plan.policy, &policy, t->err);
	if (r < 0)
		return rvs_error_context(t->err, "store.json: policy");
	r = rvs_prune_at(t->store, &policy, (struct timespec){ t->now, 0 },
			 false, &t->options->monitor, t->options->judged,
			 t->options->arg, &t->result->pruned, t->err);
	return r < 0 ? rvs_error_context(t->err, "the snapshot is made, but "
					 "not all were pruned") :
		       0;
}

static int run(struct ticking *t)
{
	struct rvs_error unsaved = RVS_ERROR_INIT;
	char scheduled_at[RVS_TIME_SIZE];
	int r = is_made(t, format_time(t->result->due_at, scheduled_at));

	if (r == 0)
		r = create(t, scheduled_at);
	if (r < 0) {
		remember_failure(t);
		return r;
	}
	state_done(&t->state);
	t->state.last = t->result->due_at;
	r = write_state(t->store, &t->state, &unsaved);
	/* A full disk is when pruning is wanted most. */
	if (prune(t) < 0)
		return t->err->status;
	if (r < 0)
		*t->err = unsaved;
	return r;
}

/* ---- what is due ---- */

static int begin_counting(struct ticking *t)
{
	state_done(&t->state);
	t->state.last = t->now;
	return t->options->look ? 0 : rvs_tick_begin(t->store, t->now, t->err);
}

static int look(struct ticking *t)
{
	int r = read_state(t->store, &t->state, t->err);

	if (r == 0 && (t->state.last == 0 ||
		       t->state.last > t->now + CLOCK_FAULT_S))
		r = begin_counting(t);
	if (r < 0)
		return r;
	t->result->due = rvs_schedule_due(&t->schedule, t->state.last, t->now,
					  &t->result->due_at);
	return 0;
}

/* When to come again: for a run that is still due, soon. */
static time_t next_time(const struct ticking *t)
{
	time_t next = rvs_schedule_next(&t->schedule, t->now);
	time_t soon = t->options->look ? t->now : t->now + RETRY_S;
	bool open = t->result->due && t->state.last < t->result->due_at;

	if (next == -1)
		next = 0;
	return open && (next == 0 || next > soon) ? soon : next;
}

static void fill_result(struct ticking *t)
{
	t->result->next = next_time(t);
	t->result->last = t->state.last;
	t->result->failed_at = t->state.failed_at;
	t->result->failure = rvs_take(t->state.failure);
}

static int tick_locked(struct ticking *t)
{
	int r = look(t);

	if (r == 0 && t->result->due)
		r = run(t);
	return r;
}

static int tick(struct ticking *t)
{
	const struct rvs_backend_ops *ops = t->store->backend->ops;
	struct rvs_lock *lock;
	int r;

	if (t->options->look)
		return look(t);
	r = ops->lock(t->store->backend, TICK_LOCK, false, NULL, NULL, &lock,
		      t->err);
	if (r == RVS_ERR_BUSY) {
		t->result->others = true;
		return look(t);
	}
	if (r < 0)
		return r;
	r = tick_locked(t);
	ops->unlock(lock);
	return r;
}

static int tick_scheduled(struct ticking *t)
{
	int r = rvs_schedule_parse(t->plan.schedule, &t->schedule, t->err);

	if (r < 0)
		return rvs_error_context(t->err, "store.json: schedule");
	t->result->scheduled = true;
	r = tick(t);
	fill_result(t);
	return r;
}

int rvs_tick(struct rvs_store *store, time_t now,
	     const struct rvs_tick_options *options,
	     struct rvs_tick_result *ret, struct rvs_error *err)
{
	static const struct rvs_tick_options none = { .look = false };
	struct rvs_error own = RVS_ERROR_INIT;
	struct ticking t = { .store = store,
			     .now = now,
			     .options = options ? options : &none,
			     .result = ret,
			     .err = err ? err : &own };
	int r;

	*ret = (struct rvs_tick_result){ 0 };
	r = rvs_plan_read(store, &t.plan, t.err);
	if (r == 0 && t.plan.schedule)
		r = tick_scheduled(&t);
	state_done(&t.state);
	rvs_plan_done(&t.plan);
	return r;
}

void rvs_tick_done(struct rvs_tick_result *result)
{
	rvs_snapshot_done(&result->snapshot);
	free(result->failure);
	*result = (struct rvs_tick_result){ 0 };
}
