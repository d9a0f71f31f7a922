/*
 * Goal: a member is what its index says or an error that names it; a directory
 * that was exchanged meanwhile is loaded anew.
 */
#include "memory_store.h"

#define ID    "20261122T101500Z-0001"
#define DRAFT ".tmp-20261122T101500Z-0001"
#define KEY   "snapshot-" ID

static const size_t lens[] = { 1000, 70000, 0, RVS_MEMBER_PLAIN_MAX };

static struct memory_store *new_store(void)
{
	struct memory_store *s = memory_store_new(128 << 20);

	put_snapshot(s, ID, "a.gz", lens, 4);
	return s;
}

static int load(struct memory_store *s, uint32_t number,
		struct rvs_damage *damage, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf scratch = RVS_BUF_INIT;
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf plain = RVS_BUF_INIT;
	int r = rvs_volume_load(s->store.volumes, ID, number, false, &scratch,
				&plain, damage, err);

	if (r == 0 && number < 4)
		assert_int_equal(plain.len, lens[number]);
	if (r == 0 && plain.len > 0)
		assert_int_equal(plain.bytes[plain.len - 1], number);
	return r;
}

static void test_members_come_back(void **state)
{
	RVS_CLEANUP(memory_store_cleanup) struct memory_store *s = new_store();
	struct rvs_error err = RVS_ERROR_INIT;
	uint32_t i;

	for (i = 0; i < 4; i++)
		memory_ok(load(s, i, NULL, &err), err);
}

static void test_a_member_that_is_not_there_is_missing(void **state)
{
	RVS_CLEANUP(memory_store_cleanup) struct memory_store *s = new_store();
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_damage damage;

	assert_int_equal(load(s, 4, &damage, &err), RVS_ERR_MISSING);
	assert_string_equal(damage.snapshot, ID);
	assert_int_equal(damage.member, 4);
	assert_int_equal(load(s, UINT32_MAX, &damage, &err), RVS_ERR_MISSING);
}

static void test_a_damaged_member_is_named(void **state)
{
	RVS_CLEANUP(memory_store_cleanup) struct memory_store *s = new_store();
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_damage damage;
	struct rvs_buf *stream = memory_buf(s->memory, KEY "/a.gz");

	stream->bytes[stream->len - 100] ^= 1;
	assert_int_equal(load(s, 3, &damage, &err), RVS_ERR_CORRUPT);
	assert_string_equal(damage.snapshot, ID);
	assert_string_equal(damage.stream, "a.gz");
	assert_int_equal(damage.member, 3);
	assert_non_null(strstr(err.text, "a.gz"));
	assert_non_null(strstr(err.text, "member 3"));
	memory_ok(load(s, 0, NULL, &err), err);
	memory_ok(load(s, 1, NULL, &err), err);
}

/* Good gzip of other bytes: only the SHA-256 of the index can tell. */
static void test_a_forged_member_fails_its_digest(void **state)
{
	RVS_CLEANUP(memory_store_cleanup) struct memory_store *s = new_store();
	RVS_CLEANUP(rvs_codec_cleanup) struct rvs_codec *codec = NULL;
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf forged = RVS_BUF_INIT;
	struct rvs_buf *stream = memory_buf(s->memory, KEY "/a.gz");
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_damage damage;
	struct rvs_gzip_header header;
	char plain[1000];

	memset(plain, 1, sizeof(plain)); /* instead of zeros */
	memory_ok(rvs_gzip_parse(stream->bytes, stream->len, &header, &err),
		  err);
	memory_ok(rvs_codec_new(1, &codec, &err), err);
	memory_ok(rvs_gzip_pack(codec, 0, plain, sizeof(plain), &header.digest,
				&forged, &err), err);
	assert_int_equal(forged.len, header.stored_len);
	memcpy(stream->bytes, forged.bytes, forged.len);
	assert_int_equal(load(s, 0, &damage, &err), RVS_ERR_CORRUPT);
	assert_non_null(strstr(err.text, "SHA-256"));
	assert_false(rvs_digest_equal(&damage.expected, &damage.found));
}

static void test_a_cut_or_missing_stream_is_told_apart(void **state)
{
	RVS_CLEANUP(memory_store_cleanup) struct memory_store *s = new_store();
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_damage damage;

	memory_buf(s->memory, KEY "/a.gz")->len -= 1;
	assert_int_equal(load(s, 3, &damage, &err), RVS_ERR_CORRUPT);
	memory_ok(load(s, 1, NULL, &err), err);
	memory_drop(s->memory, memory_find(s->memory, KEY "/a.gz"));
	memory_store_reopen(s);
	assert_int_equal(load(s, 1, &damage, &err), RVS_ERR_MISSING);
	assert_string_equal(damage.stream, "a.gz");
}

static void test_a_damaged_index_is_named(void **state)
{
	RVS_CLEANUP(memory_store_cleanup) struct memory_store *s = new_store();
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_damage damage;

	memory_buf(s->memory, KEY "/members.idx")->bytes[20] ^= 1;
	assert_int_equal(load(s, 0, &damage, &err), RVS_ERR_CORRUPT);
	assert_string_equal(damage.stream, "members.idx");
	assert_string_equal(damage.snapshot, ID);
	memory_drop(s->memory, memory_find(s->memory, KEY "/members.idx"));
	assert_int_equal(load(s, 0, &damage, &err), RVS_ERR_MISSING);
}

/* Nobody need want the text. */
static void test_damage_is_told_without_an_error_to_fill(void **state)
{
	RVS_CLEANUP(memory_store_cleanup) struct memory_store *s = new_store();
	struct rvs_volume *volume = NULL;
	struct rvs_damage damage;

	memory_buf(s->memory, KEY "/members.idx")->bytes[20] ^= 1;
	assert_int_equal(rvs_volume_get(s->store.volumes, ID, &volume, NULL,
					NULL), RVS_ERR_CORRUPT);
	assert_int_equal(rvs_volume_get(s->store.volumes, ID, &volume, &damage,
					NULL), RVS_ERR_CORRUPT);
	assert_string_equal(damage.stream, "members.idx");
}

static void test_a_backends_failure_is_no_damage(void **state)
{
	RVS_CLEANUP(memory_store_cleanup) struct memory_store *s = new_store();
	struct rvs_error err = RVS_ERROR_INIT;
	unsigned nth;

	for (nth = 1; nth <= 4; nth++) { /* open, read the index, the stream */
		memory_store_reopen(s);
		memory_fail(s->memory, nth, RVS_ERR_FAILED);
		assert_int_equal(load(s, 0, NULL, &err), RVS_ERR_FAILED);
		memory_fail(s->memory, 0, 0);
		memory_ok(load(s, 0, NULL, &err), err);
	}
}

/* The directory with a.gz renamed and its members in reverse. */
static void exchange_reversed(struct memory_store *s)
{
	RVS_CLEANUP(rvs_members_done)
	struct rvs_members old = RVS_MEMBERS_INIT;
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf stream = RVS_BUF_INIT;
	struct rvs_buf *index = memory_buf(s->memory, KEY "/members.idx");
	struct rvs_backend *backend = s->store.backend;
	struct rvs_error err = RVS_ERROR_INIT;
	uint32_t i;

	memory_ok(rvs_members_decode(index->bytes, index->len, &old, &err),
		  err);
	strcpy(old.streams[0], "b.gz");
	for (i = old.count; i-- > 0;) {
		uint64_t offset = stream.len;

		rvs_buf_put(&stream,
			    memory_buf(s->memory, KEY "/a.gz")->bytes +
				    old.items[i].offset,
			    old.items[i].stored_len);
		old.items[i].offset = offset;
	}
	memory_ok(rvs_backend_write_object(backend, DRAFT "/b.gz",
					   stream.bytes, stream.len, &err),
		  err);
	stream.len = 0;
	memory_ok(rvs_members_encode(&old, &stream, &err), err);
	memory_ok(rvs_backend_write_object(backend, DRAFT "/members.idx",
					   stream.bytes, stream.len, &err),
		  err);
	memory_ok(backend->ops->exchange(backend, DRAFT, KEY, &err), err);
	memory_ok(backend->ops->remove_folder(backend, DRAFT, &err), err);
}

/* Collect moves members; whoever loaded the old index must not notice. */
static void test_an_exchanged_directory_is_loaded_anew(void **state)
{
	RVS_CLEANUP(memory_store_cleanup) struct memory_store *s = new_store();
	RVS_CLEANUP(rvs_volume_cleanup) struct rvs_volume *held = NULL;
	struct rvs_error err = RVS_ERROR_INIT;
	uint32_t i;

	memory_ok(load(s, 1, NULL, &err), err);
	memory_ok(rvs_volume_get(s->store.volumes, ID, &held, NULL, &err),
		  err);
	exchange_reversed(s);
	for (i = 0; i < 4; i++)
		memory_ok(load(s, i, NULL, &err), err);
	/* Who holds the old one keeps it. */
	assert_string_equal(rvs_volume_members(held)->streams[0], "a.gz");
}

static void test_a_slot_belongs_to_its_id(void **state)
{
	RVS_CLEANUP(memory_store_cleanup) struct memory_store *s = new_store();
	uint32_t a, b, again;

	assert_int_equal(rvs_volumes_slot(s->store.volumes, ID, &a, NULL), 0);
	assert_int_equal(rvs_volumes_slot(s->store.volumes,
					  "20261122T101500Z-ffff", &b, NULL),
			 0);
	assert_int_equal(rvs_volumes_slot(s->store.volumes, ID, &again, NULL),
			 0);
	assert_int_equal(a, again);
	assert_int_not_equal(a, b);
}

/* Far more volumes than are kept idle; each is right whenever it is asked. */
static void test_many_volumes_come_and_go(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = memory_store_new(1 << 20);
	const size_t len = 10;
	unsigned i, round;

	for (i = 0; i < 100; i++) {
		char id[RVS_ID_SIZE];

		(void)snprintf(id, sizeof(id), "20261122T101500Z-%04x", i);
		put_snapshot(s, id, "a.gz", &len, 1);
	}
	for (round = 0; round < 3; round++)
		for (i = 0; i < 100; i++) {
			struct rvs_error err = RVS_ERROR_INIT;
			struct rvs_volume *volume;
			char id[RVS_ID_SIZE];

			(void)snprintf(id, sizeof(id), "20261122T101500Z-%04x",
				       i);
			memory_ok(rvs_volume_get(s->store.volumes, id, &volume,
						 NULL, &err), err);
			assert_string_equal(rvs_volume_id(volume), id);
			rvs_volume_put(volume);
		}
	rvs_volume_put(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members_come_back),
		cmocka_unit_test(test_a_member_that_is_not_there_is_missing),
		cmocka_unit_test(test_a_damaged_member_is_named),
		cmocka_unit_test(test_a_forged_member_fails_its_digest),
		cmocka_unit_test(test_a_cut_or_missing_stream_is_told_apart),
		cmocka_unit_test(test_a_damaged_index_is_named),
		cmocka_unit_test(test_damage_is_told_without_an_error_to_fill),
		cmocka_unit_test(test_a_backends_failure_is_no_damage),
		cmocka_unit_test(test_an_exchanged_directory_is_loaded_anew),
		cmocka_unit_test(test_a_slot_belongs_to_its_id),
		cmocka_unit_test(test_many_volumes_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
