/*
 * Goal: digests are SHA-256, at once or running, and text that is none is
 * refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/cleanup.h"
#include "format/digest.h"

/* FIPS 180-2, appendix B.1. */
static const char abc[] =
	"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

static void test_known_answers(void **state)
{
	char hex[RVS_DIGEST_HEX_SIZE];
	struct rvs_digest digest;

	assert_int_equal(rvs_digest_of("abc", 3, &digest, NULL), 0);
	assert_string_equal(rvs_digest_hex(&digest, hex), abc);
	assert_int_equal(rvs_digest_of("", 0, &digest, NULL), 0);
	assert_string_equal(rvs_digest_hex(&digest, hex),
			    "e3b0c44298fc1c149afbf4c8996fb924"
			    "27ae41e4649b934ca495991b7852b855");
}

static void test_a_hasher_starts_anew_when_finished(void **state)
{
	RVS_CLEANUP(rvs_hasher_cleanup) struct rvs_hasher *hasher = NULL;
	struct rvs_digest once, running;

	assert_int_equal(rvs_hasher_new(&hasher, NULL), 0);
	assert_int_equal(rvs_digest_of("abc", 3, &once, NULL), 0);
	rvs_hasher_add(hasher, "rest", 4);
	assert_int_equal(rvs_hasher_finish(hasher, &running, NULL), 0);
	assert_false(rvs_digest_equal(&once, &running));
	rvs_hasher_add(hasher, "a", 1);
	rvs_hasher_add(hasher, "", 0);
	rvs_hasher_add(hasher, "bc", 2);
	assert_int_equal(rvs_hasher_finish(hasher, &running, NULL), 0);
	assert_true(rvs_digest_equal(&once, &running));
}

static void test_parse_is_strict(void **state)
{
	struct rvs_digest digest, wanted;
	char text[80];

	assert_int_equal(rvs_digest_of("abc", 3, &wanted, NULL), 0);
	assert_int_equal(rvs_digest_parse(abc, &digest, NULL), 0);
	assert_true(rvs_digest_equal(&digest, &wanted));
	assert_int_equal(rvs_digest_parse("", &digest, NULL), RVS_ERR_CORRUPT);
	assert_int_equal(rvs_digest_parse(abc + 1, &digest, NULL),
			 RVS_ERR_CORRUPT);
	(void)strcpy(text, abc);
	text[63] = 'g';
	assert_int_equal(rvs_digest_parse(text, &digest, NULL),
			 RVS_ERR_CORRUPT);
	text[63] = 'D'; /* one text for one digest */
	assert_int_equal(rvs_digest_parse(text, &digest, NULL),
			 RVS_ERR_CORRUPT);
	(void)strcat(strcpy(text, abc), "0");
	assert_int_equal(rvs_digest_parse(text, &digest, NULL),
			 RVS_ERR_CORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_answers),
		cmocka_unit_test(test_a_hasher_starts_anew_when_finished),
		cmocka_unit_test(test_parse_is_strict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
