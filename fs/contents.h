/*
 * Contents: the files inside snapshots, by (slot, index).
 *
 * Functions return 0, a documented positive answer, or a negative errno:
 * -ESTALE when the snapshot was deleted, -EIO for what is damaged, which is
 * then in the damage log.  All that they answer is final.  Threads may share a
 * struct contents.
 */
#ifndef CONTENTS_H
#define CONTENTS_H

#include <stddef.h>
#include <sys/types.h>

struct cache;
struct contents;
struct damage_log;
struct inode;
struct lister;
struct log;
struct node;
struct rvs_sink;
struct rvs_store;
struct snapshots;

struct contents_context {
	struct rvs_store *store;
	struct snapshots *snapshots;
	struct damage_log *damages;
	const struct log *log;
	size_t tree_cache_bytes;
};

/* NULL when out of memory. */
struct contents *contents_new(const struct contents_context *context);
void contents_free(struct contents *contents);

/* The trees that are loaded, shared by requests. */
struct cache *contents_trees(struct contents *contents);

/* Returns 1 when the directory @dir has no such name. */
int contents_lookup(struct contents *contents, const struct inode *dir,
		    const char *name, struct node *ret);
int contents_stat(struct contents *contents, const struct inode *inode,
		  struct node *ret);
int contents_list(struct contents *contents, const struct inode *dir, off_t at,
		  const struct lister *lister);

/* Where the entry lies in its snapshot, malloc'ed; "." for the root. */
int contents_path(struct contents *contents, const struct inode *inode,
		  char **ret);

/* The target of a symbolic link, malloc'ed. */
int contents_readlink(struct contents *contents, const struct inode *inode,
		      char **ret);

/* Hand what there is of @len bytes to @sink, once, unless this fails. */
int contents_read(struct contents *contents, const struct inode *inode,
		  size_t len, off_t offset, const struct rvs_sink *sink);

/* As lseek(2) with SEEK_DATA or SEEK_HOLE. */
off_t contents_seek(struct contents *contents, const struct inode *inode,
		    off_t offset, int whence);

/* As in xattr.h; -EOPNOTSUPP for an attribute of the system that the snapshot has
 * on no entry. */
ssize_t contents_getxattr(struct contents *contents, const struct inode *inode,
			  const char *name, void *ret, size_t size);
ssize_t contents_listxattr(struct contents *contents,
			   const struct inode *inode, char *ret, size_t size);

#endif
