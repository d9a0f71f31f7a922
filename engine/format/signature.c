#include "signature.h"

#include <stdlib.h>
#include <string.h>

#include "cut.h"
#include "digest.h"
#include "proof.h"

static const uint8_t magic[8] = "RVSSIGS1";

enum { FILE_LEN = 4 + RVS_DIGEST_LEN, ITEM_LEN = 8 + 4 + RVS_DIGEST_LEN };

void rvs_signatures_done(struct rvs_signatures *signatures)
{
	rvs_buf_done(&signatures->files);
	rvs_buf_done(&signatures->items);
}

static struct rvs_signed_file *files_of(const struct rvs_signatures *s)
{
	return (struct rvs_signed_file *)(void *)s->files.bytes;
}

static const struct rvs_signature *items_of(const struct rvs_signatures *s)
{
	return (const struct rvs_signature *)(const void *)s->items.bytes;
}

static size_t file_count(const struct rvs_signatures *s)
{
	return s->files.len / sizeof(struct rvs_signed_file);
}

static size_t item_count(const struct rvs_signatures *s)
{
	return s->items.len / sizeof(struct rvs_signature);
}

/* ---- looking ---- */

static int compare(const struct rvs_digest *a, const struct rvs_digest *b)
{
	return memcmp(a->bytes, b->bytes, RVS_DIGEST_LEN);
}

/* The first file whose digest is not below @digest. */
static size_t find_file(const struct rvs_signatures *s,
			const struct rvs_digest *digest)
{
	const struct rvs_signed_file *files = files_of(s);
	size_t low = 0, high = file_count(s);

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(&files[middle].digest, digest) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct rvs_signature *
rvs_signatures_of(const struct rvs_signatures *signatures,
		  const struct rvs_digest *file, size_t *ret_count)
{
	const struct rvs_signed_file *files = files_of(signatures);
	size_t i = find_file(signatures, file);

	*ret_count = 0;
	if (i == file_count(signatures) || compare(&files[i].digest, file) != 0)
		return NULL;
	*ret_count = files[i].count;
	return items_of(signatures) + files[i].first;
}

bool rvs_signature_is_in(const struct rvs_signature *items, size_t count,
			 const struct rvs_signature *wanted)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (items[middle].at < wanted->at)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && items[low].at == wanted->at &&
	       items[low].len == wanted->len &&
	       rvs_digest_equal(&items[low].digest, &wanted->digest);
}

/* ---- adding ---- */

int rvs_signatures_add(struct rvs_signatures *signatures,
		       const struct rvs_digest *file,
		       const struct rvs_signature *items, size_t count,
		       struct rvs_error *err)
{
	const struct rvs_signed_file added = {
		*file, (uint32_t)item_count(signatures), (uint32_t)count
	};

	if (count > UINT32_MAX - item_count(signatures))
		return rvs_error_set(err, RVS_ERR_REFUSED,
				     "more than 2^32 signatures");
	rvs_buf_put(&signatures->files, &added, sizeof(added));
	rvs_buf_put(&signatures->items, items, count * sizeof(*items));
	return signatures->files.failed || signatures->items.failed ?
		       rvs_error_no_memory(err) :
		       0;
}

static int compare_files(const void *a, const void *b)
{
	const struct rvs_signed_file *x = a, *y = b;

	return compare(&x->digest, &y->digest);
}

void rvs_signatures_sort(struct rvs_signatures *signatures)
{
	struct rvs_signed_file *files = files_of(signatures);
	size_t count = file_count(signatures), kept = 0, i;

	if (count > 1)
		qsort(files, count, sizeof(*files), compare_files);
	for (i = 0; i < count; i++)
		if (kept == 0 ||
		    compare(&files[kept - 1].digest, &files[i].digest) != 0)
			files[kept++] = files[i];
	signatures->files.len = kept * sizeof(*files);
}

/* ---- bytes ---- */

static void put_items(struct rvs_buf *ret, const struct rvs_signature *items,
		      size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		rvs_buf_put_u64(ret, items[i].at);
		rvs_buf_put_u32(ret, items[i].len);
		rvs_buf_put(ret, items[i].digest.bytes, RVS_DIGEST_LEN);
	}
}

int rvs_signatures_encode(const struct rvs_signatures *signatures,
			  struct rvs_buf *ret, struct rvs_error *err)
{
	const struct rvs_signed_file *files = files_of(signatures);
	size_t start = ret->len, i;

	rvs_buf_put(ret, magic, sizeof(magic));
	rvs_buf_put_u32(ret, (uint32_t)file_count(signatures));
	for (i = 0; i < file_count(signatures); i++) {
		rvs_buf_put(ret, files[i].digest.bytes, RVS_DIGEST_LEN);
		rvs_buf_put_u32(ret, files[i].count);
		put_items(ret, items_of(signatures) + files[i].first,
			  files[i].count);
	}
	return rvs_proof_put(ret, start, err);
}

static int corrupt(struct rvs_error *err, const char *rule)
{
	return rvs_error_set(err, RVS_ERR_CORRUPT, "signatures: %s", rule);
}

static void decode_digest(struct rvs_cursor *at, struct rvs_digest *ret)
{
	const uint8_t *bytes = rvs_cursor_bytes(at, RVS_DIGEST_LEN);

	*ret = (struct rvs_digest){ .bytes = { 0 } };
	if (bytes)
		memcpy(ret->bytes, bytes, RVS_DIGEST_LEN);
}

static int decode_items(struct rvs_cursor *at, uint32_t count,
			struct rvs_signatures *ret, struct rvs_error *err)
{
	uint64_t end = 0;
	uint32_t i;

	for (i = 0; i < count; i++) {
		struct rvs_signature item = { .at = rvs_cursor_u64(at) };

		item.len = rvs_cursor_u32(at);
		decode_digest(at, &item.digest);
		if (item.at < end || item.len == 0 || item.len > RVS_CUT_MAX ||
		    item.at > INT64_MAX - RVS_CUT_MAX)
			return corrupt(err, "a chunk is out of bounds");
		end = item.at + item.len;
		rvs_buf_put(&ret->items, &item, sizeof(item));
	}
	return rvs_buf_check(&ret->items, err);
}

static int decode_file(struct rvs_cursor *at, struct rvs_signatures *ret,
		       struct rvs_error *err)
{
	size_t before = file_count(ret);
	struct rvs_signed_file file = { .first = (uint32_t)item_count(ret) };
	int r;

	decode_digest(at, &file.digest);
	file.count = rvs_cursor_u32(at);
	/* Each takes bytes, which bounds what is allocated. */
	if (at->failed || file.count == 0 ||
	    file.count > rvs_cursor_left(at) / ITEM_LEN ||
	    file.count > UINT32_MAX - item_count(ret))
		return corrupt(err, "a file has more or less than it says");
	if (before > 0 &&
	    compare(&files_of(ret)[before - 1].digest, &file.digest) >= 0)
		return corrupt(err, "files are out of order");
	r = decode_items(at, file.count, ret, err);
	if (r < 0)
		return r;
	rvs_buf_put(&ret->files, &file, sizeof(file));
	return rvs_buf_check(&ret->files, err);
}

static int decode_all(const uint8_t *bytes, size_t len,
		      struct rvs_signatures *ret, struct rvs_error *err)
{
	int r = rvs_proof_check(bytes, &len, err);
	struct rvs_cursor at = rvs_cursor_of(bytes, len);
	const uint8_t *start = rvs_cursor_bytes(&at, sizeof(magic));
	uint32_t files, i;

	if (r < 0)
		return r;
	if (!start || memcmp(start, magic, sizeof(magic)))
		return corrupt(err, "not of this version");
	files = rvs_cursor_u32(&at);
	if (at.failed || files > rvs_cursor_left(&at) / (FILE_LEN + ITEM_LEN))
		return corrupt(err, "more files than there is room for");
	for (i = 0; i < files && r == 0; i++)
		r = decode_file(&at, ret, err);
	if (r == 0 && rvs_cursor_left(&at) > 0)
		return corrupt(err, "something lies behind them");
	return r;
}

int rvs_signatures_decode(const void *bytes, size_t len,
			  struct rvs_signatures *ret, struct rvs_error *err)
{
	int r;

	*ret = (struct rvs_signatures)RVS_SIGNATURES_INIT;
	r = decode_all(bytes, len, ret, err);
	if (r < 0)
		rvs_signatures_done(ret);
	return r;
}
