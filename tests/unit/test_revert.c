/*
 * Goal: what a revert removes is in a snapshot, unchanged, or was made by a
 * revert; all else stays, and is told.  The rest is in tests/bats/revert.bats.
 */
#include "sandbox.h"

#include <rvs/revert.h>

static char *strings_told; /* warnings of this test, one a line */

static void warning(void *arg, const char *text)
{
	char *before = strings_told;

	assert_true(asprintf(&strings_told, "%s%s\n", before ? before : "",
			     text) > 0);
	free(before);
}

static const struct rvs_revert_options options = {
	.monitor = { .warning = warning }
};

static int reset(void **state)
{
	free(strings_told);
	strings_told = NULL;
	return sandbox_leave(state);
}

#define revert_test(f) \
	cmocka_unit_test_setup_teardown(f, sandbox_enter, reset)

/* A store of a source with "file", of which "first" is a snapshot. */
static struct rvs_store *store_of_one(void)
{
	struct rvs_store *store = new_store();

	write_text("source/file", "old");
	snap_only(store, "first");
	write_text("source/file", "newer");
	return store;
}

static void expect_text(const char *path, const char *expected)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf text = read_whole(path);

	rvs_buf_put_u8(&text, 0);
	assert_string_equal((char *)text.bytes, expected);
}

static void revert_ok(struct rvs_store *store, struct rvs_revert_result *ret)
{
	struct rvs_error err = RVS_ERROR_INIT;

	expect_ok(rvs_revert(store, "first", &options, ret, &err), err);
	expect_text("source/file", "old");
}

/* The number of names here that begin with ".source.". */
static int left_beside(void)
{
	RVS_CLEANUP(rvs_cleanup_dir) DIR *dir = opendir(".");
	struct dirent *entry;
	int count = 0;

	while ((entry = readdir(dir)))
		count += !strncmp(entry->d_name, ".source.", 8);
	return count;
}

static void test_what_was_there_is_kept_and_pinned(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = store_of_one();
	RVS_CLEANUP(rvs_revert_done) struct rvs_revert_result result;
	RVS_CLEANUP(rvs_snapshot_done) struct rvs_snapshot before = { 0 };
	struct rvs_error err = RVS_ERROR_INIT;

	revert_ok(store, &result);
	assert_true(result.kept);
	assert_null(result.leftover);
	assert_int_equal(result.restored.files, 1);
	assert_int_equal(left_beside(), 0);
	expect_ok(rvs_snapshot_find(store, result.before.id, &before, &err),
		  err);
	assert_true(before.pinned);
}

static void test_sockets_go_and_other_things_stay(void **state)
{
	const char *const excludes[] = { "cache", NULL };
	struct rvs_store_config config = { .source = "source",
					   .level = 1,
					   .excludes = excludes };
	RVS_CLEANUP(rvs_revert_done) struct rvs_revert_result result;
	RVS_CLEANUP(close_store) struct rvs_store *store = NULL;
	RVS_CLEANUP(rvs_cleanup_free) char *path = NULL;
	struct rvs_error err = RVS_ERROR_INIT;

	assert_int_equal(mkdir("source", 0755), 0);
	write_text("source/file", "old");
	expect_ok(rvs_store_init("store", &config, &err), err);
	store = open_store();
	snap_only(store, "first");
	assert_int_equal(mknod("source/socket", S_IFSOCK | 0600, 0), 0);
	revert_ok(store, &result);
	assert_null(result.leftover);

	rvs_revert_done(&result);
	assert_int_equal(mkdir("source/cache", 0755), 0);
	write_text("source/cache/deep", "precious");
	revert_ok(store, &result);
	assert_non_null(result.leftover);
	assert_true(asprintf(&path, "%s/cache/deep", result.leftover) > 0);
	expect_text(path, "precious");
}

/* As a crash before the exchange leaves it: all of it was made by a revert. */
static void test_a_copy_that_was_never_in_place_goes(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = store_of_one();
	RVS_CLEANUP(rvs_revert_done) struct rvs_revert_result result;

	assert_int_equal(mkdir(".source.ruvsnap-revert-new", 0755), 0);
	write_text(".source.ruvsnap-revert-new/half", "made");
	assert_int_equal(mkdir(".source.ruvsnap-revert-20261122T101500Z-9f2c-7",
			       0755), 0);
	write_text(".source.ruvsnap-revert-20261122T101500Z-9f2c-7/x", "made");
	revert_ok(store, &result);
	assert_int_equal(left_beside(), 0);
	assert_null(strings_told);
}

/* As a crash after it leaves it: it was the source, of the snapshot named. */
static void test_an_old_source_goes_as_far_as_its_snapshot_holds_it(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = store_of_one();
	RVS_CLEANUP(rvs_snapshot_done) struct rvs_snapshot kept = { 0 };
	RVS_CLEANUP(rvs_revert_done) struct rvs_revert_result result;
	RVS_CLEANUP(rvs_cleanup_free) char *left = NULL, *path = NULL;
	struct stat st;

	write_text("source/changed", "before");
	kept = snap(store, "kept");
	write_text("source/changed", "behind the snapshot");
	assert_int_equal(stat("source", &st), 0);
	assert_true(asprintf(&left, ".source.ruvsnap-revert-%s-%ju", kept.id,
			     (uintmax_t)st.st_ino) > 0);
	assert_int_equal(rename("source", left), 0);
	revert_ok(store, &result);
	assert_non_null(strstr(strings_told, "in no snapshot"));
	assert_true(asprintf(&path, "%s/changed", left) > 0);
	expect_text(path, "behind the snapshot");
	free(path);
	assert_true(asprintf(&path, "%s/file", left) > 0);
	assert_int_equal(access(path, F_OK), -1);
}

static void test_an_old_source_of_a_deleted_snapshot_stays(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = store_of_one();
	RVS_CLEANUP(rvs_revert_done) struct rvs_revert_result result;
	RVS_CLEANUP(rvs_cleanup_free) char *left = NULL, *path = NULL;
	struct stat st;

	assert_int_equal(stat("source", &st), 0);
	assert_true(asprintf(&left, ".source.ruvsnap-revert-"
			     "20261122T101500Z-9f2c-%ju",
			     (uintmax_t)st.st_ino) > 0);
	assert_int_equal(rename("source", left), 0);
	revert_ok(store, &result);
	assert_false(result.kept);
	assert_non_null(strings_told);
	assert_true(asprintf(&path, "%s/file", left) > 0);
	expect_text(path, "newer");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		revert_test(test_what_was_there_is_kept_and_pinned),
		revert_test(test_sockets_go_and_other_things_stay),
		revert_test(test_a_copy_that_was_never_in_place_goes),
		revert_test(
			test_an_old_source_goes_as_far_as_its_snapshot_holds_it),
		revert_test(test_an_old_source_of_a_deleted_snapshot_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
