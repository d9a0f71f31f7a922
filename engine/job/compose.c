#include "compose.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "assembly.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "format/checksums.h"
#include "format/digest.h"
#include "format/gzip.h"
#include "format/manifest.h"
#include "format/members.h"
#include "layout.h"
#include "store/store.h"
#include "store/tree.h"

enum { MANIFEST_LEVEL = 1 };

/* Objects behind the streams. */
enum { MANIFEST, INDEX, METADATA, CHECKSUMS, OTHERS };

static const char *const other_names[OTHERS] = {
	[MANIFEST] = RVS_MANIFEST_NAME,
	[INDEX] = RVS_MEMBERS_NAME,
	[METADATA] = RVS_METADATA_NAME,
	[CHECKSUMS] = RVS_CHECKSUM_NAME,
};

struct rvs_composition {
	struct rvs_snapshot record; /* of the full snapshot */
	struct rvs_tree *tree;
	struct rvs_layout layout;    /* its streams */
	struct rvs_members manifest; /* its members, in order */
	uint64_t sizes[OTHERS];
	struct rvs_buf others[OTHERS];
	pthread_mutex_t mutex;
	pthread_cond_t ended;
	/* Protected by mutex.  What proving makes is read once it is proved:
	 * digests of the layout, the index, the checksums. */
	enum { UNPROVED, PROVING, PROVED } state;
};

/* The manifest while it is written. */
struct drafting {
	struct rvs_composition *c;
	struct rvs_codec *codec;
	struct rvs_manifest_writer *writer;
};

static void drafting_done(struct drafting *d)
{
	rvs_manifest_writer_free(d->writer);
	rvs_codec_free(d->codec);
}

void rvs_composition_free(struct rvs_composition *c)
{
	size_t i;

	if (!c)
		return;
	for (i = 0; i < OTHERS; i++)
		rvs_buf_done(&c->others[i]);
	rvs_layout_done(&c->layout);
	rvs_members_done(&c->manifest);
	rvs_snapshot_done(&c->record);
	rvs_tree_release(c->tree);
	(void)pthread_cond_destroy(&c->ended);
	(void)pthread_mutex_destroy(&c->mutex);
	free(c);
}

static void composition_cleanup(struct rvs_composition **c)
{
	rvs_composition_free(*c);
}

/* ---- the manifest ---- */

/* A member of the manifest, numbered behind the pieces. */
static int add_manifest_member(void *arg, const void *bytes, size_t len,
			       struct rvs_error *err)
{
	struct drafting *d = arg;
	struct rvs_composition *c = d->c;
	struct rvs_buf *text = &c->others[MANIFEST];
	struct rvs_member member = { .offset = text->len,
				     .stream = (uint32_t)c->layout.stream_count,
				     .plain_len = (uint32_t)len };
	uint32_t number = (uint32_t)c->layout.piece_count + c->manifest.count;
	int r = rvs_digest_of(bytes, len, &member.digest, err);

	if (r == 0)
		r = rvs_gzip_pack(d->codec, number, bytes, len,
				  &member.digest, text, err);
	member.stored_len = (uint32_t)(text->len - member.offset);
	return r < 0 ? r : rvs_members_add(&c->manifest, &member, &number, err);
}

static const char *own_id(void *arg, uint32_t volume)
{
	const struct drafting *d = arg;

	(void)volume;
	return d->c->record.id;
}

static void fill_node(const struct rvs_composition *c, uint32_t index,
		      struct rvs_node *node)
{
	const struct rvs_entry *e = rvs_tree_entry(c->tree, index);
	const struct rvs_origin *origin = rvs_tree_origin(c->tree, index);
	size_t count;
	const struct rvs_extent *extents =
		rvs_layout_extents(&c->layout, index, &count);

	*node = (struct rvs_node){ .name = e->name,
				   .target = e->target,
				   .mode = e->mode,
				   .uid = e->uid,
				   .gid = e->gid,
				   .rdev_major = e->rdev_major,
				   .rdev_minor = e->rdev_minor,
				   .size = e->size,
				   .mtime = e->mtime,
				   .digest = e->digest,
				   .xattrs = e->xattrs,
				   .xattr_count = e->xattr_count,
				   .ino = origin->ino,
				   .ctime = origin->ctime,
				   .vectors = origin->vectors,
				   .extents = extents,
				   .extent_count = count };
}

static int put_entry(struct drafting *d, uint32_t index, struct rvs_error *err)
{
	const struct rvs_tree *tree = d->c->tree;
	const struct rvs_entry *e = rvs_tree_entry(tree, index);
	RVS_CLEANUP(rvs_cleanup_free) char *first = NULL;
	struct rvs_node node;

	fill_node(d->c, index, &node);
	if (e->link != index) {
		first = rvs_tree_path(tree, e->link);
		if (!first)
			return rvs_error_no_memory(err);
		node = (struct rvs_node){ .name = e->name,
					  .target = first,
					  .hard_link = true };
	}
	return rvs_manifest_add(d->writer, &node, err);
}

/* Depth first, so that a directory ends where an entry is of another. */
static int put_entries(struct drafting *d, struct rvs_error *err)
{
	const struct rvs_tree *tree = d->c->tree;
	uint32_t open = 0, i;
	int r = put_entry(d, 0, err);

	for (i = 1; i < rvs_tree_count(tree) && r == 0; i++) {
		const struct rvs_entry *e = rvs_tree_entry(tree, i);

		for (; open != e->parent;
		     open = rvs_tree_entry(tree, open)->parent)
			rvs_manifest_end(d->writer);
		r = put_entry(d, i, err);
		if (S_ISDIR(e->mode))
			open = i;
	}
	for (; open != 0; open = rvs_tree_entry(tree, open)->parent)
		rvs_manifest_end(d->writer);
	rvs_manifest_end(d->writer);
	return r < 0 ? r : rvs_manifest_finish(d->writer, err);
}

/* The last member says which ones the segments are: all before it. */
static int put_root(struct drafting *d, struct rvs_error *err)
{
	struct rvs_composition *c = d->c;
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf root = RVS_BUF_INIT;
	RVS_CLEANUP(rvs_cleanup_free) struct rvs_segment *segments =
		calloc(c->manifest.count, sizeof(*segments));
	uint32_t i;
	int r;

	if (!segments)
		return rvs_error_no_memory(err);
	for (i = 0; i < c->manifest.count; i++) {
		memcpy(segments[i].id, c->record.id, RVS_ID_SIZE);
		segments[i].member = (uint32_t)c->layout.piece_count + i;
	}
	r = rvs_manifest_root_encode(segments, c->manifest.count, &root, err);
	return r < 0 ? r : add_manifest_member(d, root.bytes, root.len, err);
}

static int put_manifest(struct rvs_composition *c, struct rvs_error *err)
{
	RVS_CLEANUP(drafting_done) struct drafting d = { .c = c };
	const struct rvs_manifest_output output = {
		.arg = &d,
		.segment = add_manifest_member,
		.volume_id = own_id,
	};
	int r = rvs_codec_new(MANIFEST_LEVEL, &d.codec, err);

	if (r == 0)
		r = rvs_manifest_writer_new(&output, &d.writer, err);
	if (r == 0)
		r = put_entries(&d, err);
	return r < 0 ? r : put_root(&d, err);
}

/* ---- the rest ---- */

static int add_stream_members(const struct rvs_layout *layout,
			      const struct rvs_layout_stream *stream,
			      struct rvs_members *all, struct rvs_error *err)
{
	uint32_t number, unused;
	size_t p;
	int r = rvs_members_add_stream(all, stream->name, &number, err);

	for (p = stream->first; p < stream->first + stream->count && r == 0;
	     p++) {
		const struct rvs_piece *piece = &layout->pieces[p];
		const struct rvs_member member = {
			.offset = piece->place,
			.stream = number,
			.stored_len = piece->stored_len,
			.plain_len = piece->plain_len,
			.digest = piece->digest,
		};

		r = rvs_members_add(all, &member, &unused, err);
	}
	return r;
}

static int put_index(const struct rvs_composition *c, struct rvs_buf *ret,
		     struct rvs_error *err)
{
	RVS_CLEANUP(rvs_members_done) struct rvs_members all = RVS_MEMBERS_INIT;
	uint32_t number, i;
	size_t s;
	int r = 0;

	for (s = 0; s < c->layout.stream_count && r == 0; s++)
		r = add_stream_members(&c->layout, &c->layout.streams[s], &all,
				       err);
	if (r == 0)
		r = rvs_members_add_stream(&all, RVS_MANIFEST_NAME, &number,
					   err);
	for (i = 0; i < c->manifest.count && r == 0; i++)
		r = rvs_members_add(&all, &c->manifest.items[i], &number, err);
	return r < 0 ? r : rvs_members_encode(&all, ret, err);
}

static int put_metadata(struct rvs_composition *c, struct rvs_error *err)
{
	struct rvs_buf *text = &c->others[METADATA];
	RVS_CLEANUP(rvs_cleanup_free) char *json = NULL;
	size_t i;

	c->record.incremental = false;
	c->record.base_id[0] = '\0';
	c->record.size_bytes = c->sizes[MANIFEST] + c->sizes[INDEX];
	for (i = 0; i < c->layout.stream_count; i++)
		c->record.size_bytes += c->layout.streams[i].size;
	json = rvs_snapshot_json(&c->record, 2);
	if (!json)
		return rvs_error_no_memory(err);
	rvs_buf_put(text, json, strlen(json));
	rvs_buf_put(text, "\n", 1);
	return rvs_buf_check(text, err);
}

static int put_checksums(const struct rvs_composition *c, struct rvs_buf *ret,
			 struct rvs_error *err)
{
	struct rvs_digest digest;
	size_t i;
	int r = 0;

	for (i = 0; i < c->layout.stream_count; i++)
		rvs_checksums_put(ret, &c->layout.streams[i].digest,
				  c->layout.streams[i].name);
	for (i = 0; i < CHECKSUMS && r == 0; i++) {
		r = rvs_digest_of(c->others[i].bytes, c->others[i].len,
				  &digest, err);
		rvs_checksums_put(ret, &digest, other_names[i]);
	}
	return r < 0 ? r : rvs_buf_check(ret, err);
}

/* What proving will fill in is made with zeros: its length is the same. */
static int put_others(struct rvs_composition *c, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf index = RVS_BUF_INIT;
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf checksums = RVS_BUF_INIT;
	int r = put_manifest(c, err);

	c->sizes[MANIFEST] = c->others[MANIFEST].len;
	if (r == 0)
		r = put_index(c, &index, err);
	c->sizes[INDEX] = index.len;
	if (r == 0)
		r = put_metadata(c, err);
	c->sizes[METADATA] = c->others[METADATA].len;
	if (r == 0)
		r = put_checksums(c, &checksums, err);
	c->sizes[CHECKSUMS] = checksums.len;
	return r;
}

int rvs_composition_new(struct rvs_store *store,
			const struct rvs_snapshot *record,
			struct rvs_composition **ret, struct rvs_error *err)
{
	RVS_CLEANUP(composition_cleanup)
	struct rvs_composition *c = calloc(1, sizeof(*c));
	struct rvs_error own = RVS_ERROR_INIT;
	int r;

	err = err ? err : &own; /* statuses are taken from it */
	if (!c)
		return rvs_error_no_memory(err);
	(void)pthread_mutex_init(&c->mutex, NULL);
	(void)pthread_cond_init(&c->ended, NULL);
	r = rvs_snapshot_copy(record, &c->record, err);
	if (r == 0)
		r = rvs_tree_open_with_origins(store, record->id, &c->tree,
					       err);
	if (r == 0)
		r = rvs_layout_init(&c->layout, store, c->tree, err);
	if (r == 0)
		r = put_others(c, err);
	if (r < 0)
		return r;
	*ret = rvs_take(c);
	return 0;
}

/* ---- looking at one ---- */

size_t rvs_composition_count(const struct rvs_composition *c)
{
	return c->layout.stream_count + OTHERS;
}

const char *rvs_composition_name(const struct rvs_composition *c, size_t object)
{
	return object < c->layout.stream_count ?
		       c->layout.streams[object].name :
		       other_names[object - c->layout.stream_count];
}

uint64_t rvs_composition_size(const struct rvs_composition *c, size_t object)
{
	return object < c->layout.stream_count ?
		       c->layout.streams[object].size :
		       c->sizes[object - c->layout.stream_count];
}

size_t rvs_composition_memory(const struct rvs_composition *c)
{
	return rvs_tree_memory(c->tree) + rvs_layout_memory(&c->layout) +
	       c->others[MANIFEST].capacity + c->sizes[INDEX];
}

/* ---- proving ---- */

static int prove_all(struct rvs_composition *c,
		     const struct rvs_monitor *monitor,
		     struct rvs_damage *damage, struct rvs_error *err)
{
	int r = rvs_assembly_prove(&c->layout, monitor, damage, err);

	c->others[INDEX].len = c->others[CHECKSUMS].len = 0;
	if (r == 0)
		r = put_index(c, &c->others[INDEX], err);
	return r < 0 ? r : put_checksums(c, &c->others[CHECKSUMS], err);
}

/* Whether the caller has to prove it; false: it is proved. */
static bool begin_proving(struct rvs_composition *c)
{
	bool mine;

	(void)pthread_mutex_lock(&c->mutex);
	while (c->state == PROVING)
		(void)pthread_cond_wait(&c->ended, &c->mutex);
	mine = c->state == UNPROVED;
	if (mine)
		c->state = PROVING;
	(void)pthread_mutex_unlock(&c->mutex);
	return mine;
}

static void end_proving(struct rvs_composition *c, int status)
{
	(void)pthread_mutex_lock(&c->mutex);
	c->state = status < 0 ? UNPROVED : PROVED;
	(void)pthread_cond_broadcast(&c->ended);
	(void)pthread_mutex_unlock(&c->mutex);
}

static int prove(struct rvs_composition *c, const struct rvs_monitor *monitor,
		 struct rvs_damage *damage, struct rvs_error *err)
{
	int r;

	if (!begin_proving(c))
		return 0;
	r = prove_all(c, monitor, damage, err);
	end_proving(c, r);
	return r;
}

ssize_t rvs_composition_read(struct rvs_composition *c, size_t object,
			     void *bytes, size_t len, uint64_t offset,
			     const struct rvs_monitor *monitor,
			     struct rvs_damage *damage, struct rvs_error *err)
{
	uint64_t size = rvs_composition_size(c, object);
	struct rvs_error own = RVS_ERROR_INIT;
	size_t other = object - c->layout.stream_count;
	int r = 0;

	err = err ? err : &own; /* damage is told in its words */
	if (offset >= size)
		return 0;
	len = len < size - offset ? len : (size_t)(size - offset);
	if (object < c->layout.stream_count)
		return rvs_assembly_read(&c->layout, &c->layout.streams[object],
					 bytes, len, offset, damage, err);
	if (other == INDEX || other == CHECKSUMS)
		r = prove(c, monitor, damage, err);
	if (r < 0)
		return r;
	memcpy(bytes, c->others[other].bytes + offset, len);
	return (ssize_t)len;
}