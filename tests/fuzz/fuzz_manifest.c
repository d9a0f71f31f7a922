/*
 * Fuzz: a manifest's segments and its root, as they come out of a member.
 *
 * The input is read as one segment of a tree, as a segment by itself, and as a
 * root.  What the reader tells must keep the promises of its header.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "format/gzip.h"
#include "format/manifest.h"
#include "format/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct told {
	bool alone;
	size_t depth;
	bool regular; /* the last node is a file, which may get extents */
	uint32_t volumes;
};

static void check_extents(const struct told *told,
			  const struct rvs_extent *items, size_t count,
			  uint64_t end)
{
	size_t i;

	for (i = 0; i < count; i++) {
		uint64_t next = i + 1 < count ? items[i + 1].at : end;

		assert(next > items[i].at);
		if (items[i].volume == RVS_HOLE)
			continue;
		assert(items[i].volume < told->volumes);
		assert(items[i].offset + (next - items[i].at) <=
		       RVS_MEMBER_PLAIN_MAX);
	}
}

/* The bytes that the checksum covers are those that would be written. */
static void check_logical(const struct rvs_node *node)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf again = RVS_BUF_INIT;

	rvs_node_put_logical(&again, node);
	assert(again.len == node->logical_len);
	assert(memcmp(again.bytes, node->logical, again.len) == 0);
}

static int on_node(void *arg, const struct rvs_node *node,
		   struct rvs_error *err)
{
	struct told *told = arg;
	uint32_t i;

	(void)err;
	assert(told->alone || rvs_name_is_safe(node->name) ||
	       (told->depth == 0 && !*node->name));
	assert(node->name_len == strlen(node->name));
	check_logical(node);
	if (node->hard_link) {
		assert(rvs_path_is_safe(node->target));
		told->regular = false;
		return 0;
	}
	for (i = 0; i < node->xattr_count; i++)
		assert(strlen(node->xattrs[i].name) > 0);
	assert(node->mtime.tv_nsec >= 0 && node->mtime.tv_nsec < 1000000000);
	told->regular = S_ISREG(node->mode);
	if (S_ISDIR(node->mode))
		told->depth++;
	check_extents(told, node->extents, node->extent_count,
		      node->extent_end);
	return 0;
}

static int on_extents(void *arg, const struct rvs_extent *items, size_t count,
		      uint64_t end, struct rvs_error *err)
{
	struct told *told = arg;

	(void)err;
	assert(told->regular || told->alone);
	check_extents(told, items, count, end);
	return 0;
}

static int on_end(void *arg, struct rvs_error *err)
{
	struct told *told = arg;

	(void)err;
	assert(told->alone || told->depth > 0);
	told->depth--;
	told->regular = false;
	return 0;
}

static int on_volume(void *arg, const char *id, uint32_t *ret,
		     struct rvs_error *err)
{
	struct told *told = arg;

	(void)err;
	assert(rvs_id_is_valid(id));
	*ret = told->volumes++;
	return 0;
}

static void read_segment(const uint8_t *data, size_t size, bool alone)
{
	struct told told = { .alone = alone };
	const struct rvs_manifest_input input = { .arg = &told,
						  .node = on_node,
						  .extents = on_extents,
						  .end = on_end,
						  .volume = on_volume };
	RVS_CLEANUP(rvs_manifest_reader_cleanup)
	struct rvs_manifest_reader *reader = NULL;
	struct rvs_error err = RVS_ERROR_INIT;

	if (alone) {
		(void)rvs_manifest_read_alone(&input, data, size, &err);
		return;
	}
	if (rvs_manifest_reader_new(&input, &reader, &err) < 0)
		abort();
	if (rvs_manifest_read(reader, data, size, &err) == 0 &&
	    rvs_manifest_read_end(reader, &err) == 0)
		assert(told.depth == 0);
}

static void read_root(const uint8_t *data, size_t size)
{
	RVS_CLEANUP(rvs_cleanup_free) struct rvs_segment *segments = NULL;
	struct rvs_error err = RVS_ERROR_INIT;
	size_t count = 0, i;

	if (rvs_manifest_root_decode(data, size, &segments, &count, &err) < 0)
		return;
	assert(count > 0 && count <= size);
	for (i = 0; i < count; i++)
		assert(rvs_id_is_valid(segments[i].id));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_segment(data, size, false);
	read_segment(data, size, true);
	read_root(data, size);
	return 0;
}
