/*
 * Holders: the processes that use files of a tree.
 *
 * Files are known by device and inode, so that a process in a container, which
 * sees them by other paths, is found as well; and by path, where a filesystem
 * shows other devices in a process's maps than to stat(2).
 */
#ifndef RVS_HOLDERS_H
#define RVS_HOLDERS_H

#include <stddef.h>

#include "base/error.h"

/*
 * RVS_ERR_BUSY when another process has something at or below the absolute path
 * @path open, mapped, or as its current or root directory; the text names some
 * of them.  *ret_unseen is how many processes the caller may not look into.
 */
int rvs_holders_check(const char *path, size_t *ret_unseen,
		      struct rvs_error *err);

#endif
