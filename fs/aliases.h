/*
 * Aliases: the snapshots by other names than their own: .by-id and .by-time.
 *
 * They are directories, not links to the names in the root: a link leads
 * elsewhere once its target is renamed, or another snapshot takes that name,
 * and Samba follows no link out of its share.  These names stay for as long as
 * the snapshot does, and so do paths through them.
 *
 * Functions return 0 or a negative errno.  Threads may share them.
 */
#ifndef ALIASES_H
#define ALIASES_H

#include <stdbool.h>
#include <sys/types.h>

#include "inode.h"

struct lister;
struct node;
struct root;
struct snapshot;
struct snapshots;

struct aliases {
	struct root *root;
	struct snapshots *snapshots;
};

/* In @hidden, which is HIDDEN_BY_ID or HIDDEN_BY_TIME. */
int aliases_lookup(const struct aliases *aliases, enum inode_hidden hidden,
		   const char *name, struct node *ret);
int aliases_list(const struct aliases *aliases, enum inode_hidden hidden,
		 off_t at, const struct lister *lister);

/* Tell @tell each alias that @snapshot has, with the directory that holds it
 * and its own number. */
void aliases_each(const struct snapshot *snapshot, void *arg,
		  void (*tell)(void *arg, uint64_t parent, const char *name,
			       uint64_t child));

#endif
