/*
 * Goal: whatever is coded comes back, by zlib and by our own inflater, is as
 * small as Huffman's code, and never leaves the room that it was given.
 */
#include "sandbox.h"

#include <zlib.h>

#include "format/deflate.h"
#include "format/huffman.h"

enum { PLAIN_MAX = 300000, PACKED_MAX = PLAIN_MAX * 9 / 8 + 400, GUARD = 64 };

static uint8_t plain[PLAIN_MAX], packed[PACKED_MAX + GUARD], again[PLAIN_MAX];

static void expect_guarded(size_t max)
{
	for (size_t i = 0; i < GUARD; i++)
		assert_int_equal(packed[max + i], 0xa5);
}

static size_t deflate_guarded(size_t len, size_t max)
{
	size_t packed_len;

	memset(packed, 0xa5, max + GUARD);
	packed_len = rvs_huffman_deflate(plain, len, packed, max);
	assert_true(packed_len <= max);
	expect_guarded(max);
	return packed_len;
}

/* As gunzip would. */
static void expect_zlib_agrees(size_t packed_len, size_t len)
{
	z_stream z = { .next_in = packed,
		       .avail_in = (uInt)packed_len,
		       .next_out = again,
		       .avail_out = sizeof(again) };

	memset(again, 0, len);
	assert_int_equal(inflateInit2(&z, -MAX_WBITS), Z_OK);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.avail_in, 0);
	assert_int_equal(z.total_out, len);
	assert_int_equal(inflateEnd(&z), Z_OK);
	assert_memory_equal(again, plain, len);
}

/* Returns the length of what the first @len bytes of plain became. */
static size_t expect_comes_back(size_t len)
{
	struct rvs_error err = RVS_ERROR_INIT;
	size_t packed_len = deflate_guarded(len, PACKED_MAX);

	assert_int_not_equal(packed_len, 0);
	expect_zlib_agrees(packed_len, len);
	memset(again, 0, len);
	expect_ok(rvs_inflate(packed, packed_len, again, len, &err), err);
	assert_memory_equal(again, plain, len);
	assert_int_equal(deflate_guarded(len, packed_len), packed_len);
	expect_zlib_agrees(packed_len, len);
	assert_int_equal(deflate_guarded(len, packed_len - 1), 0);
	return packed_len;
}

static size_t size_by_zlib(size_t len)
{
	z_stream z = { .next_in = plain,
		       .avail_in = (uInt)len,
		       .next_out = packed,
		       .avail_out = PACKED_MAX };

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -MAX_WBITS, 9,
				      Z_HUFFMAN_ONLY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(deflateEnd(&z), Z_OK);
	return z.total_out;
}

static void shuffle(size_t len)
{
	uint64_t seed = 1;

	for (size_t i = len; i > 1; i--) {
		size_t other = next_random(&seed) % i;
		uint8_t byte = plain[i - 1];

		plain[i - 1] = plain[other];
		plain[other] = byte;
	}
}

static void test_nothing(void **state)
{
	assert_in_range(expect_comes_back(0), 1, 20);
}

static void test_one_symbol(void **state)
{
	static const uint8_t symbols[] = { 0, 1, 127, 128, 255 };

	for (size_t i = 0; i < sizeof(symbols); i++) {
		memset(plain, symbols[i], 8000);
		for (size_t len = 1; len < 40; len++)
			assert_in_range(expect_comes_back(len), 1, 30);
		/* A bit for each. */
		assert_in_range(expect_comes_back(8000), 1000, 1030);
	}
}

static void test_two_symbols(void **state)
{
	for (size_t i = 0; i < 8000; i++)
		plain[i] = i % 7 ? 3 : 250;
	for (size_t len = 1; len < 40; len++)
		assert_in_range(expect_comes_back(len), 1, 40);
	assert_in_range(expect_comes_back(8000), 8000 * 8 / 7 / 8, 1500);
}

/* With the end of the block they are one more than eight bits can say. */
static void test_all_symbols_alike(void **state)
{
	for (size_t i = 0; i < PLAIN_MAX; i++)
		plain[i] = (uint8_t)i;
	assert_in_range(expect_comes_back(256), 256, 400);
	assert_in_range(expect_comes_back(256 * 1000), 256 * 1000,
			256 * 1005);
}

/* Each as frequent as all that are rarer: Huffman's longest codes. */
static void test_lengths_that_must_be_limited(void **state)
{
	size_t last = 1, before = 0, len = 0;

	for (uint8_t symbol = 0; len + last + before < PLAIN_MAX; symbol++) {
		size_t n = last + before;

		memset(plain + len, symbol * 11, n);
		len += n;
		before = last;
		last = n;
	}
	assert_true(last > 50000); /* the rarest would have 24 bits */
	shuffle(len);
	assert_in_range(expect_comes_back(len), len / 8,
			size_by_zlib(len) * 1008 / 1000);
}

/* Many that are too rare for the longest codes. */
static void test_a_long_tail(void **state)
{
	memset(plain, 7, PLAIN_MAX);
	for (size_t i = 0; i < 256; i++)
		memset(plain + 200 + 2 * i, (int)i, 2);
	shuffle(PLAIN_MAX);
	assert_in_range(expect_comes_back(PLAIN_MAX), PLAIN_MAX / 8,
			PLAIN_MAX * 11 / 80);
}

/* Symbol s is drawn @skew times, the least of which counts. */
static void fill_skewed(size_t len, unsigned skew, uint64_t seed)
{
	for (size_t i = 0; i < len; i++) {
		uint64_t draws = next_random(&seed);
		uint8_t least = (uint8_t)draws;

		for (unsigned n = 1; n < skew; n++) {
			draws >>= 8;
			if ((uint8_t)draws < least)
				least = (uint8_t)draws;
		}
		plain[i] = least;
	}
}

static void test_as_small_as_zlib(void **state)
{
	for (unsigned skew = 1; skew <= 8; skew++) {
		size_t packed_len;

		fill_skewed(100000, skew, skew);
		packed_len = expect_comes_back(100000);
		/* zlib begins a new code every 32 Ki symbols. */
		assert_true(packed_len <= size_by_zlib(100000) * 1002 / 1000);
	}
}

static void test_vectors_shrink(void **state)
{
	fill_random(plain, 98304, 5);
	for (size_t i = 3; i < 98304; i += 4)
		plain[i] = (uint8_t)(0x3b + plain[i] % 4);
	/* Their entropy is 7.24 bits a byte. */
	assert_in_range(expect_comes_back(98304), 98304 * 905 / 1000,
			98304 * 914 / 1000);
}

static void test_noise_does_not_fit(void **state)
{
	fill_random(plain, PLAIN_MAX, 9);
	assert_int_equal(deflate_guarded(PLAIN_MAX, PLAIN_MAX), 0);
	assert_in_range(expect_comes_back(PLAIN_MAX), PLAIN_MAX,
			PLAIN_MAX * 1005 / 1000);
}

static void test_any_length(void **state)
{
	uint64_t seed = 4;

	for (unsigned i = 0; i < 2000; i++) {
		size_t len = next_random(&seed) % (i % 10 ? 300 : 20000);

		fill_skewed(len, 1 + (unsigned)next_random(&seed) % 8, seed);
		(void)expect_comes_back(len);
	}
}

static void test_any_room(void **state)
{
	for (unsigned skew = 1; skew <= 8; skew++) {
		size_t need;

		fill_skewed(1000, skew, skew);
		need = deflate_guarded(1000, PACKED_MAX);
		for (size_t max = 0; max < need + 20; max++) {
			size_t found = deflate_guarded(1000, max);

			assert_int_equal(found, max < need ? 0 : need);
			if (found)
				expect_zlib_agrees(found, 1000);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_one_symbol),
		cmocka_unit_test(test_two_symbols),
		cmocka_unit_test(test_all_symbols_alike),
		cmocka_unit_test(test_lengths_that_must_be_limited),
		cmocka_unit_test(test_a_long_tail),
		cmocka_unit_test(test_as_small_as_zlib),
		cmocka_unit_test(test_vectors_shrink),
		cmocka_unit_test(test_noise_does_not_fit),
		cmocka_unit_test(test_any_length),
		cmocka_unit_test(test_any_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
