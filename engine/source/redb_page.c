#include "redb_page.h"

#include <endian.h>
#include <string.h>
#include <xxhash.h>

#include "little.h"

enum {
	TYPE_LEAF = 1,
	TYPE_BRANCH = 2,
	COUNT_AT = 2,
	LEAF_HEADER_LEN = 4,
	BRANCH_HEADER_LEN = 8,
	END_LEN = 4,
	NUMBER_LEN = 8,
};

struct rvs_redb_checksum rvs_redb_checksum_of(const void *bytes, size_t len)
{
	XXH128_hash_t hash = XXH3_128bits(bytes, len);
	uint64_t low = htole64(hash.low64), high = htole64(hash.high64);
	struct rvs_redb_checksum checksum;

	memcpy(checksum.bytes, &low, sizeof(low));
	memcpy(checksum.bytes + sizeof(low), &high, sizeof(high));
	return checksum;
}

bool rvs_redb_checksum_matches(const struct rvs_redb_checksum *checksum,
			       const void *bytes, size_t len)
{
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
	/* A fuzzer cannot find checksums; let it see what lies behind them. */
	(void)checksum, (void)bytes, (void)len;
	return true;
#else
	struct rvs_redb_checksum found = rvs_redb_checksum_of(bytes, len);

	return memcmp(&found, checksum, sizeof(found)) == 0;
#endif
}

struct rvs_redb_ref rvs_redb_ref_decode(const uint8_t *bytes)
{
	struct rvs_redb_ref ref = { .page = rvs_little_u64(bytes) };

	memcpy(ref.checksum.bytes, bytes + NUMBER_LEN, RVS_REDB_CHECKSUM_LEN);
	return ref;
}

/*
 * Positions in a page are computed in 64 bits, where they cannot overflow: at
 * most 65,536 counts of widths below 2^32.
 */

static uint64_t children_of(const struct rvs_redb_page *page)
{
	return (uint64_t)page->count + 1;
}

/* Where the ends of the keys stand, if keys vary. */
static uint64_t key_ends_at(const struct rvs_redb_page *page)
{
	if (page->leaf)
		return LEAF_HEADER_LEN;
	return BRANCH_HEADER_LEN +
	       children_of(page) * (RVS_REDB_CHECKSUM_LEN + NUMBER_LEN);
}

static uint64_t value_ends_at(const struct rvs_redb_page *page)
{
	uint64_t at = key_ends_at(page);

	if (page->widths.key == RVS_REDB_VARIES)
		at += (uint64_t)page->count * END_LEN;
	return at;
}

static uint64_t keys_at(const struct rvs_redb_page *page)
{
	uint64_t at = value_ends_at(page);

	if (page->leaf && page->widths.value == RVS_REDB_VARIES)
		at += (uint64_t)page->count * END_LEN;
	return at;
}

/* These two may only be asked once keys_at() is known to lie in the page. */

static uint64_t key_end(const struct rvs_redb_page *page, uint32_t i)
{
	if (page->widths.key == RVS_REDB_VARIES)
		return rvs_little_u32(page->bytes + key_ends_at(page) +
			       (uint64_t)i * END_LEN);
	return keys_at(page) + (uint64_t)page->widths.key * (i + 1);
}

static uint64_t value_end(const struct rvs_redb_page *page, uint32_t i)
{
	if (page->widths.value == RVS_REDB_VARIES)
		return rvs_little_u32(page->bytes + value_ends_at(page) +
			       (uint64_t)i * END_LEN);
	return key_end(page, page->count - 1) +
	       (uint64_t)page->widths.value * (i + 1);
}

bool rvs_redb_page_decode(const uint8_t *bytes, size_t len,
			  struct rvs_redb_widths widths,
			  struct rvs_redb_page *ret)
{
	struct rvs_redb_page page = { .bytes = bytes, .widths = widths };
	uint64_t end;

	if (len < BRANCH_HEADER_LEN)
		return false;
	if (bytes[0] != TYPE_LEAF && bytes[0] != TYPE_BRANCH)
		return false;
	page.leaf = bytes[0] == TYPE_LEAF;
	page.count = rvs_little_u16(bytes + COUNT_AT);
	if (page.count == 0 || keys_at(&page) > len)
		return false;

	end = page.leaf ? value_end(&page, page.count - 1)
			: key_end(&page, page.count - 1);
	if (end < keys_at(&page) || end > len)
		return false;
	page.end = (size_t)end;
	*ret = page;
	return true;
}

bool rvs_redb_page_open(const uint8_t *bytes, size_t len,
			struct rvs_redb_widths widths,
			const struct rvs_redb_checksum *checksum,
			struct rvs_redb_page *ret)
{
	return rvs_redb_page_decode(bytes, len, widths, ret) &&
	       rvs_redb_checksum_matches(checksum, bytes, ret->end);
}

static bool make_span(const struct rvs_redb_page *page, uint64_t start,
		      uint64_t end, struct rvs_redb_span *ret)
{
	if (start > end || end > page->end)
		return false;
	ret->bytes = page->bytes + start;
	ret->len = (size_t)(end - start);
	return true;
}

bool rvs_redb_page_key(const struct rvs_redb_page *page, uint32_t i,
		       struct rvs_redb_span *ret)
{
	uint64_t start = i == 0 ? keys_at(page) : key_end(page, i - 1);

	return make_span(page, start, key_end(page, i), ret);
}

bool rvs_redb_page_value(const struct rvs_redb_page *page, uint32_t i,
			 struct rvs_redb_span *ret)
{
	uint64_t start = i == 0 ? key_end(page, page->count - 1)
				: value_end(page, i - 1);

	return make_span(page, start, value_end(page, i), ret);
}

struct rvs_redb_ref rvs_redb_page_child(const struct rvs_redb_page *page,
					uint32_t i)
{
	const uint8_t *checksums = page->bytes + BRANCH_HEADER_LEN;
	const uint8_t *numbers =
		checksums + children_of(page) * RVS_REDB_CHECKSUM_LEN;
	struct rvs_redb_ref ref = {
		.page = rvs_little_u64(numbers + (size_t)i * NUMBER_LEN)
	};

	memcpy(ref.checksum.bytes,
	       checksums + (size_t)i * RVS_REDB_CHECKSUM_LEN,
	       RVS_REDB_CHECKSUM_LEN);
	return ref;
}

enum {
	TABLE_NORMAL = 3,
	TABLE_MULTIMAP = 4,
	TABLE_ENTRIES_AT = 1,
	TABLE_PRESENT_AT = 9,
	TABLE_ROOT_AT = 10,
	TABLE_KEY_WIDTH_AT = 42, /* u8 flag, u32 width */
	TABLE_VALUE_WIDTH_AT = 47,
	TABLE_LEN = 52, /* as far as it is used here */
};

static int64_t decode_width(const uint8_t *bytes)
{
	return bytes[0] ? (int64_t)rvs_little_u32(bytes + 1) : RVS_REDB_VARIES;
}

bool rvs_redb_table_decode(struct rvs_redb_span value,
			   struct rvs_redb_table *ret)
{
	const uint8_t *bytes = value.bytes;

	if (value.len < TABLE_LEN)
		return false;
	if (bytes[0] != TABLE_NORMAL && bytes[0] != TABLE_MULTIMAP)
		return false;
	*ret = (struct rvs_redb_table){
		.multimap = bytes[0] == TABLE_MULTIMAP,
		.entries = rvs_little_u64(bytes + TABLE_ENTRIES_AT),
		.present = bytes[TABLE_PRESENT_AT] != 0,
		.root = rvs_redb_ref_decode(bytes + TABLE_ROOT_AT),
		.widths.key = decode_width(bytes + TABLE_KEY_WIDTH_AT),
		.widths.value = decode_width(bytes + TABLE_VALUE_WIDTH_AT),
	};
	return true;
}

enum { COLLECTION_INLINE = 1, COLLECTION_TREE = 3 };

bool rvs_redb_collection_decode(struct rvs_redb_span value,
				struct rvs_redb_collection *ret)
{
	*ret = (struct rvs_redb_collection){ .present = false };
	if (value.len == 0)
		return false;
	if (value.bytes[0] == COLLECTION_INLINE)
		return true;
	if (value.bytes[0] != COLLECTION_TREE ||
	    value.len < 1 + RVS_REDB_ROOT_LEN)
		return false;
	ret->present = true;
	ret->root = rvs_redb_ref_decode(value.bytes + 1);
	return true;
}

/* Version, u64 id, u64 transaction, then roots, each after a flag: user, and in
 * format 2 system and freed. */
enum {
	SAVEPOINT_USER_AT = 17,
	SAVEPOINT_FREED_AT = SAVEPOINT_USER_AT + 2 * (1 + RVS_REDB_ROOT_LEN),
	SAVEPOINT_LEN = SAVEPOINT_USER_AT + 1 + RVS_REDB_ROOT_LEN,
	SAVEPOINT_2_LEN = SAVEPOINT_FREED_AT + 1 + RVS_REDB_ROOT_LEN,
};

bool rvs_redb_savepoint_decode(struct rvs_redb_span value,
			       struct rvs_redb_savepoint *ret)
{
	const uint8_t *bytes = value.bytes;

	*ret = (struct rvs_redb_savepoint){ .user_present = false };
	if (value.len < SAVEPOINT_LEN)
		return false;
	ret->user_present = bytes[SAVEPOINT_USER_AT] != 0;
	ret->user = rvs_redb_ref_decode(bytes + SAVEPOINT_USER_AT + 1);
	if (bytes[0] != 2)
		return bytes[0] == 3;

	if (value.len < SAVEPOINT_2_LEN)
		return false;
	ret->freed_present = bytes[SAVEPOINT_FREED_AT] != 0;
	ret->freed = rvs_redb_ref_decode(bytes + SAVEPOINT_FREED_AT + 1);
	return true;
}
