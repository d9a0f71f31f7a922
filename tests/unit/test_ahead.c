/*
 * Goal: what is read from front to back is planned ahead, also when requests
 * overtake each other; what is read here and there is not.
 */
#include "memory_store.h"

enum { KIB = 1 << 10, MIB = 1 << 20 };

static uint64_t plan(struct memory_store *s, uint64_t file, uint64_t from,
		     uint64_t to)
{
	uint64_t done;

	return rvs_ahead_plan(s->store.ahead, file, from, to, &done);
}

static void test_reads_in_order_are_planned_ahead(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = memory_store_new(1 << 20);
	uint64_t done, until;

	assert_int_equal(plan(s, 1, 0, MIB), MIB);
	until = rvs_ahead_plan(s->store.ahead, 1, MIB, 2 * MIB, &done);
	assert_true(until > 2 * MIB);
	assert_int_equal(done, MIB);
	assert_true(rvs_ahead_plan(s->store.ahead, 1, 2 * MIB, 3 * MIB,
				   &done) > until);
	assert_int_equal(done, until); /* no more than once */
}

static void test_reads_from_the_middle_on_are_in_order_too(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = memory_store_new(1 << 20);

	assert_int_equal(plan(s, 1, 5 * MIB, 6 * MIB), 6 * MIB);
	assert_true(plan(s, 1, 6 * MIB, 7 * MIB) > 7 * MIB);
}

static void test_requests_may_overtake_each_other(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = memory_store_new(1 << 20);

	(void)plan(s, 1, 0, MIB);
	(void)plan(s, 1, MIB, 2 * MIB);
	assert_true(plan(s, 1, 10 * MIB, 11 * MIB) > 11 * MIB);
	assert_true(plan(s, 1, 2 * MIB, 3 * MIB) > 3 * MIB);
	assert_true(plan(s, 1, 11 * MIB, 12 * MIB) > 12 * MIB);
	assert_int_equal(plan(s, 1, 90 * MIB, 91 * MIB), 91 * MIB);
}

static void test_files_do_not_disturb_each_other(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = memory_store_new(1 << 20);

	(void)plan(s, 1, 0, MIB);
	(void)plan(s, 2, 0, MIB);
	assert_true(plan(s, 1, MIB, 2 * MIB) > 2 * MIB);
	assert_true(plan(s, 2, MIB, 2 * MIB) > 2 * MIB);
	assert_int_equal(plan(s, 3, MIB, 2 * MIB), 2 * MIB);
}

/* A place, and then the block around it. */
static void test_reads_here_and_there_are_not_planned_ahead(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = memory_store_new(1 << 20);
	uint64_t at, block;
	unsigned i;

	for (i = 1; i < 200; i++) {
		at = (uint64_t)i * 37 % 1000 * 512 * KIB + 64 * KIB;
		block = at / (512 * KIB) * 512 * KIB;
		assert_int_equal(plan(s, 1, at, at + 4 * KIB), at + 4 * KIB);
		assert_int_equal(plan(s, 1, block, block + 512 * KIB),
				 block + 512 * KIB);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_in_order_are_planned_ahead),
		cmocka_unit_test(
			test_reads_from_the_middle_on_are_in_order_too),
		cmocka_unit_test(test_requests_may_overtake_each_other),
		cmocka_unit_test(test_files_do_not_disturb_each_other),
		cmocka_unit_test(
			test_reads_here_and_there_are_not_planned_ahead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
