#include "redb_header.h"

#include <string.h>

#include "little.h"

static const uint8_t magic[] = { 'r',  'e',  'd',  'b', 0x1a,
				 0x0a, 0xa9, 0x0d, 0x0a };

enum {
	FLAGS_AT = 9,
	PAGE_SIZE_AT = 12,
	REGION_HEADER_PAGES_AT = 16,
	REGION_PAGES_AT = 20,
	FULL_REGIONS_AT = 24,
	TRAILING_PAGES_AT = 28,
	SLOTS_AT = 64,
	SLOT_LEN = 128,

	FLAG_SECOND_PRIMARY = 1,
	FLAG_RECOVERY_REQUIRED = 2,
	FLAG_TWO_PHASE = 4,

	SLOT_PRESENT_AT = 1,
	SLOT_ROOTS_AT = 8,
	SLOT_TRANSACTION_AT = 104,
	SLOT_CHECKSUM_AT = 112,

	VERSION_MIN = 2,
	VERSION_MAX = 3,
};

/* A page number: index in the region 20 bits, region 20 bits, order 5 bits from
 * the top.  Pages of order n are 2^n pages long, and lie at multiples of it. */
enum { INDEX_BITS = 20, REGION_BITS = 20, ORDER_SHIFT = 59, ORDER_MAX = 20 };

/* With these no address exceeds 2^58. */
enum {
	PAGE_SIZE_MIN = 512,
	PAGE_SIZE_MAX = 1 << 16,
	REGION_PAGES_MAX = 1 << INDEX_BITS,
	REGION_HEADER_PAGES_MAX = 1 << INDEX_BITS,
	REGIONS_MAX = 1 << REGION_BITS,
};

bool rvs_redb_header_detect(const void *bytes, size_t len)
{
	return len >= sizeof(magic) && memcmp(bytes, magic, sizeof(magic)) == 0;
}

static void decode_slot(const uint8_t *bytes, struct rvs_redb_slot *ret)
{
	struct rvs_redb_checksum checksum;

	memcpy(&checksum, bytes + SLOT_CHECKSUM_AT, sizeof(checksum));
	ret->known = bytes[0] >= VERSION_MIN && bytes[0] <= VERSION_MAX;
	ret->valid = ret->known && rvs_redb_checksum_matches(&checksum, bytes,
							     SLOT_CHECKSUM_AT);
	ret->transaction = rvs_little_u64(bytes + SLOT_TRANSACTION_AT);
	for (int i = 0; i < RVS_REDB_ROOTS; i++) {
		ret->present[i] = bytes[SLOT_PRESENT_AT + i] != 0;
		ret->roots[i] = rvs_redb_ref_decode(bytes + SLOT_ROOTS_AT +
						    i * RVS_REDB_ROOT_LEN);
	}
	/* Where format 2 had its freed tree, format 3 has unused bytes. */
	if (bytes[0] > VERSION_MIN)
		ret->present[RVS_REDB_FREED] = false;
}

static bool layout_is_sane(const struct rvs_redb_header *header)
{
	uint32_t size = header->page_size;

	return size >= PAGE_SIZE_MIN && size <= PAGE_SIZE_MAX &&
	       (size & (size - 1)) == 0 &&
	       header->region_header_pages <= REGION_HEADER_PAGES_MAX &&
	       header->region_pages > 0 &&
	       header->region_pages <= REGION_PAGES_MAX &&
	       header->full_regions < REGIONS_MAX &&
	       header->trailing_pages <= header->region_pages &&
	       rvs_redb_header_pages(header) > 0;
}

int rvs_redb_header_decode(const uint8_t bytes[RVS_REDB_HEADER_LEN],
			   struct rvs_redb_header *ret, struct rvs_error *err)
{
	if (!rvs_redb_header_detect(bytes, RVS_REDB_HEADER_LEN))
		return rvs_error_set(err, RVS_ERR_CORRUPT,
				     "no redb header: wrong magic number");
	memcpy(ret->bytes, bytes, sizeof(ret->bytes));
	ret->page_size = rvs_little_u32(bytes + PAGE_SIZE_AT);
	ret->region_header_pages =
		rvs_little_u32(bytes + REGION_HEADER_PAGES_AT);
	ret->region_pages = rvs_little_u32(bytes + REGION_PAGES_AT);
	ret->full_regions = rvs_little_u32(bytes + FULL_REGIONS_AT);
	ret->trailing_pages = rvs_little_u32(bytes + TRAILING_PAGES_AT);
	ret->primary = bytes[FLAGS_AT] & FLAG_SECOND_PRIMARY ? 1 : 0;
	ret->recovery_required = bytes[FLAGS_AT] & FLAG_RECOVERY_REQUIRED;
	ret->two_phase = bytes[FLAGS_AT] & FLAG_TWO_PHASE;
	for (int i = 0; i < RVS_REDB_SLOTS; i++)
		decode_slot(bytes + SLOTS_AT + i * SLOT_LEN, &ret->slots[i]);

	if (!layout_is_sane(ret))
		return rvs_error_set(err, RVS_ERR_CORRUPT,
				     "redb header: impossible layout");
	if (!ret->slots[0].known && !ret->slots[1].known)
		return rvs_error_set(err, RVS_ERR_REFUSED,
				     "redb file format %u is not known",
				     bytes[SLOTS_AT]);
	return 0;
}

unsigned rvs_redb_header_candidates(const struct rvs_redb_header *header,
				    unsigned ret[RVS_REDB_SLOTS])
{
	const struct rvs_redb_slot *slots = header->slots;
	unsigned first = header->primary, other = first ^ 1;

	if (header->two_phase) {
		ret[0] = first;
		return slots[first].valid ? 1 : 0;
	}
	/* A crash may leave the flags of a commit without its slot. */
	if (!slots[first].valid ||
	    (slots[other].valid &&
	     slots[other].transaction > slots[first].transaction)) {
		first ^= 1;
		other ^= 1;
	}
	if (!slots[first].valid)
		return 0;
	ret[0] = first;
	ret[1] = other;
	return slots[other].valid ? 2 : 1;
}

static uint64_t region_length(const struct rvs_redb_header *header)
{
	return ((uint64_t)header->region_header_pages + header->region_pages) *
	       header->page_size;
}

/* Data pages in one region, 0 when there is no such region. */
static uint32_t region_capacity(const struct rvs_redb_header *header,
				uint64_t region)
{
	if (region < header->full_regions)
		return header->region_pages;
	return region == header->full_regions ? header->trailing_pages : 0;
}

bool rvs_redb_header_locate(const struct rvs_redb_header *header, uint64_t page,
			    struct rvs_redb_extent *ret)
{
	uint64_t order = page >> ORDER_SHIFT;
	uint64_t region = (page >> INDEX_BITS) & ((1U << REGION_BITS) - 1);
	uint64_t first; /* data page of the region */

	if (order > ORDER_MAX)
		return false;
	first = (page & (((1U << INDEX_BITS) - 1) >> order)) << order;
	if (first + (1ULL << order) > region_capacity(header, region))
		return false;

	ret->offset = header->page_size + region * region_length(header) +
		      (header->region_header_pages + first) * header->page_size;
	ret->len = (uint64_t)header->page_size << order;
	return true;
}

uint64_t rvs_redb_header_pages(const struct rvs_redb_header *header)
{
	return (uint64_t)header->full_regions * header->region_pages +
	       header->trailing_pages;
}

uint64_t rvs_redb_header_length(const struct rvs_redb_header *header)
{
	uint64_t length = header->page_size +
			  header->full_regions * region_length(header);

	if (header->trailing_pages > 0)
		length += ((uint64_t)header->region_header_pages +
			   header->trailing_pages) *
			  header->page_size;
	return length;
}

bool rvs_redb_header_accepts(const struct rvs_redb_header *header,
			     uint64_t length)
{
	uint64_t rest, least;

	if (length < rvs_redb_header_length(header))
		return false;
	rest = (length - header->page_size) % region_length(header);
	least = ((uint64_t)header->region_header_pages + 1) * header->page_size;
	return rest == 0 || (rest >= least && rest % header->page_size == 0);
}

void rvs_redb_header_promote(const struct rvs_redb_header *header,
			     unsigned proved, uint8_t ret[RVS_REDB_HEADER_LEN])
{
	unsigned order[RVS_REDB_SLOTS], other = proved ^ 1;

	memcpy(ret, header->bytes, RVS_REDB_HEADER_LEN);
	if (rvs_redb_header_candidates(header, order) > 0 &&
	    order[0] == proved && header->slots[other].known)
		return;
	memcpy(ret + SLOTS_AT + (size_t)other * SLOT_LEN,
	       ret + SLOTS_AT + (size_t)proved * SLOT_LEN, SLOT_LEN);
}

void rvs_redb_header_require_recovery(uint8_t bytes[RVS_REDB_HEADER_LEN])
{
	bytes[FLAGS_AT] |= FLAG_RECOVERY_REQUIRED;
}
