/*
 * Goal: a record comes back from its JSON, and each missing or malformed
 * member makes it corrupt.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/json.h"
#include "store/record.h"

#define ID   "20261122T101500Z-9f2c"
#define BASE "20261121T101500Z-0000"

static struct rvs_snapshot full_record(void)
{
	static struct rvs_metadata metadata[] = { { (char *)"why", (char *)"" },
						  { (char *)"k\xc3\xbc",
						    (char *)"raw\xff\\" } };

	static char *skipped[] = { (char *)"a\xff: Permission denied",
				   (char *)"b: Input/output error" };

	return (struct rvs_snapshot){ .id = ID,
				      .skipped = { skipped, 2, 1000 },
				      .name = "nightly",
				      .created_at = { 1795342500, 7 },
				      .size_bytes = 1,
				      .total_bytes = (uint64_t)1 << 60,
				      .files_count = 3,
				      .checksum = { { 0xab } },
				      .incremental = true,
				      .base_id = BASE,
				      .has_vector_count = true,
				      .vector_count = 10000,
				      .consistency = "settled",
				      .source = (char *)"/data/\xff",
				      .tool_version = (char *)"0.1\xff\\",
				      .metadata = metadata,
				      .metadata_count = 2 };
}

static void test_a_record_comes_back(void **state)
{
	const struct rvs_snapshot record = full_record();
	RVS_CLEANUP(rvs_cleanup_free) char *text = NULL;
	RVS_CLEANUP(rvs_snapshot_done) struct rvs_snapshot found = { 0 };
	struct rvs_error err = { 0 };

	text = rvs_snapshot_json(&record, 2);
	assert_non_null(text);
	assert_int_equal(rvs_record_parse(text, strlen(text), &found, &err), 0);
	assert_string_equal(found.id, ID);
	assert_string_equal(found.name, "nightly");
	assert_int_equal(found.created_at.tv_sec, 1795342500);
	assert_int_equal(found.created_at.tv_nsec, 7);
	assert_int_equal(found.size_bytes, 1);
	assert_int_equal(found.skipped.count, 1000);
	assert_int_equal(found.skipped.named, 2);
	assert_string_equal(found.skipped.names[0],
			    record.skipped.names[0]);
	assert_int_equal(found.total_bytes, (uint64_t)1 << 60);
	assert_int_equal(found.files_count, 3);
	assert_memory_equal(&found.checksum, &record.checksum,
			    sizeof(found.checksum));
	assert_true(found.incremental);
	assert_string_equal(found.base_id, BASE);
	assert_true(found.has_vector_count);
	assert_int_equal(found.vector_count, 10000);
	assert_string_equal(found.consistency, "settled");
	assert_string_equal(found.source, "/data/\xff");
	assert_int_equal(found.metadata_count, 2);
	assert_string_equal(found.metadata[1].key, "k\xc3\xbc");
	assert_string_equal(found.metadata[1].value, "raw\xff\\");
}

static void test_a_full_record_without_a_count_comes_back(void **state)
{
	struct rvs_snapshot record = full_record();
	RVS_CLEANUP(rvs_cleanup_free) char *text = NULL;
	RVS_CLEANUP(rvs_snapshot_done) struct rvs_snapshot found = { 0 };

	record.incremental = record.has_vector_count = false;
	record.metadata_count = 0;
	text = rvs_snapshot_json(&record, 0);
	assert_null(strchr(text, '\n'));
	assert_int_equal(rvs_record_parse(text, strlen(text), &found, NULL), 0);
	assert_false(found.incremental);
	assert_string_equal(found.base_id, "");
	assert_false(found.has_vector_count);
	assert_int_equal(found.metadata_count, 0);
}

/* Parse a good record in which @key is @value, or is not at all. */
static int parse_with(const char *key, json_t *value)
{
	const struct rvs_snapshot record = full_record();
	RVS_CLEANUP(rvs_cleanup_free) char *text = rvs_snapshot_json(&record, 0);
	RVS_CLEANUP(rvs_cleanup_free) char *changed = NULL;
	RVS_CLEANUP(rvs_json_cleanup) json_t *root = json_loads(text, 0, NULL);
	struct rvs_snapshot found;
	int r;

	if (value)
		assert_int_equal(json_object_set_new(root, key, value), 0);
	else
		assert_int_equal(json_object_del(root, key), 0);
	changed = json_dumps(root, 0);
	r = rvs_record_parse(changed, strlen(changed), &found, NULL);
	if (r == 0)
		rvs_snapshot_done(&found);
	else
		assert_null(found.source);
	return r;
}

static void test_what_is_missing_is_corrupt(void **state)
{
	static const char *const keys[] = {
		"id", "name", "created_at", "size_bytes", "total_bytes",
		"files_count", "checksum", "snapshot_type", "base_id",
		"metadata", "consistency", "source", "tool_version",
	};
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		if (parse_with(keys[i], NULL) != RVS_ERR_CORRUPT ||
		    parse_with(keys[i], json_real(1.5)) != RVS_ERR_CORRUPT)
			fail_msg("%s", keys[i]);
	}
}

static void test_malformed_values_are_corrupt(void **state)
{
	static const struct {
		const char *key, *value;
	} cases[] = {
		{ "id", "../../../etc/passwd.." },
		{ "id", ID "0" },
		{ "name", "" },
		{ "name", "../etc" },
		{ "name", "latest" },
		{ "name", BASE }, /* another's id */
		{ "snapshot_type", "half" },
		{ "base_id", "none" },
		{ "checksum", "ab" },
		{ "consistency", "a text longer than its place in the record" },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (parse_with(cases[i].key, json_string(cases[i].value)) !=
		    RVS_ERR_CORRUPT)
			fail_msg("%s: %s", cases[i].key, cases[i].value);
	assert_int_equal(parse_with("size_bytes", json_integer(-1)),
			 RVS_ERR_CORRUPT);
	assert_int_equal(parse_with("vector_count", json_string("7")),
			 RVS_ERR_CORRUPT);
	assert_int_equal(parse_with("metadata", json_pack("{s:i}", "k", 1)),
			 RVS_ERR_CORRUPT);
}

static void test_times_have_one_form(void **state)
{
	static const char *const bad[] = {
		"",
		"2026-11-22",
		"2026-11-22T10:15:00Z",
		"2026-11-22T10:15:00.00000000Z",
		"2026-11-22T10:15:00.0000000000Z",
		"2026-11-22T10:15:00.000000000",
		"2026-11-22T10:15:00.00000000xZ",
		"2026-11-22T10:15:00.-00000001Z",
		"2026-11-22T10:15:00.+00000001Z",
		"2026-11-22T10:15:00. -0000001Z",
		"2026-13-22T10:15:00.000000000Z",
		"2026-11-22 10:15:00.000000000Z",
	};
	struct timespec time = { 1795342500, 1 };
	char text[RVS_TIME_SIZE];
	size_t i;

	assert_string_equal(rvs_time_format(time, text),
			    "2026-11-22T10:15:00.000000001Z");
	assert_int_equal(parse_with("created_at", json_string(text)), 0);
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (parse_with("created_at", json_string(bad[i])) !=
		    RVS_ERR_CORRUPT)
			fail_msg("%s", bad[i]);
}

static void test_rubbish_is_corrupt(void **state)
{
	static const char *const texts[] = { "", "[]", "{", "{}", "\xff" };
	struct rvs_snapshot found;
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_int_equal(rvs_record_parse(texts[i], strlen(texts[i]),
						  &found, NULL),
				 RVS_ERR_CORRUPT);
}

static void test_a_copy_stands_alone(void **state)
{
	struct rvs_snapshot record = full_record(), copy;

	assert_int_equal(rvs_snapshot_copy(&record, &copy, NULL), 0);
	assert_ptr_not_equal(copy.source, record.source);
	assert_string_equal(copy.metadata[1].value, "raw\xff\\");
	rvs_snapshot_done(&copy);
	rvs_snapshot_done(&copy); /* twice does no harm */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_record_comes_back),
		cmocka_unit_test(test_a_full_record_without_a_count_comes_back),
		cmocka_unit_test(test_what_is_missing_is_corrupt),
		cmocka_unit_test(test_malformed_values_are_corrupt),
		cmocka_unit_test(test_times_have_one_form),
		cmocka_unit_test(test_rubbish_is_corrupt),
		cmocka_unit_test(test_a_copy_stands_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
