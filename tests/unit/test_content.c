/*
 * Goal: what became of a file is noted as it is: extents that go on are one,
 * what cannot be read is told from what is amiss here, a damaged file's vectors
 * are not counted and it is said why.
 */
#include "sandbox.h"

#include <errno.h>

#include "job/content.h"
#include "redb_samples.h"

static void test_extents_that_go_on_are_one(void **state)
{
	RVS_CLEANUP(rvs_content_done) struct rvs_content content = { 0 };
	struct rvs_error err = RVS_ERROR_INIT;

	expect_ok(rvs_content_add(&content, 0, 1, 7, 0, &err), err);
	expect_ok(rvs_content_add(&content, 100, 1, 7, 100, &err), err);
	assert_int_equal(content.extents.count, 1);
	expect_ok(rvs_content_add(&content, 200, 1, 8, 200, &err), err);
	assert_int_equal(content.extents.count, 2);
	assert_int_equal(content.extents.items[1].at, 200);
	assert_int_equal(content.extents.items[1].member, 8);
}

static void test_what_cannot_be_read_is_noted(void **state)
{
	struct rvs_content content = { 0 };
	struct rvs_error err = RVS_ERROR_INIT;

	errno = EMFILE;
	assert_true(rvs_content_cannot_read(&content, &err) < 0);
	assert_int_equal(content.unreadable, 0);
	errno = EIO;
	assert_true(rvs_content_cannot_read(&content, &err) < 0);
	assert_int_equal(content.unreadable, EIO);
}

static void test_vectors_are_counted_or_it_is_said_why(void **state)
{
	RVS_CLEANUP(rvs_content_done) struct rvs_content content = { 0 };
	RVS_CLEANUP(rvs_cleanup_free) struct image *image = new_database();
	const struct rvs_input input =
		rvs_input_of_memory(image->bytes, image->len);

	rvs_content_count(&content, &input, "vectors.db");
	assert_int_equal(content.vectors.count, 42);
	assert_null(content.uncounted);
	memset(image->bytes + 16, 0xff, image->len - 16);
	rvs_content_count(&content, &input, "vectors.db");
	assert_non_null(content.uncounted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_extents_that_go_on_are_one),
		sandbox_test(test_what_cannot_be_read_is_noted),
		sandbox_test(test_vectors_are_counted_or_it_is_said_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
