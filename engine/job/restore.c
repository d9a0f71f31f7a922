/*
 * Restore: a snapshot's files, or some of them, back into a directory.
 *
 * The target may hold anything, symbolic links that someone planted included:
 * every step goes through descriptors of directories that were opened without
 * following a link.
 */
#include <rvs/job.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "format/digest.h"
#include "store/snapshot.h"
#include "store/store.h"
#include "store/tree.h"

enum {
	BLOCK = 1 << 20,     /* read and written at once */
	PAGE = 4096,         /* zeros of this length are not written */
	PERMISSIONS = 07777,
};

struct restoring {
	struct rvs_tree *tree;
	const struct rvs_restore_options *options;
	struct rvs_restore_result *result;
	uint8_t *buffer;
	int root;           /* the target */
	uint64_t total_bytes;
	bool *made;         /* for each entry: it was not there, now it is */
	bool made_root;     /* the same for the target */
	char **restored;    /* for each entry with links: where its first name
			       was restored, relative to the target */
	struct rvs_error *err;
};

/* ---- attributes ---- */

static void warn_user(struct restoring *r, uint32_t index, const char *what)
{
	RVS_CLEANUP(rvs_cleanup_free) char *path = rvs_tree_path(r->tree, index);
	char text[RVS_ERROR_TEXT_MAX];
	int code = errno;

	r->result->warnings++;
	if (!r->options->monitor.warning)
		return;
	(void)snprintf(text, sizeof(text), "%.1500s: cannot set %s: %s",
		       path ? path : "?", what, strerror(code));
	r->options->monitor.warning(r->options->monitor.arg, text);
}

/* What may run as its owner must not run as another. */
static mode_t permissions_of(const struct rvs_entry *e, bool owned)
{
	mode_t mode = e->mode & PERMISSIONS;

	return owned || S_ISDIR(e->mode) ? mode :
					   mode & ~(mode_t)(S_ISUID | S_ISGID);
}

/*
 * Set owner, permissions, attributes and time of what @fd is open on.  What the
 * user may not set is told, not failed.  The order matters: a change of owner
 * clears setuid bits and capabilities, and every change touches the time.
 */
static void set_attributes(struct restoring *r, uint32_t index, int fd)
{
	const struct rvs_entry *e = rvs_tree_entry(r->tree, index);
	const struct timespec times[2] = { e->mtime, e->mtime };
	bool owned = fchown(fd, e->uid, e->gid) == 0;
	uint32_t i;

	if (!owned)
		warn_user(r, index, "the owner");
	if (fchmod(fd, permissions_of(e, owned)) < 0)
		warn_user(r, index, "the permissions");
	for (i = 0; i < e->xattr_count; i++)
		if (fsetxattr(fd, e->xattrs[i].name, e->xattrs[i].value,
			      e->xattrs[i].value_len, 0) < 0)
			warn_user(r, index, e->xattrs[i].name);
	if (futimens(fd, times) < 0)
		warn_user(r, index, "the time");
}

/* The same for what cannot be opened: a link, a fifo, a device. */
static void set_attributes_at(struct restoring *r, uint32_t index, int dirfd,
			      const char *name)
{
	const struct rvs_entry *e = rvs_tree_entry(r->tree, index);
	const struct timespec times[2] = { e->mtime, e->mtime };
	char path[64 + 256];
	uint32_t i;

	if (fchownat(dirfd, name, e->uid, e->gid, AT_SYMLINK_NOFOLLOW) < 0)
		warn_user(r, index, "the owner");
	if (!S_ISLNK(e->mode) &&
	    fchmodat(dirfd, name, e->mode & PERMISSIONS, 0) < 0)
		warn_user(r, index, "the permissions");
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dirfd, name);
	for (i = 0; i < e->xattr_count; i++)
		if (lsetxattr(path, e->xattrs[i].name, e->xattrs[i].value,
			      e->xattrs[i].value_len, 0) < 0)
			warn_user(r, index, e->xattrs[i].name);
	if (utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		warn_user(r, index, "the time");
}

/* ---- names ---- */

/* A name beside @name that nothing has. */
static void temporary_name(uint32_t index, char ret[64])
{
	(void)snprintf(ret, 64, ".ruvsnap-restore-%ld-%u", (long)getpid(),
		       index);
}

/* Give what was made as @temporary its name. */
static int take_name(struct restoring *r, uint32_t index, int dirfd,
		     const char *temporary, const char *name)
{
	unsigned flags = r->options->overwrite ? 0 : RENAME_NOREPLACE;

	r->made[index] = true;
	if (renameat2(dirfd, temporary, dirfd, name, flags) == 0)
		return 0;
	if (errno == EINVAL && flags) { /* a filesystem that cannot */
		struct stat st;

		if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 &&
		    renameat(dirfd, temporary, dirfd, name) == 0)
			return 0;
		errno = EEXIST;
	}
	r->made[index] = false;
	rvs_error_errno(r->err, "%s", name);
	(void)unlinkat(dirfd, temporary, 0); /* nothing is lost with it */
	if (r->err->status == RVS_ERR_EXISTS)
		return rvs_error_set(r->err, RVS_ERR_EXISTS,
				     "%s is there already; --overwrite "
				     "replaces it", name);
	return r->err->status;
}

/* ---- files ---- */

static bool is_zero(const uint8_t *bytes, size_t len)
{
	return bytes[0] == 0 && !memcmp(bytes, bytes + 1, len - 1);
}

/* Write @len bytes at @at, leaving pages of zeros as holes. */
static int write_sparse(struct restoring *r, int fd, const uint8_t *bytes,
			size_t len, uint64_t at)
{
	size_t start = 0, end;

	while (start < len) {
		size_t page = len - start < PAGE ? len - start : PAGE;

		if (is_zero(bytes + start, page)) {
			start += page;
			continue;
		}
		for (end = start + page; end < len; end += page) {
			page = len - end < PAGE ? len - end : PAGE;
			if (is_zero(bytes + end, page))
				break;
		}
		if (rvs_io_pwrite(fd, bytes + start, end - start,
				  at + start) < 0)
			return rvs_error_errno(r->err, "cannot write");
		r->result->bytes += end - start;
		start = end;
	}
	return 0;
}

static int check_cancelled(struct restoring *r, uint64_t done)
{
	const struct rvs_monitor *m = &r->options->monitor;

	if (m->progress)
		m->progress(m->arg, done, r->total_bytes);
	if (m->cancelled && m->cancelled(m->arg))
		return rvs_error_set(r->err, RVS_ERR_INTERRUPTED,
				     "interrupted");
	return 0;
}

static int write_content(struct restoring *r, const struct rvs_entry *file,
			 int fd, struct rvs_digest *ret)
{
	RVS_CLEANUP(rvs_hasher_cleanup) struct rvs_hasher *hasher = NULL;
	uint64_t at = 0;
	int status = rvs_hasher_new(&hasher, r->err);

	while (status == 0 && at < file->size) {
		ssize_t n = rvs_tree_read(r->tree, file, r->buffer, BLOCK, at,
					  NULL, r->err);

		if (n < 0)
			return (int)n;
		rvs_hasher_add(hasher, r->buffer, (size_t)n);
		status = write_sparse(r, fd, r->buffer, (size_t)n, at);
		at += (uint64_t)n;
		if (status == 0)
			status = check_cancelled(r, r->result->bytes);
	}
	if (status == 0 && ftruncate(fd, (off_t)file->size) < 0)
		return rvs_error_errno(r->err, "cannot write");
	return status < 0 ? status : rvs_hasher_finish(hasher, ret, r->err);
}

static int fill_file(struct restoring *r, uint32_t index, int fd)
{
	const struct rvs_entry *file = rvs_tree_entry(r->tree, index);
	struct rvs_digest digest;
	int status = write_content(r, file, fd, &digest);

	if (status < 0)
		return status;
	if (!rvs_digest_equal(&digest, &file->digest))
		return rvs_error_set(r->err, RVS_ERR_CORRUPT,
				     "the file does not match its SHA-256");
	set_attributes(r, index, fd);
	r->result->files++;
	return 0;
}

static int restore_file(struct restoring *r, uint32_t index, int dirfd,
			const char *name)
{
	char temporary[64];
	int fd, status;

	temporary_name(index, temporary);
	fd = openat(dirfd, temporary,
		    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return rvs_error_errno(r->err, "%s", name);
	status = fill_file(r, index, fd);
	if (close(fd) < 0 && status == 0)
		status = rvs_error_errno(r->err, "cannot write");
	if (status == 0)
		return take_name(r, index, dirfd, temporary, name);
	(void)unlinkat(dirfd, temporary, 0); /* nothing is lost with it */
	return rvs_error_context(r->err, "%s", name);
}

/* Symbolic links, fifos and devices. */
static int make_special(const struct rvs_entry *e, int dirfd, const char *name)
{
	if (S_ISLNK(e->mode))
		return symlinkat(e->target, dirfd, name);
	return mknodat(dirfd, name, (e->mode & S_IFMT) | 0600,
		       makedev(e->rdev_major, e->rdev_minor));
}

static int restore_special(struct restoring *r, uint32_t index, int dirfd,
			   const char *name)
{
	const struct rvs_entry *e = rvs_tree_entry(r->tree, index);
	char temporary[64];

	temporary_name(index, temporary);
	if (make_special(e, dirfd, temporary) < 0) {
		if (errno != EPERM)
			return rvs_error_errno(r->err, "%s", name);
		warn_user(r, index, "the device"); /* an ordinary user */
		return 0;
	}
	set_attributes_at(r, index, dirfd, temporary);
	return take_name(r, index, dirfd, temporary, name);
}

/* ---- hard links ---- */

/* linkat(2) from a path below the target, through no symbolic link. */
static int link_from(const struct restoring *r, const char *first, int dirfd,
		     const char *name)
{
	const char *slash = strrchr(first, '/');
	RVS_CLEANUP(rvs_cleanup_free)
	char *folder = slash ? strndup(first, (size_t)(slash - first)) :
			       strdup(".");
	RVS_CLEANUP(rvs_cleanup_fd) int fd = -1;

	if (!folder)
		return -1;
	fd = rvs_io_open_beneath(r->root, folder, O_PATH | O_DIRECTORY);
	return fd < 0 ? -1 :
			linkat(fd, slash ? slash + 1 : first, dirfd, name, 0);
}

/* 1: it cannot be a link, and must become a file of its own. */
static int restore_link(struct restoring *r, uint32_t index, int dirfd,
			const char *name)
{
	const struct rvs_entry *e = rvs_tree_entry(r->tree, index);
	char temporary[64];
	int status;

	temporary_name(index, temporary);
	if (link_from(r, r->restored[e->link], dirfd, temporary) < 0)
		return errno == EPERM || errno == EXDEV || errno == EMLINK ||
				       errno == ENAMETOOLONG ?
			       1 :
			       rvs_error_errno(r->err, "%s", name);
	status = take_name(r, index, dirfd, temporary, name);
	/* Of two names of one inode rename(2) leaves both. */
	(void)unlinkat(dirfd, temporary, 0);
	return status;
}

static int remember_link(struct restoring *r, uint32_t index)
{
	const struct rvs_entry *e = rvs_tree_entry(r->tree, index);

	if (S_ISDIR(e->mode) || e->nlink < 2 || r->restored[e->link])
		return 0;
	r->restored[e->link] = rvs_tree_path(r->tree, index);
	return r->restored[e->link] ? 0 : rvs_error_no_memory(r->err);
}

/* ---- directories ---- */

static int restore_entry(struct restoring *r, uint32_t index, int dirfd);

/* Open the directory @name, made if it is not there; *ret_made says which. */
static int open_directory(struct restoring *r, int dirfd, const char *name,
			  bool *ret_made)
{
	int fd;

	*ret_made = mkdirat(dirfd, name, 0700) == 0;
	if (!*ret_made && errno != EEXIST)
		return rvs_error_errno(r->err, "%s", name);
	fd = openat(dirfd, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
		return rvs_error_set(r->err, RVS_ERR_EXISTS,
				     "%s is there, and no directory", name);
	return fd < 0 ? rvs_error_errno(r->err, "%s", name) : fd;
}

static int restore_children(struct restoring *r, uint32_t index, int fd)
{
	const struct rvs_entry *dir = rvs_tree_entry(r->tree, index);
	uint32_t i;
	int status = 0;

	for (i = 0; i < dir->child_count && status == 0; i++)
		status = restore_entry(r, rvs_tree_child(r->tree, dir, i), fd);
	return status;
}

static int restore_directory(struct restoring *r, uint32_t index, int dirfd,
			     const char *name)
{
	RVS_CLEANUP(rvs_cleanup_fd) int fd = -1;
	bool made;
	int status;

	fd = open_directory(r, dirfd, name, &made);
	if (fd < 0)
		return fd;
	r->made[index] |= made;
	status = restore_children(r, index, fd);
	if (status < 0)
		return rvs_error_context(r->err, "in %s", name);
	set_attributes(r, index, fd); /* last: children change the time */
	return 0;
}

static int restore_entry(struct restoring *r, uint32_t index, int dirfd)
{
	const struct rvs_entry *e = rvs_tree_entry(r->tree, index);
	int status = 1;

	if (S_ISDIR(e->mode))
		return restore_directory(r, index, dirfd, e->name);
	if (r->restored[e->link])
		status = restore_link(r, index, dirfd, e->name);
	if (status == 1)
		status = S_ISREG(e->mode) ?
				 restore_file(r, index, dirfd, e->name) :
				 restore_special(r, index, dirfd, e->name);
	return status < 0 ? status : remember_link(r, index);
}

/* ---- the target ---- */

static int check_empty(int fd, struct rvs_error *err)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	RVS_CLEANUP(rvs_cleanup_dir) DIR *dir = copy < 0 ? NULL :
							   fdopendir(copy);
	struct dirent *entry;

	if (!dir) {
		rvs_cleanup_fd(&copy);
		return rvs_error_errno(err, "cannot list");
	}
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			return rvs_error_set(err, RVS_ERR_EXISTS,
					     "it is not empty; give a new "
					     "directory, or --overwrite");
	return 0;
}

static int open_target(struct restoring *r, const char *target)
{
	r->made_root = mkdir(target, 0700) == 0;
	if (!r->made_root && errno != EEXIST)
		return rvs_error_errno(r->err, "%s", target);
	r->root = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->root < 0)
		return rvs_error_errno(r->err, "%s", target);
	if (r->options->path_count > 0 || r->options->overwrite)
		return 0;
	if (check_empty(r->root, r->err) < 0)
		return rvs_error_context(r->err, "%s", target);
	return 0;
}

static int restore_all(struct restoring *r)
{
	int status = restore_children(r, 0, r->root);

	if (status == 0)
		set_attributes(r, 0, r->root);
	return status;
}

/*
 * Restore the entry @index through the directories on its way from @dir down.
 * Those that are made here get their attributes, behind all that is put into
 * them.
 */
static int restore_through(struct restoring *r, const uint32_t *way,
			   size_t count, int dirfd, uint32_t index)
{
	RVS_CLEANUP(rvs_cleanup_fd) int fd = -1;
	bool made;
	int status;

	if (count == 0)
		return restore_entry(r, index, dirfd);
	fd = open_directory(r, dirfd, rvs_tree_entry(r->tree, *way)->name,
			    &made);
	if (fd < 0)
		return fd;
	r->made[*way] |= made;
	status = restore_through(r, way + 1, count - 1, fd, index);
	if (status == 0 && r->made[*way])
		set_attributes(r, *way, fd);
	return status;
}

static int restore_by_way(struct restoring *r, uint32_t index)
{
	RVS_CLEANUP(rvs_cleanup_free) uint32_t *way = NULL;
	size_t depth = 0, i;
	uint32_t at = index;

	while ((at = rvs_tree_entry(r->tree, at)->parent) != 0)
		depth++;
	way = calloc(depth + 1, sizeof(*way));
	if (!way)
		return rvs_error_no_memory(r->err);
	at = index;
	for (i = depth; i > 0; i--)
		way[i - 1] = at = rvs_tree_entry(r->tree, at)->parent;
	return restore_through(r, way, depth, r->root, index);
}

static int restore_path(struct restoring *r, const char *path)
{
	uint32_t index = rvs_tree_find(r->tree, path);

	if (index == RVS_NO_ENTRY)
		return rvs_error_set(r->err, RVS_ERR_NOT_FOUND,
				     "%s is not in the snapshot", path);
	return index == 0 ? restore_all(r) : restore_by_way(r, index);
}

static int restore_wanted(struct restoring *r, const char *target)
{
	size_t i;
	int status = open_target(r, target);

	if (status == 0 && r->options->path_count == 0)
		status = restore_all(r);
	for (i = 0; i < r->options->path_count && status == 0; i++)
		status = restore_path(r, r->options->paths[i]);
	return status;
}

/* ---- undoing ---- */

static void remove_made(struct restoring *r, uint32_t index, int dirfd);

/* What others put there meanwhile stays, and so do the directories on its way. */
static void remove_children(struct restoring *r, uint32_t index, int fd)
{
	const struct rvs_entry *dir = rvs_tree_entry(r->tree, index);
	uint32_t i;

	for (i = 0; i < dir->child_count; i++)
		remove_made(r, rvs_tree_child(r->tree, dir, i), fd);
}

static void remove_made(struct restoring *r, uint32_t index, int dirfd)
{
	const struct rvs_entry *e = rvs_tree_entry(r->tree, index);
	RVS_CLEANUP(rvs_cleanup_fd) int fd = -1;

	if (S_ISDIR(e->mode)) {
		fd = openat(dirfd, e->name,
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0)
			remove_children(r, index, fd);
	}
	/* Best effort, as all of this: the user learns of the interruption. */
	if (r->made[index])
		(void)unlinkat(dirfd, e->name,
			       S_ISDIR(e->mode) ? AT_REMOVEDIR : 0);
}

/*
 * Half a restored tree looks like a whole one, so whoever interrupts it finds
 * what was there before; but files that were replaced are gone, and then those
 * in their place stay.
 */
static void undo(struct restoring *r, const char *target)
{
	if (r->root < 0 || r->options->overwrite)
		return;
	remove_children(r, 0, r->root);
	if (r->made_root)
		(void)rmdir(target); /* as above */
}

/* Of the files at and below an entry; a link of another counts with its first
 * name. */
static uint64_t count_bytes(const struct restoring *r, uint32_t index)
{
	const struct rvs_entry *e = rvs_tree_entry(r->tree, index);
	uint64_t bytes = 0;
	uint32_t i;

	if (S_ISREG(e->mode) && e->link == index)
		bytes = rvs_tree_data_bytes(r->tree, e);
	for (i = 0; S_ISDIR(e->mode) && i < e->child_count; i++)
		bytes += count_bytes(r, rvs_tree_child(r->tree, e, i));
	return bytes;
}

static int allocate(struct restoring *r)
{
	uint32_t index;
	size_t i;

	r->buffer = malloc(BLOCK);
	r->restored = calloc(rvs_tree_count(r->tree), sizeof(*r->restored));
	r->made = calloc(rvs_tree_count(r->tree), sizeof(*r->made));
	if (!r->buffer || !r->restored || !r->made)
		return rvs_error_no_memory(r->err);
	if (r->options->path_count == 0)
		r->total_bytes = count_bytes(r, 0);
	for (i = 0; i < r->options->path_count; i++) {
		index = rvs_tree_find(r->tree, r->options->paths[i]);
		if (index != RVS_NO_ENTRY)
			r->total_bytes += count_bytes(r, index);
	}
	return 0;
}

static void restoring_done(struct restoring *r)
{
	uint32_t i;

	for (i = 0; r->restored && i < rvs_tree_count(r->tree); i++)
		free(r->restored[i]);
	free(r->restored);
	free(r->made);
	free(r->buffer);
	rvs_cleanup_fd(&r->root);
	rvs_tree_release(r->tree);
}

int rvs_restore(struct rvs_store *store, const char *reference,
		const char *target, const struct rvs_restore_options *options,
		struct rvs_restore_result *ret, struct rvs_error *err)
{
	struct rvs_restore_result result = { 0 };
	struct rvs_error own = RVS_ERROR_INIT;
	struct restoring r = { .options = options,
			       .result = &result,
			       .root = -1,
			       .err = err ? err : &own };
	struct rvs_snapshot snapshot = { 0 };
	int status = rvs_snapshot_find(store, reference, &snapshot, r.err);

	if (status == 0)
		status = rvs_tree_open(store, snapshot.id, &r.tree, r.err);
	if (status == 0)
		status = allocate(&r);
	if (status == 0)
		status = restore_wanted(&r, target);
	if (status == RVS_ERR_INTERRUPTED)
		undo(&r, target);
	restoring_done(&r);
	rvs_snapshot_done(&snapshot);
	if (ret)
		*ret = result;
	return status;
}
