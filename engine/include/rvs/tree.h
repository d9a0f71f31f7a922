/*
 * Tree: a snapshot's files, loaded into memory from its manifest.
 *
 * A tree never changes; threads may share it.  Entries have indices: 0 is the
 * root directory, the others follow depth first, in byte order of their names.
 * The index of an entry never changes, so (snapshot, index) is an inode number.
 */
#ifndef RVS_TREE_H
#define RVS_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

#include <rvs/digest.h>
#include <rvs/error.h>
#include <rvs/snapshot.h>

struct rvs_store;
struct rvs_tree;

#define RVS_NO_ENTRY UINT32_MAX
#define RVS_PATH_DEPTH_MAX 4096 /* directories within directories */

struct rvs_xattr {
	const char *name;
	const void *value;
	size_t value_len;
};

/*
 * One inode.  A hard link after the first is an entry of its own name whose
 * @link is the index of the first; all other fields equal the first's.
 */
struct rvs_entry {
	const char *name;         /* NUL-terminated raw bytes; "" for the root */
	const char *target;       /* of a symbolic link, else NULL */
	const struct rvs_xattr *xattrs;
	uint64_t size;            /* bytes; of a directory what stat said */
	struct timespec mtime;
	struct rvs_digest digest; /* of a regular file's bytes */
	uint32_t parent;          /* index; the root's is the root */
	uint32_t link;            /* index of the first link, or its own */
	uint32_t mode;            /* type and permissions, as st_mode */
	uint32_t uid;
	uint32_t gid;
	uint32_t nlink;           /* links inside the snapshot; 2 + subdirectories
				     for a directory */
	uint32_t rdev_major;
	uint32_t rdev_minor;
	uint32_t xattr_count;
	uint32_t children;        /* of a directory: first place in the child
				     table, and how many */
	uint32_t child_count;
	uint32_t extents;         /* of a regular file: first place in the
				     extent table, and how many */
	uint32_t extent_count;
};

/*
 * Load the tree of the snapshot with the id @id.  RVS_ERR_NOT_FOUND when it was
 * deleted, RVS_ERR_CORRUPT or RVS_ERR_MISSING when its manifest is damaged.
 * Release it before the store is closed.
 */
int rvs_tree_open(struct rvs_store *store, const char *id,
		  struct rvs_tree **ret, struct rvs_error *err);
void rvs_tree_release(struct rvs_tree *tree); /* accepts NULL */

const char *rvs_tree_id(const struct rvs_tree *tree);
uint32_t rvs_tree_count(const struct rvs_tree *tree);
size_t rvs_tree_memory(const struct rvs_tree *tree); /* bytes it occupies */

/* @index must be below rvs_tree_count(). */
const struct rvs_entry *rvs_tree_entry(const struct rvs_tree *tree,
				       uint32_t index);

/* The @nth child of the directory @dir, in byte order of names. */
uint32_t rvs_tree_child(const struct rvs_tree *tree,
			const struct rvs_entry *dir, uint32_t nth);

/* The child named @name of the directory @dir, or RVS_NO_ENTRY. */
uint32_t rvs_tree_lookup(const struct rvs_tree *tree, uint32_t dir,
			 const char *name);

/* The entry at @path, relative to the root ("" and "." are the root; links are
 * not followed), or RVS_NO_ENTRY. */
uint32_t rvs_tree_find(const struct rvs_tree *tree, const char *path);

/* The path of an entry, malloc'ed; "." for the root; NULL: out of memory. */
char *rvs_tree_path(const struct rvs_tree *tree, uint32_t index);

/* False: no entry has an extended attribute of that name.  True with very many
 * names proves nothing. */
bool rvs_tree_may_have_xattr(const struct rvs_tree *tree, const char *name);

/* Bytes of a regular file that are not in holes. */
uint64_t rvs_tree_data_bytes(const struct rvs_tree *tree,
			     const struct rvs_entry *file);

/* Where the data or the hole at or after @offset begins (SEEK_DATA, SEEK_HOLE
 * of lseek(2)); -1 with nothing there.  The end of the file is a hole. */
int64_t rvs_tree_seek_data(const struct rvs_tree *tree,
			   const struct rvs_entry *file, uint64_t offset);
int64_t rvs_tree_seek_hole(const struct rvs_tree *tree,
			   const struct rvs_entry *file, uint64_t offset);

/* What was damaged, when a read or a verification found damage. */
struct rvs_damage {
	char snapshot[RVS_ID_SIZE]; /* whose directory holds the stream */
	char stream[256];           /* object in that directory, "" if unknown */
	int64_t member;             /* number, or -1: the whole object */
	struct rvs_digest expected; /* both zero when no digest was computed */
	struct rvs_digest found;
	char reason[256];
};

/*
 * Read up to @len bytes of the regular file @file of @tree, from @offset, into
 * @buf.  Returns the number of bytes, 0 at the end of the file, or a negative
 * status: RVS_ERR_CORRUPT when a member fails its proof, RVS_ERR_MISSING when a
 * stream is gone; @damage (may be NULL) then says which.  On failure @buf holds
 * nothing of use.
 */
ssize_t rvs_tree_read(struct rvs_tree *tree, const struct rvs_entry *file,
		      void *buf, size_t len, uint64_t offset,
		      struct rvs_damage *damage, struct rvs_error *err);

/* Whom bytes are handed to as they lie in memory: in @count parts, in order,
 * that are valid during the call. */
struct rvs_sink {
	void *arg;
	void (*give)(void *arg, const struct iovec *parts, int count);
};

/* As rvs_tree_read(), but what is read goes to @sink, which is called once,
 * unless this fails. */
ssize_t rvs_tree_give(struct rvs_tree *tree, const struct rvs_entry *file,
		      size_t len, uint64_t offset, const struct rvs_sink *sink,
		      struct rvs_damage *damage, struct rvs_error *err);

#endif
