/*
 * Goal: segments come one after the other, proved, however many cores load
 * them; the first that is damaged ends it, at its place.
 */
#include "memory_store.h"

#include "base/pool.h"
#include "format/manifest.h"
#include "store/segments.h"

#define ID "20261122T101500Z-0001"

enum { COUNT = 101, DAMAGED = 77 };

static struct rvs_segment items[COUNT];

static struct memory_store *new_store(void)
{
	struct memory_store *s = memory_store_new(1 << 20);
	size_t lens[COUNT], i;

	for (i = 0; i < COUNT; i++) {
		lens[i] = 100 * i + 1;
		strcpy(items[i].id, ID);
		items[i].member = (uint32_t)i;
	}
	put_snapshot(s, ID, "a.gz", lens, COUNT);
	return s;
}

/* The plain bytes of member @i are its number, over and over. */
static void check_plain(const struct rvs_buf *plain, size_t i)
{
	assert_int_equal(plain->len, 100 * i + 1);
	assert_int_equal(plain->bytes[0], i);
	assert_int_equal(plain->bytes[plain->len - 1], i);
}

static struct rvs_pool *new_pool(unsigned threads)
{
	struct rvs_pool *pool = NULL;

	if (threads > 0)
		assert_int_equal(rvs_pool_new(threads, &pool, NULL), 0);
	return pool;
}

static void test_they_come_in_order(void **state)
{
	RVS_CLEANUP(memory_store_cleanup) struct memory_store *s = new_store();
	struct rvs_error err = RVS_ERROR_INIT;
	const struct rvs_buf *plain;
	unsigned threads;
	size_t i;

	for (threads = 0; threads <= 3; threads++) {
		struct rvs_pool *pool = new_pool(threads);
		struct rvs_segments *segments;

		memory_ok(rvs_segments_new(s->store.volumes, items, COUNT, pool,
					   &segments, &err), err);
		for (i = 0; i < COUNT; i++) {
			memory_ok(rvs_segments_next(segments, &plain, NULL,
						    &err), err);
			check_plain(plain, i);
		}
		assert_int_equal(rvs_segments_next(segments, &plain, NULL,
						   &err), 1);
		assert_int_equal(rvs_segments_next(segments, &plain, NULL,
						   &err), 1);
		rvs_segments_free(segments);
		rvs_pool_free(pool);
	}
}

static void test_damage_is_told_at_its_place(void **state)
{
	RVS_CLEANUP(memory_store_cleanup) struct memory_store *s = new_store();
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_damage damage;
	const struct rvs_buf *plain;
	unsigned threads;
	size_t i;

	items[DAMAGED].member = COUNT + 5; /* there is no such */
	for (threads = 0; threads <= 3; threads++) {
		struct rvs_pool *pool = new_pool(threads);
		struct rvs_segments *segments;

		memory_ok(rvs_segments_new(s->store.volumes, items, COUNT, pool,
					   &segments, &err), err);
		for (i = 0; i < DAMAGED; i++) {
			memory_ok(rvs_segments_next(segments, &plain, &damage,
						    &err), err);
			check_plain(plain, i);
		}
		assert_int_equal(rvs_segments_next(segments, &plain, &damage,
						   &err), RVS_ERR_MISSING);
		assert_int_equal(damage.member, COUNT + 5);
		assert_non_null(strstr(err.text, "106"));
		rvs_segments_free(segments);
		rvs_pool_free(pool);
	}
}

static void test_the_rest_need_not_be_read(void **state)
{
	RVS_CLEANUP(memory_store_cleanup) struct memory_store *s = new_store();
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_pool *pool = new_pool(2);
	struct rvs_segments *segments;
	const struct rvs_buf *plain;

	memory_ok(rvs_segments_new(s->store.volumes, items, COUNT, pool,
				   &segments, &err), err);
	memory_ok(rvs_segments_next(segments, &plain, NULL, &err), err);
	rvs_segments_free(segments);
	rvs_segments_free(NULL);
	rvs_pool_free(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_they_come_in_order),
		cmocka_unit_test(test_damage_is_told_at_its_place),
		cmocka_unit_test(test_the_rest_need_not_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
