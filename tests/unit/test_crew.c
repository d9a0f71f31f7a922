/*
 * Goal: tasks are finished in order however they ran; the first failure is what
 * the user hears of, with its path, and stops the rest; warnings are told.
 */
#include "crewed.h"

#include <errno.h>

#define STORE \
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store()

enum { TASKS = 500 };

static unsigned finished[TASKS], finished_count;
static atomic_uint run_count;

static void run_some(struct rvs_job *job, unsigned worker)
{
	atomic_fetch_add(&run_count, 1);
	((struct rvs_task *)job)->hand.result.files++;
}

static void note_finish(struct rvs_task *task)
{
	finished[finished_count++] = task->index;
}

static struct rvs_task *new_task(struct crewed *c, uint32_t index)
{
	struct rvs_task *task = calloc(1, sizeof(*task));

	assert_non_null(task);
	rvs_crew_init_task(&c->crew, task, index);
	return task;
}

static void start(struct crewed *c, struct rvs_store *store)
{
	assert_int_equal(mkdir("source/dir", 0755), 0);
	write_text("source/dir/file", "text");
	crewed_start(c, store);
	finished_count = 0;
	atomic_store(&run_count, 0);
}

static void test_tasks_are_finished_in_order(void **state)
{
	STORE;
	RVS_CLEANUP(crewed_done) struct crewed c;
	int i;

	start(&c, store);
	for (i = 0; i < TASKS; i++) {
		struct rvs_task *task = new_task(&c, i);

		task->job.run = run_some;
		task->finish = note_finish;
		expect_ok(rvs_crew_submit(&c.crew, task, 128), c.err);
		assert_true(rvs_lane_depth(c.crew.lane) <= 128);
	}
	expect_ok(rvs_crew_collect(&c.crew, 0), c.err);
	assert_int_equal(atomic_load(&run_count), TASKS);
	assert_int_equal(c.crew.result.files, TASKS);
	assert_int_equal(finished_count, TASKS);
	for (i = 0; i < TASKS; i++)
		assert_int_equal(finished[i], i);
}

static void fail_task(struct rvs_job *job, unsigned worker)
{
	struct rvs_task *task = (struct rvs_task *)job;

	task->status = rvs_error_set(task->hand.err, RVS_ERR_NO_SPACE,
				     "full");
}

static void test_the_first_failure_is_told(void **state)
{
	const struct rvs_error later = { .status = RVS_ERR_FAILED };
	STORE;
	RVS_CLEANUP(crewed_done) struct crewed c;
	struct rvs_task *failing, *next;

	start(&c, store);
	failing = new_task(&c, crewed_find(&c, "dir/file"));
	failing->job.run = fail_task;
	failing->finish = note_finish;
	next = new_task(&c, 1);
	next->finish = note_finish;
	(void)rvs_crew_submit(&c.crew, failing, 128);
	(void)rvs_crew_submit(&c.crew, next, 128);
	expect_status(rvs_crew_collect(&c.crew, 0), RVS_ERR_NO_SPACE, c.err);
	assert_true(atomic_load(&c.crew.stopped));
	assert_non_null(strstr(c.err.text, "in dir"));
	assert_non_null(strstr(c.err.text, "full"));
	/* Even so each is finished: it may have something to give back. */
	assert_int_equal(finished_count, 2);
	assert_int_equal(rvs_crew_fail(&c.crew, 0, &later), RVS_ERR_NO_SPACE);
}

static void keep_warning(void *arg, const char *text)
{
	(void)snprintf(arg, 200, "%s", text);
}

static void test_warnings_reach_the_user(void **state)
{
	STORE;
	RVS_CLEANUP(crewed_done) struct crewed c;
	char heard[200] = "";

	start(&c, store);
	c.options.monitor.warning = keep_warning;
	c.options.monitor.arg = heard;
	errno = EPERM;
	rvs_hand_warn(&c.crew.own, crewed_find(&c, "dir/file"), "the owner");
	assert_string_equal(heard, ""); /* not before it is settled */
	rvs_hand_settle(&c.crew.own);
	assert_non_null(strstr(heard, "dir/file: cannot set the owner"));
	assert_int_equal(c.crew.result.warnings, 1);
	rvs_hand_settle(&c.crew.own);
	assert_int_equal(c.crew.result.warnings, 1);
}

static bool stop(void *arg)
{
	return true;
}

static void test_the_user_may_stop_it(void **state)
{
	STORE;
	RVS_CLEANUP(crewed_done) struct crewed c;

	start(&c, store);
	c.options.monitor.cancelled = stop;
	(void)rvs_crew_submit(&c.crew, new_task(&c, 0), 128);
	expect_status(rvs_crew_collect(&c.crew, 0), RVS_ERR_INTERRUPTED,
		      c.err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_tasks_are_finished_in_order),
		sandbox_test(test_the_first_failure_is_told),
		sandbox_test(test_warnings_reach_the_user),
		sandbox_test(test_the_user_may_stop_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
