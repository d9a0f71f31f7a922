/*
 * Goal: a database that is being written is read as one commit of it, one that
 * rests and any other file as it lies, a clone where it is; what is not there
 * is an answer.
 */
#include "sandbox.h"

#include "job/capture.h"
#include "job/content.h"
#include "redb_samples.h"
#include "source/source.h"

static struct rvs_source *open_source(void)
{
	struct rvs_source *source = NULL;
	struct rvs_error err = RVS_ERROR_INIT;

	assert_int_equal(mkdir("source", 0755), 0);
	expect_ok(rvs_source_open("source", &source, &err), err);
	return source;
}

#define CAPTURE                                                                \
	RVS_CLEANUP(rvs_source_cleanup)                                        \
	struct rvs_source *source = open_source();                             \
	const struct rvs_monitor monitor = { 0 };                              \
	const struct rvs_capture capture = { source, &monitor, "." };          \
	RVS_CLEANUP(rvs_content_done) struct rvs_content content = { 0 };      \
	RVS_CLEANUP(rvs_cleanup_fd) int fd = -1;                               \
	struct rvs_error err = RVS_ERROR_INIT;                                 \
	uint64_t size = 0

static bool is_same_inode(int fd, const char *path)
{
	struct stat a, b;

	assert_int_equal(fstat(fd, &a), 0);
	assert_int_equal(stat(path, &b), 0);
	return a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

static void write_database(const char *path)
{
	RVS_CLEANUP(rvs_cleanup_free) struct image *image = new_database();

	write_file(path, image->bytes, image->len);
}

static void test_a_file_is_read_as_it_lies(void **state)
{
	CAPTURE;

	write_text("source/a", "text");
	expect_ok(rvs_capture_file(&capture, "a", -1, &content, &fd, &size,
				   &err), err);
	assert_true(is_same_inode(fd, "source/a"));
	assert_int_equal(size, 4);
	assert_false(content.captured);
}

static void test_a_live_database_is_copied(void **state)
{
	CAPTURE;

	write_database("source/db");
	expect_ok(rvs_capture_file(&capture, "db", -1, &content, &fd, &size,
				   &err), err);
	assert_true(content.captured);
	assert_false(is_same_inode(fd, "source/db"));
	assert_true(size > 0);
}

static void test_a_database_that_rests_is_not(void **state)
{
	const struct timespec past[2] = { { 1000, 0 }, { 1000, 0 } };
	CAPTURE;

	write_database("source/db");
	assert_int_equal(utimensat(AT_FDCWD, "source/db", past, 0), 0);
	expect_ok(rvs_capture_file(&capture, "db", -1, &content, &fd, &size,
				   &err), err);
	assert_false(content.captured);
	assert_true(is_same_inode(fd, "source/db"));
}

/* It must stand still like any file: nothing says what a commit would be. */
static void test_a_damaged_database_is_a_file(void **state)
{
	RVS_CLEANUP(rvs_cleanup_free) struct image *image = new_database();
	CAPTURE;

	memset(image->bytes + 16, 0xff, image->len - 16);
	write_file("source/db", image->bytes, image->len);
	expect_ok(rvs_capture_file(&capture, "db", -1, &content, &fd, &size,
				   &err), err);
	assert_false(content.captured);
	assert_true(is_same_inode(fd, "source/db"));
	assert_int_equal(size, image->len);
}

static void test_a_clone_is_read_where_it_is(void **state)
{
	RVS_CLEANUP(rvs_cleanup_fd) int clone = -1;
	CAPTURE;

	write_text("clone", "text");
	clone = open("clone", O_RDWR | O_CLOEXEC);
	expect_ok(rvs_capture_file(&capture, "gone", clone, &content, &fd,
				   &size, &err), err);
	assert_int_equal(fd, -1);
	assert_int_equal(size, 4);
	assert_false(content.captured || content.missing);
	(void)close(clone);
	write_database("clone");
	clone = open("clone", O_RDWR | O_CLOEXEC);
	expect_ok(rvs_capture_file(&capture, "gone", clone, &content, &fd,
				   &size, &err), err);
	assert_int_equal(fd, -1);
	assert_true(content.captured);
}

static void test_what_is_not_there_is_an_answer(void **state)
{
	CAPTURE;

	expect_status(rvs_capture_file(&capture, "gone", -1, &content, &fd,
				       &size, &err), 1, err);
	assert_true(content.missing);
	content.missing = false;
	assert_int_equal(mkdir("source/dir", 0755), 0);
	expect_status(rvs_capture_open(&capture, "dir", &content, &fd, &err),
		      1, err);
	assert_true(content.missing);
	assert_int_equal(fd, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_a_file_is_read_as_it_lies),
		sandbox_test(test_a_live_database_is_copied),
		sandbox_test(test_a_database_that_rests_is_not),
		sandbox_test(test_a_damaged_database_is_a_file),
		sandbox_test(test_a_clone_is_read_where_it_is),
		sandbox_test(test_what_is_not_there_is_an_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
