/*
 * Goal: a source is reached by paths that do not lead out of it, and through no
 * link; what cannot be read is told from what is amiss here.
 */
#include "sandbox.h"

#include <errno.h>
#include <sys/xattr.h>

#include "source/source.h"

static struct rvs_source *open_source(const char *path)
{
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_source *source = NULL;

	expect_ok(rvs_source_open(path, &source, &err), err);
	return source;
}

static void test_a_source_must_be_there(void **state)
{
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_source *source = NULL;

	expect_status(rvs_source_open("none", &source, &err),
		      RVS_ERR_NOT_FOUND, err);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	expect_status(rvs_source_open("fifo", &source, &err), RVS_ERR_USAGE,
		      err);
	assert_null(source);
}

static void test_opening_follows_no_link(void **state)
{
	RVS_CLEANUP(rvs_source_cleanup) struct rvs_source *source = NULL;
	struct rvs_error err = RVS_ERROR_INIT;
	int fd;

	assert_int_equal(mkdir("s", 0755), 0);
	assert_int_equal(mkdir("s/d", 0755), 0);
	write_text("s/d/file", "x");
	write_text("secret", "x");
	assert_int_equal(symlink("d", "s/link"), 0);
	assert_int_equal(symlink("../secret", "s/out"), 0);
	assert_int_equal(mkfifo("s/fifo", 0600), 0);
	source = open_source("s");
	assert_true(rvs_source_open_file(source, "link/file", &fd, &err) < 0);
	assert_true(rvs_source_open_file(source, "out", &fd, &err) < 0);
	assert_true(rvs_source_open_file(source, "../secret", &fd, &err) < 0);
	expect_status(rvs_source_open_file(source, "fifo", &fd, &err),
		      RVS_ERR_BUSY, err);
	expect_status(rvs_source_open_file(source, "gone", &fd, &err),
		      RVS_ERR_NOT_FOUND, err);
}

static void test_attributes_come_in_order(void **state)
{
	RVS_CLEANUP(rvs_source_cleanup) struct rvs_source *source = NULL;
	RVS_CLEANUP(rvs_cleanup_free) struct rvs_xattr *xattrs = NULL;
	struct rvs_error err = RVS_ERROR_INIT;
	uint32_t count;

	assert_int_equal(mkdir("s", 0755), 0);
	write_text("s/file", "x");
	if (setxattr("s/file", "user.b", "\0x", 2, 0) < 0)
		skip();
	assert_int_equal(setxattr("s/file", "user.a", "", 0, 0), 0);
	source = open_source("s");
	expect_ok(rvs_source_xattrs(source, "file", &xattrs, &count, &err),
		  err);
	assert_int_equal(count, 2);
	assert_string_equal(xattrs[0].name, "user.a");
	assert_int_equal(xattrs[0].value_len, 0);
	assert_string_equal(xattrs[1].name, "user.b");
	assert_memory_equal(xattrs[1].value, "\0x", 2);
}

static void test_a_file_is_the_entry_of_its_directory(void **state)
{
	RVS_CLEANUP(rvs_source_cleanup) struct rvs_source *source = NULL;
	RVS_CLEANUP(rvs_cleanup_fd) int fd = -1;
	struct rvs_error err = RVS_ERROR_INIT;
	struct stat st;

	assert_int_equal(mkdir("d", 0755), 0);
	write_text("d/file", "12345");
	assert_int_equal(symlink("d/file", "link"), 0);
	source = open_source("link"); /* the user's own link */
	assert_string_equal(rvs_source_file(source), "file");
	assert_int_equal(rvs_source_path(source)[0], '/');
	assert_int_equal(fstatat(rvs_source_fd(source), "file", &st, 0), 0);
	expect_ok(rvs_source_open_file(source, "file", &fd, &err), err);
	assert_int_equal(rvs_source_stat(source, "file", &st), 0);
	assert_int_equal(st.st_size, 5);
	assert_int_equal(rvs_source_stat(source, "none", &st), -1);
	assert_int_equal(errno, ENOENT);
}

static void test_scratch_leaves_no_name(void **state)
{
	RVS_CLEANUP(rvs_source_cleanup) struct rvs_source *source = NULL;
	RVS_CLEANUP(rvs_cleanup_fd) int fd = -1;
	struct stat st;

	assert_int_equal(mkdir("s", 0755), 0);
	source = open_source("s");
	assert_null(rvs_source_file(source));
	fd = rvs_source_scratch(source);
	if (fd < 0 && errno == EOPNOTSUPP)
		skip();
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_nlink, 0);
	assert_int_equal(rmdir("s"), 0);
}

static void test_what_cannot_be_read_is_told(void **state)
{
	assert_true(rvs_source_is_unreadable(EACCES));
	assert_true(rvs_source_is_unreadable(EIO));
	assert_false(rvs_source_is_unreadable(ENOENT));
	assert_false(rvs_source_is_unreadable(EMFILE));
	assert_false(rvs_source_is_unreadable(0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_a_source_must_be_there),
		sandbox_test(test_a_file_is_the_entry_of_its_directory),
		sandbox_test(test_opening_follows_no_link),
		sandbox_test(test_attributes_come_in_order),
		sandbox_test(test_scratch_leaves_no_name),
		sandbox_test(test_what_cannot_be_read_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
