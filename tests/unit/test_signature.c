/*
 * Goal: signatures come back whole and are found by file and place; bytes that
 * break a rule are none, and make us allocate nothing that they do not hold.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "format/cut.h"
#include "format/digest.h"
#include "format/signature.h"

enum { FILES = 50, CHUNKS = 7, COUNT_AT = 8, FIRST_COUNT_AT = 12 + 32 };

static struct rvs_digest digest_of(unsigned number)
{
	struct rvs_digest ret;

	assert_int_equal(rvs_digest_of(&number, sizeof(number), &ret, NULL), 0);
	return ret;
}

static void add_file(struct rvs_signatures *signatures, unsigned file,
		     const struct rvs_signature *items, size_t count)
{
	const struct rvs_digest digest = digest_of(file);

	assert_int_equal(rvs_signatures_add(signatures, &digest, items, count,
					    NULL), 0);
}

/* The chunk @i of the file @file. */
static struct rvs_signature chunk_of(unsigned file, unsigned i)
{
	return (struct rvs_signature){ .at = (uint64_t)i * 100000 + file,
				       .len = 90000,
				       .digest = digest_of(file * 100 + i) };
}

/* @bytes with a proof that fits, so that a rule must tell. */
static void prove(struct rvs_buf *bytes)
{
	struct rvs_digest digest;

	bytes->len -= RVS_DIGEST_LEN;
	assert_int_equal(rvs_digest_of(bytes->bytes, bytes->len, &digest, NULL),
			 0);
	rvs_buf_put(bytes, digest.bytes, RVS_DIGEST_LEN);
}

static void expect_corrupt(const void *bytes, size_t len)
{
	struct rvs_signatures found;
	struct rvs_error err = RVS_ERROR_INIT;
	void *copy = malloc(len + !len);

	memcpy(copy, bytes, len);
	assert_int_equal(rvs_signatures_decode(copy, len, &found, &err),
			 RVS_ERR_CORRUPT);
	assert_null(found.files.bytes);
	assert_null(found.items.bytes);
	free(copy);
}

/* One file of @count chunks, whatever they are. */
static struct rvs_buf encode_one(const struct rvs_signature *items,
				 size_t count)
{
	RVS_CLEANUP(rvs_signatures_done)
	struct rvs_signatures signatures = RVS_SIGNATURES_INIT;
	struct rvs_buf ret = RVS_BUF_INIT;

	add_file(&signatures, 1, items, count);
	rvs_signatures_sort(&signatures);
	assert_int_equal(rvs_signatures_encode(&signatures, &ret, NULL), 0);
	return ret;
}

static void test_they_come_back(void **state)
{
	RVS_CLEANUP(rvs_signatures_done)
	struct rvs_signatures made = RVS_SIGNATURES_INIT;
	RVS_CLEANUP(rvs_signatures_done)
	struct rvs_signatures found = RVS_SIGNATURES_INIT;
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf bytes = RVS_BUF_INIT;
	unsigned file, i;

	for (file = 0; file < FILES; file++) {
		struct rvs_signature items[CHUNKS];

		for (i = 0; i < CHUNKS; i++)
			items[i] = chunk_of(file, i);
		add_file(&made, file, items, 1 + file % CHUNKS);
		add_file(&made, file, items, 1 + file % CHUNKS); /* no more */
	}
	rvs_signatures_sort(&made);
	assert_int_equal(rvs_signatures_encode(&made, &bytes, NULL), 0);
	assert_int_equal(rvs_signatures_decode(bytes.bytes, bytes.len, &found,
					       NULL), 0);
	assert_int_equal(found.files.len,
			 FILES * sizeof(struct rvs_signed_file));
	for (file = 0; file < FILES; file++) {
		const struct rvs_digest digest = digest_of(file);
		size_t count;
		const struct rvs_signature *items =
			rvs_signatures_of(&found, &digest, &count);

		assert_int_equal(count, 1 + file % CHUNKS);
		for (i = 0; i < count; i++) {
			struct rvs_signature wanted = chunk_of(file, i);

			assert_true(rvs_signature_is_in(items, count, &wanted));
			wanted.len++;
			assert_false(rvs_signature_is_in(items, count,
							 &wanted));
			wanted = chunk_of(file, i);
			wanted.at++;
			assert_false(rvs_signature_is_in(items, count,
							 &wanted));
			wanted = chunk_of(file, i);
			wanted.digest.bytes[31] ^= 1;
			assert_false(rvs_signature_is_in(items, count,
							 &wanted));
		}
	}
}

static void test_none_are_found_where_there_are_none(void **state)
{
	const struct rvs_signatures none = RVS_SIGNATURES_INIT;
	const struct rvs_signature item = chunk_of(1, 1);
	RVS_CLEANUP(rvs_signatures_done)
	struct rvs_signatures found = RVS_SIGNATURES_INIT;
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf bytes = RVS_BUF_INIT;
	size_t count = 1;

	assert_null(rvs_signatures_of(&none, &item.digest, &count));
	assert_int_equal(count, 0);
	assert_false(rvs_signature_is_in(NULL, 0, &item));
	assert_int_equal(rvs_signatures_encode(&none, &bytes, NULL), 0);
	assert_int_equal(rvs_signatures_decode(bytes.bytes, bytes.len, &found,
					       NULL), 0);
	assert_int_equal(found.files.len, 0);
}

static void test_every_flipped_bit_and_cut_is_found(void **state)
{
	const struct rvs_signature items[] = { chunk_of(1, 0), chunk_of(1, 1) };
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf bytes = encode_one(items, 2);
	size_t i;

	for (i = 0; i < 8 * bytes.len; i++) {
		bytes.bytes[i / 8] ^= (uint8_t)(1u << i % 8);
		expect_corrupt(bytes.bytes, bytes.len);
		bytes.bytes[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	for (i = 0; i < bytes.len; i++)
		expect_corrupt(bytes.bytes, i);
}

static void test_chunks_out_of_bounds_are_refused(void **state)
{
	const struct rvs_signature bad[][2] = {
		{ { .at = 0, .len = 0 }, { .at = 10, .len = 1 } },
		{ { .at = 0, .len = 10 }, { .at = 9, .len = 1 } },
		{ { .at = 10, .len = 10 }, { .at = 0, .len = 1 } },
		{ { .at = 0, .len = RVS_CUT_MAX + 1 },
		  { .at = RVS_CUT_MAX + 1, .len = 1 } },
		{ { .at = 0, .len = 1 }, { .at = INT64_MAX, .len = 1 } },
		{ { .at = 0, .len = 1 }, { .at = UINT64_MAX, .len = 1 } },
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		RVS_CLEANUP(rvs_buf_done)
		struct rvs_buf bytes = encode_one(bad[i], 2);

		expect_corrupt(bytes.bytes, bytes.len);
	}
}

static void test_wrong_counts_are_refused(void **state)
{
	const struct rvs_signature item = chunk_of(1, 0);
	const uint32_t counts[] = { 0, 2, 0x7fffffff, UINT32_MAX };
	const size_t places[] = { COUNT_AT, FIRST_COUNT_AT };
	size_t i, k;

	for (k = 0; k < 2; k++)
		for (i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
			RVS_CLEANUP(rvs_buf_done)
			struct rvs_buf bytes = encode_one(&item, 1);

			assert_int_equal(bytes.bytes[places[k]], 1);
			memcpy(bytes.bytes + places[k], &counts[i], 4);
			prove(&bytes);
			expect_corrupt(bytes.bytes, bytes.len);
		}
}

static void test_files_out_of_order_are_refused(void **state)
{
	const struct rvs_signature item = chunk_of(1, 0);
	RVS_CLEANUP(rvs_signatures_done)
	struct rvs_signatures two = RVS_SIGNATURES_INIT;
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf bytes = RVS_BUF_INIT;
	struct rvs_signed_file *files;

	add_file(&two, 1, &item, 1);
	add_file(&two, 2, &item, 1);
	rvs_signatures_sort(&two);
	files = (struct rvs_signed_file *)(void *)two.files.bytes;
	files[1].digest = files[0].digest;
	assert_int_equal(rvs_signatures_encode(&two, &bytes, NULL), 0);
	expect_corrupt(bytes.bytes, bytes.len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_they_come_back),
		cmocka_unit_test(test_none_are_found_where_there_are_none),
		cmocka_unit_test(test_every_flipped_bit_and_cut_is_found),
		cmocka_unit_test(test_chunks_out_of_bounds_are_refused),
		cmocka_unit_test(test_wrong_counts_are_refused),
		cmocka_unit_test(test_files_out_of_order_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
