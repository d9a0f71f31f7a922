/*
 * Manifest: a snapshot's tree as bytes.
 *
 * A manifest is a sequence of segments, each one gzip member: the nodes of the
 * tree depth first, in byte order of their names, without any absolute
 * position.  Where a segment is cut depends on the names in it alone, so a tree
 * that did not change gives the same segments again, which the next snapshot
 * shares.  A last member, the root, lists the segments.  Layout: FORMAT.md,
 * "manifest".
 *
 * Extents name snapshots ("volumes") by index into the caller's table; in the
 * bytes each segment carries the ids it uses.
 */
#ifndef RVS_MANIFEST_H
#define RVS_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include <rvs/tree.h>

#include "base/buf.h"
#include "base/error.h"
#include "extent.h"

#define RVS_TARGET_MAX      4096u /* of a symbolic link, bytes */
#define RVS_LINK_PATH_MAX   (64u << 10) /* of a hard link's first path */
#define RVS_XATTR_COUNT_MAX 1024u
#define RVS_XATTR_BYTES_MAX (256u << 10) /* names and values of one node */

enum rvs_vectors_kind {
	RVS_VECTORS_NONE,  /* not a format known here, or no vectors in it */
	RVS_VECTORS_FILE,  /* vectors themselves */
	RVS_VECTORS_INDEX, /* an index, perhaps of vectors in another file */
};

/* What a file's vectors come to; see source/vectors.h. */
struct rvs_vector_note {
	enum rvs_vectors_kind kind;
	bool known; /* whether @count is */
	uint64_t count;
};

/* One name in the tree. */
struct rvs_node {
	const char *name;   /* "" for the root alone */
	const char *target; /* of a symbolic link; of a hard link the path of
			       the first one, relative to the root */
	bool hard_link;     /* then only name and target mean anything */
	uint32_t mode;      /* type and permissions, as st_mode */
	uint32_t uid;
	uint32_t gid;
	uint32_t rdev_major;
	uint32_t rdev_minor;
	uint64_t size;
	struct timespec mtime;
	struct rvs_digest digest; /* of a regular file */
	const struct rvs_xattr *xattrs;
	uint32_t xattr_count;
	/* What the source looked like, by which the next snapshot knows an
	 * unchanged file; no part of the logical tree. */
	uint64_t ino;
	struct timespec ctime;
	struct rvs_vector_note vectors; /* of a regular file */
	const struct rvs_extent *extents; /* of a regular file */
	size_t extent_count;
	/* What only a reader says. */
	uint64_t extent_end; /* where the last of the extents ends */
	size_t name_len;
	const void *logical; /* the node's own rvs_node_put_logical(), as it
				lies in the segment */
	size_t logical_len;
};

/*
 * Append what the checksum of the logical tree covers of @node: name, type,
 * permissions, owner, size, mtime, target, xattrs and the digest of its bytes.
 * rvs_node_put_end() closes a directory.
 */
void rvs_node_put_logical(struct rvs_buf *ret, const struct rvs_node *node);
void rvs_node_put_end(struct rvs_buf *ret);

struct rvs_manifest_writer;

/* Where the writer's segments go, and where it finds snapshot ids. */
struct rvs_manifest_output {
	void *arg;
	int (*segment)(void *arg, const void *bytes, size_t len,
		       struct rvs_error *err);
	const char *(*volume_id)(void *arg, uint32_t volume);
};

int rvs_manifest_writer_new(const struct rvs_manifest_output *output,
			    struct rvs_manifest_writer **ret,
			    struct rvs_error *err);
void rvs_manifest_writer_free(struct rvs_manifest_writer *writer);
void rvs_manifest_writer_cleanup(struct rvs_manifest_writer **writer);

/* Add a node; one that is a directory stays open for its children until
 * rvs_manifest_end() closes it. */
int rvs_manifest_add(struct rvs_manifest_writer *writer,
		     const struct rvs_node *node, struct rvs_error *err);
void rvs_manifest_end(struct rvs_manifest_writer *writer);

/* Hand out the last segment. */
int rvs_manifest_finish(struct rvs_manifest_writer *writer,
			struct rvs_error *err);

/* Whom a reader tells.  Each function returns 0 or a negative status, which
 * ends the reading. */
struct rvs_manifest_input {
	void *arg;
	/* A node with its first extents; valid during the call. */
	int (*node)(void *arg, const struct rvs_node *node,
		    struct rvs_error *err);
	/* More extents of the last node; the last of them ends at @end. */
	int (*extents)(void *arg, const struct rvs_extent *items, size_t count,
		       uint64_t end, struct rvs_error *err);
	/* The innermost open directory is complete. */
	int (*end)(void *arg, struct rvs_error *err);
	/* The index of the snapshot @id in the caller's table. */
	int (*volume)(void *arg, const char *id, uint32_t *ret,
		      struct rvs_error *err);
};

/*
 * Read a tree segment by segment, in order.  The reader trusts nothing: names
 * are safe and strictly ascending, depth is bounded, extents add up to sizes.
 * Any broken rule is RVS_ERR_CORRUPT.
 */
struct rvs_manifest_reader;

int rvs_manifest_reader_new(const struct rvs_manifest_input *input,
			    struct rvs_manifest_reader **ret,
			    struct rvs_error *err);
void rvs_manifest_reader_free(struct rvs_manifest_reader *reader);
void rvs_manifest_reader_cleanup(struct rvs_manifest_reader **reader);
int rvs_manifest_read(struct rvs_manifest_reader *reader, const void *bytes,
		      size_t len, struct rvs_error *err);
/* The tree must be complete: its root closed. */
int rvs_manifest_read_end(struct rvs_manifest_reader *reader,
			  struct rvs_error *err);

/*
 * Read one segment by itself: what directory its nodes lie in, and where in a
 * file its first extents lie, is not known, so extents count from 0 there,
 * directories may end that did not begin, and neither these rules nor names are
 * checked.
 */
int rvs_manifest_read_alone(const struct rvs_manifest_input *input,
			    const void *bytes, size_t len,
			    struct rvs_error *err);

/* The root: which members, of which snapshots, are the segments. */
struct rvs_segment {
	char id[RVS_ID_SIZE];
	uint32_t member;
};

int rvs_manifest_root_encode(const struct rvs_segment *segments, size_t count,
			     struct rvs_buf *ret, struct rvs_error *err);
/* @ret is malloc'ed. */
int rvs_manifest_root_decode(const void *bytes, size_t len,
			     struct rvs_segment **ret, size_t *ret_count,
			     struct rvs_error *err);

#endif
