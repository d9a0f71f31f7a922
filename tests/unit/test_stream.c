/*
 * Goal: a stream is opened once while there is room, is never another's, and
 * closes when its owner is forgotten; any number of them may be read.
 */
#include "memory_store.h"

#include "store/stream.h"

enum { STREAMS = 500, THREADS = 8 };

static struct memory_backend *new_backend(void)
{
	struct memory_backend *memory = memory_new();
	uint32_t i;

	for (i = 0; i < STREAMS; i++) {
		struct rvs_error err = RVS_ERROR_INIT;
		char key[16];

		(void)snprintf(key, sizeof(key), "%u", i);
		memory_ok(rvs_backend_write_object(&memory->backend, key, &i,
						   sizeof(i), &err), err);
	}
	return memory;
}

static struct rvs_streams *new_streams(struct memory_backend *memory)
{
	struct rvs_streams *streams = NULL;

	assert_int_equal(rvs_streams_new(&memory->backend, &streams, NULL), 0);
	return streams;
}

static void expect_stream(struct rvs_streams *streams, uint64_t owner,
			  uint32_t index)
{
	struct rvs_error err = RVS_ERROR_INIT;
	uint32_t found = UINT32_MAX;
	char key[16];

	(void)snprintf(key, sizeof(key), "%u", index);
	assert_int_equal(rvs_stream_read(streams, owner, index, key, &found,
					 sizeof(found), 0, &err),
			 sizeof(found));
	assert_int_equal(found, index);
}

static void test_a_stream_is_opened_once(void **state)
{
	struct memory_backend *memory = new_backend();
	struct rvs_streams *streams = new_streams(memory);

	expect_stream(streams, 1, 7);
	expect_stream(streams, 1, 7);
	assert_int_equal(memory->opens, 1);
	expect_stream(streams, 2, 7); /* another owner's is another object */
	assert_int_equal(memory->opens, 2);
	rvs_streams_free(streams);
	memory_free(&memory->backend);
}

static void test_a_forgotten_owner_is_opened_anew(void **state)
{
	struct memory_backend *memory = new_backend();
	struct rvs_streams *streams = new_streams(memory);

	expect_stream(streams, 1, 7);
	expect_stream(streams, 2, 8);
	rvs_streams_forget(streams, 1);
	expect_stream(streams, 2, 8);
	assert_int_equal(memory->opens, 2);
	expect_stream(streams, 1, 7);
	assert_int_equal(memory->opens, 3);
	rvs_streams_free(streams);
	memory_free(&memory->backend);
}

static void test_more_streams_than_places(void **state)
{
	struct memory_backend *memory = new_backend();
	struct rvs_streams *streams = new_streams(memory);
	uint32_t round, i;

	for (round = 0; round < 2; round++)
		for (i = 0; i < STREAMS; i++)
			expect_stream(streams, 1, i);
	/* The last used are open still. */
	memory->opens = 0;
	for (i = STREAMS - 100; i < STREAMS; i++)
		expect_stream(streams, 1, i);
	assert_int_equal(memory->opens, 0);
	rvs_streams_free(streams);
	memory_free(&memory->backend);
}

static void test_failures_are_told(void **state)
{
	struct memory_backend *memory = new_backend();
	struct rvs_streams *streams = new_streams(memory);
	struct rvs_error err = RVS_ERROR_INIT;
	char byte;

	assert_int_equal(rvs_stream_read(streams, 1, 1, "none", &byte, 1, 0,
					 &err), RVS_ERR_NOT_FOUND);
	memory_fail(memory, 2, RVS_ERR_FAILED); /* the read behind the open */
	assert_int_equal(rvs_stream_read(streams, 1, 2, "2", &byte, 1, 0,
					 &err), RVS_ERR_FAILED);
	expect_stream(streams, 1, 2);
	assert_int_equal(rvs_stream_read(streams, 1, 2, "2", &byte, 1, 4,
					 &err), 0);
	rvs_streams_free(streams);
	rvs_streams_free(NULL);
	memory_free(&memory->backend);
}

static void *read_all(void *arg)
{
	uint32_t round, i;

	for (round = 0; round < 5; round++)
		for (i = 0; i < STREAMS; i++)
			expect_stream(arg, 1, (i * 7 + round) % STREAMS);
	return NULL;
}

static void test_threads_share_the_places(void **state)
{
	struct memory_backend *memory = new_backend();
	struct rvs_streams *streams = new_streams(memory);
	pthread_t threads[THREADS];
	int i;

	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_all,
						streams), 0);
	for (i = 0; i < THREADS; i++)
		(void)pthread_join(threads[i], NULL);
	rvs_streams_free(streams);
	memory_free(&memory->backend);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_stream_is_opened_once),
		cmocka_unit_test(test_a_forgotten_owner_is_opened_anew),
		cmocka_unit_test(test_more_streams_than_places),
		cmocka_unit_test(test_failures_are_told),
		cmocka_unit_test(test_threads_share_the_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
