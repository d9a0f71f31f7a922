#include "attr.h"

#include <sys/sysmacros.h>

#include <rvs/snapshot.h>
#include <rvs/tree.h>

enum {
	PAGE = 4096,
	SECTOR = 512, /* the unit of st_blocks */
	FAST_SYMLINK_MAX = 59, /* longer ones take a block on ext4 */
	NLINK_UNKNOWN = 1, /* of directories: find counts on no other number */
};

static blkcnt_t sectors(uint64_t bytes, unsigned grain)
{
	return (blkcnt_t)((bytes + grain - 1) / grain * (grain / SECTOR));
}

static blkcnt_t entry_sectors(const struct rvs_tree *tree,
			      const struct rvs_entry *entry)
{
	if (S_ISREG(entry->mode))
		return sectors(rvs_tree_data_bytes(tree, entry), PAGE);
	if (S_ISDIR(entry->mode))
		return sectors(entry->size, SECTOR);
	if (S_ISLNK(entry->mode) && entry->size > FAST_SYMLINK_MAX)
		return sectors(entry->size, PAGE);
	return 0;
}

static void set_times(struct stat *attr, struct timespec time)
{
	attr->st_atim = attr->st_mtim = attr->st_ctim = time;
}

struct stat attr_of_entry(const struct rvs_tree *tree,
			  const struct rvs_entry *entry, uint64_t number)
{
	struct stat attr = {
		.st_ino = number,
		.st_mode = entry->mode,
		.st_nlink = entry->nlink,
		.st_uid = entry->uid,
		.st_gid = entry->gid,
		.st_rdev = makedev(entry->rdev_major, entry->rdev_minor),
		.st_size = (off_t)entry->size,
		.st_blksize = PAGE,
		.st_blocks = entry_sectors(tree, entry),
	};

	set_times(&attr, entry->mtime);
	return attr;
}

struct stat attr_of_root(const struct rvs_root *root, uint64_t number)
{
	struct stat attr = {
		.st_ino = number,
		.st_mode = root->mode,
		.st_nlink = root->nlink,
		.st_uid = root->uid,
		.st_gid = root->gid,
		.st_size = (off_t)root->size,
		.st_blksize = PAGE,
		.st_blocks = sectors(root->size, SECTOR),
	};

	set_times(&attr, root->mtime);
	return attr;
}

struct stat attr_of_directory(const struct attr_owner *owner, uint64_t number,
			      mode_t permissions, struct timespec time)
{
	struct stat attr = {
		.st_ino = number,
		.st_mode = S_IFDIR | permissions,
		.st_nlink = NLINK_UNKNOWN,
		.st_uid = owner->uid,
		.st_gid = owner->gid,
		.st_blksize = PAGE,
	};

	set_times(&attr, time);
	return attr;
}

struct stat attr_of_text(const struct attr_owner *owner, uint64_t number,
			 mode_t mode, size_t len, struct timespec time)
{
	struct stat attr = {
		.st_ino = number,
		.st_mode = mode,
		.st_nlink = 1,
		.st_uid = owner->uid,
		.st_gid = owner->gid,
		.st_size = (off_t)len,
		.st_blksize = PAGE,
	};

	set_times(&attr, time);
	return attr;
}

void attr_apply(const struct attr_override *override, struct stat *attr)
{
	if (override->has_uid)
		attr->st_uid = override->uid;
	if (override->has_gid)
		attr->st_gid = override->gid;
	if (override->has_umask)
		attr->st_mode = (attr->st_mode & S_IFMT) |
				(0777 & ~override->umask);
}
