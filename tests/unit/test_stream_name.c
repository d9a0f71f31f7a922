/*
 * Goal: a file has a stream only where its name can be an object's, and no
 * other object's folder.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "job/stream_name.h"

static void test_ordinary_names_fit(void **state)
{
	static const char *const paths[] = { "a", "a/b/c", "a.gz", "manifest",
					     "checksum.sha256", "x/0.bundle/y",
					     "new\nline", " ", "manifests/a",
					     "a.gzip/b" };
	size_t i;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (!rvs_stream_name_fits(paths[i]))
			fail_msg("'%s' should fit", paths[i]);
}

static void test_names_that_would_meet_others_do_not(void **state)
{
	static const char *const paths[] = { "a.gz/b", "x/a.gz/b/c",
					     "manifest/a", "0.bundle/a",
					     "metadata.json/a",
					     "members.idx/a/b",
					     "checksum.sha256/a" };
	size_t i;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (rvs_stream_name_fits(paths[i]))
			fail_msg("'%s' should not fit", paths[i]);
}

/* @count characters, cut by slashes into parts of @part. */
static char *long_path(size_t count, size_t part)
{
	char *path = malloc(count + 1);
	size_t i;

	assert_non_null(path);
	for (i = 0; i < count; i++)
		path[i] = i % (part + 1) == part ? '/' : 'n';
	path[count] = '\0';
	return path;
}

static void expect_fits(size_t count, size_t part, int wanted)
{
	char *path = long_path(count, part);

	assert_int_equal(rvs_stream_name_fits(path), wanted);
	free(path);
}

static void test_long_names(void **state)
{
	expect_fits(252, 300, 1);
	expect_fits(253, 300, 0);
	expect_fits(1021, 100, 1);
	expect_fits(1022, 100, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ordinary_names_fit),
		cmocka_unit_test(test_names_that_would_meet_others_do_not),
		cmocka_unit_test(test_long_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
