/*
 * Goal: a clone is the file as it was, whatever becomes of the file, and has no
 * name; where the filesystem cannot clone, it is asked no more than needed.
 */
#include "sandbox.h"

#include <dirent.h>

#include "source/clone.h"
#include "source/source.h"

static unsigned count_names(const char *path)
{
	RVS_CLEANUP(rvs_cleanup_dir) DIR *dir = opendir(path);
	unsigned count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	return count - 2;
}

static void test_a_clone_or_none(void **state)
{
	RVS_CLEANUP(rvs_source_cleanup) struct rvs_source *source = NULL;
	RVS_CLEANUP(rvs_cleanup_fd) int fd = -1;
	RVS_CLEANUP(rvs_cleanup_fd) int clone = -1;
	struct rvs_cloner cloner = { .scratch = "no such directory" };
	struct rvs_error err = RVS_ERROR_INIT;
	char bytes[8] = "";

	assert_int_equal(mkdir("source", 0755), 0);
	write_text("source/file", "before");
	expect_ok(rvs_source_open("source", &source, &err), err);
	expect_ok(rvs_source_open_file(source, "file", &fd, &err), err);
	cloner.source = source;
	cloner.beside = true;
	clone = rvs_cloner_clone(&cloner, fd);
	assert_int_equal(count_names("source"), 1);
	if (clone < 0) {
		/* Most filesystems: then no file is asked for again. */
		assert_true(cloner.refused);
		assert_int_equal(rvs_cloner_clone(&cloner, fd),
				 RVS_CLONE_NONE);
		return;
	}
	write_at("source/file", "after!", 6, 0);
	assert_int_equal(pread(clone, bytes, sizeof(bytes), 0), 6);
	assert_string_equal(bytes, "before");
}

/* One that fails for a reason of its own says nothing of the others. */
static void test_one_failure_is_not_all(void **state)
{
	struct rvs_cloner cloner = { .scratch = "no such directory" };

	assert_int_equal(rvs_cloner_clone(&cloner, -1), RVS_CLONE_NONE);
	assert_false(cloner.refused);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_a_clone_or_none),
		sandbox_test(test_one_failure_is_not_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
