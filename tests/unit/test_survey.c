/*
 * Goal: what a snapshot holds is one moment of its source.  A source that moves
 * is caught up with, or called busy; nothing that moved is passed off as still.
 *
 * The source is changed from the job's own progress calls: always at the same
 * places, between two reads of it.
 */
#include "sandbox.h"

#include <errno.h>
#include <sys/syscall.h>
#include <time.h>

#include "format/digest.h"
#include "job/prior.h"
#include "store/tree.h"

enum { MIB = 1 << 20, SOURCE_BYTES = 2 * MIB + 100000 + 3000 };

/* When expect_settled() lets the source move: once so many bytes were read. */
static uint64_t start_moving;

/* ---- a clock that leaps: waiting for a busy source costs no test time ---- */

static int64_t leap_s;     /* each look at the monotonic clock adds so much */
static int64_t real_skew_s; /* the real-time clock is wrong by so much */

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	static int64_t leapt;
	int r = (int)syscall(SYS_clock_gettime, clock, ret);

	if (clock == CLOCK_MONOTONIC && leap_s)
		ret->tv_sec += leapt += leap_s;
	if (clock == CLOCK_REALTIME)
		ret->tv_sec += real_skew_s;
	return r;
}

/* ---- a source that moves ---- */

struct moving {
	void (*move)(unsigned time);
	uint64_t after; /* it begins when so many bytes were read */
	unsigned times; /* it moves so often at most */
	unsigned moved;
	unsigned warnings;
};

static void move_on(void *arg, uint64_t done, uint64_t total)
{
	struct moving *moving = arg;

	if (done >= moving->after && moving->moved < moving->times)
		moving->move(moving->moved++);
}

static void count_warning(void *arg, const char *text)
{
	((struct moving *)arg)->warnings++;
}

static int snap_moving(struct rvs_store *store, struct moving *moving,
		       bool best_effort, struct rvs_snapshot *ret,
		       struct rvs_error *err)
{
	const struct rvs_create_options options = {
		.best_effort = best_effort,
		.monitor = { .arg = moving,
			     .progress = move_on,
			     .warning = count_warning }
	};

	*ret = (struct rvs_snapshot){ 0 };
	return rvs_create(store, &options, ret, err);
}

static struct rvs_tree *load(struct rvs_store *store, const char *id)
{
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_tree *tree = NULL;

	expect_ok(rvs_tree_open(store, id, &tree, &err), err);
	return tree;
}

/* The file reads as what its digest says, and as the one at @path if any. */
static void expect_file(struct rvs_tree *tree, const char *name,
			const char *path)
{
	uint32_t index = rvs_tree_find(tree, name);
	const struct rvs_entry *entry;
	struct rvs_error err = RVS_ERROR_INIT;
	RVS_CLEANUP(rvs_cleanup_free) uint8_t *bytes = NULL;
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf wanted = RVS_BUF_INIT;
	struct rvs_digest digest;

	assert_true(index != RVS_NO_ENTRY);
	entry = rvs_tree_entry(tree, index);
	bytes = malloc(entry->size + 1);
	if (rvs_tree_read(tree, entry, bytes, entry->size, 0, NULL, &err) !=
	    (ssize_t)entry->size)
		fail_msg("%s: %s", name, err.text);
	expect_ok(rvs_digest_of(bytes, entry->size, &digest, &err), err);
	assert_true(rvs_digest_equal(&digest, &entry->digest));
	if (!path)
		return;
	wanted = read_whole(path);
	assert_int_equal(wanted.len, entry->size);
	assert_int_equal(memcmp(wanted.bytes, bytes, wanted.len), 0);
}

static void fill_source(void)
{
	start_moving = 0;
	write_random("source/a", 2 * MIB, 1);
	write_random("source/b", 100000, 2);
	write_random("source/c", 3000, 3);
}

/* Take a snapshot while @move moves the source @times times, then compare. */
static struct rvs_tree *expect_settled(struct rvs_store *store,
				       void (*move)(unsigned), unsigned times,
				       char ret_id[RVS_ID_SIZE])
{
	struct moving moving = { move, start_moving, times, 0, 0 };
	struct rvs_snapshot record;
	struct rvs_error err = RVS_ERROR_INIT;

	expect_ok(snap_moving(store, &moving, false, &record, &err), err);
	assert_int_equal(moving.moved, times);
	assert_string_equal(record.consistency, "settled");
	strcpy(ret_id, record.id);
	rvs_snapshot_done(&record);
	return load(store, ret_id);
}

static void change_read_bytes(unsigned time)
{
	write_at("source/a", &time, sizeof(time), 5);
	write_at("source/c", &time, sizeof(time), 7);
}

static void test_bytes_that_change_are_read_again(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *full = NULL;
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *incremental = NULL;
	char id[RVS_ID_SIZE], command[256];

	fill_source();
	full = expect_settled(store, change_read_bytes, 30, id);
	expect_file(full, "a", "source/a");
	expect_file(full, "b", "source/b");
	expect_file(full, "c", "source/c");
	(void)snprintf(command, sizeof(command),
		       "gunzip -c store/snapshot-%s/a.gz | cmp - source/a", id);
	assert_int_equal(system(command), 0);
	(void)usleep(50000);
	change_read_bytes(77);
	incremental = expect_settled(store, change_read_bytes, 30, id);
	expect_file(incremental, "a", "source/a");
	expect_file(incremental, "c", "source/c");
}

/* Same size, and the modification time put back: ctime still tells. */
static void change_behind_mtime(unsigned time)
{
	struct timespec times[2];
	struct stat st;

	assert_int_equal(stat("source/a", &st), 0);
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	write_at("source/a", &time, sizeof(time), 5);
	assert_int_equal(utimensat(AT_FDCWD, "source/a", times, 0), 0);
}

static void test_a_time_put_back_hides_nothing(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *tree = NULL;
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *next = NULL;
	char id[RVS_ID_SIZE];

	fill_source();
	tree = expect_settled(store, change_behind_mtime, 9, id);
	expect_file(tree, "a", "source/a");
	change_behind_mtime(1000);
	next = expect_settled(store, change_behind_mtime, 0, id);
	expect_file(next, "a", "source/a");
}

static void shrink_and_grow(unsigned time)
{
	assert_int_equal(truncate("source/a", time % 2 ? 3 * MIB : 70000), 0);
}

static void test_a_file_that_shrinks_and_grows(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *tree = NULL;
	char id[RVS_ID_SIZE];

	fill_source();
	tree = expect_settled(store, shrink_and_grow, 25, id);
	expect_file(tree, "a", "source/a");
}

static void add_and_remove(unsigned time)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "source/new%u", time % 7);
	if (unlink(path) < 0)
		write_random(path, 5000, time);
	(void)unlink("source/b");
}

static void test_files_that_come_and_go(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *tree = NULL;
	char id[RVS_ID_SIZE], command[256];

	fill_source();
	tree = expect_settled(store, add_and_remove, 3, id);
	assert_int_equal(rvs_tree_find(tree, "b"), RVS_NO_ENTRY);
	expect_file(tree, "new0", "source/new0");
	expect_file(tree, "new1", "source/new1");
	expect_file(tree, "new2", "source/new2");
	/* gunzip of all streams gives the source and no more. */
	(void)snprintf(command, sizeof(command),
		       "test $(ls store/snapshot-%s/*.gz | wc -l) = 5", id);
	assert_int_equal(system(command), 0);
}

static void remove_what_was_read(unsigned time)
{
	assert_int_equal(unlink("source/b"), 0);
}

static void test_a_file_that_went_leaves_no_stream(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *tree = NULL;
	char id[RVS_ID_SIZE], path[64];

	fill_source();
	start_moving = SOURCE_BYTES;
	tree = expect_settled(store, remove_what_was_read, 1, id);
	assert_int_equal(rvs_tree_find(tree, "b"), RVS_NO_ENTRY);
	(void)snprintf(path, sizeof(path), "store/snapshot-%s/b.gz", id);
	assert_int_equal(access(path, F_OK), -1);
}

/* So many more that the second round puts small files into the bundle. */
static void add_many_and_change(unsigned time)
{
	char path[32];
	int i;

	for (i = 0; i < 300; i++) {
		(void)snprintf(path, sizeof(path), "source/many%d", i);
		write_text(path, "x");
	}
	write_text("source/c", "changed");
}

static void test_a_stream_given_up_for_the_bundle_is_gone(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *tree = NULL;
	char id[RVS_ID_SIZE], command[256];

	fill_source();
	start_moving = SOURCE_BYTES;
	tree = expect_settled(store, add_many_and_change, 1, id);
	expect_file(tree, "c", "source/c");
	(void)snprintf(command, sizeof(command),
		       "f=store/snapshot-%s/c.gz; test ! -e $f || "
		       "gunzip -c $f | cmp - source/c", id);
	assert_int_equal(system(command), 0);
}

static void replace_directory_by_file(unsigned time)
{
	if (time % 2 == 0) {
		assert_int_equal(rename("source/d", "aside"), 0);
		write_text("source/d", "no directory");
	} else {
		assert_int_equal(unlink("source/d"), 0);
		assert_int_equal(rename("aside", "source/d"), 0);
	}
}

static void test_a_directory_replaced_by_a_file(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *tree = NULL;
	char id[RVS_ID_SIZE];

	fill_source();
	assert_int_equal(mkdir("source/d", 0755), 0);
	write_random("source/d/x", 5000, 9);
	tree = expect_settled(store, replace_directory_by_file, 1, id);
	expect_file(tree, "d", "source/d");
}

static void replace_by_link(unsigned time)
{
	(void)unlink("source/c");
	if (time % 2 == 0)
		assert_int_equal(symlink("../secret", "source/c"), 0);
	else
		write_text("source/c", "a file again");
}

static void test_a_file_replaced_by_a_link_is_not_followed(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *tree = NULL;
	char id[RVS_ID_SIZE];
	uint32_t index;

	fill_source();
	write_text("secret", "secret");
	tree = expect_settled(store, replace_by_link, 1, id);
	index = rvs_tree_find(tree, "c");
	assert_string_equal(rvs_tree_entry(tree, index)->target, "../secret");
}

/* The first name of an inode goes, its second stays. */
static void remove_first_link(unsigned time)
{
	assert_int_equal(unlink("source/b"), 0);
}

static void test_a_hard_link_outlives_the_first(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *tree = NULL;
	char id[RVS_ID_SIZE];

	fill_source();
	start_moving = SOURCE_BYTES;
	assert_int_equal(link("source/b", "source/z"), 0);
	tree = expect_settled(store, remove_first_link, 1, id);
	expect_file(tree, "z", "source/z");
	assert_int_equal(rvs_tree_entry(tree, rvs_tree_find(tree, "z"))->nlink,
			 1);
}

/* ---- one that does not stand still ---- */

static void test_a_source_that_keeps_moving_is_busy(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	struct moving moving = { .move = change_read_bytes, .times = 100000 };
	struct rvs_snapshot_list list;
	struct rvs_snapshot record;
	struct rvs_error err = RVS_ERROR_INIT;
	int r;

	fill_source();
	leap_s = 7;
	r = snap_moving(store, &moving, false, &record, &err);
	leap_s = 0;
	expect_status(r, RVS_ERR_BUSY, err);
	assert_non_null(strstr(err.text, "a, c"));
	expect_ok(rvs_snapshot_list(store, &list, NULL, NULL, &err), err);
	assert_int_equal(list.count, 0);
	rvs_snapshot_list_done(&list);
	assert_int_equal(system("ls -A store | grep -q tmp"), 256);
}

static void test_best_effort_says_so(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(rvs_snapshot_done) struct rvs_snapshot record = { 0 };
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *tree = NULL;
	struct moving moving = { .move = change_read_bytes, .times = 100000 };
	struct rvs_error err = RVS_ERROR_INIT;

	fill_source();
	expect_ok(snap_moving(store, &moving, true, &record, &err), err);
	assert_string_equal(record.consistency, "best-effort");
	tree = load(store, record.id);
	expect_file(tree, "a", NULL);
	expect_file(tree, "c", NULL);
}

/* A change behind the last read, before anything else is looked at. */
static void test_an_unchanging_source_is_settled_at_once(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(rvs_snapshot_done) struct rvs_snapshot record = { 0 };
	struct moving still = { 0 };
	struct rvs_error err = RVS_ERROR_INIT;

	fill_source();
	expect_ok(snap_moving(store, &still, true, &record, &err), err);
	assert_string_equal(record.consistency, "settled");
}

/*
 * The clock was set back by a day: all that was written before bears a time to
 * come.  It stands still all the same; a change would bear the time of now.
 */
static void test_times_to_come_are_not_movement(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	struct moving still = { 0 };
	struct rvs_snapshot record;
	struct rvs_error err = RVS_ERROR_INIT;
	int r;

	fill_source();
	real_skew_s = -86400;
	leap_s = 7;
	r = snap_moving(store, &still, false, &record, &err);
	real_skew_s = leap_s = 0;
	expect_ok(r, err);
	rvs_snapshot_done(&record);
}

static void test_the_grain_of_the_clock(void **state)
{
	const struct timespec scan = { 1000, 500000000 };
	static const struct {
		struct timespec changed;
		bool settled;
	} cases[] = {
		{ { 1000, 500000000 }, false },
		{ { 1000, 499000000 }, false }, /* the same tick */
		{ { 1000, 400000000 }, true },
		{ { 999, 999999999 }, true },
		{ { 998, 1 }, true },
		{ { 1000, 0 }, false }, /* a filesystem without fractions */
		{ { 998, 0 }, false },
		{ { 990, 0 }, true },
		{ { -1, 0 }, true },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (rvs_time_is_settled(cases[i].changed, scan) !=
		    cases[i].settled)
			fail_msg("case %zu", i);
	/* Times that no clock shows overflow nothing. */
	(void)rvs_time_is_settled((struct timespec){ INT64_MAX, 1 }, scan);
	(void)rvs_time_is_settled((struct timespec){ INT64_MIN, 1 }, scan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_bytes_that_change_are_read_again),
		sandbox_test(test_a_time_put_back_hides_nothing),
		sandbox_test(test_a_file_that_shrinks_and_grows),
		sandbox_test(test_files_that_come_and_go),
		sandbox_test(test_a_file_that_went_leaves_no_stream),
		sandbox_test(test_a_stream_given_up_for_the_bundle_is_gone),
		sandbox_test(test_a_directory_replaced_by_a_file),
		sandbox_test(test_a_file_replaced_by_a_link_is_not_followed),
		sandbox_test(test_a_hard_link_outlives_the_first),
		sandbox_test(test_a_source_that_keeps_moving_is_busy),
		sandbox_test(test_best_effort_says_so),
		sandbox_test(test_an_unchanging_source_is_settled_at_once),
		sandbox_test(test_times_to_come_are_not_movement),
		cmocka_unit_test(test_the_grain_of_the_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
