/*
 * Hidden: the directories of the root that have to be asked for by name, so
 * that no walk over the mount meets every snapshot twice.
 */
#ifndef HIDDEN_H
#define HIDDEN_H

#include <stdbool.h>

#include "attr.h"
#include "inode.h"

struct node;

/* False when @name is none of theirs. */
bool hidden_named(const char *name, enum inode_hidden *ret);

/* One of them, whose names changed at @time. */
struct node hidden_node(enum inode_hidden hidden,
			const struct attr_owner *owner, struct timespec time);

#endif
