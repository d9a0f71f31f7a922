/*
 * Goal: a tree is what its manifest says, entry for entry and byte for byte;
 * one that lies about links, extents or its own shape is refused.
 */
#include "memory_store.h"

#include <sys/stat.h>

#include "format/manifest.h"
#include "store/tree.h"

#define ID    "20261122T101500Z-0001"
#define OTHER "20261122T101500Z-0002"
#define KEY   "snapshot-" ID

/* ---- a snapshot from nodes ---- */

struct maker {
	struct rvs_writer *writer;
	struct rvs_output *manifest;
	struct rvs_manifest_writer *nodes;
	struct rvs_segment segments[64];
	size_t count;
	char id[RVS_ID_SIZE];
};

static int put_segment(void *arg, const void *bytes, size_t len,
		       struct rvs_error *err)
{
	struct maker *m = arg;
	struct rvs_segment *segment = &m->segments[m->count++];

	assert_true(m->count <= 64);
	memcpy(segment->id, m->id, RVS_ID_SIZE);
	segment->member = put_member(m->writer, m->manifest, bytes, len);
	return 0;
}

static const char *volume_id(void *arg, uint32_t volume)
{
	return volume == 0 ? ID : OTHER;
}

static struct maker *begin(struct memory_store *s, const char *id)
{
	struct maker *m = calloc(1, sizeof(*m));
	const struct rvs_manifest_output output = { .arg = m,
						    .segment = put_segment,
						    .volume_id = volume_id };
	struct rvs_error err = RVS_ERROR_INIT;

	(void)snprintf(m->id, sizeof(m->id), "%s", id);
	memory_ok(rvs_writer_new(&s->store, id, &m->writer, &err), err);
	memory_ok(rvs_writer_open(m->writer, "manifest", &m->manifest, &err),
		  err);
	memory_ok(rvs_manifest_writer_new(&output, &m->nodes, &err), err);
	return m;
}

/* The root of what was put, and the commit. */
static void commit(struct maker *m)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf root = RVS_BUF_INIT;
	struct rvs_error err = RVS_ERROR_INIT;

	memory_ok(rvs_manifest_finish(m->nodes, &err), err);
	memory_ok(rvs_manifest_root_encode(m->segments, m->count, &root, &err),
		  err);
	(void)put_member(m->writer, m->manifest, root.bytes, root.len);
	memory_ok(rvs_writer_close(m->writer, m->manifest, &err), err);
	commit_record(m->writer, m->id);
	rvs_manifest_writer_free(m->nodes);
	rvs_writer_free(m->writer);
	free(m);
}

static void add(struct maker *m, const struct rvs_node *node)
{
	struct rvs_error err = RVS_ERROR_INIT;

	memory_ok(rvs_manifest_add(m->nodes, node, &err), err);
}

static void add_directory(struct maker *m, const char *name)
{
	const struct rvs_node node = { .name = name, .mode = S_IFDIR | 0755 };

	add(m, &node);
}

static void add_file(struct maker *m, const char *name)
{
	const struct rvs_node node = { .name = name,
				       .mode = S_IFREG | 0644,
				       .ino = 77 };

	add(m, &node);
}

static void add_link(struct maker *m, const char *name, const char *first)
{
	const struct rvs_node node = { .name = name,
				       .target = first,
				       .hard_link = true };

	add(m, &node);
}

static void end(struct maker *m)
{
	rvs_manifest_end(m->nodes);
}

static struct rvs_tree *load(struct memory_store *s)
{
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_tree *tree = NULL;

	memory_ok(rvs_tree_open(&s->store, ID, &tree, &err), err);
	return tree;
}

static void expect_corrupt(struct memory_store *s)
{
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_tree *tree = NULL;

	memory_store_reopen(s);
	if (rvs_tree_open(&s->store, ID, &tree, &err) != RVS_ERR_CORRUPT)
		fail_msg("a broken tree was loaded: %s", err.text);
	assert_non_null(strstr(err.text, ID));
}

/* ---- what it looks like ---- */

/*
 *	a  b/c/deep  b/c/link -> a  b0  d/  z -> b/c/deep
 */
static struct memory_store *new_store(void)
{
	struct memory_store *s = memory_store_new(128 << 20);
	struct maker *m = begin(s, ID);

	add_directory(m, "");
	add_file(m, "a");
	add_directory(m, "b");
	add_directory(m, "c");
	add_file(m, "deep");
	add_link(m, "link", "a");
	end(m);
	end(m);
	add_file(m, "b0");
	add_directory(m, "d");
	end(m);
	add_link(m, "z", "b/c/deep");
	end(m);
	commit(m);
	return s;
}

static const struct rvs_entry *entry_at(struct rvs_tree *tree, const char *path)
{
	uint32_t index = rvs_tree_find(tree, path);

	if (index == RVS_NO_ENTRY)
		fail_msg("no %s", path);
	return rvs_tree_entry(tree, index);
}

static void test_paths_lead_to_entries_and_back(void **state)
{
	static const char *const paths[] = { ".", "a", "b", "b/c", "b/c/deep",
					     "b/c/link", "b0", "d", "z" };
	RVS_CLEANUP(memory_store_cleanup) struct memory_store *s = new_store();
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *tree = load(s);
	uint32_t i;

	assert_int_equal(rvs_tree_count(tree), 9);
	assert_string_equal(rvs_tree_id(tree), ID);
	for (i = 0; i < 9; i++) {
		char *path = rvs_tree_path(tree, i);

		assert_string_equal(path, paths[i]);
		assert_int_equal(rvs_tree_find(tree, path), i);
		free(path);
	}
	assert_int_equal(rvs_tree_find(tree, ""), 0);
	assert_int_equal(rvs_tree_find(tree, "./b//c/"), 3);
}

static void add_file_with(struct maker *m, const char *name, const char *attr)
{
	const struct rvs_xattr xattr = { attr, "v", 1 };
	const struct rvs_node node = { .name = name,
				       .mode = S_IFREG | 0644,
				       .xattrs = &xattr,
				       .xattr_count = 1 };

	add(m, &node);
}

static void make_with_attributes(struct memory_store *s, unsigned names)
{
	struct maker *m = begin(s, ID);
	char name[16], attr[32];
	unsigned i;

	add_directory(m, "");
	for (i = 0; i < names; i++) {
		(void)snprintf(name, sizeof(name), "f%04u", i);
		(void)snprintf(attr, sizeof(attr), "user.%u", i);
		add_file_with(m, name, attr);
	}
	add_file_with(m, "last", "user.0");
	end(m);
	commit(m);
}

static void test_an_attribute_that_no_entry_has_is_told(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = memory_store_new(128 << 20);
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *tree = NULL;

	make_with_attributes(s, 32);
	tree = load(s);
	assert_true(rvs_tree_may_have_xattr(tree, "user.0"));
	assert_true(rvs_tree_may_have_xattr(tree, "user.31"));
	assert_false(rvs_tree_may_have_xattr(tree, "user.32"));
	assert_false(rvs_tree_may_have_xattr(tree, "user."));
}

static void test_of_very_many_attributes_none_is_denied(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = memory_store_new(128 << 20);
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *tree = NULL;

	make_with_attributes(s, 33);
	tree = load(s);
	assert_true(rvs_tree_may_have_xattr(tree, "user.32"));
}

static void test_what_is_not_there_is_not_found(void **state)
{
	static const char *const paths[] = { "x", "b/x", "a/x", "..", "b/..",
					     "b/c/deep/x", "A", "b1", "b/c/z" };
	RVS_CLEANUP(memory_store_cleanup) struct memory_store *s = new_store();
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *tree = load(s);
	char name[300];
	size_t i;

	for (i = 0; i < sizeof(paths) / sizeof(*paths); i++)
		if (rvs_tree_find(tree, paths[i]) != RVS_NO_ENTRY)
			fail_msg("%s", paths[i]);
	memset(name, 'n', sizeof(name));
	name[299] = '\0';
	assert_int_equal(rvs_tree_find(tree, name), RVS_NO_ENTRY);
}

static void test_children_are_in_order(void **state)
{
	static const char *const names[] = { "a", "b", "b0", "d", "z" };
	RVS_CLEANUP(memory_store_cleanup) struct memory_store *s = new_store();
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *tree = load(s);
	const struct rvs_entry *root = rvs_tree_entry(tree, 0);
	uint32_t i;

	assert_int_equal(root->child_count, 5);
	for (i = 0; i < 5; i++) {
		uint32_t child = rvs_tree_child(tree, root, i);

		assert_string_equal(rvs_tree_entry(tree, child)->name,
				    names[i]);
		assert_int_equal(rvs_tree_lookup(tree, 0, names[i]), child);
		assert_int_equal(rvs_tree_entry(tree, child)->parent, 0);
	}
	assert_int_equal(entry_at(tree, "d")->child_count, 0);
	assert_int_equal(root->nlink, 4);
	assert_int_equal(entry_at(tree, "b")->nlink, 3);
	assert_int_equal(entry_at(tree, "d")->nlink, 2);
}

static void test_hard_links_share_all_but_the_name(void **state)
{
	RVS_CLEANUP(memory_store_cleanup) struct memory_store *s = new_store();
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *tree = load(s);
	const struct rvs_entry *first = entry_at(tree, "b/c/deep");
	const struct rvs_entry *link = entry_at(tree, "z");

	assert_int_equal(link->link, rvs_tree_find(tree, "b/c/deep"));
	assert_int_equal(first->link, link->link);
	assert_int_equal(first->nlink, 2);
	assert_int_equal(link->nlink, 2);
	assert_int_equal(link->mode, first->mode);
	assert_string_equal(link->name, "z");
	assert_int_equal(link->parent, 0);
	assert_int_equal(entry_at(tree, "a")->nlink, 2);
	assert_int_equal(entry_at(tree, "b0")->nlink, 1);
}

static void test_hostile_links_are_corrupt(void **state)
{
	static const char *const targets[] = {
		"z",     /* itself */
		"zz",    /* behind it */
		"d",     /* a directory */
		"none", "a/x",
		"linked" /* a link again */
	};
	size_t i;

	for (i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
		RVS_CLEANUP(memory_store_cleanup)
		struct memory_store *s = memory_store_new(1 << 20);
		struct maker *m = begin(s, ID);

		add_directory(m, "");
		add_file(m, "a");
		add_directory(m, "d");
		end(m);
		add_link(m, "linked", "a");
		add_link(m, "z", targets[i]);
		add_file(m, "zz");
		end(m);
		commit(m);
		expect_corrupt(s);
	}
}

/* ---- bytes ---- */

enum { SIZE = 70000 + 65536 + 1000 };

/*
 * "f": 70,000 bytes of the other snapshot's member 1 from 5 on, a hole of
 * 65,536, 1,000 bytes of its member 0.
 */
static struct memory_store *new_store_of_bytes(void)
{
	static const size_t lens[] = { 1000, 80000 };
	const struct rvs_extent extents[] = {
		{ 0, 1, 1, 5 },
		{ 70000, RVS_HOLE, 0, 0 },
		{ 70000 + 65536, 1, 0, 0 },
	};
	const struct rvs_extent hole = { 0, RVS_HOLE, 0, 0 };
	const struct rvs_node file = { .name = "f",
				       .mode = S_IFREG | 0644,
				       .size = SIZE,
				       .extents = extents,
				       .extent_count = 3 };
	const struct rvs_node sparse = { .name = "g",
					 .mode = S_IFREG | 0644,
					 .size = (uint64_t)1 << 50,
					 .extents = &hole,
					 .extent_count = 1 };
	struct memory_store *s = memory_store_new(128 << 20);
	struct maker *m;

	put_snapshot(s, OTHER, "f.gz", lens, 2);
	m = begin(s, ID);
	add_directory(m, "");
	add_file(m, "empty");
	add(m, &file);
	add(m, &sparse);
	end(m);
	commit(m);
	return s;
}

static uint8_t wanted_byte(size_t at)
{
	return at < 70000 ? 1 : 0;
}

static void test_reads_at_any_offset(void **state)
{
	static const size_t offsets[] = { 0,	  1,	  69999, 70000, 70001,
					  135535, 135536, SIZE - 1 };
	static const size_t lens[] = { 1, 2, 4096, 65536, SIZE, SIZE + 9 };
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = new_store_of_bytes();
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *tree = load(s);
	const struct rvs_entry *file = entry_at(tree, "f");
	struct rvs_error err = RVS_ERROR_INIT;
	size_t i, j, at;

	for (i = 0; i < sizeof(offsets) / sizeof(*offsets); i++)
		for (j = 0; j < sizeof(lens) / sizeof(*lens); j++) {
			uint8_t *bytes = malloc(lens[j]);
			size_t left = SIZE - offsets[i];
			ssize_t n = rvs_tree_read(tree, file, bytes, lens[j],
						  offsets[i], NULL, &err);

			assert_int_equal(n, lens[j] < left ? lens[j] : left);
			for (at = 0; at < (size_t)n; at++)
				assert_int_equal(bytes[at],
						 wanted_byte(offsets[i] + at));
			free(bytes);
		}
}

/* ---- bytes handed out as they lie ---- */

struct given {
	uint8_t *bytes;
	size_t len;
	int calls, parts;
};

static void give(void *arg, const struct iovec *parts, int count)
{
	struct given *given = arg;
	int i;

	given->calls++;
	given->parts = count;
	for (i = 0; i < count; i++) {
		memcpy(given->bytes + given->len, parts[i].iov_base,
		       parts[i].iov_len);
		given->len += parts[i].iov_len;
	}
}

/* What is given is what is read; returns how many parts it came in. */
static int expect_given(struct rvs_tree *tree, const char *name, size_t len,
			uint64_t offset)
{
	const struct rvs_entry *file = entry_at(tree, name);
	struct given given = { .bytes = malloc(len) };
	const struct rvs_sink sink = { &given, give };
	struct rvs_error err = RVS_ERROR_INIT;
	uint8_t *bytes = malloc(len);
	ssize_t n = rvs_tree_read(tree, file, bytes, len, offset, NULL, &err);

	assert_int_equal(rvs_tree_give(tree, file, len, offset, &sink, NULL,
				       &err), n);
	assert_int_equal(given.calls, 1);
	assert_int_equal(given.len, n);
	assert_memory_equal(given.bytes, bytes, (size_t)n);
	free(bytes);
	free(given.bytes);
	return given.parts;
}

static void test_bytes_are_given_as_they_lie(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = new_store_of_bytes();
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *tree = load(s);

	assert_int_equal(expect_given(tree, "f", 4096, 10), 1);
	assert_int_equal(expect_given(tree, "f", 20, 69990), 2);
	assert_int_equal(expect_given(tree, "f", SIZE, 0), 3);
	assert_int_equal(expect_given(tree, "f", SIZE + 9, 135000), 2);
	assert_int_equal(expect_given(tree, "f", 10, SIZE), 0);
	assert_int_equal(expect_given(tree, "f", 10, SIZE + 10), 0);
	assert_int_equal(expect_given(tree, "empty", 10, 0), 0);
	/* More zeros than parts have room for. */
	assert_int_equal(expect_given(tree, "g", 200000, 1 << 20), 4);
	assert_int_equal(expect_given(tree, "g", 33 << 20, 0), 1);
}

/* A file of which each 10 bytes lie in another place than the 10 before, in
 * @members members. */
static struct memory_store *new_store_of_pieces(size_t pieces, size_t members)
{
	size_t lens[100], i;
	struct rvs_extent *extents = calloc(pieces, sizeof(*extents));
	struct rvs_node file = { .name = "f",
				 .mode = S_IFREG | 0644,
				 .size = pieces * 10,
				 .extents = extents,
				 .extent_count = pieces };
	struct memory_store *s = memory_store_new(128 << 20);
	struct maker *m;

	for (i = 0; i < members; i++)
		lens[i] = 1000;
	for (i = 0; i < pieces; i++)
		extents[i] = (struct rvs_extent){
			i * 10, 1, (uint32_t)(i % members),
			(uint32_t)(i * 20 % 990)
		};
	put_snapshot(s, OTHER, "f.gz", lens, members);
	m = begin(s, ID);
	add_directory(m, "");
	add(m, &file);
	end(m);
	commit(m);
	free(extents);
	return s;
}

static void test_bytes_in_many_places_are_given_together(void **state)
{
	static const struct {
		size_t pieces, members;
		int parts;
	} cases[] = { { 10, 2, 10 },   { 512, 8, 512 }, { 513, 8, 1 },
		      { 96, 96, 96 },  { 97, 97, 1 },   { 600, 100, 1 } };
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		RVS_CLEANUP(memory_store_cleanup)
		struct memory_store *s = new_store_of_pieces(cases[i].pieces,
							     cases[i].members);
		RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *tree = load(s);

		assert_int_equal(expect_given(tree, "f", 8192, 0),
				 cases[i].parts);
	}
}

static void test_nothing_is_given_of_what_is_damaged(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = new_store_of_bytes();
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *tree = load(s);
	struct rvs_buf *stream =
		memory_buf(s->memory, "snapshot-" OTHER "/f.gz");
	struct given given = { .bytes = malloc(SIZE) };
	const struct rvs_sink sink = { &given, give };
	struct rvs_error err = RVS_ERROR_INIT;

	stream->bytes[stream->len - 1] ^= 1; /* in the last member, of 80,000 */
	assert_int_equal(rvs_tree_give(tree, entry_at(tree, "f"), SIZE, 0,
				       &sink, NULL, &err), RVS_ERR_CORRUPT);
	assert_int_equal(given.calls, 0);
	assert_int_equal(rvs_tree_give(tree, entry_at(tree, "f"), 500, 135600,
				       &sink, NULL, &err), 500);
	free(given.bytes);
}

static void test_there_is_nothing_behind_the_end(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = new_store_of_bytes();
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *tree = load(s);
	char byte;

	assert_int_equal(rvs_tree_read(tree, entry_at(tree, "f"), &byte, 1,
				       SIZE, NULL, NULL), 0);
	assert_int_equal(rvs_tree_read(tree, entry_at(tree, "f"), &byte, 1,
				       UINT64_MAX, NULL, NULL), 0);
	assert_int_equal(rvs_tree_read(tree, entry_at(tree, "empty"), &byte, 1,
				       0, NULL, NULL), 0);
	assert_int_equal(rvs_tree_read(tree, entry_at(tree, "g"), &byte, 1,
				       ((uint64_t)1 << 50) - 1, NULL, NULL), 1);
	assert_int_equal(byte, 0);
}

static void test_seek_finds_data_and_holes(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = new_store_of_bytes();
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *tree = load(s);
	const struct rvs_entry *f = entry_at(tree, "f");
	const struct rvs_entry *g = entry_at(tree, "g");
	const struct rvs_entry *empty = entry_at(tree, "empty");

	assert_int_equal(rvs_tree_seek_data(tree, f, 5), 5);
	assert_int_equal(rvs_tree_seek_data(tree, f, 70000), 135536);
	assert_int_equal(rvs_tree_seek_data(tree, f, SIZE), -1);
	assert_int_equal(rvs_tree_seek_hole(tree, f, 0), 70000);
	assert_int_equal(rvs_tree_seek_hole(tree, f, 70001), 70001);
	assert_int_equal(rvs_tree_seek_hole(tree, f, 135536), SIZE);
	assert_int_equal(rvs_tree_seek_hole(tree, f, SIZE), -1);
	assert_int_equal(rvs_tree_seek_data(tree, g, 0), -1);
	assert_int_equal(rvs_tree_seek_hole(tree, g, 7), 7);
	assert_int_equal(rvs_tree_seek_hole(tree, empty, 0), -1);
	assert_int_equal(rvs_tree_data_bytes(tree, f), 71000);
	assert_int_equal(rvs_tree_data_bytes(tree, g), 0);
}

static void test_damage_spoils_its_range_alone(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = new_store_of_bytes();
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *tree = load(s);
	const struct rvs_entry *file = entry_at(tree, "f");
	struct rvs_buf *stream = memory_buf(s->memory,
					    "snapshot-" OTHER "/f.gz");
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_damage damage;
	char bytes[100];

	stream->bytes[stream->len - 5] ^= 1; /* the CRC-32 of member 1 */
	assert_int_equal(rvs_tree_read(tree, file, bytes, 100, 69950, &damage,
				       &err), RVS_ERR_CORRUPT);
	assert_string_equal(damage.snapshot, OTHER);
	assert_string_equal(damage.stream, "f.gz");
	assert_int_equal(damage.member, 1);
	assert_int_equal(rvs_tree_read(tree, file, bytes, 100, 70000, &damage,
				       &err), 100);
	assert_int_equal(rvs_tree_read(tree, file, bytes, 100, SIZE - 100,
				       &damage, &err), 100);
}

/* The manifest promises more bytes than the member has. */
static void test_an_extent_beyond_its_member_is_damage(void **state)
{
	static const size_t len = 1000;
	const struct rvs_extent extent = { 0, 1, 0, 900 };
	const struct rvs_node file = { .name = "f",
				       .mode = S_IFREG | 0644,
				       .size = 101,
				       .extents = &extent,
				       .extent_count = 1 };
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = memory_store_new(1 << 20);
	struct maker *m;
	struct rvs_tree *tree;
	struct rvs_damage damage;
	char bytes[101];

	put_snapshot(s, OTHER, "f.gz", &len, 1);
	m = begin(s, ID);
	add_directory(m, "");
	add(m, &file);
	end(m);
	commit(m);
	tree = load(s);
	memset(&damage, 0xff, sizeof(damage));
	assert_int_equal(rvs_tree_read(tree, entry_at(tree, "f"), bytes, 101,
				       0, &damage, NULL), RVS_ERR_CORRUPT);
	assert_int_equal(damage.member, 0);
	assert_int_equal(rvs_tree_read(tree, entry_at(tree, "f"), bytes, 100,
				       0, &damage, NULL), 100);
	rvs_tree_release(tree);
}

/* ---- the manifest's own damage ---- */

static void test_every_flipped_bit_is_found_or_harmless(void **state)
{
	RVS_CLEANUP(memory_store_cleanup) struct memory_store *s = new_store();
	struct rvs_digest checksum;
	struct rvs_tree *tree = load(s);
	struct rvs_buf *manifest = memory_buf(s->memory, KEY "/manifest");
	size_t bit;

	checksum = *rvs_tree_checksum(tree);
	rvs_tree_release(tree);
	for (bit = 0; bit < 8 * manifest->len; bit++) {
		int r;

		memory_store_reopen(s);
		manifest->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		tree = NULL;
		r = rvs_tree_open(&s->store, ID, &tree, NULL);
		manifest->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (r == 0) /* padding: nothing was read from it */
			assert_true(rvs_digest_equal(&checksum,
						     rvs_tree_checksum(tree)));
		rvs_tree_release(tree);
	}
}

static void test_a_deleted_snapshot_is_not_found(void **state)
{
	RVS_CLEANUP(memory_store_cleanup) struct memory_store *s = new_store();
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_tree *tree = NULL;

	memory_drop(s->memory, memory_find(s->memory, KEY "/metadata.json"));
	assert_int_equal(rvs_tree_open(&s->store, ID, &tree, &err),
			 RVS_ERR_NOT_FOUND);
	memory_ok(rvs_tree_load(&s->store, ID, &tree, NULL, &err), err);
	rvs_tree_release(tree);
}

static void test_a_missing_manifest_is_missing(void **state)
{
	RVS_CLEANUP(memory_store_cleanup) struct memory_store *s = new_store();
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_damage damage;
	struct rvs_tree *tree = NULL;

	memory_drop(s->memory, memory_find(s->memory, KEY "/manifest"));
	assert_int_equal(rvs_tree_load(&s->store, ID, &tree, &damage, &err),
			 RVS_ERR_MISSING);
	assert_string_equal(damage.stream, "manifest");
	/* And so it is when nobody wants to know why. */
	assert_int_equal(rvs_tree_open(&s->store, ID, &tree, NULL),
			 RVS_ERR_MISSING);
}

/* A snapshot whose only segment is @segment. */
static struct memory_store *forge(const struct rvs_buf *segment)
{
	struct memory_store *s = memory_store_new(1 << 20);
	struct maker *m = begin(s, ID);

	(void)put_segment(m, segment->bytes, segment->len, NULL);
	commit(m);
	return s;
}

static void put_fifo(struct rvs_buf *segment, struct rvs_buf *logical,
		     const char *name)
{
	const struct rvs_node node = { .name = name, .mode = S_IFIFO | 0600 };

	rvs_node_put_logical(segment, &node);
	rvs_node_put_logical(logical, &node);
	rvs_buf_put_varint(segment, 1); /* inode */
	rvs_buf_put_signed(segment, 0);
	rvs_buf_put_varint(segment, 0);
}

/* So many segments that threads load them, and entries that others fault in
 * ahead: the tree and its checksum are those of one thread. */
static void test_a_tree_of_many_segments(void **state)
{
	enum { SEGMENTS = 60, EACH = 1000 };
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = memory_store_new(1 << 20);
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf segment = RVS_BUF_INIT;
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf logical = RVS_BUF_INIT;
	const struct rvs_node top = { .name = "", .mode = S_IFDIR | 0755 };
	struct maker *m = begin(s, ID);
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_digest digest;
	struct rvs_tree *tree;
	char name[16];
	uint32_t i, k;

	rvs_node_put_logical(&logical, &top);
	for (i = 0; i < SEGMENTS; i++) {
		segment.len = 0;
		rvs_buf_put_u8(&segment, 1); /* version */
		rvs_buf_put_varint(&segment, 0); /* volumes */
		if (i == 0) {
			rvs_node_put_logical(&segment, &top);
			rvs_buf_put_varint(&segment, 1);
			rvs_buf_put_signed(&segment, 0);
			rvs_buf_put_varint(&segment, 0);
			rvs_buf_put_varint(&segment, 0);
		}
		for (k = 0; k < EACH; k++) {
			(void)snprintf(name, sizeof(name), "%08u",
				       i * EACH + k);
			put_fifo(&segment, &logical, name);
		}
		if (i == SEGMENTS - 1)
			rvs_node_put_end(&segment);
		(void)put_segment(m, segment.bytes, segment.len, NULL);
	}
	rvs_node_put_end(&logical);
	commit(m);
	memory_ok(rvs_digest_of(logical.bytes, logical.len, &digest, &err),
		  err);
	memory_ok(rvs_tree_open_with_origins(&s->store, ID, &tree, &err), err);
	assert_true(rvs_digest_equal(&digest, rvs_tree_checksum(tree)));
	assert_int_equal(rvs_tree_count(tree), 1 + SEGMENTS * EACH);
	for (i = 0; i < SEGMENTS * EACH; i++) {
		(void)snprintf(name, sizeof(name), "%08u", i);
		assert_int_equal(rvs_tree_find(tree, name), 1 + i);
		assert_int_equal(rvs_tree_origin(tree, 1 + i)->ino, 1);
	}
	rvs_tree_release(tree);
}

/* Extents of nothing, before there is any file they could belong to. */
static void test_extents_before_the_first_node_are_corrupt(void **state)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf segment = RVS_BUF_INIT;
	struct memory_store *s;

	rvs_buf_put_u8(&segment, 1); /* version */
	rvs_buf_put_varint(&segment, 0); /* volumes */
	rvs_buf_put_u8(&segment, 3); /* extents */
	rvs_buf_put_varint(&segment, 0);
	s = forge(&segment);
	expect_corrupt(s);
	memory_store_cleanup(&s);
}

static void test_a_segment_that_is_a_data_member_is_corrupt(void **state)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf segment = RVS_BUF_INIT;
	struct memory_store *s;

	rvs_buf_put(&segment, "vectors, not nodes", 18);
	s = forge(&segment);
	expect_corrupt(s);
	memory_store_cleanup(&s);
}

/*
 * A member of 1 MiB of holes takes a kilobyte, and a root could list it half a
 * million times: the tree is refused before memory or patience are gone.
 */
static void test_one_segment_many_times_is_corrupt(void **state)
{
	enum { TIMES = 20 };
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = memory_store_new(1 << 20);
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf head = RVS_BUF_INIT;
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf more = RVS_BUF_INIT;
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf root = RVS_BUF_INIT;
	RVS_CLEANUP(rvs_cleanup_free)
	struct rvs_segment *segments = calloc(TIMES, sizeof(*segments));
	const struct rvs_node top = { .name = "", .mode = S_IFDIR | 0755 };
	const struct rvs_node file = { .name = "f",
				       .mode = S_IFREG | 0644,
				       .size = INT64_MAX };
	struct rvs_error err = RVS_ERROR_INIT;
	struct maker *m = begin(s, ID);
	struct rvs_tree *tree = NULL;
	uint32_t i, first, next;

	rvs_buf_put_u8(&head, 1);
	rvs_buf_put_varint(&head, 0);
	rvs_node_put_logical(&head, &top);
	rvs_buf_put(&head, "\0\0\0\0", 4); /* inode, time, size */
	rvs_node_put_logical(&head, &file);
	rvs_buf_put(&head, "\0\0\0\0\0", 5); /* and no vectors, no extents */
	first = put_member(m->writer, m->manifest, head.bytes, head.len);
	rvs_buf_put_u8(&more, 1);
	rvs_buf_put_varint(&more, 0);
	rvs_buf_put_u8(&more, 3);
	rvs_buf_put_varint(&more, 1000000);
	for (i = 0; i < 1000000; i++)
		rvs_buf_put_varint(&more, 1 << 1); /* a hole of one byte */
	next = put_member(m->writer, m->manifest, more.bytes, more.len);
	for (i = 0; i < TIMES; i++) {
		memcpy(segments[i].id, ID, RVS_ID_SIZE);
		segments[i].member = i ? next : first;
	}
	memory_ok(rvs_manifest_root_encode(segments, TIMES, &root, &err), err);
	(void)put_member(m->writer, m->manifest, root.bytes, root.len);
	memory_ok(rvs_writer_close(m->writer, m->manifest, &err), err);
	commit_record(m->writer, ID);
	rvs_manifest_writer_free(m->nodes);
	rvs_writer_free(m->writer);
	free(m);
	assert_true(rvs_tree_open(&s->store, ID, &tree, &err) < 0);
}

/* ---- threads ---- */

static void *read_all(void *arg)
{
	struct rvs_tree *tree = arg;
	const struct rvs_entry *file = entry_at(tree, "f");
	uint8_t *bytes = malloc(SIZE);
	int round;

	for (round = 0; round < 50; round++) {
		assert_int_equal(rvs_tree_read(tree, file, bytes, SIZE, 0,
					       NULL, NULL), SIZE);
		assert_int_equal(bytes[0], 1);
		assert_int_equal(bytes[SIZE - 1], 0);
	}
	free(bytes);
	return NULL;
}

static void test_threads_share_a_tree(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = new_store_of_bytes();
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *tree = load(s);
	pthread_t threads[8];
	int i;

	for (i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_all,
						tree), 0);
	for (i = 0; i < 8; i++)
		(void)pthread_join(threads[i], NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths_lead_to_entries_and_back),
		cmocka_unit_test(test_what_is_not_there_is_not_found),
		cmocka_unit_test(test_an_attribute_that_no_entry_has_is_told),
		cmocka_unit_test(test_of_very_many_attributes_none_is_denied),
		cmocka_unit_test(test_children_are_in_order),
		cmocka_unit_test(test_hard_links_share_all_but_the_name),
		cmocka_unit_test(test_hostile_links_are_corrupt),
		cmocka_unit_test(test_reads_at_any_offset),
		cmocka_unit_test(test_bytes_are_given_as_they_lie),
		cmocka_unit_test(test_bytes_in_many_places_are_given_together),
		cmocka_unit_test(test_nothing_is_given_of_what_is_damaged),
		cmocka_unit_test(test_there_is_nothing_behind_the_end),
		cmocka_unit_test(test_seek_finds_data_and_holes),
		cmocka_unit_test(test_damage_spoils_its_range_alone),
		cmocka_unit_test(test_an_extent_beyond_its_member_is_damage),
		cmocka_unit_test(test_every_flipped_bit_is_found_or_harmless),
		cmocka_unit_test(test_a_deleted_snapshot_is_not_found),
		cmocka_unit_test(test_a_missing_manifest_is_missing),
		cmocka_unit_test(test_a_tree_of_many_segments),
		cmocka_unit_test(test_extents_before_the_first_node_are_corrupt),
		cmocka_unit_test(test_a_segment_that_is_a_data_member_is_corrupt),
		cmocka_unit_test(test_threads_share_a_tree),
		cmocka_unit_test(test_one_segment_many_times_is_corrupt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
