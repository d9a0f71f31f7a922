/*
 * Goal: every page that a commit needs is looked at, and no bytes whatever make
 * the decoders of redb files read astray, or walk longer than the file is.
 *
 * `test_redb_format --corpus DIR` writes the broken images, which are the
 * corpus of fuzz_redb.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "redb_broken.h"

static void test_page_decodes_every_mix_of_widths(void **state)
{
	static const struct rvs_redb_widths mixes[] = {
		{ RVS_REDB_VARIES, RVS_REDB_VARIES },
		{ RVS_REDB_VARIES, 5 },
		{ 3, RVS_REDB_VARIES },
		{ 3, 5 },
	};
	const struct image_pair pairs[] = {
		{ image_text("one"), image_text("first") },
		{ image_text("two"), image_text("other") },
	};
	RVS_CLEANUP(rvs_cleanup_free) struct image *image = new_database();

	for (size_t i = 0; i < 4; i++) {
		struct rvs_redb_ref ref = image_leaf(image, mixes[i], pairs, 2);
		struct rvs_redb_span span;
		struct rvs_redb_page page;

		assert_true(rvs_redb_page_open(image_page(image, ref.page),
					       IMAGE_PAGE_LEN, mixes[i],
					       &ref.checksum, &page));
		assert_true(page.leaf);
		assert_int_equal(page.count, 2);
		assert_true(rvs_redb_page_key(&page, 1, &span));
		assert_memory_equal(span.bytes, "two", span.len);
		assert_true(rvs_redb_page_value(&page, 0, &span));
		assert_int_equal(span.len, 5);
		assert_memory_equal(span.bytes, "first", span.len);
		assert_true(rvs_redb_page_value(&page, 1, &span));
		assert_memory_equal(span.bytes, "other", span.len);
	}
}

static void test_page_refuses_what_does_not_fit(void **state)
{
	static const struct {
		const char *why;
		uint8_t bytes[16];
		struct rvs_redb_widths widths;
	} cases[] = {
		{ "no such type", { 3, 0, 1, 0 }, { 1, 1 } },
		{ "no entries", { 1, 0, 0, 0 }, { 1, 1 } },
		{ "ends beyond the page", { 1, 0, 0xff, 0xff }, { -1, -1 } },
		{ "widths beyond the page", { 1, 0, 1, 0 }, { 400, 400 } },
		{ "end before the keys", { 1, 0, 1, 0, 2 }, { -1, 0 } },
		{ "children beyond the page", { 2, 0, 0x80, 0 }, { 1, 0 } },
	};
	struct rvs_redb_page page;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_false(rvs_redb_page_decode(cases[i].bytes,
						  sizeof(cases[i].bytes),
						  cases[i].widths, &page));
	assert_false(rvs_redb_page_decode(cases[0].bytes, 3,
					  cases[0].widths, &page));
}

static void test_header_locates_only_pages_of_the_layout(void **state)
{
	RVS_CLEANUP(rvs_cleanup_free) struct image *image = new_database();
	const uint64_t order_1 = UINT64_C(1) << 59, region_1 = 1 << 20;
	struct rvs_redb_extent extent;
	struct rvs_redb_header header;

	assert_int_equal(rvs_redb_header_decode(image->bytes, &header, NULL),
			 0);
	assert_true(rvs_redb_header_locate(&header, 3, &extent));
	assert_int_equal(extent.offset, IMAGE_DATA_AT + 3 * IMAGE_PAGE_LEN);
	assert_int_equal(extent.len, IMAGE_PAGE_LEN);
	assert_true(rvs_redb_header_locate(&header, order_1 | 3, &extent));
	assert_int_equal(extent.offset, IMAGE_DATA_AT + 6 * IMAGE_PAGE_LEN);
	assert_int_equal(extent.len, 2 * IMAGE_PAGE_LEN);

	assert_false(rvs_redb_header_locate(&header, PAGES, &extent));
	assert_false(rvs_redb_header_locate(&header, order_1 | PAGES / 2,
					    &extent));
	assert_false(rvs_redb_header_locate(&header, region_1, &extent));
	assert_false(rvs_redb_header_locate(&header, UINT64_MAX, &extent));
}

static void test_header_accepts_lengths_that_redb_does(void **state)
{
	RVS_CLEANUP(rvs_cleanup_free) struct image *image = new_database();
	struct rvs_redb_header header;
	uint64_t region = (IMAGE_REGION_HEADER_PAGES + IMAGE_REGION_PAGES) *
			  (uint64_t)IMAGE_PAGE_LEN;
	uint64_t full = IMAGE_PAGE_LEN + region;

	assert_int_equal(rvs_redb_header_decode(image->bytes, &header, NULL),
			 0);
	assert_int_equal(rvs_redb_header_length(&header), image->len);
	assert_true(rvs_redb_header_accepts(&header, image->len));
	assert_true(rvs_redb_header_accepts(&header, image->len + 512));
	assert_true(rvs_redb_header_accepts(&header, full));
	assert_true(rvs_redb_header_accepts(&header, full + 1024));

	assert_false(rvs_redb_header_accepts(&header, image->len - 512));
	assert_false(rvs_redb_header_accepts(&header, image->len + 1));
	assert_false(rvs_redb_header_accepts(&header, full + 512));
}

static unsigned first_candidate(const struct image *image, unsigned *ret_count)
{
	struct rvs_redb_header header;
	unsigned order[RVS_REDB_SLOTS] = { RVS_REDB_SLOTS, RVS_REDB_SLOTS };

	assert_int_equal(rvs_redb_header_decode(image->bytes, &header, NULL),
			 0);
	*ret_count = rvs_redb_header_candidates(&header, order);
	return order[0];
}

static void test_header_chooses_the_slot_that_redb_does(void **state)
{
	RVS_CLEANUP(rvs_cleanup_free) struct image *image = new_database();
	unsigned count;

	put_two_commits(image);
	assert_int_equal(first_candidate(image, &count), 1);
	assert_int_equal(count, 2);

	/* The flags were lost, the slot was not. */
	image->bytes[IMAGE_FLAGS_AT] &= (uint8_t)~IMAGE_SECOND_PRIMARY;
	assert_int_equal(first_candidate(image, &count), 1);
	/* After two-phase commits the flags alone count. */
	image->bytes[IMAGE_FLAGS_AT] |= IMAGE_TWO_PHASE;
	assert_int_equal(first_candidate(image, &count), 0);
	assert_int_equal(count, 1);

	image->bytes[IMAGE_FLAGS_AT] =
		IMAGE_RECOVERY_REQUIRED | IMAGE_SECOND_PRIMARY;
	spoil_slot(image, 1);
	assert_int_equal(first_candidate(image, &count), 0);
	assert_int_equal(count, 1);
	spoil_slot(image, 0);
	(void)first_candidate(image, &count);
	assert_int_equal(count, 0);
}

static void test_proved_remembers_within_its_memory(void **state)
{
	RVS_CLEANUP(rvs_redb_proved_done)
	struct rvs_redb_proved proved = rvs_redb_proved_of(64 << 10);
	struct rvs_redb_ref ref = { .page = 0 };
	unsigned remembered = 0;

	for (ref.page = 0; ref.page < 100000; ref.page++)
		rvs_redb_proved_add(&proved, &ref);
	assert_true(proved.capacity * sizeof(*proved.slots) <= 64 << 10);
	for (ref.page = 0; ref.page < 100000; ref.page++)
		remembered += rvs_redb_proved_has(&proved, &ref);
	assert_in_range(remembered, 6000, 6144);

	ref.page = 0;
	assert_true(rvs_redb_proved_has(&proved, &ref));
	ref.checksum.bytes[1] = 1;
	assert_false(rvs_redb_proved_has(&proved, &ref));
	rvs_redb_proved_clear(&proved);
	ref.checksum.bytes[1] = 0;
	assert_false(rvs_redb_proved_has(&proved, &ref));
}

static void test_every_page_of_a_commit_is_proved(void **state)
{
	RVS_CLEANUP(rvs_cleanup_free) struct image *image = new_database();
	struct rvs_error err;

	assert_int_equal(prove_image(image, PROVED_BYTES, &err), 0);
	assert_int_equal(prove_image(image, 0, &err), 0);
	for (unsigned page = 0; page < image->pages; page++) {
		/* The count of entries: in every checksum. */
		image_page(image, page)[2] ^= 0x40;
		assert_int_equal(prove_image(image, PROVED_BYTES, &err),
				 RVS_ERR_CORRUPT);
		image_page(image, page)[2] ^= 0x40;
	}
	/* What the commit does not name may be anything. */
	memset(image_page(image, image->pages), 0xff, IMAGE_PAGE_LEN);
	assert_int_equal(prove_image(image, PROVED_BYTES, &err), 0);
}

static void test_work_is_bounded_by_the_file(void **state)
{
	RVS_CLEANUP(rvs_cleanup_free) struct image *image = new_database();
	struct rvs_error err;

	put_fan(image, 60);
	assert_int_equal(prove_image(image, PROVED_BYTES, &err), 0);
	assert_int_equal(prove_image(image, 0, &err), RVS_ERR_CORRUPT);
	assert_non_null(strstr(err.text, "more pages"));

	put_fan(image, 300);
	assert_int_equal(prove_image(image, PROVED_BYTES, &err),
			 RVS_ERR_CORRUPT);
	assert_non_null(strstr(err.text, "too deep"));
}

static void test_broken_images_are_told_apart(void **state)
{
	RVS_CLEANUP(rvs_cleanup_free) struct image *image = new_database();
	struct rvs_error err;

	for (size_t i = 0; i < broken_count; i++) {
		int r;

		put_database(image);
		broken[i].edit(image);
		r = prove_image(image, PROVED_BYTES, &err);
		if (r != broken[i].status)
			fail_msg("%s: %d, %s", broken[i].name, r, err.text);
	}
}

static int write_corpus(const char *directory)
{
	static struct image image;

	for (size_t i = 0; i < broken_count; i++) {
		char path[512];
		FILE *file;
		bool whole;

		put_database(&image);
		broken[i].edit(&image);
		(void)snprintf(path, sizeof(path), "%s/%s", directory,
			       broken[i].name);
		file = fopen(path, "wb");
		whole = file &&
			fwrite(image.bytes, 1, image.len, file) == image.len;
		if (!file || fclose(file) != 0 || !whole) {
			perror(path);
			return EXIT_FAILURE;
		}
	}
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_page_decodes_every_mix_of_widths),
		cmocka_unit_test(test_page_refuses_what_does_not_fit),
		cmocka_unit_test(test_header_locates_only_pages_of_the_layout),
		cmocka_unit_test(test_header_accepts_lengths_that_redb_does),
		cmocka_unit_test(test_header_chooses_the_slot_that_redb_does),
		cmocka_unit_test(test_proved_remembers_within_its_memory),
		cmocka_unit_test(test_every_page_of_a_commit_is_proved),
		cmocka_unit_test(test_work_is_bounded_by_the_file),
		cmocka_unit_test(test_broken_images_are_told_apart),
	};

	if (argc == 3 && strcmp(argv[1], "--corpus") == 0)
		return write_corpus(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
