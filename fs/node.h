/*
 * Node: one thing in the mount as its callers are told about it, and a lister
 * that is told of many.
 */
#ifndef NODE_H
#define NODE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/*
 * How long the kernel may remember something without asking again.  A name in
 * the root is part of every path into a snapshot, and asking for it each time
 * would cost more than all else; briefly saves nearly all of that, and is over
 * before the name can well mean another snapshot.
 */
enum node_life {
	NODE_FRESH, /* not at all */
	NODE_BRIEFLY,
	NODE_FOREVER,
};

#define NODE_BRIEFLY_MS 20

struct node {
	uint64_t number;  /* inode */
	struct stat attr;
	enum node_life name_life;
	enum node_life attr_life;
};

/*
 * @emit gets each name of a directory with the place after it and returns false
 * when it has enough.  A node whose number is 0 says nothing but its attr's
 * inode and type; without wants_nodes all are so.
 */
struct lister {
	void *arg;
	bool (*emit)(void *arg, const char *name, const struct node *node,
		     off_t next);
	bool wants_nodes;
};

static inline struct node node_brief(uint64_t number, mode_t mode)
{
	return (struct node){ .attr = { .st_ino = number, .st_mode = mode } };
}

/* The places 0 and 1 of a directory: "." and "..". */
static inline bool node_emit_dots(uint64_t self, uint64_t parent, off_t at,
				  const struct lister *lister)
{
	struct node node = node_brief(at == 0 ? self : parent, S_IFDIR);

	return lister->emit(lister->arg, at == 0 ? "." : "..", &node, at + 1);
}

#endif
