/*
 * Redb header: the first 320 bytes of a redb file, and where its pages lie.
 *
 * A decoded header names a layout whose sizes are bounded, so that no address
 * computed from it overflows; a page outside the layout cannot be located.
 *
 * Source of the format: redb 2.6.3 (header.rs, layout.rs, base.rs), file
 * formats 2 and 3.  Integers are little-endian.
 *
 *	@0	magic "redb" 1A 0A A9 0D 0A
 *	@9	flags: 1 slot 1 is primary, 2 recovery required, 4 two-phase
 *	@12	u32 page size, @16 header pages of a region, @20 pages of a full
 *		region, @24 full regions, @28 pages of the trailing region
 *	@64	slot 0, @192 slot 1
 *
 *	slot	@0 version, @1 @2 @3 whether the user, system and freed root is
 *		there, @8 @40 @72 these roots, @104 u64 transaction,
 *		@112 checksum of the bytes before
 */
#ifndef RVS_REDB_HEADER_H
#define RVS_REDB_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "redb_page.h"

#define RVS_REDB_HEADER_LEN 320
#define RVS_REDB_SLOTS 2

/* The roots of a slot.  Format 3 has no freed tree. */
enum { RVS_REDB_USER, RVS_REDB_SYSTEM, RVS_REDB_FREED, RVS_REDB_ROOTS };

/* One committed transaction. */
struct rvs_redb_slot {
	bool known; /* a format that redb 2.6 opens */
	bool valid; /* that, and the checksum matches */
	uint64_t transaction;
	bool present[RVS_REDB_ROOTS];
	struct rvs_redb_ref roots[RVS_REDB_ROOTS];
};

struct rvs_redb_header {
	uint8_t bytes[RVS_REDB_HEADER_LEN];
	uint32_t page_size;
	uint32_t region_header_pages;
	uint32_t region_pages; /* data pages of a full region */
	uint32_t full_regions;
	uint32_t trailing_pages; /* data pages of the last region; 0: none */
	unsigned primary;        /* index of a slot */
	bool recovery_required;
	bool two_phase;
	struct rvs_redb_slot slots[RVS_REDB_SLOTS];
};

/* Whether a file that begins with these bytes says it is a redb file. */
bool rvs_redb_header_detect(const void *bytes, size_t len);

/*
 * RVS_ERR_CORRUPT when these are not the bytes of a header, RVS_ERR_REFUSED
 * when both slots are of a format that is not known here.  Slots need not be
 * valid.
 */
int rvs_redb_header_decode(const uint8_t bytes[RVS_REDB_HEADER_LEN],
			   struct rvs_redb_header *ret, struct rvs_error *err);

/*
 * The slots that redb would open, the one it tries first in front; it takes the
 * second when the tree of the first fails its checksums.  Returns how many.
 */
unsigned rvs_redb_header_candidates(const struct rvs_redb_header *header,
				    unsigned ret[RVS_REDB_SLOTS]);

/* Where a page lies, bytes. */
struct rvs_redb_extent {
	uint64_t offset;
	uint64_t len;
};

/* False when the layout has no such page. */
bool rvs_redb_header_locate(const struct rvs_redb_header *header, uint64_t page,
			    struct rvs_redb_extent *ret);

/* Data pages in the layout. */
uint64_t rvs_redb_header_pages(const struct rvs_redb_header *header);

/* Length of the file that the header speaks of, bytes. */
uint64_t rvs_redb_header_length(const struct rvs_redb_header *header);

/*
 * Whether redb opens a file of this length under the header: no shorter than
 * the layout, and when longer, ending where a region could end.  A writer that
 * died while it grew its file leaves such a one.
 */
bool rvs_redb_header_accepts(const struct rvs_redb_header *header,
			     uint64_t length);

/*
 * The header of a copy in which only the tree of slot @proved is known to be
 * whole: the same bytes, but redb will take that slot.
 *
 * The other slot is overwritten with @proved when redb would try it first, or
 * could not read it at all.  Two equal slots are what a new database has.
 */
void rvs_redb_header_promote(const struct rvs_redb_header *header,
			     unsigned proved, uint8_t ret[RVS_REDB_HEADER_LEN]);

/* Make redb rebuild its page allocator from the trees when it opens the file,
 * as after a crash, instead of trusting what an orderly close left. */
void rvs_redb_header_require_recovery(uint8_t bytes[RVS_REDB_HEADER_LEN]);

#endif
