/*
 * Goal: a listing shows every snapshot that is there, under its present name,
 * whatever lies beside it; a damaged one hides no other.
 */
#include "memory_store.h"

#include "base/error.h"

#define ID(n)  "20261122T101500Z-000" #n
#define KEY(n) "snapshot-" ID(n)

static void put_record(struct memory_store *s, const char *id,
		       const char *name, int64_t seconds)
{
	struct rvs_snapshot record = plain_record(id);
	struct rvs_error err = RVS_ERROR_INIT;
	char *text, key[64];

	(void)snprintf(record.name, sizeof(record.name), "%s", name);
	record.created_at.tv_sec = seconds;
	text = rvs_snapshot_json(&record, 0);
	(void)snprintf(key, sizeof(key), "snapshot-%s/metadata.json", id);
	memory_ok(rvs_backend_write_object(s->store.backend, key, text,
					   strlen(text), &err), err);
	free(text);
	rvs_snapshot_done(&record);
}

/* The second is the oldest. */
static struct memory_store *new_store(void)
{
	struct memory_store *s = memory_store_new(1 << 20);

	put_record(s, ID(1), "one", 1000);
	put_record(s, ID(2), "two", 500);
	put_record(s, ID(3), ID(3), 2000);
	return s;
}

static void count_damaged(void *arg, const char *directory, const char *reason)
{
	unsigned *count = arg;

	if (getenv("SHOW"))
		puts(reason);
	assert_true(*reason);
	++*count;
}

static struct rvs_snapshot_list list(struct memory_store *s, unsigned *damaged)
{
	struct rvs_snapshot_list ret;
	struct rvs_error err = RVS_ERROR_INIT;

	memory_ok(rvs_records_list(s->store.records, &ret,
				   damaged ? count_damaged : NULL, damaged,
				   &err), err);
	return ret;
}

static void put_labels(struct memory_store *s, const char *text)
{
	struct rvs_error err = RVS_ERROR_INIT;

	memory_ok(s->store.backend->ops->replace(s->store.backend,
						 "labels.json", text,
						 strlen(text), &err), err);
}

static void test_the_oldest_comes_first(void **state)
{
	RVS_CLEANUP(memory_store_cleanup) struct memory_store *s = new_store();
	int round;

	for (round = 0; round < 2; round++) { /* read, then known */
		RVS_CLEANUP(rvs_snapshot_list_done)
		struct rvs_snapshot_list all = list(s, NULL);

		assert_int_equal(all.count, 3);
		assert_string_equal(all.items[0].name, "two");
		assert_string_equal(all.items[1].name, "one");
		assert_string_equal(all.items[2].name, ID(3));
	}
}

static void test_a_record_is_read_once(void **state)
{
	RVS_CLEANUP(memory_store_cleanup) struct memory_store *s = new_store();
	struct rvs_snapshot_list all = list(s, NULL);
	unsigned before = s->memory->reads;

	rvs_snapshot_list_done(&all);
	all = list(s, NULL);
	rvs_snapshot_list_done(&all);
	assert_int_equal(s->memory->reads, before);
}

static void test_a_deleted_snapshot_is_no_more_listed(void **state)
{
	RVS_CLEANUP(memory_store_cleanup) struct memory_store *s = new_store();
	struct rvs_snapshot_list all = list(s, NULL);

	rvs_snapshot_list_done(&all);
	memory_drop(s->memory, memory_find(s->memory, KEY(1) "/metadata.json"));
	all = list(s, NULL);
	assert_int_equal(all.count, 2);
	rvs_snapshot_list_done(&all);
}

static void test_what_is_no_snapshot_is_passed_over(void **state)
{
	static const char *const keys[] = {
		"snapshot-", "snapshot-x/metadata.json", "other/metadata.json",
		"snapshot-20261122T101500Z-00010/metadata.json", "s", ".lock",
		".tmp-" ID(1) "/metadata.json",
		"snapshot-20261122T101500Z-0009/a.gz", /* deleted, in use */
	};
	RVS_CLEANUP(memory_store_cleanup) struct memory_store *s = new_store();
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_snapshot_list all;
	unsigned damaged = 0;
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		memory_ok(rvs_backend_write_object(s->store.backend, keys[i],
						   "x", 1, &err), err);
	all = list(s, &damaged);
	assert_int_equal(all.count, 3);
	assert_int_equal(damaged, 0);
	rvs_snapshot_list_done(&all);
}

static void test_a_damaged_record_hides_no_other(void **state)
{
	RVS_CLEANUP(memory_store_cleanup) struct memory_store *s = new_store();
	struct rvs_buf *text = memory_buf(s->memory, KEY(1) "/metadata.json");
	struct rvs_snapshot_list all;
	unsigned damaged = 0;

	text->bytes[0] = '[';
	all = list(s, &damaged);
	assert_int_equal(damaged, 1);
	assert_int_equal(all.count, 2);
	rvs_snapshot_list_done(&all);
	text->bytes[0] = '{'; /* mended: not held against it */
	all = list(s, &damaged);
	assert_int_equal(all.count, 3);
	rvs_snapshot_list_done(&all);
}

/* Someone copied a snapshot's directory within the store. */
/* So many that threads share them. */
static void test_many_are_read_side_by_side(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = memory_store_new(1 << 20);
	unsigned damaged = 0, i;
	char id[RVS_ID_SIZE], key[64];

	for (i = 0; i < 300; i++) {
		(void)snprintf(id, sizeof(id), "20261122T101500Z-%04x", i);
		put_record(s, id, id, 1000 - i);
	}
	memory_find(s->memory, "snapshot-20261122T101500Z-0064/metadata.json")
		->bytes->buf.bytes[3] ^= 1;
	(void)snprintf(key, sizeof(key), "snapshot-%s/metadata.json", id);
	memory_drop(s->memory, memory_find(s->memory, key));
	for (i = 0; i < 2; i++) { /* read, then known */
		RVS_CLEANUP(rvs_snapshot_list_done)
		struct rvs_snapshot_list all = list(s, &damaged);
		size_t k;

		assert_int_equal(all.count, 298);
		assert_int_equal(damaged, 1 + i);
		for (k = 1; k < all.count; k++)
			assert_true(all.items[k - 1].created_at.tv_sec <
				    all.items[k].created_at.tv_sec);
		assert_string_equal(all.items[297].id, "20261122T101500Z-0000");
	}
}

static void test_a_record_of_another_is_damaged(void **state)
{
	RVS_CLEANUP(memory_store_cleanup) struct memory_store *s = new_store();
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_snapshot_list all;
	unsigned damaged = 0;

	memory_ok(s->store.backend->ops->copy(s->store.backend,
					      KEY(1) "/metadata.json",
					      KEY(7) "/metadata.json", &err),
		  err);
	all = list(s, &damaged);
	assert_int_equal(damaged, 1);
	assert_int_equal(all.count, 3);
	rvs_snapshot_list_done(&all);
}

static void test_labels_come_back(void **state)
{
	RVS_CLEANUP(memory_store_cleanup) struct memory_store *s = new_store();
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_snapshot_list all = list(s, NULL);

	(void)strcpy(all.items[0].name, "renamed");
	all.items[1].pinned = true;
	memory_ok(rvs_records_save(s->store.records, &all, &err), err);
	rvs_snapshot_list_done(&all);
	memory_store_reopen(s);
	all = list(s, NULL);
	assert_string_equal(all.items[0].name, "renamed");
	assert_false(all.items[0].pinned);
	assert_string_equal(all.items[1].name, "one");
	assert_true(all.items[1].pinned);
	rvs_snapshot_list_done(&all);
}

static void test_hostile_labels_name_nothing(void **state)
{
	RVS_CLEANUP(memory_store_cleanup) struct memory_store *s = new_store();
	struct rvs_snapshot_list all;

	put_labels(s, "{\"" ID(1) "\": {\"name\": \"../x\", \"pinned\": 7},"
		      " \"" ID(2) "\": \"two\", \"" ID(3) "\": {\"name\": 1}}");
	all = list(s, NULL);
	assert_string_equal(all.items[0].name, "two");
	assert_string_equal(all.items[1].name, "one");
	assert_false(all.items[1].pinned);
	assert_string_equal(all.items[2].name, ID(3));
	rvs_snapshot_list_done(&all);
}

static void test_damaged_labels_are_corrupt(void **state)
{
	static const char *const texts[] = { "", "{", "[]", "[{}]", "\xff",
					     "{} {}" };
	RVS_CLEANUP(memory_store_cleanup) struct memory_store *s = new_store();
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_snapshot_list all;
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		put_labels(s, texts[i]);
		assert_int_equal(rvs_records_list(s->store.records, &all, NULL,
						  NULL, &err),
				 RVS_ERR_CORRUPT);
		assert_int_equal(all.count, 0);
		assert_non_null(strstr(err.text, "labels.json"));
	}
}

/* A snapshot that cannot be read today keeps its name and pin for tomorrow. */
static void test_a_damaged_snapshot_keeps_its_label(void **state)
{
	RVS_CLEANUP(memory_store_cleanup) struct memory_store *s = new_store();
	struct rvs_buf *text = memory_buf(s->memory, KEY(1) "/metadata.json");
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_snapshot_list all;

	put_labels(s, "{\"" ID(1) "\": {\"name\": \"kept\", \"pinned\": true}}");
	text->bytes[0] = '[';
	all = list(s, NULL);
	memory_ok(rvs_records_save(s->store.records, &all, &err), err);
	rvs_snapshot_list_done(&all);
	text->bytes[0] = '{';
	all = list(s, NULL);
	assert_string_equal(all.items[1].name, "kept");
	assert_true(all.items[1].pinned);
	rvs_snapshot_list_done(&all);
}

static void test_whichever_read_fails_is_told(void **state)
{
	RVS_CLEANUP(memory_store_cleanup) struct memory_store *s = new_store();
	struct rvs_snapshot_list all;
	struct rvs_error err = RVS_ERROR_INIT;
	unsigned nth, damaged;
	int r;

	for (nth = 1; nth < 20; nth++) {
		memory_store_reopen(s);
		memory_fail(s->memory, nth, RVS_ERR_FAILED);
		damaged = 0;
		r = rvs_records_list(s->store.records, &all, count_damaged,
				     &damaged, &err);
		if (r == 0 && s->memory->calls < nth)
			break;
		/* A snapshot is told to be damaged, or the whole fails. */
		assert_true(r == RVS_ERR_FAILED || damaged == 1);
		rvs_snapshot_list_done(&all);
	}
	assert_int_equal(all.count, 3);
	rvs_snapshot_list_done(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_oldest_comes_first),
		cmocka_unit_test(test_a_record_is_read_once),
		cmocka_unit_test(test_a_deleted_snapshot_is_no_more_listed),
		cmocka_unit_test(test_what_is_no_snapshot_is_passed_over),
		cmocka_unit_test(test_a_damaged_record_hides_no_other),
		cmocka_unit_test(test_many_are_read_side_by_side),
		cmocka_unit_test(test_a_record_of_another_is_damaged),
		cmocka_unit_test(test_labels_come_back),
		cmocka_unit_test(test_hostile_labels_name_nothing),
		cmocka_unit_test(test_damaged_labels_are_corrupt),
		cmocka_unit_test(test_a_damaged_snapshot_keeps_its_label),
		cmocka_unit_test(test_whichever_read_fails_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
