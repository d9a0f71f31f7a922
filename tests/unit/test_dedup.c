/*
 * Goal: bytes that the base or the snapshot itself has are shared, down to a
 * page; a complete stream shares nothing and nothing hangs on it; every chunk
 * is released once.
 */
#include "deduped.h"

#include "job/content.h"
#include "job/prior.h"

enum { LEN = 100000 };

static void count_release(void *owner)
{
	++*(unsigned *)owner;
}

/* Take in @bytes at @at of the file; they must stay. */
static void take_in(struct deduped *o, const struct rvs_dedup_file *file,
		    const uint8_t *bytes, size_t len, uint64_t at)
{
	struct rvs_dedup_chunk chunk = { .file = file,
					 .bytes = bytes,
					 .at = at,
					 .len = len };
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf scratch = RVS_BUF_INIT;
	struct rvs_error err = RVS_ERROR_INIT;
	unsigned before;

	expect_ok(rvs_dedup_look(o->dedup, &chunk, &scratch, &err), err);
	before = o->released;
	expect_ok(rvs_dedup_chunk(o->dedup, &chunk, count_release,
				  &o->released, &err), err);
	expect_ok(rvs_press_drain(o->press, &err), err);
	assert_int_equal(o->released, before + 1);
	rvs_dedup_chunk_done(&chunk);
}

static void test_what_was_stored_is_shared(void **state)
{
	static uint8_t bytes[LEN];
	RVS_CLEANUP(deduped_done) struct deduped o;
	RVS_CLEANUP(rvs_content_done) struct rvs_content content = { 0 };
	struct rvs_dedup_file file = { .content = &content };

	deduped_begin(&o, NULL);
	file.strand = o.strand;
	fill_random(bytes, LEN, 1);
	take_in(&o, &file, bytes, LEN, 0);
	take_in(&o, &file, bytes, LEN, LEN);
	take_in(&o, &file, bytes, LEN - 1, 2 * LEN); /* others, though alike */
	assert_int_equal(content.extents.count, 3);
	assert_int_equal(content.extents.items[0].volume, DEDUPED_VOLUME);
	assert_int_equal(content.extents.items[1].at, LEN);
	assert_int_equal(content.extents.items[1].member,
			 content.extents.items[0].member);
	assert_true(content.extents.items[2].member !=
		    content.extents.items[0].member);
}

static void test_a_complete_stream_shares_nothing(void **state)
{
	static uint8_t bytes[LEN];
	RVS_CLEANUP(deduped_done) struct deduped o;
	RVS_CLEANUP(rvs_content_done) struct rvs_content content = { 0 };
	RVS_CLEANUP(rvs_content_done) struct rvs_content other = { 0 };
	struct rvs_dedup_file file = { .content = &content, .complete = true };
	struct rvs_dedup_file next = { .content = &other };

	deduped_begin(&o, NULL);
	next.strand = file.strand = o.strand;
	fill_random(bytes, LEN, 1);
	take_in(&o, &file, bytes, LEN, 0);
	take_in(&o, &file, bytes, LEN, LEN);
	take_in(&o, &next, bytes, LEN, 0);
	assert_int_equal(content.extents.count, 2);
	assert_true(content.extents.items[0].member !=
		    content.extents.items[1].member);
	assert_true(other.extents.items[0].member !=
			    content.extents.items[0].member &&
		    other.extents.items[0].member !=
			    content.extents.items[1].member);
}

/* ---- with a base ---- */

static void prior_cleanup(struct rvs_prior **prior)
{
	rvs_prior_free(*prior);
}

/* Of a snapshot of "file", LEN random bytes, which is one member. */
static struct rvs_prior *new_prior(struct rvs_store *store)
{
	RVS_CLEANUP(rvs_snapshot_done) struct rvs_snapshot record = { 0 };
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_prior *prior = NULL;

	write_random("source/file", LEN, 1);
	record = snap(store, "base");
	expect_ok(rvs_prior_new(store, &record, &prior, &err), err);
	expect_ok(rvs_prior_index(prior, &err), err);
	return prior;
}

static const struct rvs_entry *old_file(const struct rvs_prior *prior)
{
	return rvs_tree_entry(rvs_prior_tree(prior),
			      rvs_prior_child(prior, 0, "file"));
}

static void test_equal_pages_are_shared(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(prior_cleanup) struct rvs_prior *prior = new_prior(store);
	RVS_CLEANUP(rvs_buf_done)
	struct rvs_buf bytes = read_whole("source/file");
	RVS_CLEANUP(deduped_done) struct deduped o;
	RVS_CLEANUP(rvs_content_done) struct rvs_content content = { 0 };
	struct rvs_dedup_file file = { .content = &content,
				       .old = old_file(prior) };
	const struct rvs_extent *e;

	deduped_begin(&o, prior);
	file.strand = o.strand;
	bytes.bytes[5 * RVS_PAGE_LEN + 10] ^= 1;
	take_in(&o, &file, bytes.bytes, LEN, 0);
	e = content.extents.items;
	assert_true(content.extents.count >= 3);
	assert_int_equal(e[0].at, 0);
	assert_true(e[0].volume != DEDUPED_VOLUME);
	while (e->volume != DEDUPED_VOLUME)
		e++;
	assert_int_equal(e->at, 5 * RVS_PAGE_LEN);
	assert_int_equal(e[1].at, 6 * RVS_PAGE_LEN);
	assert_true(e[1].volume != DEDUPED_VOLUME);
}

/* As many pieces would make reading slow and the base's members immortal. */
static void test_a_chunk_in_tatters_is_stored_whole(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(prior_cleanup) struct rvs_prior *prior = new_prior(store);
	RVS_CLEANUP(rvs_buf_done)
	struct rvs_buf bytes = read_whole("source/file");
	RVS_CLEANUP(deduped_done) struct deduped o;
	RVS_CLEANUP(rvs_content_done) struct rvs_content content = { 0 };
	struct rvs_dedup_file file = { .content = &content,
				       .old = old_file(prior) };
	size_t at;

	deduped_begin(&o, prior);
	file.strand = o.strand;
	for (at = 0; at < LEN; at += 2 * RVS_PAGE_LEN)
		bytes.bytes[at] ^= 1;
	take_in(&o, &file, bytes.bytes, LEN, 0);
	assert_int_equal(content.extents.count, 1);
	assert_int_equal(content.extents.items[0].volume, DEDUPED_VOLUME);
}

static void test_files_that_the_base_has_are_shared(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(prior_cleanup) struct rvs_prior *prior = new_prior(store);
	RVS_CLEANUP(deduped_done) struct deduped o;
	RVS_CLEANUP(rvs_content_done) struct rvs_content copy = { 0 };
	RVS_CLEANUP(rvs_content_done) struct rvs_content one = { 0 };
	RVS_CLEANUP(rvs_content_done) struct rvs_content two = { 0 };
	const uint8_t small[] = "small";
	struct rvs_error err = RVS_ERROR_INIT;

	deduped_begin(&o, prior);
	copy.digest = old_file(prior)->digest;
	expect_ok(rvs_dedup_copy(o.dedup, &copy, LEN, &err), err);
	assert_true(copy.extents.count > 0);
	assert_true(copy.extents.items[0].volume != DEDUPED_VOLUME);
	expect_status(rvs_dedup_copy(o.dedup, &copy, LEN + 1, &err), 1, err);
	/* A small one that is new is stored once. */
	one.size = two.size = sizeof(small);
	expect_ok(rvs_digest_of(small, sizeof(small), &one.digest, &err), err);
	two.digest = one.digest;
	expect_ok(rvs_dedup_small(o.dedup, o.strand, small, &one, &err), err);
	expect_ok(rvs_dedup_small(o.dedup, o.strand, small, &two, &err), err);
	assert_int_equal(one.extents.items[0].volume, DEDUPED_VOLUME);
	assert_int_equal(two.extents.items[0].member,
			 one.extents.items[0].member);
	assert_int_equal(two.extents.items[0].offset,
			 one.extents.items[0].offset);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_what_was_stored_is_shared),
		sandbox_test(test_a_complete_stream_shares_nothing),
		sandbox_test(test_equal_pages_are_shared),
		sandbox_test(test_a_chunk_in_tatters_is_stored_whole),
		sandbox_test(test_files_that_the_base_has_are_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
