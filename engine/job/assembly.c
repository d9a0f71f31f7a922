#include "assembly.h"

#include <stdlib.h>
#include <string.h>

#include <rvs/job.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/pool.h"
#include "format/digest.h"
#include "format/gzip.h"
#include "layout.h"
#include "store/store.h"
#include "store/tree.h"
#include "store/volume.h"

enum { BATCH = 8 }; /* pieces that one job loads */

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

static int copy_whole(const struct rvs_layout *layout,
		      const struct rvs_piece *piece, struct loading *loading,
		      struct rvs_damage *damage, struct rvs_error *err)
{
	return rvs_volume_load(layout->store->volumes,
			       rvs_tree_volume(layout->tree, piece->volume),
			       piece->member, false, &loading->stored,
			       &loading->plain, damage, err);
}

static int read_part(const struct rvs_layout *layout,
		     const struct rvs_piece *piece, struct loading *loading,
		     struct rvs_damage *damage, struct rvs_error *err)
{
	const struct rvs_entry *file =
		rvs_tree_entry(layout->tree, piece->entry);
	uint8_t *bytes;
	ssize_t n;

	loading->plain.len = 0;
	bytes = rvs_buf_reserve(&loading->plain, piece->plain_len + 1);
	if (!bytes)
		return rvs_error_no_memory(err);
	n = rvs_tree_read(layout->tree, file, bytes, piece->plain_len,
			  piece->at, damage, err);
	if (n >= 0 && (size_t)n != piece->plain_len)
		return rvs_error_set(err, RVS_ERR_CORRUPT,
				     "a file is shorter than its manifest "
				     "says");
	loading->plain.len = piece->plain_len;
	return n < 0 ? (int)n : 0;
}

static int make_part(const struct rvs_layout *layout,
		     const struct rvs_piece *piece, struct loading *loading,
		     struct rvs_damage *damage, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_codec_cleanup) struct rvs_codec *codec = NULL;
	struct rvs_digest digest;
	int r = read_part(layout, piece, loading, damage, err);

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

static int copy_zeros(const struct rvs_layout *layout,
		      const struct rvs_piece *piece, struct loading *loading,
		      struct rvs_error *err)
{
	const struct rvs_buf *member = &layout->zeros[piece->member];

	loading->stored.len = 0;
	rvs_buf_put(&loading->stored, member->bytes, member->len);
	return rvs_buf_check(&loading->stored, err);
}

/* The member that the piece is, in loading->stored. */
static int load_piece(const struct rvs_layout *layout, size_t number,
		      struct loading *loading, struct rvs_damage *damage,
		      struct rvs_error *err)
{
	const struct rvs_piece *piece = &layout->pieces[number];
	int r;

	if (piece->kind == RVS_PIECE_WHOLE)
		r = copy_whole(layout, piece, loading, damage, err);
	else if (piece->kind == RVS_PIECE_PART)
		r = make_part(layout, piece, loading, damage, err);
	else
		r = copy_zeros(layout, piece, loading, err);
	if (r < 0)
		return r;
	if (loading->stored.len != piece->stored_len)
		return rvs_error_set(err, RVS_ERR_CORRUPT,
				     "a member is not as long as it was");
	rvs_gzip_renumber(loading->stored.bytes, (uint32_t)number);
	return 0;
}

/* The piece of @stream that holds the byte @offset. */
static size_t piece_at(const struct rvs_layout *layout,
		       const struct rvs_layout_stream *stream, uint64_t offset)
{
	size_t low = stream->first, high = stream->first + stream->count;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (layout->pieces[middle].place <= offset)
			low = middle;
		else
			high = middle;
	}
	return low;
}

ssize_t rvs_assembly_read(const struct rvs_layout *layout,
			  const struct rvs_layout_stream *stream, void *bytes,
			  size_t len, uint64_t offset,
			  struct rvs_damage *damage, struct rvs_error *err)
{
	RVS_CLEANUP(loading_done) struct loading loading = { RVS_BUF_INIT,
							     RVS_BUF_INIT };
	size_t done = 0, number = piece_at(layout, stream, offset);

	for (; done < len; number++) {
		const struct rvs_piece *piece = &layout->pieces[number];
		size_t start = (size_t)(offset + done - piece->place);
		size_t n = piece->stored_len - start;
		int r = load_piece(layout, number, &loading, damage, err);

		if (r < 0)
			return r;
		n = n < len - done ? n : len - done;
		memcpy((uint8_t *)bytes + done, loading.stored.bytes + start,
		       n);
		done += n;
	}
	return (ssize_t)done;
}

/* ---- proving ---- */

/* Some pieces of a stream, loaded on the pool. */
struct batch {
	struct rvs_job job; /* first: the lane gives this address back */
	struct rvs_layout *layout;
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
	struct rvs_piece *piece = &b->layout->pieces[number];
	struct rvs_gzip_header header;
	int r = load_piece(b->layout, number, &b->loading, &b->damage, &b->err);

	if (r < 0)
		return r;
	r = rvs_gzip_parse(b->loading.stored.bytes, b->loading.stored.len,
			   &header, &b->err);
	if (r < 0)
		return r;
	if (piece->kind == RVS_PIECE_PART)
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
	struct rvs_layout *layout;
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
	b->layout = proof->layout;
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

static int prove_stream(struct proof *proof, struct rvs_layout_stream *stream,
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

int rvs_assembly_prove(struct rvs_layout *layout,
		       const struct rvs_monitor *monitor,
		       struct rvs_damage *damage, struct rvs_error *err)
{
	struct proof proof = { .layout = layout,
			       .monitor = monitor,
			       .damage = damage };
	struct rvs_pool *pool = NULL;
	struct rvs_error own = RVS_ERROR_INIT;
	size_t i;
	int r;

	err = err ? err : &own; /* a batch's goes there */
	r = rvs_pool_new(layout->store->options.threads, &pool, err);
	if (r == 0)
		r = rvs_lane_new(pool, false, &proof.lane, err);
	if (r == 0)
		r = rvs_hasher_new(&proof.hasher, err);
	if (r == 0)
		proof.limit = 2 * (size_t)rvs_pool_threads(pool);
	for (i = 0; i < layout->stream_count && r == 0; i++)
		r = prove_stream(&proof, &layout->streams[i], err);
	rvs_hasher_free(proof.hasher);
	rvs_lane_free(proof.lane);
	rvs_pool_free(pool);
	return r;
}
