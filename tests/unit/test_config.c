/*
 * Goal: store.json comes back as it was written; a newer format is refused
 * whatever else it says, and rubbish is no configuration.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/config.h"

#define UUID "01234567-89ab-4cde-8f01-23456789abcd"

static int parse(const char *text, struct rvs_error *err)
{
	struct rvs_store_config config;
	int r = rvs_config_parse(text, strlen(text), &config, err);

	if (r == 0)
		rvs_config_done(&config);
	return r;
}

static void test_a_configuration_comes_back(void **state)
{
	const char *const excludes[] = { "*.tmp", "!raw\xff.tmp", NULL };
	const char *const before[] = { "freeze", "--now", NULL };
	const struct rvs_store_config config = { .uuid = UUID,
						 .source = "/data/\xff raw",
						 .level = 9,
						 .excludes = excludes,
						 .before_hook = before,
						 .hook_timeout_s = 5,
						 .settle_s = 90 };
	RVS_CLEANUP(rvs_config_done) struct rvs_store_config found;
	RVS_CLEANUP(rvs_cleanup_free) char *text = NULL;

	text = rvs_config_format(&config);
	assert_int_equal(rvs_config_parse(text, strlen(text), &found, NULL),
			 0);
	assert_string_equal(found.uuid, UUID);
	assert_int_equal(found.level, 9);
	assert_string_equal(found.source, config.source);
	assert_string_equal(found.excludes[1], excludes[1]);
	assert_null(found.excludes[2]);
	assert_string_equal(found.before_hook[1], before[1]);
	assert_null(found.after_hook);
	assert_int_equal(found.hook_timeout_s, 5);
	assert_int_equal(found.settle_s, 90);
}

static void test_a_source_may_be_left_out(void **state)
{
	const struct rvs_store_config config = { .uuid = UUID };
	RVS_CLEANUP(rvs_config_done) struct rvs_store_config found;
	RVS_CLEANUP(rvs_cleanup_free) char *text = NULL;

	text = rvs_config_format(&config);
	assert_int_equal(rvs_config_parse(text, strlen(text), &found, NULL),
			 0);
	assert_null(found.source);
	assert_null(found.excludes);
}

static void test_a_newer_format_is_refused(void **state)
{
	struct rvs_error err = { 0 };

	assert_int_equal(parse("{\"format\": 2, \"uuid\": {}, \"level\": -1}",
			       &err), RVS_ERR_REFUSED);
	assert_non_null(strstr(err.text, "newer"));
}

static void test_rubbish_is_corrupt(void **state)
{
	static const char *const texts[] = {
		"", "{", "[]", "null", "{}", "\xff",
		"{\"format\": 1, \"uuid\": \"" UUID "\", \"level\": 1, "
		"\"excludes\": \"*\"}",
		"{\"format\": 1, \"uuid\": \"" UUID "\", \"level\": 1, "
		"\"after_hook\": []}",
		"{\"format\": 1, \"uuid\": \"" UUID "\", \"level\": 1, "
		"\"hook_timeout_s\": -1}",
		"{\"format\": 1, \"uuid\": \"" UUID "\", \"level\": 1, "
		"\"settle_seconds\": -1}",
		"{\"format\": 0, \"uuid\": \"" UUID "\", \"level\": 1}",
		"{\"format\": \"1\", \"uuid\": \"" UUID "\", \"level\": 1}",
		"{\"format\": 1, \"uuid\": \"" UUID "\"}",
		"{\"format\": 1, \"uuid\": \"" UUID "\", \"level\": 10}",
		"{\"format\": 1, \"uuid\": \"" UUID "\", \"level\": -1}",
		"{\"format\": 1, \"uuid\": \"" UUID "0\", \"level\": 1}",
		"{\"format\": 1, \"uuid\": 7, \"level\": 1}",
		"{\"format\": 1, \"uuid\": \"" UUID "\", \"level\": 1, "
		"\"source\": 7}",
		"{\"format\": 1, \"uuid\": \"" UUID "\", \"level\": 1, "
		"\"level\": 1}",
		"{\"format\": 1, \"uuid\": \"" UUID "\", \"level\": 1} more",
	};
	struct rvs_error err = { 0 };
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (parse(texts[i], &err) != RVS_ERR_CORRUPT)
			fail_msg("%s: %s", texts[i], err.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_configuration_comes_back),
		cmocka_unit_test(test_a_source_may_be_left_out),
		cmocka_unit_test(test_a_newer_format_is_refused),
		cmocka_unit_test(test_rubbish_is_corrupt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
