/*
 * Goal: every number leads back to what it was made of, no two things share
 * one, and numbers that were never given out are told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "inode.h"

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

static const uint32_t slots[] = { 0, 1, 77, INODE_SLOT_MAX };
static const uint32_t indexes[] = { 0, 1, 1 << 20, UINT32_MAX };
static const uint64_t versions[] = { 0, 1, UINT32_MAX, INODE_VERSION_MAX };

static void test_entries_come_back(void **state)
{
	for (size_t s = 0; s < LENGTH(slots); s++)
		for (size_t i = 0; i < LENGTH(indexes); i++) {
			uint64_t number = inode_of_entry(slots[s], indexes[i]);
			struct inode inode = inode_parse(number);

			assert_int_equal(inode.kind, INODE_ENTRY);
			assert_int_equal(inode.slot, slots[s]);
			assert_int_equal(inode.index, indexes[i]);
		}
}

static void test_texts_come_back(void **state)
{
	for (unsigned file = 0; file <= INODE_FILE_MAX; file++)
		for (size_t v = 0; v < LENGTH(versions); v++) {
			uint64_t number = inode_of_text(file, versions[v]);
			struct inode inode = inode_parse(number);

			assert_int_equal(inode.kind, INODE_TEXT);
			assert_int_equal(inode.file, file);
			assert_int_equal(inode.version, versions[v]);
		}
}

/* What comes back as it was cannot share its number: only the kinds are left to
 * tell apart, at their ends. */
static void test_kinds_do_not_meet(void **state)
{
	assert_int_equal(inode_parse(INODE_ROOT_NUMBER).kind, INODE_ROOT);
	assert_true(inode_of_entry(0, 0) > INODE_ROOT_NUMBER);
	assert_true(inode_of_entry(INODE_SLOT_MAX, UINT32_MAX) <
		    inode_of_text(0, 0));
	/* Some programs take inode numbers for signed. */
	assert_true(inode_of_text(INODE_FILE_MAX, INODE_VERSION_MAX) <=
		    INT64_MAX);
}

static void test_other_numbers_are_unknown(void **state)
{
	static const uint64_t numbers[] = { 0, 2, UINT32_MAX,
					    (uint64_t)INT64_MAX + 1,
					    UINT64_MAX };

	for (size_t i = 0; i < LENGTH(numbers); i++)
		assert_int_equal(inode_parse(numbers[i]).kind, INODE_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries_come_back),
		cmocka_unit_test(test_texts_come_back),
		cmocka_unit_test(test_kinds_do_not_meet),
		cmocka_unit_test(test_other_numbers_are_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
