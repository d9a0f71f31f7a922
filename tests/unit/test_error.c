/*
 * Goal: an error keeps its status and its cause, however much context is put
 * before it, and whether or not anyone wants the text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/error.h"

static void test_errno_gives_the_status(void **state)
{
	static const struct {
		int code, status;
	} cases[] = {
		{ ENOENT, RVS_ERR_NOT_FOUND }, { EEXIST, RVS_ERR_EXISTS },
		{ ENOSPC, RVS_ERR_NO_SPACE },  { EDQUOT, RVS_ERR_NO_SPACE },
		{ EINTR, RVS_ERR_INTERRUPTED }, { ENOMEM, RVS_ERR_NO_MEMORY },
		{ EACCES, RVS_ERR_FAILED },
	};
	struct rvs_error err = RVS_ERROR_INIT;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		errno = cases[i].code;
		assert_int_equal(rvs_error_errno(&err, "the %s", "file"),
				 cases[i].status);
		assert_int_equal(err.os_error, cases[i].code);
		assert_non_null(strstr(err.text, strerror(cases[i].code)));
		errno = cases[i].code;
		assert_int_equal(rvs_error_errno(NULL, "the %s", "file"),
				 cases[i].status);
	}
}

static void test_context_comes_first(void **state)
{
	struct rvs_error err = RVS_ERROR_INIT;

	(void)rvs_error_set(&err, RVS_ERR_CORRUPT, "member %d", 7);
	assert_int_equal(rvs_error_context(&err, "stream %s", "a.gz"),
			 RVS_ERR_CORRUPT);
	assert_string_equal(err.text, "stream a.gz: member 7");
}

static void test_a_long_context_loses_its_beginning(void **state)
{
	struct rvs_error err = RVS_ERROR_INIT;
	char path[RVS_ERROR_TEXT_MAX - 48];

	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	(void)rvs_error_set(&err, RVS_ERR_CORRUPT, "the cause");
	(void)rvs_error_context(&err, "%s/end", path);
	assert_string_equal(err.text + strlen(err.text) -
				    strlen("x/end: the cause"),
			    "x/end: the cause");
	assert_memory_equal(err.text, "...x", 4);
}

static void test_contexts_upon_contexts_stay_terminated(void **state)
{
	struct rvs_error err = RVS_ERROR_INIT;
	int i;

	(void)rvs_error_set(&err, RVS_ERR_CORRUPT, "the cause");
	for (i = 0; i < 4096; i++)
		(void)rvs_error_context(&err, "in directory");
	assert_true(strlen(err.text) < sizeof(err.text));
	assert_int_equal(err.status, RVS_ERR_CORRUPT);
}

/* A format string of the cause's own text is not interpreted again. */
static void test_percent_signs_are_text(void **state)
{
	struct rvs_error err = RVS_ERROR_INIT;

	(void)rvs_error_set(&err, RVS_ERR_USAGE, "%s", "100%n%s");
	(void)rvs_error_context(&err, "%s", "%n");
	assert_string_equal(err.text, "%n: 100%n%s");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errno_gives_the_status),
		cmocka_unit_test(test_context_comes_first),
		cmocka_unit_test(test_a_long_context_loses_its_beginning),
		cmocka_unit_test(test_contexts_upon_contexts_stay_terminated),
		cmocka_unit_test(test_percent_signs_are_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
