/*
 * Xattr: the extended attributes of things in the mount.  Pure.
 *
 * An entry has those of the source, and if it is a regular file
 * user.ruvsnap.sha256, the hexadecimal hash of its bytes, which hides one of
 * that name in the source.
 *
 * As in getxattr(2): with @size 0 these return the bytes needed, otherwise the
 * bytes written; -ERANGE when @size is too small, -ENODATA when there is no
 * such attribute.
 */
#ifndef XATTR_H
#define XATTR_H

#include <stdbool.h>
#include <sys/types.h>

struct rvs_entry;

#define XATTR_SHA256 "user.ruvsnap.sha256"
#define XATTR_STORE  "user.ruvsnap.store" /* of the root: the store's uuid */

/* Whether only some filesystems have attributes of that kind: those of the
 * kernel and its security modules, and not of users. */
bool xattr_is_of_system(const char *name);

ssize_t xattr_get(const struct rvs_entry *entry, const char *name, void *ret,
		  size_t size);
ssize_t xattr_list(const struct rvs_entry *entry, char *ret, size_t size);

ssize_t xattr_root_get(const char *uuid, const char *name, void *ret,
		       size_t size);
ssize_t xattr_root_list(char *ret, size_t size);

#endif
