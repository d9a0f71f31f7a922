/*
 * Goal: the schedule and the policy change in store.json alone, at once and
 * whole; what cannot be is refused and changes nothing; what a later version
 * wrote there stays.
 */
#include "sandbox.h"

#include <rvs/schedule.h>

static void expect_plan(struct rvs_store *store, const char *schedule,
			const char *policy)
{
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_plan plan;

	expect_ok(rvs_plan_read(store, &plan, &err), err);
	assert_string_equal(plan.schedule ? plan.schedule : "none", schedule);
	assert_string_equal(plan.policy ? plan.policy : "none", policy);
	rvs_plan_done(&plan);
}

static void set_schedule(struct rvs_store *store, const char *text)
{
	struct rvs_error err = RVS_ERROR_INIT;

	expect_ok(rvs_plan_set_schedule(store, text, 1000, &err), err);
}

static void set_policy(struct rvs_store *store, const char *text)
{
	struct rvs_error err = RVS_ERROR_INIT;

	expect_ok(rvs_plan_set_policy(store, text, &err), err);
}

static void test_a_new_store_has_none(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();

	expect_plan(store, "none", "none");
}

static void test_both_are_set_changed_and_taken_away(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();

	set_schedule(store, "  daily  at 03:00\n");
	expect_plan(store, "daily at 03:00", "none");
	set_policy(store, "keep-last=8\tkeep-daily=14 ");
	expect_plan(store, "daily at 03:00", "keep-last=8 keep-daily=14");
	set_schedule(store, "0 3 * * *");
	expect_plan(store, "0 3 * * *", "keep-last=8 keep-daily=14");
	set_schedule(store, "None");
	expect_plan(store, "none", "keep-last=8 keep-daily=14");
	set_policy(store, NULL);
	expect_plan(store, "none", "none");
	set_policy(store, " \n"); /* there is none to take away */
	expect_plan(store, "none", "none");
}

static void test_another_handle_sees_it(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(close_store) struct rvs_store *other = open_store();
	uint64_t before, after;

	assert_int_equal(rvs_store_generation(other, &before, NULL), 0);
	set_schedule(store, "hourly");
	expect_plan(other, "hourly", "none");
	assert_int_equal(rvs_store_generation(other, &after, NULL), 0);
	assert_true(before != after);
}

static void test_what_cannot_be_changes_nothing(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf before = RVS_BUF_INIT;
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf after = RVS_BUF_INIT;
	struct rvs_error err = RVS_ERROR_INIT;

	set_schedule(store, "hourly");
	set_policy(store, "keep-last=8");
	before = read_whole("store/store.json");
	expect_status(rvs_plan_set_schedule(store, "often", 0, &err),
		      RVS_ERR_USAGE, err);
	expect_status(rvs_plan_set_policy(store, "keep-last=0", &err),
		      RVS_ERR_USAGE, err);
	after = read_whole("store/store.json");
	assert_int_equal(before.len, after.len);
	assert_memory_equal(before.bytes, after.bytes, before.len);
	expect_plan(store, "hourly", "keep-last=8");
}

#define BEGINNING "{\"format\": 1, \"uuid\": \"01234567-89ab-4cde-8f01-" \
		  "23456789abcd\", \"level\": 3, \"later\": [1, {}]"

static void test_all_else_stays(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf text = RVS_BUF_INIT;

	write_text("store/store.json", BEGINNING "}");
	set_schedule(store, "hourly");
	set_policy(store, "keep-last=8");
	text = read_whole("store/store.json");
	rvs_buf_put_u8(&text, 0);
	assert_non_null(strstr((char *)text.bytes, "\"later\""));
	rvs_store_close(store);
	store = open_store();
	assert_int_equal(rvs_store_config(store)->level, 3);
	expect_plan(store, "hourly", "keep-last=8");
}

static void test_damaged_and_newer_files_are_left_alone(void **state)
{
	static const struct {
		const char *text;
		int read, set;
	} files[] = {
		{ "{", RVS_ERR_CORRUPT, RVS_ERR_CORRUPT },
		{ "[]", 0, RVS_ERR_CORRUPT },
		{ BEGINNING ", \"schedule\": 7}", RVS_ERR_CORRUPT, 0 },
		{ "{\"format\": 2}", 0, RVS_ERR_REFUSED },
	};
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_plan plan;
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(*files); i++) {
		write_text("store/store.json", files[i].text);
		expect_status(rvs_plan_read(store, &plan, &err), files[i].read,
			      err);
		rvs_plan_done(&plan);
		expect_status(rvs_plan_set_schedule(store, "hourly", 0, &err),
			      files[i].set, err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_a_new_store_has_none),
		sandbox_test(test_both_are_set_changed_and_taken_away),
		sandbox_test(test_another_handle_sees_it),
		sandbox_test(test_what_cannot_be_changes_nothing),
		sandbox_test(test_all_else_stays),
		sandbox_test(test_damaged_and_newer_files_are_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
