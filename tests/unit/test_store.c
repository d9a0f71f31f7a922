/*
 * Goal: a store is made in an empty place or not at all, and what is none, or
 * newer than us, is told from it and left alone.
 */
#include "sandbox.h"

static int init_store(const char *path, const char *source, int level,
		      struct rvs_error *err)
{
	const struct rvs_store_config config = { .source = source,
						 .level = level };

	return rvs_store_init(path, &config, err);
}

static void test_a_new_store_opens(void **state)
{
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_store *store = NULL;
	struct stat st;

	assert_int_equal(mkdir("source", 0755), 0);
	expect_ok(init_store("store", "source", 7, &err), err);
	assert_int_equal(stat("store", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	expect_ok(rvs_store_open("store", NULL, &store, &err), err);
	assert_int_equal(rvs_store_config(store)->level, 7);
	assert_int_equal(rvs_store_config(store)->source[0], '/');
	assert_int_equal(rvs_store_path(store)[0], '/');
	assert_int_equal(strlen(rvs_store_config(store)->uuid), 36);
	rvs_store_close(store);
	rvs_store_close(NULL);
}

static void test_init_refuses_what_is_there(void **state)
{
	struct rvs_error err = RVS_ERROR_INIT;

	expect_ok(init_store("store", NULL, 1, &err), err);
	expect_status(init_store("store", NULL, 1, &err), RVS_ERR_EXISTS,
		      err);
	assert_int_equal(mkdir("full", 0755), 0);
	write_text("full/file", "mine");
	expect_status(init_store("full", NULL, 1, &err), RVS_ERR_EXISTS,
		      err);
	write_text("file", "mine");
	assert_true(init_store("file", NULL, 1, &err) < 0);
	expect_status(init_store("none/store", NULL, 1, &err),
		      RVS_ERR_NOT_FOUND, err);
	expect_status(init_store("new", "no source", 1, &err),
		      RVS_ERR_NOT_FOUND, err);
	assert_int_equal(access("new", F_OK), -1);
	expect_status(init_store("new", NULL, 10, &err), RVS_ERR_USAGE,
		      err);
	expect_status(init_store("new", NULL, -1, &err), RVS_ERR_USAGE,
		      err);
}

static void test_what_is_no_store_is_told(void **state)
{
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_store *store = NULL;

	expect_status(rvs_store_open("none", NULL, &store, &err),
		      RVS_ERR_NOT_FOUND, err);
	assert_int_equal(mkdir("empty", 0755), 0);
	expect_status(rvs_store_open("empty", NULL, &store, &err),
		      RVS_ERR_NOT_FOUND, err);
	assert_non_null(strstr(err.text, "store.json"));
	write_text("empty/store.json", "{");
	expect_status(rvs_store_open("empty", NULL, &store, &err),
		      RVS_ERR_CORRUPT, err);
	/* The same when nobody wants the text. */
	assert_int_equal(rvs_store_open("empty", NULL, &store, NULL),
			 RVS_ERR_CORRUPT);
	assert_null(store);
}

static void test_a_newer_store_is_refused(void **state)
{
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_store *store = NULL;

	assert_int_equal(mkdir("store", 0755), 0);
	write_text("store/store.json", "{\"format\": 2}");
	expect_status(rvs_store_open("store", NULL, &store, &err),
		      RVS_ERR_REFUSED, err);
}

static void test_the_generation_follows_the_list(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(close_store) struct rvs_store *other = open_store();
	struct rvs_error err = RVS_ERROR_INIT;
	uint64_t before, after;

	expect_ok(rvs_store_generation(store, &before, &err), err);
	snap_only(other, "one");
	expect_ok(rvs_store_generation(store, &after, &err), err);
	assert_int_not_equal(before, after);
	before = after;
	expect_ok(rvs_snapshot_rename(other, "one", "two", &err), err);
	expect_ok(rvs_store_generation(store, &after, &err), err);
	assert_int_not_equal(before, after);
	before = after;
	expect_ok(rvs_snapshot_delete(other, "two", &err), err);
	expect_ok(rvs_store_generation(store, &after, &err), err);
	assert_int_not_equal(before, after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_a_new_store_opens),
		sandbox_test(test_init_refuses_what_is_there),
		sandbox_test(test_what_is_no_store_is_told),
		sandbox_test(test_a_newer_store_is_refused),
		sandbox_test(test_the_generation_follows_the_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
