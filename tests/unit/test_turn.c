/*
 * Goal: requests that are answered at once, one after the other, come to one
 * thread; one that takes long keeps no other from being read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "turn.h"

enum { THREADS = 4, MANY = 200, PATIENCE_S = 60 };

/* A request is a byte, an answer its thread's number. */
enum { QUICK = 'q', LONG = 'l' };

struct device {
	struct turn *turn;
	int ours, theirs; /* a socket's ends: the kernel's, the threads' */
	pthread_barrier_t long_ones; /* all THREADS of them are under way */
	pthread_t threads[THREADS];
};

struct worker {
	struct device *device;
	uint8_t number;
} workers[THREADS];

static void *work(void *arg)
{
	const struct worker *worker = arg;
	struct device *device = worker->device;
	char request;

	while (turn_read(device->turn, device->theirs, &request, 1) == 1) {
		if (request == LONG) {
			turn_pass(device->turn);
			(void)pthread_barrier_wait(&device->long_ones);
		}
		if (write(device->theirs, &worker->number, 1) != 1)
			break;
	}
	return NULL;
}

static void begin(struct device *device)
{
	int ends[2];
	uint8_t i;

	alarm(PATIENCE_S); /* a request that nobody takes */
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	device->ours = ends[0];
	device->theirs = ends[1];
	device->turn = turn_new();
	assert_non_null(device->turn);
	pthread_barrier_init(&device->long_ones, NULL, THREADS);
	for (i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ device, i };
		assert_int_equal(pthread_create(&device->threads[i], NULL, work,
						&workers[i]),
				 0);
	}
}

/* As a mount ends: those who wait are cancelled. */
static void end(struct device *device)
{
	int i;

	close(device->ours);
	for (i = 0; i < THREADS; i++)
		pthread_cancel(device->threads[i]);
	for (i = 0; i < THREADS; i++)
		pthread_join(device->threads[i], NULL);
	close(device->theirs);
	pthread_barrier_destroy(&device->long_ones);
	turn_free(device->turn);
	alarm(0);
}

static void ask(const struct device *device, char request)
{
	assert_int_equal(write(device->ours, &request, 1), 1);
}

static uint8_t answer(const struct device *device)
{
	uint8_t number = THREADS;

	assert_int_equal(read(device->ours, &number, 1), 1);
	assert_true(number < THREADS);
	return number;
}

static uint8_t ask_quick(const struct device *device)
{
	ask(device, QUICK);
	return answer(device);
}

/* A thread may be late to wait for its first request, and get it. */
static bool is_walk(const struct device *device)
{
	uint8_t first = ask_quick(device);
	int i;

	for (i = 0; i < MANY; i++)
		if (ask_quick(device) != first)
			return false;
	return true;
}

static void ask_long_ones(const struct device *device)
{
	unsigned seen = 0;
	int i;

	for (i = 0; i < THREADS; i++)
		ask(device, LONG);
	for (i = 0; i < THREADS; i++)
		seen |= 1U << answer(device);
	assert_int_equal(seen, (1U << THREADS) - 1);
}

static void test_a_walk_is_answered_by_one_thread(void **state)
{
	struct device device;

	begin(&device);
	while (!is_walk(&device))
		;
	end(&device);
}

static void test_long_requests_are_under_way_together(void **state)
{
	struct device device;

	begin(&device);
	ask_long_ones(&device);
	ask_long_ones(&device);
	end(&device);
}

static void test_long_requests_end_a_walk_and_begin_none(void **state)
{
	struct device device;

	begin(&device);
	while (!is_walk(&device))
		;
	ask_long_ones(&device);
	while (!is_walk(&device))
		;
	ask_long_ones(&device);
	end(&device);
}

static void test_the_end_is_told(void **state)
{
	struct device device;
	int i;

	begin(&device);
	while (!is_walk(&device))
		;
	close(device.ours);
	for (i = 0; i < THREADS; i++)
		pthread_join(device.threads[i], NULL);
	close(device.theirs);
	pthread_barrier_destroy(&device.long_ones);
	turn_free(device.turn);
	alarm(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_walk_is_answered_by_one_thread),
		cmocka_unit_test(test_long_requests_are_under_way_together),
		cmocka_unit_test(test_long_requests_end_a_walk_and_begin_none),
		cmocka_unit_test(test_the_end_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
