#include "piece.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "chunker.h"
#include "content.h"
#include "format/digest.h"
#include "format/gzip.h"

struct rvs_pieces {
	const struct rvs_dedup *dedup;
	struct rvs_hasher *hasher; /* of the file being summed */
	struct rvs_buf *scratch;   /* of looking, one for each worker */
	unsigned workers;
	uint8_t *zeros; /* a member of them */
	struct rvs_piece *spares, *all;
	int sum_status; /* jobs that sum alone write it while any is under way */
	struct rvs_error sum_err;
};

/* ---- the jobs ---- */

static void look(struct rvs_job *job, unsigned worker)
{
	struct rvs_piece *p = (struct rvs_piece *)job;
	const struct rvs_pieces *pieces = p->pieces;
	size_t i;

	for (i = 0; i < p->count && p->status == 0; i++)
		p->status = rvs_dedup_look(pieces->dedup, &p->chunks[i],
					   &pieces->scratch[worker], &p->err);
}

static void sum_zeros(const struct rvs_pieces *pieces, uint64_t len)
{
	for (; len > RVS_MEMBER_PLAIN_MAX; len -= RVS_MEMBER_PLAIN_MAX)
		rvs_hasher_add(pieces->hasher, pieces->zeros,
			       RVS_MEMBER_PLAIN_MAX);
	rvs_hasher_add(pieces->hasher, pieces->zeros, len);
}

static void sum(struct rvs_job *job, unsigned worker)
{
	const struct rvs_piece *p = rvs_piece_of_sum(job);
	struct rvs_pieces *pieces = p->pieces;
	int r = 0;

	(void)worker;
	if (p->kind == RVS_PIECE_DATA)
		rvs_hasher_add(pieces->hasher, p->chunks[0].bytes, p->len);
	else if (p->kind == RVS_PIECE_HOLE)
		sum_zeros(pieces, p->len);
	else
		r = rvs_hasher_finish(pieces->hasher, &p->content->digest,
				      &pieces->sum_err);
	if (r < 0)
		pieces->sum_status = r;
}

struct rvs_piece *rvs_piece_of_sum(struct rvs_job *job)
{
	return (struct rvs_piece *)((char *)job -
				    offsetof(struct rvs_piece, sum));
}

/* ---- one piece ---- */

static struct rvs_piece *take_spare(struct rvs_pieces *pieces)
{
	struct rvs_piece *p = pieces->spares;

	if (p) {
		pieces->spares = p->spare;
		return p;
	}
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->pieces = pieces;
	p->look.run = look;
	p->sum.run = sum;
	p->all = pieces->all;
	pieces->all = p;
	return p;
}

struct rvs_piece *rvs_piece_new(struct rvs_pieces *pieces,
				enum rvs_piece_kind kind,
				struct rvs_content *content)
{
	struct rvs_piece *p = take_spare(pieces);

	if (!p)
		return NULL;
	p->kind = kind;
	p->file = NULL;
	p->content = content;
	p->whole = false;
	p->users = 1;
	p->at = content->size;
	p->len = 0;
	p->count = 0;
	p->status = 0;
	return p;
}

void rvs_piece_drop(struct rvs_piece *piece)
{
	if (--piece->users > 0)
		return;
	rvs_window_drop(rvs_take(piece->window));
	piece->spare = piece->pieces->spares;
	piece->pieces->spares = piece;
}

bool rvs_piece_add(struct rvs_piece *piece, const struct rvs_dedup_file *file,
		   struct rvs_window *window, const uint8_t *bytes, size_t len)
{
	struct rvs_dedup_chunk *chunk = &piece->chunks[piece->count];

	if (piece->count == RVS_PIECE_CHUNKS_MAX ||
	    (piece->count > 0 && (piece->window != window ||
				  piece->len + len > RVS_PIECE_BYTES_MAX)))
		return false;
	if (!piece->window) {
		rvs_window_hold(window);
		piece->window = window;
	}
	chunk->file = file;
	chunk->bytes = bytes;
	chunk->at = piece->at + piece->len;
	chunk->len = len;
	piece->count++;
	piece->len += len;
	return true;
}

/* ---- all of them ---- */

int rvs_pieces_new(const struct rvs_pool *pool, const struct rvs_dedup *dedup,
		   struct rvs_pieces **ret, struct rvs_error *err)
{
	struct rvs_pieces *pieces = calloc(1, sizeof(*pieces));
	int r = 0;

	if (!pieces)
		return rvs_error_no_memory(err);
	pieces->dedup = dedup;
	pieces->workers = rvs_pool_threads(pool);
	pieces->scratch = calloc(pieces->workers, sizeof(*pieces->scratch));
	pieces->zeros = calloc(1, RVS_MEMBER_PLAIN_MAX);
	if (!pieces->scratch || !pieces->zeros)
		r = rvs_error_no_memory(err);
	if (r == 0)
		r = rvs_hasher_new(&pieces->hasher, err);
	if (r < 0) {
		rvs_pieces_free(pieces);
		return r;
	}
	*ret = pieces;
	return 0;
}

static void free_piece(struct rvs_piece *p)
{
	size_t i;

	for (i = 0; i < RVS_PIECE_CHUNKS_MAX; i++)
		rvs_dedup_chunk_done(&p->chunks[i]);
	free(p);
}

void rvs_pieces_free(struct rvs_pieces *pieces)
{
	unsigned i;

	if (!pieces)
		return;
	while (pieces->all) {
		struct rvs_piece *p = pieces->all;

		pieces->all = p->all;
		free_piece(p);
	}
	for (i = 0; pieces->scratch && i < pieces->workers; i++)
		rvs_buf_done(&pieces->scratch[i]);
	free(pieces->scratch);
	rvs_hasher_free(pieces->hasher);
	free(pieces->zeros);
	free(pieces);
}

int rvs_pieces_check(const struct rvs_pieces *pieces, struct rvs_error *err)
{
	if (pieces->sum_status < 0 && err)
		*err = pieces->sum_err;
	return pieces->sum_status;
}

const uint8_t *rvs_pieces_zeros(const struct rvs_pieces *pieces)
{
	return pieces->zeros;
}
