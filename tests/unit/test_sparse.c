/*
 * Goal: a copy has the bytes and the holes of its source, may be cancelled, and
 * survives a source that shrinks.
 */
#include "sandbox.h"

#include "source/sparse.h"

enum { DATA_LEN = 100000, HOLE_END = 64 << 20 };

struct pair {
	int from;
	int to;
};

static void pair_done(struct pair *pair)
{
	assert_int_equal(close(pair->from), 0);
	assert_int_equal(close(pair->to), 0);
}

/* Data, a hole, data, a hole. */
static struct pair open_pair(void)
{
	struct pair ret;

	write_random("from", DATA_LEN, 3);
	write_at("from", "end", 3, HOLE_END);
	assert_int_equal(truncate("from", 2 * HOLE_END), 0);
	ret.from = open("from", O_RDWR | O_CLOEXEC);
	ret.to = open("to", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(ret.from >= 0 && ret.to >= 0);
	return ret;
}

static uint64_t allocated(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void test_holes_are_kept(void **state)
{
	RVS_CLEANUP(pair_done) struct pair pair = open_pair();
	struct rvs_error err = RVS_ERROR_INIT;

	expect_ok(rvs_sparse_copy(pair.from, pair.to, 2 * HOLE_END, NULL,
				  &err), err);
	expect_same_file("from", "to");
	assert_in_range(allocated(pair.to), DATA_LEN, 4 * DATA_LEN);
}

static void test_the_size_is_what_was_asked(void **state)
{
	static const uint64_t sizes[] = { 0, 1, DATA_LEN, HOLE_END + 1 };
	struct rvs_error err = RVS_ERROR_INIT;
	struct stat st;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		RVS_CLEANUP(pair_done) struct pair pair = open_pair();

		expect_ok(rvs_sparse_copy(pair.from, pair.to, sizes[i], NULL,
					  &err), err);
		assert_int_equal(fstat(pair.to, &st), 0);
		assert_int_equal(st.st_size, sizes[i]);
		assert_int_equal(truncate("from", (off_t)sizes[i]), 0);
		expect_same_file("from", "to");
	}
}

/* Called before each piece. */
static bool shrink(void *arg)
{
	const struct pair *pair = arg;

	assert_int_equal(ftruncate(pair->from, 10), 0);
	return false;
}

static void test_a_source_that_shrinks_is_copied_as_far_as_it_goes(void **state)
{
	RVS_CLEANUP(pair_done) struct pair pair = open_pair();
	const struct rvs_monitor monitor = { .arg = &pair,
					     .cancelled = shrink };
	struct rvs_error err = RVS_ERROR_INIT;

	expect_ok(rvs_sparse_copy(pair.from, pair.to, 2 * HOLE_END, &monitor,
				  &err), err);
	assert_int_equal(truncate("from", 2 * HOLE_END), 0);
	expect_same_file("from", "to");
}

static bool always(void *arg)
{
	(void)arg;
	return true;
}

static void test_a_copy_can_be_cancelled(void **state)
{
	RVS_CLEANUP(pair_done) struct pair pair = open_pair();
	const struct rvs_monitor monitor = { .cancelled = always };
	struct rvs_error err = RVS_ERROR_INIT;

	expect_status(rvs_sparse_copy(pair.from, pair.to, 2 * HOLE_END,
				      &monitor, &err),
		      RVS_ERR_INTERRUPTED, err);
}

/* Where the filesystem can, bytes and all; where not, nothing. */
static void test_a_clone_is_the_source_or_nothing(void **state)
{
	RVS_CLEANUP(pair_done) struct pair pair = open_pair();

	if (rvs_sparse_clone(pair.from, pair.to) == 0)
		expect_same_file("from", "to");
	else
		assert_int_equal(allocated(pair.to), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_holes_are_kept),
		sandbox_test(test_the_size_is_what_was_asked),
		sandbox_test(
			test_a_source_that_shrinks_is_copied_as_far_as_it_goes),
		sandbox_test(test_a_copy_can_be_cancelled),
		sandbox_test(test_a_clone_is_the_source_or_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
