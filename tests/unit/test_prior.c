/*
 * Goal: a new snapshot finds what its base has, and nothing else; a time proves
 * that a file did not change only when a change would have left another.
 */
#include "sandbox.h"

#include "format/digest.h"
#include "job/prior.h"
#include "store/store.h"
#include "store/volume.h"

enum { SOURCE_LEN = 300000 };

static void prior_cleanup(struct rvs_prior **prior)
{
	rvs_prior_free(*prior);
}

/* The prior of a snapshot of file, dir/copy (the same bytes) and dir/other. */
static struct rvs_prior *new_prior(struct rvs_store *store)
{
	RVS_CLEANUP(rvs_snapshot_done) struct rvs_snapshot record = { 0 };
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_prior *prior = NULL;

	write_random("source/file", SOURCE_LEN, 1);
	assert_int_equal(mkdir("source/dir", 0755), 0);
	write_random("source/dir/copy", SOURCE_LEN, 1);
	write_text("source/dir/other", "text");
	write_text("source/empty", "");
	record = snap(store, "base");
	expect_ok(rvs_prior_new(store, &record, &prior, &err), err);
	return prior;
}

static void test_children_are_found_by_name(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(prior_cleanup) struct rvs_prior *prior = new_prior(store);
	uint32_t dir = rvs_prior_child(prior, 0, "dir");
	uint32_t file = rvs_prior_child(prior, 0, "file");

	assert_true(dir != RVS_NO_ENTRY && file != RVS_NO_ENTRY);
	assert_true(S_ISDIR(rvs_tree_entry(rvs_prior_tree(prior), dir)->mode));
	assert_true(rvs_prior_child(prior, dir, "other") != RVS_NO_ENTRY);
	assert_int_equal(rvs_prior_child(prior, dir, "file"), RVS_NO_ENTRY);
	/* Below what is no directory, or was not there, nothing was. */
	assert_int_equal(rvs_prior_child(prior, file, "x"), RVS_NO_ENTRY);
	assert_int_equal(rvs_prior_child(prior, RVS_NO_ENTRY, "x"),
			 RVS_NO_ENTRY);
}

static void test_files_are_found_by_their_bytes(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(prior_cleanup) struct rvs_prior *prior = new_prior(store);
	RVS_CLEANUP(rvs_buf_done)
	struct rvs_buf bytes = read_whole("source/file");
	struct rvs_error err = RVS_ERROR_INIT;
	const struct rvs_entry *found;
	struct rvs_digest digest;

	expect_ok(rvs_prior_index(prior, &err), err);
	expect_ok(rvs_digest_of(bytes.bytes, bytes.len, &digest, &err), err);
	found = rvs_prior_find_file(prior, &digest, SOURCE_LEN);
	assert_non_null(found);
	assert_int_equal(found->size, SOURCE_LEN);
	assert_null(rvs_prior_find_file(prior, &digest, SOURCE_LEN - 1));
	digest.bytes[31] ^= 1;
	assert_null(rvs_prior_find_file(prior, &digest, SOURCE_LEN));

	assert_true(rvs_prior_has_size(prior, SOURCE_LEN));
	assert_true(rvs_prior_has_size(prior, 4));
	assert_false(rvs_prior_has_size(prior, 0));
	assert_false(rvs_prior_has_size(prior, 5));
}

static void test_members_are_found_by_their_bytes(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(prior_cleanup) struct rvs_prior *prior = new_prior(store);
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_digest digest;
	uint32_t volume, member;

	expect_ok(rvs_digest_of("text", 4, &digest, &err), err);
	assert_false(rvs_prior_find_member(prior, &digest, 4, &volume,
					   &member)); /* not indexed yet */
	expect_ok(rvs_prior_index(prior, &err), err);
	assert_true(rvs_prior_find_member(prior, &digest, 4, &volume,
					  &member));
	assert_int_equal(volume, 0);
	assert_false(rvs_prior_find_member(prior, &digest, 5, &volume,
					   &member));
	digest.bytes[31] ^= 1;
	assert_false(rvs_prior_find_member(prior, &digest, 4, &volume,
					   &member));
}

static void test_segments_are_found_by_their_bytes(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(prior_cleanup) struct rvs_prior *prior = new_prior(store);
	RVS_CLEANUP(rvs_volume_cleanup) struct rvs_volume *volume = NULL;
	struct rvs_error err = RVS_ERROR_INIT;
	const struct rvs_segment *segments;
	struct rvs_segment found;
	struct rvs_digest digest;
	size_t count;

	segments = rvs_tree_segments(rvs_prior_tree(prior), &count);
	assert_int_equal(count, 1);
	expect_ok(rvs_volume_get(store->volumes, segments[0].id, &volume, NULL,
				 &err), err);
	digest = rvs_volume_members(volume)->items[segments[0].member].digest;
	assert_true(rvs_prior_find_segment(prior, &digest, &found));
	assert_int_equal(found.member, segments[0].member);
	digest.bytes[31] ^= 1;
	assert_false(rvs_prior_find_segment(prior, &digest, &found));
}

static void test_a_time_settles_once_the_clock_went_on(void **state)
{
	static const struct {
		struct timespec changed;
		struct timespec scan;
		bool settled;
	} cases[] = {
		{ { 100, 500000000 }, { 100, 500000000 }, false },
		{ { 100, 500000000 }, { 100, 510000000 }, false },
		{ { 100, 500000000 }, { 100, 530000000 }, true },
		{ { 100, 999000000 }, { 101, 1000000 }, false },
		{ { 100, 999000000 }, { 101, 100000000 }, true },
		/* What lies ahead of the clock may still be changed to it. */
		{ { 101, 1 }, { 100, 0 }, false },
		{ { 101, 0 }, { 100, 999999999 }, false },
		/* Without a fraction, filesystems may count by two seconds. */
		{ { 100, 0 }, { 102, 999999999 }, false },
		{ { 100, 0 }, { 103, 0 }, true },
		/* Times at both ends of what can be said. */
		{ { INT64_MIN, 1 }, { INT64_MAX, 0 }, true },
		{ { INT64_MAX, 1 }, { INT64_MIN, 0 }, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (rvs_time_is_settled(cases[i].changed, cases[i].scan) !=
		    cases[i].settled)
			fail_msg("case %zu", i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_children_are_found_by_name),
		sandbox_test(test_files_are_found_by_their_bytes),
		sandbox_test(test_members_are_found_by_their_bytes),
		sandbox_test(test_segments_are_found_by_their_bytes),
		cmocka_unit_test(test_a_time_settles_once_the_clock_went_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
