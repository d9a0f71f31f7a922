#include "describe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "format/digest.h"
#include "format/manifest.h"
#include "press.h"
#include "prior.h"
#include "source/vectors.h"
#include "store/store.h"

struct description {
	const struct rvs_survey *survey;
	const struct rvs_prior *prior;
	struct rvs_press *press;
	struct rvs_strand *strand; /* the manifest's stream */
	struct rvs_snapshot *snapshot;
	struct rvs_manifest_writer *writer;
	struct rvs_hasher *hasher; /* of the logical tree */
	struct rvs_buf logical;
	struct rvs_vectors_sum vectors;
	struct rvs_segment *segments;
	size_t segment_count;
};

/* The table of snapshots: the prior's, then the new one. */
static const char *volume_id(void *arg, uint32_t volume)
{
	const struct description *d = arg;
	const struct rvs_tree *tree = d->prior ? rvs_prior_tree(d->prior) :
						 NULL;

	if (tree && volume < rvs_tree_volume_count(tree))
		return rvs_tree_volume(tree, volume);
	return d->snapshot->id;
}

static struct rvs_segment *new_segment(struct description *d)
{
	struct rvs_segment *segments =
		reallocarray(d->segments, d->segment_count + 1,
			     sizeof(*segments));

	if (!segments)
		return NULL;
	d->segments = segments;
	return &segments[d->segment_count++];
}

/* Put a copy of @bytes. */
static int put_member(struct description *d, const void *bytes, size_t len,
		      const struct rvs_digest *digest, uint32_t *ret_number,
		      struct rvs_error *err)
{
	void *copy = malloc(len);

	if (!copy)
		return rvs_error_no_memory(err);
	memcpy(copy, bytes, len);
	return rvs_press_put(d->press, d->strand, copy, len, digest, free,
			     copy, ret_number, err);
}

/* A segment that the prior has is shared, any other becomes a member. */
static int add_segment(void *arg, const void *bytes, size_t len,
		       struct rvs_error *err)
{
	struct description *d = arg;
	struct rvs_segment *segment = new_segment(d);
	struct rvs_digest digest;
	int r;

	if (!segment)
		return rvs_error_no_memory(err);
	r = rvs_digest_of(bytes, len, &digest, err);
	if (r < 0)
		return r;
	if (d->prior && rvs_prior_find_segment(d->prior, &digest, segment))
		return 0;
	memcpy(segment->id, d->snapshot->id, sizeof(segment->id));
	return put_member(d, bytes, len, &digest, &segment->member, err);
}

/* ---- nodes ---- */

/* What an unchanged entry is, it was. */
static void fill_from_prior(const struct rvs_prior *prior,
			    const struct rvs_surveyed *entry,
			    struct rvs_node *node)
{
	const struct rvs_tree *tree = rvs_prior_tree(prior);
	const struct rvs_entry *old = rvs_tree_entry(tree, entry->old);

	node->digest = old->digest;
	node->vectors = rvs_tree_origin(tree, entry->old)->vectors;
	node->xattrs = old->xattrs;
	node->xattr_count = old->xattr_count;
	if (S_ISREG(old->mode))
		node->extents = rvs_tree_extents(tree, old,
						 &node->extent_count);
}

static void fill_from_survey(const struct rvs_surveyed *entry,
			     struct rvs_node *node)
{
	node->xattrs = entry->xattrs;
	node->xattr_count = entry->xattr_count;
	if (!S_ISREG(node->mode))
		return;
	node->size = entry->content.size;
	node->digest = entry->content.digest;
	node->vectors = entry->content.vectors;
	node->extents = entry->content.extents.items;
	node->extent_count = entry->content.extents.count;
}

static void fill_node(const struct description *d, uint32_t index,
		      struct rvs_node *node)
{
	const struct rvs_item *item = &d->survey->scan.items[index];
	const struct rvs_surveyed *entry = &d->survey->entries[index];

	*node = (struct rvs_node){ .name = item->name,
				   .target = item->target,
				   .mode = item->mode,
				   .uid = item->uid,
				   .gid = item->gid,
				   .rdev_major = item->rdev_major,
				   .rdev_minor = item->rdev_minor,
				   .size = item->size,
				   .mtime = item->mtime,
				   .ino = item->ino,
				   .ctime = item->ctime };
	if (entry->unchanged)
		fill_from_prior(d->prior, entry, node);
	else
		fill_from_survey(entry, node);
}

static int add_logical(struct description *d, struct rvs_error *err)
{
	int r = rvs_buf_check(&d->logical, err);

	rvs_hasher_add(d->hasher, d->logical.bytes, d->logical.len);
	d->logical.len = 0;
	return r;
}

static void count_file(struct description *d, const struct rvs_node *node)
{
	d->snapshot->files_count++;
	d->snapshot->total_bytes += node->size;
	rvs_vectors_sum_add(&d->vectors, &node->vectors);
}

static int put_node(struct description *d, const struct rvs_node *node,
		    struct rvs_error *err)
{
	int r = rvs_manifest_add(d->writer, node, err);

	rvs_node_put_logical(&d->logical, node);
	if (!node->hard_link && S_ISREG(node->mode))
		count_file(d, node);
	return r < 0 ? r : add_logical(d, err);
}

static int put_item(struct description *d, uint32_t index,
		    struct rvs_error *err)
{
	const struct rvs_scan *scan = &d->survey->scan;
	const struct rvs_item *item = &scan->items[index];
	RVS_CLEANUP(rvs_cleanup_free) char *first = NULL;
	struct rvs_node node;

	/* It vanished, which a best-effort snapshot accepts, or goes without. */
	if (d->survey->entries[item->link].content.missing ||
	    (!S_ISDIR(item->mode) &&
	     d->survey->entries[item->link].content.unreadable))
		return 0;
	fill_node(d, index, &node);
	if (item->link != index) {
		first = rvs_scan_path(scan, item->link);
		if (!first)
			return rvs_error_no_memory(err);
		node = (struct rvs_node){ .name = item->name,
					  .target = first,
					  .hard_link = true };
	}
	return put_node(d, &node, err);
}

static int end_directory(struct description *d, struct rvs_error *err)
{
	rvs_manifest_end(d->writer);
	rvs_node_put_end(&d->logical);
	return add_logical(d, err);
}

/* Depth first, so that a directory ends where an item is of another. */
static int put_all(struct description *d, struct rvs_error *err)
{
	const struct rvs_scan *scan = &d->survey->scan;
	uint32_t open = 0, i;
	int r = put_item(d, 0, err);

	for (i = 1; i < scan->count && r == 0; i++) {
		while (open != scan->items[i].parent && r == 0) {
			r = end_directory(d, err);
			open = scan->items[open].parent;
		}
		if (r == 0)
			r = put_item(d, i, err);
		if (S_ISDIR(scan->items[i].mode))
			open = i;
	}
	for (; open != 0 && r == 0; open = scan->items[open].parent)
		r = end_directory(d, err);
	return r < 0 ? r : end_directory(d, err);
}

/* ---- the whole ---- */

static void record_root(const struct description *d)
{
	const struct rvs_scan *scan = &d->survey->scan;
	const struct rvs_item *root = &scan->items[0];
	uint32_t links = 2, i;

	for (i = 1; i < scan->count; i++)
		links += scan->items[i].parent == 0 &&
			 S_ISDIR(scan->items[i].mode);
	d->snapshot->root = (struct rvs_root){ .size = root->size,
					       .mtime = root->mtime,
					       .mode = root->mode,
					       .uid = root->uid,
					       .gid = root->gid,
					       .nlink = links };
}

/* The root comes last: the snapshot's last member is the way in. */
static int put_root(struct description *d, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf root = RVS_BUF_INIT;
	uint32_t number;
	int r = rvs_manifest_root_encode(d->segments, d->segment_count, &root,
					 err);

	return r < 0 ? r : put_member(d, root.bytes, root.len, NULL, &number,
				       err);
}

static int describe(struct description *d, struct rvs_error *err)
{
	const struct rvs_manifest_output output = { .arg = d,
						    .segment = add_segment,
						    .volume_id = volume_id };
	int r = rvs_press_begin(d->press, RVS_MANIFEST_NAME, &d->strand, err);

	if (r == 0)
		r = rvs_manifest_writer_new(&output, &d->writer, err);
	if (r == 0)
		r = rvs_hasher_new(&d->hasher, err);
	if (r == 0)
		r = put_all(d, err);
	if (r == 0)
		r = rvs_manifest_finish(d->writer, err);
	if (r == 0)
		r = rvs_hasher_finish(d->hasher, &d->snapshot->checksum, err);
	if (r == 0)
		r = put_root(d, err);
	if (r == 0)
		r = rvs_press_end(d->press, d->strand, err);
	return r < 0 ? r : rvs_press_drain(d->press, err);
}

int rvs_describe(const struct rvs_survey *survey, const struct rvs_prior *prior,
		 struct rvs_press *press, struct rvs_snapshot *snapshot,
		 struct rvs_error *err)
{
	struct description d = { .survey = survey,
				 .prior = prior,
				 .press = press,
				 .snapshot = snapshot };
	int r = describe(&d, err);

	record_root(&d);
	snapshot->has_vector_count =
		rvs_vectors_sum_get(&d.vectors, &snapshot->vector_count);

	rvs_manifest_writer_free(d.writer);
	rvs_hasher_free(d.hasher);
	rvs_buf_done(&d.logical);
	free(d.segments);
	return r;
}
