/*
 * Redb image: an encoder of small redb files, for tests.
 *
 * Pages are 512 bytes in one region after one header page, so that a whole
 * database is a few kilobytes.  Pages are taken in order and never freed; a
 * second commit builds its own beside those of the first.
 */
#ifndef REDB_IMAGE_H
#define REDB_IMAGE_H

#include <assert.h>
#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "source/redb_header.h"

enum {
	IMAGE_PAGE_LEN = 512,
	IMAGE_REGION_HEADER_PAGES = 1,
	IMAGE_REGION_PAGES = 1024,
	IMAGE_PAGES_MAX = 512,
	IMAGE_DATA_AT = IMAGE_PAGE_LEN * (1 + IMAGE_REGION_HEADER_PAGES),
	IMAGE_LEN_MAX = IMAGE_DATA_AT + IMAGE_PAGES_MAX * IMAGE_PAGE_LEN,

	IMAGE_FLAGS_AT = 9,
	IMAGE_SECOND_PRIMARY = 1,
	IMAGE_RECOVERY_REQUIRED = 2,
	IMAGE_TWO_PHASE = 4,
	IMAGE_SLOTS_AT = 64,
	IMAGE_SLOT_LEN = 128,
};

struct image {
	uint8_t bytes[IMAGE_LEN_MAX];
	size_t len;
	unsigned pages; /* taken */
};

static const struct rvs_redb_widths image_varying = { RVS_REDB_VARIES,
						      RVS_REDB_VARIES };

static inline void image_put_u16(uint8_t *at, uint16_t value)
{
	value = htole16(value);
	memcpy(at, &value, sizeof(value));
}

static inline void image_put_u32(uint8_t *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, sizeof(value));
}

static inline void image_put_u64(uint8_t *at, uint64_t value)
{
	value = htole64(value);
	memcpy(at, &value, sizeof(value));
}

/* 32 bytes; the length in entries is of no account to what is tested. */
static inline void image_put_root(uint8_t *at, const struct rvs_redb_ref *root)
{
	image_put_u64(at, root->page);
	memcpy(at + 8, &root->checksum, sizeof(root->checksum));
	image_put_u64(at + 24, 0);
}

static inline struct rvs_redb_span image_text(const char *text)
{
	return (struct rvs_redb_span){ (const uint8_t *)text, strlen(text) };
}

static inline void image_set_pages(struct image *image, unsigned pages)
{
	image->len = IMAGE_DATA_AT + (size_t)pages * IMAGE_PAGE_LEN;
	image_put_u32(image->bytes + 28, pages);
}

static inline uint8_t *image_page(struct image *image, uint64_t page)
{
	return image->bytes + IMAGE_DATA_AT + page * IMAGE_PAGE_LEN;
}

static inline uint64_t image_take_page(struct image *image)
{
	assert(IMAGE_DATA_AT + (image->pages + 1) * IMAGE_PAGE_LEN <=
	       image->len);
	return image->pages++;
}

/* The checksum of a page that was written or edited. */
static inline struct rvs_redb_ref image_seal(struct image *image, uint64_t page,
					     struct rvs_redb_widths widths)
{
	const uint8_t *bytes = image_page(image, page);
	struct rvs_redb_ref ref = { .page = page };
	struct rvs_redb_page decoded;
	bool decodes = rvs_redb_page_decode(bytes, IMAGE_PAGE_LEN, widths,
					    &decoded);

	ref.checksum = rvs_redb_checksum_of(bytes, decodes ? decoded.end : 0);
	return ref;
}

struct image_pair {
	struct rvs_redb_span key;
	struct rvs_redb_span value;
};

static inline struct rvs_redb_ref image_leaf(struct image *image,
					     struct rvs_redb_widths widths,
					     const struct image_pair *pairs,
					     unsigned count)
{
	uint64_t page = image_take_page(image);
	uint8_t *bytes = image_page(image, page);
	uint8_t *key_ends = bytes + 4;
	uint8_t *value_ends =
		key_ends + (widths.key == RVS_REDB_VARIES ? 4 * count : 0);
	uint8_t *at = value_ends +
		      (widths.value == RVS_REDB_VARIES ? 4 * count : 0);

	bytes[0] = 1;
	image_put_u16(bytes + 2, (uint16_t)count);
	for (unsigned i = 0; i < count; i++) {
		memcpy(at, pairs[i].key.bytes, pairs[i].key.len);
		at += pairs[i].key.len;
		if (widths.key == RVS_REDB_VARIES)
			image_put_u32(key_ends + 4 * i, (uint32_t)(at - bytes));
	}
	for (unsigned i = 0; i < count; i++) {
		memcpy(at, pairs[i].value.bytes, pairs[i].value.len);
		at += pairs[i].value.len;
		if (widths.value == RVS_REDB_VARIES)
			image_put_u32(value_ends + 4 * i,
				      (uint32_t)(at - bytes));
	}
	assert(at <= bytes + IMAGE_PAGE_LEN);
	return image_seal(image, page, widths);
}

/* A branch of varying keys, @count of them and one child more. */
static inline struct rvs_redb_ref
image_branch(struct image *image, const struct rvs_redb_span *keys,
	     const struct rvs_redb_ref *children, unsigned count)
{
	uint64_t page = image_take_page(image);
	uint8_t *bytes = image_page(image, page);
	uint8_t *checksums = bytes + 8;
	uint8_t *numbers = checksums + 16 * (count + 1);
	uint8_t *ends = numbers + 8 * (count + 1);
	uint8_t *at = ends + 4 * count;

	bytes[0] = 2;
	image_put_u16(bytes + 2, (uint16_t)count);
	for (unsigned i = 0; i <= count; i++) {
		memcpy(checksums + 16 * i, &children[i].checksum, 16);
		image_put_u64(numbers + 8 * i, children[i].page);
	}
	for (unsigned i = 0; i < count; i++) {
		memcpy(at, keys[i].bytes, keys[i].len);
		at += keys[i].len;
		image_put_u32(ends + 4 * i, (uint32_t)(at - bytes));
	}
	assert(at <= bytes + IMAGE_PAGE_LEN);
	return image_seal(image, page, image_varying);
}

enum { IMAGE_TABLE_LEN = 60 };

/* A table's definition; @root NULL for an empty table. */
static inline struct rvs_redb_span
image_table(uint8_t bytes[IMAGE_TABLE_LEN], bool multimap, uint64_t entries,
	    const struct rvs_redb_ref *root, struct rvs_redb_widths widths)
{
	memset(bytes, 0, IMAGE_TABLE_LEN);
	bytes[0] = multimap ? 4 : 3;
	image_put_u64(bytes + 1, entries);
	bytes[9] = root ? 1 : 0;
	if (root)
		image_put_root(bytes + 10, root);
	if (widths.key != RVS_REDB_VARIES) {
		bytes[42] = 1;
		image_put_u32(bytes + 43, (uint32_t)widths.key);
	}
	if (widths.value != RVS_REDB_VARIES) {
		bytes[47] = 1;
		image_put_u32(bytes + 48, (uint32_t)widths.value);
	}
	return (struct rvs_redb_span){ bytes, IMAGE_TABLE_LEN };
}

static inline void image_seal_slot(struct image *image, unsigned slot)
{
	uint8_t *bytes = image->bytes + IMAGE_SLOTS_AT + slot * IMAGE_SLOT_LEN;
	struct rvs_redb_checksum checksum = rvs_redb_checksum_of(bytes, 112);

	memcpy(bytes + 112, &checksum, sizeof(checksum));
}

/* What a commit names; NULL where it has no such tree. */
struct image_roots {
	const struct rvs_redb_ref *roots[RVS_REDB_ROOTS];
};

static inline void image_commit(struct image *image, unsigned slot,
				uint64_t transaction,
				const struct image_roots *roots)
{
	uint8_t *bytes = image->bytes + IMAGE_SLOTS_AT + slot * IMAGE_SLOT_LEN;

	memset(bytes, 0, IMAGE_SLOT_LEN);
	bytes[0] = 2;
	for (unsigned i = 0; i < RVS_REDB_ROOTS; i++) {
		if (!roots->roots[i])
			continue;
		bytes[1 + i] = 1;
		image_put_root(bytes + 8 + 32 * i, roots->roots[i]);
	}
	image_put_u64(bytes + 104, transaction);
	image_seal_slot(image, slot);
	image->bytes[IMAGE_FLAGS_AT] &= (uint8_t)~IMAGE_SECOND_PRIMARY;
	if (slot == 1)
		image->bytes[IMAGE_FLAGS_AT] |= IMAGE_SECOND_PRIMARY;
}

/* A file of @pages data pages, with two empty commits as new ones have. */
static inline void image_init(struct image *image, unsigned pages)
{
	static const uint8_t magic[] = { 'r',  'e',  'd',  'b', 0x1a,
					 0x0a, 0xa9, 0x0d, 0x0a };
	const struct image_roots none = { { NULL } };

	assert(pages <= IMAGE_PAGES_MAX);
	memset(image, 0, sizeof(*image));
	memcpy(image->bytes, magic, sizeof(magic));
	image->bytes[IMAGE_FLAGS_AT] = IMAGE_RECOVERY_REQUIRED;
	image_put_u32(image->bytes + 12, IMAGE_PAGE_LEN);
	image_put_u32(image->bytes + 16, IMAGE_REGION_HEADER_PAGES);
	image_put_u32(image->bytes + 20, IMAGE_REGION_PAGES);
	image_set_pages(image, pages);
	image_commit(image, 1, 0, &none);
	image_commit(image, 0, 0, &none);
}

/* A table of varying widths: a branch over two leaves of @salt's content. */
static inline struct rvs_redb_ref image_two_leaves(struct image *image,
						   const char *salt)
{
	const struct image_pair low = { image_text("a"), image_text(salt) };
	const struct image_pair high = { image_text("z"), image_text(salt) };
	const struct rvs_redb_ref children[] = {
		image_leaf(image, image_varying, &low, 1),
		image_leaf(image, image_varying, &high, 1),
	};
	const struct rvs_redb_span key = image_text("m");

	return image_branch(image, &key, children, 1);
}

/* Commit a database whose user tree is one table. */
static inline void image_commit_table(struct image *image, unsigned slot,
				      uint64_t transaction, const char *name,
				      const char *salt, uint64_t entries)
{
	struct rvs_redb_ref table = image_two_leaves(image, salt), user;
	uint8_t definition[IMAGE_TABLE_LEN];
	const struct image_pair pair = {
		image_text(name),
		image_table(definition, false, entries, &table, image_varying),
	};
	const struct image_roots roots = { { [RVS_REDB_USER] = &user } };

	user = image_leaf(image, image_varying, &pair, 1);
	image_commit(image, slot, transaction, &roots);
}

#endif
