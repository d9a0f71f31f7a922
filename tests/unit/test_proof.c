/*
 * Goal: what was proved is taken, and nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <rvs/digest.h>

#include "base/cleanup.h"
#include "format/proof.h"

static void test_what_was_proved_is_taken(void **state)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf bytes = RVS_BUF_INIT;
	size_t len;

	rvs_buf_put(&bytes, "before", 6); /* not of it */
	rvs_buf_put(&bytes, "text", 4);
	assert_int_equal(rvs_proof_put(&bytes, 6, NULL), 0);
	len = bytes.len - 6;
	assert_int_equal(rvs_proof_check(bytes.bytes + 6, &len, NULL), 0);
	assert_int_equal(len, 4);
}

static void test_nothing_can_be_proved(void **state)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf bytes = RVS_BUF_INIT;
	size_t len;

	assert_int_equal(rvs_proof_put(&bytes, 0, NULL), 0);
	len = bytes.len;
	assert_int_equal(rvs_proof_check(bytes.bytes, &len, NULL), 0);
	assert_int_equal(len, 0);
}

static void test_flipped_bits_and_cuts_are_found(void **state)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf bytes = RVS_BUF_INIT;
	struct rvs_error err = RVS_ERROR_INIT;
	size_t i, len;

	rvs_buf_put(&bytes, "text", 4);
	assert_int_equal(rvs_proof_put(&bytes, 0, NULL), 0);
	for (i = 0; i < 8 * bytes.len; i++) {
		len = bytes.len;
		bytes.bytes[i / 8] ^= (uint8_t)(1u << i % 8);
		assert_int_equal(rvs_proof_check(bytes.bytes, &len, &err),
				 RVS_ERR_CORRUPT);
		bytes.bytes[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	for (i = 0; i < bytes.len; i++) {
		len = i;
		assert_int_equal(rvs_proof_check(bytes.bytes, &len, &err),
				 RVS_ERR_CORRUPT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_proved_is_taken),
		cmocka_unit_test(test_nothing_can_be_proved),
		cmocka_unit_test(test_flipped_bits_and_cuts_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
