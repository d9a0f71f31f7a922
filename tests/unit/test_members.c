/*
 * Goal: an index comes back whole, and none that breaks a rule is taken, or
 * makes us allocate what it does not hold.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "format/digest.h"
#include "format/gzip.h"
#include "format/members.h"

static void add_stream(struct rvs_members *members, const char *name)
{
	uint32_t number;

	assert_int_equal(rvs_members_add_stream(members, name, &number, NULL),
			 0);
	assert_int_equal(number, members->stream_count - 1);
}

static void add_member(struct rvs_members *members,
		       const struct rvs_member *member)
{
	uint32_t number;

	assert_int_equal(rvs_members_add(members, member, &number, NULL), 0);
	assert_int_equal(number, members->count - 1);
}

/* One stream, one member. */
static struct rvs_buf encode_one(const char *name,
				 const struct rvs_member *member)
{
	RVS_CLEANUP(rvs_members_done)
	struct rvs_members members = RVS_MEMBERS_INIT;
	struct rvs_buf ret = RVS_BUF_INIT;

	add_stream(&members, name);
	add_member(&members, member);
	assert_int_equal(rvs_members_encode(&members, &ret, NULL), 0);
	return ret;
}

static void expect_corrupt(const void *bytes, size_t len)
{
	struct rvs_members members;
	struct rvs_error err = RVS_ERROR_INIT;
	void *copy = malloc(len + !len);

	memcpy(copy, bytes, len);
	assert_int_equal(rvs_members_decode(copy, len, &members, &err),
			 RVS_ERR_CORRUPT);
	assert_null(members.items);
	assert_null(members.streams);
	free(copy);
}

/* With a proof that fits, so that the rule itself must tell. */
static void expect_rule(struct rvs_buf *index)
{
	struct rvs_digest digest;

	index->len -= RVS_DIGEST_LEN;
	assert_int_equal(rvs_digest_of(index->bytes, index->len, &digest, NULL),
			 0);
	rvs_buf_put(index, digest.bytes, RVS_DIGEST_LEN);
	expect_corrupt(index->bytes, index->len);
}

static void test_an_index_comes_back(void **state)
{
	RVS_CLEANUP(rvs_members_done)
	struct rvs_members members = RVS_MEMBERS_INIT;
	RVS_CLEANUP(rvs_members_done)
	struct rvs_members found = RVS_MEMBERS_INIT;
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf index = RVS_BUF_INIT;
	uint32_t i;

	add_stream(&members, "manifest");
	add_stream(&members, "dir/vectors.bin.gz");
	for (i = 0; i < 1000; i++) {
		struct rvs_member member = { .offset = (uint64_t)i << 30,
					     .stream = i % 2,
					     .stored_len = i % 3 ? 100 + i : 0,
					     .plain_len = i };

		memset(member.digest.bytes, (int)i, RVS_DIGEST_LEN);
		add_member(&members, &member);
	}
	assert_int_equal(rvs_members_encode(&members, &index, NULL), 0);
	assert_int_equal(rvs_members_decode(index.bytes, index.len, &found,
					    NULL), 0);
	assert_int_equal(found.stream_count, 2);
	assert_string_equal(found.streams[1], "dir/vectors.bin.gz");
	assert_int_equal(found.count, 1000);
	for (i = 0; i < 1000; i++) {
		const struct rvs_member *a = &members.items[i];
		const struct rvs_member *b = &found.items[i];

		assert_int_equal(a->offset, b->offset);
		assert_int_equal(a->stream, b->stream);
		assert_int_equal(a->stored_len, b->stored_len);
		assert_int_equal(a->plain_len, b->plain_len);
		assert_true(rvs_digest_equal(&a->digest, &b->digest));
	}
}

static void test_an_empty_index_comes_back(void **state)
{
	const struct rvs_members none = RVS_MEMBERS_INIT;
	RVS_CLEANUP(rvs_members_done)
	struct rvs_members found = RVS_MEMBERS_INIT;
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf index = RVS_BUF_INIT;

	assert_int_equal(rvs_members_encode(&none, &index, NULL), 0);
	assert_int_equal(rvs_members_decode(index.bytes, index.len, &found,
					    NULL), 0);
	assert_int_equal(found.count, 0);
}

static void test_every_flipped_bit_and_cut_is_found(void **state)
{
	const struct rvs_member member = { .stored_len = 100 };
	RVS_CLEANUP(rvs_buf_done)
	struct rvs_buf index = encode_one("a.gz", &member);
	size_t i;

	for (i = 0; i < 8 * index.len; i++) {
		index.bytes[i / 8] ^= (uint8_t)(1u << i % 8);
		expect_corrupt(index.bytes, index.len);
		index.bytes[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	for (i = 0; i < index.len; i++)
		expect_corrupt(index.bytes, i);
}

static void test_unsafe_names_of_streams_are_refused(void **state)
{
	static const char *const names[] = { "", "/a", "../a", "a/../b", "a/",
					     "." };
	const struct rvs_member member = { .stored_len = 100 };
	char name[RVS_STREAM_NAME_MAX + 2];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		RVS_CLEANUP(rvs_buf_done)
		struct rvs_buf index = encode_one(names[i], &member);

		expect_rule(&index);
	}
	for (i = 0; i < sizeof(name) - 1; i++)
		name[i] = i % 100 ? 'n' : '/';
	name[0] = 'n';
	name[sizeof(name) - 1] = '\0';
	RVS_CLEANUP(rvs_buf_done)
	struct rvs_buf index = encode_one(name, &member);
	expect_rule(&index);
}

static void test_members_out_of_bounds_are_refused(void **state)
{
	const struct rvs_member bad[] = {
		{ .stored_len = 100, .stream = 1 },
		{ .stored_len = 100, .stream = UINT32_MAX },
		{ .stored_len = RVS_MEMBER_STORED_MAX + 1 },
		{ .stored_len = 100, .plain_len = RVS_MEMBER_PLAIN_MAX + 1 },
		{ .stored_len = 100, .offset = UINT64_MAX },
		{ .stored_len = 100, .offset = INT64_MAX },
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		RVS_CLEANUP(rvs_buf_done)
		struct rvs_buf index = encode_one("a.gz", &bad[i]);

		expect_rule(&index);
	}
}

/* Counts lie at bytes 8 and 12. */
static void test_huge_counts_allocate_nothing(void **state)
{
	const struct rvs_member member = { .stored_len = 100 };
	size_t at;

	for (at = 8; at <= 12; at += 4) {
		RVS_CLEANUP(rvs_buf_done)
		struct rvs_buf index = encode_one("a.gz", &member);

		memset(index.bytes + at, 0xff, 4);
		expect_rule(&index);
		index.bytes[at + 3] = 0x7f;
		expect_rule(&index);
	}
}

static void test_trailing_bytes_are_refused(void **state)
{
	const struct rvs_member member = { .stored_len = 100 };
	RVS_CLEANUP(rvs_buf_done)
	struct rvs_buf index = encode_one("a.gz", &member);

	rvs_buf_put(&index, "more", 4);
	expect_rule(&index);
}

static void test_another_version_is_refused(void **state)
{
	const struct rvs_member member = { .stored_len = 100 };
	RVS_CLEANUP(rvs_buf_done)
	struct rvs_buf index = encode_one("a.gz", &member);

	index.bytes[7]++;
	expect_rule(&index);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_index_comes_back),
		cmocka_unit_test(test_an_empty_index_comes_back),
		cmocka_unit_test(test_every_flipped_bit_and_cut_is_found),
		cmocka_unit_test(test_unsafe_names_of_streams_are_refused),
		cmocka_unit_test(test_members_out_of_bounds_are_refused),
		cmocka_unit_test(test_huge_counts_allocate_nothing),
		cmocka_unit_test(test_trailing_bytes_are_refused),
		cmocka_unit_test(test_another_version_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
