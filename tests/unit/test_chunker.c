/*
 * Goal: chunks and holes, one after the other, are the file, whatever happens
 * to it; what is held stays, while other files are read.
 */
#include "sandbox.h"

#include <errno.h>

#include "format/cut.h"
#include "format/digest.h"
#include "job/chunker.h"
#include "job/content.h"

enum { MIB = 1 << 20, HELD_MAX = 1000 };

/* What a file was given as; holes are zeros in it. */
struct taken {
	struct rvs_buf bytes;
	unsigned chunks, holes, whole;
	uint64_t hole_bytes;
	bool hold; /* chunks are held, and looked at again at the end */
	struct rvs_window *held[HELD_MAX];
	const uint8_t *at[HELD_MAX];
	size_t len[HELD_MAX];
	unsigned fail_after; /* chunks; 0: never */
};

static int take_chunk(void *arg, struct rvs_window *window,
		      const uint8_t *bytes, size_t len, bool whole,
		      struct rvs_error *err)
{
	struct taken *taken = arg;

	if (taken->hold) {
		assert_true(taken->chunks < HELD_MAX);
		rvs_window_hold(window);
		taken->held[taken->chunks] = window;
		taken->at[taken->chunks] = bytes;
		taken->len[taken->chunks] = len;
	}
	assert_true(len > 0 && len <= RVS_CUT_MAX);
	taken->chunks++;
	taken->whole += whole;
	rvs_buf_put(&taken->bytes, bytes, len);
	if (taken->chunks == taken->fail_after)
		return rvs_error_set(err, RVS_ERR_NO_SPACE, "full");
	return 0;
}

static int take_hole(void *arg, uint64_t len, struct rvs_error *err)
{
	struct taken *taken = arg;
	uint8_t *bytes = rvs_buf_reserve(&taken->bytes, (size_t)len);

	assert_non_null(bytes);
	memset(bytes, 0, (size_t)len);
	taken->bytes.len += (size_t)len;
	taken->holes++;
	taken->hole_bytes += len;
	return 0;
}

static void chunker_cleanup(struct rvs_chunker **chunker)
{
	rvs_chunker_free(*chunker);
}

static struct rvs_chunker *new_chunker(void)
{
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_chunker *chunker = NULL;

	expect_ok(rvs_chunker_new(&chunker, &err), err);
	return chunker;
}

/* Read @size bytes of the file @path. */
static int read_file(struct rvs_chunker *chunker, const char *path,
		     uint64_t size, struct taken *taken, struct rvs_error *err)
{
	const struct rvs_chunker_sink sink = { taken, take_chunk, take_hole };
	RVS_CLEANUP(rvs_cleanup_fd)
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct rvs_content content = { 0 };

	assert_true(fd >= 0);
	return rvs_chunker_read(chunker, fd, size, &content, &sink, err);
}

static void expect_file(const struct taken *taken, const char *path)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf wanted = read_whole(path);

	assert_int_equal(taken->bytes.len, wanted.len);
	assert_memory_equal(taken->bytes.bytes, wanted.bytes, wanted.len);
}

static void test_chunks_and_holes_are_the_file(void **state)
{
	static const uint8_t zeros[300000];
	RVS_CLEANUP(chunker_cleanup)
	struct rvs_chunker *chunker = new_chunker();
	struct rvs_error err = RVS_ERROR_INIT;
	struct taken taken = { 0 };

	write_random("file", 5 * MIB + 77, 1);
	write_at("file", zeros, sizeof(zeros), MIB + 5); /* no hole on disk */
	assert_int_equal(truncate("file", 40 * MIB), 0); /* one on disk */
	expect_ok(read_file(chunker, "file", 40 * MIB, &taken, &err), err);
	expect_file(&taken, "file");
	/* Blocks of 64 KiB that are all zeros; long holes are in pieces. */
	assert_true(taken.hole_bytes >= 34 * MIB + 3 * 65536);
	assert_true(taken.holes >= 5);
	assert_int_equal(taken.whole, 0);
	rvs_buf_done(&taken.bytes);
}

static void test_one_chunk_is_said_to_be_the_file(void **state)
{
	RVS_CLEANUP(chunker_cleanup)
	struct rvs_chunker *chunker = new_chunker();
	struct rvs_error err = RVS_ERROR_INIT;
	struct taken small = { 0 }, large = { 0 }, empty = { 0 };

	write_random("small", 10000, 1);
	write_random("large", RVS_CUT_MAX + 1, 2);
	write_text("empty", "");
	expect_ok(read_file(chunker, "small", 10000, &small, &err), err);
	expect_file(&small, "small");
	assert_int_equal(small.chunks, 1);
	assert_int_equal(small.whole, 1);
	expect_ok(read_file(chunker, "large", RVS_CUT_MAX + 1, &large, &err),
		  err);
	assert_true(large.chunks > 1);
	assert_int_equal(large.whole, 0);
	expect_ok(read_file(chunker, "empty", 0, &empty, &err), err);
	assert_int_equal(empty.chunks, 0);
	rvs_buf_done(&small.bytes);
	rvs_buf_done(&large.bytes);
}

static void test_what_is_held_stays(void **state)
{
	RVS_CLEANUP(chunker_cleanup)
	struct rvs_chunker *chunker = new_chunker();
	struct rvs_error err = RVS_ERROR_INIT;
	struct taken first = { .hold = true }, second = { 0 };
	size_t at = 0;
	unsigned i;

	write_random("first", 3 * MIB, 1);
	write_random("second", 9 * MIB, 2);
	expect_ok(read_file(chunker, "first", 3 * MIB, &first, &err), err);
	expect_ok(read_file(chunker, "second", 9 * MIB, &second, &err), err);
	expect_file(&second, "second");
	for (i = 0; i < first.chunks; i++) {
		assert_memory_equal(first.at[i], first.bytes.bytes + at,
				    first.len[i]);
		at += first.len[i];
		rvs_window_drop(first.held[i]);
	}
	assert_int_equal(at, 3 * MIB);
	rvs_buf_done(&first.bytes);
	rvs_buf_done(&second.bytes);
}

static void test_a_file_that_was_cut_ends(void **state)
{
	RVS_CLEANUP(chunker_cleanup)
	struct rvs_chunker *chunker = new_chunker();
	struct rvs_error err = RVS_ERROR_INIT;
	struct taken cut = { 0 }, grown = { 0 };

	write_random("file", 500000, 1);
	expect_ok(read_file(chunker, "file", 700000, &cut, &err), err);
	expect_file(&cut, "file");
	/* Nor is more read than there was. */
	expect_ok(read_file(chunker, "file", 300000, &grown, &err), err);
	assert_int_equal(grown.bytes.len, 300000);
	rvs_buf_done(&cut.bytes);
	rvs_buf_done(&grown.bytes);
}

static void test_a_failure_of_the_sink_ends_the_reading(void **state)
{
	RVS_CLEANUP(chunker_cleanup)
	struct rvs_chunker *chunker = new_chunker();
	struct rvs_error err = RVS_ERROR_INIT;
	struct taken failing = { .fail_after = 2 }, next = { 0 };

	write_random("file", 3 * MIB, 1);
	expect_status(read_file(chunker, "file", 3 * MIB, &failing, &err),
		      RVS_ERR_NO_SPACE, err);
	assert_int_equal(failing.chunks, 2);
	/* What was left uncut is no part of the next file. */
	expect_ok(read_file(chunker, "file", 3 * MIB, &next, &err), err);
	expect_file(&next, "file");
	rvs_buf_done(&failing.bytes);
	rvs_buf_done(&next.bytes);
}

static void test_what_cannot_be_read_is_noted(void **state)
{
	RVS_CLEANUP(chunker_cleanup)
	struct rvs_chunker *chunker = new_chunker();
	const struct rvs_chunker_sink sink = { NULL, take_chunk, take_hole };
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_content content = { 0 };

	/* Of no file, which says nothing about the source. */
	assert_true(rvs_chunker_read(chunker, -1, 1000, &content, &sink,
				     &err) < 0);
	assert_int_equal(content.unreadable, 0);
	errno = EIO;
	assert_true(rvs_content_cannot_read(&content, &err) < 0);
	assert_int_equal(content.unreadable, EIO);
}

static bool stop(void *arg)
{
	return true;
}

static void test_digest(void **state)
{
	const struct rvs_monitor monitor = { .cancelled = stop };
	RVS_CLEANUP(chunker_cleanup)
	struct rvs_chunker *chunker = new_chunker();
	RVS_CLEANUP(rvs_cleanup_fd) int fd = -1;
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf bytes = RVS_BUF_INIT;
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_content content = { 0 };
	struct rvs_digest digest;

	write_random("file", 5 * MIB, 1);
	bytes = read_whole("file");
	expect_ok(rvs_digest_of(bytes.bytes, bytes.len, &digest, &err), err);
	fd = open("file", O_RDONLY | O_CLOEXEC);
	expect_ok(rvs_chunker_digest(chunker, fd, 5 * MIB, NULL, &content,
				     &err), err);
	assert_true(rvs_digest_equal(&content.digest, &digest));
	/* It is not as long as it was, or longer. */
	expect_status(rvs_chunker_digest(chunker, fd, 6 * MIB, NULL, &content,
					 &err), 1, err);
	expect_status(rvs_chunker_digest(chunker, fd, 5 * MIB - 1, NULL,
					 &content, &err), 1, err);
	expect_status(rvs_chunker_digest(chunker, fd, 5 * MIB, &monitor,
					 &content, &err),
		      RVS_ERR_INTERRUPTED, err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_chunks_and_holes_are_the_file),
		sandbox_test(test_one_chunk_is_said_to_be_the_file),
		sandbox_test(test_what_is_held_stays),
		sandbox_test(test_a_file_that_was_cut_ends),
		sandbox_test(test_a_failure_of_the_sink_ends_the_reading),
		sandbox_test(test_what_cannot_be_read_is_noted),
		sandbox_test(test_digest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
