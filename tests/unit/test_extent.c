/*
 * Goal: extents that continue each other become one, and every offset finds
 * the extent that holds it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "format/extent.h"

static void add(struct rvs_extents *extents, uint64_t at, uint32_t volume,
		uint32_t member, uint32_t offset)
{
	const struct rvs_extent extent = { at, volume, member, offset };

	assert_int_equal(rvs_extents_add(extents, &extent, NULL), 0);
}

static void test_continuing_extents_are_merged(void **state)
{
	RVS_CLEANUP(rvs_extents_done)
	struct rvs_extents extents = RVS_EXTENTS_INIT;

	add(&extents, 0, 1, 5, 100);
	add(&extents, 50, 1, 5, 150);
	assert_int_equal(extents.count, 1);
	add(&extents, 60, 1, 5, 161); /* a byte is left out */
	add(&extents, 70, 1, 6, 171); /* another member */
	add(&extents, 80, 2, 6, 181); /* another volume */
	assert_int_equal(extents.count, 4);
	add(&extents, 90, RVS_HOLE, 0, 0);
	add(&extents, 4096, RVS_HOLE, 0, 0);
	assert_int_equal(extents.count, 5);
	add(&extents, 8192, 2, 6, 181);
	assert_int_equal(extents.count, 6);
}

/* The same bytes again are no continuation. */
static void test_a_step_back_is_not_merged(void **state)
{
	RVS_CLEANUP(rvs_extents_done)
	struct rvs_extents extents = RVS_EXTENTS_INIT;

	add(&extents, 0, 1, 5, 0);
	add(&extents, 100, 1, 5, 0);
	assert_int_equal(extents.count, 2);
	/* Nor is one whose offset would agree after wrapping around. */
	add(&extents, 100 + ((uint64_t)1 << 32), 1, 5, 0);
	assert_int_equal(extents.count, 3);
}

static void test_every_offset_finds_its_extent(void **state)
{
	static const struct rvs_extent items[] = {
		{ 0, 0, 0, 0 }, { 10, RVS_HOLE, 0, 0 }, { 4096, 0, 1, 0 },
		{ 4097, 0, 2, 0 },
	};

	assert_int_equal(rvs_extent_find(items, 4, 0), 0);
	assert_int_equal(rvs_extent_find(items, 4, 9), 0);
	assert_int_equal(rvs_extent_find(items, 4, 10), 1);
	assert_int_equal(rvs_extent_find(items, 4, 4095), 1);
	assert_int_equal(rvs_extent_find(items, 4, 4096), 2);
	assert_int_equal(rvs_extent_find(items, 4, UINT64_MAX), 3);
	assert_int_equal(rvs_extent_find(items, 1, 5), 0);
	assert_int_equal(rvs_extent_end(items, 4, 1, 5000), 4096);
	assert_int_equal(rvs_extent_end(items, 4, 3, 5000), 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_continuing_extents_are_merged),
		cmocka_unit_test(test_a_step_back_is_not_merged),
		cmocka_unit_test(test_every_offset_finds_its_extent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
