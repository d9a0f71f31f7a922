/*
 * Attr: what stat(2) says of things in the mount.  Pure.
 */
#ifndef ATTR_H
#define ATTR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct rvs_entry;
struct rvs_root;
struct rvs_tree;

/* The user who mounted, who owns what comes from no source. */
struct attr_owner {
	uid_t uid;
	gid_t gid;
};

/* What the user wants to see instead of what the source had. */
struct attr_override {
	bool has_uid, has_gid, has_umask;
	uid_t uid;
	gid_t gid;
	mode_t umask; /* permission bits that nothing has */
};

/* As with other file systems of FUSE, all permissions that umask= leaves are
 * there. */
void attr_apply(const struct attr_override *override, struct stat *attr);

/* @entry as it was in the source, under the inode number @number.  Sizes in
 * blocks are what its data would take without compression. */
struct stat attr_of_entry(const struct rvs_tree *tree,
			  const struct rvs_entry *entry, uint64_t number);

/* The root directory of a snapshot, from its record. */
struct stat attr_of_root(const struct rvs_root *root, uint64_t number);

/* A directory that the mount makes up. */
struct stat attr_of_directory(const struct attr_owner *owner, uint64_t number,
			      mode_t permissions, struct timespec time);

/* A regular file or symbolic link of @len bytes that the mount makes up. */
struct stat attr_of_text(const struct attr_owner *owner, uint64_t number,
			 mode_t mode, size_t len, struct timespec time);

#endif
