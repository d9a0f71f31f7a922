#include "hidden.h"

#include <string.h>

#include "node.h"

struct name {
	const char *name;
	mode_t mode;
};

/*
 * Streams hold the bytes of files whoever may read these, so that the raw form
 * is for the mounting user, to whom the store is open anyway.  What others see
 * of the history is decided directory by directory.
 */
static const struct name names[HIDDEN_DIRECTORIES] = {
	[HIDDEN_BY_ID] = { ".by-id", 0555 },
	[HIDDEN_BY_TIME] = { ".by-time", 0555 },
	[HIDDEN_RAW] = { ".raw", 0700 },
	[HIDDEN_HISTORY] = { ".history", 0500 },
};

bool hidden_named(const char *name, enum inode_hidden *ret)
{
	int i;

	for (i = 0; i < HIDDEN_DIRECTORIES; i++)
		if (strcmp(names[i].name, name) == 0) {
			*ret = (enum inode_hidden)i;
			return true;
		}
	return false;
}

struct node hidden_node(enum inode_hidden hidden,
			const struct attr_owner *owner, struct timespec time)
{
	uint64_t number = inode_of_hidden(hidden);

	return (struct node){
		.number = number,
		.attr = attr_of_directory(owner, number, names[hidden].mode,
					  time),
		.name_life = NODE_FOREVER,
	};
}
