/*
 * Goal: what is loaded is loaded once, shared while it is held, and dropped, the
 * longest unused first, when too much is there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "cache.h"
#include "errors.h"

enum { SLOTS = 100, OBJECT_BYTES = 10, READERS = 8 };

/* Who loads, and how often it did. */
struct source {
	unsigned loads[SLOTS]; /* by one thread each, as the cache promises */
	bool fails;
};

struct object {
	uint32_t slot;
};

static unsigned alive; /* objects; of tests with one thread */

static int load(void *arg, uint32_t slot, void **ret, struct rvs_error *err)
{
	struct source *source = arg;
	struct object *object;

	source->loads[slot]++;
	if (source->fails)
		return error_set(err, RVS_ERR_CORRUPT, "slot %u", slot);
	(void)usleep(1000); /* others come to wait */
	object = malloc(sizeof(*object));
	assert_non_null(object);
	object->slot = slot;
	(void)__atomic_add_fetch(&alive, 1, __ATOMIC_RELAXED);
	*ret = object;
	return 0;
}

static size_t memory(const void *object)
{
	return OBJECT_BYTES;
}

static void release(void *object)
{
	(void)__atomic_sub_fetch(&alive, 1, __ATOMIC_RELAXED);
	free(object);
}

static struct cache *new_cache(struct source *source, size_t limit)
{
	const struct cache_loader loader = { source, load, memory, release };
	struct cache *cache = cache_new(limit, &loader);

	assert_non_null(cache);
	alive = 0;
	return cache;
}

static struct cache_hold *hold(struct cache *cache, uint32_t slot)
{
	struct rvs_error err = RVS_ERROR_INIT;
	struct cache_hold *ret = NULL;
	const struct object *object;

	assert_int_equal(cache_hold(cache, slot, &ret, &err), 0);
	object = cache_object(ret);
	assert_int_equal(object->slot, slot);
	return ret;
}

static void use(struct cache *cache, uint32_t slot)
{
	cache_release(hold(cache, slot));
}

static void test_loaded_once_and_freed(void **state)
{
	struct source source = { .fails = false };
	struct cache *cache = new_cache(&source, 1000);
	struct cache_hold *first = hold(cache, 3), *second = hold(cache, 3);

	assert_ptr_equal(cache_object(first), cache_object(second));
	cache_release(first);
	cache_release(second);
	use(cache, 3);
	assert_int_equal(source.loads[3], 1);
	assert_int_equal(cache_usage(cache).objects, 1);
	assert_int_equal(cache_usage(cache).bytes, OBJECT_BYTES);
	cache_release(NULL);
	cache_free(cache);
	assert_int_equal(alive, 0);
	cache_free(NULL);
}

static void test_longest_unused_goes_first(void **state)
{
	struct source source = { .fails = false };
	struct cache *cache = new_cache(&source, 3 * OBJECT_BYTES);
	uint32_t slot;

	for (slot = 0; slot < 3; slot++)
		use(cache, slot);
	use(cache, 0);
	use(cache, 3); /* 1 goes */
	assert_int_equal(cache_usage(cache).objects, 3);
	use(cache, 0);
	assert_int_equal(source.loads[0], 1);
	use(cache, 1);
	assert_int_equal(source.loads[1], 2);
	cache_free(cache);
	assert_int_equal(alive, 0);
}

static void test_held_ones_stay(void **state)
{
	struct source source = { .fails = false };
	struct cache *cache = new_cache(&source, 1);
	struct cache_hold *held = hold(cache, 0);
	uint32_t slot;

	for (slot = 1; slot < SLOTS; slot++)
		use(cache, slot);
	assert_int_equal(((const struct object *)cache_object(held))->slot, 0);
	assert_int_equal(cache_usage(cache).objects, 2);
	cache_release(held);
	use(cache, 1);
	/* The one used last stays, though it is more than the limit. */
	assert_int_equal(cache_usage(cache).objects, 1);
	cache_free(cache);
	assert_int_equal(alive, 0);
}

static void test_failure_is_told_and_tried_again(void **state)
{
	struct source source = { .fails = true };
	struct cache *cache = new_cache(&source, 1000);
	struct rvs_error err = RVS_ERROR_INIT;
	struct cache_hold *ret = NULL;

	assert_int_equal(cache_hold(cache, 5, &ret, &err), RVS_ERR_CORRUPT);
	assert_string_equal(err.text, "slot 5");
	assert_int_equal(cache_usage(cache).objects, 0);
	source.fails = false;
	use(cache, 5);
	assert_int_equal(source.loads[5], 2);
	cache_free(cache);
	assert_int_equal(alive, 0);
}

static void *read_all(void *arg)
{
	uint32_t slot;

	for (slot = 0; slot < SLOTS; slot++)
		use(arg, slot);
	return NULL;
}

static void test_threads_share_a_load(void **state)
{
	struct source source = { .fails = false };
	struct cache *cache = new_cache(&source, SLOTS * OBJECT_BYTES);
	pthread_t threads[READERS];
	uint32_t i;

	for (i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_all,
						cache), 0);
	for (i = 0; i < READERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	for (i = 0; i < SLOTS; i++)
		assert_int_equal(source.loads[i], 1);
	cache_free(cache);
	assert_int_equal(alive, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loaded_once_and_freed),
		cmocka_unit_test(test_longest_unused_goes_first),
		cmocka_unit_test(test_held_ones_stay),
		cmocka_unit_test(test_failure_is_told_and_tried_again),
		cmocka_unit_test(test_threads_share_a_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
