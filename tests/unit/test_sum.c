/*
 * Goal: a sum is the SHA-256 of all that was told, however it was cut, with
 * other cores' help or without.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/pool.h"
#include "format/digest.h"
#include "store/sum.h"

enum { LEN = (1 << 20) + 7 };

static void check_sums(struct rvs_pool *pool)
{
	static const size_t steps[] = { 1, 67, 64 << 10, 100000, LEN };
	uint8_t *bytes = malloc(LEN);
	struct rvs_digest wanted, found;
	size_t i, at, n;

	assert_non_null(bytes);
	for (at = 0; at < LEN; at++)
		bytes[at] = (uint8_t)(at * at >> 3);
	assert_int_equal(rvs_digest_of(bytes, LEN, &wanted, NULL), 0);
	for (i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		RVS_CLEANUP(rvs_sum_cleanup) struct rvs_sum *sum = NULL;

		assert_int_equal(rvs_sum_new(pool, &sum, NULL), 0);
		for (at = 0; at < LEN; at += n) {
			n = LEN - at < steps[i] ? LEN - at : steps[i];
			rvs_sum_add(sum, bytes + at, n);
		}
		assert_int_equal(rvs_sum_finish(sum, &found, NULL), 0);
		assert_true(rvs_digest_equal(&wanted, &found));
	}
	free(bytes);
}

static void test_one_core_sums(void **state)
{
	check_sums(NULL);
}

static void test_other_cores_sum(void **state)
{
	struct rvs_pool *pool;
	unsigned threads;

	for (threads = 1; threads <= 3; threads++) {
		assert_int_equal(rvs_pool_new(threads, &pool, NULL), 0);
		check_sums(pool);
		rvs_pool_free(pool);
	}
}

static void test_nothing_sums_to_the_digest_of_nothing(void **state)
{
	RVS_CLEANUP(rvs_sum_cleanup) struct rvs_sum *sum = NULL;
	struct rvs_digest wanted, found;

	assert_int_equal(rvs_digest_of("", 0, &wanted, NULL), 0);
	assert_int_equal(rvs_sum_new(NULL, &sum, NULL), 0);
	assert_int_equal(rvs_sum_finish(sum, &found, NULL), 0);
	assert_true(rvs_digest_equal(&wanted, &found));
}

static void test_one_may_be_dropped_half_way(void **state)
{
	static const uint8_t bytes[200 << 10];
	struct rvs_pool *pool;
	struct rvs_sum *sum;

	assert_int_equal(rvs_pool_new(2, &pool, NULL), 0);
	assert_int_equal(rvs_sum_new(pool, &sum, NULL), 0);
	rvs_sum_add(sum, bytes, sizeof(bytes));
	rvs_sum_free(sum);
	rvs_sum_free(NULL);
	rvs_pool_free(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_core_sums),
		cmocka_unit_test(test_other_cores_sum),
		cmocka_unit_test(test_nothing_sums_to_the_digest_of_nothing),
		cmocka_unit_test(test_one_may_be_dropped_half_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
