#include "inode.h"

#include <assert.h>

/*
 *   bit 63  62  61 ............ 32  31 ........... 0
 *        0   0  slot + 1            index              an entry
 *        0   1  version ....................  file (4) a text
 *
 * Slot + 1, so that no entry collides with the root; bit 63 stays clear for
 * programs that take inode numbers for signed.
 */
enum { FILE_BITS = 4, INDEX_BITS = 32 };

#define TEXT_BIT (UINT64_C(1) << 62)

uint64_t inode_of_entry(uint32_t slot, uint32_t index)
{
	assert(slot <= INODE_SLOT_MAX);
	return ((uint64_t)slot + 1) << INDEX_BITS | index;
}

uint64_t inode_of_text(unsigned file, uint64_t version)
{
	assert(file <= INODE_FILE_MAX && version <= INODE_VERSION_MAX);
	return TEXT_BIT | version << FILE_BITS | file;
}

static struct inode parse_text(uint64_t number)
{
	return (struct inode){
		.kind = INODE_TEXT,
		.file = number & INODE_FILE_MAX,
		.version = (number & ~TEXT_BIT) >> FILE_BITS,
	};
}

static struct inode parse_entry(uint64_t number)
{
	return (struct inode){
		.kind = INODE_ENTRY,
		.slot = (uint32_t)(number >> INDEX_BITS) - 1,
		.index = (uint32_t)number,
	};
}

struct inode inode_parse(uint64_t number)
{
	if (number == INODE_ROOT_NUMBER)
		return (struct inode){ .kind = INODE_ROOT };
	if (number >= TEXT_BIT << 1)
		return (struct inode){ .kind = INODE_UNKNOWN };
	if (number & TEXT_BIT)
		return parse_text(number);
	if (number >> INDEX_BITS)
		return parse_entry(number);
	return (struct inode){ .kind = INODE_UNKNOWN };
}
