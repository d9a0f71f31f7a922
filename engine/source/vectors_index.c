#include "vectors_formats.h"

#include <string.h>

#include "little.h"

/*
 * faiss: a name of four characters that begins with I, i32 dimensions @4, i64
 * vectors @8, twice an i64 that is always 2^20 @16.
 */
enum { FAISS_LEN = 32, FAISS_DUMMY = 1 << 20 };

bool rvs_vectors_faiss(const struct rvs_probe *probe, struct rvs_vectors *ret)
{
	const uint8_t *head = probe->head;

	ret->vectors.kind = RVS_VECTORS_INDEX;
	if (probe->head_len < FAISS_LEN || head[0] != 'I' ||
	    rvs_little_u64(head + 16) != FAISS_DUMMY ||
	    rvs_little_u64(head + 24) != FAISS_DUMMY)
		return false;
	return rvs_probe_counted(probe, ret, rvs_little_u64(head + 8));
}

/*
 * usearch: u32 rows, u32 bytes a row, the rows; then, or at the start when it
 * keeps no vectors, "usearch", three u16 of version, four u8 of kinds, u64
 * vectors that are present.
 */
enum {
	USEARCH_COUNT_AT = 17,
	USEARCH_LEN = USEARCH_COUNT_AT + 8,
	USEARCH_ROWS_AT = 8,
};

static const char usearch_magic[] = "usearch";

static bool is_usearch(const uint8_t *bytes)
{
	return memcmp(bytes, usearch_magic, strlen(usearch_magic)) == 0;
}

/* Where the magic must be, if the file is of usearch. */
static uint64_t usearch_magic_at(const struct rvs_probe *probe)
{
	uint64_t rows = rvs_little_u32(probe->head);
	uint64_t row_len = rvs_little_u32(probe->head + 4);

	return is_usearch(probe->head) ? 0 : USEARCH_ROWS_AT + rows * row_len;
}

bool rvs_vectors_usearch(const struct rvs_probe *probe, struct rvs_vectors *ret)
{
	uint64_t at = usearch_magic_at(probe);
	uint8_t head[USEARCH_LEN];

	ret->vectors.kind = RVS_VECTORS_INDEX;
	/* Not fetched: any file begins with two numbers. */
	if (rvs_input_read(probe->input, head, sizeof(head), at, NULL) != 0 ||
	    !is_usearch(head))
		return false;
	return rvs_probe_counted(probe, ret,
				 rvs_little_u64(head + USEARCH_COUNT_AT));
}

/*
 * hnswlib: a header without a magic number, but with much that must agree.
 * Each element is its links on the ground level, its vector, its label.
 */
enum {
	HNSW_CAPACITY_AT = 8, /* u64; before it u64 0 */
	HNSW_COUNT_AT = 16,
	HNSW_ELEMENT_LEN_AT = 24,
	HNSW_LABEL_AT = 32, /* u64 offset in an element */
	HNSW_VECTOR_AT = 40,
	HNSW_LINKS_AT = 56, /* u64 of a node above the ground */
	HNSW_GROUND_LINKS_AT = 64,
	HNSW_M_AT = 72,
	HNSW_HEADER_LEN = 96,

	HNSW_LABEL_LEN = 8,
	HNSW_LINK_LEN = 4,
	HNSW_M_MAX = 100000,
};

static bool is_hnswlib(const struct rvs_probe *probe)
{
	const uint8_t *head = probe->head;
	uint64_t m = rvs_little_u64(head + HNSW_M_AT);
	uint64_t vector_at = rvs_little_u64(head + HNSW_VECTOR_AT);
	uint64_t label_at = rvs_little_u64(head + HNSW_LABEL_AT);

	return probe->head_len >= HNSW_HEADER_LEN &&
	       rvs_little_u64(head) == 0 && m > 0 && m <= HNSW_M_MAX &&
	       rvs_little_u64(head + HNSW_LINKS_AT) == m &&
	       rvs_little_u64(head + HNSW_GROUND_LINKS_AT) == 2 * m &&
	       vector_at == HNSW_LINK_LEN * (2 * m + 1) &&
	       label_at > vector_at &&
	       label_at + HNSW_LABEL_LEN ==
		       rvs_little_u64(head + HNSW_ELEMENT_LEN_AT);
}

bool rvs_vectors_hnswlib(const struct rvs_probe *probe, struct rvs_vectors *ret)
{
	const uint8_t *head = probe->head;
	uint64_t count = rvs_little_u64(head + HNSW_COUNT_AT);
	uint64_t element_len = rvs_little_u64(head + HNSW_ELEMENT_LEN_AT);
	uint64_t len;

	ret->vectors.kind = RVS_VECTORS_INDEX;
	if (!is_hnswlib(probe))
		return false;
	if (count > rvs_little_u64(head + HNSW_CAPACITY_AT))
		return rvs_probe_damaged(ret, "more vectors than its capacity");
	if (__builtin_mul_overflow(count, element_len, &len) ||
	    len > probe->input->size - HNSW_HEADER_LEN)
		return rvs_probe_damaged(ret,
					 "shorter than its number of vectors");
	return rvs_probe_counted(probe, ret, count);
}
