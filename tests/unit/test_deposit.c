/*
 * Goal: an entry appears whole, with all it has, or not at all; what was there
 * stays unless the user said otherwise; long and short files come out alike.
 */
#include "crewed.h"

#include "job/deposit.h"

#define STORE \
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store()

static int open_target(void)
{
	int fd;

	assert_int_equal(mkdir("target", 0755), 0);
	fd = open("target", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static int deposit(struct crewed *c, const char *path, int dirfd)
{
	return rvs_deposit_entry(&c->crew.own, crewed_find(c, path), dirfd);
}

static void expect_nothing_else(const char *path)
{
	char command[200];

	(void)snprintf(command, sizeof(command),
		       "test -z \"$(ls -A '%s' | grep ruvsnap)\"", path);
	assert_int_equal(system(command), 0);
}

static void test_files_come_whole(void **state)
{
	const struct timespec past[2] = { { 1000, 5 }, { 1000, 5 } };
	RVS_CLEANUP(rvs_cleanup_fd) int fd = open_target();
	STORE;
	RVS_CLEANUP(crewed_done) struct crewed c;
	struct stat st;

	write_random("source/file", 100000, 1);
	assert_int_equal(truncate("source/file", 3000000), 0);
	assert_int_equal(chmod("source/file", 0640), 0);
	assert_int_equal(utimensat(AT_FDCWD, "source/file", past, 0), 0);
	write_text("source/empty", "");
	assert_int_equal(symlink("nowhere", "source/link"), 0);
	crewed_start(&c, store);
	expect_ok(deposit(&c, "file", fd), *c.crew.own.err);
	expect_ok(deposit(&c, "empty", fd), *c.crew.own.err);
	expect_ok(deposit(&c, "link", fd), *c.crew.own.err);
	expect_same_file("target/file", "source/file");
	expect_same_file("target/empty", "source/empty");
	assert_int_equal(stat("target/file", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(st.st_mtim.tv_sec, 1000);
	assert_int_equal(st.st_mtim.tv_nsec, 5);
	assert_true(st.st_blocks * 512 < 1000000); /* the hole stays one */
	assert_int_equal(lstat("target/link", &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(c.crew.own.result.files, 2);
	assert_true(c.crew.made[crewed_find(&c, "file")]);
	expect_nothing_else("target");
}

/* Its blocks are written by the crew, out of order. */
static void test_a_long_file_is_like_any(void **state)
{
	RVS_CLEANUP(rvs_cleanup_fd) int fd = open_target();
	STORE;
	RVS_CLEANUP(crewed_done) struct crewed c;
	const struct rvs_entry *e;

	write_random("source/long", (20 << 20) + 77, 1);
	write_random("source/short", 77, 1);
	crewed_start(&c, store);
	e = rvs_tree_entry(c.crew.tree, crewed_find(&c, "long"));
	assert_true(rvs_deposit_is_long(e));
	e = rvs_tree_entry(c.crew.tree, crewed_find(&c, "short"));
	assert_false(rvs_deposit_is_long(e));
	expect_ok(deposit(&c, "long", fd), *c.crew.own.err);
	expect_same_file("target/long", "source/long");
	assert_int_equal(rvs_lane_depth(c.crew.lane), 0);
}

static void test_what_is_there_stays(void **state)
{
	RVS_CLEANUP(rvs_cleanup_fd) int fd = open_target();
	STORE;
	RVS_CLEANUP(crewed_done) struct crewed c;

	write_text("source/file", "new");
	write_text("target/file", "old");
	write_text("old", "old");
	crewed_start(&c, store);
	expect_status(deposit(&c, "file", fd), RVS_ERR_EXISTS,
		      *c.crew.own.err);
	expect_same_file("target/file", "old");
	assert_false(c.crew.made[crewed_find(&c, "file")]);
	expect_nothing_else("target");
	c.options.overwrite = true;
	expect_ok(deposit(&c, "file", fd), *c.crew.own.err);
	expect_same_file("target/file", "source/file");
}

static void test_damage_leaves_nothing(void **state)
{
	RVS_CLEANUP(rvs_cleanup_fd) int fd = open_target();
	STORE;
	RVS_CLEANUP(crewed_done) struct crewed c;

	write_random("source/short", 500000, 1);
	write_random("source/long", 20 << 20, 2);
	crewed_start(&c, store);
	assert_int_equal(system("for f in store/snapshot-*/*.gz; do "
				"chmod u+w $f && printf damage | "
				"dd of=$f bs=1 seek=300000 conv=notrunc "
				"status=none; done"), 0);
	expect_status(deposit(&c, "short", fd), RVS_ERR_CORRUPT,
		      *c.crew.own.err);
	expect_status(deposit(&c, "long", fd), RVS_ERR_CORRUPT,
		      *c.crew.own.err);
	assert_int_equal(rmdir("target"), 0);
}

static void test_links(void **state)
{
	RVS_CLEANUP(rvs_cleanup_fd) int fd = open_target();
	STORE;
	RVS_CLEANUP(crewed_done) struct crewed c;
	struct stat st;

	write_text("source/a", "text");
	assert_int_equal(link("source/a", "source/b"), 0);
	crewed_start(&c, store);
	assert_int_equal(mkdir("target/d", 0755), 0);
	write_text("target/d/first", "text");
	expect_ok(rvs_deposit_link(&c.crew.own, crewed_find(&c, "b"), fd,
				   "d/first", fd), *c.crew.own.err);
	assert_int_equal(stat("target/b", &st), 0);
	assert_int_equal(st.st_nlink, 2);
	/* Through a link that someone planted: no. */
	assert_int_equal(rename("target/d", "d"), 0);
	assert_int_equal(symlink("../d", "target/d"), 0);
	assert_int_equal(unlink("target/b"), 0);
	assert_true(rvs_deposit_link(&c.crew.own, crewed_find(&c, "b"), fd,
				     "d/first", fd) < 0);
	assert_int_equal(access("target/b", F_OK), -1);
	expect_nothing_else("target");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_files_come_whole),
		sandbox_test(test_a_long_file_is_like_any),
		sandbox_test(test_what_is_there_stays),
		sandbox_test(test_damage_leaves_nothing),
		sandbox_test(test_links),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
