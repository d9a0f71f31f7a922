#include "ingest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/pool.h"
#include "format/cut.h"
#include "format/digest.h"
#include "format/gzip.h"
#include "press.h"
#include "prior.h"
#include "source/redb.h"
#include "source/scan.h"
#include "source/vectors.h"
#include "store/known.h"
#include "store/store.h"

enum {
	IN_FLIGHT = 4, /* chunks of one lane, for each worker */
	BATCH_FILES = 64,
	BATCH_BYTES = RVS_GATHER_MAX,
	ZERO_BLOCK = 64 << 10, /* the shortest run of zeros that is a hole */
	WINDOW = 2 << 20,
	HOLE_PIECE = 16 << 20,
	/* A chunk in more pieces than this is stored whole again: the old
	 * members that it is read from are mostly dead for it by then. */
	PIECES_MAX = 24,
	LIVE_S = 10, /* written so lately, a database is being written */
};

/* A file while it is taken in: from its first chunk to its end. */
struct file {
	struct file *next; /* in the ingest's list */
	struct rvs_content *content;
	const struct rvs_entry *old;
	struct rvs_strand *strand;
	bool own_strand; /* which ends with the file */
	bool complete;   /* the stream must hold every byte */
};

/*
 * What is read of files, in order; chunks lie in it, however many files they
 * are of.  Another one begins with the bytes that were not cut yet.
 */
struct window {
	unsigned users; /* chunks, and the ingest while it fills it */
	struct window *spare; /* in the list of windows to use again */
	struct window *all;   /* in the list of all */
	uint8_t bytes[WINDOW];
};

/* A run of pages, equal to the old file's or not. */
struct run {
	uint32_t start; /* in the chunk */
	uint32_t len;
	bool same;
};

enum kind { CHUNK, HOLE, END };

/*
 * A piece of a file on its way.  "Looking" hashes it and finds it in the prior;
 * "summing" adds it to the file's digest; the press may hold its bytes, too.
 */
struct chunk {
	struct rvs_job look; /* first: the lane gives this address back */
	struct {
		struct rvs_job job;
		struct chunk *chunk;
	} sum;
	enum kind kind;
	struct rvs_ingest *ingest;
	struct file *file;
	struct rvs_content *content; /* outlives file */
	uint64_t at;
	uint64_t len;
	bool whole; /* the file is this one chunk: its digest is the file's */
	unsigned users;
	struct rvs_digest digest;
	bool known;
	uint32_t volume, member; /* where, if known */
	struct rvs_buf old;
	struct rvs_buf runs;
	int status;
	struct rvs_error err;
	struct window *window; /* of a chunk that is no hole */
	const uint8_t *bytes;  /* in it */
	struct chunk *spare; /* in the list of chunks to use again */
	struct chunk *all;   /* in the list of all */
};

/* Small files on their way together. */
struct batch {
	struct rvs_job look;
	struct rvs_ingest *ingest;
	size_t count;
	uint64_t planned; /* bytes */
	struct batch_file {
		char *path;
		struct rvs_content *content;
		uint64_t size;
		size_t start; /* in bytes */
	} files[BATCH_FILES];
	struct rvs_buf bytes;
	int status;
	struct rvs_error err;
};

/* Bytes that this snapshot itself has stored: a chunk or a small file. */
struct stored {
	struct rvs_digest digest;
	uint32_t len;
	uint32_t number; /* of the member */
	uint32_t offset; /* in it */
};

struct rvs_ingest {
	struct rvs_ingest_options options;
	struct rvs_cut cut;
	struct rvs_lane *looking;
	struct rvs_lane *summing; /* serial */
	struct rvs_hasher *hasher; /* of the lane summing */
	unsigned limit;            /* pieces in flight in a lane */
	struct chunk *spares, *all;
	struct file *open; /* files whose end was not decided yet */
	struct batch *batch; /* being filled */
	struct rvs_strand *bundle;
	struct window *window; /* being filled */
	size_t filled;         /* bytes of it that are chunks */
	struct window *spare_windows, *all_windows;
	uint8_t *zeros; /* a member of them */
	struct rvs_known known; /* to a place in stored */
	struct stored *stored;
	size_t stored_count;
	uint64_t done_bytes, total_bytes; /* for progress */
	int sum_status; /* of the lane summing: its jobs alone write it while
			   any is in flight */
	struct rvs_error sum_err;
};

void rvs_content_done(struct rvs_content *content)
{
	rvs_extents_done(&content->extents);
	free(content->uncounted);
}

/* ---- jobs: looking ---- */

/* The pages of a chunk that equal the old file's at the same offset. */
static int compare_pages(struct chunk *c)
{
	const struct rvs_prior *prior = c->ingest->options.prior;
	const struct rvs_entry *old = c->file->old;
	uint64_t end = c->at + c->len, old_end, at, next;
	bool any = false;
	ssize_t n;

	if (!old || c->at >= old->size)
		return 0;
	c->old.len = 0;
	if (!rvs_buf_reserve(&c->old, c->len))
		return rvs_error_no_memory(&c->err);
	n = rvs_tree_peek(rvs_prior_tree(prior), old, c->old.bytes, c->len,
			  c->at, NULL);
	/* A damaged base costs space, it does not stop a new snapshot. */
	old_end = c->at + (uint64_t)(n < 0 ? 0 : n);
	c->runs.len = 0;
	for (at = c->at; at < end; at = next) {
		struct run run = { .start = (uint32_t)(at - c->at) };
		struct run *last =
			c->runs.len ? (struct run *)(c->runs.bytes +
						     c->runs.len) - 1 :
				      NULL;

		next = (at / RVS_PAGE_LEN + 1) * RVS_PAGE_LEN;
		next = next < end ? next : end;
		run.len = (uint32_t)(next - at);
		run.same = next <= old_end &&
			   !memcmp(c->bytes + run.start,
				   c->old.bytes + run.start, run.len);
		any |= run.same;
		if (last && last->same == run.same)
			last->len += run.len;
		else
			rvs_buf_put(&c->runs, &run, sizeof(run));
	}
	if (!any)
		c->runs.len = 0; /* all new: a member of its own */
	return rvs_buf_check(&c->runs, &c->err);
}

static void look_at_chunk(struct rvs_job *job, unsigned worker)
{
	struct chunk *c = (struct chunk *)job;
	const struct rvs_prior *prior = c->ingest->options.prior;

	(void)worker;
	c->status = 0;
	c->known = false;
	c->runs.len = 0;
	if (c->kind != CHUNK)
		return;
	c->status = rvs_digest_of(c->bytes, c->len, &c->digest, &c->err);
	if (c->status < 0 || !prior)
		return;
	c->known = rvs_prior_find_member(prior, &c->digest, c->len, &c->volume,
					 &c->member);
	if (!c->known)
		c->status = compare_pages(c);
}

/* A damaged file has no count, and says why; it fails nothing. */
static void count_vectors(const struct rvs_input *input, const char *path,
			  struct rvs_content *ret)
{
	struct rvs_vectors vectors;

	rvs_vectors_count(input, path, &vectors);
	ret->vectors = vectors.vectors;
	free(ret->uncounted); /* of an earlier reading */
	ret->uncounted = vectors.note[0] ? strdup(vectors.note) : NULL;
}

/* After a failed system call on a file of the source. */
static int cannot_read(struct rvs_content *content, struct rvs_error *err)
{
	if (rvs_source_is_unreadable(errno))
		content->unreadable = errno;
	return rvs_error_errno(err, "cannot read");
}

static int read_small(struct batch *batch, struct batch_file *file, int fd)
{
	struct rvs_content *content = file->content;
	uint8_t *end = rvs_buf_reserve(&batch->bytes, file->size);
	struct rvs_input input;
	ssize_t n;

	if (!end)
		return rvs_error_no_memory(&batch->err);
	n = rvs_io_pread(fd, end, file->size, 0);
	if (n < 0)
		return cannot_read(content, &batch->err) < 0 &&
				       !content->unreadable ?
			       batch->err.status :
			       0;
	batch->bytes.len += (size_t)n;
	content->size = (uint64_t)n;
	input = rvs_input_of_memory(end, (size_t)n);
	count_vectors(&input, file->path, content);
	return rvs_digest_of(end, (size_t)n, &content->digest, &batch->err);
}

static int open_source_file(struct rvs_ingest *ingest, const char *path,
			    struct rvs_content *content, int *ret_fd,
			    struct rvs_error *err)
{
	struct rvs_error why = RVS_ERROR_INIT;
	int r = rvs_source_open_file(ingest->options.source, path, ret_fd,
				     &why);

	/* Gone, or replaced by something else, or a directory on its way was:
	 * the second look sees it, too. */
	if (r == RVS_ERR_NOT_FOUND || r == RVS_ERR_BUSY ||
	    why.os_error == ELOOP || why.os_error == ENOTDIR) {
		content->missing = true;
		return 1;
	}
	if (r < 0 && rvs_source_is_unreadable(why.os_error)) {
		content->unreadable = why.os_error;
		return 1;
	}
	if (r < 0 && err)
		*err = why;
	return r;
}

static void look_at_batch(struct rvs_job *job, unsigned worker)
{
	struct batch *batch = (struct batch *)job;
	size_t i;

	(void)worker;
	for (i = 0; i < batch->count && batch->status >= 0; i++) {
		struct batch_file *file = &batch->files[i];
		RVS_CLEANUP(rvs_cleanup_fd) int fd = -1;

		file->start = batch->bytes.len;
		batch->status = open_source_file(batch->ingest, file->path,
						 file->content, &fd,
						 &batch->err);
		if (batch->status == 0)
			batch->status = read_small(batch, file, fd);
	}
}

/* ---- jobs: summing ---- */

static void sum_chunk(struct rvs_job *job, unsigned worker)
{
	struct chunk *c = ((__typeof__(c->sum) *)(void *)job)->chunk;
	struct rvs_ingest *ingest = c->ingest;
	uint64_t left = c->len;
	int r;

	(void)worker;
	if (c->kind == CHUNK) {
		rvs_hasher_add(ingest->hasher, c->bytes, c->len);
		return;
	}
	if (c->kind == HOLE) {
		for (; left > RVS_MEMBER_PLAIN_MAX; left -= RVS_MEMBER_PLAIN_MAX)
			rvs_hasher_add(ingest->hasher, ingest->zeros,
				       RVS_MEMBER_PLAIN_MAX);
		rvs_hasher_add(ingest->hasher, ingest->zeros, left);
		return;
	}
	r = rvs_hasher_finish(ingest->hasher, &c->content->digest,
			      &ingest->sum_err);
	if (r < 0)
		ingest->sum_status = r;
}

/* ---- chunks ---- */

static void drop_window(struct rvs_ingest *ingest, struct window *window)
{
	if (!window || --window->users > 0)
		return;
	window->spare = ingest->spare_windows;
	ingest->spare_windows = window;
}

/* What is in flight bounds how many there are. */
static struct window *new_window(struct rvs_ingest *ingest)
{
	struct window *window = ingest->spare_windows;

	if (window) {
		ingest->spare_windows = window->spare;
	} else {
		window = malloc(sizeof(*window));
		if (!window)
			return NULL;
		window->all = ingest->all_windows;
		ingest->all_windows = window;
	}
	window->users = 1;
	return window;
}

static void free_windows(struct rvs_ingest *ingest)
{
	while (ingest->all_windows) {
		struct window *window = ingest->all_windows;

		ingest->all_windows = window->all;
		free(window);
	}
}

static void drop_user(void *owner)
{
	struct chunk *c = owner;

	if (--c->users > 0)
		return;
	drop_window(c->ingest, rvs_take(c->window));
	c->spare = c->ingest->spares;
	c->ingest->spares = c;
}

static struct chunk *new_chunk(struct rvs_ingest *ingest)
{
	struct chunk *c = ingest->spares;

	if (c) {
		ingest->spares = c->spare;
		return c;
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->ingest = ingest;
	c->sum.chunk = c;
	c->look.run = look_at_chunk;
	c->sum.job.run = sum_chunk;
	c->all = ingest->all;
	ingest->all = c;
	return c;
}

static void free_chunks(struct rvs_ingest *ingest)
{
	while (ingest->all) {
		struct chunk *c = ingest->all;

		ingest->all = c->all;
		rvs_buf_done(&c->old);
		rvs_buf_done(&c->runs);
		free(c);
	}
}

/* ---- deciding: what a piece becomes ---- */

static int add_extent(struct rvs_content *content, uint64_t at, uint32_t volume,
		      uint32_t member, uint32_t offset, struct rvs_error *err)
{
	const struct rvs_extent extent = { at, volume, member, offset };

	return rvs_extents_add(&content->extents, &extent, err);
}

/* The extents of @old from @at, @len bytes of them, serve @content as well. */
static int share_extents(const struct rvs_ingest *ingest,
			 struct rvs_content *content,
			 const struct rvs_entry *old, uint64_t at, uint64_t len,
			 struct rvs_error *err)
{
	size_t count, i;
	const struct rvs_extent *items = rvs_tree_extents(
		rvs_prior_tree(ingest->options.prior), old, &count);
	int r = 0;

	if (count == 0)
		return 0;
	for (i = rvs_extent_find(items, count, at);
	     r == 0 && i < count && items[i].at < at + len; i++) {
		uint64_t from = items[i].at > at ? items[i].at : at;

		r = add_extent(content, from, items[i].volume, items[i].member,
			       items[i].volume == RVS_HOLE ?
				       0 :
				       items[i].offset +
					       (uint32_t)(from - items[i].at),
			       err);
	}
	return r;
}

static int gather(struct rvs_ingest *ingest, struct rvs_strand *strand,
		  struct rvs_content *content, uint64_t at,
		  const uint8_t *bytes, size_t len, struct rvs_error *err)
{
	while (len > 0) {
		size_t n = len < RVS_GATHER_MAX ? len : RVS_GATHER_MAX;
		uint32_t number, offset;
		int r = rvs_press_gather(ingest->options.press, strand, bytes,
					 n, &number, &offset, err);

		if (r == 0)
			r = add_extent(content, at, ingest->options.volume,
				       number, offset, err);
		if (r < 0)
			return r;
		at += n;
		bytes += n;
		len -= n;
	}
	return 0;
}

static int decide_runs(struct rvs_ingest *ingest, struct chunk *c,
		       struct rvs_error *err)
{
	const struct run *runs = (const struct run *)c->runs.bytes;
	size_t count = c->runs.len / sizeof(*runs), i;
	int r = 0;

	for (i = 0; i < count && r == 0; i++)
		r = runs[i].same ?
			    share_extents(ingest, c->content, c->file->old,
					  c->at + runs[i].start, runs[i].len,
					  err) :
			    gather(ingest, c->file->strand, c->content,
				   c->at + runs[i].start,
				   c->bytes + runs[i].start, runs[i].len, err);
	return r;
}

/* One run of equal pages: then nothing is stored, however old it is. */
static bool is_unchanged(const struct chunk *c)
{
	return c->runs.len == sizeof(struct run) &&
	       ((const struct run *)c->runs.bytes)->same;
}

/* How many extents a chunk would have that shares pages with the old file. */
static size_t count_pieces(const struct rvs_ingest *ingest,
			   const struct chunk *c)
{
	const struct run *runs = (const struct run *)c->runs.bytes;
	const struct rvs_entry *old = c->file->old;
	size_t pieces = 0, count, i, k;
	const struct rvs_extent *items = rvs_tree_extents(
		rvs_prior_tree(ingest->options.prior), old, &count);

	for (i = 0; i < c->runs.len / sizeof(*runs); i++) {
		uint64_t end = c->at + runs[i].start + runs[i].len;

		pieces++;
		if (!runs[i].same)
			continue;
		k = rvs_extent_find(items, count, c->at + runs[i].start) + 1;
		for (; k < count && items[k].at < end; k++)
			pieces++;
	}
	return pieces;
}

static const struct stored *find_stored(const struct rvs_ingest *ingest,
					const struct rvs_digest *digest,
					uint64_t len)
{
	const struct stored *stored;
	uint32_t place, unused;

	if (!rvs_known_find(&ingest->known, digest, &place, &unused))
		return NULL;
	stored = &ingest->stored[place];
	return stored->len == len && rvs_digest_equal(&stored->digest, digest) ?
		       stored :
		       NULL;
}

static int remember(struct rvs_ingest *ingest, const struct stored *stored,
		    struct rvs_error *err)
{
	size_t n = ingest->stored_count;

	/* Powers of two are when it is full. */
	if ((n & (n - 1)) == 0) {
		struct stored *items = reallocarray(
			ingest->stored, n ? 2 * n : 1, sizeof(*items));

		if (!items)
			return rvs_error_no_memory(err);
		ingest->stored = items;
	}
	ingest->stored[ingest->stored_count++] = *stored;
	return rvs_known_add(&ingest->known, &stored->digest, (uint32_t)n, 0,
			     err);
}

static int store_chunk(struct rvs_ingest *ingest, struct chunk *c,
		       struct rvs_error *err)
{
	struct stored stored = { .digest = c->digest, .len = (uint32_t)c->len };
	int r;

	c->users++;
	r = rvs_press_put(ingest->options.press, c->file->strand, c->bytes,
			  c->len, &c->digest, drop_user, c, &stored.number,
			  err);
	if (r == 0)
		r = add_extent(c->content, c->at, ingest->options.volume,
			       stored.number, 0, err);
	/* A complete stream may be given up and begun anew: nothing else may
	 * hang on its members. */
	if (r == 0 && !c->file->complete)
		r = remember(ingest, &stored, err);
	return r;
}

static int decide_chunk(struct rvs_ingest *ingest, struct chunk *c,
			struct rvs_error *err)
{
	const struct stored *stored = NULL;

	if (c->whole)
		c->content->digest = c->digest;
	if (c->known)
		return add_extent(c->content, c->at, c->volume, c->member, 0,
				  err);
	if (!c->file->complete)
		stored = find_stored(ingest, &c->digest, c->len);
	if (stored)
		return add_extent(c->content, c->at, ingest->options.volume,
				  stored->number, stored->offset, err);
	if (c->runs.len > 0 && (is_unchanged(c) ||
				count_pieces(ingest, c) <= PIECES_MAX))
		return decide_runs(ingest, c, err);
	return store_chunk(ingest, c, err);
}

/* A complete stream holds its zeros, though no extent leads to them. */
static int decide_hole(struct rvs_ingest *ingest, struct chunk *c,
		       struct rvs_error *err)
{
	uint64_t left = c->file->complete ? c->len : 0;
	uint32_t number;
	int r = add_extent(c->content, c->at, RVS_HOLE, 0, 0, err);

	while (r == 0 && left > 0) {
		size_t n = left < RVS_MEMBER_PLAIN_MAX ? (size_t)left :
							 RVS_MEMBER_PLAIN_MAX;

		r = rvs_press_put(ingest->options.press, c->file->strand,
				  ingest->zeros, n, NULL, NULL, NULL, &number,
				  err);
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

static int decide_end(struct rvs_ingest *ingest, struct chunk *c,
		      struct rvs_error *err)
{
	struct file *file = c->file;
	uint32_t number;
	int r = 0;

	/* An empty file is an empty member: nothing at all is no gzip. */
	if (file->complete && rvs_strand_is_empty(file->strand))
		r = rvs_press_put(ingest->options.press, file->strand, "", 0,
				  NULL, NULL, NULL, &number, err);
	if (r == 0 && file->own_strand)
		r = rvs_press_end(ingest->options.press, file->strand, err);
	free_file(ingest, file);
	return r;
}

static int store_small(struct rvs_ingest *ingest, const struct batch *batch,
		       const struct batch_file *file, struct rvs_error *err)
{
	struct rvs_content *content = file->content;
	struct stored stored = { .digest = content->digest,
				 .len = (uint32_t)content->size };
	int r = rvs_press_gather(ingest->options.press, ingest->bundle,
				 batch->bytes.bytes + file->start, stored.len,
				 &stored.number, &stored.offset, err);

	if (r == 0)
		r = add_extent(content, 0, ingest->options.volume,
			       stored.number, stored.offset, err);
	return r < 0 ? r : remember(ingest, &stored, err);
}

static int decide_small(struct rvs_ingest *ingest, const struct batch *batch,
			const struct batch_file *file, struct rvs_error *err)
{
	const struct rvs_prior *prior = ingest->options.prior;
	struct rvs_content *content = file->content;
	const struct stored *stored;
	const struct rvs_entry *old = NULL;

	if (content->missing || content->unreadable || content->size == 0)
		return 0;
	if (prior)
		old = rvs_prior_find_file(prior, &content->digest,
					  content->size);
	if (old)
		return share_extents(ingest, content, old, 0, old->size, err);
	stored = find_stored(ingest, &content->digest, content->size);
	if (stored)
		return add_extent(content, 0, ingest->options.volume,
				  stored->number, stored->offset, err);
	return store_small(ingest, batch, file, err);
}

static void free_batch(struct batch *batch)
{
	size_t i;

	if (!batch)
		return;
	for (i = 0; i < batch->count; i++)
		free(batch->files[i].path);
	rvs_buf_done(&batch->bytes);
	free(batch);
}

static int decide_batch(struct rvs_ingest *ingest, struct batch *batch,
			struct rvs_error *err)
{
	int r = batch->status < 0 ? batch->status : 0;
	size_t i;

	if (r < 0 && err)
		*err = batch->err;
	for (i = 0; i < batch->count && r == 0; i++)
		r = decide_small(ingest, batch, &batch->files[i], err);
	free_batch(batch);
	return r;
}

static int decide_piece(struct rvs_ingest *ingest, struct chunk *c,
			struct rvs_error *err)
{
	int r = c->status;

	if (r < 0 && err)
		*err = c->err;
	if (r == 0 && c->kind == CHUNK)
		r = decide_chunk(ingest, c, err);
	else if (r == 0 && c->kind == HOLE)
		r = decide_hole(ingest, c, err);
	else if (r == 0)
		r = decide_end(ingest, c, err);
	drop_user(c);
	return r;
}

/* ---- moving pieces on ---- */

static int collect_looked(struct rvs_ingest *ingest, size_t limit,
			  struct rvs_error *err)
{
	int r = 0;

	while (rvs_lane_depth(ingest->looking) > limit && r == 0) {
		struct rvs_job *job = rvs_lane_collect(ingest->looking);

		r = job->run == look_at_batch ?
			    decide_batch(ingest, (struct batch *)job, err) :
			    decide_piece(ingest, (struct chunk *)job, err);
	}
	return r;
}

static void collect_summed(struct rvs_ingest *ingest, size_t limit)
{
	while (rvs_lane_depth(ingest->summing) > limit) {
		struct rvs_job *job = rvs_lane_collect(ingest->summing);

		drop_user(((__typeof__(((struct chunk *)0)->sum) *)(void *)job)
				  ->chunk);
	}
}

static bool is_cancelled(const struct rvs_ingest *ingest)
{
	const struct rvs_monitor *m = ingest->options.monitor;

	return m->cancelled && m->cancelled(m->arg);
}

static void report(struct rvs_ingest *ingest, uint64_t bytes)
{
	const struct rvs_monitor *m = ingest->options.monitor;

	ingest->done_bytes += bytes;
	if (m->progress)
		m->progress(m->arg, ingest->done_bytes,
			    ingest->total_bytes);
}

static int make_room(struct rvs_ingest *ingest, struct rvs_error *err)
{
	int r = collect_looked(ingest, ingest->limit, err);

	collect_summed(ingest, ingest->limit);
	if (r == 0 && is_cancelled(ingest))
		return rvs_error_set(err, RVS_ERR_INTERRUPTED, "interrupted");
	return r;
}

/* @bytes: of a chunk, in the window that is being filled. */
static int send_piece(struct rvs_ingest *ingest, struct file *file,
		      enum kind kind, const uint8_t *bytes, uint64_t len,
		      bool whole, struct rvs_error *err)
{
	struct chunk *c;
	int r = make_room(ingest, err);

	if (r < 0)
		return r;
	c = new_chunk(ingest);
	if (!c)
		return rvs_error_no_memory(err);
	c->kind = kind;
	c->file = file;
	c->content = file->content;
	c->at = file->content->size;
	c->len = len;
	c->whole = whole;
	c->bytes = bytes;
	if (bytes) {
		c->window = ingest->window;
		c->window->users++;
	}
	file->content->size += len;
	c->users = whole ? 1 : 2;
	if (!whole)
		rvs_lane_submit(ingest->summing, &c->sum.job);
	rvs_lane_submit(ingest->looking, &c->look);
	report(ingest, len);
	return 0;
}

/* ---- reading a file ---- */

struct reading {
	struct rvs_ingest *ingest;
	struct file *file;
	int fd;
	uint64_t size;     /* when it was opened: no more is read */
	uint64_t at;       /* next to read */
	uint64_t data_end; /* the data around @at goes at least so far */
	size_t uncut;      /* bytes in the window, behind its chunks */
	bool one_chunk;    /* the file was one */
};

/* Cut what the window holds; with @all, to the end. */
static int cut_window(struct reading *reading, bool all, struct rvs_error *err)
{
	struct rvs_ingest *ingest = reading->ingest;
	int r = 0;

	while (r == 0 && reading->uncut > 0 &&
	       (all || reading->uncut >= RVS_CUT_MAX)) {
		const uint8_t *bytes = ingest->window->bytes + ingest->filled;
		size_t n = rvs_cut_next(&ingest->cut, bytes, reading->uncut);
		bool whole = n == reading->size && reading->at >= reading->size;

		r = send_piece(ingest, reading->file, CHUNK, bytes, n, whole,
			       err);
		reading->one_chunk |= whole;
		reading->uncut -= n;
		ingest->filled += n;
	}
	return r;
}

/* Have room for a block behind the window's bytes. */
static int make_window(struct reading *reading, struct rvs_error *err)
{
	struct rvs_ingest *ingest = reading->ingest;
	struct window *full = ingest->window, *next;

	if (full && ingest->filled + reading->uncut + ZERO_BLOCK <= WINDOW)
		return 0;
	next = new_window(ingest);
	if (!next)
		return rvs_error_no_memory(err);
	if (full)
		memcpy(next->bytes, full->bytes + ingest->filled,
		       reading->uncut);
	drop_window(ingest, full);
	ingest->window = next;
	ingest->filled = 0;
	return 0;
}

/* A hole is hashed like any bytes: in pieces, so that a terabyte of it can be
 * watched and stopped. */
static int send_hole(struct reading *reading, uint64_t len,
		     struct rvs_error *err)
{
	int r = cut_window(reading, true, err);

	while (r == 0 && len > 0) {
		uint64_t n = len < HOLE_PIECE ? len : HOLE_PIECE;

		r = send_piece(reading->ingest, reading->file, HOLE, NULL, n,
			       false, err);
		reading->at += n;
		len -= n;
	}
	return r;
}

/* At a block's start: the hole that the filesystem knows of, whole blocks of
 * it, or 0. */
static uint64_t known_hole(struct reading *reading)
{
	off_t data, hole;

	if (reading->at < reading->data_end)
		return 0;
	data = lseek(reading->fd, (off_t)reading->at, SEEK_DATA);
	if (data < 0 && errno == ENXIO)
		data = (off_t)reading->size;
	if (data < 0 || (uint64_t)data > reading->size)
		data = (off_t)reading->at; /* cannot tell: all is data */
	hole = lseek(reading->fd, data, SEEK_HOLE);
	reading->data_end = hole < 0 ? reading->size : (uint64_t)hole;
	if ((uint64_t)data < reading->size)
		data -= data % ZERO_BLOCK;
	return (uint64_t)data > reading->at ? (uint64_t)data - reading->at : 0;
}

static bool is_zero(const uint8_t *bytes, size_t len)
{
	return len == 0 ||
	       (bytes[0] == 0 && !memcmp(bytes, bytes + 1, len - 1));
}

/* Read one block behind the window's bytes. */
static int read_block(struct reading *reading, struct rvs_error *err)
{
	struct rvs_ingest *ingest = reading->ingest;
	uint64_t left = reading->size - reading->at;
	size_t want = left < ZERO_BLOCK ? (size_t)left : ZERO_BLOCK;
	uint8_t *block;
	ssize_t n;
	int r = make_window(reading, err);

	if (r < 0)
		return r;
	block = ingest->window->bytes + ingest->filled + reading->uncut;
	n = rvs_io_pread(reading->fd, block, want, reading->at);
	if (n < 0)
		return cannot_read(reading->file->content, err);
	if ((size_t)n < want)
		reading->size = reading->at + (uint64_t)n; /* it was cut */
	if (n == ZERO_BLOCK && is_zero(block, (size_t)n))
		return send_hole(reading, (uint64_t)n, err);
	reading->uncut += (size_t)n;
	reading->at += (uint64_t)n;
	return cut_window(reading, false, err);
}

static int read_all(struct reading *reading, struct rvs_error *err)
{
	int r = 0;

	while (r == 0 && reading->at < reading->size) {
		uint64_t hole = known_hole(reading);

		r = hole ? send_hole(reading, hole, err) :
			   read_block(reading, err);
	}
	return r < 0 ? r : cut_window(reading, true, err);
}

/* 1: the prior has a file of just these bytes, whose extents @content got. */
static int find_copy(struct rvs_ingest *ingest, int fd, uint64_t size,
		     uint8_t *scratch, struct rvs_content *content,
		     struct rvs_error *err)
{
	RVS_CLEANUP(rvs_hasher_cleanup) struct rvs_hasher *hasher = NULL;
	const struct rvs_entry *copy;
	uint64_t at = 0;
	ssize_t n;
	int r = rvs_hasher_new(&hasher, err);

	while (r == 0 && at < size) {
		n = rvs_io_pread(fd, scratch, WINDOW, at);
		if (n < 0)
			return cannot_read(content, err);
		if (n == 0)
			return 0; /* it was cut: no copy of anything */
		rvs_hasher_add(hasher, scratch, (size_t)n);
		at += (uint64_t)n;
		if (is_cancelled(ingest))
			return rvs_error_set(err, RVS_ERR_INTERRUPTED,
					     "interrupted");
	}
	if (r == 0)
		r = rvs_hasher_finish(hasher, &content->digest, err);
	if (r < 0)
		return r;
	copy = at == size ? rvs_prior_find_file(ingest->options.prior,
						&content->digest, size) :
			    NULL;
	if (!copy)
		return 0;
	content->size = size;
	r = share_extents(ingest, content, copy, 0, size, err);
	return r < 0 ? r : 1;
}

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
	file->content = content;
	file->old = old;
	file->own_strand = stream != NULL;
	file->complete = stream && !ingest->options.prior;
	r = stream ? rvs_press_begin(ingest->options.press, stream,
				     &file->strand, err) :
		     bundle_of(ingest, &file->strand, err);
	if (r < 0)
		return r;
	file->next = ingest->open;
	ingest->open = *ret = rvs_take(file);
	return 0;
}

/* ---- databases that are being written ---- */

/* Written a moment ago, or since the scan that led here. */
static bool is_live(const struct stat *st)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec - st->st_mtim.tv_sec < LIVE_S;
}

static bool is_redb(int fd)
{
	uint8_t head[16];
	ssize_t n = rvs_io_pread(fd, head, sizeof(head), 0);

	return n > 0 && rvs_redb_detect(head, (size_t)n);
}

/* An unnamed file: nothing of it stays, whatever ends the process. */
static int open_scratch(const struct rvs_ingest *ingest, struct rvs_error *err)
{
	const char *directory = ingest->options.scratch;
	int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	return fd < 0 ? rvs_error_errno(err, "%s: no room for a copy",
					directory) :
			fd;
}

/* 1: it only looks like a database, or is damaged, or cannot be read, as will be
 * seen: it must stand still like any file. */
static int note_capture(struct rvs_ingest *ingest, int status,
			const struct rvs_redb_capture *captured,
			struct rvs_content *content,
			const struct rvs_error *err)
{
	const struct rvs_monitor *m = ingest->options.monitor;

	if (status == RVS_ERR_CORRUPT || status == RVS_ERR_REFUSED ||
	    (status == RVS_ERR_FAILED &&
	     rvs_source_is_unreadable(err->os_error)))
		return 1;
	if (status < 0)
		return status;
	content->captured = true;
	if (captured->rolled_back && m->warning)
		m->warning(m->arg,
			   "a database's newest commit is not whole: the one "
			   "before it was taken, as its owner would");
	return 0;
}

/* Replace *fd, open on a database, by a copy that is one commit of it. */
static int capture(struct rvs_ingest *ingest, int *fd, struct stat *st,
		   struct rvs_content *content, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_cleanup_fd) int copy = open_scratch(ingest, err);
	struct rvs_redb_limits limits = RVS_REDB_LIMITS_DEFAULT;
	struct rvs_redb_capture captured;
	int live = *fd, r;

	if (copy < 0)
		return copy;
	limits.monitor = ingest->options.monitor;
	r = rvs_redb_capture(live, copy, &limits, &captured, err);
	r = note_capture(ingest, r, &captured, content, err);
	if (r != 0)
		return r < 0 ? r : 0;
	if (fstat(copy, st) < 0)
		return rvs_error_errno(err, "cannot stat a copy");
	*fd = copy;
	copy = live;
	return 0;
}

static int prove_clone(struct rvs_ingest *ingest, int fd, struct stat *st,
		       struct rvs_content *content, struct rvs_error *err)
{
	struct rvs_redb_limits limits = RVS_REDB_LIMITS_DEFAULT;
	struct rvs_redb_capture captured;
	int r;

	limits.monitor = ingest->options.monitor;
	r = rvs_redb_prove(fd, &limits, &captured, err);
	r = note_capture(ingest, r, &captured, content, err);
	if (r == 0 && fstat(fd, st) < 0)
		return rvs_error_errno(err, "cannot stat a clone");
	return r < 0 ? r : 0;
}

/* Send the bytes of the file on their way.  What cannot be read to its end comes
 * to an end all the same. */
static int send_file(struct reading *reading, struct rvs_error *err)
{
	int r = read_all(reading, err);

	if (r < 0 && !reading->file->content->unreadable)
		return r;
	return send_piece(reading->ingest, reading->file, END, NULL, 0,
			  reading->one_chunk, err);
}

/* Take in the file open at @fd. */
static int read_file(struct rvs_ingest *ingest,
		     const struct rvs_ingest_file *wanted, int fd,
		     uint64_t size, struct rvs_content *ret,
		     struct rvs_error *err)
{
	struct reading reading = { .ingest = ingest, .fd = fd, .size = size };
	struct rvs_input input = rvs_input_of_fd(fd, size);
	int r = 0;

	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* a hint */
	count_vectors(&input, wanted->path, ret);
	if (ingest->options.prior && !wanted->old &&
	    rvs_prior_has_size(ingest->options.prior, size)) {
		struct window *scratch = new_window(ingest);

		if (!scratch)
			return rvs_error_no_memory(err);
		r = find_copy(ingest, fd, size, scratch->bytes, ret, err);
		drop_window(ingest, scratch);
		if (r > 0)
			report(ingest, ret->size);
	}
	if (r != 0)
		return r < 0 ? r : 0;
	r = new_file(ingest, wanted->stream, wanted->old, ret, &reading.file,
		     err);
	return r < 0 ? r : send_file(&reading, err);
}

/* 1: it is not there, or cannot be opened, which @ret says. */
static int take_in(struct rvs_ingest *ingest,
		   const struct rvs_ingest_file *file, struct rvs_content *ret,
		   struct rvs_error *err)
{
	RVS_CLEANUP(rvs_cleanup_fd) int own = -1;
	int fd = file->clone, r = 0;
	struct stat st;

	if (fd < 0) {
		r = open_source_file(ingest, file->path, ret, &own, err);
		fd = own;
	}
	if (r != 0)
		return r;
	if (fstat(fd, &st) < 0)
		return rvs_error_errno(err, "cannot stat");
	if (is_redb(fd) && (file->clone >= 0 || is_live(&st))) {
		r = file->clone >= 0 ? prove_clone(ingest, fd, &st, ret, err) :
				       capture(ingest, &own, &st, ret, err);
		fd = own >= 0 ? own : fd;
	}
	return r < 0 ? r :
		       read_file(ingest, file, fd, (uint64_t)st.st_size, ret,
				 err);
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
	report(ingest, ingest->batch->planned);
	ingest->batch->look.run = look_at_batch;
	rvs_lane_submit(ingest->looking, &rvs_take(ingest->batch)->look);
	return 0;
}

int rvs_ingest_small(struct rvs_ingest *ingest, const char *path,
		     uint64_t size, struct rvs_content *ret,
		     struct rvs_error *err)
{
	struct batch *batch = ingest->batch;
	int r = 0;

	if (batch && (batch->count == BATCH_FILES ||
		      batch->planned + size > BATCH_BYTES))
		r = send_batch(ingest, err);
	if (r < 0)
		return r;
	if (!ingest->batch) {
		ingest->batch = calloc(1, sizeof(*batch));
		if (!ingest->batch)
			return rvs_error_no_memory(err);
		ingest->batch->ingest = ingest;
	}
	batch = ingest->batch;
	batch->files[batch->count] = (struct batch_file){
		.path = strdup(path), .content = ret, .size = size
	};
	if (!batch->files[batch->count].path)
		return rvs_error_no_memory(err);
	batch->count++;
	batch->planned += size;
	return 0;
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
	rvs_cut_init(&ingest->cut);
	ingest->zeros = calloc(1, RVS_MEMBER_PLAIN_MAX);
	r = ingest->zeros ? 0 : rvs_error_no_memory(err);
	if (r == 0)
		r = rvs_lane_new(options->pool, false, &ingest->looking, err);
	if (r == 0)
		r = rvs_lane_new(options->pool, true, &ingest->summing, err);
	if (r == 0)
		r = rvs_hasher_new(&ingest->hasher, err);
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
		if (job->run == look_at_batch)
			free_batch((struct batch *)job);
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
	free_chunks(ingest);
	free_windows(ingest);
	free_batch(ingest->batch);
	rvs_hasher_free(ingest->hasher);
	rvs_known_done(&ingest->known);
	free(ingest->stored);
	free(ingest->zeros);
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
	if (r == 0 && ingest->sum_status < 0) {
		if (err)
			*err = ingest->sum_err;
		r = ingest->sum_status;
	}
	return r < 0 ? r : rvs_press_drain(ingest->options.press, err);
}

int rvs_ingest_end(struct rvs_ingest *ingest, struct rvs_error *err)
{
	if (!ingest->bundle)
		return 0;
	return rvs_press_end(ingest->options.press, rvs_take(ingest->bundle),
			     err);
}
