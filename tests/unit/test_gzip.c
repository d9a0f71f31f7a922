/*
 * Goal: a member gives back the bytes it was packed from, to us and to gzip;
 * one that was damaged anywhere gives them or an error, never others.
 */
#include "sandbox.h"

#include <zlib.h>

#include "format/deflate.h"
#include "format/digest.h"
#include "format/gzip.h"

enum { KINDS = 3 }; /* of content */

static const int levels[] = { 0, 1, 6, 9 };

/* Random bytes, zeros, or text. */
static void fill_kind(uint8_t *bytes, size_t len, int kind)
{
	static const char line[] = "It was a bright cold day in April. ";
	size_t i;

	if (kind == 0)
		fill_random(bytes, len, len);
	else if (kind == 1)
		memset(bytes, 0, len);
	for (i = 0; kind == 2 && i < len; i++)
		bytes[i] = (uint8_t)line[(i + i / 977) % (sizeof(line) - 1)];
}

static struct rvs_buf pack(int level, const void *plain, size_t len)
{
	RVS_CLEANUP(rvs_codec_cleanup) struct rvs_codec *codec = NULL;
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_buf ret = RVS_BUF_INIT;
	struct rvs_digest digest;

	expect_ok(rvs_codec_new(level, &codec, &err), err);
	expect_ok(rvs_digest_of(plain, len, &digest, &err), err);
	expect_ok(rvs_gzip_pack(codec, 7, plain, len, &digest, &ret, &err),
		  err);
	return ret;
}

static void expect_round_trip(int level, const uint8_t *plain, size_t len)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf member =
		pack(level, plain, len);
	RVS_CLEANUP(rvs_cleanup_free) uint8_t *found = malloc(len + 1);
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_gzip_header header;
	struct rvs_digest digest;

	assert_true(member.len <= RVS_MEMBER_STORED_MAX);
	expect_ok(rvs_gzip_parse(member.bytes, member.len, &header, &err),
		  err);
	assert_int_equal(header.number, 7);
	assert_int_equal(header.stored_len, member.len);
	assert_int_equal(header.plain_len, len);
	expect_ok(rvs_digest_of(plain, len, &digest, &err), err);
	assert_true(rvs_digest_equal(&digest, &header.digest));
	expect_ok(rvs_gzip_unpack(member.bytes, member.len, found, len, &err),
		  err);
	assert_int_equal(memcmp(found, plain, len), 0);
}

static void test_every_size_and_level_comes_back(void **state)
{
	static const size_t sizes[] = { 0,     1,	2,      255,	 4096,
					65534, 65535,	65536,  131070, 131071,
					262144, 999999, RVS_MEMBER_PLAIN_MAX };
	RVS_CLEANUP(rvs_cleanup_free)
	uint8_t *plain = malloc(RVS_MEMBER_PLAIN_MAX);
	size_t i, l;
	int kind;

	for (kind = 0; kind < KINDS; kind++)
		for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
			fill_kind(plain, sizes[i], kind);
			for (l = 0; l < sizeof(levels) / sizeof(*levels); l++)
				expect_round_trip(levels[l], plain, sizes[i]);
		}
}

/* The same codec packs one member after another, whatever came before. */
static void test_a_codec_serves_many_members(void **state)
{
	RVS_CLEANUP(rvs_cleanup_free) uint8_t *plain = malloc(70000);
	RVS_CLEANUP(rvs_cleanup_free) uint8_t *found = malloc(70000);
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_digest digest = { { 0 } };
	size_t l, len;
	int round;

	for (l = 0; l < sizeof(levels) / sizeof(*levels); l++) {
		RVS_CLEANUP(rvs_codec_cleanup) struct rvs_codec *codec = NULL;
		RVS_CLEANUP(rvs_buf_done) struct rvs_buf member = RVS_BUF_INIT;

		expect_ok(rvs_codec_new(levels[l], &codec, &err), err);
		for (round = 0; round < 60; round++) {
			len = (size_t)round * 1181 % 70000;
			fill_kind(plain, len, round % KINDS);
			member.len = 0;
			expect_ok(rvs_gzip_pack(codec, 0, plain, len, &digest,
						&member, &err), err);
			expect_ok(rvs_gzip_unpack(member.bytes, member.len,
						  found, len, &err), err);
			assert_int_equal(memcmp(found, plain, len), 0);
		}
	}
}

static void test_bytes_that_do_not_shrink_are_stored(void **state)
{
	RVS_CLEANUP(rvs_cleanup_free) uint8_t *plain = malloc(200000);
	size_t frame = RVS_GZIP_HEADER_LEN + RVS_GZIP_TRAILER_LEN, l;

	fill_random(plain, 200000, 1);
	for (l = 0; l < sizeof(levels) / sizeof(*levels); l++) {
		RVS_CLEANUP(rvs_buf_done) struct rvs_buf member =
			pack(levels[l], plain, 200000);

		assert_true(member.len <= frame + 200000 + 4 * 5);
	}
}

static void test_more_than_a_member_is_refused(void **state)
{
	RVS_CLEANUP(rvs_codec_cleanup) struct rvs_codec *codec = NULL;
	RVS_CLEANUP(rvs_cleanup_free)
	uint8_t *plain = calloc(1, RVS_MEMBER_PLAIN_MAX + 1);
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf member = RVS_BUF_INIT;
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_digest digest = { { 0 } };

	expect_ok(rvs_codec_new(1, &codec, &err), err);
	expect_status(rvs_gzip_pack(codec, 0, plain, RVS_MEMBER_PLAIN_MAX + 1,
				    &digest, &member, &err),
		      RVS_ERR_USAGE, err);
	assert_int_equal(member.len, 0);
}

/* gunzip of members one after another gives their bytes one after another. */
static void test_gzip_reads_a_stream_of_members(void **state)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf wanted = RVS_BUF_INIT;
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf stream = RVS_BUF_INIT;
	RVS_CLEANUP(rvs_cleanup_free) uint8_t *plain = malloc(150000);
	size_t l;
	int kind;

	for (l = 0; l < sizeof(levels) / sizeof(*levels); l++)
		for (kind = 0; kind < KINDS; kind++) {
			RVS_CLEANUP(rvs_buf_done)
			struct rvs_buf member = RVS_BUF_INIT;
			size_t len = kind == 1 && l == 2 ? 0 : 150000;

			fill_kind(plain, len, kind);
			member = pack(levels[l], plain, len);
			rvs_buf_put(&stream, member.bytes, member.len);
			rvs_buf_put(&wanted, plain, len);
		}
	write_file("stream.gz", stream.bytes, stream.len);
	write_file("wanted", wanted.bytes, wanted.len);
	assert_int_equal(system("gzip -t stream.gz"), 0);
	assert_int_equal(system("gzip -dc stream.gz > found"), 0);
	expect_same_file("wanted", "found");
}

/*
 * Padding of blocks and codes that nothing uses may flip unseen: the bytes are
 * then still right.  All else the format, the CRC-32 or the header tells.
 */
static void expect_flips_rejected(const struct rvs_buf *member,
				  const uint8_t *plain, size_t len)
{
	RVS_CLEANUP(rvs_cleanup_free) uint8_t *found = malloc(len + 1);
	struct rvs_gzip_header header, was;
	struct rvs_error err = RVS_ERROR_INIT;
	size_t bit;

	expect_ok(rvs_gzip_parse(member->bytes, member->len, &was, &err), err);
	for (bit = 0; bit < 8 * member->len; bit++) {
		/* A block of its own, for a sanitizer to guard. */
		RVS_CLEANUP(rvs_cleanup_free)
		uint8_t *copy = malloc(member->len);
		int r;

		memcpy(copy, member->bytes, member->len);
		copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
		memset(found, 0xee, len + 1);
		r = rvs_gzip_unpack(copy, member->len, found, len, &err);
		assert_int_equal(found[len], 0xee);
		if (r < 0) {
			expect_status(r, RVS_ERR_CORRUPT, err);
			continue;
		}
		expect_ok(rvs_gzip_parse(copy, member->len, &header, &err),
			  err);
		if (memcmp(&header, &was, sizeof(header)))
			continue; /* not what the index says */
		assert_int_equal(memcmp(found, plain, len), 0);
	}
}

static void test_every_flipped_bit_is_rejected(void **state)
{
	uint8_t plain[600];
	size_t l;
	int kind;

	for (l = 0; l < sizeof(levels) / sizeof(*levels); l++)
		for (kind = 0; kind < KINDS; kind++) {
			RVS_CLEANUP(rvs_buf_done)
			struct rvs_buf member = RVS_BUF_INIT;

			fill_kind(plain, sizeof(plain), kind);
			member = pack(levels[l], plain, sizeof(plain));
			expect_flips_rejected(&member, plain, sizeof(plain));
		}
}

static void test_a_cut_member_is_rejected(void **state)
{
	uint8_t plain[300], found[300];
	struct rvs_gzip_header header;
	size_t l, len;

	fill_kind(plain, sizeof(plain), 2);
	for (l = 0; l < sizeof(levels) / sizeof(*levels); l++) {
		RVS_CLEANUP(rvs_buf_done) struct rvs_buf member =
			pack(levels[l], plain, sizeof(plain));

		for (len = 0; len < member.len; len++) {
			RVS_CLEANUP(rvs_cleanup_free)
			uint8_t *copy = malloc(len + 1);

			memcpy(copy, member.bytes, len);
			assert_int_equal(rvs_gzip_unpack(copy, len, found,
							 sizeof(found), NULL),
					 RVS_ERR_CORRUPT);
			if (len < RVS_GZIP_HEADER_LEN)
				assert_int_equal(rvs_gzip_parse(copy, len,
								&header, NULL),
						 RVS_ERR_CORRUPT);
		}
	}
}

static void test_another_length_is_rejected(void **state)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf member = pack(1, "12345", 5);
	uint8_t found[8];

	assert_int_equal(rvs_gzip_unpack(member.bytes, member.len, found, 4,
					 NULL), RVS_ERR_CORRUPT);
	assert_int_equal(rvs_gzip_unpack(member.bytes, member.len, found, 6,
					 NULL), RVS_ERR_CORRUPT);
}

static void put_u32_at(struct rvs_buf *buf, size_t at, uint32_t value)
{
	uint32_t little = htole32(value);

	memcpy(buf->bytes + at, &little, sizeof(little));
}

/* Whatever the header claims, its lengths bound what is allocated for it. */
static void test_lengths_of_a_header_are_bounded(void **state)
{
	static const struct {
		size_t at;
		uint32_t value;
	} lies[] = {
		{ 20, 0 },
		{ 20, RVS_GZIP_HEADER_LEN + RVS_GZIP_TRAILER_LEN - 1 },
		{ 20, RVS_MEMBER_STORED_MAX + 1 },
		{ 20, UINT32_MAX },
		{ 24, RVS_MEMBER_PLAIN_MAX + 1 },
		{ 24, UINT32_MAX },
	};
	size_t i;

	for (i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		RVS_CLEANUP(rvs_buf_done) struct rvs_buf member =
			pack(1, "12345", 5);
		struct rvs_gzip_header header;

		put_u32_at(&member, lies[i].at, lies[i].value);
		assert_int_equal(rvs_gzip_parse(member.bytes, member.len,
						&header, NULL),
				 RVS_ERR_CORRUPT);
	}
}

/* gunzip would stumble over them: what it cannot read we must not accept. */
static void test_rubbish_behind_the_last_block_is_rejected(void **state)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf member = pack(6, "12345", 5);
	uint8_t trailer[RVS_GZIP_TRAILER_LEN], found[5];

	memcpy(trailer, member.bytes + member.len - sizeof(trailer),
	       sizeof(trailer));
	member.len -= sizeof(trailer);
	rvs_buf_put(&member, "rubbish", 7);
	rvs_buf_put(&member, trailer, sizeof(trailer));
	put_u32_at(&member, 20, (uint32_t)member.len);
	write_file("stream.gz", member.bytes, member.len);
	assert_int_not_equal(system("gzip -t stream.gz 2> /dev/null"), 0);
	assert_int_equal(rvs_gzip_unpack(member.bytes, member.len, found, 5,
					 NULL), RVS_ERR_CORRUPT);
}

/* Both inflaters say the same of any deflate data: here zlib's, in every
 * strategy, with windows and blocks that ours never writes. */
static void test_deflate_of_others_is_read(void **state)
{
	static const int strategies[] = { Z_DEFAULT_STRATEGY, Z_FILTERED,
					  Z_HUFFMAN_ONLY, Z_RLE, Z_FIXED };
	RVS_CLEANUP(rvs_cleanup_free) uint8_t *plain = malloc(300000);
	RVS_CLEANUP(rvs_cleanup_free) uint8_t *found = malloc(300000);
	RVS_CLEANUP(rvs_cleanup_free) uint8_t *packed = malloc(400000);
	struct rvs_error err = RVS_ERROR_INIT;
	size_t i;
	int kind;

	for (kind = 0; kind < KINDS; kind++)
		for (i = 0; i < sizeof(strategies) / sizeof(*strategies); i++) {
			z_stream z = { 0 };

			fill_kind(plain, 300000, kind);
			assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15,
						      9, strategies[i]), Z_OK);
			z.next_in = plain;
			z.avail_in = 300000;
			z.next_out = packed;
			z.avail_out = 400000;
			assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
			expect_ok(rvs_inflate(packed, z.total_out, found,
					      300000, &err), err);
			assert_int_equal(memcmp(found, plain, 300000), 0);
			(void)deflateEnd(&z);
		}
}

static void test_crc_is_that_of_gzip(void **state)
{
	assert_int_equal(rvs_crc32("123456789", 9), 0xcbf43926);
	assert_int_equal(rvs_crc32("", 0), 0);
}

static void test_stored_members_are_as_long_as_told(void **state)
{
	static const size_t lens[] = { 0, 1, 65535, 65536, 131070, 131071,
				       RVS_MEMBER_PLAIN_MAX };
	RVS_CLEANUP(rvs_cleanup_free)
	uint8_t *plain = calloc(1, RVS_MEMBER_PLAIN_MAX);
	size_t i;

	assert_non_null(plain);
	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		RVS_CLEANUP(rvs_buf_done) struct rvs_buf member =
			pack(0, plain, lens[i]);

		assert_int_equal(member.len, rvs_gzip_stored_len(lens[i]));
	}
}

static void test_a_member_takes_another_number(void **state)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf member =
		pack(1, "some bytes", 10);
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_gzip_header header;
	char plain[10];

	rvs_gzip_renumber(member.bytes, 0xfedcba98);
	expect_ok(rvs_gzip_parse(member.bytes, member.len, &header, &err),
		  err);
	assert_int_equal(header.number, 0xfedcba98);
	expect_ok(rvs_gzip_unpack(member.bytes, member.len, plain, 10, &err),
		  err);
	assert_memory_equal(plain, "some bytes", 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stored_members_are_as_long_as_told),
		cmocka_unit_test(test_a_member_takes_another_number),
		cmocka_unit_test(test_every_size_and_level_comes_back),
		cmocka_unit_test(test_a_codec_serves_many_members),
		cmocka_unit_test(test_bytes_that_do_not_shrink_are_stored),
		cmocka_unit_test(test_more_than_a_member_is_refused),
		sandbox_test(test_gzip_reads_a_stream_of_members),
		cmocka_unit_test(test_every_flipped_bit_is_rejected),
		cmocka_unit_test(test_a_cut_member_is_rejected),
		cmocka_unit_test(test_another_length_is_rejected),
		cmocka_unit_test(test_lengths_of_a_header_are_bounded),
		sandbox_test(test_rubbish_behind_the_last_block_is_rejected),
		cmocka_unit_test(test_deflate_of_others_is_read),
		cmocka_unit_test(test_crc_is_that_of_gzip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
