/*
 * Goal: a member is loaded once however many want it, kept as long as there is
 * room, and damage is told every time and never kept.
 */
#include "memory_store.h"

#define ID  "20261122T101500Z-0001"
#define KEY "snapshot-" ID

enum { MEMBERS = 8, LEN = 50000, THREADS = 8 };

static struct memory_store *new_store(uint64_t cache_bytes)
{
	struct memory_store *s = memory_store_new(cache_bytes);
	size_t lens[MEMBERS], i;

	for (i = 0; i < MEMBERS; i++)
		lens[i] = LEN;
	put_snapshot(s, ID, "a.gz", lens, MEMBERS);
	return s;
}

static int copy(struct memory_store *s, uint32_t number, void *bytes,
		size_t len, uint32_t offset, struct rvs_damage *damage,
		struct rvs_error *err)
{
	return copy_member(s, ID, number, bytes, len, offset, damage, err);
}

static void expect_member(struct memory_store *s, uint32_t number)
{
	struct rvs_error err = RVS_ERROR_INIT;
	uint8_t bytes[16];

	memory_ok(copy(s, number, bytes, sizeof(bytes), LEN - 16, NULL, &err),
		  err);
	assert_int_equal(bytes[0], number);
	assert_int_equal(bytes[15], number);
}

static unsigned reads_of(struct memory_store *s, uint32_t number)
{
	unsigned before = s->memory->reads;

	expect_member(s, number);
	return s->memory->reads - before;
}

static void test_a_cached_member_is_not_read_again(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = new_store(128 << 20);

	assert_true(reads_of(s, 3) > 1); /* the index, the member */
	assert_int_equal(reads_of(s, 3), 0);
	assert_int_equal(reads_of(s, 4), 1);
	assert_int_equal(reads_of(s, 3), 0);
}

static void test_the_member_unused_for_longest_goes(void **state)
{
	/* Room for four; a buffer has a power of two. */
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = new_store(4 * (64 << 10));
	uint32_t i;

	for (i = 0; i < 4; i++)
		expect_member(s, i);
	assert_int_equal(reads_of(s, 0), 0); /* 1 is the oldest now */
	assert_int_equal(reads_of(s, 4), 1);
	assert_int_equal(reads_of(s, 0), 0);
	assert_int_equal(reads_of(s, 2), 0);
	assert_int_equal(reads_of(s, 3), 0);
	assert_int_equal(reads_of(s, 1), 1);
}

static void test_without_room_every_read_loads(void **state)
{
	RVS_CLEANUP(memory_store_cleanup) struct memory_store *s = new_store(1);
	uint32_t round, i;

	expect_member(s, 0);
	for (round = 0; round < 3; round++)
		for (i = 0; i < MEMBERS; i++)
			assert_int_equal(reads_of(s, i), 1);
}

struct wanting {
	struct memory_store *s;
	pthread_barrier_t *start;
};

static void *want_all(void *arg)
{
	const struct wanting *wanting = arg;
	uint32_t round, i;

	(void)pthread_barrier_wait(wanting->start);
	for (round = 0; round < 20; round++)
		for (i = 0; i < MEMBERS; i++)
			expect_member(wanting->s, i);
	return NULL;
}

static void run_threads(struct memory_store *s)
{
	pthread_t threads[THREADS];
	pthread_barrier_t start;
	struct wanting wanting = { s, &start };
	int i;

	(void)pthread_barrier_init(&start, NULL, THREADS);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, want_all,
						&wanting), 0);
	for (i = 0; i < THREADS; i++)
		(void)pthread_join(threads[i], NULL);
	(void)pthread_barrier_destroy(&start);
}

static void test_many_threads_load_a_member_once(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = new_store(128 << 20);
	unsigned before;

	expect_member(s, 0); /* and with it the index */
	before = s->memory->reads;
	run_threads(s);
	assert_int_equal(s->memory->reads - before, MEMBERS - 1);
}

/* Slots come and go while others wait for them. */
static void test_threads_share_a_cache_without_room(void **state)
{
	RVS_CLEANUP(memory_store_cleanup) struct memory_store *s = new_store(1);

	run_threads(s);
}

static void test_damage_is_told_each_time_and_not_kept(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = new_store(128 << 20);
	struct rvs_buf *stream = memory_buf(s->memory, KEY "/a.gz");
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_damage damage;
	uint8_t byte;
	int round;

	stream->bytes[stream->len - 6] ^= 1;
	for (round = 0; round < 3; round++) {
		memset(&damage, 0xff, sizeof(damage));
		assert_int_equal(copy(s, MEMBERS - 1, &byte, 1, 0, &damage,
				      &err), RVS_ERR_CORRUPT);
		assert_string_equal(damage.stream, "a.gz");
		assert_int_equal(damage.member, MEMBERS - 1);
		expect_member(s, 0);
	}
	stream->bytes[stream->len - 6] ^= 1; /* the disk recovers */
	expect_member(s, MEMBERS - 1);
}

static void test_a_failed_read_is_tried_again(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = new_store(128 << 20);
	struct rvs_error err = RVS_ERROR_INIT;
	uint8_t byte;

	expect_member(s, 0);
	memory_fail(s->memory, 1, RVS_ERR_FAILED);
	assert_int_equal(copy(s, 1, &byte, 1, 0, NULL, &err), RVS_ERR_FAILED);
	expect_member(s, 1);
}

static struct rvs_slot *promise(struct memory_store *s, uint32_t number)
{
	struct rvs_error err = RVS_ERROR_INIT;
	uint32_t volume;

	memory_ok(rvs_volumes_slot(s->store.volumes, ID, &volume, &err), err);
	return rvs_reader_promise(s->store.reader, volume, number);
}

static void test_a_promise_is_kept(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = new_store(128 << 20);
	struct rvs_slot *promised = promise(s, 3);

	assert_non_null(promised);
	assert_null(promise(s, 3)); /* on its way */
	rvs_reader_fulfil(s->store.reader, ID, promised);
	assert_int_equal(reads_of(s, 3), 0);
	assert_null(promise(s, 3)); /* there */
}

static void test_who_wants_a_promised_member_need_not_wait(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = new_store(128 << 20);
	struct rvs_slot *promised = promise(s, 3);
	unsigned before;

	assert_true(reads_of(s, 3) > 0);
	before = s->memory->reads;
	rvs_reader_fulfil(s->store.reader, ID, promised);
	assert_int_equal(s->memory->reads, before);
}

static void test_a_promise_overtaken_loads_nothing_again(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = new_store(1); /* no room for what is idle */
	struct rvs_slot *promised = promise(s, 3);
	unsigned before;

	expect_member(s, 3);
	before = s->memory->reads;
	rvs_reader_fulfil(s->store.reader, ID, promised);
	assert_int_equal(s->memory->reads, before);
	assert_true(reads_of(s, 3) > 0);
}

static void test_a_promise_of_a_damaged_member_fails_its_reader(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = new_store(128 << 20);
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_buf *stream = memory_buf(s->memory, KEY "/a.gz");
	struct rvs_slot *promised = promise(s, MEMBERS - 1);
	uint8_t byte;

	stream->bytes[stream->len - 6] ^= 1;
	rvs_reader_fulfil(s->store.reader, ID, promised);
	assert_int_equal(copy(s, MEMBERS - 1, &byte, 1, 0, NULL, &err),
			 RVS_ERR_CORRUPT);
	stream->bytes[stream->len - 6] ^= 1;
	expect_member(s, MEMBERS - 1);
}

/* The damage names the member, as with any other. */
static void test_what_reaches_beyond_a_member_is_corrupt(void **state)
{
	static const struct {
		uint32_t offset;
		size_t len;
	} cases[] = { { LEN, 1 }, { LEN - 1, 2 }, { LEN + 1, 0 },
		      { UINT32_MAX, 1 }, { 1, LEN } };
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = new_store(128 << 20);
	struct rvs_error err = RVS_ERROR_INIT;
	uint8_t *bytes = malloc(LEN + 1);
	size_t i;

	memory_ok(copy(s, 2, bytes, LEN, 0, NULL, &err), err);
	memory_ok(copy(s, 2, bytes, 0, LEN, NULL, &err), err);
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct rvs_damage damage;

		memset(&damage, 0xff, sizeof(damage));
		assert_int_equal(copy(s, 2, bytes, cases[i].len,
				      cases[i].offset, &damage, &err),
				 RVS_ERR_CORRUPT);
		assert_int_equal(strnlen(damage.snapshot,
					 sizeof(damage.snapshot)),
				 strlen(ID));
		assert_string_equal(damage.snapshot, ID);
		assert_int_equal(damage.member, 2);
		assert_true(strnlen(damage.reason, sizeof(damage.reason)) <
			    sizeof(damage.reason));
	}
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_cached_member_is_not_read_again),
		cmocka_unit_test(test_the_member_unused_for_longest_goes),
		cmocka_unit_test(test_without_room_every_read_loads),
		cmocka_unit_test(test_many_threads_load_a_member_once),
		cmocka_unit_test(test_threads_share_a_cache_without_room),
		cmocka_unit_test(test_damage_is_told_each_time_and_not_kept),
		cmocka_unit_test(test_a_failed_read_is_tried_again),
		cmocka_unit_test(test_a_promise_is_kept),
		cmocka_unit_test(test_who_wants_a_promised_member_need_not_wait),
		cmocka_unit_test(test_a_promise_overtaken_loads_nothing_again),
		cmocka_unit_test(
			test_a_promise_of_a_damaged_member_fails_its_reader),
		cmocka_unit_test(test_what_reaches_beyond_a_member_is_corrupt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
