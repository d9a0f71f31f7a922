/*
 * Goal: a commit shows a whole directory at once, whatever fails shows none
 * and leaves nothing, and a dropped stream is gone from all of it.
 */
#include "memory_store.h"

#define ID    "20261122T101500Z-0001"
#define KEY   "snapshot-" ID
#define DRAFT ".tmp-" ID

static struct rvs_writer *new_writer(struct memory_store *s)
{
	struct rvs_writer *writer = NULL;
	struct rvs_error err = RVS_ERROR_INIT;

	memory_ok(rvs_writer_new(&s->store, ID, &writer, &err), err);
	return writer;
}

static struct rvs_output *open_stream(struct rvs_writer *writer,
				      const char *name)
{
	struct rvs_output *output = NULL;
	struct rvs_error err = RVS_ERROR_INIT;

	memory_ok(rvs_writer_open(writer, name, &output, &err), err);
	return output;
}

static void put_stream(struct rvs_writer *writer, const char *name,
		       const char *text)
{
	struct rvs_output *output = open_stream(writer, name);
	struct rvs_error err = RVS_ERROR_INIT;

	(void)put_member(writer, output, text, strlen(text));
	memory_ok(rvs_writer_close(writer, output, &err), err);
}

static bool has_line(struct memory_store *s, const char *object,
		     const char *end)
{
	struct rvs_buf *sums = memory_buf(s->memory, KEY "/checksum.sha256");
	struct rvs_buf *bytes = memory_buf(s->memory, object);
	char hex[RVS_DIGEST_HEX_SIZE], line[512];
	struct rvs_digest digest;

	assert_int_equal(rvs_digest_of(bytes->bytes, bytes->len, &digest,
				       NULL), 0);
	(void)snprintf(line, sizeof(line), "%s  %s\n",
		       rvs_digest_hex(&digest, hex), end);
	return memmem(sums->bytes, sums->len, line, strlen(line));
}

static void test_a_commit_has_the_layout_of_the_format(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = memory_store_new(1 << 20);
	struct rvs_writer *writer = new_writer(s);
	struct rvs_snapshot record = plain_record(ID);
	struct rvs_error err = RVS_ERROR_INIT;

	put_stream(writer, "dir/a.gz", "a");
	put_stream(writer, "b\n\\.gz", "b");
	put_stream(writer, "manifest", "m");
	assert_false(memory_has_folder(s->memory, KEY));
	memory_ok(rvs_writer_commit(writer, &record, &err), err);
	assert_false(memory_has_folder(s->memory, DRAFT));
	assert_int_equal(s->memory->count, 6);
	assert_true(has_line(s, KEY "/dir/a.gz", "dir/a.gz"));
	assert_true(has_line(s, KEY "/b\n\\.gz", "b\\n\\\\.gz"));
	assert_true(has_line(s, KEY "/manifest", "manifest"));
	assert_true(has_line(s, KEY "/members.idx", "members.idx"));
	assert_true(has_line(s, KEY "/metadata.json", "metadata.json"));
	assert_int_equal(record.size_bytes,
			 memory_buf(s->memory, KEY "/dir/a.gz")->len +
			 memory_buf(s->memory, KEY "/b\n\\.gz")->len +
			 memory_buf(s->memory, KEY "/manifest")->len +
			 memory_buf(s->memory, KEY "/members.idx")->len);
	rvs_snapshot_done(&record);
	rvs_writer_free(writer);
	assert_true(memory_has_folder(s->memory, KEY));
}

static void test_a_writer_given_up_leaves_nothing(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = memory_store_new(1 << 20);
	struct rvs_writer *writer = new_writer(s);
	uint32_t number;

	put_stream(writer, "a.gz", "a");
	(void)open_stream(writer, "open.gz");
	assert_int_equal(rvs_writer_reserve(writer, &number, NULL), 0);
	rvs_writer_free(writer);
	assert_int_equal(s->memory->count, 0);
	rvs_writer_free(NULL);
}

static void test_a_dropped_stream_is_gone(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = memory_store_new(1 << 20);
	struct rvs_writer *writer = new_writer(s);
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_volume *volume;
	const struct rvs_members *members;

	put_stream(writer, "a.gz", "old");
	put_stream(writer, "b.gz", "b");
	memory_ok(rvs_writer_drop(writer, "a.gz", &err), err);
	memory_ok(rvs_writer_drop(writer, "none.gz", &err), err);
	put_stream(writer, "a.gz", "new");
	memory_ok(rvs_writer_drop(writer, "b.gz", &err), err);
	commit_record(writer, ID);
	rvs_writer_free(writer);
	assert_null(memory_find(s->memory, KEY "/b.gz"));
	assert_true(has_line(s, KEY "/a.gz", "a.gz"));
	memory_ok(rvs_volume_get(s->store.volumes, ID, &volume, NULL, &err),
		  err);
	members = rvs_volume_members(volume);
	assert_int_equal(members->count, 3); /* numbers stay used */
	assert_int_equal(members->items[0].stored_len, 0);
	assert_int_equal(members->items[1].stored_len, 0);
	assert_string_equal(members->streams[members->items[2].stream],
			    "a.gz");
	rvs_volume_put(volume);
}

static void test_a_taken_id_or_name_is_refused(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = memory_store_new(1 << 20);
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_snapshot record = plain_record(ID);
	struct rvs_writer *writer = new_writer(s);

	put_stream(writer, "a.gz", "a");
	(void)strcpy(record.name, "nightly");
	memory_ok(rvs_writer_commit(writer, &record, &err), err);
	rvs_writer_free(writer);

	writer = new_writer(s);
	put_stream(writer, "a.gz", "other");
	(void)strcpy(record.name, "another");
	assert_int_equal(rvs_writer_commit(writer, &record, &err),
			 RVS_ERR_EXISTS);
	rvs_writer_free(writer);

	memory_ok(rvs_writer_new(&s->store, "20261122T101500Z-0002", &writer,
				 &err), err);
	put_stream(writer, "a.gz", "other");
	(void)strcpy(record.id, "20261122T101500Z-0002");
	(void)strcpy(record.name, "nightly");
	assert_int_equal(rvs_writer_commit(writer, &record, &err),
			 RVS_ERR_EXISTS);
	rvs_writer_free(writer);
	rvs_snapshot_done(&record);
	assert_int_equal(s->memory->count, 4);
}

static int write_and_commit(struct memory_store *s)
{
	struct rvs_snapshot record = plain_record(ID);
	struct rvs_writer *writer = NULL;
	struct rvs_output *output;
	int r = rvs_writer_new(&s->store, ID, &writer, NULL);

	if (r == 0)
		r = rvs_writer_open(writer, "a.gz", &output, NULL);
	if (r == 0)
		r = rvs_output_append(output, "12345", 5, NULL);
	if (r == 0)
		r = rvs_writer_close(writer, output, NULL);
	if (r == 0)
		r = rvs_writer_commit(writer, &record, NULL);
	rvs_writer_free(writer);
	rvs_snapshot_done(&record);
	return r;
}

/* The disk fills up at each step in turn. */
static void test_whichever_step_fails_nothing_is_shown(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = memory_store_new(1 << 20);
	unsigned nth;
	int r = RVS_ERR_NO_SPACE;

	for (nth = 1; r < 0; nth++) {
		memory_fail(s->memory, nth, RVS_ERR_NO_SPACE);
		r = write_and_commit(s);
		if (r == 0)
			break;
		assert_int_equal(r, RVS_ERR_NO_SPACE);
		assert_int_equal(s->memory->count, 0);
		assert_true(nth < 100);
	}
	assert_true(nth > 10);
	assert_int_equal(s->memory->count, 4);
}

static void test_sweep_removes_drafts_alone(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = memory_store_new(1 << 20);
	static const char *const keys[] = { ".tmp-x/a", ".tmp-y/b/c", "store",
					    "snapshot-x/.tmp-a", ".lock" };
	struct rvs_error err = RVS_ERROR_INIT;
	size_t i;

	for (i = 0; i < 5; i++)
		memory_ok(rvs_backend_write_object(s->store.backend, keys[i],
						   "", 0, &err), err);
	memory_ok(rvs_writer_sweep(&s->store, &err), err);
	assert_int_equal(s->memory->count, 3);
	assert_non_null(memory_find(s->memory, "snapshot-x/.tmp-a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_commit_has_the_layout_of_the_format),
		cmocka_unit_test(test_a_writer_given_up_leaves_nothing),
		cmocka_unit_test(test_a_dropped_stream_is_gone),
		cmocka_unit_test(test_a_taken_id_or_name_is_refused),
		cmocka_unit_test(test_whichever_step_fails_nothing_is_shown),
		cmocka_unit_test(test_sweep_removes_drafts_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
