/*
 * Goal: a directory that stands for many lets nobody in whom one of them keeps
 * out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/stat.h>

#include "access.h"

static const struct attr_owner owner = { 1000, 1000 };

static void expect(const struct rvs_access *accesses, size_t count,
		   uint32_t mode, uint32_t uid, uint32_t gid)
{
	struct rvs_access found = access_to_all(accesses, count, &owner);

	assert_int_equal(found.mode, S_IFDIR | mode);
	assert_int_equal(found.uid, uid);
	assert_int_equal(found.gid, gid);
}

static void test_of_one_it_is_that(void **state)
{
	const struct rvs_access one = { S_IFDIR | 0750, 5, 6 };

	expect(&one, 1, 0550, 5, 6);
}

static void test_of_the_same_people_each_keeps_its_least(void **state)
{
	const struct rvs_access all[] = { { S_IFDIR | 0755, 5, 6 },
					  { S_IFDIR | 02771, 5, 6 },
					  { S_IFDIR | 0774, 5, 6 } };

	expect(all, 2, 0551, 5, 6);
	expect(all, 3, 0550, 5, 6);
}

static void test_of_other_people_everyone_is_anyone(void **state)
{
	const struct rvs_access open[] = { { S_IFDIR | 0755, 5, 6 },
					   { S_IFDIR | 0777, 7, 6 } };
	const struct rvs_access shut[] = { { S_IFDIR | 0755, 5, 6 },
					   { S_IFDIR | 0750, 7, 6 } };
	const struct rvs_access group[] = { { S_IFDIR | 0705, 5, 6 },
					    { S_IFDIR | 0755, 5, 8 } };
	const struct rvs_access self[] = { { S_IFDIR | 0077, 5, 6 },
					   { S_IFDIR | 0777, 7, 6 } };

	expect(open, 2, 0555, 1000, 1000);
	expect(shut, 2, 0500, 1000, 1000);
	expect(group, 2, 0500, 1000, 1000);
	expect(self, 2, 0500, 1000, 1000);
}

/* By every mode, and every user of either of two directories. */
static void test_nobody_gains(void **state)
{
	uint32_t a, b, user, group;

	for (a = 0; a < 01000; a++)
		for (b = 0; b < 01000; b += 7)
			for (user = 0; user < 9; user++) {
				const struct rvs_access all[] = {
					{ S_IFDIR | a, 1, 1 },
					{ S_IFDIR | b, user / 3, user % 3 },
				};
				struct rvs_access found =
					access_to_all(all, 2, &owner);

				for (group = 0; group < 9; group++) {
					uint32_t u = group / 3, g = group % 3;
#define MAY(x) ((u == (x).uid ? (x).mode >> 6 : g == (x).gid ?             \
		(x).mode >> 3 : (x).mode) & 5)
					assert_int_equal(
						MAY(found) & ~(MAY(all[0]) &
							       MAY(all[1])), 0);
				}
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_of_one_it_is_that),
		cmocka_unit_test(
			test_of_the_same_people_each_keeps_its_least),
		cmocka_unit_test(test_of_other_people_everyone_is_anyone),
		cmocka_unit_test(test_nobody_gains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
