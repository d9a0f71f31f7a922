/*
 * Redb page: the nodes of a redb file's B-trees, and what their leaves hold.
 *
 * Pure decoding of bytes from outside: every count and end is compared with the
 * page before it is used, and what a page gives out lies inside it.
 *
 * Source of the format: redb 2.6.3 (btree_base.rs, table_tree_base.rs,
 * multimap_table.rs, savepoint.rs), file formats 2 and 3.  Integers are
 * little-endian.
 *
 *	leaf	u8 1, u8 0, u16 pairs, u32 key end [pairs] if keys vary, u32
 *		value end [pairs] if values vary, keys, values
 *	branch	u8 2, u8 0, u16 keys, u32 0, checksum [keys + 1],
 *		u64 page [keys + 1], u32 key end [keys] if keys vary, keys
 *
 * Ends count from the page's start.  The checksum of a page stands in its
 * parent and covers the page as far as its last value or key.
 */
#ifndef RVS_REDB_PAGE_H
#define RVS_REDB_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RVS_REDB_CHECKSUM_LEN 16
#define RVS_REDB_ROOT_LEN 32
#define RVS_REDB_VARIES (-1)

/* XXH3_128 with seed 0, low 64 bits first. */
struct rvs_redb_checksum {
	uint8_t bytes[RVS_REDB_CHECKSUM_LEN];
};

struct rvs_redb_checksum rvs_redb_checksum_of(const void *bytes, size_t len);
bool rvs_redb_checksum_matches(const struct rvs_redb_checksum *checksum,
			       const void *bytes, size_t len);

/* A page, and proof of its content and so of all below it. */
struct rvs_redb_ref {
	uint64_t page; /* number, for rvs_redb_header_locate() */
	struct rvs_redb_checksum checksum;
};

/* Decodes the first 24 of a root's 32 bytes; a length in entries follows. */
struct rvs_redb_ref rvs_redb_ref_decode(const uint8_t *bytes);

/* Bytes of a key and of a value, or RVS_REDB_VARIES.  The file says them in a
 * table's definition, not in the pages. */
struct rvs_redb_widths {
	int64_t key;
	int64_t value;
};

struct rvs_redb_span {
	const uint8_t *bytes;
	size_t len;
};

struct rvs_redb_page {
	const uint8_t *bytes; /* the caller's */
	struct rvs_redb_widths widths;
	bool leaf;
	uint32_t count; /* pairs of a leaf, keys of a branch; never 0 */
	size_t end;     /* what the checksum covers */
};

/* False when the bytes are no page of these widths. */
bool rvs_redb_page_decode(const uint8_t *bytes, size_t len,
			  struct rvs_redb_widths widths,
			  struct rvs_redb_page *ret);

/* The same, and the checksum must match. */
bool rvs_redb_page_open(const uint8_t *bytes, size_t len,
			struct rvs_redb_widths widths,
			const struct rvs_redb_checksum *checksum,
			struct rvs_redb_page *ret);

/* Key @i below count, and of a leaf value @i; false when its ends are not in
 * order. */
bool rvs_redb_page_key(const struct rvs_redb_page *page, uint32_t i,
		       struct rvs_redb_span *ret);
bool rvs_redb_page_value(const struct rvs_redb_page *page, uint32_t i,
			 struct rvs_redb_span *ret);

/* Child @i of a branch, up to and including count.  Child @i holds the keys up
 * to and including key @i, the last child those above all keys. */
struct rvs_redb_ref rvs_redb_page_child(const struct rvs_redb_page *page,
					uint32_t i);

/* The value of a master tree: one table. */
struct rvs_redb_table {
	bool multimap;
	uint64_t entries;
	bool present; /* false: empty, without a tree */
	struct rvs_redb_ref root;
	struct rvs_redb_widths widths; /* of a multimap: of the values that a
					  key's own tree holds as keys */
};

bool rvs_redb_table_decode(struct rvs_redb_span value,
			   struct rvs_redb_table *ret);

/* The value of a multimap table: a few values on the spot, or a tree. */
struct rvs_redb_collection {
	bool present;
	struct rvs_redb_ref root;
};

bool rvs_redb_collection_decode(struct rvs_redb_span value,
				struct rvs_redb_collection *ret);

/* The value of the table of persistent savepoints: the roots that redb follows
 * when it repairs. */
struct rvs_redb_savepoint {
	bool user_present;
	struct rvs_redb_ref user;
	bool freed_present; /* format 2 only */
	struct rvs_redb_ref freed;
};

bool rvs_redb_savepoint_decode(struct rvs_redb_span value,
			       struct rvs_redb_savepoint *ret);

#endif
