/*
 * Goal: whatever bit of a snapshot flips, whatever of it goes, verify finds it
 * and says what suffers; a whole store has nothing to find.
 */
#include "memory_store.h"
#include "sandbox.h"

#include <limits.h>

struct findings {
	unsigned count;
	bool in_a_file, disordered; /* a directory's came behind a file's of
				       the same snapshot */
	char streams[2048]; /* "a.gz b.gz " */
	char paths[2048];
	bool has_unknown_snapshot;
};

static void note(void *arg, const struct rvs_finding *finding)
{
	struct findings *f = arg;
	const struct rvs_damage *d = finding->damage;

	f->count++;
	assert_true(strnlen(d->stream, sizeof(d->stream)) < sizeof(d->stream));
	assert_true(strnlen(d->reason, sizeof(d->reason)) < sizeof(d->reason));
	assert_true(d->reason[0]);
	if (strlen(f->streams) < 1024)
		(void)strcat(strcat(f->streams, d->stream), " ");
	if (finding->path && strlen(f->paths) < 1024)
		(void)strcat(strcat(f->paths, finding->path), " ");
	if (!finding->snapshot || !finding->snapshot[0])
		f->has_unknown_snapshot = true;
	f->disordered |= f->in_a_file && !finding->path;
	f->in_a_file = finding->path != NULL;
}

static int verify(struct rvs_store *store, struct findings *ret,
		  struct rvs_verify_result *result)
{
	struct rvs_error err = RVS_ERROR_INIT;
	int r;

	memset(ret, 0, sizeof(*ret));
	r = rvs_verify(store, NULL, 0, NULL, note, ret, result, &err);
	assert_int_equal(r, ret->count ? RVS_ERR_CORRUPT : 0);
	assert_false(ret->has_unknown_snapshot);
	return r;
}

static void snap_memory(struct memory_store *s)
{
	const struct rvs_create_options options = { .source = "source" };
	struct rvs_error err = RVS_ERROR_INIT;

	expect_ok(rvs_create(&s->store, &options, NULL, &err), err);
}

/* Two snapshots, the second resting on the first; small enough to flip each
 * bit of. */
static struct memory_store *new_memory_store(void)
{
	struct memory_store *s = memory_store_new(128 << 20);

	s->store.path = (char *)"/nowhere";
	assert_int_equal(mkdir("source", 0755), 0);
	write_random("source/a", 90, 1);
	assert_int_equal(mkdir("source/d", 0755), 0);
	write_random("source/d/b", 50, 2);
	snap_memory(s);
	write_random("source/c", 70, 3);
	snap_memory(s);
	return s;
}

static void test_a_whole_store_has_no_findings(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = new_memory_store();
	struct rvs_verify_result result;
	struct findings f;

	assert_int_equal(verify(&s->store, &f, &result), 0);
	assert_int_equal(result.snapshots, 2);
	assert_int_equal(result.files, 5);
	assert_int_equal(result.findings, 0);
}

/* Of everything in every snapshot's directory. */
static void test_every_flipped_bit_is_found(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = new_memory_store();
	size_t i, bit;

	for (i = 0; i < s->memory->count; i++) {
		const struct memory_object *object = &s->memory->objects[i];
		struct rvs_buf *buf = &object->bytes->buf;

		if (strncmp(object->key, "snapshot-", 9) != 0)
			continue;
		/* Every 14th or so, each bit of a byte in its turn. */
		for (bit = 0; bit < 8 * buf->len; bit += 11 + bit % 7) {
			struct findings f;

			buf->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
			memory_store_reopen(s);
			if (verify(&s->store, &f, NULL) == 0)
				fail_msg("%s, bit %zu", object->key, bit);
			buf->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
}

static void test_every_cut_object_is_found(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = new_memory_store();
	size_t i, len;

	for (i = 0; i < s->memory->count; i++) {
		const struct memory_object *object = &s->memory->objects[i];
		struct rvs_buf *buf = &object->bytes->buf;

		if (strncmp(object->key, "snapshot-", 9) != 0)
			continue;
		len = buf->len;
		for (buf->len = 0; buf->len < len; buf->len += 5) {
			struct findings f;

			memory_store_reopen(s);
			if (verify(&s->store, &f, NULL) == 0)
				fail_msg("%s, cut at %zu of %zu", object->key,
					 buf->len, len);
		}
	}
}

static void test_every_missing_object_is_found(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = new_memory_store();
	size_t i;

	for (i = 0; i < s->memory->count; i++) {
		char key[512];
		struct findings f;

		strcpy(key, s->memory->objects[i].key);
		/* Without metadata.json it was deleted. */
		if (strncmp(key, "snapshot-", 9) != 0 ||
		    strstr(key, "metadata.json"))
			continue;
		s->memory->objects[i].key[0] = '.';
		memory_store_reopen(s);
		if (verify(&s->store, &f, NULL) == 0)
			fail_msg("%s is missing", key);
		s->memory->objects[i].key[0] = key[0];
	}
}

/* A hostile checksum file: each line is read within its bounds. */
static void test_malformed_checksums_are_found(void **state)
{
	static const char hex[] = "00000000000000000000000000000000"
				  "00000000000000000000000000000000";
	static const char *const ends[] = {
		"", " ", "  ", "  ../x", "  /etc/passwd", " *a.gz", "  a\\",
		"  \\", "  a\\\\\\", "\n", "  a\nrubbish",
	};
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = new_memory_store();
	size_t i, o;
	int escaped;

	for (o = 0; o < s->memory->count; o++)
		if (strstr(s->memory->objects[o].key, "checksum.sha256"))
			break;
	for (i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		for (escaped = 0; escaped < 2; escaped++) {
			struct rvs_buf *buf =
				&s->memory->objects[o].bytes->buf;
			struct findings f;

			buf->len = 0;
			if (escaped)
				rvs_buf_put(buf, "\\", 1);
			rvs_buf_put(buf, hex, strlen(hex));
			rvs_buf_put(buf, ends[i], strlen(ends[i]));
			memory_store_reopen(s);
			assert_int_equal(verify(&s->store, &f, NULL),
					 RVS_ERR_CORRUPT);
		}
}

/* ---- what suffers ---- */

static void damage(const char *pattern, unsigned at)
{
	char command[256];

	(void)snprintf(command, sizeof(command),
		       "printf damage | dd of=$(echo store/%s) bs=1 seek=%u "
		       "conv=notrunc status=none", pattern, at);
	assert_int_equal(system(command), 0);
}

static void test_the_files_of_a_damaged_member_are_named(void **state)
{
	struct rvs_store *store = new_store();
	struct findings f;

	write_random("source/a", 500000, 1);
	write_random("source/b", 100000, 2);
	snap_only(store, NULL);
	snap_only(store, NULL);
	rvs_store_close(store);
	damage("snapshot-*/a.gz", 400000);
	store = open_store();
	assert_int_equal(verify(store, &f, NULL), RVS_ERR_CORRUPT);
	assert_non_null(strstr(f.streams, "a.gz"));
	assert_string_equal(f.paths, "a a "); /* of both snapshots */
	rvs_store_close(store);
}

/* What a reader has cached proves nothing about the disk. */
static void test_a_warm_cache_hides_no_damage(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	struct findings f;

	write_random("source/a", 300000, 1);
	snap_only(store, NULL);
	assert_int_equal(verify(store, &f, NULL), 0);
	damage("snapshot-*/a.gz", 200000);
	assert_int_equal(verify(store, &f, NULL), RVS_ERR_CORRUPT);
	assert_non_null(strstr(f.streams, "a.gz"));
	assert_non_null(strstr(f.paths, "a "));
}

static void test_a_deleted_base_is_verified_too(void **state)
{
	struct rvs_store *store = new_store();
	struct rvs_error err = RVS_ERROR_INIT;
	struct findings f;

	write_random("source/a", 300000, 1);
	snap_only(store, "first");
	write_text("source/b", "x");
	snap_only(store, "second");
	expect_ok(rvs_snapshot_delete(store, "first", &err), err);
	assert_int_equal(verify(store, &f, NULL), 0);
	rvs_store_close(store);
	damage("snapshot-*/a.gz", 200000);
	store = open_store();
	assert_int_equal(verify(store, &f, NULL), RVS_ERR_CORRUPT);
	assert_string_equal(f.paths, "a ");
	rvs_store_close(store);
}

static void test_named_snapshots_alone_are_verified(void **state)
{
	static const char *const second[] = { "second" };
	static const char *const none[] = { "none" };
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	struct rvs_verify_result result;
	struct rvs_error err = RVS_ERROR_INIT;

	write_text("source/a", "a");
	snap_only(store, "first");
	snap_only(store, "second");
	expect_ok(rvs_verify(store, second, 1, NULL, NULL, NULL, &result,
			     &err), err);
	assert_int_equal(result.snapshots, 1);
	expect_status(rvs_verify(store, none, 1, NULL, NULL, NULL, &result,
				 &err), RVS_ERR_NOT_FOUND, err);
}

/* The disk gives an error, which is no damage: nothing is known of the bytes. */
/* However long it takes to hash what lies in a directory. */
static void test_directories_are_told_before_files(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = memory_store_new(128 << 20);
	struct findings f;
	size_t i;

	s->store.path = (char *)"/nowhere";
	assert_int_equal(mkdir("source", 0755), 0);
	write_random("source/a", 8 << 20, 1);
	write_random("source/b", 100, 2);
	snap_memory(s);
	for (i = 0; i < s->memory->count; i++) {
		const struct memory_object *object = &s->memory->objects[i];
		struct rvs_buf *buf = &object->bytes->buf;

		if (strstr(object->key, ".gz"))
			buf->bytes[buf->len - 20] ^= 1;
	}
	memory_store_reopen(s);
	assert_int_equal(verify(&s->store, &f, NULL), RVS_ERR_CORRUPT);
	assert_string_equal(f.paths, "a b ");
	assert_int_equal(f.count, 4); /* two members, two files */
	assert_false(f.disordered);
}

/* How often somebody asks whether to stop, and when he is told so. */
struct asking {
	unsigned asked, last;
	uint64_t done, total;
	bool went_back;
};

static bool is_enough(void *arg)
{
	struct asking *asking = arg;

	return ++asking->asked > asking->last;
}

static void follow(void *arg, uint64_t done, uint64_t total)
{
	struct asking *asking = arg;

	asking->went_back |= done < asking->done;
	asking->done = done;
	asking->total = total;
}

static void test_it_can_be_interrupted_anywhere(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = new_memory_store();
	struct asking asking = { .last = UINT_MAX };
	const struct rvs_monitor monitor = { .progress = follow,
					     .cancelled = is_enough,
					     .arg = &asking };
	struct rvs_error err = RVS_ERROR_INIT;
	unsigned last, all;

	expect_ok(rvs_verify(&s->store, NULL, 0, &monitor, NULL, NULL, NULL,
			     &err), err);
	all = asking.asked;
	assert_true(all > 10);
	assert_false(asking.went_back);
	assert_true(asking.done > 0 && asking.done <= asking.total);
	for (last = 0; last < all; last++) {
		asking = (struct asking){ .last = last };
		memory_store_reopen(s);
		expect_status(rvs_verify(&s->store, NULL, 0, &monitor, NULL,
					 NULL, NULL, &err),
			      RVS_ERR_INTERRUPTED, err);
	}
}

static void test_a_failing_disk_is_no_finding(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = new_memory_store();
	unsigned nth, failed = 0;

	for (nth = 1; nth < 1000; nth++) {
		struct rvs_error err = RVS_ERROR_INIT;
		struct findings f = { 0 };
		bool hit;
		int r;

		memory_store_reopen(s);
		memory_fail(s->memory, nth, RVS_ERR_FAILED);
		r = rvs_verify(&s->store, NULL, 0, NULL, note, &f, NULL, &err);
		hit = s->memory->calls >= nth;
		memory_fail(s->memory, 0, 0);
		if (!hit)
			break;
		/* Only a record that cannot be read is one, as in listings. */
		if (r == RVS_ERR_CORRUPT)
			assert_string_equal(f.streams, "metadata.json ");
		else
			expect_status(r, RVS_ERR_FAILED, err);
		failed++;
	}
	assert_in_range(failed, 20, 998);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_a_whole_store_has_no_findings),
		sandbox_test(test_every_flipped_bit_is_found),
		sandbox_test(test_every_cut_object_is_found),
		sandbox_test(test_every_missing_object_is_found),
		sandbox_test(test_malformed_checksums_are_found),
		sandbox_test(test_the_files_of_a_damaged_member_are_named),
		sandbox_test(test_a_warm_cache_hides_no_damage),
		sandbox_test(test_a_deleted_base_is_verified_too),
		sandbox_test(test_named_snapshots_alone_are_verified),
		sandbox_test(test_directories_are_told_before_files),
		sandbox_test(test_it_can_be_interrupted_anywhere),
		sandbox_test(test_a_failing_disk_is_no_finding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
