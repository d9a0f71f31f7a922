/*
 * Goal: a snapshot gives back what its source held, costs what changed, and is
 * made whole or not at all, whatever fails on the way.
 */
#include "memory_store.h"
#include "sandbox.h"

#include "store/snapshot.h"
#include "store/tree.h"

enum { MIB = 1 << 20, LARGE = 10 * MIB };

/* ---- looking into snapshots ---- */

static struct rvs_tree *load(struct rvs_store *store, const char *id)
{
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_tree *tree = NULL;

	expect_ok(rvs_tree_open(store, id, &tree, &err), err);
	return tree;
}

static const struct rvs_entry *entry_at(struct rvs_tree *tree, const char *path)
{
	uint32_t index = rvs_tree_find(tree, path);

	if (index == RVS_NO_ENTRY)
		fail_msg("no %s", path);
	return rvs_tree_entry(tree, index);
}

/* The file at @path of the tree is the one at @file, byte for byte. */
static void expect_content(struct rvs_tree *tree, const char *path,
			   const char *file)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf wanted = read_whole(file);
	RVS_CLEANUP(rvs_cleanup_free) uint8_t *found = malloc(wanted.len + 1);
	const struct rvs_entry *entry = entry_at(tree, path);
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_digest digest;
	ssize_t n;

	assert_int_equal(entry->size, wanted.len);
	n = rvs_tree_read(tree, entry, found, wanted.len + 1, 0, NULL, &err);
	if (n < 0)
		fail_msg("%s: %s", path, err.text);
	assert_int_equal(n, wanted.len);
	assert_int_equal(memcmp(found, wanted.bytes, wanted.len), 0);
	expect_ok(rvs_digest_of(wanted.bytes, wanted.len, &digest, &err), err);
	assert_true(rvs_digest_equal(&digest, &entry->digest));
}

static void expect_file(struct rvs_store *store, const char *id,
			const char *name)
{
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *tree = load(store, id);
	char path[300];

	(void)snprintf(path, sizeof(path), "source/%s", name);
	expect_content(tree, name, path);
}

/* Make a snapshot and check the files of @names (up to NULL); what it cost. */
static uint64_t cost(struct rvs_store *store, const char *const *names)
{
	RVS_CLEANUP(rvs_snapshot_done) struct rvs_snapshot record = { 0 };

	record = snap(store, NULL);
	for (; *names; names++)
		expect_file(store, record.id, *names);
	return record.size_bytes;
}

#define cost_of(store, ...) \
	cost(store, (const char *const[]){ __VA_ARGS__, NULL })

/* ---- full ones ---- */

static void test_a_full_snapshot_gives_back_its_source(void **state)
{
	static const size_t sizes[] = { 0,	1,	4095,	 4096, 65536,
					65537, 262144, 262145, 5 * MIB + 3 };
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(rvs_snapshot_done) struct rvs_snapshot record = { 0 };
	uint64_t total = 0;
	char path[64];
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		(void)snprintf(path, sizeof(path), "source/f%zu", i);
		write_random(path, sizes[i], i);
		total += sizes[i];
	}
	record = snap(store, "full");
	assert_false(record.incremental);
	assert_string_equal(record.base_id, "");
	assert_string_equal(record.consistency, "settled");
	assert_int_equal(record.files_count, sizeof(sizes) / sizeof(*sizes));
	assert_int_equal(record.total_bytes, total);
	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		(void)snprintf(path, sizeof(path), "f%zu", i);
		expect_file(store, record.id, path);
	}
}

static void gunzip_and_compare(const char *id, const char *name)
{
	char command[512];

	(void)snprintf(command, sizeof(command),
		       "gunzip -c store/snapshot-%s/%s.gz | cmp - source/%s",
		       id, name, name);
	assert_int_equal(system(command), 0);
	(void)snprintf(command, sizeof(command),
		       "cd store/snapshot-%s && sha256sum --quiet -c "
		       "checksum.sha256", id);
	assert_int_equal(system(command), 0);
}

static void test_gunzip_gives_back_a_full_snapshot(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(rvs_snapshot_done) struct rvs_snapshot record = { 0 };

	write_random("source/vectors.bin", MIB, 1);
	write_text("source/empty", "");
	write_random("source/twin", MIB, 1);
	write_at("source/sparse", "x", 1, 3 * MIB + 5);
	record = snap(store, NULL);
	gunzip_and_compare(record.id, "vectors.bin");
	gunzip_and_compare(record.id, "twin");
	gunzip_and_compare(record.id, "empty");
	gunzip_and_compare(record.id, "sparse");
}

/* Names that the store uses itself, or that would meet as streams. */
static void test_awkward_names_come_back(void **state)
{
	static const char *const names[] = {
		"manifest",	"members.idx", "metadata.json", "0.bundle",
		"checksum.sha256", "a",	       "a.gz",		"a.gz.gz",
		"d.gz/x",	"d",	       "manifest.d/x",	"\\n\n\r",
		"\xff\xfe",
	};
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(rvs_snapshot_done) struct rvs_snapshot record = { 0 };
	char path[64];
	size_t i;

	assert_int_equal(mkdir("source/d.gz", 0755), 0);
	assert_int_equal(mkdir("source/manifest.d", 0755), 0);
	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		(void)snprintf(path, sizeof(path), "source/%s", names[i]);
		write_random(path, 1000, i);
	}
	record = snap(store, NULL);
	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		expect_file(store, record.id, names[i]);
	(void)snprintf(path, sizeof(path), "store/snapshot-%s", record.id);
	assert_int_equal(chdir(path), 0);
	assert_int_equal(system("sha256sum --quiet -c checksum.sha256"), 0);
	assert_int_equal(chdir("../.."), 0);
}

static void test_folders_named_as_objects_come_back(void **state)
{
	static const char *const names[] = { "manifest/x", "members.idx/x",
					     "metadata.json/x", "0.bundle/x",
					     "checksum.sha256/x" };
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(rvs_snapshot_done) struct rvs_snapshot record = { 0 };
	char path[64];
	size_t i;

	for (i = 0; i < 5; i++) {
		(void)snprintf(path, sizeof(path), "source/%s", names[i]);
		*strrchr(path, '/') = '\0';
		assert_int_equal(mkdir(path, 0755), 0);
		(void)strcat(path, "/x");
		write_random(path, 1000, i);
	}
	record = snap(store, NULL);
	for (i = 0; i < 5; i++)
		expect_file(store, record.id, names[i]);
}

static void test_many_small_files_share_a_bundle(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(rvs_snapshot_done) struct rvs_snapshot record = { 0 };
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *tree = NULL;
	char path[64], file[64];
	int i;

	for (i = 0; i < 1000; i++) {
		(void)snprintf(file, sizeof(file), "source/f%d", i);
		write_random(file, (size_t)i * 37 % 20000, (uint64_t)i % 500);
	}
	write_random("source/large", 2 * MIB, 5);
	record = snap(store, NULL);
	tree = load(store, record.id);
	for (i = 0; i < 1000; i++) {
		(void)snprintf(path, sizeof(path), "f%d", i);
		(void)snprintf(file, sizeof(file), "source/f%d", i);
		expect_content(tree, path, file);
	}
	gunzip_and_compare(record.id, "large");
	(void)snprintf(path, sizeof(path), "store/snapshot-%s/f1.gz",
		       record.id);
	assert_int_equal(access(path, F_OK), -1);
}

static void test_holes_are_kept(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(rvs_snapshot_done) struct rvs_snapshot record = { 0 };
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *tree = NULL;
	RVS_CLEANUP(rvs_cleanup_free) uint8_t *zeros = calloc(1, 2 * MIB);

	write_at("source/tail", "x", 1, 0);
	assert_int_equal(truncate("source/tail", 100 * MIB), 0);
	write_text("source/all", "");
	assert_int_equal(truncate("source/all", 4 * MIB + 1), 0);
	write_at("source/middle", "begin", 5, 0);
	write_at("source/middle", "end", 3, 8 * MIB + 12345);
	write_random("source/zeros", MIB, 3); /* written, not a hole */
	write_at("source/zeros", zeros, 2 * MIB, MIB);
	record = snap(store, NULL);
	tree = load(store, record.id);
	expect_content(tree, "tail", "source/tail");
	expect_content(tree, "all", "source/all");
	expect_content(tree, "middle", "source/middle");
	expect_content(tree, "zeros", "source/zeros");
	assert_true(rvs_tree_data_bytes(tree, entry_at(tree, "tail")) <=
		    64 << 10);
	assert_int_equal(rvs_tree_data_bytes(tree, entry_at(tree, "all")), 0);
	assert_true(rvs_tree_data_bytes(tree, entry_at(tree, "middle")) <=
		    192 << 10);
	assert_int_equal(rvs_tree_data_bytes(tree, entry_at(tree, "zeros")),
			 MIB);
}

/* ---- incremental ones: what they cost ---- */

static void test_nothing_changed_costs_next_to_nothing(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();

	write_random("source/f", LARGE, 1);
	(void)cost_of(store, "f");
	(void)usleep(60000); /* a clock's grain later it is settled */
	(void)cost_of(store, "f");
	assert_true(cost_of(store, "f") < 4096);
}

static void test_a_changed_page_costs_a_page(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	uint8_t page[4096];

	write_random("source/f", LARGE, 1);
	(void)cost_of(store, "f");
	fill_random(page, sizeof(page), 99);
	write_at("source/f", page, sizeof(page), 5 * MIB);
	assert_true(cost_of(store, "f") < 16 << 10);
	write_at("source/f", "x", 1, 7 * MIB + 1);
	assert_true(cost_of(store, "f") < 16 << 10);
	write_at("source/f", "y", 1, LARGE - 1);
	assert_true(cost_of(store, "f") < 16 << 10);
}

/* Pages all over, as a database changes them, snapshot after snapshot. */
static void test_scattered_pages_cost_themselves(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	uint64_t round, i, at;
	uint8_t page[4096];

	write_random("source/f", LARGE, 1);
	(void)cost_of(store, "f");
	for (round = 0; round < 5; round++) {
		for (i = 0; i < 50; i++) {
			fill_random(&at, sizeof(at), round << 32 | i);
			fill_random(page, sizeof(page), at);
			write_at("source/f", page, sizeof(page),
				 at % (LARGE / 4096) * 4096);
		}
		assert_true(cost_of(store, "f") < 50 * 4096 + (64 << 10));
	}
}

static void test_a_renamed_or_copied_file_costs_next_to_nothing(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();

	write_random("source/f", LARGE, 1);
	(void)cost_of(store, "f");
	assert_int_equal(rename("source/f", "source/g"), 0);
	assert_true(cost_of(store, "g") < 4096);
	assert_int_equal(system("cp source/g source/copy"), 0);
	assert_int_equal(mkdir("source/d", 0755), 0);
	assert_int_equal(system("cp source/g source/d/copy"), 0);
	assert_true(cost_of(store, "g", "copy", "d/copy") < 4096);
}

static void test_inserted_bytes_cost_a_chunk_or_few(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(rvs_cleanup_free) uint8_t *bytes = malloc(LARGE);

	fill_random(bytes, LARGE, 1);
	write_file("source/f", bytes, LARGE);
	(void)cost_of(store, "f");
	write_at("source/g", bytes, 3 * MIB, 0);
	write_at("source/g", "inserted", 8, 3 * MIB);
	write_at("source/g", bytes + 3 * MIB, 7 * MIB, 3 * MIB + 8);
	assert_int_equal(rename("source/g", "source/f"), 0);
	assert_true(cost_of(store, "f") < 600 << 10);
}

static void test_appended_bytes_cost_themselves(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	uint8_t bytes[10000];

	write_random("source/f", LARGE + 77, 1);
	(void)cost_of(store, "f");
	fill_random(bytes, sizeof(bytes), 2);
	write_at("source/f", bytes, sizeof(bytes), LARGE + 77);
	assert_true(cost_of(store, "f") < 32 << 10);
	assert_int_equal(truncate("source/f", LARGE / 2 + 5), 0);
	assert_true(cost_of(store, "f") < 16 << 10);
}

static void test_new_duplicates_are_stored_once(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();

	write_text("source/first", "x");
	(void)cost_of(store, "first");
	write_random("source/a", MIB, 5);
	write_random("source/b", MIB, 5);
	write_random("source/c", 3000, 6);
	write_random("source/d", 3000, 6);
	assert_true(cost_of(store, "a", "b", "c", "d") < MIB + (32 << 10));
}

/* A file becomes a folder, a folder a file, one shrinks to nothing. */
static void test_types_may_change(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();

	write_random("source/a", 5000, 1);
	assert_int_equal(mkdir("source/b", 0755), 0);
	write_random("source/b/x", 5000, 2);
	write_random("source/c", 5000, 3);
	(void)cost_of(store, "a", "b/x", "c");
	assert_int_equal(rename("source/a", "source/t"), 0);
	assert_int_equal(rename("source/b", "source/a"), 0);
	assert_int_equal(rename("source/t", "source/b"), 0);
	write_text("source/c", "");
	(void)cost_of(store, "a/x", "b", "c");
}

/* A chain: each rests on the one before, down to bytes of the first. */
static void test_a_chain_reaches_back_to_its_first(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *first = NULL;
	RVS_CLEANUP(rvs_snapshot_done) struct rvs_snapshot record = { 0 };
	uint64_t i;

	write_random("source/f", MIB, 1);
	assert_int_equal(system("cp source/f as-it-was"), 0);
	record = snap(store, "first");
	for (i = 0; i < 20; i++) {
		write_at("source/f", &i, sizeof(i), i * 40000);
		(void)cost_of(store, "f");
	}
	first = load(store, record.id);
	expect_content(first, "f", "as-it-was");
}

/* ---- what is read at all ---- */

static uint64_t atime_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return (uint64_t)st.st_atim.tv_sec * 1000000000 +
	       (uint64_t)st.st_atim.tv_nsec;
}

/*
 * Read before its last change, a file's access time moves with the next read,
 * even where the filesystem spares itself the others.
 */
static void test_an_unchanged_file_is_not_read(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	uint64_t before, after;

	write_random("source/f", 100000, 1);
	(void)usleep(60000);
	before = atime_of("source/f");
	snap_only(store, NULL);
	after = atime_of("source/f");
	if (before == after)
		skip(); /* mounted without access times */
	/* A day old, so that any read would move it. */
	(void)usleep(60000);
	snap_only(store, NULL);
	assert_int_equal(atime_of("source/f"), after);
}

/* ---- options ---- */

static int create_with(struct rvs_store *store,
		       const struct rvs_create_options *options,
		       struct rvs_snapshot *ret, struct rvs_error *err)
{
	struct rvs_snapshot record = { 0 };
	int r = rvs_create(store, options, &record, err);

	if (ret)
		*ret = record;
	else
		rvs_snapshot_done(&record);
	return r;
}

static size_t count_snapshots(struct rvs_store *store)
{
	struct rvs_snapshot_list list;
	struct rvs_error err = RVS_ERROR_INIT;
	size_t count;

	expect_ok(rvs_snapshot_list(store, &list, NULL, NULL, &err), err);
	count = list.count;
	rvs_snapshot_list_done(&list);
	return count;
}

static void test_bad_requests_are_refused_at_once(void **state)
{
	static struct rvs_metadata empty_key = { (char *)"", (char *)"x" };
	static struct rvs_metadata raw_key = { (char *)"\xff", (char *)"x" };
	static struct rvs_metadata twice[] = { { (char *)"k", (char *)"1" },
					       { (char *)"k", (char *)"2" } };
	const struct rvs_create_options bad[] = {
		{ .name = "../x" },
		{ .name = "latest" },
		{ .full = true, .base = "first" },
		{ .metadata = &empty_key, .metadata_count = 1 },
		{ .metadata = &raw_key, .metadata_count = 1 },
		{ .metadata = twice, .metadata_count = 2 },
	};
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	struct rvs_error err = RVS_ERROR_INIT;
	size_t i;

	snap_only(store, "first");
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		int r = create_with(store, &bad[i], NULL, &err);

		if (r != RVS_ERR_USAGE)
			fail_msg("request %zu: %d %s", i, r, err.text);
	}
	expect_status(create_with(store,
				  &(struct rvs_create_options){
					  .name = "first" },
				  NULL, &err),
		      RVS_ERR_EXISTS, err);
	expect_status(create_with(store,
				  &(struct rvs_create_options){
					  .base = "none" },
				  NULL, &err),
		      RVS_ERR_NOT_FOUND, err);
	expect_status(create_with(store,
				  &(struct rvs_create_options){
					  .source = "none" },
				  NULL, &err),
		      RVS_ERR_NOT_FOUND, err);
	assert_int_equal(count_snapshots(store), 1);
}

/* A record that no listing would read must not be made. */
static void test_metadata_too_long_to_read_is_refused(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(rvs_cleanup_free) char *value = malloc(2 * MIB);
	struct rvs_metadata large = { (char *)"k", value };
	const struct rvs_create_options options = { .metadata = &large,
						    .metadata_count = 1 };
	struct rvs_error err = RVS_ERROR_INIT;

	memset(value, 'v', 2 * MIB);
	value[2 * MIB - 1] = '\0';
	expect_status(create_with(store, &options, NULL, &err), RVS_ERR_USAGE,
		      err);
	assert_int_equal(count_snapshots(store), 0);
}

static void test_full_and_base_are_heeded(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(rvs_snapshot_done) struct rvs_snapshot first = { 0 };
	RVS_CLEANUP(rvs_snapshot_done) struct rvs_snapshot found = { 0 };
	struct rvs_error err = RVS_ERROR_INIT;

	write_random("source/f", MIB, 1);
	first = snap(store, "first");
	snap_only(store, "second");
	expect_ok(create_with(store,
			      &(struct rvs_create_options){ .base = "first" },
			      &found, &err), err);
	assert_true(found.incremental);
	assert_string_equal(found.base_id, first.id);
	rvs_snapshot_done(&found);
	expect_ok(create_with(store,
			      &(struct rvs_create_options){ .full = true },
			      &found, &err), err);
	assert_false(found.incremental);
	assert_true(found.size_bytes > MIB);
	gunzip_and_compare(found.id, "f");
}

/* The newest of this source, not of another that was taken in between. */
static void test_the_base_is_of_the_same_source(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(rvs_snapshot_done) struct rvs_snapshot first = { 0 };
	RVS_CLEANUP(rvs_snapshot_done) struct rvs_snapshot third = { 0 };
	struct rvs_error err = RVS_ERROR_INIT;

	write_random("source/f", MIB, 1);
	assert_int_equal(mkdir("other", 0755), 0);
	write_random("other/g", MIB, 2);
	first = snap(store, NULL);
	expect_ok(create_with(store,
			      &(struct rvs_create_options){
				      .source = "other" },
			      NULL, &err), err);
	third = snap(store, NULL);
	assert_string_equal(third.base_id, first.id);
	assert_true(third.size_bytes < 16 << 10);
}

/* Without a word about a base, a damaged one costs space alone. */
static void test_a_damaged_base_gives_a_full_snapshot(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(close_store) struct rvs_store *again = NULL;
	RVS_CLEANUP(rvs_snapshot_done) struct rvs_snapshot first = { 0 };
	RVS_CLEANUP(rvs_snapshot_done) struct rvs_snapshot second = { 0 };
	struct rvs_error err = RVS_ERROR_INIT;
	char path[128];

	write_random("source/f", 50000, 1);
	first = snap(store, "first");
	(void)snprintf(path, sizeof(path), "store/snapshot-%s/manifest",
		       first.id);
	write_at(path, "damage", 6, 70);
	again = open_store();
	expect_status(create_with(again,
				  &(struct rvs_create_options){
					  .base = "first" },
				  NULL, &err),
		      RVS_ERR_CORRUPT, err);
	second = snap(again, "second");
	assert_false(second.incremental);
	expect_file(again, second.id, "f");
}

/* The base's bytes rotted: the new snapshot must not lean on them unread. */
static void test_rehash_reads_what_looks_unchanged(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(rvs_snapshot_done) struct rvs_snapshot record = { 0 };
	struct rvs_error err = RVS_ERROR_INIT;

	write_random("source/f", 300000, 1);
	(void)usleep(60000);
	snap_only(store, NULL);
	expect_ok(create_with(store,
			      &(struct rvs_create_options){ .rehash = true },
			      &record, &err), err);
	expect_file(store, record.id, "f");
	assert_true(record.size_bytes < 4096);
}

static bool cancel_later(void *arg)
{
	int *left = arg;

	return (*left)-- <= 0;
}

static void test_a_cancelled_one_leaves_nothing(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	struct rvs_error err = RVS_ERROR_INIT;
	char path[32];
	int i, left, tries = 0, r = RVS_ERR_INTERRUPTED;

	for (i = 0; i < 20; i++) {
		(void)snprintf(path, sizeof(path), "source/f%d", i);
		write_random(path, 300000, (uint64_t)i);
	}
	for (tries = 0; r < 0; tries++) {
		struct rvs_create_options options = {
			.monitor = { .cancelled = cancel_later, .arg = &left }
		};

		left = tries * 7;
		r = create_with(store, &options, NULL, &err);
		if (r == 0)
			break;
		expect_status(r, RVS_ERR_INTERRUPTED, err);
		assert_int_equal(count_snapshots(store), 0);
		assert_int_equal(system("ls -A store | grep -q tmp"), 256);
	}
	assert_true(tries > 5);
	assert_int_equal(count_snapshots(store), 1);
}

/* ---- failures of the store, each in its turn ---- */

static void make_tree_to_fail(void)
{
	char path[64];
	int i;

	assert_int_equal(mkdir("source", 0755), 0);
	write_random("source/large", 600000, 1);
	write_at("source/sparse", "x", 1, MIB);
	for (i = 0; i < 5; i++) {
		(void)snprintf(path, sizeof(path), "source/f%d", i);
		write_random(path, 5000, (uint64_t)i);
	}
}

static size_t count_drafts(struct memory_backend *memory)
{
	size_t i, count = 0;

	for (i = 0; i < memory->count; i++)
		count += !strncmp(memory->objects[i].key, ".tmp-", 5);
	return count;
}

/* A record that cannot be read hides its snapshot from a create, no more; and
 * what is collected behind one may fail.  Such creates succeed. */
static void run_failing(struct memory_store *s)
{
	const struct rvs_create_options options = { .source = "source" };
	size_t before = count_snapshots(&s->store);
	struct rvs_error err = RVS_ERROR_INIT;
	unsigned nth, failed = 0;
	bool hit = true;

	for (nth = 1; hit; nth++) {
		struct rvs_snapshot record = { 0 };
		int r;

		memory_store_reopen(s);
		memory_fail(s->memory, nth, RVS_ERR_NO_SPACE);
		r = rvs_create(&s->store, &options, &record, &err);
		hit = s->memory->calls >= nth;
		memory_fail(s->memory, 0, 0);
		if (r == 0 && hit)
			expect_ok(rvs_snapshot_delete(&s->store, record.id,
						      &err), err);
		if (r < 0) {
			expect_status(r, RVS_ERR_NO_SPACE, err);
			failed++;
		}
		rvs_snapshot_done(&record);
		before += !hit;
		assert_int_equal(count_snapshots(&s->store), before);
		assert_int_equal(count_drafts(s->memory), 0);
	}
	assert_true(failed > 15);
}

/* A full disk anywhere gives its status, and the list as it was. */
static void test_whichever_call_fails_nothing_is_shown(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = memory_store_new(128 << 20);

	s->store.path = (char *)"/nowhere";
	make_tree_to_fail();
	run_failing(s);
	write_at("source/large", "changed", 7, 100000);
	run_failing(s);
}

static void test_one_writer_at_a_time(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	RVS_CLEANUP(close_store) struct rvs_store *other = open_store();
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_lock *lock;

	expect_ok(other->backend->ops->lock(other->backend, RVS_WRITER_LOCK,
					    false, NULL, NULL, &lock, &err),
		  err);
	expect_status(create_with(store, &(struct rvs_create_options){ 0 },
				  NULL, &err), RVS_ERR_BUSY, err);
	other->backend->ops->unlock(lock);
	snap_only(store, NULL);
}

/* ---- threads ---- */

static void *make_one(void *arg)
{
	struct rvs_store *store = open_store();
	const struct rvs_create_options options = { .wait = true };
	struct rvs_error err = RVS_ERROR_INIT;

	(void)arg;
	expect_ok(create_with(store, &options, NULL, &err), err);
	rvs_store_close(store);
	return NULL;
}

static void test_writers_wait_for_each_other(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	pthread_t threads[4];
	int i;

	write_random("source/f", MIB, 1);
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, make_one,
						NULL), 0);
	for (i = 0; i < 4; i++)
		(void)pthread_join(threads[i], NULL);
	assert_int_equal(count_snapshots(store), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_a_full_snapshot_gives_back_its_source),
		sandbox_test(test_gunzip_gives_back_a_full_snapshot),
		sandbox_test(test_awkward_names_come_back),
		sandbox_test(test_folders_named_as_objects_come_back),
		sandbox_test(test_many_small_files_share_a_bundle),
		sandbox_test(test_holes_are_kept),
		sandbox_test(test_nothing_changed_costs_next_to_nothing),
		sandbox_test(test_a_changed_page_costs_a_page),
		sandbox_test(test_scattered_pages_cost_themselves),
		sandbox_test(
			test_a_renamed_or_copied_file_costs_next_to_nothing),
		sandbox_test(test_inserted_bytes_cost_a_chunk_or_few),
		sandbox_test(test_appended_bytes_cost_themselves),
		sandbox_test(test_new_duplicates_are_stored_once),
		sandbox_test(test_types_may_change),
		sandbox_test(test_a_chain_reaches_back_to_its_first),
		sandbox_test(test_an_unchanged_file_is_not_read),
		sandbox_test(test_bad_requests_are_refused_at_once),
		sandbox_test(test_metadata_too_long_to_read_is_refused),
		sandbox_test(test_full_and_base_are_heeded),
		sandbox_test(test_the_base_is_of_the_same_source),
		sandbox_test(test_a_damaged_base_gives_a_full_snapshot),
		sandbox_test(test_rehash_reads_what_looks_unchanged),
		sandbox_test(test_a_cancelled_one_leaves_nothing),
		sandbox_test(test_whichever_call_fails_nothing_is_shown),
		sandbox_test(test_one_writer_at_a_time),
		sandbox_test(test_writers_wait_for_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
