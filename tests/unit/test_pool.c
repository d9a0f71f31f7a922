/*
 * Goal: jobs come back in the order they went in, a serial lane runs one at a
 * time in that order and before others, and neither many jobs nor many lanes
 * lose one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/pool.h"

enum { JOBS = 5000, THREADS = 4 };

struct task {
	struct rvs_job job;
	unsigned number;
	unsigned square;
	unsigned worker;
	unsigned *shared; /* of a serial lane: needs no lock */
	bool in_order;
};

static void run_square(struct rvs_job *job, unsigned worker)
{
	struct task *task = (struct task *)job;

	if (task->number % 7 == 0)
		(void)sched_yield(); /* finish out of order */
	task->square = task->number * task->number;
	task->worker = worker;
}

static void run_in_turn(struct rvs_job *job, unsigned worker)
{
	struct task *task = (struct task *)job;

	task->in_order = *task->shared == task->number;
	if (task->number % 7 == 0)
		(void)sched_yield();
	*task->shared = task->number + 1;
}

static struct rvs_pool *new_pool(void)
{
	struct rvs_pool *pool = NULL;

	assert_int_equal(rvs_pool_new(THREADS, &pool, NULL), 0);
	return pool;
}

static struct rvs_lane *new_lane(struct rvs_pool *pool, bool serial)
{
	struct rvs_lane *lane = NULL;

	assert_int_equal(rvs_lane_new(pool, serial, &lane, NULL), 0);
	return lane;
}

static void test_results_come_back_in_order(void **state)
{
	struct rvs_pool *pool = new_pool();
	struct rvs_lane *lane = new_lane(pool, false);
	RVS_CLEANUP(rvs_cleanup_free)
	struct task *tasks = calloc(JOBS, sizeof(*tasks));
	unsigned i;

	for (i = 0; i < JOBS; i++) {
		tasks[i] = (struct task){ .job.run = run_square, .number = i };
		rvs_lane_submit(lane, &tasks[i].job);
	}
	assert_int_equal(rvs_lane_depth(lane), JOBS);
	for (i = 0; i < JOBS; i++) {
		struct rvs_job *job = rvs_lane_collect(lane);

		assert_ptr_equal(job, &tasks[i].job);
		assert_int_equal(tasks[i].square, i * i);
		assert_true(tasks[i].worker < rvs_pool_threads(pool));
	}
	assert_null(rvs_lane_collect(lane));
	assert_null(rvs_lane_poll(lane));
	rvs_lane_free(lane);
	rvs_pool_free(pool);
}

static void test_a_serial_lane_runs_one_at_a_time(void **state)
{
	struct rvs_pool *pool = new_pool();
	struct rvs_lane *serial = new_lane(pool, true);
	struct rvs_lane *beside = new_lane(pool, false);
	RVS_CLEANUP(rvs_cleanup_free)
	struct task *tasks = calloc(2 * JOBS, sizeof(*tasks));
	unsigned turn = 0, i;

	for (i = 0; i < JOBS; i++) {
		tasks[i] = (struct task){ .job.run = run_in_turn,
					  .number = i,
					  .shared = &turn };
		tasks[JOBS + i] = (struct task){ .job.run = run_square,
						 .number = i };
		rvs_lane_submit(serial, &tasks[i].job);
		rvs_lane_submit(beside, &tasks[JOBS + i].job);
	}
	for (i = 0; i < JOBS; i++) {
		assert_ptr_equal(rvs_lane_collect(serial), &tasks[i].job);
		assert_true(tasks[i].in_order);
	}
	assert_int_equal(turn, JOBS);
	rvs_lane_free(serial);
	rvs_lane_free(beside); /* waits for what was not collected */
	for (i = 0; i < JOBS; i++)
		assert_int_equal(tasks[JOBS + i].square, i * i);
	rvs_pool_free(pool);
}

static void wait_at_gate(struct rvs_job *job, unsigned worker)
{
	atomic_bool *open = (atomic_bool *)((struct task *)job)->shared;

	while (!atomic_load(open))
		(void)sched_yield();
}

static void note_turn(struct rvs_job *job, unsigned worker)
{
	struct task *task = (struct task *)job;

	task->square = (*task->shared)++; /* of a pool's only worker */
}

static void test_a_serial_lane_goes_before_others(void **state)
{
	atomic_bool open = false;
	struct task gate = { .job.run = wait_at_gate,
			     .shared = (unsigned *)(void *)&open };
	struct task tasks[10], serial[2];
	struct rvs_pool *pool = NULL;
	struct rvs_lane *lane, *first;
	unsigned turn = 0, i;

	assert_int_equal(rvs_pool_new(1, &pool, NULL), 0);
	lane = new_lane(pool, false);
	first = new_lane(pool, true);
	rvs_lane_submit(lane, &gate.job);
	for (i = 0; i < 10; i++) {
		tasks[i] = (struct task){ .job.run = note_turn,
					  .shared = &turn };
		rvs_lane_submit(lane, &tasks[i].job);
	}
	for (i = 0; i < 2; i++) {
		serial[i] = (struct task){ .job.run = note_turn,
					   .shared = &turn };
		rvs_lane_submit(first, &serial[i].job);
	}
	atomic_store(&open, true);
	rvs_lane_free(first); /* waits */
	rvs_lane_free(lane);
	assert_int_equal(serial[0].square, 0);
	assert_int_equal(serial[1].square, 1);
	for (i = 1; i < 10; i++)
		assert_true(tasks[i].square > tasks[i - 1].square);
	assert_int_equal(turn, 12);
	rvs_pool_free(pool);
}

/* The owner frees each job, and at last the lane, as soon as it may. */
static void test_jobs_may_be_freed_when_collected(void **state)
{
	struct rvs_pool *pool = new_pool();
	unsigned round, i, turn;

	for (round = 0; round < 200; round++) {
		struct rvs_lane *lane = new_lane(pool, round % 2);

		turn = 0;
		for (i = 0; i < 20; i++) {
			struct task *task = calloc(1, sizeof(*task));

			*task = (struct task){ .job.run = run_in_turn,
					       .number = i,
					       .shared = &turn };
			if (round % 2 == 0)
				task->job.run = run_square;
			rvs_lane_submit(lane, &task->job);
			if (rvs_lane_depth(lane) > 4)
				free(rvs_lane_collect(lane));
		}
		while (rvs_lane_depth(lane) > 0)
			free(rvs_lane_collect(lane));
		rvs_lane_free(lane);
	}
	rvs_pool_free(pool);
}

static void test_poll_gives_the_oldest_alone(void **state)
{
	struct rvs_pool *pool = new_pool();
	struct rvs_lane *lane = new_lane(pool, false);
	struct task tasks[16];
	struct rvs_job *job;
	unsigned i;

	for (i = 0; i < 16; i++) {
		tasks[i] = (struct task){ .job.run = run_square, .number = i };
		rvs_lane_submit(lane, &tasks[i].job);
	}
	for (i = 0; i < 16; i++) {
		while (!(job = rvs_lane_poll(lane)))
			(void)sched_yield();
		assert_ptr_equal(job, &tasks[i].job);
	}
	rvs_lane_free(lane);
	rvs_pool_free(pool);
}

static void test_zero_threads_are_one_a_core(void **state)
{
	struct rvs_pool *pool = NULL;

	assert_int_equal(rvs_pool_new(0, &pool, NULL), 0);
	assert_true(rvs_pool_threads(pool) >= 1);
	rvs_pool_free(pool);
	rvs_pool_free(NULL);
	rvs_lane_free(NULL);
}

/* Done once *@shared is not 0. */
static void run_when_told(struct rvs_job *job, unsigned worker)
{
	struct task *task = (struct task *)job;
	_Atomic unsigned *told = (_Atomic unsigned *)task->shared;

	while (atomic_load(told) == 0)
		(void)sched_yield();
}

static void test_waiting_has_an_end(void **state)
{
	struct rvs_pool *pool = new_pool();
	struct rvs_lane *lane = new_lane(pool, false);
	_Atomic unsigned told = 0;
	struct task task = { .job.run = run_when_told,
			     .shared = (unsigned *)&told };

	rvs_lane_submit(lane, &task.job);
	assert_false(rvs_lane_wait(lane, 0));
	assert_false(rvs_lane_wait(lane, 20));
	atomic_store(&told, 1);
	while (!rvs_lane_wait(lane, 1000))
		continue;
	assert_true(rvs_lane_wait(lane, 0));
	assert_int_equal(rvs_lane_depth(lane), 1); /* not collected */
	assert_ptr_equal(rvs_lane_collect(lane), &task.job);
	rvs_lane_free(lane);
	rvs_pool_free(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_results_come_back_in_order),
		cmocka_unit_test(test_a_serial_lane_runs_one_at_a_time),
		cmocka_unit_test(test_a_serial_lane_goes_before_others),
		cmocka_unit_test(test_jobs_may_be_freed_when_collected),
		cmocka_unit_test(test_poll_gives_the_oldest_alone),
		cmocka_unit_test(test_zero_threads_are_one_a_core),
		cmocka_unit_test(test_waiting_has_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
