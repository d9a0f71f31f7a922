/*
 * Goal: small files are read by one job and share a member; one that is gone is
 * noted, and harms no other.
 */
#include "deduped.h"

#include "job/batch.h"
#include "job/capture.h"
#include "job/content.h"
#include "source/source.h"

enum { FILES = 10 };

static void batch_cleanup(struct rvs_batch **batch)
{
	rvs_batch_free(*batch);
}

static struct rvs_batch *new_batch(const struct rvs_capture *capture)
{
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_batch *batch = NULL;

	expect_ok(rvs_batch_new(capture, &batch, &err), err);
	return batch;
}

static void test_files_are_read_and_stored_together(void **state)
{
	RVS_CLEANUP(rvs_source_cleanup) struct rvs_source *source = NULL;
	struct rvs_capture capture = { .scratch = "." };
	RVS_CLEANUP(batch_cleanup) struct rvs_batch *batch = NULL;
	RVS_CLEANUP(deduped_done) struct deduped d;
	struct rvs_content contents[FILES] = { { 0 } };
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_digest digest;
	struct rvs_job other = { 0 };
	char path[50];
	int i;

	assert_int_equal(mkdir("source", 0755), 0);
	expect_ok(rvs_source_open("source", &source, &err), err);
	capture.source = source;
	deduped_begin(&d, NULL);
	batch = new_batch(&capture);
	for (i = 0; i < FILES; i++) {
		(void)snprintf(path, sizeof(path), "source/%d", i);
		if (i == 1)
			write_text(path, "");
		else if (i != 4) /* which is gone */
			write_random(path, 1000, (uint64_t)i % 8);
		expect_ok(rvs_batch_add(batch, path + 7, 1000, &contents[i],
					&err), err);
	}
	assert_int_equal(rvs_batch_bytes(batch), FILES * 1000);
	assert_ptr_equal(rvs_batch_of(rvs_batch_job(batch)), batch);
	assert_null(rvs_batch_of(&other));
	rvs_batch_job(batch)->run(rvs_batch_job(batch), 0);
	expect_ok(rvs_batch_store(batch, d.dedup, d.strand, &err), err);
	assert_true(contents[4].missing);
	assert_int_equal(contents[1].size, 0);
	expect_ok(rvs_digest_of("", 0, &digest, &err), err);
	assert_true(rvs_digest_equal(&contents[1].digest, &digest));
	for (i = 0; i < FILES; i++) {
		if (i == 1 || i == 4) {
			assert_int_equal(contents[i].extents.count, 0);
			continue;
		}
		assert_int_equal(contents[i].size, 1000);
		assert_int_equal(contents[i].extents.count, 1);
		assert_int_equal(contents[i].extents.items[0].member,
				 contents[0].extents.items[0].member);
	}
	/* The eighth is the first once more. */
	assert_int_equal(contents[8].extents.items[0].offset,
			 contents[0].extents.items[0].offset);
	assert_true(contents[2].extents.items[0].offset !=
		    contents[0].extents.items[0].offset);
	for (i = 0; i < FILES; i++)
		rvs_content_done(&contents[i]);
}

static void test_its_room_is_bounded(void **state)
{
	const struct rvs_capture capture = { .scratch = "." };
	RVS_CLEANUP(batch_cleanup)
	struct rvs_batch *batch = new_batch(&capture);
	struct rvs_content content = { 0 };
	struct rvs_error err = RVS_ERROR_INIT;
	int i;

	assert_true(rvs_batch_has_room(batch, RVS_GATHER_MAX));
	assert_false(rvs_batch_has_room(batch, RVS_GATHER_MAX + 1));
	for (i = 0; rvs_batch_has_room(batch, 1); i++)
		expect_ok(rvs_batch_add(batch, "x", 1, &content, &err), err);
	assert_int_equal(i, 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_files_are_read_and_stored_together),
		sandbox_test(test_its_room_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
