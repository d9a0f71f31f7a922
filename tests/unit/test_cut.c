/*
 * Goal: every version cuts alike, within bounds, and an insertion or a change
 * shifts no boundary but those beside it.
 */
#include "sandbox.h"

#include "format/cut.h"

enum { LEN = 4 << 20, CUTS_MAX = LEN / RVS_CUT_MIN + 2 };

/* The ends of the chunks of @bytes; returns how many. */
static size_t cut_all(const uint8_t *bytes, size_t len, size_t *ends)
{
	struct rvs_cut cut;
	size_t at = 0, count = 0;

	rvs_cut_init(&cut);
	while (at < len) {
		size_t n = rvs_cut_next(&cut, bytes + at, len - at);

		assert_true(n > 0 && n <= len - at && n <= RVS_CUT_MAX);
		assert_true(n >= RVS_CUT_MIN || at + n == len);
		at += n;
		ends[count++] = at;
	}
	return count;
}

static uint8_t *random_bytes(size_t len, uint64_t seed)
{
	uint8_t *bytes = malloc(len);

	assert_non_null(bytes);
	fill_random(bytes, len, seed);
	return bytes;
}

/* Change these numbers, and no snapshot shares a byte with an older one. */
static void test_boundaries_are_those_of_every_version(void **state)
{
	static const size_t golden[] = {
		115714, 195856, 298552, 384899, 493639, 551768, 646108, 698686,
		784383, 874687, 966068, 1053289, 1143455, 1282543, 1390527, 1475409,
	};
	RVS_CLEANUP(rvs_cleanup_free) uint8_t *bytes = random_bytes(LEN, 42);
	size_t ends[CUTS_MAX], i;
	size_t count = cut_all(bytes, LEN, ends);

	assert_true(count > sizeof(golden) / sizeof(*golden));
	for (i = 0; i < sizeof(golden) / sizeof(*golden); i++)
		assert_int_equal(ends[i], golden[i]);
}

static void test_chunks_gather_around_the_wanted_length(void **state)
{
	RVS_CLEANUP(rvs_cleanup_free) uint8_t *bytes = random_bytes(LEN, 7);
	size_t ends[CUTS_MAX];
	size_t count = cut_all(bytes, LEN, ends);

	assert_in_range(LEN / count, 64 << 10, 128 << 10);
}

static void test_data_without_content_is_cut_at_the_longest(void **state)
{
	RVS_CLEANUP(rvs_cleanup_free) uint8_t *bytes = calloc(1, LEN);
	size_t ends[CUTS_MAX];

	assert_int_equal(cut_all(bytes, LEN, ends), LEN / RVS_CUT_MAX);
}

static void test_short_data_is_one_chunk(void **state)
{
	RVS_CLEANUP(rvs_cleanup_free)
	uint8_t *bytes = random_bytes(RVS_CUT_MIN, 3);
	struct rvs_cut cut;

	rvs_cut_init(&cut);
	assert_int_equal(rvs_cut_next(&cut, bytes, 1), 1);
	assert_int_equal(rvs_cut_next(&cut, bytes, RVS_CUT_MIN), RVS_CUT_MIN);
}

/* What lies behind the longest chunk says nothing about the first boundary. */
static void test_a_boundary_needs_no_more_than_the_longest_chunk(void **state)
{
	RVS_CLEANUP(rvs_cleanup_free) uint8_t *bytes = random_bytes(LEN, 9);
	struct rvs_cut cut;
	size_t at;

	rvs_cut_init(&cut);
	for (at = 0; at + RVS_CUT_MAX < LEN; at += 100003)
		assert_int_equal(rvs_cut_next(&cut, bytes + at, LEN - at),
				 rvs_cut_next(&cut, bytes + at, RVS_CUT_MAX));
}

static bool has_end(const size_t *ends, size_t count, size_t end)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (ends[i] == end)
			return true;
	return false;
}

/* Of 4 MiB with 13 bytes put in at 1 MiB, most boundaries are the same. */
static void test_an_insertion_resynchronises(void **state)
{
	const size_t where = 1 << 20, more = 13;
	RVS_CLEANUP(rvs_cleanup_free) uint8_t *old = random_bytes(LEN, 11);
	RVS_CLEANUP(rvs_cleanup_free) uint8_t *new = malloc(LEN + more);
	size_t old_ends[CUTS_MAX], new_ends[CUTS_MAX + 1];
	size_t old_count, new_count, i, lost = 0;

	memcpy(new, old, where);
	memset(new + where, 'x', more);
	memcpy(new + where + more, old + where, LEN - where);
	old_count = cut_all(old, LEN, old_ends);
	new_count = cut_all(new, LEN + more, new_ends);
	for (i = 0; i < old_count; i++)
		lost += !has_end(new_ends, new_count,
				 old_ends[i] + (old_ends[i] > where ? more : 0));
	assert_in_range(lost, 0, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_boundaries_are_those_of_every_version),
		cmocka_unit_test(test_chunks_gather_around_the_wanted_length),
		cmocka_unit_test(test_data_without_content_is_cut_at_the_longest),
		cmocka_unit_test(test_short_data_is_one_chunk),
		cmocka_unit_test(
			test_a_boundary_needs_no_more_than_the_longest_chunk),
		cmocka_unit_test(test_an_insertion_resynchronises),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
