#include "ingest.h"

#include <fcntl.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/pool.h"
#include "batch.h"
#include "capture.h"
#include "chunker.h"
#include "dedup.h"
#include "format/gzip.h"
#include "piece.h"
#include "press.h"
#include "prior.h"
#include "source/input.h"
#include "store/store.h"

/* Pieces of one lane for each worker, so that none waits for the owner, who is
 * slow to wake; and for however many. */
enum { IN_FLIGHT = 6, IN_FLIGHT_MAX = 48 };

/* A file while it is taken in: from its first chunk to its end. */
struct file {
	struct rvs_dedup_file file;
	struct rvs_ingest *ingest;
	struct file *next; /* in the ingest's list */
	bool own_strand;   /* which ends with the file */
	bool whole;        /* one chunk: its digest is the file's */
};

struct rvs_ingest {
	struct rvs_ingest_options options;
	struct rvs_capture capture;
	struct rvs_lane *looking;
	struct rvs_lane *summing; /* serial */
	unsigned limit;           /* pieces in flight in a lane */
	struct rvs_pieces *pieces;
	struct rvs_piece *filling; /* gets the next chunks, or NULL */
	struct file *open; /* files whose end was not decided yet */
	struct rvs_batch *batch; /* small files, being filled */
	struct rvs_strand *bundle;
	struct rvs_chunker *chunker;
	struct rvs_dedup *dedup;
	uint64_t done_bytes, total_bytes; /* for progress */
};

/* ---- progress ---- */

static void report(struct rvs_ingest *ingest, uint64_t bytes)
{
	const struct rvs_monitor *m = ingest->options.monitor;

	ingest->done_bytes += bytes;
	if (m->progress)
		m->progress(m->arg, ingest->done_bytes,
			    ingest->total_bytes);
}

/* ---- deciding: what a piece becomes ---- */

static void drop_user(void *owner)
{
	rvs_piece_drop(owner);
}

static int decide_chunks(struct rvs_ingest *ingest, struct rvs_piece *p,
			 struct rvs_error *err)
{
	size_t i;
	int r = 0;

	if (p->whole)
		p->content->digest = p->chunks[0].digest;
	for (i = 0; i < p->count && r == 0; i++) {
		p->users++;
		r = rvs_dedup_chunk(ingest->dedup, &p->chunks[i], drop_user, p,
				    err);
	}
	return r;
}

/* A complete stream holds its zeros, though no extent leads to them. */
static int decide_hole(struct rvs_ingest *ingest, struct rvs_piece *p,
		       struct rvs_error *err)
{
	const struct file *file = p->file;
	uint64_t left = file->file.complete ? p->len : 0;
	uint32_t number;
	int r = rvs_content_add(p->content, p->at, RVS_HOLE, 0, 0, err);

	while (r == 0 && left > 0) {
		size_t n = left < RVS_MEMBER_PLAIN_MAX ? (size_t)left :
							 RVS_MEMBER_PLAIN_MAX;

		r = rvs_press_put(ingest->options.press, file->file.strand,
				  rvs_pieces_zeros(ingest->pieces), n, NULL,
				  NULL, NULL, &number, err);
		left -= n;
	}
	return r;
}

static void free_file(struct rvs_ingest *ingest, struct file *file)
{
	struct file **link = &ingest->open;

	while (*link != file)
		link = &(*link)->next;
	*link = file->next;
	free(file);
}

static int decide_end(struct rvs_ingest *ingest, struct rvs_piece *p,
		      struct rvs_error *err)
{
	struct file *file = p->file;
	uint32_t number;
	int r = 0;

	/* An empty file is an empty member: nothing at all is no gzip. */
	if (file->file.complete && rvs_strand_is_empty(file->file.strand))
		r = rvs_press_put(ingest->options.press, file->file.strand, "",
				  0, NULL, NULL, NULL, &number, err);
	if (r == 0 && file->own_strand)
		r = rvs_press_end(ingest->options.press, file->file.strand,
				  err);
	free_file(ingest, file);
	return r;
}

static int decide_batch(struct rvs_ingest *ingest, struct rvs_batch *batch,
			struct rvs_error *err)
{
	int r = rvs_batch_store(batch, ingest->dedup, ingest->bundle, err);

	report(ingest, rvs_batch_bytes(batch));
	rvs_batch_free(batch);
	return r;
}

static int decide_piece(struct rvs_ingest *ingest, struct rvs_piece *p,
			struct rvs_error *err)
{
	int r = p->status;

	if (r < 0 && err)
		*err = p->err;
	if (r == 0 && p->kind == RVS_PIECE_DATA)
		r = decide_chunks(ingest, p, err);
	else if (r == 0 && p->kind == RVS_PIECE_HOLE)
		r = decide_hole(ingest, p, err);
	else if (r == 0)
		r = decide_end(ingest, p, err);
	report(ingest, p->len);
	rvs_piece_drop(p);
	return r;
}

/* ---- moving pieces on ---- */

static int collect_looked(struct rvs_ingest *ingest, size_t limit,
			  struct rvs_error *err)
{
	int r = 0;

	while (rvs_lane_depth(ingest->looking) > limit && r == 0) {
		struct rvs_job *job = rvs_lane_collect(ingest->looking);
		struct rvs_batch *batch = rvs_batch_of(job);

		r = batch ? decide_batch(ingest, batch, err) :
			    decide_piece(ingest, (struct rvs_piece *)job, err);
	}
	return r;
}

static void collect_summed(struct rvs_ingest *ingest, size_t limit)
{
	while (rvs_lane_depth(ingest->summing) > limit)
		rvs_piece_drop(
			rvs_piece_of_sum(rvs_lane_collect(ingest->summing)));
}

static bool is_cancelled(const struct rvs_ingest *ingest)
{
	const struct rvs_monitor *m = ingest->options.monitor;

	return m->cancelled && m->cancelled(m->arg);
}

static int make_room(struct rvs_ingest *ingest, struct rvs_error *err)
{
	int r = collect_looked(ingest, ingest->limit, err);

	collect_summed(ingest, ingest->limit);
	if (r == 0 && is_cancelled(ingest))
		return rvs_error_set(err, RVS_ERR_INTERRUPTED, "interrupted");
	return r;
}

static int new_piece(struct file *file, enum rvs_piece_kind kind,
		     struct rvs_piece **ret, struct rvs_error *err)
{
	struct rvs_ingest *ingest = file->ingest;
	int r = make_room(ingest, err);

	if (r < 0)
		return r;
	*ret = rvs_piece_new(ingest->pieces, kind, file->file.content);
	if (!*ret)
		return rvs_error_no_memory(err);
	(*ret)->file = file;
	return 0;
}

static void send_piece(struct rvs_ingest *ingest, struct rvs_piece *p)
{
	if (!p->whole) {
		p->users++;
		rvs_lane_submit(ingest->summing, &p->sum);
	}
	rvs_lane_submit(ingest->looking, &p->look);
}

static void send_filling(struct rvs_ingest *ingest)
{
	if (ingest->filling)
		send_piece(ingest, rvs_take(ingest->filling));
}

static int send_chunk(void *arg, struct rvs_window *window,
		      const uint8_t *bytes, size_t len, bool whole,
		      struct rvs_error *err)
{
	struct file *file = arg;
	struct rvs_ingest *ingest = file->ingest;
	int r = 0;

	if (!ingest->filling ||
	    !rvs_piece_add(ingest->filling, &file->file, window, bytes, len)) {
		send_filling(ingest);
		r = new_piece(file, RVS_PIECE_DATA, &ingest->filling, err);
		if (r < 0)
			return r;
		(void)rvs_piece_add(ingest->filling, &file->file, window, bytes,
				    len);
	}
	ingest->filling->whole = file->whole = whole;
	file->file.content->size += len;
	return 0;
}

/* A piece without bytes: @len zeros, or the end. */
static int send_bare(struct file *file, enum rvs_piece_kind kind, uint64_t len,
		     struct rvs_error *err)
{
	struct rvs_piece *p;
	int r;

	send_filling(file->ingest);
	r = new_piece(file, kind, &p, err);
	if (r < 0)
		return r;
	p->len = len;
	p->whole = kind == RVS_PIECE_END && file->whole;
	file->file.content->size += len;
	send_piece(file->ingest, p);
	return 0;
}

static int send_hole(void *arg, uint64_t len, struct rvs_error *err)
{
	return send_bare(arg, RVS_PIECE_HOLE, len, err);
}

/* ---- files ---- */

static int bundle_of(struct rvs_ingest *ingest, struct rvs_strand **ret,
		     struct rvs_error *err)
{
	int r = 0;

	if (!ingest->bundle)
		r = rvs_press_begin(ingest->options.press, RVS_BUNDLE_NAME,
				    &ingest->bundle, err);
	*ret = ingest->bundle;
	return r;
}

static int new_file(struct rvs_ingest *ingest, const char *stream,
		    const struct rvs_entry *old, struct rvs_content *content,
		    struct file **ret, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_cleanup_free)
	struct file *file = calloc(1, sizeof(*file));
	int r;

	if (!file)
		return rvs_error_no_memory(err);
	file->ingest = ingest;
	file->file.content = content;
	file->file.old = old;
	file->file.complete = stream && !ingest->options.prior;
	file->own_strand = stream != NULL;
	r = stream ? rvs_press_begin(ingest->options.press, stream,
				     &file->file.strand, err) :
		     bundle_of(ingest, &file->file.strand, err);
	if (r < 0)
		return r;
	file->next = ingest->open;
	ingest->open = *ret = rvs_take(file);
	return 0;
}

/* Send the bytes of the file on their way.  What cannot be read to its end comes
 * to an end all the same. */
static int send_file(struct file *file, int fd, uint64_t size,
		     struct rvs_error *err)
{
	const struct rvs_chunker_sink sink = { file, send_chunk, send_hole };
	struct rvs_content *content = file->file.content;
	int r = rvs_chunker_read(file->ingest->chunker, fd, size, content,
				 &sink, err);

	if (r < 0 && !content->unreadable)
		return r;
	return send_bare(file, RVS_PIECE_END, 0, err);
}

/* The prior may have a file of just these bytes, whose extents @content gets;
 * 1: it has none. */
static int find_copy(struct rvs_ingest *ingest, int fd, uint64_t size,
		     struct rvs_content *content, struct rvs_error *err)
{
	int r = rvs_chunker_digest(ingest->chunker, fd, size,
				   ingest->options.monitor, content, err);

	if (r == 0)
		r = rvs_dedup_copy(ingest->dedup, content, size, err);
	if (r != 0)
		return r;
	content->size = size;
	report(ingest, size);
	return 0;
}

/* Take in the file open at @fd. */
static int read_file(struct rvs_ingest *ingest,
		     const struct rvs_ingest_file *wanted, int fd,
		     uint64_t size, struct rvs_content *ret,
		     struct rvs_error *err)
{
	struct rvs_input input = rvs_input_of_fd(fd, size);
	const struct rvs_prior *prior = ingest->options.prior;
	struct file *file = NULL;
	int r = 1;

	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* a hint */
	rvs_content_count(ret, &input, wanted->path);
	if (prior && !wanted->old && rvs_prior_has_size(prior, size))
		r = find_copy(ingest, fd, size, ret, err);
	if (r != 1)
		return r;
	r = new_file(ingest, wanted->stream, wanted->old, ret, &file, err);
	return r < 0 ? r : send_file(file, fd, size, err);
}

/* 1: it is not there, or cannot be opened, which @ret says. */
static int take_in(struct rvs_ingest *ingest,
		   const struct rvs_ingest_file *file, struct rvs_content *ret,
		   struct rvs_error *err)
{
	RVS_CLEANUP(rvs_cleanup_fd) int own = -1;
	uint64_t size = 0;
	int r = rvs_capture_file(&ingest->capture, file->path, file->clone, ret,
				 &own, &size, err);

	return r != 0 ? r :
			read_file(ingest, file, own >= 0 ? own : file->clone,
				  size, ret, err);
}

int rvs_ingest_file(struct rvs_ingest *ingest,
		    const struct rvs_ingest_file *file,
		    struct rvs_content *ret, struct rvs_error *err)
{
	int r = take_in(ingest, file, ret, err);

	if (r >= 0 || ret->unreadable)
		return 0;
	return rvs_error_context(err, "%s", file->path);
}

/* ---- small files ---- */

static int send_batch(struct rvs_ingest *ingest, struct rvs_error *err)
{
	struct rvs_strand *bundle;
	int r;

	if (!ingest->batch)
		return 0;
	r = bundle_of(ingest, &bundle, err);
	if (r == 0)
		r = make_room(ingest, err);
	if (r < 0)
		return r;
	rvs_lane_submit(ingest->looking,
			rvs_batch_job(rvs_take(ingest->batch)));
	return 0;
}

int rvs_ingest_small(struct rvs_ingest *ingest, const char *path,
		     uint64_t size, struct rvs_content *ret,
		     struct rvs_error *err)
{
	int r = 0;

	if (ingest->batch && !rvs_batch_has_room(ingest->batch, size))
		r = send_batch(ingest, err);
	if (r == 0 && !ingest->batch)
		r = rvs_batch_new(&ingest->capture, &ingest->batch, err);
	return r < 0 ? r : rvs_batch_add(ingest->batch, path, size, ret, err);
}

/* ---- the whole ---- */

int rvs_ingest_new(const struct rvs_ingest_options *options,
		   struct rvs_ingest **ret, struct rvs_error *err)
{
	struct rvs_ingest *ingest = calloc(1, sizeof(*ingest));
	int r;

	if (!ingest)
		return rvs_error_no_memory(err);
	ingest->options = *options;
	ingest->limit = IN_FLIGHT * rvs_pool_threads(options->pool);
	if (ingest->limit > IN_FLIGHT_MAX)
		ingest->limit = IN_FLIGHT_MAX;
	ingest->capture = (struct rvs_capture){ options->source,
						options->monitor,
						options->scratch };
	r = rvs_chunker_new(&ingest->chunker, err);
	if (r == 0)
		r = rvs_dedup_new(options->press, options->prior,
				  options->volume, &ingest->dedup, err);
	if (r == 0)
		r = rvs_pieces_new(options->pool, ingest->dedup,
				   &ingest->pieces, err);
	if (r == 0)
		r = rvs_lane_new(options->pool, false, &ingest->looking, err);
	if (r == 0)
		r = rvs_lane_new(options->pool, true, &ingest->summing, err);
	if (r < 0) {
		rvs_ingest_free(ingest);
		return r;
	}
	*ret = ingest;
	return 0;
}

/* Give up what is on its way, so that nothing leads here any more. */
static void abandon_looked(struct rvs_ingest *ingest)
{
	struct rvs_job *job;

	while (ingest->looking && (job = rvs_lane_collect(ingest->looking)))
		rvs_batch_free(rvs_batch_of(job));
	while (ingest->open)
		free_file(ingest, ingest->open);
}

void rvs_ingest_free(struct rvs_ingest *ingest)
{
	if (!ingest)
		return;
	abandon_looked(ingest);
	rvs_lane_free(ingest->looking);
	rvs_lane_free(ingest->summing);
	rvs_pieces_free(ingest->pieces);
	rvs_chunker_free(ingest->chunker);
	rvs_dedup_free(ingest->dedup);
	rvs_batch_free(ingest->batch);
	free(ingest);
}

void rvs_ingest_expect(struct rvs_ingest *ingest, uint64_t bytes)
{
	ingest->total_bytes += bytes;
}

int rvs_ingest_finish(struct rvs_ingest *ingest, struct rvs_error *err)
{
	int r = send_batch(ingest, err);

	if (r == 0)
		r = collect_looked(ingest, 0, err);
	collect_summed(ingest, 0);
	if (r == 0)
		r = rvs_pieces_check(ingest->pieces, err);
	return r < 0 ? r : rvs_press_drain(ingest->options.press, err);
}

int rvs_ingest_end(struct rvs_ingest *ingest, struct rvs_error *err)
{
	if (!ingest->bundle)
		return 0;
	return rvs_press_end(ingest->options.press, rvs_take(ingest->bundle),
			     err);
}
