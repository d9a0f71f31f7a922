#include "vectors_formats.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "little.h"
#include "redb.h"

bool rvs_vectors_redb(const struct rvs_probe *probe, struct rvs_vectors *ret)
{
	struct rvs_error err = RVS_ERROR_INIT;
	uint64_t count;
	int r;

	if (!rvs_redb_detect(probe->head, probe->head_len))
		return false;
	r = rvs_redb_count(probe->input, &count, &err);
	if (r == RVS_REDB_NO_VECTORS)
		return rvs_probe_no_vectors(ret);
	return r < 0 ? rvs_probe_damaged(ret, "%.200s", err.text)
		     : rvs_probe_counted(probe, ret, count);
}

/*
 * RVF: segments from the start, each with a header of 64 bytes: "SFVR", u8 type
 * @5, u64 length of the payload @16.  They follow each other unaligned.  The
 * last manifest (type 5) counts: u64 vectors @6, u32 segments @14, 25 bytes for
 * each of these from @22, u32 deleted vectors behind them.
 */
enum {
	SEGMENT_LEN = 64,
	SEGMENT_TYPE_AT = 5,
	SEGMENT_PAYLOAD_AT = 16,
	SEGMENT_MANIFEST = 5,
	MANIFEST_TOTAL_AT = 6,
	MANIFEST_SEGMENTS_AT = 14,
	MANIFEST_TABLE_AT = 22,
	MANIFEST_ENTRY_LEN = 25,
};

static const char segment_magic[] = "SFVR";

struct manifest {
	bool found;
	uint64_t offset; /* of the payload */
	uint64_t len;
};

/* Of at least SEGMENT_LEN bytes. */
static bool is_segment(const uint8_t *header)
{
	return memcmp(header, segment_magic, strlen(segment_magic)) == 0;
}

/* False, with a note, when the segments do not lead to the end of the file. */
static bool find_manifest(const struct rvs_probe *probe,
			  struct manifest *manifest, struct rvs_vectors *ret)
{
	uint64_t size = probe->input->size, at = 0;

	for (unsigned i = 0; i < RVS_VECTORS_SEGMENTS_MAX && at < size; i++) {
		uint8_t header[SEGMENT_LEN];
		uint64_t len;

		if (!rvs_probe_fetch(probe, header, sizeof(header), at, ret))
			return false;
		if (!is_segment(header))
			return !rvs_probe_damaged(ret,
						  "no segment at byte %llu",
						  (unsigned long long)at);
		at += SEGMENT_LEN;
		len = rvs_little_u64(header + SEGMENT_PAYLOAD_AT);
		if (at > size || len > size - at)
			return !rvs_probe_damaged(ret,
						  "cut short in a segment");
		if (header[SEGMENT_TYPE_AT] == SEGMENT_MANIFEST)
			*manifest = (struct manifest){ true, at, len };
		at += len;
	}
	if (at < size)
		return !rvs_probe_damaged(ret, "more than %u segments",
					  RVS_VECTORS_SEGMENTS_MAX);
	return true;
}

static bool read_manifest(const struct rvs_probe *probe,
			  const struct manifest *manifest,
			  struct rvs_vectors *ret)
{
	uint8_t head[MANIFEST_TABLE_AT], deleted[4];
	uint64_t total, deleted_at;

	if (manifest->len < sizeof(head))
		return rvs_probe_damaged(ret, "manifest too short");
	if (!rvs_probe_fetch(probe, head, sizeof(head), manifest->offset, ret))
		return true;
	total = rvs_little_u64(head + MANIFEST_TOTAL_AT);
	deleted_at = MANIFEST_TABLE_AT +
		     (uint64_t)MANIFEST_ENTRY_LEN *
			     rvs_little_u32(head + MANIFEST_SEGMENTS_AT);
	if (deleted_at + sizeof(deleted) > manifest->len)
		return rvs_probe_damaged(ret, "manifest too short");
	if (!rvs_probe_fetch(probe, deleted, sizeof(deleted),
			     manifest->offset + deleted_at, ret))
		return true;
	if (rvs_little_u32(deleted) > total)
		return rvs_probe_damaged(ret,
					 "more vectors deleted than there are");
	return rvs_probe_counted(probe, ret, total - rvs_little_u32(deleted));
}

bool rvs_vectors_rvf(const struct rvs_probe *probe, struct rvs_vectors *ret)
{
	struct manifest manifest = { .found = false };

	if (probe->head_len < SEGMENT_LEN || !is_segment(probe->head))
		return false;
	if (!find_manifest(probe, &manifest, ret))
		return true;
	if (!manifest.found)
		return rvs_probe_damaged(ret, "no manifest");
	return read_manifest(probe, &manifest, ret);
}

/*
 * .npy: "\x93NUMPY", u8 major, u8 minor, length of the header (u16 in version
 * 1, u32 later), the header: a Python dictionary such as
 *
 *	{'descr': '<f4', 'fortran_order': False, 'shape': (1000, 384), }
 *
 * Arrays of two and more dimensions are taken for vectors, one a row.  Those of
 * one are ids, labels or weights that go with them.
 */
enum { NPY_VERSION_AT = 6, NPY_LENGTH_AT = 8, NPY_HEADER_MAX = 1 << 16 };

static const char npy_magic[] = "\x93NUMPY";

/* What follows @key in the dictionary, blanks skipped; NULL without it. */
static const char *npy_field(const char *header, const char *key)
{
	const char *at = strstr(header, key);

	if (!at)
		return NULL;
	at += strlen(key);
	return at + strspn(at, ": ");
}

/* Bytes of an element, or 0 for types that are more than a letter and a
 * number. */
static uint64_t npy_item_len(const char *header)
{
	const char *at = npy_field(header, "'descr'");

	if (!at || at[0] != '\'' || !strchr("<>|=", at[1]) || !at[1] ||
	    !isalpha((unsigned char)at[2]) || !isdigit((unsigned char)at[3]))
		return 0;
	return strtoull(at + 3, NULL, 10);
}

struct npy_shape {
	uint64_t rows;
	uint64_t items; /* in all */
	unsigned dimensions;
};

static bool npy_parse_shape(const char *header, struct npy_shape *ret)
{
	const char *at = npy_field(header, "'shape'");

	*ret = (struct npy_shape){ .items = 1 };
	if (!at || *at++ != '(')
		return false;
	while (isdigit((unsigned char)*at)) {
		char *end;
		uint64_t length = strtoull(at, &end, 10);

		if (ret->dimensions++ == 0)
			ret->rows = length;
		if (__builtin_mul_overflow(ret->items, length, &ret->items))
			return false;
		/* Python 2 wrote its long integers as 1000L. */
		at = end + strspn(end, "L, ");
	}
	return *at == ')';
}

static bool npy_count(const struct rvs_probe *probe, const char *header,
		      uint64_t data_at, struct rvs_vectors *ret)
{
	uint64_t item_len = npy_item_len(header), len;
	struct npy_shape shape;

	if (!npy_parse_shape(header, &shape))
		return rvs_probe_damaged(ret, "no shape in the header");
	if (shape.dimensions < 2)
		return rvs_probe_no_vectors(ret);
	if (__builtin_mul_overflow(shape.items, item_len, &len) ||
	    len > probe->input->size - data_at)
		return rvs_probe_damaged(ret, "shorter than its shape");
	return rvs_probe_counted(probe, ret, shape.rows);
}

bool rvs_vectors_npy(const struct rvs_probe *probe, struct rvs_vectors *ret)
{
	RVS_CLEANUP(rvs_cleanup_free) char *header = NULL;
	bool first = probe->head[NPY_VERSION_AT] == 1;
	uint64_t at = NPY_LENGTH_AT + (first ? 2 : 4);
	uint32_t len;

	if (probe->head_len < NPY_LENGTH_AT + 4 ||
	    memcmp(probe->head, npy_magic, strlen(npy_magic)) != 0)
		return false;
	len = first ? rvs_little_u16(probe->head + NPY_LENGTH_AT)
		    : rvs_little_u32(probe->head + NPY_LENGTH_AT);
	if (len > NPY_HEADER_MAX || len > probe->input->size - at)
		return rvs_probe_damaged(ret, "header of %u bytes", len);
	header = calloc(1, (size_t)len + 1);
	if (!header)
		return rvs_probe_damaged(ret, "out of memory");
	if (!rvs_probe_fetch(probe, header, len, at, ret))
		return true;
	return npy_count(probe, header, at + len, ret);
}

/*
 * .fvecs, .bvecs, .ivecs: records of i32 dimensions and as many floats, bytes
 * or ints.  All records of a file are equally long.
 */
enum { VECS_DIMENSIONS_MAX = 1 << 20 };

static const struct vecs {
	const char *suffix;
	const char *format;
	unsigned width; /* bytes of an element */
} vecs_formats[] = {
	{ ".fvecs", "fvecs", 4 },
	{ ".bvecs", "bvecs", 1 },
	{ ".ivecs", "ivecs", 4 },
};

static bool ends_with(const char *name, const char *suffix)
{
	size_t len = strlen(name), suffix_len = strlen(suffix);

	return len >= suffix_len &&
	       strcmp(name + len - suffix_len, suffix) == 0;
}

static const struct vecs *find_vecs(const char *name)
{
	for (size_t i = 0; i < sizeof(vecs_formats) / sizeof(*vecs_formats);
	     i++)
		if (ends_with(name, vecs_formats[i].suffix))
			return &vecs_formats[i];
	return NULL;
}

bool rvs_vectors_vecs(const struct rvs_probe *probe, struct rvs_vectors *ret)
{
	const struct vecs *vecs = find_vecs(probe->name);
	uint64_t size = probe->input->size, record_len;
	uint32_t dimensions = rvs_little_u32(probe->head);
	uint8_t last[4];

	if (!vecs)
		return false;
	ret->format = vecs->format;
	if (size == 0)
		return rvs_probe_counted(probe, ret, 0);
	if (dimensions == 0 || dimensions > VECS_DIMENSIONS_MAX)
		return rvs_probe_damaged(ret, "vectors of %u dimensions",
					 dimensions);
	record_len = sizeof(last) + (uint64_t)dimensions * vecs->width;
	if (size % record_len != 0)
		return rvs_probe_damaged(ret, "ends inside a vector");
	if (!rvs_probe_fetch(probe, last, sizeof(last), size - record_len, ret))
		return true;
	if (rvs_little_u32(last) != dimensions)
		return rvs_probe_damaged(ret, "vectors of different length");
	return rvs_probe_counted(probe, ret, size / record_len);
}
