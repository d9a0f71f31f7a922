#include "compose.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <rvs/job.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/pool.h"
#include "format/checksums.h"
#include "format/digest.h"
#include "format/gzip.h"
#include "format/manifest.h"
#include "format/members.h"
#include "store/store.h"
#include "store/tree.h"
#include "store/volume.h"
#include "stream_name.h"

enum {
	RUN_MAX = 128 << 10,   /* bytes of a member that is made anew */
	HOLE_MIN = 64 << 10,   /* a shorter hole is zeros like any */
	ZEROS_LOG_MAX = 20,    /* the longest member of zeros is 1 MiB */
	PIECES_MAX = 1 << 24,  /* members of 96 KiB: 1.5 TiB */
	BATCH = 8,             /* pieces that one job loads */
	MANIFEST_LEVEL = 1,
};

_Static_assert(1u << ZEROS_LOG_MAX == RVS_MEMBER_PLAIN_MAX, "a member's limit");

/* One member of the composed streams; its number is its place. */
struct piece {
	enum { WHOLE, PART, ZEROS } kind;
	uint64_t place;  /* in its stream */
	uint64_t at;     /* of a PART: in the file */
	uint32_t entry;  /* of a PART: the file */
	uint32_t volume; /* of a WHOLE: the member that is copied */
	uint32_t member;
	uint32_t plain_len;
	uint32_t stored_len;
	struct rvs_digest digest; /* of a PART when it was proved */
};

struct stream {
	char *name;
	size_t first; /* piece */
	size_t count;
	uint64_t size;
	struct rvs_digest digest; /* when it was proved */
};

/* Where a file's new extents are. */
struct span {
	size_t first;
	size_t count;
};

/* Objects behind the streams. */
enum { MANIFEST, INDEX, METADATA, CHECKSUMS, OTHERS };

static const char *const other_names[OTHERS] = {
	[MANIFEST] = RVS_MANIFEST_NAME,
	[INDEX] = RVS_MEMBERS_NAME,
	[METADATA] = RVS_METADATA_NAME,
	[CHECKSUMS] = RVS_CHECKSUM_NAME,
};

struct rvs_composition {
	struct rvs_store *store;
	struct rvs_snapshot record; /* of the full snapshot */
	struct rvs_tree *tree;
	struct piece *pieces;
	size_t piece_count;
	size_t piece_capacity;
	struct stream *streams;
	size_t stream_count;
	struct rvs_extents extents; /* of all files, pieces being members */
	struct span *spans;         /* one an entry */
	struct rvs_buf zeros[ZEROS_LOG_MAX + 1]; /* members of 1 << n zeros */
	struct rvs_members manifest; /* its members, in order */
	uint64_t sizes[OTHERS];
	struct rvs_buf others[OTHERS];
	pthread_mutex_t mutex;
	pthread_cond_t ended;
	/* Protected by mutex.  What proving makes is read once it is proved:
	 * digests of parts and streams, the index, the checksums. */
	enum { UNPROVED, PROVING, PROVED } state;
};

/* What is of use only while it is laid out. */
struct plan {
	struct rvs_composition *c;
	struct rvs_volume **volumes; /* of the tree; NULL: not asked for yet */
	struct rvs_codec *codec;
	bool bundles;
	/* Of the stream being laid out: a run that no piece covers yet. */
	uint32_t entry;
	uint64_t run_at, run_end;
};

void rvs_composition_free(struct rvs_composition *c)
{
	size_t i;

	if (!c)
		return;
	for (i = 0; i < c->stream_count; i++)
		free(c->streams[i].name);
	for (i = 0; i <= ZEROS_LOG_MAX; i++)
		rvs_buf_done(&c->zeros[i]);
	for (i = 0; i < OTHERS; i++)
		rvs_buf_done(&c->others[i]);
	free(c->streams);
	free(c->pieces);
	free(c->spans);
	rvs_extents_done(&c->extents);
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

static void plan_done(struct plan *plan)
{
	uint32_t i;

	for (i = 0; plan->volumes && i < rvs_tree_volume_count(plan->c->tree);
	     i++)
		rvs_volume_put(plan->volumes[i]);
	free(plan->volumes);
	rvs_codec_free(plan->codec);
}

/* ---- laying out: pieces ---- */

/* The member, or NULL with *err set when the store does not have it. */
static const struct rvs_member *member_of(struct plan *plan, uint32_t volume,
					  uint32_t number,
					  struct rvs_error *err)
{
	struct rvs_volume **held = &plan->volumes[volume];
	const char *id = rvs_tree_volume(plan->c->tree, volume);
	const struct rvs_members *members;

	if (!*held && rvs_volume_get(plan->c->store->volumes, id, held, NULL,
				     err) < 0)
		return NULL;
	members = rvs_volume_members(*held);
	if (number < members->count && members->items[number].stored_len > 0)
		return &members->items[number];
	(void)rvs_error_set(err, RVS_ERR_MISSING,
			    "the store holds no member %u of snapshot %s",
			    number, id);
	return NULL;
}

/* Room for one piece more in the last stream. */
static struct piece *new_piece(struct rvs_composition *c,
			       struct rvs_error *err)
{
	size_t capacity = c->piece_capacity ? 2 * c->piece_capacity : 64;
	struct piece *pieces;

	if (c->piece_count == PIECES_MAX) {
		(void)rvs_error_set(err, RVS_ERR_REFUSED,
				    "the snapshot has too many pieces");
		return NULL;
	}
	if (c->piece_count == c->piece_capacity) {
		pieces = reallocarray(c->pieces, capacity, sizeof(*pieces));
		if (!pieces) {
			(void)rvs_error_no_memory(err);
			return NULL;
		}
		c->pieces = pieces;
		c->piece_capacity = capacity;
	}
	return &c->pieces[c->piece_count];
}

static int add_piece(struct rvs_composition *c, const struct piece *piece,
		     struct rvs_error *err)
{
	struct stream *stream = &c->streams[c->stream_count - 1];
	struct piece *added = new_piece(c, err);

	if (!added)
		return err->status;
	*added = *piece;
	added->place = stream->size;
	stream->size += piece->stored_len;
	stream->count++;
	c->piece_count++;
	return 0;
}

/* The last piece, or a hole, is what the file holds at @at. */
static int add_extent(struct plan *plan, uint64_t at, bool hole,
		      uint32_t number, uint32_t offset, struct rvs_error *err)
{
	const struct rvs_extent extent = {
		.at = at,
		.volume = hole ? RVS_HOLE : 0,
		.member = hole ? 0 : number,
		.offset = offset,
	};

	return rvs_extents_push(&plan->c->extents, &extent, err);
}

static int add_whole(struct plan *plan, uint32_t volume, uint32_t number,
		     const struct rvs_member *m, struct rvs_error *err)
{
	const struct piece piece = { .kind = WHOLE,
				     .volume = volume,
				     .member = number,
				     .plain_len = m->plain_len,
				     .stored_len = m->stored_len,
				     .digest = m->digest };

	return add_piece(plan->c, &piece, err);
}

/* Bytes of the file that no whole member holds: new members, stored. */
static int add_parts(struct plan *plan, uint64_t at, uint64_t end,
		     struct rvs_error *err)
{
	struct rvs_composition *c = plan->c;
	int r = 0;

	while (at < end && r == 0) {
		uint64_t len = end - at < RUN_MAX ? end - at : RUN_MAX;
		const struct piece piece = {
			.kind = PART,
			.at = at,
			.entry = plan->entry,
			.plain_len = (uint32_t)len,
			.stored_len = (uint32_t)rvs_gzip_stored_len(len),
		};

		r = add_extent(plan, at, false, (uint32_t)c->piece_count, 0,
			       err);
		if (r == 0)
			r = add_piece(c, &piece, err);
		at += len;
	}
	return r;
}

/* The member of 1 << @log zeros, made when it is first asked for. */
static int make_zeros(struct plan *plan, unsigned log, struct rvs_error *err)
{
	struct rvs_buf *member = &plan->c->zeros[log];
	size_t len = (size_t)1 << log;
	RVS_CLEANUP(rvs_cleanup_free) void *plain = NULL;
	struct rvs_digest digest;
	int r;

	if (member->len > 0)
		return 0;
	plain = calloc(1, len);
	if (!plain)
		return rvs_error_no_memory(err);
	r = rvs_digest_of(plain, len, &digest, err);
	return r < 0 ? r : rvs_gzip_pack(plan->codec, 0, plain, len, &digest,
					 member, err);
}

static int add_zeros_piece(struct plan *plan, unsigned log,
			   struct rvs_error *err)
{
	const struct rvs_buf *member = &plan->c->zeros[log];
	struct rvs_gzip_header header;
	struct piece piece = { .kind = ZEROS,
			       .plain_len = 1u << log,
			       .member = log };
	int r = make_zeros(plan, log, err);

	if (r == 0)
		r = rvs_gzip_parse(member->bytes, member->len, &header, err);
	if (r < 0)
		return r;
	piece.stored_len = header.stored_len;
	piece.digest = header.digest;
	return add_piece(plan->c, &piece, err);
}

/* A hole that gunzip writes out: members of powers of two, of which each is
 * compressed once for all holes. */
static int add_zeros(struct plan *plan, uint64_t len, struct rvs_error *err)
{
	unsigned log = ZEROS_LOG_MAX;
	int r = 0;

	while (len > 0 && r == 0) {
		while ((uint64_t)1 << log > len)
			log--;
		r = add_zeros_piece(plan, log, err);
		len -= (uint64_t)1 << log;
	}
	return r;
}

/* ---- laying out: a file in a stream of its own ---- */

static int end_run(struct plan *plan, struct rvs_error *err)
{
	int r = add_parts(plan, plan->run_at, plan->run_end, err);

	plan->run_at = plan->run_end;
	return r;
}

/* The bytes [at, end) follow those before: into the run. */
static void run_on(struct plan *plan, uint64_t at, uint64_t end)
{
	if (plan->run_at == plan->run_end)
		plan->run_at = at;
	plan->run_end = end;
}

static int lay_hole(struct plan *plan, uint64_t at, uint64_t end,
		    struct rvs_error *err)
{
	int r;

	if (end - at < HOLE_MIN) {
		run_on(plan, at, end);
		return 0;
	}
	r = end_run(plan, err);
	if (r == 0)
		r = add_extent(plan, at, true, 0, 0, err);
	return r < 0 ? r : add_zeros(plan, end - at, err);
}

static int lay_data(struct plan *plan, const struct rvs_extent *e,
		    uint64_t end, struct rvs_error *err)
{
	const struct rvs_member *m = member_of(plan, e->volume, e->member, err);
	int r;

	if (!m)
		return err->status;
	if (e->offset != 0 || end - e->at != m->plain_len) {
		run_on(plan, e->at, end);
		return 0;
	}
	r = end_run(plan, err);
	if (r == 0)
		r = add_extent(plan, e->at, false,
			       (uint32_t)plan->c->piece_count, 0, err);
	return r < 0 ? r : add_whole(plan, e->volume, e->member, m, err);
}

/* An empty file is an empty member: nothing at all is no gzip. */
static int lay_nothing(struct plan *plan, struct rvs_error *err)
{
	const struct piece piece = {
		.kind = PART,
		.entry = plan->entry,
		.stored_len = (uint32_t)rvs_gzip_stored_len(0),
	};

	return add_piece(plan->c, &piece, err);
}

static int lay_file(struct plan *plan, uint32_t index, struct rvs_error *err)
{
	struct rvs_composition *c = plan->c;
	const struct rvs_entry *file = rvs_tree_entry(c->tree, index);
	struct span *span = &c->spans[index];
	size_t count, i;
	const struct rvs_extent *items = rvs_tree_extents(c->tree, file, &count);
	int r = 0;

	plan->entry = index;
	plan->run_at = plan->run_end = 0;
	span->first = c->extents.count;
	for (i = 0; i < count && r == 0; i++) {
		uint64_t end = rvs_extent_end(items, count, i, file->size);

		if (items[i].volume == RVS_HOLE)
			r = lay_hole(plan, items[i].at, end, err);
		else
			r = lay_data(plan, &items[i], end, err);
	}
	if (r == 0)
		r = end_run(plan, err);
	span->count = c->extents.count - span->first;
	return r < 0 || count > 0 ? r : lay_nothing(plan, err);
}

/* ---- laying out: the bundle ---- */

/* Bytes of a member that files in the bundle hold. */
struct use {
	uint32_t volume, member;
	uint32_t from, to;
	uint32_t piece; /* of the first use of a member that is copied whole */
};

struct uses {
	struct use *items;
	size_t count;
	size_t capacity;
};

enum { NO_PIECE = UINT32_MAX, NOT_YET = UINT32_MAX - 1 };

static int compare_uses(const void *a, const void *b)
{
	const struct use *x = a, *y = b;

	if (x->volume != y->volume)
		return x->volume < y->volume ? -1 : 1;
	if (x->member != y->member)
		return x->member < y->member ? -1 : 1;
	return (x->from > y->from) - (x->from < y->from);
}

static int add_use(struct uses *uses, const struct rvs_extent *e, uint64_t end,
		   struct rvs_error *err)
{
	size_t capacity = uses->capacity ? 2 * uses->capacity : 256;
	struct use *items = uses->items;

	if (uses->count == uses->capacity) {
		items = reallocarray(items, capacity, sizeof(*items));
		if (!items)
			return rvs_error_no_memory(err);
		uses->items = items;
		uses->capacity = capacity;
	}
	items[uses->count++] = (struct use){
		.volume = e->volume,
		.member = e->member,
		.from = e->offset,
		.to = e->offset + (uint32_t)(end - e->at),
		.piece = NO_PIECE,
	};
	return 0;
}

static int add_uses(struct plan *plan, uint32_t index, struct uses *uses,
		    struct rvs_error *err)
{
	const struct rvs_tree *tree = plan->c->tree;
	const struct rvs_entry *file = rvs_tree_entry(tree, index);
	size_t count, i;
	const struct rvs_extent *items = rvs_tree_extents(tree, file, &count);
	int r = 0;

	for (i = 0; i < count && r == 0; i++)
		if (items[i].volume != RVS_HOLE)
			r = add_use(uses, &items[i],
				    rvs_extent_end(items, count, i, file->size),
				    err);
	return r;
}

/* Sort the uses, and tell the members all of which is used. */
static int judge_uses(struct plan *plan, struct uses *uses,
		      struct rvs_error *err)
{
	size_t i = 0, first;

	if (uses->count > 0)
		qsort(uses->items, uses->count, sizeof(*uses->items),
		      compare_uses);
	while (i < uses->count) {
		struct use *use = &uses->items[first = i];
		const struct rvs_member *m =
			member_of(plan, use->volume, use->member, err);
		uint32_t reach = 0;

		if (!m)
			return err->status;
		for (; i < uses->count &&
		       uses->items[i].volume == use->volume &&
		       uses->items[i].member == use->member; i++)
			if (uses->items[i].from <= reach &&
			    uses->items[i].to > reach)
				reach = uses->items[i].to;
		if (reach == m->plain_len)
			uses->items[first].piece = NOT_YET;
	}
	return 0;
}

/* The first use of the member in @uses. */
static struct use *find_use(const struct uses *uses, const struct rvs_extent *e)
{
	const struct use wanted = { .volume = e->volume, .member = e->member };
	size_t low = 0, high = uses->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_uses(&uses->items[middle], &wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return &uses->items[low];
}

/* A member all of which is in the bundle is copied there, once. */
static int lay_bundled_data(struct plan *plan, const struct uses *uses,
			    const struct rvs_extent *e, uint64_t end,
			    struct rvs_error *err)
{
	struct use *use = find_use(uses, e);
	const struct rvs_member *m;
	uint32_t number = (uint32_t)plan->c->piece_count;
	int r;

	if (use->piece == NO_PIECE)
		return add_parts(plan, e->at, end, err);
	if (use->piece == NOT_YET) {
		m = member_of(plan, e->volume, e->member, err);
		r = m ? add_whole(plan, e->volume, e->member, m, err) :
			err->status;
		if (r < 0)
			return r;
		use->piece = number;
	}
	return add_extent(plan, e->at, false, use->piece, e->offset, err);
}

static int lay_bundled(struct plan *plan, uint32_t index,
		       const struct uses *uses, struct rvs_error *err)
{
	struct rvs_composition *c = plan->c;
	const struct rvs_entry *file = rvs_tree_entry(c->tree, index);
	struct span *span = &c->spans[index];
	size_t count, i;
	const struct rvs_extent *items = rvs_tree_extents(c->tree, file, &count);
	int r = 0;

	plan->entry = index;
	span->first = c->extents.count;
	for (i = 0; i < count && r == 0; i++) {
		uint64_t end = rvs_extent_end(items, count, i, file->size);

		if (items[i].volume == RVS_HOLE)
			r = add_extent(plan, items[i].at, true, 0, 0, err);
		else
			r = lay_bundled_data(plan, uses, &items[i], end, err);
	}
	span->count = c->extents.count - span->first;
	return r;
}

/* ---- laying out: streams ---- */

static int begin_stream(struct rvs_composition *c, const char *path,
			const char *suffix, struct rvs_error *err)
{
	struct stream *streams = reallocarray(c->streams, c->stream_count + 1,
					      sizeof(*streams));
	char *name = NULL;

	if (!streams)
		return rvs_error_no_memory(err);
	c->streams = streams;
	if (asprintf(&name, "%s%s", path, suffix) < 0)
		return rvs_error_no_memory(err);
	streams[c->stream_count++] = (struct stream){
		.name = name,
		.first = c->piece_count,
	};
	return 0;
}

static bool is_file(const struct rvs_tree *tree, uint32_t index)
{
	const struct rvs_entry *entry = rvs_tree_entry(tree, index);

	return S_ISREG(entry->mode) && entry->link == index;
}

static bool is_bundled(const struct plan *plan, const struct rvs_entry *file,
		       const char *path)
{
	const struct rvs_tree *tree = plan->c->tree;

	return (plan->bundles && file->size < RVS_STREAM_BYTES) ||
	       !rvs_stream_name_fits(path) ||
	       file->size > rvs_tree_data_bytes(tree, file) + RVS_HOLES_MAX;
}

/* Lay out what has a stream of its own, and note what has none. */
static int lay_streams(struct plan *plan, bool *bundled, struct uses *uses,
		       struct rvs_error *err)
{
	struct rvs_composition *c = plan->c;
	uint32_t i;
	int r = 0;

	for (i = 0; i < rvs_tree_count(c->tree) && r == 0; i++) {
		RVS_CLEANUP(rvs_cleanup_free) char *path = NULL;

		if (!is_file(c->tree, i))
			continue;
		path = rvs_tree_path(c->tree, i);
		if (!path)
			return rvs_error_no_memory(err);
		bundled[i] = is_bundled(plan, rvs_tree_entry(c->tree, i), path);
		if (bundled[i]) {
			r = add_uses(plan, i, uses, err);
			continue;
		}
		r = begin_stream(c, path, ".gz", err);
		if (r == 0)
			r = lay_file(plan, i, err);
	}
	return r;
}

static int lay_bundle(struct plan *plan, const bool *bundled,
		      struct uses *uses, struct rvs_error *err)
{
	struct rvs_composition *c = plan->c;
	uint32_t i;
	int r = judge_uses(plan, uses, err);

	if (r == 0 && uses->count > 0)
		r = begin_stream(c, RVS_BUNDLE_NAME, "", err);
	for (i = 0; i < rvs_tree_count(c->tree) && r == 0; i++)
		if (bundled[i])
			r = lay_bundled(plan, i, uses, err);
	return r;
}

static int lay_data_objects(struct plan *plan, struct rvs_error *err)
{
	struct rvs_composition *c = plan->c;
	uint32_t count = rvs_tree_count(c->tree), files = 0, i;
	RVS_CLEANUP(rvs_cleanup_free)
	bool *bundled = calloc(count, sizeof(*bundled));
	struct uses uses = { NULL, 0, 0 };
	int r;

	c->spans = calloc(count, sizeof(*c->spans));
	plan->volumes = calloc((size_t)rvs_tree_volume_count(c->tree) + 1,
			       sizeof(*plan->volumes));
	if (!bundled || !c->spans || !plan->volumes)
		return rvs_error_no_memory(err);
	for (i = 0; i < count; i++)
		files += is_file(c->tree, i);
	plan->bundles = files > RVS_BUNDLE_FILES;
	r = lay_streams(plan, bundled, &uses, err);
	if (r == 0)
		r = lay_bundle(plan, bundled, &uses, err);
	free(uses.items);
	return r;
}

/* ---- laying out: the manifest ---- */

/* A member of the manifest, numbered behind the pieces. */
static int add_manifest_member(void *arg, const void *bytes, size_t len,
			       struct rvs_error *err)
{
	struct plan *plan = arg;
	struct rvs_composition *c = plan->c;
	struct rvs_buf *text = &c->others[MANIFEST];
	struct rvs_member member = { .offset = text->len,
				     .stream = (uint32_t)c->stream_count,
				     .plain_len = (uint32_t)len };
	uint32_t number = (uint32_t)c->piece_count + c->manifest.count;
	int r = rvs_digest_of(bytes, len, &member.digest, err);

	if (r == 0)
		r = rvs_gzip_pack(plan->codec, number, bytes, len,
				  &member.digest, text, err);
	member.stored_len = (uint32_t)(text->len - member.offset);
	return r < 0 ? r : rvs_members_add(&c->manifest, &member, &number, err);
}

static const char *own_id(void *arg, uint32_t volume)
{
	const struct plan *plan = arg;

	(void)volume;
	return plan->c->record.id;
}

static void fill_node(const struct rvs_composition *c, uint32_t index,
		      struct rvs_node *node)
{
	const struct rvs_entry *e = rvs_tree_entry(c->tree, index);
	const struct rvs_origin *origin = rvs_tree_origin(c->tree, index);

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
				   .extents = c->extents.items +
					      c->spans[index].first,
				   .extent_count = c->spans[index].count };
}

static int put_entry(struct plan *plan, struct rvs_manifest_writer *writer,
		     uint32_t index, struct rvs_error *err)
{
	const struct rvs_tree *tree = plan->c->tree;
	const struct rvs_entry *e = rvs_tree_entry(tree, index);
	RVS_CLEANUP(rvs_cleanup_free) char *first = NULL;
	struct rvs_node node;

	fill_node(plan->c, index, &node);
	if (e->link != index) {
		first = rvs_tree_path(tree, e->link);
		if (!first)
			return rvs_error_no_memory(err);
		node = (struct rvs_node){ .name = e->name,
					  .target = first,
					  .hard_link = true };
	}
	return rvs_manifest_add(writer, &node, err);
}

/* Depth first, so that a directory ends where an entry is of another. */
static int put_entries(struct plan *plan, struct rvs_manifest_writer *writer,
		       struct rvs_error *err)
{
	const struct rvs_tree *tree = plan->c->tree;
	uint32_t open = 0, i;
	int r = put_entry(plan, writer, 0, err);

	for (i = 1; i < rvs_tree_count(tree) && r == 0; i++) {
		const struct rvs_entry *e = rvs_tree_entry(tree, i);

		for (; open != e->parent;
		     open = rvs_tree_entry(tree, open)->parent)
			rvs_manifest_end(writer);
		r = put_entry(plan, writer, i, err);
		if (S_ISDIR(e->mode))
			open = i;
	}
	for (; open != 0; open = rvs_tree_entry(tree, open)->parent)
		rvs_manifest_end(writer);
	rvs_manifest_end(writer);
	return r < 0 ? r : rvs_manifest_finish(writer, err);
}

/* The last member says which ones the segments are: all before it. */
static int put_root(struct plan *plan, struct rvs_error *err)
{
	struct rvs_composition *c = plan->c;
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf root = RVS_BUF_INIT;
	RVS_CLEANUP(rvs_cleanup_free) struct rvs_segment *segments =
		calloc(c->manifest.count, sizeof(*segments));
	uint32_t i;
	int r;

	if (!segments)
		return rvs_error_no_memory(err);
	for (i = 0; i < c->manifest.count; i++) {
		memcpy(segments[i].id, c->record.id, RVS_ID_SIZE);
		segments[i].member = (uint32_t)c->piece_count + i;
	}
	r = rvs_manifest_root_encode(segments, c->manifest.count, &root, err);
	return r < 0 ? r : add_manifest_member(plan, root.bytes, root.len, err);
}

static int lay_manifest(struct plan *plan, struct rvs_error *err)
{
	const struct rvs_manifest_output output = {
		.arg = plan,
		.segment = add_manifest_member,
		.volume_id = own_id,
	};
	RVS_CLEANUP(rvs_manifest_writer_cleanup)
	struct rvs_manifest_writer *writer = NULL;
	int r = rvs_manifest_writer_new(&output, &writer, err);

	if (r == 0)
		r = put_entries(plan, writer, err);
	return r < 0 ? r : put_root(plan, err);
}

/* ---- laying out: the rest ---- */

static int put_index(const struct rvs_composition *c, struct rvs_buf *ret,
		     struct rvs_error *err)
{
	RVS_CLEANUP(rvs_members_done) struct rvs_members all = RVS_MEMBERS_INIT;
	uint32_t number, i;
	size_t s, p;
	int r = 0;

	for (s = 0; s < c->stream_count && r == 0; s++) {
		const struct stream *stream = &c->streams[s];

		r = rvs_members_add_stream(&all, stream->name, &number, err);
		for (p = stream->first;
		     p < stream->first + stream->count && r == 0; p++) {
			const struct piece *piece = &c->pieces[p];
			const struct rvs_member member = {
				.offset = piece->place,
				.stream = number,
				.stored_len = piece->stored_len,
				.plain_len = piece->plain_len,
				.digest = piece->digest,
			};
			uint32_t unused;

			r = rvs_members_add(&all, &member, &unused, err);
		}
	}
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
	for (i = 0; i < c->stream_count; i++)
		c->record.size_bytes += c->streams[i].size;
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

	for (i = 0; i < c->stream_count; i++)
		rvs_checksums_put(ret, &c->streams[i].digest,
				  c->streams[i].name);
	for (i = 0; i < CHECKSUMS && r == 0; i++) {
		r = rvs_digest_of(c->others[i].bytes, c->others[i].len,
				  &digest, err);
		rvs_checksums_put(ret, &digest, other_names[i]);
	}
	return r < 0 ? r : rvs_buf_check(ret, err);
}

/* What proving will fill in is laid out with zeros: its length is the same. */
static int lay_others(struct plan *plan, struct rvs_error *err)
{
	struct rvs_composition *c = plan->c;
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf index = RVS_BUF_INIT;
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf checksums = RVS_BUF_INIT;
	int r = lay_manifest(plan, err);

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

static int lay_out(struct rvs_composition *c, struct rvs_error *err)
{
	RVS_CLEANUP(plan_done) struct plan plan = { .c = c };
	int r = rvs_codec_new(MANIFEST_LEVEL, &plan.codec, err);

	if (r == 0)
		r = lay_data_objects(&plan, err);
	return r < 0 ? r : lay_others(&plan, err);
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
	c->store = store;
	(void)pthread_mutex_init(&c->mutex, NULL);
	(void)pthread_cond_init(&c->ended, NULL);
	r = rvs_snapshot_copy(record, &c->record, err);
	if (r == 0)
		r = rvs_tree_open(store, record->id, &c->tree, err);
	if (r == 0)
		r = lay_out(c, err);
	if (r < 0)
		return r;
	*ret = rvs_take(c);
	return 0;
}

/* ---- looking at one ---- */

size_t rvs_composition_count(const struct rvs_composition *c)
{
	return c->stream_count + OTHERS;
}

const char *rvs_composition_name(const struct rvs_composition *c, size_t object)
{
	return object < c->stream_count ?
		       c->streams[object].name :
		       other_names[object - c->stream_count];
}

uint64_t rvs_composition_size(const struct rvs_composition *c, size_t object)
{
	return object < c->stream_count ? c->streams[object].size :
					  c->sizes[object - c->stream_count];
}

size_t rvs_composition_memory(const struct rvs_composition *c)
{
	return rvs_tree_memory(c->tree) +
	       c->piece_capacity * sizeof(*c->pieces) +
	       c->stream_count * sizeof(*c->streams) +
	       c->extents.capacity * sizeof(*c->extents.items) +
	       c->others[MANIFEST].capacity + c->sizes[INDEX];
}

/* ---- bytes ---- */

/* Memory for loading pieces one after the other. */
struct loading {
	struct rvs_buf stored;
	struct rvs_buf plain;
};

static void loading_done(struct loading *loading)
{
	rvs_buf_done(&loading->stored);
	rvs_buf_done(&loading->plain);
}

static int copy_whole(struct rvs_composition *c, const struct piece *piece,
		      struct loading *loading, struct rvs_damage *damage,
		      struct rvs_error *err)
{
	return rvs_volume_load(c->store->volumes,
			       rvs_tree_volume(c->tree, piece->volume),
			       piece->member, false, &loading->stored,
			       &loading->plain, damage, err);
}

static int read_part(struct rvs_composition *c, const struct piece *piece,
		     struct loading *loading, struct rvs_damage *damage,
		     struct rvs_error *err)
{
	const struct rvs_entry *file = rvs_tree_entry(c->tree, piece->entry);
	uint8_t *bytes;
	ssize_t n;

	loading->plain.len = 0;
	bytes = rvs_buf_reserve(&loading->plain, piece->plain_len + 1);
	if (!bytes)
		return rvs_error_no_memory(err);
	n = rvs_tree_read(c->tree, file, bytes, piece->plain_len, piece->at,
			  damage, err);
	if (n >= 0 && (size_t)n != piece->plain_len)
		return rvs_error_set(err, RVS_ERR_CORRUPT,
				     "a file is shorter than its manifest says");
	loading->plain.len = piece->plain_len;
	return n < 0 ? (int)n : 0;
}

static int make_part(struct rvs_composition *c, const struct piece *piece,
		     struct loading *loading, struct rvs_damage *damage,
		     struct rvs_error *err)
{
	RVS_CLEANUP(rvs_codec_cleanup) struct rvs_codec *codec = NULL;
	struct rvs_digest digest;
	int r = read_part(c, piece, loading, damage, err);

	if (r == 0)
		r = rvs_digest_of(loading->plain.bytes, loading->plain.len,
				  &digest, err);
	if (r == 0)
		r = rvs_codec_new(0, &codec, err);
	loading->stored.len = 0;
	return r < 0 ? r : rvs_gzip_pack(codec, 0, loading->plain.bytes,
					 loading->plain.len, &digest,
					 &loading->stored, err);
}

static int copy_zeros(const struct rvs_composition *c,
		      const struct piece *piece, struct loading *loading,
		      struct rvs_error *err)
{
	const struct rvs_buf *member = &c->zeros[piece->member];

	loading->stored.len = 0;
	rvs_buf_put(&loading->stored, member->bytes, member->len);
	return rvs_buf_check(&loading->stored, err);
}

/* The member that the piece is, in loading->stored. */
static int load_piece(struct rvs_composition *c, size_t number,
		      struct loading *loading, struct rvs_damage *damage,
		      struct rvs_error *err)
{
	const struct piece *piece = &c->pieces[number];
	int r;

	if (piece->kind == WHOLE)
		r = copy_whole(c, piece, loading, damage, err);
	else if (piece->kind == PART)
		r = make_part(c, piece, loading, damage, err);
	else
		r = copy_zeros(c, piece, loading, err);
	if (r < 0)
		return r;
	if (loading->stored.len != piece->stored_len)
		return rvs_error_set(err, RVS_ERR_CORRUPT,
				     "a member is not as long as it was");
	rvs_gzip_renumber(loading->stored.bytes, (uint32_t)number);
	return 0;
}

/* The piece of @stream that holds the byte @offset. */
static size_t piece_at(const struct rvs_composition *c,
		       const struct stream *stream, uint64_t offset)
{
	size_t low = stream->first, high = stream->first + stream->count;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (c->pieces[middle].place <= offset)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static ssize_t read_stream(struct rvs_composition *c,
			   const struct stream *stream, uint8_t *bytes,
			   size_t len, uint64_t offset,
			   struct rvs_damage *damage, struct rvs_error *err)
{
	RVS_CLEANUP(loading_done) struct loading loading = { RVS_BUF_INIT,
							     RVS_BUF_INIT };
	size_t done = 0, number = piece_at(c, stream, offset);

	for (; done < len; number++) {
		size_t start = (size_t)(offset + done - c->pieces[number].place);
		size_t n = c->pieces[number].stored_len - start;
		int r = load_piece(c, number, &loading, damage, err);

		if (r < 0)
			return r;
		n = n < len - done ? n : len - done;
		memcpy(bytes + done, loading.stored.bytes + start, n);
		done += n;
	}
	return (ssize_t)done;
}

/* ---- proving ---- */

/* Some pieces of a stream, loaded on the pool. */
struct batch {
	struct rvs_job job; /* first: the lane gives this address back */
	struct rvs_composition *c;
	size_t first;
	size_t count;
	struct loading loading;
	struct rvs_buf bytes;
	struct rvs_damage damage;
	struct rvs_error err;
	int status;
};

/* Each piece is of one batch, so its digest is written by one thread. */
static int load_one(struct batch *b, size_t number)
{
	struct piece *piece = &b->c->pieces[number];
	struct rvs_gzip_header header;
	int r = load_piece(b->c, number, &b->loading, &b->damage, &b->err);

	if (r < 0)
		return r;
	r = rvs_gzip_parse(b->loading.stored.bytes, b->loading.stored.len,
			   &header, &b->err);
	if (r < 0)
		return r;
	if (piece->kind == PART)
		piece->digest = header.digest;
	rvs_buf_put(&b->bytes, b->loading.stored.bytes, b->loading.stored.len);
	return rvs_buf_check(&b->bytes, &b->err);
}

static void load_batch(struct rvs_job *job, unsigned worker)
{
	struct batch *b = (struct batch *)job;
	size_t i;

	(void)worker;
	b->status = 0;
	for (i = 0; i < b->count && b->status == 0; i++)
		b->status = load_one(b, b->first + i);
}

static void batch_free(struct batch *b)
{
	if (!b)
		return;
	loading_done(&b->loading);
	rvs_buf_done(&b->bytes);
	free(b);
}

/* Proving one stream: batches go out and come back in order. */
struct proof {
	struct rvs_composition *c;
	struct rvs_lane *lane;
	struct rvs_hasher *hasher;
	const struct rvs_monitor *monitor;
	struct rvs_damage *damage;
	size_t limit; /* batches in flight */
};

static int submit(struct proof *proof, size_t first, size_t count,
		  struct rvs_error *err)
{
	struct batch *b = calloc(1, sizeof(*b));

	if (!b)
		return rvs_error_no_memory(err);
	b->job.run = load_batch;
	b->c = proof->c;
	b->first = first;
	b->count = count;
	rvs_lane_submit(proof->lane, &b->job);
	return 0;
}

/* Take the oldest batch back; 0 also when there is none. */
static int collect(struct proof *proof, struct rvs_error *err)
{
	struct batch *b = (struct batch *)rvs_lane_collect(proof->lane);
	int r = b ? b->status : 0;

	if (b && r == 0)
		rvs_hasher_add(proof->hasher, b->bytes.bytes, b->bytes.len);
	if (r < 0) {
		*err = b->err;
		if (proof->damage)
			*proof->damage = b->damage;
	}
	batch_free(b);
	return r;
}

static bool is_cancelled(const struct rvs_monitor *monitor)
{
	return monitor && monitor->cancelled &&
	       monitor->cancelled(monitor->arg);
}

static int prove_stream(struct proof *proof, struct stream *stream,
			struct rvs_error *err)
{
	size_t at = stream->first, end = stream->first + stream->count;
	int r = 0, drained;

	while (at < end && r == 0) {
		size_t count = end - at < BATCH ? end - at : BATCH;

		if (is_cancelled(proof->monitor))
			r = rvs_error_set(err, RVS_ERR_INTERRUPTED,
					  "interrupted");
		if (r == 0 && rvs_lane_depth(proof->lane) >= proof->limit)
			r = collect(proof, err);
		if (r == 0)
			r = submit(proof, at, count, err);
		at += count;
	}
	while (rvs_lane_depth(proof->lane) > 0) {
		struct rvs_error later = RVS_ERROR_INIT;

		drained = collect(proof, r < 0 ? &later : err);
		r = r < 0 ? r : drained;
	}
	return r < 0 ? r : rvs_hasher_finish(proof->hasher, &stream->digest,
					     err);
}

static int prove_streams(struct proof *proof, struct rvs_error *err)
{
	struct rvs_composition *c = proof->c;
	struct rvs_pool *pool = NULL;
	size_t i;
	int r = rvs_pool_new(c->store->options.threads, &pool, err);

	if (r == 0)
		r = rvs_lane_new(pool, false, &proof->lane, err);
	if (r == 0)
		r = rvs_hasher_new(&proof->hasher, err);
	if (r == 0)
		proof->limit = 2 * (size_t)rvs_pool_threads(pool);
	for (i = 0; i < c->stream_count && r == 0; i++)
		r = prove_stream(proof, &c->streams[i], err);
	rvs_hasher_free(proof->hasher);
	rvs_lane_free(proof->lane);
	rvs_pool_free(pool);
	return r;
}

static int prove_all(struct rvs_composition *c,
		     const struct rvs_monitor *monitor,
		     struct rvs_damage *damage, struct rvs_error *err)
{
	struct proof proof = { .c = c, .monitor = monitor, .damage = damage };
	int r = prove_streams(&proof, err);

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
	size_t other = object - c->stream_count;
	int r = 0;

	err = err ? err : &own; /* damage is told in its words */
	if (offset >= size)
		return 0;
	len = len < size - offset ? len : (size_t)(size - offset);
	if (object < c->stream_count)
		return read_stream(c, &c->streams[object], bytes, len, offset,
				   damage, err);
	if (other == INDEX || other == CHECKSUMS)
		r = prove(c, monitor, damage, err);
	if (r < 0)
		return r;
	memcpy(bytes, c->others[other].bytes + offset, len);
	return (ssize_t)len;
}
