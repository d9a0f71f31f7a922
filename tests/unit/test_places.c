/*
 * Goal: a mount point is refused where it and the store or the source would be
 * one inside the other, and a store that others could have written to.
 */
#include "sandbox.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "places.h"

static void test_within(void **state)
{
	assert_true(places_is_within("/a/b", "/a/b"));
	assert_true(places_is_within("/a/b/c", "/a/b"));
	assert_true(places_is_within("/a", "/"));
	assert_false(places_is_within("/a/bc", "/a/b"));
	assert_false(places_is_within("/a", "/a/b"));
	assert_false(places_is_within("/", "/a"));
}

static int apart(const char *mountpoint, const char *path)
{
	struct rvs_error err = RVS_ERROR_INIT;

	return places_check_apart(mountpoint, "store", path, &err);
}

static void test_apart(void **state)
{
	assert_int_equal(apart("/tmp", "/usr"), 0);
	assert_int_equal(apart("/usr/lib", "/usr"), RVS_ERR_REFUSED);
	assert_int_equal(apart("/usr", "/usr/lib"), RVS_ERR_REFUSED);
	assert_int_equal(apart("/usr", "/usr"), RVS_ERR_REFUSED);
	/* Not there yet, and not even its directory. */
	assert_int_equal(apart("/usr", "/usr/none"), RVS_ERR_REFUSED);
	assert_int_equal(apart("/usr/none/below", "/usr/none"),
			 RVS_ERR_REFUSED);
	assert_int_equal(apart("/usr", "/none/none"), 0);
	assert_int_equal(apart("/", "/none"), RVS_ERR_REFUSED);
}

static void test_nothing_is_mounted_here(void **state)
{
	struct rvs_error err = RVS_ERROR_INIT;

	assert_int_equal(places_check_free("/proc", &err), 0);
	assert_int_equal(places_check_free("/none", &err), 0);
}

static void test_owner(void **state)
{
	struct rvs_error err = RVS_ERROR_INIT;
	int fd;

	assert_int_equal(places_check_owner(".", &err), RVS_ERR_FAILED);
	fd = open("store.json", O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(places_check_owner(".", &err), 0);
	assert_int_equal(chmod("store.json", 0620), 0);
	assert_int_equal(places_check_owner(".", &err), RVS_ERR_REFUSED);
	assert_int_equal(chmod("store.json", 0644), 0);
	assert_int_equal(chmod(".", 0702), 0);
	assert_int_equal(places_check_owner(".", &err), RVS_ERR_REFUSED);
	assert_int_equal(chmod(".", 0755), 0);
	assert_int_equal(places_check_owner(".", &err), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown("store.json", 65534, 0), 0);
		assert_int_equal(places_check_owner(".", &err),
				 RVS_ERR_REFUSED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_within),
		cmocka_unit_test(test_apart),
		cmocka_unit_test(test_nothing_is_mounted_here),
		sandbox_test(test_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
