/*
 * Goal: files are replaced whole, nothing beneath a directory is reached
 * through a link, and removing follows none.
 */
#include "sandbox.h"

#include <errno.h>

static int open_here(void)
{
	int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static bool exists(const char *path)
{
	return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void test_replace_leaves_one_whole_file(void **state)
{
	RVS_CLEANUP(rvs_cleanup_fd) int dir = open_here();
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf found = RVS_BUF_INIT;
	struct rvs_error err = RVS_ERROR_INIT;

	expect_ok(rvs_io_replace(dir, "name", "old", 3, &err), err);
	expect_ok(rvs_io_replace(dir, "name", "newer", 5, &err), err);
	found = read_whole("name");
	assert_int_equal(found.len, 5);
	assert_memory_equal(found.bytes, "newer", 5);
	assert_false(exists(".tmp-name"));
}

/* Someone planted a link where the temporary file goes. */
static void test_replace_writes_through_no_link(void **state)
{
	RVS_CLEANUP(rvs_cleanup_fd) int dir = open_here();
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf found = RVS_BUF_INIT;
	struct rvs_error err = RVS_ERROR_INIT;

	write_text("victim", "safe");
	assert_int_equal(symlink("victim", ".tmp-name"), 0);
	(void)rvs_io_replace(dir, "name", "new", 3, &err);
	found = read_whole("victim");
	assert_memory_equal(found.bytes, "safe", 4);
}

static void test_replace_fails_and_keeps_the_old(void **state)
{
	RVS_CLEANUP(rvs_cleanup_fd) int dir = open_here();
	struct rvs_error err = RVS_ERROR_INIT;

	assert_int_equal(mkdir("name", 0700), 0);
	assert_true(rvs_io_replace(dir, "name", "new", 3, &err) < 0);
	assert_non_null(strstr(err.text, "name"));
	assert_false(exists(".tmp-name"));
}

static void test_open_beneath_refuses_links_and_parents(void **state)
{
	RVS_CLEANUP(rvs_cleanup_fd) int dir = open_here();
	RVS_CLEANUP(rvs_cleanup_fd) int fd = -1;

	assert_int_equal(mkdir("d", 0700), 0);
	write_text("d/f", "x");
	assert_int_equal(symlink("d", "link"), 0);
	assert_int_equal(symlink("f", "d/link"), 0);
	fd = rvs_io_open_beneath(dir, "d/f", O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(rvs_io_open_beneath(dir, "link/f", O_RDONLY), -1);
	assert_int_equal(errno, ELOOP);
	assert_int_equal(rvs_io_open_beneath(dir, "d/link", O_RDONLY), -1);
	assert_int_equal(rvs_io_open_beneath(dir, "d/../../etc", O_RDONLY), -1);
	assert_int_equal(rvs_io_open_beneath(dir, "/etc", O_RDONLY), -1);
}

static void test_read_file_is_bounded_and_follows_no_link(void **state)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf buf = RVS_BUF_INIT;
	struct rvs_error err = RVS_ERROR_INIT;

	write_text("f", "four");
	assert_int_equal(symlink("f", "link"), 0);
	expect_status(rvs_io_read_file(AT_FDCWD, "f", 3, &buf, &err),
		      RVS_ERR_REFUSED, err);
	expect_status(rvs_io_read_file(AT_FDCWD, "none", 9, &buf, &err),
		      RVS_ERR_NOT_FOUND, err);
	assert_true(rvs_io_read_file(AT_FDCWD, "link", 9, &buf, &err) < 0);
	assert_int_equal(buf.len, 0);
	expect_ok(rvs_io_read_file(AT_FDCWD, "f", 4, &buf, &err), err);
	assert_int_equal(buf.len, 4);
}

static void test_remove_all_follows_no_link(void **state)
{
	struct rvs_error err = RVS_ERROR_INIT;

	assert_int_equal(mkdir("keep", 0700), 0);
	write_text("keep/f", "x");
	assert_int_equal(mkdir("gone", 0700), 0);
	assert_int_equal(mkdir("gone/d", 0500), 0);
	assert_int_equal(symlink("../keep", "gone/link"), 0);
	assert_int_equal(symlink("../../keep/f", "gone/d/link"), 0);
	write_text("gone/f", "x");
	expect_ok(rvs_io_remove_all(AT_FDCWD, "gone", &err), err);
	assert_false(exists("gone"));
	assert_true(exists("keep/f"));

	/* The name itself is a link. */
	assert_int_equal(symlink("keep", "link"), 0);
	expect_ok(rvs_io_remove_all(AT_FDCWD, "link", &err), err);
	assert_true(exists("keep/f"));
	expect_ok(rvs_io_remove_all(AT_FDCWD, "never was", &err), err);
}

static void test_pread_is_short_only_at_the_end(void **state)
{
	RVS_CLEANUP(rvs_cleanup_fd) int fd = -1;
	char bytes[8];

	write_text("f", "12345");
	fd = open("f", O_RDONLY | O_CLOEXEC);
	assert_int_equal(rvs_io_pread(fd, bytes, 4, 0), 4);
	assert_int_equal(rvs_io_pread(fd, bytes, 4, 3), 2);
	assert_int_equal(rvs_io_pread(fd, bytes, 4, 5), 0);
	assert_int_equal(rvs_io_pread(-1, bytes, 4, 0), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_replace_leaves_one_whole_file),
		sandbox_test(test_replace_writes_through_no_link),
		sandbox_test(test_replace_fails_and_keeps_the_old),
		sandbox_test(test_open_beneath_refuses_links_and_parents),
		sandbox_test(test_read_file_is_bounded_and_follows_no_link),
		sandbox_test(test_remove_all_follows_no_link),
		sandbox_test(test_pread_is_short_only_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
