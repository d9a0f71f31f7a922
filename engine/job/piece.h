/*
 * Piece: a stretch of a file on its way through hashing.
 *
 * A piece is some chunks, a hole, or the end of its file.  Two jobs are done on
 * it: "looking" hashes its chunks and finds them in the prior, on any thread;
 * "summing" adds it to its file's digest, holes like any bytes, in the order of
 * the file, on one thread at a time.  It is long enough to be worth waking a
 * thread for.  One thread owns the pieces.
 */
#ifndef RVS_PIECE_H
#define RVS_PIECE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/pool.h"
#include "dedup.h"

struct rvs_content;
struct rvs_pieces;
struct rvs_window;

enum { RVS_PIECE_CHUNKS_MAX = 8, RVS_PIECE_BYTES_MAX = 512 << 10 };

enum rvs_piece_kind { RVS_PIECE_DATA, RVS_PIECE_HOLE, RVS_PIECE_END };

struct rvs_piece {
	struct rvs_job look; /* first: the lane gives this address back */
	struct rvs_job sum;
	struct rvs_pieces *pieces;
	enum rvs_piece_kind kind;
	void *file;                  /* the owner's */
	struct rvs_content *content; /* of the file */
	bool whole; /* the file is one chunk: its digest is the file's */
	unsigned users;
	uint64_t at, len; /* in the file, bytes */
	/* One behind the other, in @window. */
	struct rvs_dedup_chunk chunks[RVS_PIECE_CHUNKS_MAX];
	size_t count;
	struct rvs_window *window;
	int status; /* what looking came to */
	struct rvs_error err;
	struct rvs_piece *spare; /* in the list of pieces to use again */
	struct rvs_piece *all;   /* in the list of all */
};

/* For looking with @dedup, which must outlive the pieces. */
int rvs_pieces_new(const struct rvs_pool *pool, const struct rvs_dedup *dedup,
		   struct rvs_pieces **ret, struct rvs_error *err);
/* No job of any of them may be under way.  Accepts NULL. */
void rvs_pieces_free(struct rvs_pieces *pieces);

/* An empty piece of @content from where it ends now, with one user; NULL when
 * memory ran out. */
struct rvs_piece *rvs_piece_new(struct rvs_pieces *pieces,
				enum rvs_piece_kind kind,
				struct rvs_content *content);
/* A user is done with @piece; who comes last lets go of the window, too. */
void rvs_piece_drop(struct rvs_piece *piece);

/* Add a chunk, behind those that it has, if it lies in the same window and the
 * piece has room for it; false if not. */
bool rvs_piece_add(struct rvs_piece *piece, const struct rvs_dedup_file *file,
		   struct rvs_window *window, const uint8_t *bytes, size_t len);

struct rvs_piece *rvs_piece_of_sum(struct rvs_job *sum);

/* How summing went.  No job of it may be under way. */
int rvs_pieces_check(const struct rvs_pieces *pieces, struct rvs_error *err);

/* RVS_MEMBER_PLAIN_MAX zeros. */
const uint8_t *rvs_pieces_zeros(const struct rvs_pieces *pieces);

#endif
