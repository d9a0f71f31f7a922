/*
 * Goal: any bytes of a path come back from JSON, and text that no path gave is
 * refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/json.h"

static void expect_round_trip(const char *bytes)
{
	RVS_CLEANUP(rvs_json_cleanup) json_t *object = json_object();
	RVS_CLEANUP(rvs_json_cleanup) json_t *again = NULL;
	RVS_CLEANUP(rvs_cleanup_free) char *text = NULL, *found = NULL;

	assert_int_equal(json_object_set_new(object, "path",
					     rvs_json_text(bytes)), 0);
	text = json_dumps(object, 0);
	assert_non_null(text);
	again = json_loads(text, 0, NULL);
	assert_non_null(again);
	assert_int_equal(rvs_json_get_text(again, "path", &found), 0);
	assert_string_equal(found, bytes);
}

static void test_any_bytes_come_back(void **state)
{
	static const char *const texts[] = {
		"", "plain", "a\\b", "\\x41", "\\", "\\\\", "tab\tnewline\n",
		"gr\xc3\xbc\xc3\x9f", "\xf0\x9f\x8e\x89", "\xff", "\xc3",
		"\xc3(", "\xe2\x82", "\xf0\x9f\x8e", "\xed\xa0\x80",
		"\xc0\xaf", "\xf8\x88\x80\x80\x80", "\xf4\x90\x80\x80", "\"",
	};
	char all[256];
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		expect_round_trip(texts[i]);
	for (i = 0; i < 255; i++)
		all[i] = (char)(i + 1);
	all[255] = '\0';
	expect_round_trip(all);
}

static void test_valid_text_is_left_readable(void **state)
{
	RVS_CLEANUP(rvs_json_cleanup)
	json_t *text = rvs_json_text("gr\xc3\xbc\xc3\x9f\xff\\");

	assert_string_equal(json_string_value(text),
			    "gr\xc3\xbc\xc3\x9f\\xff\\\\");
}

static void expect_refused(const char *text)
{
	RVS_CLEANUP(rvs_json_cleanup)
	json_t *object = json_pack("{s:s}", "path", text);
	char *found = NULL;

	if (rvs_json_get_text(object, "path", &found) == 0)
		fail_msg("%s was taken for \"%s\"", text, found);
}

static void test_malformed_escapes_are_refused(void **state)
{
	static const char *const texts[] = {
		"\\", "a\\", "\\x", "\\x4", "\\xg0", "\\x0g", "\\n", "\\X41",
		"\\x 1", "\\x+1", "\\x-1",
		"\\x00", /* would hide what follows */
	};
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		expect_refused(texts[i]);
}

static void test_what_is_no_string_is_refused(void **state)
{
	RVS_CLEANUP(rvs_json_cleanup)
	json_t *object = json_pack("{s:i, s:n}", "number", 1, "null");
	char *found = NULL;

	assert_int_equal(rvs_json_get_text(object, "number", &found), -1);
	assert_int_equal(rvs_json_get_text(object, "null", &found), -1);
	assert_int_equal(rvs_json_get_text(object, "absent", &found), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_bytes_come_back),
		cmocka_unit_test(test_valid_text_is_left_readable),
		cmocka_unit_test(test_malformed_escapes_are_refused),
		cmocka_unit_test(test_what_is_no_string_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
