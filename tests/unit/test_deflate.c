/*
 * Goal: what was deflated at any level inflates to the same bytes, here and
 * with zlib; what does not shrink is said; damage is never taken for data.
 */
#include "sandbox.h"

#include <zlib.h>

#include "format/deflate.h"
#include "format/gzip.h"

enum { PLAIN_LEN = 100000, LEVELS = 10 };

/* Half of it shrinks. */
static void fill(uint8_t *plain)
{
	fill_random(plain, PLAIN_LEN / 2, 7);
	for (size_t i = PLAIN_LEN / 2; i < PLAIN_LEN; i++)
		plain[i] = (uint8_t)(i % 10);
}

static size_t deflate_at(int level, const uint8_t *plain, size_t len,
			 uint8_t *ret, size_t max)
{
	RVS_CLEANUP(rvs_codec_cleanup) struct rvs_codec *codec = NULL;
	struct rvs_error err = RVS_ERROR_INIT;

	expect_ok(rvs_codec_new(level, &codec, &err), err);
	return rvs_codec_deflate(codec, plain, len, ret, max);
}

/* As gunzip would. */
static size_t inflate_with_zlib(const uint8_t *deflated, size_t len,
				uint8_t *ret, size_t max)
{
	z_stream z = { .next_in = (z_const Bytef *)deflated,
		       .avail_in = (uInt)len,
		       .next_out = ret,
		       .avail_out = (uInt)max };

	assert_int_equal(inflateInit2(&z, -MAX_WBITS), Z_OK);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.avail_in, 0);
	assert_int_equal(inflateEnd(&z), Z_OK);
	return max - z.avail_out;
}

static void test_every_level_comes_back(void **state)
{
	static uint8_t plain[PLAIN_LEN], packed[PLAIN_LEN], again[PLAIN_LEN];
	struct rvs_error err = RVS_ERROR_INIT;

	fill(plain);
	for (int level = 1; level < LEVELS; level++) {
		size_t len = deflate_at(level, plain, PLAIN_LEN, packed,
					PLAIN_LEN);

		assert_in_range(len, PLAIN_LEN / 2, PLAIN_LEN * 6 / 10);
		memset(again, 0, PLAIN_LEN);
		expect_ok(rvs_inflate(packed, len, again, PLAIN_LEN, &err),
			  err);
		assert_memory_equal(again, plain, PLAIN_LEN);
		assert_int_equal(inflate_with_zlib(packed, len, again,
						   PLAIN_LEN), PLAIN_LEN);
		assert_memory_equal(again, plain, PLAIN_LEN);
	}
}

/* A codec serves one input after another. */
static void test_a_codec_is_used_again(void **state)
{
	static uint8_t plain[PLAIN_LEN], first[PLAIN_LEN], second[PLAIN_LEN];

	fill(plain);
	for (int level = 1; level < LEVELS; level++) {
		RVS_CLEANUP(rvs_codec_cleanup) struct rvs_codec *codec = NULL;
		struct rvs_error err = RVS_ERROR_INIT;
		size_t len;

		expect_ok(rvs_codec_new(level, &codec, &err), err);
		/* One that does not fit, in between, leaves nothing behind. */
		len = rvs_codec_deflate(codec, plain, PLAIN_LEN, first,
					PLAIN_LEN);
		assert_int_equal(rvs_codec_deflate(codec, plain, PLAIN_LEN,
						   second, 100), 0);
		assert_int_equal(rvs_codec_deflate(codec, plain, PLAIN_LEN,
						   second, PLAIN_LEN), len);
		assert_memory_equal(first, second, len);
	}
}

static void test_what_does_not_shrink_is_said(void **state)
{
	static uint8_t noise[PLAIN_LEN], packed[PLAIN_LEN];

	fill_random(noise, PLAIN_LEN, 1);
	for (int level = 0; level < LEVELS; level++) {
		assert_int_equal(deflate_at(level, noise, PLAIN_LEN, packed,
					    PLAIN_LEN), 0);
		assert_int_equal(deflate_at(level, noise, 0, packed, PLAIN_LEN),
				 0);
	}
	memset(noise, 0, PLAIN_LEN);
	assert_int_equal(deflate_at(0, noise, PLAIN_LEN, packed, PLAIN_LEN), 0);
}

/* Words of a small vocabulary, as in prose. */
static void fill_words(uint8_t *plain)
{
	uint8_t words[256 * 8], choices[PLAIN_LEN];
	size_t at = 0, n;

	fill_random(words, sizeof(words), 3);
	fill_random(choices, sizeof(choices), 4);
	for (n = 0; at < PLAIN_LEN; n++) {
		/* The lower of two is drawn the more often. */
		size_t a = choices[n], b = choices[PLAIN_LEN - 1 - n];
		const uint8_t *word = &words[(a < b ? a : b) * 8];
		size_t len = 2 + word[7] % 6, i;

		for (i = 0; i < len && at < PLAIN_LEN; i++)
			plain[at++] = (uint8_t)('a' + word[i] % 20);
		if (at < PLAIN_LEN)
			plain[at++] = ' ';
	}
}

static void test_text_is_smaller_the_higher_the_level(void **state)
{
	static uint8_t plain[PLAIN_LEN], packed[PLAIN_LEN];
	size_t lens[LEVELS];

	fill_words(plain);
	for (int level = 1; level < LEVELS; level++)
		lens[level] = deflate_at(level, plain, PLAIN_LEN, packed,
					 PLAIN_LEN);
	assert_true(lens[1] < PLAIN_LEN * 6 / 10);
	assert_true(lens[9] < lens[1] * 95 / 100);
	for (int level = 1; level + 1 < LEVELS; level++)
		assert_true(lens[level + 1] <= lens[level] * 101 / 100);
}

/* As embeddings are: bytes of which some are rare, and no two runs are equal. */
static void test_no_level_makes_vectors_larger(void **state)
{
	static uint8_t plain[PLAIN_LEN], packed[PLAIN_LEN];
	size_t lens[LEVELS];

	fill_random(plain, PLAIN_LEN, 5);
	for (size_t i = 3; i < PLAIN_LEN; i += 4)
		plain[i] = (uint8_t)(0x3b + plain[i] % 4);
	for (int level = 1; level < LEVELS; level++) {
		lens[level] = deflate_at(level, plain, PLAIN_LEN, packed,
					 PLAIN_LEN);
		assert_in_range(lens[level], 1, PLAIN_LEN * 92 / 100);
		assert_true(lens[level] <= lens[1] * 1005 / 1000);
	}
}

/* A quarter of the input, among what does not shrink. */
static void test_repetition_is_found_wherever_it_is(void **state)
{
	static uint8_t plain[PLAIN_LEN], packed[PLAIN_LEN];
	const size_t some = PLAIN_LEN / 4;

	for (size_t at = 0; at + some <= PLAIN_LEN; at += PLAIN_LEN / 16) {
		fill_random(plain, PLAIN_LEN, 6);
		for (size_t i = at; i < at + some; i++)
			plain[i] = (uint8_t)(i % 10);
		for (int level = 1; level < LEVELS; level++)
			assert_in_range(deflate_at(level, plain, PLAIN_LEN,
						   packed, PLAIN_LEN),
					1, PLAIN_LEN * 80 / 100);
	}
}

static void test_wrong_lengths_are_damage(void **state)
{
	static uint8_t plain[PLAIN_LEN], packed[PLAIN_LEN];
	static uint8_t again[PLAIN_LEN + 1];
	struct rvs_error err = RVS_ERROR_INIT;
	size_t len;

	fill(plain);
	len = deflate_at(1, plain, PLAIN_LEN, packed, PLAIN_LEN);
	expect_status(rvs_inflate(packed, len, again, PLAIN_LEN + 1, &err),
		      RVS_ERR_CORRUPT, err);
	expect_status(rvs_inflate(packed, len, again, PLAIN_LEN - 1, &err),
		      RVS_ERR_CORRUPT, err);
	expect_status(rvs_inflate(packed, len + 1, again, PLAIN_LEN, &err),
		      RVS_ERR_CORRUPT, err);
	for (size_t cut = 0; cut < len; cut += 1 + len / 100)
		expect_status(rvs_inflate(packed, cut, again, PLAIN_LEN, &err),
			      RVS_ERR_CORRUPT, err);
}

static void test_crc_is_that_of_gzip(void **state)
{
	static uint8_t plain[PLAIN_LEN];

	assert_int_equal(rvs_crc32("", 0), 0);
	assert_int_equal(rvs_crc32("123456789", 9), 0xcbf43926);
	fill(plain);
	assert_int_equal(rvs_crc32(plain, PLAIN_LEN),
			 crc32(0, plain, PLAIN_LEN));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_level_comes_back),
		cmocka_unit_test(test_a_codec_is_used_again),
		cmocka_unit_test(test_what_does_not_shrink_is_said),
		cmocka_unit_test(test_text_is_smaller_the_higher_the_level),
		cmocka_unit_test(test_no_level_makes_vectors_larger),
		cmocka_unit_test(test_repetition_is_found_wherever_it_is),
		cmocka_unit_test(test_wrong_lengths_are_damage),
		cmocka_unit_test(test_crc_is_that_of_gzip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
