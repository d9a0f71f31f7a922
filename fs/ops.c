#define FUSE_USE_VERSION 314

#include "ops.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>

#include <fuse_lowlevel.h>
#include <rvs/tree.h>

#include "cleanup.h"
#include "fill.h"
#include "idle.h"
#include "inode.h"
#include "jobs.h"
#include "node.h"
#include "notify.h"
#include "turn.h"
#include "view.h"

/* Requests under way before the kernel calls us congested, and from then on
 * skips what it meant to read ahead, only to ask for it late and in pieces. */
enum { BACKGROUND = 64 };

static double seconds_of(enum node_life life)
{
	switch (life) {
	case NODE_FRESH:
		return 0;
	case NODE_BRIEFLY:
		return NODE_BRIEFLY_MS / 1000.0;
	case NODE_FOREVER:
		break;
	}
	return 1e9; /* the kernel takes as much as it can count */
}

/* Every request asks for it, those that wait again and again. */
static struct mount *mount_of(fuse_req_t req)
{
	struct mount *mount = fuse_req_userdata(req);

	if (mount->idle)
		idle_touch(mount->idle);
	return mount;
}

/* For a request that may wait; another thread reads the next one meanwhile. */
static struct mount *mount_at_leisure(fuse_req_t req)
{
	struct mount *mount = mount_of(req);

	turn_pass(mount->turn);
	return mount;
}

/* For a request that waits for nothing if what @ino is part of was loaded. */
static struct view *view_of(fuse_req_t req, fuse_ino_t ino)
{
	struct mount *mount = mount_of(req);

	if (!view_is_at_hand(mount->view, ino))
		turn_pass(mount->turn);
	return mount->view;
}

/* What comes from a source, and not from the user who mounted, whose root, files
 * and raw streams stay his own. */
static bool is_of_source(const struct inode *inode)
{
	if (inode->kind == INODE_HIDDEN)
		return inode->hidden == HIDDEN_HISTORY;
	return inode->kind == INODE_ENTRY || inode->kind == INODE_HISTORY;
}

static struct stat shown_attr(const struct mount *mount,
			      const struct node *node)
{
	struct inode inode = inode_parse(node->number);
	struct stat attr = node->attr;

	if (is_of_source(&inode))
		attr_apply(&mount->override, &attr);
	return attr;
}

/*
 * An answer that cannot be delivered means that nobody waits for it any more,
 * so that all of these drop libfuse's own result.
 */
static void answer(fuse_req_t req, int error)
{
	(void)fuse_reply_err(req, -error);
}

static struct fuse_entry_param entry_of(fuse_req_t req,
					const struct node *node)
{
	return (struct fuse_entry_param){
		.ino = node->number,
		.attr = shown_attr(mount_of(req), node),
		.attr_timeout = seconds_of(node->attr_life),
		.entry_timeout = seconds_of(node->name_life),
	};
}

static void answer_entry(fuse_req_t req, const struct node *node)
{
	struct fuse_entry_param entry = entry_of(req, node);

	(void)fuse_reply_entry(req, &entry);
}

static void answer_attr(fuse_req_t req, const struct node *node)
{
	struct stat attr = shown_attr(mount_of(req), node);

	(void)fuse_reply_attr(req, &attr, seconds_of(node->attr_life));
}

static void answer_bytes(fuse_req_t req, const void *bytes, ssize_t len)
{
	if (len < 0)
		answer(req, (int)len);
	else
		(void)fuse_reply_buf(req, bytes, (size_t)len);
}

/* As getxattr(2): the length alone when the caller has no buffer. */
static void answer_xattr(fuse_req_t req, const void *bytes, size_t size,
			 ssize_t len)
{
	if (len < 0 || size)
		answer_bytes(req, bytes, len);
	else
		(void)fuse_reply_xattr(req, (size_t)len);
}

/* Ctrl-C in the program that asked, or the end of the mount. */
static bool is_cancelled(void *arg)
{
	fuse_req_t req = arg;

	return fuse_req_interrupted(req) ||
	       fuse_session_exited(mount_of(req)->session);
}

static void init(void *userdata, struct fuse_conn_info *conn)
{
	const unsigned wanted = FUSE_CAP_PARALLEL_DIROPS |
				FUSE_CAP_CACHE_SYMLINKS |
				FUSE_CAP_AUTO_INVAL_DATA;
	/* An O_TRUNC that only open hears of would never reach us.  Attributes
	 * cost nothing here; told to guess, the kernel asks with each name of a
	 * long directory for them again. */
	const unsigned unwanted = FUSE_CAP_ATOMIC_O_TRUNC |
				  FUSE_CAP_READDIRPLUS_AUTO;
	struct mount *mount = userdata;

	conn->want |= conn->capable & wanted;
	conn->want &= ~unwanted;
	conn->max_background = BACKGROUND;
	mount->no_open = conn->capable & FUSE_CAP_NO_OPEN_SUPPORT;
	mount->no_opendir = conn->capable & FUSE_CAP_NO_OPENDIR_SUPPORT;
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct node node = { .name_life = NODE_FOREVER };
	int r;

	r = view_lookup(view_of(req, parent), parent, name, &node);
	if (r < 0)
		answer(req, r);
	else
		answer_entry(req, &node); /* number 0: no such name, for ever */
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino,
		       struct fuse_file_info *fi)
{
	struct node node;
	int r;

	r = view_stat(view_of(req, ino), ino, &node);
	if (r < 0)
		answer(req, r);
	else
		answer_attr(req, &node);
}

/* The O_TRUNC of a shell's `>` arrives here. */
static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr,
		       int to_set, struct fuse_file_info *fi)
{
	struct node node;
	int r = -EROFS;

	if (to_set & FUSE_SET_ATTR_SIZE && attr->st_size == 0)
		r = view_truncate(mount_at_leisure(req)->view, ino, &node);
	if (r < 0)
		answer(req, r);
	else
		answer_attr(req, &node);
}

static void op_access(fuse_req_t req, fuse_ino_t ino, int mask)
{
	answer(req, view_access(view_of(req, ino), ino, mask));
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	CLEANUP(cleanup_free) char *target = NULL;
	int r;

	r = view_readlink(view_of(req, ino), ino, &target);
	if (r < 0)
		answer(req, r);
	else
		(void)fuse_reply_readlink(req, target);
}

/*
 * Told once that there is nothing to open, the kernel never asks again, and
 * keeps pages as if each open had said keep_cache.
 */
static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	if (mount_of(req)->no_open) {
		answer(req, -ENOSYS);
		return;
	}
	fi->keep_cache = 1;
	(void)fuse_reply_open(req, fi);
}

/* The same; the kernel then caches listings, and asks for them again when the
 * directory's mtime changed, as the root's does with every change. */
static void op_opendir(fuse_req_t req, fuse_ino_t ino,
		       struct fuse_file_info *fi)
{
	if (mount_of(req)->no_opendir) {
		answer(req, -ENOSYS);
		return;
	}
	fi->keep_cache = 1;
	fi->cache_readdir = 1;
	(void)fuse_reply_open(req, fi);
}

static void answer_parts(void *arg, const struct iovec *parts, int count)
{
	(void)fuse_reply_iov(arg, parts, count);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		    struct fuse_file_info *fi)
{
	const struct mount *mount = mount_at_leisure(req);
	const struct rvs_sink sink = { req, answer_parts };
	struct canceller canceller = { req, is_cancelled };
	int r;

	r = view_read(mount->view, ino, size, offset, &sink,
		      &canceller);
	if (r < 0)
		answer(req, r);
	else
		fill_note(mount->fill, ino, size, offset);
}

static void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence,
		     struct fuse_file_info *fi)
{
	off_t found = view_seek(view_of(req, ino), ino, offset, whence);

	if (found < 0)
		answer(req, (int)found);
	else
		(void)fuse_reply_lseek(req, found);
}

/* A listing on its way into the kernel's buffer. */
struct listing {
	fuse_req_t req;
	char *bytes;
	size_t size;
	size_t len;
};

/* Whether @needed bytes, which libfuse wrote if they fit, did. */
static bool accept(struct listing *listing, size_t needed)
{
	if (needed > listing->size - listing->len)
		return false;
	listing->len += needed;
	return true;
}

static bool emit_name(void *arg, const char *name, const struct node *node,
		      off_t next)
{
	struct listing *listing = arg;

	return accept(listing,
		      fuse_add_direntry(listing->req,
					listing->bytes + listing->len,
					listing->size - listing->len, name,
					&node->attr, next));
}

static bool emit_node(void *arg, const char *name, const struct node *node,
		      off_t next)
{
	struct listing *listing = arg;
	struct fuse_entry_param entry = entry_of(listing->req, node);

	return accept(listing,
		      fuse_add_direntry_plus(listing->req,
					     listing->bytes + listing->len,
					     listing->size - listing->len,
					     name, &entry, next));
}

static void list(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		 struct lister *lister)
{
	CLEANUP(cleanup_free) char *bytes = malloc(size);
	struct listing listing = { req, bytes, size, 0 };
	int r;

	if (!bytes) {
		answer(req, -ENOMEM);
		return;
	}
	lister->arg = &listing;
	r = view_list(view_of(req, ino), ino, offset, lister);
	answer_bytes(req, bytes, r < 0 ? r : (ssize_t)listing.len);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size,
		       off_t offset, struct fuse_file_info *fi)
{
	struct lister lister = { .emit = emit_name };

	list(req, ino, size, offset, &lister);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size,
			   off_t offset, struct fuse_file_info *fi)
{
	struct lister lister = { .emit = emit_node, .wants_nodes = true };

	list(req, ino, size, offset, &lister);
}

static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
			size_t size)
{
	CLEANUP(cleanup_free) void *value = malloc(size + 1);

	if (!value) {
		answer(req, -ENOMEM);
		return;
	}
	answer_xattr(req, value, size,
		     view_getxattr(view_of(req, ino), ino, name, value,
				   size));
}

static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	CLEANUP(cleanup_free) char *names = malloc(size + 1);

	if (!names) {
		answer(req, -ENOMEM);
		return;
	}
	answer_xattr(req, names, size,
		     view_listxattr(view_of(req, ino), ino, names, size));
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs statistics;
	int r;

	r = view_statfs(mount_at_leisure(req)->view, &statistics);
	if (r < 0)
		answer(req, r);
	else
		(void)fuse_reply_statfs(req, &statistics);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *bytes,
		     size_t size, off_t offset, struct fuse_file_info *fi)
{
	struct canceller canceller = { req, is_cancelled };
	struct view_write write = {
		.bytes = bytes,
		.len = size,
		.offset = offset,
		.nonblock = fi->flags & O_NONBLOCK,
	};
	int r;

	/*
	 * Open asks nobody, so that a program may map a snapshot's file and
	 * write to the mapping.  What the kernel then fails to write back it
	 * would show to all readers.
	 */
	r = view_write(mount_at_leisure(req)->view, ino, &write, &canceller);
	if (r < 0 && fi->writepage)
		notify_drop_bytes(mount_of(req)->notify, ino);
	if (r < 0)
		answer(req, r);
	else
		(void)fuse_reply_write(req, size);
}

/*
 * The kernel holds the root's lock until this is answered, and with it whoever
 * lists the root; a write to a control file holds nobody.
 */
static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name,
		     mode_t mode)
{
	struct canceller canceller = { req, is_cancelled };
	struct node node;
	int r;

	r = view_mkdir(mount_at_leisure(req)->view, parent, name, &canceller, &node);
	if (r < 0)
		answer(req, r);
	else
		answer_entry(req, &node);
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct canceller canceller = { req, is_cancelled };

	answer(req, view_rmdir(mount_at_leisure(req)->view, parent, name,
			       &canceller));
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
		      fuse_ino_t new_parent, const char *new_name,
		      unsigned flags)
{
	struct canceller canceller = { req, is_cancelled };

	/* A taken name is never replaced, asked for or not. */
	if (flags & ~(unsigned)RENAME_NOREPLACE)
		answer(req, -EINVAL);
	else
		answer(req, view_rename(mount_at_leisure(req)->view, parent, name,
					new_parent, new_name, &canceller));
}

/* What is left of the requests that would change something. */

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name,
		     mode_t mode, dev_t device)
{
	answer(req, -EROFS);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name,
		      mode_t mode, struct fuse_file_info *fi)
{
	answer(req, -EROFS);
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent,
		       const char *name)
{
	answer(req, -EROFS);
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t new_parent,
		    const char *new_name)
{
	answer(req, -EROFS);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	answer(req, -EROFS);
}

static void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
			const char *value, size_t size, int flags)
{
	answer(req, -EROFS);
}

static void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	answer(req, -EROFS);
}

static void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode,
			 off_t offset, off_t length,
			 struct fuse_file_info *fi)
{
	answer(req, -EROFS);
}

void ops_forget(void *arg, uint64_t parent, const char *name, uint64_t child)
{
	const struct mount *mount = arg;

	if (child)
		notify_deleted(mount->notify, parent, name, child);
	else
		notify_drop_name(mount->notify, parent, name);
}

/* Forget is not here: numbers are arithmetic, there is nothing to forget. */
const struct fuse_lowlevel_ops ops = {
	.init = init,
	.lookup = op_lookup,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.access = op_access,
	.readlink = op_readlink,
	.open = op_open,
	.opendir = op_opendir,
	.read = op_read,
	.lseek = op_lseek,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.statfs = op_statfs,
	.write = op_write,
	.mkdir = op_mkdir,
	.rmdir = op_rmdir,
	.rename = op_rename,
	.mknod = op_mknod,
	.create = op_create,
	.symlink = op_symlink,
	.link = op_link,
	.unlink = op_unlink,
	.setxattr = op_setxattr,
	.removexattr = op_removexattr,
	.fallocate = op_fallocate,
};
