/*
 * Goal: at any time that it is told, a tick makes what is due, once, however
 * many runs were missed and however many ticks there are; a failure keeps the
 * run due and deletes nothing; then the policy prunes.
 */
#include "sandbox.h"

#include <fcntl.h>
#include <sys/wait.h>

#include <rvs/schedule.h>

#define NOON   ((time_t)1795348800) /* 2026-11-22 12:00 UTC */
#define HOUR   3600
#define MINUTE 60

/* A store with the schedule set at noon, and a file in its source. */
static struct rvs_store *scheduled_store(const char *schedule)
{
	struct rvs_store *store = new_store();
	struct rvs_error err = RVS_ERROR_INIT;

	assert_int_equal(setenv("TZ", "UTC0", 1), 0);
	tzset();
	write_text("source/file", "one");
	expect_ok(rvs_plan_set_schedule(store, schedule, NOON, &err), err);
	return store;
}

static size_t count(struct rvs_store *store)
{
	RVS_CLEANUP(rvs_snapshot_list_done)
	struct rvs_snapshot_list list = { NULL, 0 };
	struct rvs_error err = RVS_ERROR_INIT;

	expect_ok(rvs_snapshot_list(store, &list, NULL, NULL, &err), err);
	return list.count;
}

/* A tick at @now that makes one snapshot, of the run at @due_at, or none when
 * that is 0; the next is at @next. */
static void expect_tick(struct rvs_store *store, time_t now, time_t due_at,
			time_t next)
{
	RVS_CLEANUP(rvs_tick_done) struct rvs_tick_result result;
	struct rvs_error err = RVS_ERROR_INIT;
	size_t before = count(store);

	expect_ok(rvs_tick(store, now, NULL, &result, &err), err);
	assert_true(result.scheduled);
	assert_int_equal(result.due, due_at != 0);
	assert_int_equal(result.made, due_at != 0);
	if (due_at)
		assert_int_equal(result.due_at, due_at);
	assert_int_equal(result.next, next);
	assert_int_equal(count(store), before + (due_at != 0));
}

static void test_without_a_schedule_nothing_happens(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(rvs_tick_done) struct rvs_tick_result result;
	struct rvs_error err = RVS_ERROR_INIT;

	expect_ok(rvs_tick(store, NOON, NULL, &result, &err), err);
	assert_false(result.scheduled);
	assert_int_equal(result.next, 0);
	assert_int_equal(count(store), 0);
}

static void test_runs_come_when_they_are_due(void **state)
{
	RVS_CLEANUP(close_store)
	struct rvs_store *store = scheduled_store("hourly");

	/* Set just now: what came before was not missed. */
	expect_tick(store, NOON, 0, NOON + HOUR);
	expect_tick(store, NOON + HOUR - 1, 0, NOON + HOUR);
	expect_tick(store, NOON + HOUR, NOON + HOUR, NOON + 2 * HOUR);
	expect_tick(store, NOON + HOUR, 0, NOON + 2 * HOUR);
	expect_tick(store, NOON + 2 * HOUR + 5, NOON + 2 * HOUR,
		    NOON + 3 * HOUR);
}

static void test_missed_runs_are_made_up_once(void **state)
{
	RVS_CLEANUP(close_store)
	struct rvs_store *store = scheduled_store("every 15m");

	expect_tick(store, NOON + 9 * HOUR + 1, NOON + 9 * HOUR,
		    NOON + 9 * HOUR + 15 * MINUTE);
	expect_tick(store, NOON + 9 * HOUR + 2, 0,
		    NOON + 9 * HOUR + 15 * MINUTE);
}

static void test_the_snapshot_says_which_run_it_is(void **state)
{
	RVS_CLEANUP(close_store)
	struct rvs_store *store = scheduled_store("hourly");
	RVS_CLEANUP(rvs_tick_done) struct rvs_tick_result result;
	struct rvs_error err = RVS_ERROR_INIT;

	expect_ok(rvs_tick(store, NOON + HOUR + 7, NULL, &result, &err), err);
	assert_string_equal(result.snapshot.name, result.snapshot.id);
	assert_int_equal(result.snapshot.metadata_count, 2);
	assert_string_equal(result.snapshot.metadata[0].key, "schedule");
	assert_string_equal(result.snapshot.metadata[0].value, "hourly");
	assert_string_equal(result.snapshot.metadata[1].key, "scheduled_at");
	assert_string_equal(result.snapshot.metadata[1].value,
			    "2026-11-22T13:00:00.000000000Z");
}

/* Its snapshot deleted, a run stays made; the state lost after the snapshot was
 * made, as by a crash, too. */
static void test_a_run_is_not_made_twice(void **state)
{
	RVS_CLEANUP(close_store)
	struct rvs_store *store = scheduled_store("hourly");
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf before = RVS_BUF_INIT;
	RVS_CLEANUP(rvs_tick_done) struct rvs_tick_result result;
	struct rvs_error err = RVS_ERROR_INIT;

	before = read_whole("store/schedule.json");
	expect_tick(store, NOON + HOUR, NOON + HOUR, NOON + 2 * HOUR);
	write_file("store/schedule.json", before.bytes, before.len);
	expect_ok(rvs_tick(store, NOON + HOUR, NULL, &result, &err), err);
	assert_true(result.due);
	assert_false(result.made);
	assert_int_equal(result.last, NOON + HOUR);
	assert_int_equal(count(store), 1);
	expect_ok(rvs_snapshot_delete(store, "latest", &err), err);
	expect_tick(store, NOON + HOUR + 9, 0, NOON + 2 * HOUR);
}

static void test_without_a_state_runs_count_from_now(void **state)
{
	RVS_CLEANUP(close_store)
	struct rvs_store *store = scheduled_store("hourly");

	assert_int_equal(unlink("store/schedule.json"), 0);
	expect_tick(store, NOON + 9 * HOUR, 0, NOON + 10 * HOUR);
	write_text("store/schedule.json", "{ rubbish");
	expect_tick(store, NOON + 19 * HOUR, 0, NOON + 20 * HOUR);
	expect_tick(store, NOON + 20 * HOUR, NOON + 20 * HOUR,
		    NOON + 21 * HOUR);
}

/* A clock that once was years ahead must not end the schedule; a small step back
 * must not repeat a run. */
static void test_the_clock_steps_back(void **state)
{
	RVS_CLEANUP(close_store)
	struct rvs_store *store = scheduled_store("hourly");

	expect_tick(store, NOON + HOUR, NOON + HOUR, NOON + 2 * HOUR);
	expect_tick(store, NOON + HOUR - 9, 0, NOON + HOUR);
	expect_tick(store, NOON + HOUR, 0, NOON + 2 * HOUR);
	expect_tick(store, NOON + 90000 * (time_t)HOUR,
		    NOON + 90000 * (time_t)HOUR,
		    NOON + 90001 * (time_t)HOUR);
	expect_tick(store, NOON + 3 * HOUR + 1, 0, NOON + 4 * HOUR);
	expect_tick(store, NOON + 4 * HOUR, NOON + 4 * HOUR, NOON + 5 * HOUR);
}

static void test_looking_changes_nothing(void **state)
{
	const struct rvs_tick_options look = { .look = true };
	RVS_CLEANUP(close_store)
	struct rvs_store *store = scheduled_store("hourly");
	RVS_CLEANUP(rvs_tick_done) struct rvs_tick_result result;
	struct rvs_error err = RVS_ERROR_INIT;

	expect_ok(rvs_tick(store, NOON + HOUR + 9, &look, &result, &err), err);
	assert_true(result.due);
	assert_false(result.made);
	assert_int_equal(result.last, NOON);
	assert_int_equal(result.next, NOON + HOUR + 9);
	assert_int_equal(count(store), 0);
	assert_int_equal(unlink("store/schedule.json"), 0);
	rvs_tick_done(&result);
	expect_ok(rvs_tick(store, NOON + HOUR + 9, &look, &result, &err), err);
	assert_false(result.due);
	assert_int_equal(access("store/schedule.json", F_OK), -1);
}

/* ---- failures ---- */

static void test_a_failed_run_stays_due_and_prunes_nothing(void **state)
{
	RVS_CLEANUP(close_store)
	struct rvs_store *store = scheduled_store("hourly");
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_tick_result result;

	expect_tick(store, NOON + HOUR, NOON + HOUR, NOON + 2 * HOUR);
	snap_only(store, "second");
	expect_ok(rvs_plan_set_policy(store, "keep-last=1", &err), err);
	assert_int_equal(rename("source", "gone"), 0);
	expect_status(rvs_tick(store, NOON + 2 * HOUR, NULL, &result, &err),
		      RVS_ERR_NOT_FOUND, err);
	assert_true(result.due);
	assert_false(result.made);
	assert_int_equal(result.next, NOON + 2 * HOUR + 5 * MINUTE);
	assert_int_equal(result.failed_at, NOON + 2 * HOUR);
	assert_string_equal(result.failure, err.text);
	rvs_tick_done(&result);
	assert_int_equal(count(store), 2);

	/* Who looks is told. */
	expect_ok(rvs_tick(store, NOON + 2 * HOUR + 1,
			   &(struct rvs_tick_options){ .look = true }, &result,
			   &err), err);
	assert_true(result.due);
	assert_int_equal(result.failed_at, NOON + 2 * HOUR);
	assert_non_null(result.failure);
	rvs_tick_done(&result);

	assert_int_equal(rename("gone", "source"), 0);
	expect_ok(rvs_tick(store, NOON + 2 * HOUR + 5 * MINUTE, NULL, &result,
			   &err), err);
	assert_true(result.made);
	assert_int_equal(result.due_at, NOON + 2 * HOUR);
	assert_int_equal(result.failed_at, 0);
	assert_null(result.failure);
	assert_int_equal(result.pruned, 2);
	rvs_tick_done(&result);
	assert_int_equal(count(store), 1);
}

static bool cancelled(void *arg)
{
	return true;
}

static void test_a_stopped_run_is_no_failure(void **state)
{
	const struct rvs_tick_options options = {
		.monitor = { .cancelled = cancelled }
	};
	RVS_CLEANUP(close_store)
	struct rvs_store *store = scheduled_store("hourly");
	RVS_CLEANUP(rvs_tick_done) struct rvs_tick_result result;
	struct rvs_error err = RVS_ERROR_INIT;

	expect_status(rvs_tick(store, NOON + HOUR, &options, &result, &err),
		      RVS_ERR_INTERRUPTED, err);
	assert_int_equal(result.failed_at, 0);
	assert_int_equal(count(store), 0);
	expect_tick(store, NOON + HOUR, NOON + HOUR, NOON + 2 * HOUR);
}

static void test_a_plan_that_cannot_be_read(void **state)
{
	RVS_CLEANUP(close_store)
	struct rvs_store *store = scheduled_store("hourly");
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_tick_result result;

	write_text("store/store.json", "{\"schedule\": \"often\"}");
	expect_status(rvs_tick(store, NOON + HOUR, NULL, &result, &err),
		      RVS_ERR_USAGE, err);
	assert_non_null(strstr(err.text, "store.json: schedule"));
	rvs_tick_done(&result);
	assert_int_equal(count(store), 0);
	/* A policy that is none: the snapshot is made all the same. */
	write_text("store/store.json",
		   "{\"schedule\": \"hourly\", \"policy\": \"keep\"}");
	expect_status(rvs_tick(store, NOON + HOUR, NULL, &result, &err),
		      RVS_ERR_USAGE, err);
	assert_non_null(strstr(err.text, "store.json: policy"));
	assert_true(result.made);
	rvs_tick_done(&result);
	assert_int_equal(count(store), 1);
	expect_tick(store, NOON + HOUR + 1, 0, NOON + 2 * HOUR);
}

/* ---- pruning ---- */

static void count_deleted(void *arg, const struct rvs_verdict *verdict)
{
	*(unsigned *)arg += !verdict->keep;
}

static void test_after_each_run_the_policy_prunes(void **state)
{
	RVS_CLEANUP(close_store)
	struct rvs_store *store = scheduled_store("hourly");
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_tick_result result;
	unsigned told = 0;
	const struct rvs_tick_options options = { .judged = count_deleted,
						  .arg = &told };

	expect_ok(rvs_plan_set_policy(store, "keep-last=1 keep-name=stay*",
				      &err), err);
	snap_only(store, "stays");
	snap_only(store, "goes");
	/* Nothing is due, so nothing goes. */
	expect_ok(rvs_tick(store, NOON + 1, &options, &result, &err), err);
	assert_int_equal(result.pruned, 0);
	rvs_tick_done(&result);
	expect_ok(rvs_tick(store, NOON + HOUR, &options, &result, &err), err);
	assert_int_equal(result.pruned, 1);
	assert_int_equal(told, 1);
	rvs_tick_done(&result);
	assert_int_equal(count(store), 2);
	expect_status(rvs_snapshot_find(store, "goes", &result.snapshot, &err),
		      RVS_ERR_NOT_FOUND, err);
}

/* ---- several at once ---- */

static int tick_in_child(void)
{
	struct rvs_store *store = open_store();
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_tick_result result;
	int r = rvs_tick(store, NOON + HOUR, NULL, &result, &err);
	int code = r < 0 ? 100 : result.made;

	rvs_tick_done(&result);
	rvs_store_close(store);
	return code;
}

static void test_of_many_ticks_one_makes_it(void **state)
{
	enum { CHILDREN = 12 };
	RVS_CLEANUP(close_store)
	struct rvs_store *store = scheduled_store("hourly");
	pid_t children[CHILDREN];
	int i, status, made = 0;

	for (i = 0; i < CHILDREN; i++) {
		children[i] = fork();
		assert_true(children[i] >= 0);
		if (children[i] == 0)
			_exit(tick_in_child());
	}
	for (i = 0; i < CHILDREN; i++) {
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_true(WIFEXITED(status));
		assert_true(WEXITSTATUS(status) <= 1);
		made += WEXITSTATUS(status);
	}
	assert_int_equal(made, 1);
	assert_int_equal(count(store), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_without_a_schedule_nothing_happens),
		sandbox_test(test_runs_come_when_they_are_due),
		sandbox_test(test_missed_runs_are_made_up_once),
		sandbox_test(test_the_snapshot_says_which_run_it_is),
		sandbox_test(test_a_run_is_not_made_twice),
		sandbox_test(test_without_a_state_runs_count_from_now),
		sandbox_test(test_the_clock_steps_back),
		sandbox_test(test_looking_changes_nothing),
		sandbox_test(test_a_failed_run_stays_due_and_prunes_nothing),
		sandbox_test(test_a_stopped_run_is_no_failure),
		sandbox_test(test_a_plan_that_cannot_be_read),
		sandbox_test(test_after_each_run_the_policy_prunes),
		sandbox_test(test_of_many_ticks_one_makes_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
