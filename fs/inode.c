#include "inode.h"

#include <assert.h>

/*
 *   bit 63  62  61 .. 58  57 .......... 32  31 ........... 0
 *        0   0     0          0              1               the root
 *        0   0     0          0              2 + hidden      a hidden directory
 *        0   0   space     slot + 1          index           a snapshot's
 *        0   1  version ...................  file (4)        a text
 *
 * Slot + 1, so that nothing of a snapshot collides with the root; bit 63 stays
 * clear for programs that take inode numbers for signed.
 */
enum {
	FILE_BITS = 4,
	INDEX_BITS = 32,
	SLOT_BITS = 26,
	SPACE_HISTORY = VIEW_ENTRIES, /* behind the views */
	SPACE_RAW,
};

#define TEXT_BIT     (UINT64_C(1) << 62)
#define FIRST_HIDDEN (INODE_ROOT_NUMBER + 1)

static uint64_t number_of(unsigned space, uint32_t slot, uint32_t index)
{
	assert(slot <= INODE_SLOT_MAX);
	return (uint64_t)space << (INDEX_BITS + SLOT_BITS) |
	       ((uint64_t)slot + 1) << INDEX_BITS | index;
}

uint64_t inode_of_entry(uint32_t slot, uint32_t index)
{
	return number_of(VIEW_NAME, slot, index);
}

uint64_t inode_of_directory(enum inode_view view, uint32_t slot,
			    uint32_t index)
{
	return number_of(view, slot, index);
}

uint64_t inode_of_history(uint32_t slot, uint32_t index)
{
	return number_of(SPACE_HISTORY, slot, index);
}

uint64_t inode_of_raw(uint32_t slot, uint32_t index)
{
	return number_of(SPACE_RAW, slot, index);
}

uint64_t inode_of_text(unsigned file, uint64_t version)
{
	assert(file <= INODE_FILE_MAX && version <= INODE_VERSION_MAX);
	return TEXT_BIT | version << FILE_BITS | file;
}

uint64_t inode_of_hidden(enum inode_hidden hidden)
{
	return FIRST_HIDDEN + (uint64_t)hidden;
}

static struct inode parse_text(uint64_t number)
{
	return (struct inode){
		.kind = INODE_TEXT,
		.file = number & INODE_FILE_MAX,
		.version = (number & ~TEXT_BIT) >> FILE_BITS,
	};
}

static enum inode_kind kind_of(unsigned space)
{
	if (space < VIEW_ENTRIES)
		return INODE_ENTRY;
	if (space == SPACE_HISTORY)
		return INODE_HISTORY;
	return space == SPACE_RAW ? INODE_RAW : INODE_UNKNOWN;
}

static struct inode parse_numbered(uint64_t number)
{
	unsigned space = (unsigned)(number >> (INDEX_BITS + SLOT_BITS));
	uint32_t slot = number >> INDEX_BITS & ((UINT32_C(1) << SLOT_BITS) - 1);
	struct inode inode = {
		.kind = slot ? kind_of(space) : INODE_UNKNOWN,
		.slot = slot - 1,
		.index = (uint32_t)number,
	};

	if (inode.kind == INODE_ENTRY)
		inode.view = (enum inode_view)space;
	return inode;
}

struct inode inode_parse(uint64_t number)
{
	if (number == INODE_ROOT_NUMBER)
		return (struct inode){ .kind = INODE_ROOT };
	if (number >= FIRST_HIDDEN &&
	    number < FIRST_HIDDEN + HIDDEN_DIRECTORIES)
		return (struct inode){
			.kind = INODE_HIDDEN,
			.hidden = (enum inode_hidden)(number - FIRST_HIDDEN),
		};
	if (number >= TEXT_BIT << 1)
		return (struct inode){ .kind = INODE_UNKNOWN };
	if (number & TEXT_BIT)
		return parse_text(number);
	return parse_numbered(number);
}
