#include "layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "format/digest.h"
#include "format/gzip.h"
#include "format/members.h"
#include "store/store.h"
#include "store/tree.h"
#include "store/volume.h"
#include "stream_name.h"

enum {
	RUN_MAX = 128 << 10,  /* bytes of a member that is made anew */
	HOLE_MIN = 64 << 10,  /* a shorter hole is zeros like any */
	PIECES_MAX = 1 << 24, /* members of 96 KiB: 1.5 TiB */
	ZEROS_LEVEL = 1,
};

_Static_assert(1u << RVS_ZEROS_LOG_MAX == RVS_MEMBER_PLAIN_MAX,
	       "a member's limit");

/* Bytes of a member that files in the bundle hold. */
struct use {
	uint32_t volume, member;
	uint32_t from, to;
	uint32_t piece; /* of the first use of a member that is copied whole */
};

enum { NO_PIECE = UINT32_MAX, NOT_YET = UINT32_MAX - 1 };

struct uses {
	struct use *items;
	size_t count;
	size_t capacity;
};

/* What is of use only while it is laid out. */
struct plan {
	struct rvs_layout *layout;
	struct rvs_volume **volumes; /* of the tree; NULL: not asked for yet */
	bool many;                   /* small files go to the bundle */
	bool *bundled;               /* for each entry */
	struct uses uses;            /* by the bundle */
	uint32_t entry;              /* the file being laid out */
	/* In a stream of its own: a run that no piece covers yet. */
	uint64_t run_at, run_end;
};

/* What becomes of a hole, or of the bytes of a member, that the file holds
 * from its place to @end. */
typedef int lay_fn(struct plan *plan, const struct rvs_extent *e, uint64_t end,
		   struct rvs_error *err);

static void plan_done(struct plan *plan)
{
	uint32_t i, count = rvs_tree_volume_count(plan->layout->tree);

	for (i = 0; plan->volumes && i < count; i++)
		rvs_volume_put(plan->volumes[i]);
	free(plan->volumes);
	free(plan->bundled);
	free(plan->uses.items);
}

/* Show every extent of the file @index, in order, to one of the two; NULL: such
 * ones are passed over. */
static int walk_extents(struct plan *plan, uint32_t index, lay_fn *hole,
			lay_fn *data, struct rvs_error *err)
{
	const struct rvs_tree *tree = plan->layout->tree;
	const struct rvs_entry *file = rvs_tree_entry(tree, index);
	size_t count, i;
	const struct rvs_extent *items = rvs_tree_extents(tree, file, &count);
	int r = 0;

	for (i = 0; i < count && r == 0; i++) {
		lay_fn *lay = items[i].volume == RVS_HOLE ? hole : data;

		if (lay)
			r = lay(plan, &items[i],
				rvs_extent_end(items, count, i, file->size),
				err);
	}
	return r;
}

/* ---- pieces ---- */

/* The member, or NULL with *err set when the store does not have it. */
static const struct rvs_member *member_of(struct plan *plan, uint32_t volume,
					  uint32_t number,
					  struct rvs_error *err)
{
	struct rvs_volume **held = &plan->volumes[volume];
	const char *id = rvs_tree_volume(plan->layout->tree, volume);
	const struct rvs_members *members;

	if (!*held && rvs_volume_get(plan->layout->store->volumes, id, held,
				     NULL, err) < 0)
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
static struct rvs_piece *new_piece(struct rvs_layout *layout,
				   struct rvs_error *err)
{
	size_t capacity = layout->piece_capacity ? 2 * layout->piece_capacity :
						   64;
	struct rvs_piece *pieces;

	if (layout->piece_count == PIECES_MAX) {
		(void)rvs_error_set(err, RVS_ERR_REFUSED,
				    "the snapshot has too many pieces");
		return NULL;
	}
	if (layout->piece_count == layout->piece_capacity) {
		pieces = reallocarray(layout->pieces, capacity,
				      sizeof(*pieces));
		if (!pieces) {
			(void)rvs_error_no_memory(err);
			return NULL;
		}
		layout->pieces = pieces;
		layout->piece_capacity = capacity;
	}
	return &layout->pieces[layout->piece_count];
}

static int add_piece(struct rvs_layout *layout, const struct rvs_piece *piece,
		     struct rvs_error *err)
{
	struct rvs_layout_stream *stream =
		&layout->streams[layout->stream_count - 1];
	struct rvs_piece *added = new_piece(layout, err);

	if (!added)
		return err->status;
	*added = *piece;
	added->place = stream->size;
	stream->size += piece->stored_len;
	stream->count++;
	layout->piece_count++;
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

	return rvs_extents_push(&plan->layout->extents, &extent, err);
}

static int add_whole(struct plan *plan, uint32_t volume, uint32_t number,
		     const struct rvs_member *m, struct rvs_error *err)
{
	const struct rvs_piece piece = { .kind = RVS_PIECE_WHOLE,
					 .volume = volume,
					 .member = number,
					 .plain_len = m->plain_len,
					 .stored_len = m->stored_len,
					 .digest = m->digest };

	return add_piece(plan->layout, &piece, err);
}

/* Bytes of the file that no whole member holds: new members, stored. */
static int add_parts(struct plan *plan, uint64_t at, uint64_t end,
		     struct rvs_error *err)
{
	struct rvs_layout *layout = plan->layout;
	int r = 0;

	while (at < end && r == 0) {
		uint64_t len = end - at < RUN_MAX ? end - at : RUN_MAX;
		const struct rvs_piece piece = {
			.kind = RVS_PIECE_PART,
			.at = at,
			.entry = plan->entry,
			.plain_len = (uint32_t)len,
			.stored_len = (uint32_t)rvs_gzip_stored_len(len),
		};

		r = add_extent(plan, at, false, (uint32_t)layout->piece_count,
			       0, err);
		if (r == 0)
			r = add_piece(layout, &piece, err);
		at += len;
	}
	return r;
}

/* The member of 1 << @log zeros, made when it is first asked for. */
static int make_zeros(struct plan *plan, unsigned log, struct rvs_error *err)
{
	struct rvs_buf *member = &plan->layout->zeros[log];
	size_t len = (size_t)1 << log;
	RVS_CLEANUP(rvs_codec_cleanup) struct rvs_codec *codec = NULL;
	RVS_CLEANUP(rvs_cleanup_free) void *plain = NULL;
	struct rvs_digest digest;
	int r;

	if (member->len > 0)
		return 0;
	plain = calloc(1, len);
	if (!plain)
		return rvs_error_no_memory(err);
	r = rvs_digest_of(plain, len, &digest, err);
	if (r == 0)
		r = rvs_codec_new(ZEROS_LEVEL, &codec, err);
	return r < 0 ? r : rvs_gzip_pack(codec, 0, plain, len, &digest, member,
					 err);
}

static int add_zeros_piece(struct plan *plan, unsigned log,
			   struct rvs_error *err)
{
	const struct rvs_buf *member = &plan->layout->zeros[log];
	struct rvs_gzip_header header;
	struct rvs_piece piece = { .kind = RVS_PIECE_ZEROS,
				   .plain_len = 1u << log,
				   .member = log };
	int r = make_zeros(plan, log, err);

	if (r == 0)
		r = rvs_gzip_parse(member->bytes, member->len, &header, err);
	if (r < 0)
		return r;
	piece.stored_len = header.stored_len;
	piece.digest = header.digest;
	return add_piece(plan->layout, &piece, err);
}

/* A hole that gunzip writes out: members of powers of two, of which each is
 * compressed once for all holes. */
static int add_zeros(struct plan *plan, uint64_t len, struct rvs_error *err)
{
	unsigned log = RVS_ZEROS_LOG_MAX;
	int r = 0;

	while (len > 0 && r == 0) {
		while ((uint64_t)1 << log > len)
			log--;
		r = add_zeros_piece(plan, log, err);
		len -= (uint64_t)1 << log;
	}
	return r;
}

/* ---- files ---- */

/* Cover the run by pieces. */
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

/* Lay out the file @index, and note where its new extents are. */
static int lay_file(struct plan *plan, uint32_t index, lay_fn *hole,
		    lay_fn *data, struct rvs_error *err)
{
	struct rvs_layout *layout = plan->layout;
	struct rvs_layout_span *span = &layout->spans[index];
	int r;

	plan->entry = index;
	plan->run_at = plan->run_end = 0;
	span->first = layout->extents.count;
	r = walk_extents(plan, index, hole, data, err);
	if (r == 0)
		r = end_run(plan, err);
	span->count = layout->extents.count - span->first;
	return r;
}

/* ---- a file in a stream of its own ---- */

static int lay_hole(struct plan *plan, const struct rvs_extent *e, uint64_t end,
		    struct rvs_error *err)
{
	int r;

	if (end - e->at < HOLE_MIN) {
		run_on(plan, e->at, end);
		return 0;
	}
	r = end_run(plan, err);
	if (r == 0)
		r = add_extent(plan, e->at, true, 0, 0, err);
	return r < 0 ? r : add_zeros(plan, end - e->at, err);
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
			       (uint32_t)plan->layout->piece_count, 0, err);
	return r < 0 ? r : add_whole(plan, e->volume, e->member, m, err);
}

/* An empty file is an empty member: nothing at all is no gzip. */
static int lay_nothing(struct plan *plan, struct rvs_error *err)
{
	const struct rvs_piece piece = {
		.kind = RVS_PIECE_PART,
		.entry = plan->entry,
		.stored_len = (uint32_t)rvs_gzip_stored_len(0),
	};

	return add_piece(plan->layout, &piece, err);
}

/* ---- the bundle ---- */

static int compare_uses(const void *a, const void *b)
{
	const struct use *x = a, *y = b;

	if (x->volume != y->volume)
		return x->volume < y->volume ? -1 : 1;
	if (x->member != y->member)
		return x->member < y->member ? -1 : 1;
	return (x->from > y->from) - (x->from < y->from);
}

/* Note which bytes of a member the bundle will want. */
static int add_use(struct plan *plan, const struct rvs_extent *e, uint64_t end,
		   struct rvs_error *err)
{
	struct uses *uses = &plan->uses;
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

/* Sort the uses, and tell the members all of which is used. */
static int judge_uses(struct plan *plan, struct rvs_error *err)
{
	struct uses *uses = &plan->uses;
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
static int lay_bundled_data(struct plan *plan, const struct rvs_extent *e,
			    uint64_t end, struct rvs_error *err)
{
	struct use *use = find_use(&plan->uses, e);
	const struct rvs_member *m;
	uint32_t number = (uint32_t)plan->layout->piece_count;
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

static int lay_bundled_hole(struct plan *plan, const struct rvs_extent *e,
			    uint64_t end, struct rvs_error *err)
{
	(void)end;
	return add_extent(plan, e->at, true, 0, 0, err);
}

/* ---- streams ---- */

static int begin_stream(struct rvs_layout *layout, const char *path,
			const char *suffix, struct rvs_error *err)
{
	struct rvs_layout_stream *streams = reallocarray(
		layout->streams, layout->stream_count + 1, sizeof(*streams));
	char *name = NULL;

	if (!streams)
		return rvs_error_no_memory(err);
	layout->streams = streams;
	if (asprintf(&name, "%s%s", path, suffix) < 0)
		return rvs_error_no_memory(err);
	streams[layout->stream_count++] = (struct rvs_layout_stream){
		.name = name,
		.first = layout->piece_count,
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
	const struct rvs_tree *tree = plan->layout->tree;

	return (plan->many && file->size < RVS_STREAM_BYTES) ||
	       !rvs_stream_name_fits(path) ||
	       file->size > rvs_tree_data_bytes(tree, file) + RVS_HOLES_MAX;
}

static int lay_stream(struct plan *plan, uint32_t index, const char *path,
		      struct rvs_error *err)
{
	size_t before = plan->layout->piece_count;
	int r = begin_stream(plan->layout, path, ".gz", err);

	if (r == 0)
		r = lay_file(plan, index, lay_hole, lay_data, err);
	if (r == 0 && plan->layout->piece_count == before)
		r = lay_nothing(plan, err);
	return r;
}

/* Lay out what has a stream of its own, and note what has none. */
static int lay_streams(struct plan *plan, struct rvs_error *err)
{
	const struct rvs_tree *tree = plan->layout->tree;
	uint32_t i;
	int r = 0;

	for (i = 0; i < rvs_tree_count(tree) && r == 0; i++) {
		RVS_CLEANUP(rvs_cleanup_free) char *path = NULL;

		if (!is_file(tree, i))
			continue;
		path = rvs_tree_path(tree, i);
		if (!path)
			return rvs_error_no_memory(err);
		plan->bundled[i] =
			is_bundled(plan, rvs_tree_entry(tree, i), path);
		r = plan->bundled[i] ?
			    walk_extents(plan, i, NULL, add_use, err) :
			    lay_stream(plan, i, path, err);
	}
	return r;
}

static int lay_bundle(struct plan *plan, struct rvs_error *err)
{
	struct rvs_layout *layout = plan->layout;
	uint32_t i;
	int r = judge_uses(plan, err);

	if (r == 0 && plan->uses.count > 0)
		r = begin_stream(layout, RVS_BUNDLE_NAME, "", err);
	for (i = 0; i < rvs_tree_count(layout->tree) && r == 0; i++)
		if (plan->bundled[i])
			r = lay_file(plan, i, lay_bundled_hole,
				     lay_bundled_data, err);
	return r;
}

/* ---- the whole ---- */

int rvs_layout_init(struct rvs_layout *ret, struct rvs_store *store,
		    struct rvs_tree *tree, struct rvs_error *err)
{
	RVS_CLEANUP(plan_done) struct plan plan = { .layout = ret };
	struct rvs_error own = RVS_ERROR_INIT;
	uint32_t count = rvs_tree_count(tree), files = 0, i;
	int r;

	err = err ? err : &own; /* statuses are taken from it */
	ret->store = store;
	ret->tree = tree;
	ret->spans = calloc(count, sizeof(*ret->spans));
	plan.bundled = calloc(count, sizeof(*plan.bundled));
	plan.volumes = calloc((size_t)rvs_tree_volume_count(tree) + 1,
			      sizeof(*plan.volumes));
	if (!ret->spans || !plan.bundled || !plan.volumes)
		return rvs_error_no_memory(err);
	for (i = 0; i < count; i++)
		files += is_file(tree, i);
	plan.many = files > RVS_BUNDLE_FILES;
	r = lay_streams(&plan, err);
	return r < 0 ? r : lay_bundle(&plan, err);
}

void rvs_layout_done(struct rvs_layout *layout)
{
	size_t i;

	for (i = 0; i < layout->stream_count; i++)
		free(layout->streams[i].name);
	for (i = 0; i <= RVS_ZEROS_LOG_MAX; i++)
		rvs_buf_done(&layout->zeros[i]);
	free(layout->streams);
	free(layout->pieces);
	free(layout->spans);
	rvs_extents_done(&layout->extents);
}

const struct rvs_extent *rvs_layout_extents(const struct rvs_layout *layout,
					    uint32_t index, size_t *ret_count)
{
	const struct rvs_layout_span *span = &layout->spans[index];

	*ret_count = span->count;
	return layout->extents.items + span->first;
}

size_t rvs_layout_memory(const struct rvs_layout *layout)
{
	return layout->piece_capacity * sizeof(*layout->pieces) +
	       layout->stream_count * sizeof(*layout->streams) +
	       layout->extents.capacity * sizeof(*layout->extents.items);
}
