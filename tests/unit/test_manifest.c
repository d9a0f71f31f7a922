/*
 * Goal: a tree comes back from its segments node for node; the same tree gives
 * the same segments, a small change few new ones; a manifest that breaks a rule
 * is corrupt.
 */
#include "sandbox.h"

#include "format/digest.h"
#include "format/gzip.h"
#include "format/manifest.h"
#include "format/name.h"

#define FIRST_ID  "20261122T101500Z-0001"
#define SECOND_ID "20261122T101500Z-0002"

static const char *const ids[] = { FIRST_ID, SECOND_ID };

/* ---- writing into a list, reading into a text ---- */

struct segments {
	struct rvs_buf items[512];
	size_t count;
};

static void segments_done(struct segments *segments)
{
	while (segments->count > 0)
		rvs_buf_done(&segments->items[--segments->count]);
}

static void segments_free(struct segments **segments)
{
	segments_done(*segments);
	free(*segments);
}

static int keep_segment(void *arg, const void *bytes, size_t len,
			struct rvs_error *err)
{
	struct segments *segments = arg;

	assert_true(segments->count < 512);
	assert_true(len <= RVS_MEMBER_PLAIN_MAX);
	rvs_buf_put(&segments->items[segments->count++], bytes, len);
	return 0;
}

static const char *volume_id(void *arg, uint32_t volume)
{
	assert_true(volume < 2);
	return ids[volume];
}

static struct rvs_manifest_writer *new_writer(struct segments *segments)
{
	const struct rvs_manifest_output output = { .arg = segments,
						    .segment = keep_segment,
						    .volume_id = volume_id };
	struct rvs_manifest_writer *writer = NULL;

	assert_int_equal(rvs_manifest_writer_new(&output, &writer, NULL), 0);
	return writer;
}

/* Everything that a node says, as text to compare. */
static void describe_extents(struct rvs_buf *ret,
			     const struct rvs_extent *items, size_t count)
{
	char line[128];
	size_t i;

	for (i = 0; i < count; i++) {
		(void)snprintf(line, sizeof(line), " [%llu %d %u %u]",
			       (unsigned long long)items[i].at,
			       items[i].volume == RVS_HOLE ?
				       -1 :
				       (int)items[i].volume,
			       items[i].member, items[i].offset);
		rvs_buf_put(ret, line, strlen(line));
	}
}

static void describe_node(struct rvs_buf *ret, const struct rvs_node *node)
{
	char line[512], hex[RVS_DIGEST_HEX_SIZE];
	uint32_t i;

	(void)snprintf(line, sizeof(line), "\n%s>%s %d", node->name,
		       node->target ? node->target : "", node->hard_link);
	rvs_buf_put(ret, line, strlen(line));
	if (node->hard_link)
		return;
	(void)snprintf(line, sizeof(line),
		       " %o %u:%u %u:%u %lld.%09ld %llu %lld.%09ld %s %d%d%llu",
		       node->mode, node->uid, node->gid, node->rdev_major,
		       node->rdev_minor, (long long)node->mtime.tv_sec,
		       node->mtime.tv_nsec, (unsigned long long)node->ino,
		       (long long)node->ctime.tv_sec, node->ctime.tv_nsec,
		       rvs_digest_hex(&node->digest, hex), node->vectors.kind,
		       node->vectors.known,
		       (unsigned long long)node->vectors.count);
	rvs_buf_put(ret, line, strlen(line));
	if (!S_ISLNK(node->mode)) {
		(void)snprintf(line, sizeof(line), " %llu",
			       (unsigned long long)node->size);
		rvs_buf_put(ret, line, strlen(line));
	}
	for (i = 0; i < node->xattr_count; i++) {
		rvs_buf_put(ret, node->xattrs[i].name,
			    strlen(node->xattrs[i].name));
		rvs_buf_put(ret, "=", 1);
		rvs_buf_put(ret, node->xattrs[i].value,
			    node->xattrs[i].value_len);
	}
	describe_extents(ret, node->extents, node->extent_count);
}

/* What the checksum covers is read as it would be written. */
static void check_logical(const struct rvs_node *node)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf again = RVS_BUF_INIT;

	rvs_node_put_logical(&again, node);
	assert_int_equal(node->name_len, strlen(node->name));
	assert_int_equal(node->logical_len, again.len);
	assert_memory_equal(node->logical, again.bytes, again.len);
}

static int on_node(void *arg, const struct rvs_node *node,
		   struct rvs_error *err)
{
	check_logical(node);
	describe_node(arg, node);
	return 0;
}

static int on_extents(void *arg, const struct rvs_extent *items, size_t count,
		      uint64_t end, struct rvs_error *err)
{
	describe_extents(arg, items, count);
	return 0;
}

static int on_end(void *arg, struct rvs_error *err)
{
	rvs_buf_put(arg, "\n.", 2);
	return 0;
}

static int on_volume(void *arg, const char *id, uint32_t *ret,
		     struct rvs_error *err)
{
	*ret = strcmp(id, FIRST_ID) != 0;
	return 0;
}

static int read_segments(const struct segments *segments, struct rvs_buf *ret,
			 struct rvs_error *err)
{
	const struct rvs_manifest_input input = { .arg = ret,
						  .node = on_node,
						  .extents = on_extents,
						  .end = on_end,
						  .volume = on_volume };
	RVS_CLEANUP(rvs_manifest_reader_cleanup)
	struct rvs_manifest_reader *reader = NULL;
	size_t i;
	int r = rvs_manifest_reader_new(&input, &reader, err);

	for (i = 0; r == 0 && i < segments->count; i++)
		r = rvs_manifest_read(reader, segments->items[i].bytes,
				      segments->items[i].len, err);
	return r < 0 ? r : rvs_manifest_read_end(reader, err);
}

/* ---- a random tree ---- */

struct random {
	uint64_t state;
	uint32_t nodes;
	uint32_t changed; /* the node that is another than in the first tree */
};

static uint64_t random_below(struct random *random, uint64_t below)
{
	uint64_t value;

	fill_random(&value, sizeof(value), random->state++);
	return value % below;
}

/* Extents that cover @size bytes, some of them holes, over many pieces. */
static size_t random_extents(struct random *random, struct rvs_extent *items,
			     size_t max, uint64_t *ret_size)
{
	uint64_t at = 0;
	size_t i;

	for (i = 0; i < max; i++) {
		bool hole = random_below(random, 4) == 0;

		items[i] = (struct rvs_extent){ .at = at,
						.volume = RVS_HOLE };
		if (hole) {
			at += 1 + random_below(random, 1 << 27);
			continue;
		}
		items[i].volume = (uint32_t)random_below(random, 2);
		items[i].member = (uint32_t)random_below(random, UINT32_MAX - 1);
		items[i].offset = (uint32_t)random_below(random, 1000);
		at += 1 + random_below(random, RVS_MEMBER_PLAIN_MAX - 1000);
	}
	*ret_size = at;
	return max;
}

static void add(struct rvs_manifest_writer *writer, struct rvs_buf *wanted,
		const struct rvs_node *node)
{
	struct rvs_error err = RVS_ERROR_INIT;

	expect_ok(rvs_manifest_add(writer, node, &err), err);
	if (wanted)
		describe_node(wanted, node);
}

static void end(struct rvs_manifest_writer *writer, struct rvs_buf *wanted)
{
	rvs_manifest_end(writer);
	if (wanted)
		rvs_buf_put(wanted, "\n.", 2);
}

static void add_random_node(struct random *random,
			    struct rvs_manifest_writer *writer,
			    struct rvs_buf *wanted, struct rvs_node *node)
{
	static const uint32_t types[] = { S_IFREG, S_IFREG, S_IFREG, S_IFLNK,
					  S_IFIFO, S_IFCHR, S_IFSOCK };
	static const struct rvs_xattr xattrs[] = { { "user.a", "", 0 },
						   { "user.b", "\0x", 2 } };
	static struct rvs_extent extents[300];

	node->mode = types[random_below(random, 7)] |
		     (uint32_t)random_below(random, 010000);
	if (S_ISREG(node->mode)) {
		node->extents = extents;
		node->extent_count = random_extents(
			random, extents, random_below(random, 30) ? 2 : 300,
			&node->size);
		fill_random(&node->digest, sizeof(node->digest), node->ino);
		node->vectors = (struct rvs_vector_note){ RVS_VECTORS_FILE,
							  true, 10000 };
	} else if (S_ISLNK(node->mode)) {
		node->target = "../some\nwhere/\xff";
	} else if (S_ISCHR(node->mode)) {
		node->rdev_major = 7;
		node->rdev_minor = 1 << 19;
	}
	node->xattrs = xattrs;
	node->xattr_count = (uint32_t)random_below(random, 3);
	add(writer, wanted, node);
}

static void add_random_directory(struct random *random,
				 struct rvs_manifest_writer *writer,
				 struct rvs_buf *wanted, const char *name,
				 uint32_t children, int depth)
{
	struct rvs_node node = { .name = name,
				 .mode = S_IFDIR | 0755,
				 .size = 4096,
				 .ino = random->nodes++,
				 .mtime = { -5, 999999999 } };
	uint32_t i;

	add(writer, wanted, &node);
	for (i = 0; i < children; i++) {
		/* A subtree or a node is the same whatever comes before. */
		struct random own = { (uint64_t)depth << 40 | (uint64_t)i << 8,
				      random->nodes++, random->changed };
		char child[64];

		(void)snprintf(child, sizeof(child), "%06u\xff name", i);
		node = (struct rvs_node){ .name = child,
					  .ino = own.nodes,
					  .uid = 1000,
					  .gid = UINT32_MAX,
					  .mtime = { 1795342500, (long)i } };
		if (own.nodes == random->changed)
			node.mtime.tv_sec++;
		if (i % 50 == 49 && depth < 3) {
			add_random_directory(random, writer, wanted, child, 20,
					     depth + 1);
		} else if (i % 50 == 48) {
			node.hard_link = true;
			node.target = "000000\xff name";
			add(writer, wanted, &node);
		} else {
			add_random_node(&own, writer, wanted, &node);
		}
	}
	end(writer, wanted);
}

static struct segments *random_tree(uint32_t children, uint32_t changed,
				    struct rvs_buf *wanted)
{
	struct segments *segments = calloc(1, sizeof(*segments));
	RVS_CLEANUP(rvs_manifest_writer_cleanup)
	struct rvs_manifest_writer *writer = new_writer(segments);
	struct random random = { 1, 0, changed };

	add_random_directory(&random, writer, wanted, "", children, 0);
	assert_int_equal(rvs_manifest_finish(writer, NULL), 0);
	return segments;
}

static void test_a_random_tree_comes_back(void **state)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf wanted = RVS_BUF_INIT;
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf found = RVS_BUF_INIT;
	RVS_CLEANUP(segments_free)
	struct segments *segments = random_tree(5000, UINT32_MAX, &wanted);
	struct rvs_error err = RVS_ERROR_INIT;

	assert_in_range(segments->count, 5, 100);
	expect_ok(read_segments(segments, &found, &err), err);
	assert_int_equal(found.len, wanted.len);
	assert_int_equal(memcmp(found.bytes, wanted.bytes, wanted.len), 0);
}

static bool has_segment(const struct segments *segments,
			const struct rvs_buf *segment)
{
	size_t i;

	for (i = 0; i < segments->count; i++)
		if (segments->items[i].len == segment->len &&
		    !memcmp(segments->items[i].bytes, segment->bytes,
			    segment->len))
			return true;
	return false;
}

static size_t new_segments(const struct segments *old,
			   const struct segments *new)
{
	size_t i, count = 0;

	for (i = 0; i < new->count; i++)
		count += !has_segment(old, &new->items[i]);
	return count;
}

static void test_the_same_tree_gives_the_same_segments(void **state)
{
	RVS_CLEANUP(segments_free)
	struct segments *a = random_tree(3000, UINT32_MAX, NULL);
	RVS_CLEANUP(segments_free)
	struct segments *b = random_tree(3000, UINT32_MAX, NULL);

	assert_int_equal(a->count, b->count);
	assert_int_equal(new_segments(a, b), 0);
}

static void test_a_changed_node_changes_one_segment(void **state)
{
	RVS_CLEANUP(segments_free)
	struct segments *a = random_tree(3000, UINT32_MAX, NULL);
	RVS_CLEANUP(segments_free)
	struct segments *b = random_tree(3000, 1500, NULL);

	assert_int_equal(new_segments(a, b), 1);
}

/* Files behind the last one of the tree leave its full segments alone. */
static void test_more_nodes_leave_the_others_segments(void **state)
{
	RVS_CLEANUP(segments_free)
	struct segments *a = random_tree(3000, UINT32_MAX, NULL);
	RVS_CLEANUP(segments_free)
	struct segments *b = random_tree(3010, UINT32_MAX, NULL);

	assert_in_range(new_segments(a, b), 1, 2);
}

/* A file of 1 TiB: its extents go over many records and segments. */
static void test_a_long_files_extents_come_back(void **state)
{
	enum { COUNT = 60000 };
	RVS_CLEANUP(rvs_cleanup_free)
	struct rvs_extent *extents = calloc(COUNT, sizeof(*extents));
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf wanted = RVS_BUF_INIT;
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf found = RVS_BUF_INIT;
	struct segments *segments = calloc(1, sizeof(*segments));
	struct rvs_manifest_writer *writer = new_writer(segments);
	struct rvs_error err = RVS_ERROR_INIT;
	struct random random = { 5, 0, 0 };
	struct rvs_node root = { .name = "", .mode = S_IFDIR | 0755 };
	struct rvs_node file = { .name = "long", .mode = S_IFREG | 0644 };

	file.extents = extents;
	file.extent_count = random_extents(&random, extents, COUNT,
					   &file.size);
	add(writer, &wanted, &root);
	add(writer, &wanted, &file);
	end(writer, &wanted);
	assert_int_equal(rvs_manifest_finish(writer, NULL), 0);
	assert_true(segments->count > 1);
	expect_ok(read_segments(segments, &found, &err), err);
	assert_int_equal(found.len, wanted.len);
	assert_int_equal(memcmp(found.bytes, wanted.bytes, wanted.len), 0);
	rvs_manifest_writer_free(writer);
	segments_free(&segments);
}

/* What may be packed beside each other at the worst fits a member. */
static void test_the_largest_nodes_fit_a_member(void **state)
{
	enum { EXTENTS = 8192, NODES = 12 };
	RVS_CLEANUP(rvs_cleanup_free) char *value = malloc(RVS_XATTR_BYTES_MAX);
	RVS_CLEANUP(rvs_cleanup_free)
	struct rvs_extent *extents = calloc(EXTENTS, sizeof(*extents));
	struct segments *segments = calloc(1, sizeof(*segments));
	struct rvs_manifest_writer *writer = new_writer(segments);
	struct rvs_xattr xattr = { "user.large", value, 0 };
	struct rvs_node node = { .name = "", .mode = S_IFDIR | 0755 };
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf found = RVS_BUF_INIT;
	struct rvs_error err = RVS_ERROR_INIT;
	char name[16];
	size_t i;

	fill_random(value, RVS_XATTR_BYTES_MAX, 1);
	xattr.value_len = RVS_XATTR_BYTES_MAX - 16;
	for (i = 0; i < EXTENTS; i++)
		extents[i] = (struct rvs_extent){
			i, (uint32_t)(i % 2), i % 2 ? 0 : UINT32_MAX - 2,
			RVS_MEMBER_PLAIN_MAX - 1
		};
	add(writer, NULL, &node);
	for (i = 0; i < NODES; i++) {
		(void)snprintf(name, sizeof(name), "%02zu", i);
		node = (struct rvs_node){ .name = name,
					  .mode = S_IFREG,
					  .size = EXTENTS,
					  .xattrs = &xattr,
					  .xattr_count = 1,
					  .extents = extents,
					  .extent_count = EXTENTS };
		add(writer, NULL, &node); /* its segments are checked there */
	}
	end(writer, NULL);
	assert_int_equal(rvs_manifest_finish(writer, NULL), 0);
	expect_ok(read_segments(segments, &found, &err), err);
	rvs_manifest_writer_free(writer);
	segments_free(&segments);
}

/* ---- broken rules ---- */

static int read_one(const struct rvs_buf *segment)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf text = RVS_BUF_INIT;
	RVS_CLEANUP(segments_free)
	struct segments *segments = calloc(1, sizeof(*segments));
	struct rvs_error err = RVS_ERROR_INIT;

	rvs_buf_put(&segments->items[segments->count++], segment->bytes,
		    segment->len);
	return read_segments(segments, &text, &err);
}

/* The beginning of a segment that knows FIRST_ID. */
static struct rvs_buf new_segment(void)
{
	struct rvs_buf ret = RVS_BUF_INIT;

	rvs_buf_put_u8(&ret, 1);
	rvs_buf_put_varint(&ret, 1);
	rvs_buf_put_blob(&ret, FIRST_ID, strlen(FIRST_ID));
	return ret;
}

static void put_origin(struct rvs_buf *ret)
{
	rvs_buf_put_varint(ret, 1); /* inode */
	rvs_buf_put_signed(ret, 0);
	rvs_buf_put_varint(ret, 0);
}

static void put_directory(struct rvs_buf *ret, const char *name)
{
	const struct rvs_node node = { .name = name, .mode = S_IFDIR | 0755 };

	rvs_node_put_logical(ret, &node);
	put_origin(ret);
	rvs_buf_put_varint(ret, 4096);
}

static void put_fifo(struct rvs_buf *ret, const char *name)
{
	const struct rvs_node node = { .name = name, .mode = S_IFIFO | 0644 };

	rvs_node_put_logical(ret, &node);
	put_origin(ret);
}

/* A file up to its extents. */
static void put_file(struct rvs_buf *ret, const char *name, uint64_t size)
{
	const struct rvs_node node = { .name = name,
				       .mode = S_IFREG | 0644,
				       .size = size };

	rvs_node_put_logical(ret, &node);
	put_origin(ret);
	rvs_buf_put_u8(ret, 0); /* no vectors */
}

static void put_extent(struct rvs_buf *ret, uint64_t len, uint64_t volume,
		       int64_t member, uint64_t offset)
{
	rvs_buf_put_varint(ret, len << 1 | 1);
	rvs_buf_put_varint(ret, volume);
	rvs_buf_put_signed(ret, member);
	rvs_buf_put_varint(ret, offset);
}

static void test_rules_of_names(void **state)
{
	static const char *const pairs[][2] = {
		{ "", "z" },   { ".", "z" },  { "..", "z" }, { "a/b", "z" },
		{ "a", "a" },  { "b", "a" },  { "b", "" },   { "\xff", "z" },
	};
	size_t i;

	for (i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		RVS_CLEANUP(rvs_buf_done) struct rvs_buf bad = new_segment();

		put_directory(&bad, "");
		put_fifo(&bad, pairs[i][0]);
		put_fifo(&bad, pairs[i][1]);
		rvs_node_put_end(&bad);
		if (read_one(&bad) != RVS_ERR_CORRUPT)
			fail_msg("\"%s\", \"%s\"", pairs[i][0], pairs[i][1]);
	}
}

/* The order goes on behind a directory's children, and in the next segment. */
static void test_names_ascend_across_segments(void **state)
{
	static const char *const last[] = { "b", "d" };
	size_t i;

	for (i = 0; i < 2; i++) {
		RVS_CLEANUP(segments_free)
		struct segments *segments = calloc(1, sizeof(*segments));
		RVS_CLEANUP(rvs_buf_done) struct rvs_buf text = RVS_BUF_INIT;
		struct rvs_buf *at = segments->items;
		struct rvs_error err = RVS_ERROR_INIT;

		segments->count = 2;
		at[0] = new_segment();
		at[1] = new_segment();
		put_directory(&at[0], "");
		put_directory(&at[0], "c");
		put_fifo(&at[0], "z");
		rvs_node_put_end(&at[1]);
		put_fifo(&at[1], last[i]);
		rvs_node_put_end(&at[1]);
		expect_status(read_segments(segments, &text, &err),
			      i ? 0 : RVS_ERR_CORRUPT, err);
	}
}

static void test_rules_of_the_root(void **state)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf nothing = new_segment();
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf named = new_segment();
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf fifo = new_segment();
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf open = new_segment();
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf twice = new_segment();
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf closed = new_segment();

	assert_int_equal(read_one(&nothing), RVS_ERR_CORRUPT);
	put_directory(&named, "top");
	rvs_node_put_end(&named);
	assert_int_equal(read_one(&named), RVS_ERR_CORRUPT);
	put_fifo(&fifo, "");
	assert_int_equal(read_one(&fifo), RVS_ERR_CORRUPT);
	put_directory(&open, "");
	assert_int_equal(read_one(&open), RVS_ERR_CORRUPT);
	put_directory(&twice, "");
	rvs_node_put_end(&twice);
	assert_int_equal(read_one(&twice), 0);
	put_directory(&twice, "");
	rvs_node_put_end(&twice);
	assert_int_equal(read_one(&twice), RVS_ERR_CORRUPT);
	rvs_node_put_end(&closed);
	assert_int_equal(read_one(&closed), RVS_ERR_CORRUPT);
}

static int read_nested(size_t depth)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf segment = new_segment();
	size_t i;

	put_directory(&segment, "");
	for (i = 1; i < depth; i++)
		put_directory(&segment, "d");
	for (i = 0; i < depth; i++)
		rvs_node_put_end(&segment);
	return read_one(&segment);
}

static void test_depth_is_bounded(void **state)
{
	assert_int_equal(read_nested(RVS_PATH_DEPTH_MAX), 0);
	assert_int_equal(read_nested(RVS_PATH_DEPTH_MAX + 1), RVS_ERR_CORRUPT);
}

static void test_rules_of_extents(void **state)
{
	static const struct {
		uint64_t size, len, volume, offset;
		int64_t member;
		int wanted;
	} cases[] = {
		{ 10, 10, 0, 0, 0, 0 },
		{ 10, 9, 0, 0, 0, RVS_ERR_CORRUPT },  /* lacks a byte */
		{ 10, 11, 0, 0, 0, RVS_ERR_CORRUPT }, /* one too many */
		{ 10, 0, 0, 0, 0, RVS_ERR_CORRUPT },
		{ 10, 10, 1, 0, 0, RVS_ERR_CORRUPT }, /* no such volume */
		{ 10, 10, UINT64_MAX, 0, 0, RVS_ERR_CORRUPT },
		{ 10, 10, 0, 0, -1, RVS_ERR_CORRUPT },
		{ 10, 10, 0, 0, UINT32_MAX - 1, 0 },
		{ 10, 10, 0, 0, UINT32_MAX, RVS_ERR_CORRUPT },
		{ 10, 10, 0, 0, INT64_MAX, RVS_ERR_CORRUPT },
		{ 10, 10, 0, 0, INT64_MIN, RVS_ERR_CORRUPT },
		{ 10, 10, 0, RVS_MEMBER_PLAIN_MAX - 10, 0, 0 },
		{ 10, 10, 0, RVS_MEMBER_PLAIN_MAX - 9, 0, RVS_ERR_CORRUPT },
		{ 10, 10, 0, UINT64_MAX, 0, RVS_ERR_CORRUPT },
		{ 2 << 20, 2 << 20, 0, 0, 0, RVS_ERR_CORRUPT },
		{ (uint64_t)1 << 63, 10, 0, 0, 0, RVS_ERR_CORRUPT },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		RVS_CLEANUP(rvs_buf_done) struct rvs_buf bad = new_segment();

		put_directory(&bad, "");
		put_file(&bad, "f", cases[i].size);
		rvs_buf_put_varint(&bad, 1);
		put_extent(&bad, cases[i].len, cases[i].volume,
			   cases[i].member, cases[i].offset);
		rvs_node_put_end(&bad);
		if (read_one(&bad) != cases[i].wanted)
			fail_msg("case %zu: %d", i, read_one(&bad));
	}
}

static void test_a_huge_count_of_extents_is_corrupt(void **state)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf bad = new_segment();

	put_directory(&bad, "");
	put_file(&bad, "f", 10);
	rvs_buf_put_varint(&bad, (uint64_t)1 << 60);
	put_extent(&bad, 10, 0, 0, 0);
	rvs_node_put_end(&bad);
	assert_int_equal(read_one(&bad), RVS_ERR_CORRUPT);
}

/* An extents record belongs to a regular file that lacks some, even when it
 * holds none. */
static void test_more_extents_need_an_open_file(void **state)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf first = new_segment();
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf folder = new_segment();
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf full = new_segment();
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf behind = new_segment();

	put_directory(&folder, "");
	rvs_buf_put_u8(&folder, 3);
	rvs_buf_put_varint(&folder, 0);
	rvs_node_put_end(&folder);
	assert_int_equal(read_one(&folder), RVS_ERR_CORRUPT);

	put_directory(&full, "");
	put_file(&full, "f", 0);
	rvs_buf_put_varint(&full, 0);
	rvs_buf_put_u8(&full, 3);
	rvs_buf_put_varint(&full, 0);
	rvs_node_put_end(&full);
	assert_int_equal(read_one(&full), RVS_ERR_CORRUPT);

	put_directory(&behind, "");
	rvs_node_put_end(&behind);
	rvs_buf_put_u8(&behind, 3);
	rvs_buf_put_varint(&behind, 0);
	assert_int_equal(read_one(&behind), RVS_ERR_CORRUPT);

	rvs_buf_put_u8(&first, 3);
	rvs_buf_put_varint(&first, 0);
	put_directory(&first, "");
	rvs_node_put_end(&first);
	assert_int_equal(read_one(&first), RVS_ERR_CORRUPT);
}

static void test_rules_of_hard_links(void **state)
{
	static const char *const targets[] = { "", "/a", "../a", "a/../b",
					       "a/", "." };
	size_t i;

	for (i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
		RVS_CLEANUP(rvs_buf_done) struct rvs_buf bad = new_segment();
		const struct rvs_node link = { .name = "z",
					       .target = targets[i],
					       .hard_link = true };

		put_directory(&bad, "");
		put_fifo(&bad, "a");
		rvs_node_put_logical(&bad, &link);
		rvs_node_put_end(&bad);
		if (read_one(&bad) != RVS_ERR_CORRUPT)
			fail_msg("\"%s\"", targets[i]);
	}
}

static void test_rules_of_segments(void **state)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf good = new_segment();
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf kind = new_segment();
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf volumes = RVS_BUF_INIT;
	size_t len;

	put_directory(&good, "");
	put_fifo(&good, "f");
	rvs_node_put_end(&good);
	assert_int_equal(read_one(&good), 0);
	good.bytes[0]++; /* another version */
	assert_int_equal(read_one(&good), RVS_ERR_CORRUPT);
	good.bytes[0]--;
	good.bytes[5] = '/'; /* in the id */
	assert_int_equal(read_one(&good), RVS_ERR_CORRUPT);
	good.bytes[5] = FIRST_ID[2];
	len = good.len;
	for (good.len = 0; good.len < len; good.len++)
		assert_int_equal(read_one(&good), RVS_ERR_CORRUPT);
	put_directory(&kind, "");
	rvs_buf_put_u8(&kind, 9);
	assert_int_equal(read_one(&kind), RVS_ERR_CORRUPT);
	rvs_buf_put_u8(&volumes, 1);
	rvs_buf_put_varint(&volumes, UINT64_MAX);
	assert_int_equal(read_one(&volumes), RVS_ERR_CORRUPT);
}

static int refuse_volume(void *arg, const char *id, uint32_t *ret,
			 struct rvs_error *err)
{
	return rvs_error_set(err, RVS_ERR_NO_MEMORY, "no");
}

static void test_what_a_callback_returns_ends_the_reading(void **state)
{
	const struct rvs_manifest_input input = { .volume = refuse_volume };
	RVS_CLEANUP(rvs_manifest_reader_cleanup)
	struct rvs_manifest_reader *reader = NULL;
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf segment = new_segment();

	put_directory(&segment, "");
	assert_int_equal(rvs_manifest_reader_new(&input, &reader, NULL), 0);
	assert_int_equal(rvs_manifest_read(reader, segment.bytes, segment.len,
					   NULL), RVS_ERR_NO_MEMORY);
}

/* ---- the root ---- */

static int decode_root(const struct rvs_buf *root)
{
	struct rvs_segment *found = NULL;
	size_t count;
	int r = rvs_manifest_root_decode(root->bytes, root->len, &found, &count,
					 NULL);

	free(found);
	return r;
}

static void test_a_root_comes_back(void **state)
{
	static const struct rvs_segment segments[] = {
		{ FIRST_ID, 0 },  { FIRST_ID, 7 },	    { SECOND_ID, 7 },
		{ SECOND_ID, 6 }, { FIRST_ID, UINT32_MAX },
	};
	RVS_CLEANUP(rvs_cleanup_free) struct rvs_segment *found = NULL;
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf root = RVS_BUF_INIT;
	size_t count, i;

	assert_int_equal(rvs_manifest_root_encode(segments, 5, &root, NULL), 0);
	assert_int_equal(rvs_manifest_root_decode(root.bytes, root.len, &found,
						  &count, NULL), 0);
	assert_int_equal(count, 5);
	for (i = 0; i < 5; i++) {
		assert_string_equal(found[i].id, segments[i].id);
		assert_int_equal(found[i].member, segments[i].member);
	}
}

static void test_rules_of_the_roots_bytes(void **state)
{
	static const struct rvs_segment one = { FIRST_ID, 7 };
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf root = RVS_BUF_INIT;
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf empty = RVS_BUF_INIT;
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf huge = RVS_BUF_INIT;
	size_t len, i;

	assert_int_equal(rvs_manifest_root_encode(&one, 1, &root, NULL), 0);
	assert_int_equal(decode_root(&root), 0);
	len = root.len;
	for (root.len = 0; root.len < len; root.len++)
		assert_int_equal(decode_root(&root), RVS_ERR_CORRUPT);
	for (i = 0; i < 8; i++) {
		root.bytes[i] ^= 1;
		assert_int_equal(decode_root(&root), RVS_ERR_CORRUPT);
		root.bytes[i] ^= 1;
	}
	root.bytes[9] = 0; /* the first names no snapshot */
	assert_int_equal(decode_root(&root), RVS_ERR_CORRUPT);
	root.bytes[9] = 1;
	rvs_buf_put_u8(&root, 0);
	assert_int_equal(decode_root(&root), RVS_ERR_CORRUPT);
	assert_int_equal(rvs_manifest_root_encode(NULL, 0, &empty, NULL), 0);
	assert_int_equal(decode_root(&empty), RVS_ERR_CORRUPT);
	rvs_buf_put(&huge, root.bytes, 8);
	rvs_buf_put_varint(&huge, UINT64_MAX / 2);
	rvs_buf_put(&huge, root.bytes + 9, len - 9);
	assert_int_equal(decode_root(&huge), RVS_ERR_CORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_random_tree_comes_back),
		cmocka_unit_test(test_the_same_tree_gives_the_same_segments),
		cmocka_unit_test(test_a_changed_node_changes_one_segment),
		cmocka_unit_test(test_more_nodes_leave_the_others_segments),
		cmocka_unit_test(test_a_long_files_extents_come_back),
		cmocka_unit_test(test_the_largest_nodes_fit_a_member),
		cmocka_unit_test(test_rules_of_names),
		cmocka_unit_test(test_names_ascend_across_segments),
		cmocka_unit_test(test_rules_of_the_root),
		cmocka_unit_test(test_depth_is_bounded),
		cmocka_unit_test(test_rules_of_extents),
		cmocka_unit_test(test_a_huge_count_of_extents_is_corrupt),
		cmocka_unit_test(test_more_extents_need_an_open_file),
		cmocka_unit_test(test_rules_of_hard_links),
		cmocka_unit_test(test_rules_of_segments),
		cmocka_unit_test(test_what_a_callback_returns_ends_the_reading),
		cmocka_unit_test(test_a_root_comes_back),
		cmocka_unit_test(test_rules_of_the_roots_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
