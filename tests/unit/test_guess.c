/*
 * Goal: what is filled before the kernel asks: around places read here and
 * there, at the second, and once; behind small files read in a row; nothing of
 * what is read in order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "guess.h"

enum { PAGE = 4096 };

static void assert_nothing(struct guess *guess)
{
	struct guess_place place;
	struct guess_walk walk;

	assert_false(guess_take_walk(guess, &walk));
	assert_false(guess_take_place(guess, &place));
}

static void assert_place(struct guess *guess, uint64_t number, off_t block)
{
	struct guess_place place;

	assert_true(guess_take_place(guess, &place));
	assert_int_equal(place.number, number);
	assert_int_equal(place.block, block);
}

static void assert_walk(struct guess *guess, uint64_t from, uint64_t to)
{
	struct guess_walk walk;

	assert_true(guess_take_walk(guess, &walk));
	assert_int_equal(walk.from, from);
	assert_int_equal(walk.to, to);
	assert_false(guess_take_walk(guess, &walk));
}

static void test_in_order_is_left_to_the_kernel(void **state)
{
	struct guess guess = { .oldest = 0 };
	uint64_t file;
	off_t at = 2 * GUESS_SMALL;

	/* As many at once as are remembered. */
	for (file = 1; file <= GUESS_RECENT; file++)
		assert_false(guess_note(&guess, 1000 * file, (size_t)at, 0));
	for (; at < 10 * GUESS_BLOCK; at += PAGE)
		for (file = 1; file <= GUESS_RECENT; file++)
			assert_false(guess_note(&guess, 1000 * file, PAGE, at));
	assert_nothing(&guess);
	/* One more, and the oldest is forgotten: it seems to jump. */
	assert_false(guess_note(&guess, 500, 2 * GUESS_SMALL, 0));
	assert_false(guess_note(&guess, 1000, PAGE, at));
	assert_true(guess_note(&guess, 1000, PAGE, at + 2 * PAGE));
}

/* Miss a page of the block once more than before. */
static bool miss(struct guess *guess, uint64_t number, off_t block)
{
	return guess_note(guess, number, PAGE, block * GUESS_BLOCK + PAGE);
}

static void test_around_places_here_and_there(void **state)
{
	struct guess guess = { .oldest = 0 };
	struct guess_place place;

	assert_false(miss(&guess, 7, 5));
	assert_false(miss(&guess, 8, 5));
	assert_false(miss(&guess, 7, 2));
	assert_nothing(&guess);
	assert_true(miss(&guess, 7, 5));
	assert_true(miss(&guess, 8, 5));
	/* So much is asked for by who reads on. */
	assert_false(guess_note(&guess, 7, GUESS_ASKED_MAX + PAGE,
				2 * GUESS_BLOCK));
	assert_true(guess_take_place(&guess, &place));
	assert_place(&guess, 8, 5);
	assert_nothing(&guess);
	/* On its way until it is filled; then dropped, if it is missed. */
	assert_false(miss(&guess, 7, 5));
	assert_false(miss(&guess, 7, 3));
	guess_place_filled(&guess, &place);
	assert_false(miss(&guess, 7, 5));
	assert_false(miss(&guess, 7, 4));
	assert_true(miss(&guess, 7, 5));
	assert_place(&guess, 7, 5);
}

static void miss_twice(struct guess *guess, off_t block, bool queued)
{
	assert_false(miss(guess, 7, block));
	assert_int_equal(miss(guess, 7, block), queued);
}

static void test_more_places_than_wait_are_left_out(void **state)
{
	struct guess guess = { .oldest = 0 };
	off_t i;

	for (i = 1; i <= GUESS_PLACES_MAX; i++)
		miss_twice(&guess, i, true);
	miss_twice(&guess, i, false);
	assert_place(&guess, 7, 1);
	/* One went, so there is room for one, at the ring's end. */
	miss_twice(&guess, i, true);
	miss_twice(&guess, i + 1, false);
	for (i = 2; i <= GUESS_PLACES_MAX + 1; i++)
		assert_place(&guess, 7, i);
	assert_nothing(&guess);
}

static void test_small_files_in_a_row_are_a_walk(void **state)
{
	struct guess guess = { .oldest = 0 };
	uint64_t file = 100;
	int i;

	for (i = 1; i < GUESS_STREAK; i++, file += GUESS_STEP_MAX)
		assert_false(guess_note(&guess, file, GUESS_SMALL, 0));
	assert_nothing(&guess);
	assert_true(guess_note(&guess, file, PAGE, 0));
	assert_walk(&guess, file + 1, file + GUESS_AHEAD_FILES);
	guess_walk_filled(&guess, file + 1, file + 200);
	/* The first that the filled ones left to be asked for. */
	assert_true(guess_note(&guess, file + 200 + GUESS_STEP_MAX, PAGE, 0));
	assert_walk(&guess, file + 201 + GUESS_STEP_MAX,
		    file + 200 + GUESS_STEP_MAX + GUESS_AHEAD_FILES);
	/* What is behind is filled already, and not again. */
	guess_walk_filled(&guess, file + 201 + GUESS_STEP_MAX, file + 1000);
	assert_true(guess_note(&guess, file + 300, PAGE, 0));
	assert_walk(&guess, file + 1000, file + 300 + GUESS_AHEAD_FILES);
	assert_nothing(&guess);
}

static void test_what_ends_a_walk(void **state)
{
	struct guess guess = { .oldest = 0 };
	uint64_t file;

	for (file = 100; file < 100 + GUESS_STREAK; file++)
		(void)guess_note(&guess, file, PAGE, 0);
	assert_walk(&guess, file, file - 1 + GUESS_AHEAD_FILES);
	/* Back, or far off: it takes a row again. */
	assert_false(guess_note(&guess, 50, PAGE, 0));
	assert_false(guess_note(&guess, 50 + GUESS_STEP_MAX + 1, PAGE, 0));
	assert_nothing(&guess);
	/* What the walk before filled says nothing of the new one. */
	guess_walk_filled(&guess, file, 5000);
	for (file = 200; file < 200 + GUESS_STREAK; file++)
		(void)guess_note(&guess, file, PAGE, 0);
	assert_walk(&guess, file, file - 1 + GUESS_AHEAD_FILES);
	/* Long files are none of a walk's, nor what is not their beginning. */
	for (file = 300; file < 400; file++)
		assert_false(guess_note(&guess, file, GUESS_SMALL + PAGE, 0));
	assert_nothing(&guess);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order_is_left_to_the_kernel),
		cmocka_unit_test(test_around_places_here_and_there),
		cmocka_unit_test(test_more_places_than_wait_are_left_out),
		cmocka_unit_test(test_small_files_in_a_row_are_a_walk),
		cmocka_unit_test(test_what_ends_a_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
