/*
 * Goal: a policy's text comes back as it was meant; what is no policy is refused
 * with a reason, above all one that would keep nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <rvs/job.h>

#include "base/cleanup.h"

/* @text is understood, and written as @expected. */
static void expect_format(const char *text, const char *expected)
{
	RVS_CLEANUP(rvs_cleanup_free) char *found = NULL;
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_policy policy;

	if (rvs_policy_parse(text, &policy, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	found = rvs_policy_format(&policy);
	assert_string_equal(found, expected);
	rvs_policy_done(&policy);
}

static void test_all_rules_come_back(void **state)
{
	static const char text[] =
		"keep-last=1 keep-hourly=2 keep-daily=3 keep-weekly=4 "
		"keep-monthly=5 keep-yearly=6 keep-within=5d keep-name=a* "
		"keep-name=[bc]?";
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_policy p;

	expect_format(text, text);
	assert_int_equal(rvs_policy_parse(text, &p, &err), 0);
	assert_int_equal(p.last, 1);
	assert_int_equal(p.hourly, 2);
	assert_int_equal(p.daily, 3);
	assert_int_equal(p.weekly, 4);
	assert_int_equal(p.monthly, 5);
	assert_int_equal(p.yearly, 6);
	assert_int_equal(p.within_s, 5 * 86400);
	assert_int_equal(p.name_count, 2);
	assert_string_equal(p.names[1], "[bc]?");
	rvs_policy_done(&p);
}

static void test_blanks_order_and_repetition(void **state)
{
	expect_format("\tkeep-daily=3   keep-last=2\n",
		      "keep-last=2 keep-daily=3");
	expect_format("keep-last=2 keep-last=5", "keep-last=5");
	expect_format("keep-last=2 keep-daily=0", "keep-last=2");
	expect_format("keep-name==x", "keep-name==x");
}

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} durations[] = {
		{ "keep-within=1s", 1 },	 { "keep-within=90m", 5400 },
		{ "keep-within=36h", 129600 },	 { "keep-within=4w", 2419200 },
		{ "keep-within=6M", 15552000 }, { "keep-within=2y", 63072000 },
	};
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_policy p;
	size_t i;

	for (i = 0; i < sizeof(durations) / sizeof(*durations); i++) {
		assert_int_equal(rvs_policy_parse(durations[i].text, &p, &err),
				 0);
		assert_int_equal(p.within_s, durations[i].seconds);
		rvs_policy_done(&p);
	}
	expect_format("keep-within=1440m", "keep-within=1d");
	expect_format("keep-within=61s", "keep-within=61s");
}

static void test_what_is_no_policy(void **state)
{
	static const char *const texts[] = {
		"", " \n", "keep-last=0", "keep-daily=0 keep-last=0", "last=8",
		"8", "keep-last", "keep-last=", "keep-last=x", "keep-last=-1",
		"keep-last=+1", "keep-last=1x", "keep-last=1000001",
		"keep-last=99999999999999999999", "keep-often=1", "keep-=1",
		"keep-within=", "keep-within=7", "keep-within=d",
		"keep-within=0d", "keep-within=-1d", "keep-within=7q",
		"keep-within=7dd", "keep-name=", "Keep-last=8",
		"keep-last=8 and more", "keep-last=8 keep-name=no such",
	};
	struct rvs_policy policy;
	struct rvs_error err;
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		err.text[0] = '\0';
		if (rvs_policy_parse(texts[i], &policy, &err) != RVS_ERR_USAGE)
			fail_msg("\"%s\" is accepted", texts[i]);
		assert_true(*err.text);
		assert_int_equal(policy.name_count, 0);
	}
}

static void test_limits(void **state)
{
	RVS_CLEANUP(rvs_cleanup_free) char *text = calloc(1, RVS_POLICY_MAX + 1);
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_policy policy;
	int i;

	assert_non_null(text);
	for (i = 0; i < 64; i++)
		strcat(text, "keep-name=x ");
	assert_int_equal(rvs_policy_parse(text, &policy, &err), 0);
	rvs_policy_done(&policy);
	strcat(text, "keep-name=x ");
	assert_int_equal(rvs_policy_parse(text, &policy, &err), RVS_ERR_USAGE);
	memset(text, ' ', RVS_POLICY_MAX);
	memcpy(text, "keep-last=1", strlen("keep-last=1"));
	assert_int_equal(rvs_policy_parse(text, &policy, &err), RVS_ERR_USAGE);
	text[RVS_POLICY_MAX - 1] = '\0';
	assert_int_equal(rvs_policy_parse(text, &policy, &err), 0);
	rvs_policy_done(&policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_rules_come_back),
		cmocka_unit_test(test_blanks_order_and_repetition),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_what_is_no_policy),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
