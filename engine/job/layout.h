/*
 * Layout: of which members the streams of a composed snapshot consist.
 *
 * Drawn up from manifest and indexes alone: no data is read.  Every piece is
 * one member, numbered by its place among all; the pieces of a stream follow
 * each other, streams in the order of the tree, the bundle last.  Lengths are
 * final; what a member that is made anew holds is known only when it was read,
 * so those digests, and the streams', are zeros until rvs_assembly_prove() has
 * filled them in.  Nothing else changes once it is laid out.
 */
#ifndef RVS_LAYOUT_H
#define RVS_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include <rvs/digest.h>

#include "base/buf.h"
#include "base/error.h"
#include "format/extent.h"

struct rvs_store;
struct rvs_tree;

#define RVS_ZEROS_LOG_MAX 20 /* the longest member of zeros is 1 MiB */

enum rvs_piece_kind {
	RVS_PIECE_WHOLE, /* a member of the store, as it is */
	RVS_PIECE_PART,  /* bytes of a file, made into a member anew */
	RVS_PIECE_ZEROS, /* a member of zeros, of which there is one a length */
};

struct rvs_piece {
	enum rvs_piece_kind kind;
	uint64_t place;  /* in its stream */
	uint64_t at;     /* of a part: in the file */
	uint32_t entry;  /* of a part: the file */
	uint32_t volume; /* of a whole: the tree's */
	uint32_t member; /* of a whole: its number; of zeros: log2(length) */
	uint32_t plain_len;
	uint32_t stored_len;
	struct rvs_digest digest;
};

struct rvs_layout_stream {
	char *name;
	size_t first; /* piece */
	size_t count;
	uint64_t size;            /* bytes */
	struct rvs_digest digest; /* of them */
};

struct rvs_layout {
	struct rvs_store *store;
	struct rvs_tree *tree;
	struct rvs_piece *pieces;
	size_t piece_count;
	size_t piece_capacity;
	struct rvs_layout_stream *streams;
	size_t stream_count;
	struct rvs_extents extents; /* of all files, in the order laid out */
	struct rvs_layout_span {
		size_t first, count;
	} *spans; /* which of them an entry has */
	struct rvs_buf zeros[RVS_ZEROS_LOG_MAX + 1]; /* members of 1 << n */
};

/*
 * Lay out the files of @tree, which like @store stays the caller's and must
 * outlive the layout.  @ret must be zeros, and wants rvs_layout_done() whatever
 * this returns.  RVS_ERR_MISSING when the store lacks a member.
 */
int rvs_layout_init(struct rvs_layout *ret, struct rvs_store *store,
		    struct rvs_tree *tree, struct rvs_error *err);
void rvs_layout_done(struct rvs_layout *layout);

/* The extents of the entry @index, members being pieces; volume 0 is the
 * composed snapshot itself. */
const struct rvs_extent *rvs_layout_extents(const struct rvs_layout *layout,
					    uint32_t index, size_t *ret_count);

/* Bytes it occupies in memory. */
size_t rvs_layout_memory(const struct rvs_layout *layout);

#endif
