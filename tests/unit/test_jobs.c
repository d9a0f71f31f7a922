/*
 * Goal: jobs are told while they run and after they ended, on threads of others
 * and of their own, no more than may run do, and the end of the mount ends them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jobs.h"
#include "log.h"

static const struct log quiet;

static int set_up(void **state)
{
	*state = jobs_new(&quiet);
	return *state ? 0 : -1;
}

static int tear_down(void **state)
{
	jobs_free(*state);
	return 0;
}

static struct job *begin(struct jobs *jobs, const char *name)
{
	struct rvs_error err = RVS_ERROR_INIT;
	struct job *job = NULL;

	assert_int_equal(job_begin(jobs, "create", name, NULL, &job, &err), 0);
	return job;
}

static void end(struct job *job, int status)
{
	struct rvs_error err = { .status = status, .text = "why" };

	job_end(job, status, job_ended_json(job, status, &err, NULL));
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static void test_running_and_ended(void **state)
{
	struct jobs *jobs = *state;
	struct job *job = begin(jobs, "one");
	struct rvs_monitor monitor = job_monitor(job);
	json_t *running, *last;

	monitor.progress(monitor.arg, 10, 40);
	assert_false(monitor.cancelled(monitor.arg));
	running = jobs_running_json(jobs);
	assert_int_equal(json_array_size(running), 1);
	assert_string_equal(text_of(json_array_get(running, 0), "name"), "one");
	assert_int_equal(json_integer_value(json_object_get(
				 json_array_get(running, 0), "done_bytes")),
			 10);
	json_decref(running);
	assert_int_equal(jobs_running(jobs), 1);
	end(job, RVS_ERR_BUSY);
	assert_int_equal(jobs_running(jobs), 0);
	last = jobs_last_json(jobs);
	assert_string_equal(text_of(last, "state"), "failed");
	assert_string_equal(text_of(json_object_get(last, "error"), "errno"),
			    "EBUSY");
	json_decref(last);
	assert_int_equal(jobs_counts(jobs, "create").failed, 1);
	assert_int_equal(jobs_counts(jobs, "create").done, 0);
	assert_int_equal(jobs_counts(jobs, "delete").done, 0);
}

static void test_the_last_are_kept_in_order(void **state)
{
	struct jobs *jobs = *state;
	json_t *ended;
	char name[16];
	int i;

	for (i = 0; i < JOBS_KEPT + 3; i++) {
		snprintf(name, sizeof(name), "%d", i);
		end(begin(jobs, name), 0);
	}
	ended = jobs_ended_json(jobs);
	assert_int_equal(json_array_size(ended), JOBS_KEPT);
	for (i = 0; i < JOBS_KEPT; i++) {
		snprintf(name, sizeof(name), "%d", i + 3);
		assert_string_equal(text_of(json_array_get(ended, (size_t)i),
					    "name"), name);
	}
	json_decref(ended);
	assert_int_equal(jobs_counts(jobs, "create").done, JOBS_KEPT + 3);
}

static bool never(void *arg)
{
	(void)arg;
	return false;
}

static bool is_cancelled(struct job *job)
{
	struct rvs_monitor monitor = job_monitor(job);

	return monitor.cancelled(monitor.arg);
}

static int cancel(struct jobs *jobs, const char *first, const char *second,
		  size_t *ret_told, struct rvs_error *err)
{
	const char *const which[2] = { first, second };
	json_t *told = NULL;
	int r = jobs_cancel(jobs, which, second ? 2 : 1, &told, err);

	*ret_told = json_array_size(told);
	json_decref(told);
	return r;
}

static void test_cancelled_by_number_and_by_name(void **state)
{
	struct jobs *jobs = *state;
	const struct canceller patient = { NULL, never };
	struct rvs_error err = RVS_ERROR_INIT;
	struct job *one = begin(jobs, "one"), *two, *three = begin(jobs, "one");
	size_t told;

	assert_int_equal(job_begin(jobs, "verify", NULL, &patient, &two, &err),
			 0);
	/* All that are named run, or none is cancelled. */
	assert_int_equal(cancel(jobs, "one", "4", &told, &err),
			 RVS_ERR_NOT_FOUND);
	assert_non_null(strstr(err.text, "'4' is not running"));
	assert_false(is_cancelled(one) || is_cancelled(two));
	assert_int_equal(cancel(jobs, "3", NULL, &told, &err), 0);
	assert_int_equal(told, 1);
	assert_true(is_cancelled(two));
	assert_false(is_cancelled(one) || is_cancelled(three));
	assert_int_equal(cancel(jobs, "one", "1", &told, &err), 0);
	assert_int_equal(told, 2);
	assert_true(is_cancelled(one) && is_cancelled(three));
	end(one, RVS_ERR_INTERRUPTED);
	end(two, RVS_ERR_INTERRUPTED);
	end(three, 0);
	assert_int_equal(cancel(jobs, "1", NULL, &told, &err),
			 RVS_ERR_NOT_FOUND);
	assert_non_null(strstr(err.text, "any more: it is failed"));
	assert_int_equal(cancel(jobs, "one", NULL, &told, &err),
			 RVS_ERR_NOT_FOUND);
	assert_non_null(strstr(err.text, "any more: it is done"));
	assert_int_equal(cancel(jobs, "all", NULL, &told, &err),
			 RVS_ERR_NOT_FOUND);
	assert_non_null(strstr(err.text, "nothing is running"));
	/* Who takes the place of one that was cancelled is not. */
	one = begin(jobs, "one");
	assert_false(is_cancelled(one));
	assert_int_equal(cancel(jobs, "all", NULL, &told, &err), 0);
	assert_true(told == 1 && is_cancelled(one));
	end(one, RVS_ERR_INTERRUPTED);
}

static void test_no_more_than_may_run(void **state)
{
	struct jobs *jobs = *state;
	struct rvs_error err = RVS_ERROR_INIT;
	struct job *running[JOBS_MAX], *more;
	int i;

	for (i = 0; i < JOBS_MAX; i++)
		running[i] = begin(jobs, NULL);
	assert_int_equal(job_begin(jobs, "create", NULL, NULL, &more, &err),
			 RVS_ERR_BUSY);
	end(running[3], 0);
	running[3] = begin(jobs, NULL);
	for (i = 0; i < JOBS_MAX; i++)
		end(running[i], 0);
}

/* Until it is cancelled. */
static void work(void *arg)
{
	struct job *job = arg;
	struct rvs_monitor monitor = job_monitor(job);

	while (!monitor.cancelled(monitor.arg))
		usleep(1000);
	end(job, RVS_ERR_INTERRUPTED);
}

static void test_stop_cancels_what_runs_by_itself(void **state)
{
	struct jobs *jobs = *state;
	struct rvs_error err = RVS_ERROR_INIT;
	struct job *job;
	int i;

	for (i = 0; i < 3; i++) {
		job = begin(jobs, NULL);
		assert_int_equal(job_detach(job, work, job, &err), 0);
	}
	assert_int_equal(jobs_running(jobs), 3);
	jobs_stop(jobs);
	assert_int_equal(jobs_running(jobs), 0);
	assert_int_equal(jobs_counts(jobs, "create").failed, 3);
	assert_int_equal(job_begin(jobs, "create", NULL, NULL, &job, &err),
			 RVS_ERR_INTERRUPTED);
}

static void work_briefly(void *arg)
{
	end(arg, 0);
}

static void test_places_are_used_again(void **state)
{
	struct jobs *jobs = *state;
	struct rvs_error err = RVS_ERROR_INIT;
	struct job *job;
	int i;

	for (i = 0; i < 5 * JOBS_MAX; i++) {
		job = begin(jobs, NULL);
		assert_int_equal(job_detach(job, work_briefly, job, &err), 0);
		while (jobs_running(jobs) == JOBS_MAX)
			usleep(1000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_running_and_ended, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_the_last_are_kept_in_order,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_cancelled_by_number_and_by_name, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(test_no_more_than_may_run,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_stop_cancels_what_runs_by_itself, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(test_places_are_used_again,
						set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
