/*
 * Goal: integers come back as they were put, and a cursor neither reads beyond
 * its bytes nor takes a malformed varint for a number.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"

static void test_varints_come_back(void **state)
{
	static const uint64_t values[] = { 0, 1, 0x7f, 0x80, 0x3fff, 0x4000,
					   UINT32_MAX, INT64_MAX, UINT64_MAX };
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf buf = RVS_BUF_INIT;
	struct rvs_cursor at;
	size_t i;

	for (i = 0; i < sizeof(values) / sizeof(*values); i++)
		rvs_buf_put_varint(&buf, values[i]);
	at = rvs_cursor_of(buf.bytes, buf.len);
	for (i = 0; i < sizeof(values) / sizeof(*values); i++)
		assert_int_equal(rvs_cursor_varint(&at), values[i]);
	assert_false(at.failed);
	assert_int_equal(rvs_cursor_left(&at), 0);
}

static void test_signed_varints_come_back(void **state)
{
	static const int64_t values[] = { 0, -1, 1, -64, 64, INT64_MIN,
					  INT64_MAX };
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf buf = RVS_BUF_INIT;
	struct rvs_cursor at;
	size_t i;

	for (i = 0; i < sizeof(values) / sizeof(*values); i++)
		rvs_buf_put_signed(&buf, values[i]);
	at = rvs_cursor_of(buf.bytes, buf.len);
	for (i = 0; i < sizeof(values) / sizeof(*values); i++)
		assert_int_equal(rvs_cursor_signed(&at), values[i]);
	assert_false(at.failed);
}

static void test_malformed_varints_fail(void **state)
{
	static const uint8_t endless[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
					   0xff, 0xff, 0xff, 0xff, 0xff, 0x01 };
	static const uint8_t large[] = { 0xff, 0xff, 0xff, 0xff, 0xff,
					 0xff, 0xff, 0xff, 0xff, 0x02 };
	static const uint8_t cut[] = { 0x80, 0x80 };
	static const uint8_t longer[] = { 0x85, 0x80, 0x00 };
	struct rvs_cursor at = rvs_cursor_of(endless, sizeof(endless));

	assert_int_equal(rvs_cursor_varint(&at), 0);
	assert_true(at.failed);
	at = rvs_cursor_of(large, sizeof(large));
	(void)rvs_cursor_varint(&at);
	assert_true(at.failed);
	at = rvs_cursor_of(cut, sizeof(cut));
	(void)rvs_cursor_varint(&at);
	assert_true(at.failed);
	/* 5, which is one byte. */
	at = rvs_cursor_of(longer, sizeof(longer));
	(void)rvs_cursor_varint(&at);
	assert_true(at.failed);
}

static void test_fixed_integers_are_little_endian(void **state)
{
	static const uint8_t wanted[] = { 1, 2, 1, 4, 3, 2, 1, 8,
					  7, 6, 5, 4, 3, 2, 1 };
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf buf = RVS_BUF_INIT;
	struct rvs_cursor at;

	rvs_buf_put_u8(&buf, 1);
	rvs_buf_put_u16(&buf, 0x0102);
	rvs_buf_put_u32(&buf, 0x01020304);
	rvs_buf_put_u64(&buf, 0x0102030405060708);
	assert_int_equal(buf.len, sizeof(wanted));
	assert_memory_equal(buf.bytes, wanted, sizeof(wanted));
	at = rvs_cursor_of(buf.bytes, buf.len);
	assert_int_equal(rvs_cursor_u8(&at), 1);
	assert_int_equal(rvs_cursor_u16(&at), 0x0102);
	assert_int_equal(rvs_cursor_u32(&at), 0x01020304);
	assert_int_equal(rvs_cursor_u64(&at), 0x0102030405060708);
}

static void test_a_cursor_stops_at_its_end_and_stays_failed(void **state)
{
	static const uint8_t bytes[] = { 1, 2, 3 };
	struct rvs_cursor at = rvs_cursor_of(bytes, sizeof(bytes));

	assert_int_equal(rvs_cursor_u32(&at), 0);
	assert_true(at.failed);
	assert_int_equal(rvs_cursor_u8(&at), 0);
	at = rvs_cursor_of(bytes, sizeof(bytes));
	assert_null(rvs_cursor_bytes(&at, SIZE_MAX));
	assert_true(at.failed);
}

static void test_a_blob_is_bounded_before_it_is_read(void **state)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf buf = RVS_BUF_INIT;
	struct rvs_cursor at;
	const uint8_t *bytes;
	size_t len;

	rvs_buf_put_blob(&buf, "four", 4);
	at = rvs_cursor_of(buf.bytes, buf.len);
	bytes = rvs_cursor_blob(&at, 4, &len);
	assert_int_equal(len, 4);
	assert_memory_equal(bytes, "four", 4);
	at = rvs_cursor_of(buf.bytes, buf.len);
	assert_null(rvs_cursor_blob(&at, 3, &len));
	assert_int_equal(len, 0);
	assert_true(at.failed);
	at = rvs_cursor_of(buf.bytes, buf.len - 1);
	assert_null(rvs_cursor_blob(&at, 100, &len));
	assert_true(at.failed);
}

static void test_a_failed_reservation_sticks(void **state)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf buf = RVS_BUF_INIT;

	rvs_buf_put_u8(&buf, 1);
	assert_int_equal(rvs_buf_check(&buf, NULL), 0);
	assert_null(rvs_buf_reserve(&buf, SIZE_MAX / 2));
	rvs_buf_put_u8(&buf, 2);
	assert_int_equal(buf.len, 1);
	assert_int_equal(rvs_buf_check(&buf, NULL), RVS_ERR_NO_MEMORY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_varints_come_back),
		cmocka_unit_test(test_signed_varints_come_back),
		cmocka_unit_test(test_malformed_varints_fail),
		cmocka_unit_test(test_fixed_integers_are_little_endian),
		cmocka_unit_test(test_a_cursor_stops_at_its_end_and_stays_failed),
		cmocka_unit_test(test_a_blob_is_bounded_before_it_is_read),
		cmocka_unit_test(test_a_failed_reservation_sticks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
