/*
 * Redb broken: images that each break one rule, with what a walk over the
 * newest commit makes of them.
 */
#ifndef REDB_BROKEN_H
#define REDB_BROKEN_H

#include "redb_samples.h"

static inline void break_nothing(struct image *image)
{
}

static inline void break_magic(struct image *image)
{
	image->bytes[8] = 0;
}

static inline void break_page_size(struct image *image)
{
	image_put_u32(image->bytes + 12, 768);
}

static inline void break_regions(struct image *image)
{
	image_put_u32(image->bytes + 24, UINT32_MAX);
}

static inline void break_region_pages(struct image *image)
{
	image_put_u32(image->bytes + 20, 0);
}

static inline void break_slots(struct image *image)
{
	spoil_slot(image, 0);
	spoil_slot(image, 1);
}

static inline void break_version(struct image *image)
{
	image->bytes[IMAGE_SLOTS_AT] = 1;
	image->bytes[IMAGE_SLOTS_AT + IMAGE_SLOT_LEN] = 1;
}

static inline void set_user_root(struct image *image, uint64_t page)
{
	image_put_u64(image->bytes + IMAGE_SLOTS_AT + 8, page);
	image_seal_slot(image, 0);
}

static inline void break_root_page(struct image *image)
{
	set_user_root(image, PAGES);
}

/* 2^20 pages of 512 bytes, in a region that says it has them. */
static inline void break_page_order(struct image *image)
{
	image_put_u32(image->bytes + 20, 1 << 20);
	image_put_u32(image->bytes + 28, 1 << 20);
	set_user_root(image, UINT64_C(20) << 59);
}

static inline void break_length(struct image *image)
{
	image->len = IMAGE_DATA_AT + IMAGE_PAGE_LEN;
}

/* Edit the user root's page, with checksums that match. */
static inline void reseal_user_root(struct image *image)
{
	uint8_t *root = image->bytes + IMAGE_SLOTS_AT + 8;
	struct rvs_redb_ref ref = rvs_redb_ref_decode(root);

	ref = image_seal(image, ref.page, image_varying);
	image_put_root(root, &ref);
	image_seal_slot(image, 0);
}

static inline uint8_t *user_root(struct image *image)
{
	const uint8_t *root = image->bytes + IMAGE_SLOTS_AT + 8;

	return image_page(image, rvs_redb_ref_decode(root).page);
}

static inline void break_entry_order(struct image *image)
{
	image_put_u32(user_root(image) + 4, 500);
	reseal_user_root(image);
}

static inline void break_entry_count(struct image *image)
{
	image_put_u16(user_root(image) + 2, 0);
	reseal_user_root(image);
}

static inline void break_table_type(struct image *image)
{
	/* Three ends of keys and of values, the names, the first value. */
	user_root(image)[4 + 24 + strlen("emptygraphvectors")] = 9;
	reseal_user_root(image);
}

static inline void break_table_width(struct image *image)
{
	uint8_t *value = user_root(image) + 4 + 24 +
			 strlen("emptygraphvectors") + 2 * IMAGE_TABLE_LEN;

	value[42] = 1;
	image_put_u32(value + 43, UINT32_MAX);
	reseal_user_root(image);
}

static inline void break_by_fan(struct image *image)
{
	put_fan(image, 20);
}

static const struct broken {
	const char *name;
	void (*edit)(struct image *image);
	int status;
} broken[] = {
	{ "valid", break_nothing, 0 },
	{ "valid-two-commits", put_two_commits, 0 },
	{ "valid-one-leaf-for-all", break_by_fan, 0 },
	{ "newest-commit-half-written", put_half_commit, RVS_ERR_CORRUPT },
	{ "header-magic", break_magic, RVS_ERR_CORRUPT },
	{ "header-page-size-no-power-of-two", break_page_size,
	  RVS_ERR_CORRUPT },
	{ "header-too-many-regions", break_regions, RVS_ERR_CORRUPT },
	{ "header-regions-without-pages", break_region_pages,
	  RVS_ERR_CORRUPT },
	{ "header-format-1", break_version, RVS_ERR_REFUSED },
	{ "slots-fail-checksum", break_slots, RVS_ERR_CORRUPT },
	{ "root-outside-layout", break_root_page, RVS_ERR_CORRUPT },
	{ "page-too-long", break_page_order, RVS_ERR_REFUSED },
	{ "file-shorter-than-layout", break_length, RVS_ERR_CORRUPT },
	{ "leaf-entries-out-of-order", break_entry_order, RVS_ERR_CORRUPT },
	{ "leaf-without-entries", break_entry_count, RVS_ERR_CORRUPT },
	{ "table-of-unknown-type", break_table_type, RVS_ERR_CORRUPT },
	{ "table-width-beyond-page", break_table_width, RVS_ERR_CORRUPT },
};

static const size_t broken_count = sizeof(broken) / sizeof(*broken);

#endif
