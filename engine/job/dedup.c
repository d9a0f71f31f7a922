#include "dedup.h"

#include <stdlib.h>
#include <string.h>

#include "content.h"
#include "format/digest.h"
#include "press.h"
#include "prior.h"
#include "store/known.h"

enum {
	/* A chunk in more pieces than this is stored whole again: the old
	 * members that it is read from are mostly dead for it by then. */
	PIECES_MAX = 24,
};

/* A run of pages, equal to the old file's or not. */
struct run {
	uint32_t start; /* in the chunk */
	uint32_t len;
	bool same;
};

/* Bytes that this snapshot itself has stored: a chunk or a small file. */
struct stored {
	struct rvs_digest digest;
	uint32_t len;
	uint32_t number; /* of the member */
	uint32_t offset; /* in it */
};

struct rvs_dedup {
	struct rvs_press *press;
	const struct rvs_prior *prior;
	uint32_t volume;
	struct rvs_known known; /* to a place in stored */
	struct stored *stored;
	size_t stored_count;
};

int rvs_dedup_new(struct rvs_press *press, const struct rvs_prior *prior,
		  uint32_t volume, struct rvs_dedup **ret,
		  struct rvs_error *err)
{
	struct rvs_dedup *dedup = calloc(1, sizeof(*dedup));

	if (!dedup)
		return rvs_error_no_memory(err);
	dedup->press = press;
	dedup->prior = prior;
	dedup->volume = volume;
	*ret = dedup;
	return 0;
}

void rvs_dedup_free(struct rvs_dedup *dedup)
{
	if (!dedup)
		return;
	rvs_known_done(&dedup->known);
	free(dedup->stored);
	free(dedup);
}

void rvs_dedup_chunk_done(struct rvs_dedup_chunk *chunk)
{
	rvs_buf_done(&chunk->runs);
}

/* ---- looking ---- */

/* The pages of a chunk that equal the old file's at the same offset, which go to
 * @bytes. */
static int compare_pages(const struct rvs_prior *prior,
			 struct rvs_dedup_chunk *c, struct rvs_buf *bytes,
			 struct rvs_error *err)
{
	const struct rvs_entry *old = c->file->old;
	uint64_t end = c->at + c->len, old_end, at, next;
	bool any = false;
	ssize_t n;

	if (!old || c->at >= old->size)
		return 0;
	bytes->len = 0;
	if (!rvs_buf_reserve(bytes, c->len))
		return rvs_error_no_memory(err);
	n = rvs_tree_peek(rvs_prior_tree(prior), old, bytes->bytes, c->len,
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
				   bytes->bytes + run.start, run.len);
		any |= run.same;
		if (last && last->same == run.same)
			last->len += run.len;
		else
			rvs_buf_put(&c->runs, &run, sizeof(run));
	}
	if (!any)
		c->runs.len = 0; /* all new: a member of its own */
	return rvs_buf_check(&c->runs, err);
}

static struct rvs_signature signature_of(const struct rvs_dedup_chunk *c)
{
	return (struct rvs_signature){ c->at, (uint32_t)c->len, c->digest };
}

/* Whether the old file is known to have just these bytes at the same offset:
 * then there is one run of pages, all equal. */
static bool is_signed(const struct rvs_prior *prior, struct rvs_dedup_chunk *c)
{
	const struct rvs_entry *old = c->file->old;
	const struct rvs_signature wanted = signature_of(c);
	const struct run run = { 0, (uint32_t)c->len, true };

	if (!old || !rvs_prior_has_chunk(prior, old, &wanted))
		return false;
	rvs_buf_put(&c->runs, &run, sizeof(run));
	return true;
}

int rvs_dedup_look(const struct rvs_dedup *dedup, struct rvs_dedup_chunk *chunk,
		   struct rvs_buf *scratch, struct rvs_error *err)
{
	int r = rvs_digest_of(chunk->bytes, chunk->len, &chunk->digest, err);

	chunk->known = false;
	chunk->runs.len = 0;
	if (r < 0 || !dedup->prior)
		return r;
	chunk->known = rvs_prior_find_member(dedup->prior, &chunk->digest,
					     chunk->len, &chunk->volume,
					     &chunk->member);
	if (chunk->known || is_signed(dedup->prior, chunk))
		return rvs_buf_check(&chunk->runs, err);
	return compare_pages(dedup->prior, chunk, scratch, err);
}

/* ---- deciding ---- */

/* The extents of @old from @at, @len bytes of them, serve @content as well. */
static int share_extents(const struct rvs_dedup *dedup,
			 struct rvs_content *content,
			 const struct rvs_entry *old, uint64_t at, uint64_t len,
			 struct rvs_error *err)
{
	size_t count, i;
	const struct rvs_extent *items = rvs_tree_extents(
		rvs_prior_tree(dedup->prior), old, &count);
	int r = 0;

	if (count == 0)
		return 0;
	for (i = rvs_extent_find(items, count, at);
	     r == 0 && i < count && items[i].at < at + len; i++) {
		uint64_t from = items[i].at > at ? items[i].at : at;

		r = rvs_content_add(content, from, items[i].volume,
				    items[i].member,
				    items[i].volume == RVS_HOLE ?
					    0 :
					    items[i].offset +
						    (uint32_t)(from -
							       items[i].at),
				    err);
	}
	return r;
}

static int gather(struct rvs_dedup *dedup, struct rvs_strand *strand,
		  struct rvs_content *content, uint64_t at,
		  const uint8_t *bytes, size_t len, struct rvs_error *err)
{
	while (len > 0) {
		size_t n = len < RVS_GATHER_MAX ? len : RVS_GATHER_MAX;
		uint32_t number, offset;
		int r = rvs_press_gather(dedup->press, strand, bytes, n,
					 &number, &offset, err);

		if (r == 0)
			r = rvs_content_add(content, at, dedup->volume,
					    number, offset, err);
		if (r < 0)
			return r;
		at += n;
		bytes += n;
		len -= n;
	}
	return 0;
}

static int decide_runs(struct rvs_dedup *dedup, const struct rvs_dedup_chunk *c,
		       struct rvs_error *err)
{
	const struct run *runs = (const struct run *)c->runs.bytes;
	const struct rvs_signature signature = signature_of(c);
	struct rvs_buf *signatures = &c->file->content->signatures;
	size_t count = c->runs.len / sizeof(*runs), i;
	int r;

	rvs_buf_put(signatures, &signature, sizeof(signature));
	r = rvs_buf_check(signatures, err);
	for (i = 0; i < count && r == 0; i++)
		r = runs[i].same ?
			    share_extents(dedup, c->file->content, c->file->old,
					  c->at + runs[i].start, runs[i].len,
					  err) :
			    gather(dedup, c->file->strand, c->file->content,
				   c->at + runs[i].start,
				   c->bytes + runs[i].start, runs[i].len, err);
	return r;
}

/* One run of equal pages: then nothing is stored, however old it is. */
static bool is_unchanged(const struct rvs_dedup_chunk *c)
{
	return c->runs.len == sizeof(struct run) &&
	       ((const struct run *)c->runs.bytes)->same;
}

/* How many extents a chunk would have that shares pages with the old file. */
static size_t count_pieces(const struct rvs_dedup *dedup,
			   const struct rvs_dedup_chunk *c)
{
	const struct run *runs = (const struct run *)c->runs.bytes;
	const struct rvs_entry *old = c->file->old;
	size_t pieces = 0, count, i, k;
	const struct rvs_extent *items = rvs_tree_extents(
		rvs_prior_tree(dedup->prior), old, &count);

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

static const struct stored *find_stored(const struct rvs_dedup *dedup,
					const struct rvs_digest *digest,
					uint64_t len)
{
	const struct stored *stored;
	uint32_t place, unused;

	if (!rvs_known_find(&dedup->known, digest, &place, &unused))
		return NULL;
	stored = &dedup->stored[place];
	return stored->len == len && rvs_digest_equal(&stored->digest, digest) ?
		       stored :
		       NULL;
}

static int remember(struct rvs_dedup *dedup, const struct stored *stored,
		    struct rvs_error *err)
{
	size_t n = dedup->stored_count;

	/* Powers of two are when it is full. */
	if ((n & (n - 1)) == 0) {
		struct stored *items = reallocarray(
			dedup->stored, n ? 2 * n : 1, sizeof(*items));

		if (!items)
			return rvs_error_no_memory(err);
		dedup->stored = items;
	}
	dedup->stored[dedup->stored_count++] = *stored;
	return rvs_known_add(&dedup->known, &stored->digest, (uint32_t)n, 0,
			     err);
}

static int store_chunk(struct rvs_dedup *dedup,
		       const struct rvs_dedup_chunk *c,
		       void (*release)(void *owner), void *owner,
		       struct rvs_error *err)
{
	const struct rvs_dedup_file *file = c->file;
	struct stored stored = { .digest = c->digest, .len = (uint32_t)c->len };
	uint64_t at = c->at;
	int r = rvs_press_put(dedup->press, file->strand, c->bytes, c->len,
			      &c->digest, release, owner, &stored.number,
			      err);

	/* From here on the chunk may be another's. */
	if (r == 0)
		r = rvs_content_add(file->content, at, dedup->volume,
				    stored.number, 0, err);
	/* A complete stream may be given up and begun anew: nothing else may
	 * hang on its members. */
	if (r == 0 && !file->complete)
		r = remember(dedup, &stored, err);
	return r;
}

/* Find @c in what is stored already; 1: it is not there, or in too many
 * pieces. */
static int share_chunk(struct rvs_dedup *dedup, const struct rvs_dedup_chunk *c,
		       struct rvs_error *err)
{
	const struct rvs_dedup_file *file = c->file;
	const struct stored *stored = NULL;

	if (c->known)
		return rvs_content_add(file->content, c->at, c->volume,
				       c->member, 0, err);
	if (!file->complete)
		stored = find_stored(dedup, &c->digest, c->len);
	if (stored)
		return rvs_content_add(file->content, c->at, dedup->volume,
				       stored->number, stored->offset, err);
	if (c->runs.len > 0 &&
	    (is_unchanged(c) || count_pieces(dedup, c) <= PIECES_MAX))
		return decide_runs(dedup, c, err);
	return 1;
}

int rvs_dedup_chunk(struct rvs_dedup *dedup, struct rvs_dedup_chunk *chunk,
		    void (*release)(void *owner), void *owner,
		    struct rvs_error *err)
{
	int r = share_chunk(dedup, chunk, err);

	if (r == 1)
		return store_chunk(dedup, chunk, release, owner, err);
	release(owner);
	return r;
}

/* ---- whole files ---- */

int rvs_dedup_copy(const struct rvs_dedup *dedup, struct rvs_content *content,
		   uint64_t size, struct rvs_error *err)
{
	const struct rvs_entry *copy =
		dedup->prior ? rvs_prior_find_file(dedup->prior,
						   &content->digest, size) :
			       NULL;

	return copy ? share_extents(dedup, content, copy, 0, size, err) : 1;
}

static int store_small(struct rvs_dedup *dedup, struct rvs_strand *strand,
		       const uint8_t *bytes, struct rvs_content *content,
		       struct rvs_error *err)
{
	struct stored stored = { .digest = content->digest,
				 .len = (uint32_t)content->size };
	int r = rvs_press_gather(dedup->press, strand, bytes, stored.len,
				 &stored.number, &stored.offset, err);

	if (r == 0)
		r = rvs_content_add(content, 0, dedup->volume, stored.number,
				    stored.offset, err);
	return r < 0 ? r : remember(dedup, &stored, err);
}

int rvs_dedup_small(struct rvs_dedup *dedup, struct rvs_strand *strand,
		    const uint8_t *bytes, struct rvs_content *content,
		    struct rvs_error *err)
{
	const struct stored *stored;
	int r = rvs_dedup_copy(dedup, content, content->size, err);

	if (r != 1)
		return r;
	stored = find_stored(dedup, &content->digest, content->size);
	if (stored)
		return rvs_content_add(content, 0, dedup->volume,
				       stored->number, stored->offset, err);
	return store_small(dedup, strand, bytes, content, err);
}
