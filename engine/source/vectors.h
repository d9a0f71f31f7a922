/*
 * Vectors: how many a file holds, for the formats that vector databases use.
 *
 * Files are told apart by content, .fvecs, .bvecs and .ivecs by name.  Counting
 * costs a few reads whatever the size; only an RVF file costs one read for each
 * of its segments, up to a limit.  It cannot fail: a damaged file is one whose
 * count is not known, and says why.
 *
 * Sources of the formats: redb as in redb_header.h; RVF segment headers and
 * manifests; numpy/lib/format.py; faiss/impl/index_write.cpp; usearch
 * index_dense.hpp; hnswlib hnswalg.h; http://corpus-texmex.irisa.fr for .fvecs.
 */
#ifndef RVS_VECTORS_H
#define RVS_VECTORS_H

#include <stdbool.h>
#include <stdint.h>

#include "format/manifest.h"
#include "input.h"

#define RVS_VECTORS_SEGMENTS_MAX 65536
#define RVS_VECTORS_NOTE_SIZE 256

struct rvs_vectors {
	struct rvs_vector_note vectors;
	const char *format; /* "redb", "rvf", ...; NULL when not known */
	char note[RVS_VECTORS_NOTE_SIZE]; /* why it is not, else "" */
};

/* Count the vectors of the file @name (its last part alone matters). */
void rvs_vectors_count(const struct rvs_input *input, const char *name,
		       struct rvs_vectors *ret);

/*
 * The count of a snapshot: the sum over its files of vectors or, where it has
 * none, over its indexes, which hold the same vectors once more.
 */
struct rvs_vectors_sum {
	uint64_t files;
	uint64_t indexes;
	uint64_t unknown_files;
	uint64_t unknown_indexes;
	uint64_t vectors;         /* in files */
	uint64_t indexed_vectors; /* in indexes */
};

void rvs_vectors_sum_add(struct rvs_vectors_sum *sum,
			 const struct rvs_vector_note *vectors);

/* False when there is no such count: nothing was recognised, or something that
 * belongs to the sum could not be counted. */
bool rvs_vectors_sum_get(const struct rvs_vectors_sum *sum, uint64_t *ret);

#endif
