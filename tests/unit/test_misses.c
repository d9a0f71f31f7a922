/*
 * Goal: a block is filled at its second miss, once, and again when it was
 * dropped.
 */
#include "sandbox.h"

#include "misses.h"

static void test_a_block_missed_twice_is_filled(void **state)
{
	static struct misses misses;

	assert_false(misses_note(&misses, 7, 3));
	assert_false(misses_note(&misses, 7, 4)); /* another block */
	assert_false(misses_note(&misses, 8, 3)); /* another file */
	assert_true(misses_note(&misses, 7, 3));
	assert_true(misses_note(&misses, 8, 3));
}

static void test_a_block_on_its_way_is_not_filled_again(void **state)
{
	static struct misses misses;
	int i;

	assert_false(misses_note(&misses, 7, 3));
	assert_true(misses_note(&misses, 7, 3));
	for (i = 0; i < 100; i++)
		assert_false(misses_note(&misses, 7, 3));
	misses_filled(&misses, 7, 3);
	assert_false(misses_note(&misses, 7, 3));
	assert_true(misses_note(&misses, 7, 3));
}

static void test_places_far_apart_are_left_alone(void **state)
{
	static struct misses misses;
	off_t block;

	for (block = 0; block < 100 * MISSES_BLOCKS; block++)
		assert_false(misses_note(&misses, 7, block));
	misses_filled(&misses, 7, 0); /* forgotten long since */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_block_missed_twice_is_filled),
		cmocka_unit_test(test_a_block_on_its_way_is_not_filled_again),
		cmocka_unit_test(test_places_far_apart_are_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
