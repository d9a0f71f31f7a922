/*
 * Goal: no name out of a store leads out of a directory, and an id is an id.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "format/name.h"

static void test_unsafe_names_are_refused(void **state)
{
	static const char *const unsafe[] = { "", ".", "..", "/", "a/b", "a/" };
	static const char *const safe[] = { "a", "...", ".a", "..a", "a..",
					    "\xff", "\n", " " };
	char name[258];
	size_t i;

	for (i = 0; i < sizeof(unsafe) / sizeof(*unsafe); i++)
		assert_false(rvs_name_is_safe(unsafe[i]));
	for (i = 0; i < sizeof(safe) / sizeof(*safe); i++)
		assert_true(rvs_name_is_safe(safe[i]));
	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	assert_false(rvs_name_is_safe(name));
	name[255] = '\0';
	assert_true(rvs_name_is_safe(name));
}

static void test_unsafe_paths_are_refused(void **state)
{
	static const char *const unsafe[] = { "",     "/",    "/a",  "a/",
					      "a//b", "a/./b", "a/..", "../a",
					      "a/../../b" };
	size_t i;

	for (i = 0; i < sizeof(unsafe) / sizeof(*unsafe); i++)
		assert_false(rvs_path_is_safe(unsafe[i]));
	assert_true(rvs_path_is_safe("a"));
	assert_true(rvs_path_is_safe("a/b/..c"));
}

static void test_an_id_has_one_form(void **state)
{
	static const char id[] = "20261122T101500Z-9f2c";
	char text[32];
	size_t i;

	assert_true(rvs_id_is_valid(id));
	for (i = 0; id[i]; i++) {
		strcpy(text, id);
		text[i] = '/';
		assert_false(rvs_id_is_valid(text));
		text[i] = '\0';
		assert_false(rvs_id_is_valid(text));
	}
	assert_false(rvs_id_is_valid("20261122T101500Z-9f2c0"));
	assert_false(rvs_id_is_valid("20261122T101500Z-9F2C"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unsafe_names_are_refused),
		cmocka_unit_test(test_unsafe_paths_are_refused),
		cmocka_unit_test(test_an_id_has_one_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
