/*
 * Goal: inode numbers stand for one thing each, and come back as that.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "inode.h"

static const uint32_t slots[] = { 0, 1, 77, INODE_SLOT_MAX };
static const uint32_t indices[] = { 0, 1, 2, 5, 1u << 31, UINT32_MAX };

#define EACH(i, array) \
	(i = 0; i < sizeof(array) / sizeof((array)[0]); i++)

static void test_snapshots_things_come_back(void **state)
{
	size_t i, j, view;

	for EACH(i, slots)
		for EACH(j, indices) {
			struct inode inode = inode_parse(
				inode_of_history(slots[i], indices[j]));

			assert_int_equal(inode.kind, INODE_HISTORY);
			assert_int_equal(inode.slot, slots[i]);
			assert_int_equal(inode.index, indices[j]);
			inode = inode_parse(
				inode_of_raw(slots[i], indices[j]));
			assert_int_equal(inode.kind, INODE_RAW);
			assert_int_equal(inode.slot, slots[i]);
			assert_int_equal(inode.index, indices[j]);
			for (view = 0; view < VIEW_ENTRIES; view++) {
				inode = inode_parse(inode_of_directory(
					(enum inode_view)view, slots[i],
					indices[j]));
				assert_int_equal(inode.kind, INODE_ENTRY);
				assert_int_equal(inode.view, view);
				assert_int_equal(inode.slot, slots[i]);
				assert_int_equal(inode.index, indices[j]);
			}
		}
}

static void test_entry_is_the_directory_found_by_name(void **state)
{
	assert_int_equal(inode_of_entry(3, 9),
			 inode_of_directory(VIEW_NAME, 3, 9));
	assert_int_not_equal(inode_of_entry(3, 9),
			     inode_of_directory(VIEW_ID, 3, 9));
}

static void test_texts_come_back(void **state)
{
	struct inode inode = inode_parse(inode_of_text(7, 123456));

	assert_int_equal(inode.kind, INODE_TEXT);
	assert_int_equal(inode.file, 7);
	assert_int_equal(inode.version, 123456);
	inode = inode_parse(inode_of_text(INODE_FILE_MAX, INODE_VERSION_MAX));
	assert_int_equal(inode.kind, INODE_TEXT);
	assert_int_equal(inode.version, INODE_VERSION_MAX);
}

static void test_hidden_directories_come_back(void **state)
{
	unsigned i;

	assert_int_equal(inode_parse(INODE_ROOT_NUMBER).kind, INODE_ROOT);
	for (i = 0; i < HIDDEN_DIRECTORIES; i++) {
		uint64_t number = inode_of_hidden((enum inode_hidden)i);
		struct inode inode = inode_parse(number);

		assert_int_not_equal(number, INODE_ROOT_NUMBER);
		assert_int_equal(inode.kind, INODE_HIDDEN);
		assert_int_equal(inode.hidden, i);
	}
}

/* Also: all numbers are positive for programs that take them for signed. */
static void test_foreign_numbers_are_unknown(void **state)
{
	const uint64_t foreign[] = {
		0,
		inode_of_hidden((enum inode_hidden)HIDDEN_DIRECTORIES),
		UINT32_MAX,
		UINT64_C(1) << 58, /* a view of no snapshot */
		UINT64_C(15) << 58 | UINT64_C(1) << 32,
		UINT64_C(1) << 63,
		UINT64_MAX,
	};
	size_t i;

	for EACH(i, foreign)
		assert_int_equal(inode_parse(foreign[i]).kind, INODE_UNKNOWN);
	assert_true((int64_t)inode_of_raw(INODE_SLOT_MAX, UINT32_MAX) > 0);
	assert_true((int64_t)inode_of_text(15, INODE_VERSION_MAX) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_snapshots_things_come_back),
		cmocka_unit_test(test_entry_is_the_directory_found_by_name),
		cmocka_unit_test(test_texts_come_back),
		cmocka_unit_test(test_hidden_directories_come_back),
		cmocka_unit_test(test_foreign_numbers_are_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
