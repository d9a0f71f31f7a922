/*
 * Raw: a snapshot as a directory of plain gzip files and their checksums, which
 * gunzip and sha256sum understand.
 *
 * Of a full snapshot these are the objects of its directory as they are, not
 * proved: checksum.sha256 does that.  An incremental one is composed into the
 * full one that it amounts to, by FORMAT.md's "Composed snapshots"; every byte
 * of that was proved.  Sizes are known before data is read, and the bytes never
 * change.  Threads may share a raw snapshot.
 */
#ifndef RVS_RAW_H
#define RVS_RAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <rvs/error.h>

struct rvs_damage;
struct rvs_monitor;
struct rvs_raw;
struct rvs_store;

/* A file or a directory; the indices are as in a tree: 0 is the root, a node's
 * never changes. */
struct rvs_raw_node {
	const char *name; /* "" for the root */
	uint32_t parent;  /* index; the root's is the root */
	bool is_directory;
	uint32_t children; /* first place in the child table, and how many */
	uint32_t child_count;
	uint64_t size;    /* of a file, bytes */
	size_t object;    /* of a file: for the implementation */
};

/*
 * The raw form of the snapshot with the id @id.  RVS_ERR_NOT_FOUND when there
 * is none, RVS_ERR_CORRUPT or RVS_ERR_MISSING when it cannot be laid out.
 * Release it before the store is closed.
 */
int rvs_raw_open(struct rvs_store *store, const char *id, struct rvs_raw **ret,
		 struct rvs_error *err);
void rvs_raw_release(struct rvs_raw *raw); /* accepts NULL */

uint32_t rvs_raw_count(const struct rvs_raw *raw);
size_t rvs_raw_memory(const struct rvs_raw *raw); /* bytes it occupies */

/* @index must be below rvs_raw_count(). */
const struct rvs_raw_node *rvs_raw_node(const struct rvs_raw *raw,
					uint32_t index);

/* The @nth child of the directory @dir, in byte order of names. */
uint32_t rvs_raw_child(const struct rvs_raw *raw, uint32_t dir, uint32_t nth);

/* The child named @name of the directory @dir, or RVS_NO_ENTRY of tree.h. */
uint32_t rvs_raw_lookup(const struct rvs_raw *raw, uint32_t dir,
			const char *name);

/*
 * Read up to @len bytes of the file @index from @offset.  Returns the number of
 * bytes, 0 at the end of the file, or a negative status; @damage (may be NULL)
 * then says what was damaged, if that is it.  The first read of a composed
 * snapshot's checksum.sha256 or members.idx reads everything once; @monitor (may
 * be NULL) can stop that with RVS_ERR_INTERRUPTED.
 */
ssize_t rvs_raw_read(struct rvs_raw *raw, uint32_t index, void *bytes,
		     size_t len, uint64_t offset,
		     const struct rvs_monitor *monitor,
		     struct rvs_damage *damage, struct rvs_error *err);

#endif
