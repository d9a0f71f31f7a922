/*
 * Goal: a reference names one snapshot or none, names are checked, and labels
 * change one at a time.
 */
#include "sandbox.h"

#include "store/snapshot.h"

static struct rvs_snapshot_list three(void)
{
	static struct rvs_snapshot items[] = {
		{ .id = "20261122T101500Z-0001", .name = "one" },
		{ .id = "20261122T101500Z-0002", .name = "2026" },
		{ .id = "20261123T101500Z-0003",
		  .name = "20261123T101500Z-0003" },
	};

	return (struct rvs_snapshot_list){ items, 3 };
}

static void test_references(void **state)
{
	static const struct {
		const char *reference;
		int wanted;
	} cases[] = {
		{ "one", 0 },
		{ "latest", 2 },
		{ "20261122T101500Z-0002", 1 },
		{ "20261123", 2 },
		{ "2026", 1 }, /* a name goes before prefixes */
		{ "2026112", RVS_ERR_USAGE },
		{ "20261122T101500Z-000", RVS_ERR_USAGE },
		{ "202", RVS_ERR_NOT_FOUND }, /* too short for a prefix */
		{ "", RVS_ERR_NOT_FOUND },
		{ "none", RVS_ERR_NOT_FOUND },
		{ "20261123T101500Z-00031", RVS_ERR_NOT_FOUND },
	};
	const struct rvs_snapshot_list list = three();
	struct rvs_error err = RVS_ERROR_INIT;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (rvs_snapshot_find_in(&list, cases[i].reference, &err) !=
		    cases[i].wanted)
			fail_msg("%s", cases[i].reference);
}

static void test_an_empty_list_has_no_latest(void **state)
{
	const struct rvs_snapshot_list none = { NULL, 0 };

	assert_int_equal(rvs_snapshot_find_in(&none, "latest", NULL),
			 RVS_ERR_NOT_FOUND);
}

static void test_names_are_checked(void **state)
{
	static const char *const good[] = { "a", "Z", "0", "a._:@+-", "2026" };
	static const char *const bad[] = {
		"",	"-a",	".a",	   "_a",	"a b",	"a/b",
		"a\n",	"\xc3\xbc", "latest", "20261122T101500Z-0001", "a\\b",
		"..",	"a*",
	};
	char name[RVS_NAME_SIZE + 1];
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_int_equal(rvs_snapshot_check_name(good[i], NULL), 0);
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (rvs_snapshot_check_name(bad[i], NULL) != RVS_ERR_USAGE)
			fail_msg("%s", bad[i]);
	memset(name, 'n', sizeof(name));
	name[RVS_NAME_SIZE] = '\0';
	assert_int_equal(rvs_snapshot_check_name(name, NULL), RVS_ERR_USAGE);
	name[RVS_NAME_SIZE - 1] = '\0';
	assert_int_equal(rvs_snapshot_check_name(name, NULL), 0);
}

static void expect_name(struct rvs_store *store, const char *reference,
			const char *name, bool pinned)
{
	RVS_CLEANUP(rvs_snapshot_done) struct rvs_snapshot found = { 0 };
	struct rvs_error err = RVS_ERROR_INIT;

	expect_ok(rvs_snapshot_find(store, reference, &found, &err), err);
	assert_string_equal(found.name, name);
	assert_int_equal(found.pinned, pinned);
}

static void test_renaming_and_pinning_change_one_label(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	struct rvs_error err = RVS_ERROR_INIT;

	snap_only(store, "one");
	snap_only(store, "two");
	expect_ok(rvs_snapshot_pin(store, "two", true, &err), err);
	expect_ok(rvs_snapshot_rename(store, "one", "first", &err), err);
	expect_name(store, "first", "first", false);
	expect_name(store, "two", "two", true);
	expect_ok(rvs_snapshot_rename(store, "two", "second", &err), err);
	expect_name(store, "second", "second", true);
	expect_ok(rvs_snapshot_pin(store, "second", false, &err), err);
	expect_name(store, "latest", "second", false);
	expect_status(rvs_snapshot_rename(store, "first", "second", &err),
		      RVS_ERR_EXISTS, err);
	expect_ok(rvs_snapshot_rename(store, "first", "first", &err), err);
	expect_status(rvs_snapshot_rename(store, "one", "x", &err),
		      RVS_ERR_NOT_FOUND, err);
	expect_status(rvs_snapshot_rename(store, "first", "../x", &err),
		      RVS_ERR_USAGE, err);
	expect_ok(rvs_snapshot_rename(store, "first", "one", &err), err);
}

/* The digits that another snapshot of the second has are passed over. */
static void test_ids_are_used_once(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(rvs_snapshot_done) struct rvs_snapshot one = { 0 };
	struct rvs_error err = RVS_ERROR_INIT;
	char id[RVS_ID_SIZE];
	unsigned salt;
	time_t second;

	snap_only(store, "one");
	expect_ok(rvs_snapshot_find(store, "one", &one, &err), err);
	assert_int_equal(sscanf(one.id + 17, "%x", &salt), 1);
	/* The id is of when it began, the record of when its scan did. */
	for (second = one.created_at.tv_sec; second > 0; second--) {
		expect_ok(rvs_snapshot_new_id(store, second, (uint16_t)salt,
					      id, &err), err);
		if (!strncmp(id, one.id, 17))
			break;
		assert_int_equal(strtoul(id + 17, NULL, 16), salt);
	}
	assert_int_equal(strtoul(id + 17, NULL, 16), (salt + 1) & UINT16_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_an_empty_list_has_no_latest),
		cmocka_unit_test(test_names_are_checked),
		sandbox_test(test_ids_are_used_once),
		sandbox_test(test_renaming_and_pinning_change_one_label),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
