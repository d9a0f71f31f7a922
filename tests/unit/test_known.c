/*
 * Goal: every digest that was added is found again, and none that was not;
 * collisions and growth included.
 */
#include "sandbox.h"

#include "store/known.h"

enum { COUNT = 20000 };

static struct rvs_digest digest_of(uint64_t number)
{
	struct rvs_digest ret;

	fill_random(&ret, sizeof(ret), number);
	return ret;
}

static void test_all_that_was_added_is_found(void **state)
{
	RVS_CLEANUP(rvs_known_done) struct rvs_known known = RVS_KNOWN_INIT;
	struct rvs_digest digest;
	uint32_t first, second, i;

	for (i = 0; i < COUNT; i++) {
		digest = digest_of(i);
		assert_int_equal(rvs_known_add(&known, &digest, i, ~i, NULL),
				 0);
	}
	assert_int_equal(known.count, COUNT);
	for (i = 0; i < COUNT; i++) {
		digest = digest_of(i);
		assert_true(rvs_known_find(&known, &digest, &first, &second));
		assert_int_equal(first, i);
		assert_int_equal(second, ~i);
		digest = digest_of(COUNT + i);
		assert_false(rvs_known_find(&known, &digest, &first, &second));
	}
}

static void test_the_first_of_a_digest_stays(void **state)
{
	RVS_CLEANUP(rvs_known_done) struct rvs_known known = RVS_KNOWN_INIT;
	struct rvs_digest digest = digest_of(1);
	uint32_t first, second;

	assert_int_equal(rvs_known_add(&known, &digest, 1, 1, NULL), 0);
	assert_int_equal(rvs_known_add(&known, &digest, 2, 2, NULL), 0);
	assert_int_equal(known.count, 1);
	assert_true(rvs_known_find(&known, &digest, &first, &second));
	assert_int_equal(first, 1);
}

/* All begin alike where the table looks first; one is all zeros. */
static void test_crowded_places_are_kept_apart(void **state)
{
	RVS_CLEANUP(rvs_known_done) struct rvs_known known = RVS_KNOWN_INIT;
	struct rvs_digest digest = { { 0 } };
	uint32_t first, second, i;

	for (i = 0; i < 1000; i++) {
		memcpy(digest.bytes + 4, &i, sizeof(i));
		assert_int_equal(rvs_known_add(&known, &digest, i, 0, NULL),
				 0);
	}
	for (i = 0; i < 1000; i++) {
		memcpy(digest.bytes + 4, &i, sizeof(i));
		assert_true(rvs_known_find(&known, &digest, &first, &second));
		assert_int_equal(first, i);
	}
}

static void test_an_empty_table_finds_nothing(void **state)
{
	const struct rvs_known known = RVS_KNOWN_INIT;
	struct rvs_digest digest = { { 0 } };
	uint32_t first, second;

	assert_false(rvs_known_find(&known, &digest, &first, &second));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_that_was_added_is_found),
		cmocka_unit_test(test_the_first_of_a_digest_stays),
		cmocka_unit_test(test_crowded_places_are_kept_apart),
		cmocka_unit_test(test_an_empty_table_finds_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
