/*
 * Goal: the history of a path is what its snapshots say, one by one.
 */
#include "sandbox.h"

#include <rvs/history.h>
#include <rvs/tree.h>

#include <stdatomic.h>

#include "store/backend.h"
#include "store/store.h"

#define HISTORY \
	RVS_CLEANUP(rvs_history_done) struct rvs_history history = { .index = 0 }
#define STORE \
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store()

static void find(struct rvs_store *store, const char *path,
		 struct rvs_history *ret)
{
	struct rvs_error err = RVS_ERROR_INIT;

	rvs_history_done(ret);
	expect_ok(rvs_history_find(store, path, ret, &err), err);
	assert_int_equal(ret->name_count, 0);
	assert_int_equal(ret->unreadable, 0);
}

static void list(struct rvs_store *store, const char *path,
		 struct rvs_history *ret)
{
	struct rvs_error err = RVS_ERROR_INIT;

	rvs_history_done(ret);
	expect_ok(rvs_history_list(store, path, ret, &err), err);
	assert_int_equal(ret->unreadable, 0);
}

/* The names, each followed by a space. */
static void expect_names(const struct rvs_history *history, const char *wanted)
{
	char found[4096] = "";
	size_t i;

	for (i = 0; i < history->name_count; i++) {
		assert_true(strlen(found) + 300 < sizeof(found));
		strcat(strcat(found, history->names[i].name), " ");
	}
	assert_string_equal(found, wanted);
}

/* What the history says of the path's oldest entry is so in that snapshot. */
static void expect_entry(struct rvs_store *store, const char *id,
			 uint32_t index, const char *path)
{
	RVS_CLEANUP(rvs_cleanup_free) char *found = NULL;
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_tree *tree;

	expect_ok(rvs_tree_open(store, id, &tree, &err), err);
	assert_true(index < rvs_tree_count(tree));
	found = rvs_tree_path(tree, index);
	assert_string_equal(found, path);
	rvs_tree_release(tree);
}

static void test_versions_are_collapsed(void **state)
{
	STORE;
	HISTORY;
	const char *const texts[] = { "a", "a", "b", "b", "a", "a" };
	size_t i;

	write_text("source/other", "x");
	for (i = 0; i < 6; i++) {
		write_text("source/file", texts[i]);
		write_random("source/noise", 1000, i);
		snap_only(store, NULL);
	}
	find(store, "file", &history);
	assert_int_equal(history.version_count, 3);
	assert_int_equal(history.access_count, 0);
	assert_int_equal(history.versions[0].size, 1);
	assert_true(S_ISREG(history.versions[0].mode));
	assert_memory_equal(&history.versions[0].digest,
			    &history.versions[2].digest, RVS_DIGEST_LEN);
	assert_string_equal(history.id, history.versions[0].id);
	expect_entry(store, history.id, history.index, "file");
	find(store, "noise", &history);
	assert_int_equal(history.version_count, 6);
	find(store, "other", &history);
	assert_int_equal(history.version_count, 1);
}

/* A time, an owner or a mode make no version. */
static void test_attributes_make_no_version(void **state)
{
	STORE;
	HISTORY;
	const struct timespec times[2] = { { 1, 0 }, { 1, 0 } };

	write_text("source/file", "a");
	snap_only(store, NULL);
	assert_int_equal(utimensat(AT_FDCWD, "source/file", times, 0), 0);
	assert_int_equal(chmod("source/file", 0600), 0);
	snap_only(store, NULL);
	find(store, "file", &history);
	assert_int_equal(history.version_count, 1);
}

static void test_what_was_deleted_is_found(void **state)
{
	STORE;
	HISTORY;

	assert_int_equal(mkdir("source/dir", 0750), 0);
	write_text("source/dir/file", "a");
	snap_only(store, NULL);
	assert_int_equal(unlink("source/dir/file"), 0);
	snap_only(store, NULL);
	write_text("source/dir/file", "a");
	snap_only(store, NULL);
	assert_int_equal(unlink("source/dir/file"), 0);
	assert_int_equal(rmdir("source/dir"), 0);
	snap_only(store, NULL);
	find(store, "dir/file", &history);
	/* It came back: that is news. */
	assert_int_equal(history.version_count, 2);
	expect_entry(store, history.id, history.index, "dir/file");
	list(store, "dir", &history);
	assert_int_equal(history.version_count, 0);
	assert_int_equal(history.access_count, 1);
	assert_int_equal(history.accesses[0].mode, S_IFDIR | 0750);
	expect_names(&history, "file ");
	list(store, "", &history);
	expect_names(&history, "dir ");
	find(store, "", &history);
	assert_string_not_equal(history.id, "");
	assert_int_equal(history.access_count, 1);
}

static void test_what_never_was_is_empty(void **state)
{
	static const char *const paths[] = { "z", "a/b", "a/b/c", "file/below",
					     "file ", "fil", "..", "a/../file",
					     "a/z" };
	STORE;
	HISTORY;
	size_t i;

	find(store, "anything", &history);
	assert_string_equal(history.id, "");
	assert_int_equal(mkdir("source/a", 0755), 0);
	write_text("source/a/file", "a");
	write_text("source/file", "a");
	snap_only(store, NULL);
	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		list(store, paths[i], &history);
		assert_string_equal(history.id, "");
		assert_int_equal(history.version_count, 0);
		assert_int_equal(history.access_count, 0);
		expect_names(&history, "");
	}
	find(store, "./a//file/", &history);
	assert_int_equal(history.version_count, 1);
}

static void test_a_path_may_be_both(void **state)
{
	STORE;
	HISTORY;

	write_text("source/x", "a file");
	snap_only(store, NULL);
	assert_int_equal(unlink("source/x"), 0);
	assert_int_equal(mkdir("source/x", 0700), 0);
	write_text("source/x/y", "in a directory");
	snap_only(store, NULL);
	assert_int_equal(chmod("source/x", 0711), 0);
	snap_only(store, NULL);
	assert_int_equal(unlink("source/x/y"), 0);
	assert_int_equal(rmdir("source/x"), 0);
	assert_int_equal(symlink("elsewhere", "source/x"), 0);
	snap_only(store, NULL);
	assert_int_equal(unlink("source/x"), 0);
	assert_int_equal(symlink("somewhere", "source/x"), 0);
	snap_only(store, NULL);
	list(store, "x", &history);
	assert_int_equal(history.version_count, 3);
	assert_true(S_ISLNK(history.versions[2].mode));
	assert_int_equal(history.access_count, 2);
	expect_names(&history, "y ");
	find(store, "x/y", &history);
	assert_int_equal(history.version_count, 1);
}

static void test_hard_links_have_the_history_of_their_file(void **state)
{
	STORE;
	HISTORY;
	size_t i;

	assert_int_equal(mkdir("source/a", 0755), 0);
	for (i = 0; i < 3; i++) {
		write_random("source/a/first", 500 + i, i);
		(void)unlink("source/later");
		assert_int_equal(link("source/a/first", "source/later"), 0);
		snap_only(store, NULL);
		snap_only(store, NULL);
	}
	find(store, "later", &history);
	assert_int_equal(history.version_count, 3);
	assert_int_equal(history.versions[2].size, 502);
	expect_entry(store, history.id, history.index, "later");
	expect_entry(store, history.versions[1].id, history.versions[1].index,
		     "a/first");
	find(store, "a/first", &history);
	assert_int_equal(history.version_count, 3);
}

static void snap_of(struct rvs_store *store, const char *source)
{
	const struct rvs_create_options options = { .source = source };
	struct rvs_error err = RVS_ERROR_INIT;

	expect_ok(rvs_create(store, &options, NULL, &err), err);
}

static void test_sources_that_take_turns_have_versions_of_their_own(
	void **state)
{
	STORE;
	HISTORY;
	size_t i;

	assert_int_equal(mkdir("second", 0755), 0);
	write_text("source/file", "a");
	write_text("second/file", "b");
	for (i = 0; i < 4; i++)
		snap_of(store, i % 2 ? "second" : "source");
	find(store, "file", &history);
	assert_int_equal(history.version_count, 2);
}

/* Enough names for many segments, of which each snapshot changes some. */
static void test_many_names(void **state)
{
	enum { FOLDERS = 12, FILES = 150, SNAPSHOTS = 5 };
	STORE;
	HISTORY;
	char path[64];
	unsigned i, j, n;

	for (i = 0; i < FOLDERS; i++) {
		(void)snprintf(path, sizeof(path), "source/folder-%02u", i);
		assert_int_equal(mkdir(path, 0755), 0);
		for (j = 0; j < FILES; j++) {
			(void)snprintf(path, sizeof(path),
				       "source/folder-%02u/file-%03u", i, j);
			write_random(path, 20, j);
		}
	}
	for (n = 0; n < SNAPSHOTS; n++) {
		write_random("source/folder-07/file-077", 30, n);
		write_random("source/folder-03/added", 30, n / 2);
		snap_only(store, NULL);
	}
	for (i = 0; i < FOLDERS; i++)
		for (j = 0; j < FILES; j += 7) {
			(void)snprintf(path, sizeof(path),
				       "folder-%02u/file-%03u", i, j);
			find(store, path, &history);
			assert_int_equal(history.version_count,
					 i == 7 && j == 77 ? SNAPSHOTS : 1);
			expect_entry(store, history.id, history.index, path);
		}
	find(store, "folder-03/added", &history);
	assert_int_equal(history.version_count, 3);
	list(store, "folder-03", &history);
	assert_int_equal(history.name_count, FILES + 1);
	for (i = 0; i < history.name_count; i++) {
		(void)snprintf(path, sizeof(path), "folder-03/%s",
			       history.names[i].name);
		expect_entry(store, history.names[i].id,
			     history.names[i].index, path);
	}
	list(store, "", &history);
	assert_int_equal(history.name_count, FOLDERS);
}

static void expect_same(const struct rvs_history *a,
			const struct rvs_history *b)
{
	size_t i;

	assert_string_equal(a->id, b->id);
	assert_int_equal(a->index, b->index);
	assert_int_equal(a->unreadable, b->unreadable);
	assert_int_equal(a->version_count, b->version_count);
	for (i = 0; i < a->version_count; i++) {
		const struct rvs_version *x = &a->versions[i];
		const struct rvs_version *y = &b->versions[i];

		assert_string_equal(x->id, y->id);
		assert_int_equal(x->index, y->index);
		assert_int_equal(x->mode, y->mode);
		assert_int_equal(x->size, y->size);
		assert_memory_equal(&x->created_at, &y->created_at,
				    sizeof(x->created_at));
		assert_memory_equal(&x->mtime, &y->mtime, sizeof(x->mtime));
		assert_memory_equal(&x->digest, &y->digest, RVS_DIGEST_LEN);
	}
	assert_int_equal(a->access_count, b->access_count);
	for (i = 0; i < a->access_count; i++)
		assert_memory_equal(&a->accesses[i], &b->accesses[i],
				    sizeof(a->accesses[i]));
}

/* Returns how many of the names had to be searched. */
static unsigned compare_children(struct rvs_store *store, const char *path)
{
	RVS_CLEANUP(rvs_history_done)
	struct rvs_history directory = { .index = 0 };
	struct rvs_error err = RVS_ERROR_INIT;
	unsigned searched = 0;
	char whole[256];
	size_t i;

	expect_ok(rvs_history_list(store, path, &directory, &err), err);
	for (i = 0; i < directory.name_count; i++) {
		HISTORY;
		RVS_CLEANUP(rvs_history_done)
		struct rvs_history child = { .index = 0 };
		int r = rvs_history_child(&directory, directory.names[i].name,
					  &child, &err);

		assert_in_range(r, 0, 1);
		searched += r == 1;
		(void)snprintf(whole, sizeof(whole), "%s/%s", path,
			       directory.names[i].name);
		expect_ok(rvs_history_find(store, whole, &history, &err), err);
		if (r == 0)
			expect_same(&child, &history);
	}
	return searched;
}

/* A directory's history tells of each name in it what a search for it would. */
static void test_a_directory_tells_of_its_children(void **state)
{
	enum { FILES = 900, SNAPSHOTS = 6 };
	STORE;
	char path[64];
	unsigned i, n;

	assert_int_equal(mkdir("source/dir", 0755), 0);
	assert_int_equal(mkdir("second", 0755), 0);
	assert_int_equal(mkdir("second/dir", 0700), 0);
	for (i = 0; i < FILES; i++) {
		(void)snprintf(path, sizeof(path), "source/dir/file-%03u", i);
		write_random(path, 20, i);
	}
	write_text("second/dir/file-007", "of another source");
	for (n = 0; n < SNAPSHOTS; n++) {
		write_random("source/dir/file-500", 30, n / 2);
		(void)unlink("source/dir/comes-and-goes");
		(void)rmdir("source/dir/comes-and-goes");
		if (n % 3 == 0)
			write_text("source/dir/comes-and-goes", "a file");
		if (n % 3 == 1)
			assert_int_equal(mkdir("source/dir/comes-and-goes",
					       0700 + n), 0);
		snap_of(store, "source");
		if (n == 2)
			snap_of(store, "second");
	}
	assert_int_equal(compare_children(store, "dir"), 0);
	assert_int_equal(compare_children(store, "."), 0);
	assert_int_equal(compare_children(store, "none"), 0);
	assert_int_equal(link("source/dir/file-100", "source/dir/file-100b"),
			 0);
	snap_of(store, "source");
	assert_int_equal(compare_children(store, "dir"), 1);
}

/* ---- what a search reads ---- */

static const struct rvs_backend_ops *real_ops;
static atomic_uint reads; /* since count_reads() */

static ssize_t counted_read(struct rvs_object *object, void *bytes, size_t len,
			    uint64_t offset, struct rvs_error *err)
{
	atomic_fetch_add(&reads, 1);
	return real_ops->read(object, bytes, len, offset, err);
}

static void count_reads(struct rvs_store *store, struct rvs_backend_ops *ops)
{
	real_ops = store->backend->ops;
	*ops = *real_ops;
	ops->read = counted_read;
	store->backend->ops = ops;
	atomic_store(&reads, 0);
}

/* Of manifests that were read before: each root, and each segment once. */
static void test_nothing_is_read_twice_once_all_is_loaded(void **state)
{
	enum { SNAPSHOTS = 6 };
	STORE;
	HISTORY;
	struct rvs_backend_ops ops;
	unsigned i, all;

	for (i = 0; i < SNAPSHOTS; i++) {
		write_random("source/file", 30, i);
		snap_only(store, NULL);
	}
	close_store(&store);
	store = open_store();
	count_reads(store, &ops);
	find(store, "file", &history);
	all = atomic_exchange(&reads, 0);
	find(store, "file", &history);
	store->backend->ops = real_ops;
	assert_int_equal(history.version_count, SNAPSHOTS);
	assert_int_equal(atomic_load(&reads), 2 * SNAPSHOTS);
	assert_true(all > 2 * SNAPSHOTS);
}

static void test_damaged_manifest_is_left_out(void **state)
{
	STORE;
	HISTORY;
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_snapshot second;
	char path[64];

	write_text("source/file", "a");
	snap_only(store, NULL);
	write_text("source/file", "b");
	second = snap(store, NULL);
	write_text("source/file", "c");
	snap_only(store, NULL);
	close_store(&store);
	(void)snprintf(path, sizeof(path), "store/snapshot-%s/manifest",
		       second.id);
	assert_int_equal(truncate(path, 100), 0);
	rvs_snapshot_done(&second);
	store = open_store();
	expect_ok(rvs_history_find(store, "file", &history, &err), err);
	assert_int_equal(history.version_count, 2);
	assert_int_equal(history.unreadable, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_versions_are_collapsed),
		sandbox_test(test_attributes_make_no_version),
		sandbox_test(test_what_was_deleted_is_found),
		sandbox_test(test_what_never_was_is_empty),
		sandbox_test(test_a_path_may_be_both),
		sandbox_test(test_hard_links_have_the_history_of_their_file),
		sandbox_test(
			test_sources_that_take_turns_have_versions_of_their_own),
		sandbox_test(test_many_names),
		sandbox_test(test_a_directory_tells_of_its_children),
		sandbox_test(test_nothing_is_read_twice_once_all_is_loaded),
		sandbox_test(test_damaged_manifest_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
