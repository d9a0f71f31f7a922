/*
 * Inode: the arithmetic between inode numbers and what they stand for.
 *
 * A number is the root, a hidden directory of it, one version of a text file,
 * or (view, slot of a snapshot, index): an entry of its tree, a path of the
 * history that this entry had, or a node of its raw form.  Nothing is stored,
 * so a number means the same for as long as slots and versions are never used
 * twice.
 *
 * A directory has one name in the kernel, so each way to it gives it a number
 * of its own: the view.  All else is the same inode, whichever way it was
 * found, and is cached once.  Pure.
 */
#ifndef INODE_H
#define INODE_H

#include <stdint.h>

enum inode_kind {
	INODE_UNKNOWN, /* no number of ours */
	INODE_ROOT,
	INODE_HIDDEN,
	INODE_TEXT,
	INODE_ENTRY,
	INODE_HISTORY,
	INODE_RAW,
};

/* The directories of the root that are found by name and not listed. */
enum inode_hidden {
	HIDDEN_BY_ID,
	HIDDEN_BY_TIME,
	HIDDEN_RAW,
	HIDDEN_HISTORY,
	HIDDEN_DIRECTORIES, /* how many there are */
};

/* The ways to a directory of a snapshot. */
enum inode_view {
	VIEW_NAME,
	VIEW_ID,
	VIEW_TIME, /* RFC 3339 */
	VIEW_GMT,  /* @GMT-... */
	VIEW_ENTRIES, /* how many there are */
};

#define INODE_ROOT_NUMBER 1
#define INODE_SLOT_MAX    ((UINT32_C(1) << 26) - 2)
#define INODE_FILE_MAX    15
#define INODE_VERSION_MAX ((UINT64_C(1) << 58) - 1)

struct inode {
	enum inode_kind kind;
	enum inode_hidden hidden;
	enum inode_view view; /* of an entry that is a directory */
	uint32_t slot;        /* of an entry, a history, a raw node */
	uint32_t index;
	unsigned file;        /* of a text */
	uint64_t version;
};

/* @slot, @file and @version must not exceed their MAX. */
uint64_t inode_of_entry(uint32_t slot, uint32_t index);
uint64_t inode_of_directory(enum inode_view view, uint32_t slot,
			    uint32_t index);
uint64_t inode_of_history(uint32_t slot, uint32_t index);
uint64_t inode_of_raw(uint32_t slot, uint32_t index);
uint64_t inode_of_text(unsigned file, uint64_t version);
uint64_t inode_of_hidden(enum inode_hidden hidden);

struct inode inode_parse(uint64_t number);

#endif
