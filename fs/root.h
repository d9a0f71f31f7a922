/*
 * Root: the directory of snapshots, and of the text files beside them.
 *
 * Functions return 0 or a negative errno.  Names follow the store, whoever
 * changes it.  Threads may share a root.
 */
#ifndef ROOT_H
#define ROOT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "attr.h"
#include "inode.h"
#include "status.h"
#include "texts.h"

struct contents;
struct lister;
struct log;
struct node;
struct root;
struct snapshot;

struct root_context {
	struct snapshots *snapshots;
	struct contents *contents;
	struct texts *texts;
	const struct log *log;
	struct attr_owner owner;
	struct status_sources status;
	bool read_only; /* nothing controls it */
};

/* NULL when out of memory. */
struct root *root_new(const struct root_context *context);
void root_free(struct root *root);

int root_stat(struct root *root, struct node *ret);

/* -ENOENT when there is no such name now. */
int root_lookup(struct root *root, const char *name, struct node *ret);

/* List from the place @at, which is not negative. */
int root_list(struct root *root, off_t at, const struct lister *lister);

/* Look whether the store changed; every answer about names begins with it. */
int root_refresh(struct root *root);

/* The directory of a snapshot, as found by @view. */
struct node root_snapshot_node(struct root *root,
			       const struct snapshot *snapshot,
			       enum inode_view view);

/* The same for the snapshot in @slot, and one version of a text file; -ESTALE
 * when there is none, or none any more. */
int root_stat_snapshot(struct root *root, uint32_t slot, enum inode_view view,
		       struct node *ret);
int root_stat_text(struct root *root, unsigned file, uint64_t version,
		   struct node *ret);

/* The snapshot that has the name @name now, or -ENOENT. */
int root_find(struct root *root, const char *name, struct snapshot *ret);

/*
 * Wait until the kernel forgot the names it was told, so that who changed the
 * store through this mount sees the change in it.
 */
void root_outlive_names(struct root *root);

#endif
