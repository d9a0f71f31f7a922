/*
 * Inode: the arithmetic between inode numbers and what they stand for.
 *
 * A number is either the root, one version of a text file, or an entry: (slot
 * of a snapshot, index in its tree).  Nothing is stored, so a number means the
 * same for as long as slots and versions are never used twice.  Pure.
 */
#ifndef INODE_H
#define INODE_H

#include <stdint.h>

enum inode_kind {
	INODE_UNKNOWN, /* no number of ours */
	INODE_ROOT,
	INODE_TEXT,
	INODE_ENTRY,
};

#define INODE_ROOT_NUMBER 1
#define INODE_SLOT_MAX    ((UINT32_C(1) << 30) - 2)
#define INODE_FILE_MAX    15
#define INODE_VERSION_MAX ((UINT64_C(1) << 58) - 1)

struct inode {
	enum inode_kind kind;
	uint32_t slot;    /* of an entry */
	uint32_t index;
	unsigned file;    /* of a text */
	uint64_t version;
};

/* @slot, @file and @version must not exceed their MAX. */
uint64_t inode_of_entry(uint32_t slot, uint32_t index);
uint64_t inode_of_text(unsigned file, uint64_t version);

struct inode inode_parse(uint64_t number);

#endif
