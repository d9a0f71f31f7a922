/*
 * Goal: checksum.sha256 is what sha256sum(1) reads and writes, for every name
 * that is safe; other lines are damage.
 */
#include "sandbox.h"

#include "format/checksums.h"
#include "format/digest.h"

#define DIGEST \
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static const char *const names[] = { "metadata.json", "dir/vectors.bin.gz",
				     "two\nlines", "back\\slash", "\r", "\\n",
				     " blank  in front" };

struct seen {
	unsigned count;
	int answer;
};

static int see(void *arg, const char *name, const struct rvs_digest *digest)
{
	struct seen *seen = arg;

	assert_string_equal(name, names[seen->count++]);
	assert_int_equal(digest->bytes[0], 0xe3);
	return seen->answer;
}

static struct rvs_buf written(void)
{
	struct rvs_digest digest = { { 0xe3, 0xb0 } };
	struct rvs_buf ret = RVS_BUF_INIT;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		rvs_checksums_put(&ret, &digest, names[i]);
	rvs_buf_put_u8(&ret, 0);
	assert_false(ret.failed);
	return ret;
}

static void test_what_is_written_is_read(void **state)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf text = written();
	struct rvs_error err = RVS_ERROR_INIT;
	struct seen seen = { 0 };

	expect_ok(rvs_checksums_read((char *)text.bytes, see, &seen, &err),
		  err);
	assert_int_equal(seen.count, sizeof(names) / sizeof(*names));
}

static void test_the_reader_may_stop(void **state)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf text = written();
	struct rvs_error err = RVS_ERROR_INIT;
	struct seen seen = { .answer = 5 };

	assert_int_equal(rvs_checksums_read((char *)text.bytes, see, &seen,
					    &err), 5);
	assert_int_equal(seen.count, 1);
}

/* Names with every byte that sha256sum escapes, checked by it. */
static void test_sha256sum_agrees(void **state)
{
	static const char *const files[] = { "plain", "two\nlines", "a\\b",
					     "\r", "\\n" };
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf text = RVS_BUF_INIT;
	struct rvs_digest empty;
	struct rvs_error err = RVS_ERROR_INIT;

	expect_ok(rvs_digest_parse(DIGEST, &empty, &err), err);
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		write_file(files[i], "", 0);
		rvs_checksums_put(&text, &empty, files[i]);
	}
	write_file("sums", text.bytes, text.len);
	assert_int_equal(system("sha256sum -c --quiet --strict sums"), 0);
	assert_int_equal(system("sha256sum -- plain two*lines a*b '\r' "
				"'\\n' | cmp - sums"), 0);
}

static void test_other_lines_are_damage(void **state)
{
	static const char *const lines[] = {
		"\n",
		DIGEST "  cut",
		DIGEST " one-blank\n",
		DIGEST "  \n",
		DIGEST "  ../up\n",
		DIGEST "  /root\n",
		DIGEST "  a/./b\n",
		"E" DIGEST "  long\n",
		"x3b0c44298fc1c149afbf4c8996fb924"
		"27ae41e4649b934ca495991b7852b855  hex\n",
		DIGEST "\n",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		RVS_CLEANUP(rvs_cleanup_free) char *text = strdup(lines[i]);
		struct rvs_error err = RVS_ERROR_INIT;
		struct seen seen = { 0 };
		int r = rvs_checksums_read(text, see, &seen, &err);

		if (r != RVS_ERR_CORRUPT)
			fail_msg("line %zu: %d", i, r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written_is_read),
		cmocka_unit_test(test_the_reader_may_stop),
		sandbox_test(test_sha256sum_agrees),
		cmocka_unit_test(test_other_lines_are_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
