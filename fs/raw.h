/*
 * Raw: snapshots as directories of gzip files and their checksums, under .raw.
 *
 * All of it is the mounting user's alone: streams hold the bytes of files
 * whoever may read these in the snapshot.
 *
 * Functions return 0 or a negative errno: -ESTALE when the snapshot was
 * deleted, -EIO for what is damaged.  Threads may share it.
 */
#ifndef RAW_H
#define RAW_H

#include <sys/types.h>

#include "attr.h"
#include "inode.h"

struct canceller;
struct damage_log;
struct lister;
struct log;
struct node;
struct raw;
struct root;
struct rvs_store;
struct snapshots;

struct raw_context {
	struct rvs_store *store;
	struct root *root;
	struct snapshots *snapshots;
	struct damage_log *damages;
	const struct log *log;
	struct attr_owner owner;
};

/* NULL when out of memory. */
struct raw *raw_new(const struct raw_context *context);
void raw_free(struct raw *raw);

/* @dir is the hidden directory itself or one of INODE_RAW. */
int raw_lookup(struct raw *raw, const struct inode *dir, const char *name,
	       struct node *ret);
int raw_list(struct raw *raw, const struct inode *dir, off_t at,
	     const struct lister *lister);
int raw_stat(struct raw *raw, const struct inode *inode, struct node *ret);

/* Bytes read: @len unless the file ends before; -EINTR when @canceller stopped
 * what had to be read before. */
ssize_t raw_read(struct raw *raw, const struct inode *inode, void *buf,
		 size_t len, off_t offset, const struct canceller *canceller);

#endif
