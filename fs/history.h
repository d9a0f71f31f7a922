/*
 * History: the paths of all snapshots as one tree, under .history.
 *
 * Each path that any snapshot has is a directory there.  It holds a version for
 * each time that the path was given other bytes, named by the moment of the
 * first snapshot that has them; and, as far as the path was a directory, what
 * lay in it.  Versions are the entries of their snapshots, with all that these
 * have.  Who was kept out of a directory in any snapshot is kept out of it here.
 *
 * Functions return 0 or a negative errno.  Threads may share it.
 */
#ifndef HISTORY_H
#define HISTORY_H

#include <sys/types.h>

#include "attr.h"
#include "inode.h"

struct contents;
struct history;
struct lister;
struct log;
struct node;
struct root;
struct rvs_store;
struct snapshots;

struct history_context {
	struct rvs_store *store;
	struct root *root;
	struct snapshots *snapshots;
	struct contents *contents;
	const struct log *log;
	struct attr_owner owner;
};

/* NULL when out of memory. */
struct history *history_new(const struct history_context *context);
void history_free(struct history *history);

/* @dir is the hidden directory itself or one of INODE_HISTORY. */
int history_lookup(struct history *history, const struct inode *dir,
		   const char *name, struct node *ret);
int history_stat(struct history *history, const struct inode *dir,
		 struct node *ret);
int history_list(struct history *history, const struct inode *dir, off_t at,
		 const struct lister *lister);

#endif
