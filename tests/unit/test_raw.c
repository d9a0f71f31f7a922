/*
 * Goal: the raw form of a snapshot is a full snapshot's directory, whatever the
 * snapshot is made of: gunzip gives the files, the checksums hold, a store takes
 * it for its own.
 */
#include "sandbox.h"

#include <rvs/raw.h>
#include <rvs/tree.h>

#define STORE \
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store()

static void copy_file(struct rvs_raw *raw, uint32_t index, const char *path,
		      size_t step)
{
	const struct rvs_raw_node *node = rvs_raw_node(raw, index);
	RVS_CLEANUP(rvs_cleanup_free) uint8_t *bytes = malloc(node->size + step);
	struct rvs_error err = RVS_ERROR_INIT;
	uint64_t at = 0;
	ssize_t n = 1;

	assert_non_null(bytes);
	while (n > 0) {
		n = rvs_raw_read(raw, index, bytes + at, step, at, NULL, NULL,
				 &err);
		if (n < 0)
			fail_msg("%s: %s", path, err.text);
		at += (uint64_t)n;
		assert_true(at <= node->size);
	}
	assert_int_equal(at, node->size);
	write_file(path, bytes, at);
}

static void copy_directory(struct rvs_raw *raw, uint32_t dir, const char *path,
			   size_t step)
{
	char below[4096];
	uint32_t i;

	assert_int_equal(mkdir(path, 0700), 0);
	for (i = 0; i < rvs_raw_node(raw, dir)->child_count; i++) {
		uint32_t index = rvs_raw_child(raw, dir, i);
		const struct rvs_raw_node *node = rvs_raw_node(raw, index);

		assert_int_equal(node->parent, dir);
		assert_int_equal(rvs_raw_lookup(raw, dir, node->name), index);
		assert_true(snprintf(below, sizeof(below), "%s/%s", path,
				     node->name) < (int)sizeof(below));
		if (node->is_directory)
			copy_directory(raw, index, below, step);
		else
			copy_file(raw, index, below, step);
	}
	assert_int_equal(rvs_raw_lookup(raw, dir, "no such"), RVS_NO_ENTRY);
}

/* Copy the raw form of @id to the folder @path, @step bytes at a time. */
static void copy_raw(struct rvs_store *store, const char *id, const char *path,
		     size_t step)
{
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_raw *raw;

	expect_ok(rvs_raw_open(store, id, &raw, &err), err);
	assert_true(rvs_raw_memory(raw) > 0);
	copy_directory(raw, 0, path, step);
	rvs_raw_release(raw);
}

/* The copy proves itself, and is a snapshot of a store of its own, with the
 * same tree as @id of @store. */
static void expect_whole(struct rvs_store *store, const char *id,
			 const char *path)
{
	const struct rvs_store_config config = { .level = 1 };
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_verify_result result;
	struct rvs_snapshot here = { 0 }, there = { 0 };
	struct rvs_store *other;
	char command[300], name[100];

	(void)snprintf(command, sizeof(command),
		       "cd '%s' && sha256sum --quiet -c checksum.sha256", path);
	assert_int_equal(system(command), 0);
	expect_ok(rvs_store_init("other", &config, &err), err);
	(void)snprintf(name, sizeof(name), "other/snapshot-%s", id);
	assert_int_equal(rename(path, name), 0);
	expect_ok(rvs_store_open("other", NULL, &other, &err), err);
	expect_ok(rvs_verify(other, NULL, 0, NULL, NULL, NULL, &result, &err),
		  err);
	assert_int_equal(result.snapshots, 1);
	expect_ok(rvs_snapshot_find(store, id, &here, &err), err);
	expect_ok(rvs_snapshot_find(other, id, &there, &err), err);
	assert_false(there.incremental);
	assert_string_equal(there.base_id, "");
	assert_memory_equal(&here.checksum, &there.checksum, RVS_DIGEST_LEN);
	assert_int_equal(here.total_bytes, there.total_bytes);
	rvs_snapshot_done(&here);
	rvs_snapshot_done(&there);
	rvs_store_close(other);
	assert_int_equal(rename(name, path), 0);
	assert_int_equal(rvs_io_remove_all(AT_FDCWD, "other", &err), 0);
}

static void expect_gunzips_to(const char *stream, const char *file)
{
	char command[1000];

	(void)snprintf(command, sizeof(command),
		       "gunzip -c '%s' | cmp - '%s'", stream, file);
	assert_int_equal(system(command), 0);
}

static void test_full_snapshot_is_its_directory(void **state)
{
	STORE;
	struct rvs_snapshot full;
	char command[300];

	assert_int_equal(mkdir("source/sub", 0755), 0);
	assert_int_equal(mkdir("source/sub.d", 0755), 0);
	write_random("source/sub/a", 300000, 1);
	write_random("source/sub.d/b", 10, 2);
	write_text("source/sub-c", "c");
	full = snap(store, NULL);
	copy_raw(store, full.id, "raw", 100000);
	(void)snprintf(command, sizeof(command),
		       "diff -r raw store/snapshot-%s", full.id);
	assert_int_equal(system(command), 0);
	expect_whole(store, full.id, "raw");
	rvs_snapshot_done(&full);
}

static void test_increments_are_composed(void **state)
{
	enum { LEN = 3000000, TIMES = 12 };
	STORE;
	struct rvs_snapshot last = { 0 };
	struct rvs_error err = RVS_ERROR_INIT;
	unsigned i;

	assert_int_equal(mkdir("source/sub", 0755), 0);
	write_random("source/vectors", LEN, 1);
	write_text("source/empty", "");
	write_random("source/sub/same", 200000, 2);
	assert_int_equal(link("source/sub/same", "source/z-link"), 0);
	assert_int_equal(symlink("empty", "source/link"), 0);
	for (i = 0; i < TIMES; i++) {
		uint8_t page[5000];

		fill_random(page, sizeof(page), 100 + i);
		write_at("source/vectors", page, sizeof(page), i * 200000);
		write_at("source/vectors", page, sizeof(page), LEN + i * 900);
		rvs_snapshot_done(&last);
		last = snap(store, NULL);
	}
	assert_true(last.incremental);
	copy_raw(store, last.id, "raw", 77777);
	expect_gunzips_to("raw/vectors.gz", "source/vectors");
	expect_gunzips_to("raw/sub/same.gz", "source/sub/same");
	expect_gunzips_to("raw/empty.gz", "source/empty");
	assert_int_equal(access("raw/z-link.gz", F_OK), -1);
	expect_whole(store, last.id, "raw");
	/* The same again, in other steps. */
	copy_raw(store, last.id, "again", 1 << 20);
	assert_int_equal(system("diff -r raw again"), 0);
	/* And when the others are gone, and what only they used. */
	while (i-- > 1)
		expect_ok(rvs_prune(store, &(struct rvs_policy){ .last = i },
				    false, NULL, NULL, NULL, NULL, &err),
			  err);
	copy_raw(store, last.id, "alone", 1 << 20);
	assert_int_equal(system("diff -r raw alone"), 0);
	rvs_snapshot_done(&last);
}

static void test_holes(void **state)
{
	STORE;
	struct rvs_snapshot last;

	write_text("source/sparse", "begin");
	assert_int_equal(truncate("source/sparse", 5000000), 0);
	write_text("source/zeros", "");
	assert_int_equal(truncate("source/zeros", 1234567), 0);
	snap_only(store, NULL);
	write_at("source/sparse", "middle", 6, 2500001);
	write_at("source/sparse", "end", 3, 4999990);
	last = snap(store, NULL);
	copy_raw(store, last.id, "raw", 50000);
	expect_gunzips_to("raw/sparse.gz", "source/sparse");
	expect_gunzips_to("raw/zeros.gz", "source/zeros");
	expect_whole(store, last.id, "raw");
	rvs_snapshot_done(&last);
}

/* More files than get streams: most of their members are copied whole. */
static void test_bundle(void **state)
{
	enum { FILES = 700 };
	STORE;
	struct rvs_snapshot last;
	RVS_CLEANUP(rvs_cleanup_free) char *text = NULL;
	char path[100];
	struct stat st;
	unsigned i;

	for (i = 0; i < FILES; i++) {
		(void)snprintf(path, sizeof(path), "source/file-%03u", i);
		free(text);
		assert_true(asprintf(&text, "%0*u", 900, i) > 0);
		write_text(path, text);
	}
	write_random("source/large", 1500000, 5);
	snap_only(store, NULL);
	write_text("source/file-100", "changed");
	write_text("source/more", "more");
	assert_int_equal(unlink("source/file-500"), 0);
	last = snap(store, NULL);
	copy_raw(store, last.id, "raw", 30000);
	expect_gunzips_to("raw/large.gz", "source/large");
	assert_int_equal(stat("raw/0.bundle", &st), 0);
	/* Uncompressed it would be 630 KB; two members of 128 KiB had to go. */
	assert_true(st.st_size < 300000);
	expect_whole(store, last.id, "raw");
	rvs_snapshot_done(&last);
}

static void test_names(void **state)
{
	static const char *const names[] = { "a.gz", "b\nc", "back\\slash",
					     " -rf *", "\xff\xfe", "manifest",
					     "checksum.sha256" };
	STORE;
	struct rvs_snapshot last;
	char path[400], wanted[400], longest[260];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "source/%s", names[i]);
		write_random(path, 5000, i);
	}
	memset(longest, 'n', 255);
	longest[255] = '\0';
	(void)snprintf(path, sizeof(path), "source/%s", longest);
	write_random(path, 5000, 99);
	assert_int_equal(mkdir("source/folder.gz", 0755), 0);
	write_text("source/folder.gz/file", "below");
	snap_only(store, NULL);
	write_text("source/new", "new");
	last = snap(store, NULL);
	copy_raw(store, last.id, "raw", 10000);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "raw/%s.gz", names[i]);
		(void)snprintf(wanted, sizeof(wanted), "source/%s", names[i]);
		expect_gunzips_to(path, wanted);
	}
	assert_int_equal(access("raw/0.bundle", F_OK), 0);
	assert_int_equal(access("raw/folder.gz", F_OK), -1);
	expect_whole(store, last.id, "raw");
	rvs_snapshot_done(&last);
}

static bool stop(void *arg)
{
	return true;
}

static void test_proving_can_be_stopped_and_begun_again(void **state)
{
	const struct rvs_monitor monitor = { .cancelled = stop };
	STORE;
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_snapshot last;
	struct rvs_raw *raw;
	uint8_t bytes[1000];
	uint32_t index;

	write_random("source/a", 500000, 1);
	snap_only(store, NULL);
	write_random("source/b", 1000, 1);
	last = snap(store, NULL);
	expect_ok(rvs_raw_open(store, last.id, &raw, &err), err);
	index = rvs_raw_lookup(raw, 0, "checksum.sha256");
	expect_status(rvs_raw_read(raw, index, bytes, sizeof(bytes), 0,
				   &monitor, NULL, &err),
		      RVS_ERR_INTERRUPTED, err);
	assert_true(rvs_raw_read(raw, index, bytes, sizeof(bytes), 0, NULL,
				 NULL, &err) > 100);
	rvs_raw_release(raw);
	rvs_snapshot_done(&last);
}

static void test_damage_is_never_blessed(void **state)
{
	STORE;
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_snapshot first, last;
	struct rvs_damage damage;
	struct rvs_raw *raw;
	uint8_t bytes[100];
	char path[100];

	write_random("source/a", 500000, 1);
	first = snap(store, NULL);
	write_text("source/b", "b");
	last = snap(store, NULL);
	(void)snprintf(path, sizeof(path), "store/snapshot-%s/a.gz", first.id);
	assert_int_equal(chmod(path, 0600), 0);
	write_at(path, "damage", 6, 300000);
	expect_ok(rvs_raw_open(store, last.id, &raw, &err), err);
	expect_status(rvs_raw_read(raw, rvs_raw_lookup(raw, 0,
						       "checksum.sha256"),
				   bytes, sizeof(bytes), 0, NULL, &damage,
				   &err), RVS_ERR_CORRUPT, err);
	assert_string_equal(damage.snapshot, first.id);
	assert_string_equal(damage.stream, "a.gz");
	expect_status(rvs_raw_read(raw, rvs_raw_lookup(raw, 0, "a.gz"), bytes,
				   sizeof(bytes), 300000, NULL, &damage, &err),
		      RVS_ERR_CORRUPT, err);
	rvs_raw_release(raw);
	expect_status(rvs_raw_open(store, "20010203T040506Z-abcd", &raw, &err),
		      RVS_ERR_NOT_FOUND, err);
	rvs_snapshot_done(&first);
	rvs_snapshot_done(&last);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_full_snapshot_is_its_directory),
		sandbox_test(test_increments_are_composed),
		sandbox_test(test_holes),
		sandbox_test(test_bundle),
		sandbox_test(test_names),
		sandbox_test(test_proving_can_be_stopped_and_begun_again),
		sandbox_test(test_damage_is_never_blessed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
