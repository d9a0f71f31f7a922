/*
 * Clone: a file of a source as it was at one instant, in a file without a name.
 *
 * A clone (FICLONE; btrfs, XFS) shares the file's blocks, so that it costs next
 * to nothing, and lies in the store's directory or, where that is on another
 * filesystem, in the source's.  It goes when its descriptor is closed, and with
 * the process, whatever ends that.
 */
#ifndef RVS_CLONE_H
#define RVS_CLONE_H

#include <stdbool.h>

struct rvs_source;

struct rvs_cloner {
	const struct rvs_source *source;
	const char *scratch; /* the directory to try first */
	bool beside;  /* the source's own directory it is, then */
	bool refused; /* nothing here can be cloned: give up asking */
};

#define RVS_CLONE_NONE (-1)

/* Clone the file open at @fd.  Returns a descriptor, for reading and writing,
 * or RVS_CLONE_NONE: then the file itself must be read. */
int rvs_cloner_clone(struct rvs_cloner *cloner, int fd);

#endif
