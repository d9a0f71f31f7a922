/*
 * Goal: what is restored is what was taken, below the target and nowhere else,
 * over nothing that was not to be replaced; what fails its proof is not there.
 */
#include "sandbox.h"

#include <pthread.h>
#include <sys/xattr.h>

static int restore_with(struct rvs_store *store, const char *target,
			const struct rvs_restore_options *options,
			struct rvs_restore_result *ret, struct rvs_error *err)
{
	return rvs_restore(store, "latest", target, options, ret, err);
}

static int restore_paths(struct rvs_store *store, const char *const *paths,
			 size_t count, bool overwrite, struct rvs_error *err)
{
	const struct rvs_restore_options options = { .paths = paths,
						     .path_count = count,
						     .overwrite = overwrite };

	return restore_with(store, "target", &options, NULL, err);
}

static int restore_all(struct rvs_store *store, bool overwrite,
		       struct rvs_error *err)
{
	return restore_paths(store, NULL, 0, overwrite, err);
}

/* find(1) knows more of a tree than any test would ask. */
static void expect_same_trees(const char *a, const char *b)
{
	char command[512];

	(void)snprintf(command, sizeof(command), "diff -r -x pipe "
		       "--no-dereference %s %s", a, b);
	assert_int_equal(system(command), 0);
	(void)snprintf(command, sizeof(command),
		       "f='find . -printf %%p|%%y|%%m|%%U|%%G|%%n|%%l|%%T@|'; "
		       "(cd %s && $f | LC_ALL=C sort) > a.txt; "
		       "(cd %s && $f | LC_ALL=C sort) > b.txt; cmp a.txt b.txt",
		       a, b);
	assert_int_equal(system(command), 0);
}

static void fill_source(void)
{
	const struct timespec times[2] = { { 1000000000, 123456789 },
					   { 1000000001, 987654321 } };

	assert_int_equal(mkdir("source/d", 0755), 0);
	assert_int_equal(mkdir("source/d/e", 0700), 0);
	write_random("source/d/e/file", 300000, 1);
	write_text("source/d/script", "#!/bin/sh\n");
	assert_int_equal(chmod("source/d/script", 04755), 0);
	write_text("source/empty", "");
	write_text("source/\xff \n", "raw");
	assert_int_equal(symlink("d/e/none\n", "source/link"), 0);
	assert_int_equal(mkfifo("source/pipe", 0612), 0);
	assert_int_equal(link("source/d/e/file", "source/hard"), 0);
	write_at("source/sparse", "end", 3, 5 << 20);
	if (geteuid() == 0)
		assert_int_equal(lchown("source/link", 7, 8), 0);
	assert_int_equal(utimensat(AT_FDCWD, "source/link", times,
				   AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(utimensat(AT_FDCWD, "source/d", times, 0), 0);
	assert_int_equal(chmod("source/d", 0555), 0);
}

static struct rvs_store *filled_store(void)
{
	struct rvs_store *store = new_store();

	fill_source();
	snap_only(store, NULL);
	return store;
}

static void test_a_tree_comes_back_whole(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = filled_store();
	const struct rvs_restore_options options = { 0 };
	struct rvs_restore_result result;
	struct rvs_error err = RVS_ERROR_INIT;
	struct stat st;

	expect_ok(restore_with(store, "target", &options, &result, &err), err);
	expect_same_trees("source", "target");
	assert_int_equal(result.files, 5);
	assert_int_equal(result.warnings, 0);
	assert_int_equal(stat("target/sparse", &st), 0);
	assert_true(st.st_blocks < 1024);
}

static void test_attributes_come_back(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	struct rvs_error err = RVS_ERROR_INIT;
	char value[8];

	write_text("source/f", "x");
	if (setxattr("source/f", "user.a", "\0b", 2, 0) < 0)
		skip();
	assert_int_equal(setxattr("source", "user.root", "r", 1, 0), 0);
	snap_only(store, NULL);
	expect_ok(restore_all(store, false, &err), err);
	assert_int_equal(getxattr("target/f", "user.a", value, 8), 2);
	assert_memory_equal(value, "\0b", 2);
	assert_int_equal(getxattr("target", "user.root", value, 8), 1);
}

static void test_a_target_in_use_is_refused(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = filled_store();
	struct rvs_error err = RVS_ERROR_INIT;

	assert_int_equal(mkdir("target", 0755), 0);
	write_text("target/mine", "mine");
	expect_status(restore_all(store, false, &err), RVS_ERR_EXISTS, err);
	assert_int_equal(access("target/empty", F_OK), -1);
	expect_ok(restore_all(store, true, &err), err);
	assert_int_equal(access("target/mine", F_OK), 0);
	expect_same_file("target/hard", "source/hard");
	write_text("file", "x");
	assert_true(restore_with(store, "file",
				 &(struct rvs_restore_options){ 0 }, NULL,
				 &err) < 0);
}

static void test_a_path_that_is_there_is_replaced_on_request(void **state)
{
	static const char *const paths[] = { "d/e/file", "link" };
	RVS_CLEANUP(close_store) struct rvs_store *store = filled_store();
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf found = RVS_BUF_INIT;
	struct rvs_error err = RVS_ERROR_INIT;

	expect_ok(restore_paths(store, paths, 2, false, &err), err);
	expect_same_file("target/d/e/file", "source/d/e/file");
	write_text("target/d/e/file", "mine");
	expect_status(restore_paths(store, paths, 1, false, &err),
		      RVS_ERR_EXISTS, err);
	found = read_whole("target/d/e/file");
	assert_memory_equal(found.bytes, "mine", 4);
	expect_ok(restore_paths(store, paths, 2, true, &err), err);
	expect_same_file("target/d/e/file", "source/d/e/file");
	assert_int_equal(system("find target -name '.ruvsnap*' | grep -q ."),
			 256);
}

/* Each directory on the way is as it was, its time included. */
static void test_a_paths_directories_come_back_too(void **state)
{
	static const char *const paths[] = { "d/e/file" };
	RVS_CLEANUP(close_store) struct rvs_store *store = filled_store();
	struct rvs_error err = RVS_ERROR_INIT;
	struct stat wanted, found;

	expect_ok(restore_paths(store, paths, 1, false, &err), err);
	assert_int_equal(stat("source/d", &wanted), 0);
	assert_int_equal(stat("target/d", &found), 0);
	assert_int_equal(found.st_mode, wanted.st_mode);
	assert_int_equal(found.st_mtim.tv_sec, wanted.st_mtim.tv_sec);
	assert_int_equal(found.st_mtim.tv_nsec, wanted.st_mtim.tv_nsec);
}

static void test_what_the_snapshot_lacks_is_not_found(void **state)
{
	static const char *const paths[] = { "d/none" };
	static const char *const outside[] = { "../source" };
	RVS_CLEANUP(close_store) struct rvs_store *store = filled_store();
	struct rvs_error err = RVS_ERROR_INIT;

	expect_status(restore_paths(store, paths, 1, false, &err),
		      RVS_ERR_NOT_FOUND, err);
	expect_status(restore_paths(store, outside, 1, false, &err),
		      RVS_ERR_NOT_FOUND, err);
	expect_status(rvs_restore(store, "none", "target",
				  &(struct rvs_restore_options){ 0 }, NULL,
				  &err), RVS_ERR_NOT_FOUND, err);
}

/* ---- a hostile target ---- */

static void expect_victim_untouched(void)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf found =
		read_whole("victim/file");

	assert_int_equal(found.len, 4);
	assert_memory_equal(found.bytes, "safe", 4);
	assert_int_equal(system("test $(ls -A victim | wc -l) = 1"), 0);
}

static void test_planted_links_are_not_followed(void **state)
{
	static const char *const paths[] = { "d/e/file" };
	RVS_CLEANUP(close_store) struct rvs_store *store = filled_store();
	struct rvs_error err = RVS_ERROR_INIT;

	assert_int_equal(mkdir("victim", 0755), 0);
	write_text("victim/file", "safe");
	assert_int_equal(mkdir("target", 0755), 0);
	assert_int_equal(symlink("../victim", "target/d"), 0);
	assert_true(restore_paths(store, paths, 1, true, &err) < 0);
	expect_victim_untouched();
	assert_true(restore_all(store, true, &err) < 0);
	expect_victim_untouched();
	/* In the place of a file the link itself is replaced. */
	assert_int_equal(unlink("target/d"), 0);
	(void)unlink("target/empty");
	assert_int_equal(symlink("../victim/file", "target/empty"), 0);
	expect_ok(restore_all(store, true, &err), err);
	expect_victim_untouched();
	expect_same_trees("source", "target");
}

static void test_a_directory_in_the_place_of_a_file(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = filled_store();
	struct rvs_error err = RVS_ERROR_INIT;

	assert_int_equal(mkdir("target", 0755), 0);
	assert_int_equal(mkdir("target/empty", 0755), 0);
	write_text("target/empty/mine", "mine");
	assert_true(restore_all(store, true, &err) < 0);
	assert_int_equal(access("target/empty/mine", F_OK), 0);
	assert_int_equal(system("find target -name '.ruvsnap*' | grep -q ."),
			 256);
}

/* ---- hard links ---- */

static void test_hard_links_are_links_again(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = filled_store();
	struct rvs_error err = RVS_ERROR_INIT;
	struct stat a, b;
	int round;

	for (round = 0; round < 2; round++) { /* and over what is there */
		expect_ok(restore_all(store, round > 0, &err), err);
		assert_int_equal(stat("target/hard", &a), 0);
		assert_int_equal(stat("target/d/e/file", &b), 0);
		assert_int_equal(a.st_ino, b.st_ino);
		assert_int_equal(a.st_nlink, 2);
	}
	expect_same_trees("source", "target");
}

static void test_a_link_alone_is_a_file(void **state)
{
	static const char *const paths[] = { "hard" };
	RVS_CLEANUP(close_store) struct rvs_store *store = filled_store();
	struct rvs_error err = RVS_ERROR_INIT;

	expect_ok(restore_paths(store, paths, 1, false, &err), err);
	expect_same_file("target/hard", "source/hard");
}

/* rename(2) of a name onto another of the same inode does nothing. */
static void test_a_link_asked_for_twice_leaves_no_temporary(void **state)
{
	static const char *const paths[] = { "hard", "hard", "d", "d/e" };
	RVS_CLEANUP(close_store) struct rvs_store *store = filled_store();
	struct rvs_error err = RVS_ERROR_INIT;

	expect_ok(restore_paths(store, paths, 4, true, &err), err);
	assert_int_equal(system("find target -name '.ruvsnap*' | grep -q ."),
			 256);
	expect_same_file("target/hard", "source/hard");
}

/* ---- damage ---- */

static void test_what_fails_its_proof_is_not_there(void **state)
{
	struct rvs_store *store = filled_store();
	struct rvs_error err = RVS_ERROR_INIT;

	rvs_store_close(store);
	assert_int_equal(system("f=$(echo store/snapshot-*/d/e/file.gz); "
				"printf damage | dd of=$f bs=1 seek=200000 "
				"conv=notrunc status=none"), 0);
	store = open_store();
	expect_status(restore_all(store, false, &err), RVS_ERR_CORRUPT, err);
	assert_non_null(strstr(err.text, "file"));
	assert_int_equal(access("target/d/e/file", F_OK), -1);
	assert_int_equal(system("find target -name '.ruvsnap*' | grep -q ."),
			 256);
	rvs_store_close(store);
}

static bool give_up(void *arg)
{
	return true;
}

static void test_a_cancelled_one_leaves_no_temporary(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = filled_store();
	const struct rvs_restore_options options = {
		.monitor = { .cancelled = give_up }
	};
	struct rvs_error err = RVS_ERROR_INIT;

	expect_status(restore_with(store, "target", &options, NULL, &err),
		      RVS_ERR_INTERRUPTED, err);
	assert_int_equal(system("find target -name '.ruvsnap*' | grep -q ."),
			 256);
}

/* ---- many files at once ---- */

enum { FOLDERS = 8, FILES = 60, LONG = 12 << 20 };

/* Every file of the second half of the folders is a link of one before; so is
 * one of a file long enough to be shared out. */
static struct rvs_store *store_of_many(void)
{
	struct rvs_store *store = new_store();
	char path[64], first[64];
	unsigned i;

	for (i = 0; i < FOLDERS * FILES; i++) {
		unsigned folder = i / FILES, file = i % FILES;

		(void)snprintf(path, sizeof(path), "source/%u", folder);
		if (file == 0)
			assert_int_equal(mkdir(path, 0755), 0);
		(void)snprintf(path, sizeof(path), "source/%u/%02u", folder,
			       file);
		(void)snprintf(first, sizeof(first), "source/%u/%02u",
			       folder - FOLDERS / 2, file);
		if (folder < FOLDERS / 2)
			write_random(path, 1000 + 700 * file, i);
		else
			assert_int_equal(link(first, path), 0);
	}
	write_random("source/4/long", LONG, 99);
	assert_int_equal(link("source/4/long", "source/5/long"), 0);
	assert_int_equal(link("source/4/long", "source/4/longer"), 0);
	snap_only(store, NULL);
	return store;
}

static void expect_no_temporary(void)
{
	assert_int_equal(system("find target -name '.ruvsnap*' | grep -q ."),
			 256);
}

/* Counts what it hears, and stops the job at the call @stop_at. */
struct listener {
	pthread_t thread;
	unsigned calls, stop_at;
	uint64_t done;
};

static void hear_progress(void *arg, uint64_t done, uint64_t total)
{
	struct listener *l = arg;

	assert_true(pthread_equal(l->thread, pthread_self()));
	assert_true(done >= l->done && done <= total);
	l->done = done;
}

static bool stop_in_the_middle(void *arg)
{
	struct listener *l = arg;

	assert_true(pthread_equal(l->thread, pthread_self()));
	return ++l->calls == l->stop_at;
}

static struct rvs_monitor monitor_of(struct listener *listener)
{
	return (struct rvs_monitor){ .arg = listener,
				     .progress = hear_progress,
				     .cancelled = stop_in_the_middle };
}

static void test_many_come_back_with_their_links(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = store_of_many();
	struct listener listener = { .thread = pthread_self() };
	struct rvs_restore_options options = { .monitor =
						       monitor_of(&listener) };
	struct rvs_restore_result result;
	struct rvs_error err = RVS_ERROR_INIT;
	struct stat a, b;
	int round;

	for (round = 0; round < 2; round++) { /* and over what is there */
		options.overwrite = round > 0;
		listener.done = 0;
		expect_ok(restore_with(store, "target", &options, &result,
				       &err), err);
		expect_same_trees("source", "target");
		assert_int_equal(result.files, FOLDERS / 2 * FILES + 1);
		assert_int_equal(listener.done, result.bytes);
	}
	assert_int_equal(stat("target/1/07", &a), 0);
	assert_int_equal(stat("target/5/07", &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(stat("target/4/longer", &a), 0);
	assert_int_equal(stat("target/5/long", &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	expect_no_temporary();
}

/* The failure is named, and what follows it does not hide it. */
static void test_one_of_many_fails(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = store_of_many();
	struct rvs_error err = RVS_ERROR_INIT;

	assert_int_equal(system("mkdir -p target/2/30/mine target/3/40/mine"),
			 0);
	assert_true(restore_all(store, true, &err) < 0);
	assert_non_null(strstr(err.text, "in 2: 30"));
	assert_null(strstr(err.text, "40"));
	assert_int_equal(system("cmp source/1/59 target/1/59"), 0);
	assert_int_equal(access("target/2/30/mine", F_OK), 0);
	assert_int_equal(access("target/4/long", F_OK), -1);
	expect_no_temporary();
}

/* So does a link, which is made when its turn comes. */
static void test_a_link_among_many_fails(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = store_of_many();
	struct rvs_error err = RVS_ERROR_INIT;

	assert_int_equal(system("mkdir -p target/6/30/mine"), 0);
	assert_true(restore_all(store, true, &err) < 0);
	assert_non_null(strstr(err.text, "in 6: 30"));
	assert_int_equal(system("cmp source/6/29 target/6/29"), 0);
	expect_no_temporary();
}

static void test_a_long_file_fails_its_proof(void **state)
{
	struct rvs_store *store = store_of_many();
	struct rvs_error err = RVS_ERROR_INIT;

	rvs_store_close(store);
	assert_int_equal(system("f=$(echo store/snapshot-*/4/long.gz); "
				"printf damage | dd of=$f bs=1 seek=7000000 "
				"conv=notrunc status=none"), 0);
	store = open_store();
	expect_status(restore_all(store, false, &err), RVS_ERR_CORRUPT, err);
	assert_non_null(strstr(err.text, "in 4: long"));
	assert_int_equal(access("target/4/long", F_OK), -1);
	assert_int_equal(system("cmp source/3/59 target/3/59"), 0);
	expect_no_temporary();
	rvs_store_close(store);
}

static void test_cancelled_in_the_middle_of_many(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = store_of_many();
	struct listener listener = { .thread = pthread_self() };
	const struct rvs_restore_options options = {
		.monitor = monitor_of(&listener)
	};
	struct rvs_error err = RVS_ERROR_INIT;
	unsigned calls, at;

	expect_ok(restore_with(store, "target", &options, NULL, &err), err);
	assert_int_equal(system("chmod -R u+w target; rm -r target"), 0);
	calls = listener.calls;
	assert_true(calls > 10);
	for (at = 1; at <= calls; at += at < 3 ? 1 : calls / 4) {
		listener = (struct listener){ .thread = pthread_self(),
					      .stop_at = at };
		expect_status(restore_with(store, "target", &options, NULL,
					   &err), RVS_ERR_INTERRUPTED, err);
		assert_int_equal(access("target", F_OK), -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_a_tree_comes_back_whole),
		sandbox_test(test_attributes_come_back),
		sandbox_test(test_a_target_in_use_is_refused),
		sandbox_test(test_a_path_that_is_there_is_replaced_on_request),
		sandbox_test(test_a_paths_directories_come_back_too),
		sandbox_test(test_what_the_snapshot_lacks_is_not_found),
		sandbox_test(test_planted_links_are_not_followed),
		sandbox_test(test_a_directory_in_the_place_of_a_file),
		sandbox_test(test_hard_links_are_links_again),
		sandbox_test(test_a_link_alone_is_a_file),
		sandbox_test(test_a_link_asked_for_twice_leaves_no_temporary),
		sandbox_test(test_what_fails_its_proof_is_not_there),
		sandbox_test(test_a_cancelled_one_leaves_no_temporary),
		sandbox_test(test_many_come_back_with_their_links),
		sandbox_test(test_one_of_many_fails),
		sandbox_test(test_a_link_among_many_fails),
		sandbox_test(test_a_long_file_fails_its_proof),
		sandbox_test(test_cancelled_in_the_middle_of_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
