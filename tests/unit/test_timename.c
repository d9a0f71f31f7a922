/*
 * Goal: moments and their names are one to one, and nothing else is a name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "timename.h"

static const struct timespec moment = { 1795342500, 120450007 };

static void test_names(void **state)
{
	char name[TIMENAME_SIZE];

	assert_string_equal(timename_exact(moment, name),
			    "2026-11-22T10:15:00.120450007Z");
	assert_string_equal(timename_gmt(moment, name),
			    "@GMT-2026.11.22-10.15.00");
}

static void test_names_come_back(void **state)
{
	const struct timespec moments[] = {
		moment, { 0, 0 }, { 1, 999999999 }, { -1, 5 },
		{ 253402300799, 1 }, /* the last second of 9999 */
	};
	char name[TIMENAME_SIZE];
	struct timespec found;
	bool exact;
	size_t i;

	for (i = 0; i < sizeof(moments) / sizeof(moments[0]); i++) {
		timename_exact(moments[i], name);
		assert_true(timename_parse(name, &found, &exact));
		assert_true(exact);
		assert_memory_equal(&found, &moments[i], sizeof(found));
		timename_gmt(moments[i], name);
		assert_true(timename_parse(name, &found, &exact));
		assert_false(exact);
		assert_int_equal(found.tv_sec, moments[i].tv_sec);
		assert_int_equal(found.tv_nsec, 0);
	}
}

static void test_anything_else_is_no_name(void **state)
{
	const char *const names[] = {
		"", "@", "@GMT-", "nightly", "20261122T101500Z-9f2c",
		"2026-11-22T10:15:00Z", "2026-11-22T10:15:00.5Z",
		"2026-11-22T10:15:00.120450007", "2026-11-22T10:15:00.-20450007Z",
		"2026-11-22T10:15:00.120450007Zx",
		"2026-11-22 10:15:00.120450007Z",
		"2026-02-30T10:15:00.120450007Z",
		"2026-11-22T10:15:61.120450007Z",
		"2026-11-22T 9:15:00.120450007Z",
		"@GMT-2026.11.22-10.15.00x", "@GMT-2026.11.22-10.15",
		"@GMT-2026.13.22-10.15.00", "@gmt-2026.11.22-10.15.00",
		" @GMT-2026.11.22-10.15.00", "@GMT-2026.11.22-25.15.00",
	};
	struct timespec found;
	bool exact;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (timename_parse(names[i], &found, &exact))
			fail_msg("'%s' is no name", names[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_names_come_back),
		cmocka_unit_test(test_anything_else_is_no_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
