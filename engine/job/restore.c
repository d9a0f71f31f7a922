/*
 * Restore: a snapshot's files, or some of them, back into a directory.
 *
 * The target may hold anything, symbolic links that someone planted included:
 * every step goes through descriptors of directories that were opened without
 * following a link.
 *
 * One thread, the owner, walks the tree, makes directories and specials, and
 * tells the user; workers restore the files.  What must come after files that
 * are under way - a link to one, the attributes of their directory - goes
 * through the same lane: the owner does it when it collects it, in order.
 */
#include <rvs/job.h>

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
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
#include "base/pool.h"
#include "format/digest.h"
#include "store/reader.h"
#include "store/snapshot.h"
#include "store/store.h"
#include "store/tree.h"

enum {
	BLOCK = 1 << 20,     /* read and written at once */
	ALONE_MAX = 8 << 20, /* longer files are shared out by blocks */
	IN_FLIGHT = 128,     /* files and directories; each has a descriptor */
	PAGE = 4096,         /* zeros of this length are not written */
	PERMISSIONS = 07777,
};

/* A warning on its way to the owner. */
struct remark {
	uint32_t index;
	int code;
	const char *what; /* lives as long as the tree */
};

/* What a thread does, and what came of it. */
struct hand {
	struct restoring *r;
	struct rvs_error *err;
	struct rvs_restore_result result;
	struct remark *remarks;
	size_t remark_count;
};

/* All but stopped and made belongs to the owner, or does not change while there
 * are tasks. */
struct restoring {
	struct rvs_store *store;
	struct rvs_tree *tree;
	const struct rvs_restore_options *options;
	struct rvs_restore_result *result;
	struct rvs_pool *pool;
	struct rvs_lane *lane;
	size_t blocks_max; /* of one file, in memory */
	struct hand own;   /* the owner's */
	struct rvs_error own_error;
	atomic_bool stopped; /* it failed: err says why */
	int root;            /* the target */
	uint64_t total_bytes;
	bool *made;          /* for each entry: it was not there, now it is */
	bool made_root;      /* the same for the target */
	char **restored;     /* for each entry with links: where its first name
				is restored, relative to the target */
	struct rvs_error *err;
};

/* A file for a worker, or what comes after files. */
struct task {
	struct rvs_job job;
	struct hand hand;
	struct rvs_error error;
	int status;
	/* By the owner, once all before it is; called though it failed. */
	void (*finish)(struct task *task);
	uint32_t index;
	int dirfd; /* of the directory it is in; for one's end, its own */
};

/* ---- what the user hears ---- */

static void warn_user(struct hand *hand, uint32_t index, const char *what)
{
	int code = errno;
	struct remark *remarks = reallocarray(hand->remarks,
					      hand->remark_count + 1,
					      sizeof(*remarks));

	hand->result.warnings++;
	if (!remarks) /* it is counted still */
		return;
	hand->remarks = remarks;
	remarks[hand->remark_count++] = (struct remark){ index, code, what };
}

static void tell(const struct restoring *r, const struct remark *remark)
{
	RVS_CLEANUP(rvs_cleanup_free)
	char *path = rvs_tree_path(r->tree, remark->index);
	char text[RVS_ERROR_TEXT_MAX];

	if (!r->options->monitor.warning)
		return;
	(void)snprintf(text, sizeof(text), "%.1500s: cannot set %s: %s",
		       path ? path : "?", remark->what,
		       strerror(remark->code));
	r->options->monitor.warning(r->options->monitor.arg, text);
}

/* Take over what came of it; the hand is empty then. */
static void settle(struct hand *hand)
{
	struct restoring *r = hand->r;
	size_t i;

	for (i = 0; i < hand->remark_count; i++)
		tell(r, &hand->remarks[i]);
	free(hand->remarks);
	hand->remarks = NULL;
	hand->remark_count = 0;
	r->result->files += hand->result.files;
	r->result->bytes += hand->result.bytes;
	r->result->warnings += hand->result.warnings;
	hand->result = (struct rvs_restore_result){ 0 };
}

/* The entry @index failed.  The first failure is what the user hears of. */
static int fail(struct restoring *r, uint32_t index,
		const struct rvs_error *err)
{
	if (atomic_load(&r->stopped))
		return r->err->status;
	*r->err = *err;
	atomic_store(&r->stopped, true);
	while (index != 0 &&
	       (index = rvs_tree_entry(r->tree, index)->parent) != 0)
		(void)rvs_error_context(r->err, "in %s",
					rvs_tree_entry(r->tree, index)->name);
	return r->err->status;
}

static void watch(struct restoring *r)
{
	const struct rvs_monitor *m = &r->options->monitor;
	struct rvs_error err = RVS_ERROR_INIT;

	if (m->progress)
		m->progress(m->arg, r->result->bytes, r->total_bytes);
	if (!m->cancelled || !m->cancelled(m->arg))
		return;
	(void)rvs_error_set(&err, RVS_ERR_INTERRUPTED, "interrupted");
	(void)fail(r, 0, &err);
}

/* ---- tasks ---- */

/* Collect the oldest until @limit are left; the status of all so far. */
static int collect(struct restoring *r, size_t limit)
{
	while (rvs_lane_depth(r->lane) > limit) {
		struct task *task = (struct task *)rvs_lane_collect(r->lane);

		if (task->finish)
			task->finish(task);
		settle(&task->hand);
		if (task->status < 0)
			(void)fail(r, task->index, &task->error);
		free(task);
		watch(r);
	}
	return atomic_load(&r->stopped) ? r->err->status : 0;
}

static void run_nothing(struct rvs_job *job, unsigned worker)
{
	(void)job;
	(void)worker;
}

static void init_task(struct task *task, struct restoring *r, uint32_t index,
		      int dirfd)
{
	task->job.run = run_nothing;
	task->hand.r = r;
	task->hand.err = &task->error;
	task->index = index;
	task->dirfd = dirfd;
}

static struct task *new_task(struct restoring *r, uint32_t index, int dirfd)
{
	struct task *task = calloc(1, sizeof(*task));

	if (task)
		init_task(task, r, index, dirfd);
	return task;
}

static int submit(struct restoring *r, struct task *task)
{
	rvs_lane_submit(r->lane, &task->job);
	return collect(r, IN_FLIGHT);
}

/* ---- attributes ---- */

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
static void set_attributes(struct hand *hand, uint32_t index, int fd)
{
	const struct rvs_entry *e = rvs_tree_entry(hand->r->tree, index);
	const struct timespec times[2] = { e->mtime, e->mtime };
	bool owned = fchown(fd, e->uid, e->gid) == 0;
	uint32_t i;

	if (!owned)
		warn_user(hand, index, "the owner");
	if (fchmod(fd, permissions_of(e, owned)) < 0)
		warn_user(hand, index, "the permissions");
	for (i = 0; i < e->xattr_count; i++)
		if (fsetxattr(fd, e->xattrs[i].name, e->xattrs[i].value,
			      e->xattrs[i].value_len, 0) < 0)
			warn_user(hand, index, e->xattrs[i].name);
	if (futimens(fd, times) < 0)
		warn_user(hand, index, "the time");
}

/* The same for what cannot be opened: a link, a fifo, a device. */
static void set_attributes_at(struct hand *hand, uint32_t index, int dirfd,
			      const char *name)
{
	const struct rvs_entry *e = rvs_tree_entry(hand->r->tree, index);
	const struct timespec times[2] = { e->mtime, e->mtime };
	char path[64 + 256];
	uint32_t i;

	if (fchownat(dirfd, name, e->uid, e->gid, AT_SYMLINK_NOFOLLOW) < 0)
		warn_user(hand, index, "the owner");
	if (!S_ISLNK(e->mode) &&
	    fchmodat(dirfd, name, e->mode & PERMISSIONS, 0) < 0)
		warn_user(hand, index, "the permissions");
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dirfd, name);
	for (i = 0; i < e->xattr_count; i++)
		if (lsetxattr(path, e->xattrs[i].name, e->xattrs[i].value,
			      e->xattrs[i].value_len, 0) < 0)
			warn_user(hand, index, e->xattrs[i].name);
	if (utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		warn_user(hand, index, "the time");
}

/* ---- names ---- */

/* A name beside @name that nothing has. */
static void temporary_name(uint32_t index, char ret[64])
{
	(void)snprintf(ret, 64, ".ruvsnap-restore-%ld-%u", (long)getpid(),
		       index);
}

/* Give what was made as @temporary its name. */
static int take_name(struct hand *hand, uint32_t index, int dirfd,
		     const char *temporary, const char *name)
{
	struct restoring *r = hand->r;
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
	rvs_error_errno(hand->err, "%s", name);
	(void)unlinkat(dirfd, temporary, 0); /* nothing is lost with it */
	if (hand->err->status == RVS_ERR_EXISTS)
		return rvs_error_set(hand->err, RVS_ERR_EXISTS,
				     "%s is there already; --overwrite "
				     "replaces it", name);
	return hand->err->status;
}

/* ---- files ---- */

static bool is_zero(const uint8_t *bytes, size_t len)
{
	return bytes[0] == 0 && !memcmp(bytes, bytes + 1, len - 1);
}

/* Write @len bytes at @at, leaving pages of zeros as holes. */
static int write_sparse(struct hand *hand, int fd, const uint8_t *bytes,
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
			return rvs_error_errno(hand->err, "cannot write");
		hand->result.bytes += end - start;
		start = end;
	}
	return 0;
}

static int write_block(struct hand *hand, const struct rvs_entry *file, int fd,
		       struct rvs_buf *buf, uint64_t at,
		       struct rvs_hasher *hasher)
{
	ssize_t n = rvs_tree_read(hand->r->tree, file, buf->bytes,
				  buf->capacity < BLOCK ? buf->capacity : BLOCK,
				  at, NULL, hand->err);

	if (n < 0)
		return (int)n;
	buf->len = (size_t)n;
	rvs_hasher_add(hasher, buf->bytes, buf->len);
	return write_sparse(hand, fd, buf->bytes, buf->len, at);
}

static int write_alone(struct hand *hand, const struct rvs_entry *file, int fd,
		       struct rvs_hasher *hasher)
{
	struct rvs_reader *reader = hand->r->store->reader;
	size_t room = file->size < BLOCK ? (size_t)file->size : BLOCK;
	struct rvs_buf buf;
	uint64_t at = 0;
	int status = 0;

	if (file->size == 0)
		return 0;
	buf = rvs_reader_lend(reader, room);
	if (!rvs_buf_reserve(&buf, room))
		return rvs_error_no_memory(hand->err);
	while (status == 0 && at < file->size) {
		status = write_block(hand, file, fd, &buf, at, hasher);
		at += buf.len;
		if (status == 0 && atomic_load(&hand->r->stopped))
			status = rvs_error_set(hand->err, RVS_ERR_INTERRUPTED,
					       "interrupted");
	}
	rvs_reader_take_back(reader, &buf);
	return status;
}

/* ---- a long file: blocks for the workers, hashed by the owner ---- */

struct sharing {
	const struct rvs_entry *file;
	struct rvs_hasher *hasher;
	struct hand *hand; /* of the file */
	int fd;
	int status;
};

struct block {
	struct task task;
	struct sharing *sharing;
	struct rvs_buf buf;
	uint64_t at;
};

static void run_block(struct rvs_job *job, unsigned worker)
{
	struct block *block = (struct block *)job;
	struct hand *hand = &block->task.hand;
	const struct sharing *s = block->sharing;
	ssize_t n;

	(void)worker;
	if (atomic_load(&hand->r->stopped))
		return;
	block->buf = rvs_reader_lend(hand->r->store->reader, BLOCK);
	if (!rvs_buf_reserve(&block->buf, BLOCK)) {
		block->task.status = rvs_error_no_memory(hand->err);
		return;
	}
	n = rvs_tree_peek(hand->r->tree, s->file, block->buf.bytes, BLOCK,
			  block->at, hand->err);
	block->buf.len = n < 0 ? 0 : (size_t)n;
	block->task.status =
		n < 0 ? (int)n :
			write_sparse(hand, s->fd, block->buf.bytes,
				     block->buf.len, block->at);
}

/* A failure is the file's. */
static void finish_block(struct task *task)
{
	struct block *block = (struct block *)task;
	struct sharing *s = block->sharing;

	if (s->status == 0 && task->status == 0) {
		rvs_hasher_add(s->hasher, block->buf.bytes, block->buf.len);
	} else if (s->status == 0) {
		s->status = task->status;
		*s->hand->err = task->error;
	}
	task->status = 0;
	rvs_reader_take_back(task->hand.r->store->reader, &block->buf);
}

static int submit_block(struct sharing *s, uint64_t at)
{
	struct restoring *r = s->hand->r;
	struct block *block = calloc(1, sizeof(*block));

	if (!block)
		return rvs_error_no_memory(s->hand->err);
	init_task(&block->task, r, 0, -1);
	block->task.job.run = run_block;
	block->task.finish = finish_block;
	block->sharing = s;
	block->at = at;
	rvs_lane_submit(r->lane, &block->task.job);
	(void)collect(r, r->blocks_max);
	return s->status;
}

static int write_shared(struct hand *hand, const struct rvs_entry *file, int fd,
			struct rvs_hasher *hasher)
{
	struct restoring *r = hand->r;
	struct sharing s = { file, hasher, hand, fd, 0 };
	uint64_t at;
	int status = 0;

	for (at = 0; at < file->size && status == 0 &&
		     !atomic_load(&r->stopped); at += BLOCK)
		status = submit_block(&s, at);
	(void)collect(r, 0);
	if (status == 0)
		status = s.status;
	if (status == 0 && atomic_load(&r->stopped))
		return rvs_error_set(hand->err, RVS_ERR_INTERRUPTED,
				     "interrupted");
	return status;
}

/* ---- any file ---- */

static int write_content(struct hand *hand, const struct rvs_entry *file,
			 int fd, struct rvs_digest *ret)
{
	RVS_CLEANUP(rvs_hasher_cleanup) struct rvs_hasher *hasher = NULL;
	bool shared = file->size > ALONE_MAX && hand == &hand->r->own;
	int status = rvs_hasher_new(&hasher, hand->err);

	if (status == 0)
		status = shared ? write_shared(hand, file, fd, hasher) :
				  write_alone(hand, file, fd, hasher);
	if (status == 0 && ftruncate(fd, (off_t)file->size) < 0)
		return rvs_error_errno(hand->err, "cannot write");
	return status < 0 ? status : rvs_hasher_finish(hasher, ret, hand->err);
}

static int fill_file(struct hand *hand, uint32_t index, int fd)
{
	const struct rvs_entry *file = rvs_tree_entry(hand->r->tree, index);
	struct rvs_digest digest;
	int status = write_content(hand, file, fd, &digest);

	if (status < 0)
		return status;
	if (!rvs_digest_equal(&digest, &file->digest))
		return rvs_error_set(hand->err, RVS_ERR_CORRUPT,
				     "the file does not match its SHA-256");
	set_attributes(hand, index, fd);
	hand->result.files++;
	return 0;
}

static int restore_file(struct hand *hand, uint32_t index, int dirfd)
{
	const char *name = rvs_tree_entry(hand->r->tree, index)->name;
	char temporary[64];
	int fd, status;

	temporary_name(index, temporary);
	fd = openat(dirfd, temporary,
		    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return rvs_error_errno(hand->err, "%s", name);
	status = fill_file(hand, index, fd);
	if (close(fd) < 0 && status == 0)
		status = rvs_error_errno(hand->err, "cannot write");
	if (status == 0)
		return take_name(hand, index, dirfd, temporary, name);
	(void)unlinkat(dirfd, temporary, 0); /* nothing is lost with it */
	return rvs_error_context(hand->err, "%s", name);
}

static void run_file(struct rvs_job *job, unsigned worker)
{
	struct task *task = (struct task *)job;

	(void)worker;
	if (!atomic_load(&task->hand.r->stopped))
		task->status = restore_file(&task->hand, task->index,
					    task->dirfd);
}

/* ---- specials ---- */

/* Symbolic links, fifos and devices. */
static int make_special(const struct rvs_entry *e, int dirfd, const char *name)
{
	if (S_ISLNK(e->mode))
		return symlinkat(e->target, dirfd, name);
	return mknodat(dirfd, name, (e->mode & S_IFMT) | 0600,
		       makedev(e->rdev_major, e->rdev_minor));
}

static int restore_special(struct hand *hand, uint32_t index, int dirfd)
{
	const struct rvs_entry *e = rvs_tree_entry(hand->r->tree, index);
	char temporary[64];

	temporary_name(index, temporary);
	if (make_special(e, dirfd, temporary) < 0) {
		if (errno != EPERM)
			return rvs_error_errno(hand->err, "%s", e->name);
		warn_user(hand, index, "the device"); /* an ordinary user */
		return 0;
	}
	set_attributes_at(hand, index, dirfd, temporary);
	return take_name(hand, index, dirfd, temporary, e->name);
}

static int restore_one(struct hand *hand, uint32_t index, int dirfd)
{
	return S_ISREG(rvs_tree_entry(hand->r->tree, index)->mode) ?
		       restore_file(hand, index, dirfd) :
		       restore_special(hand, index, dirfd);
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
static int restore_link(struct hand *hand, uint32_t index, int dirfd)
{
	const struct rvs_entry *e = rvs_tree_entry(hand->r->tree, index);
	char temporary[64];
	int status;

	temporary_name(index, temporary);
	if (link_from(hand->r, hand->r->restored[e->link], dirfd,
		      temporary) < 0)
		return errno == EPERM || errno == EXDEV || errno == EMLINK ||
				       errno == ENAMETOOLONG ?
			       1 :
			       rvs_error_errno(hand->err, "%s", e->name);
	status = take_name(hand, index, dirfd, temporary, e->name);
	/* Of two names of one inode rename(2) leaves both. */
	(void)unlinkat(dirfd, temporary, 0);
	return status;
}

/* The first name is there by now. */
static void finish_link(struct task *task)
{
	struct hand *hand = &task->hand;

	if (atomic_load(&hand->r->stopped))
		return;
	task->status = restore_link(hand, task->index, task->dirfd);
	if (task->status == 1)
		task->status = restore_one(hand, task->index, task->dirfd);
}

static int remember_link(struct restoring *r, uint32_t index)
{
	const struct rvs_entry *e = rvs_tree_entry(r->tree, index);

	if (S_ISDIR(e->mode) || e->nlink < 2 || r->restored[e->link])
		return 0;
	r->restored[e->link] = rvs_tree_path(r->tree, index);
	return r->restored[e->link] ? 0 : rvs_error_no_memory(r->own.err);
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
		return rvs_error_errno(r->own.err, "%s", name);
	fd = openat(dirfd, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
		return rvs_error_set(r->own.err, RVS_ERR_EXISTS,
				     "%s is there, and no directory", name);
	return fd < 0 ? rvs_error_errno(r->own.err, "%s", name) : fd;
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

/* Children change the time, and may need permissions it has not. */
static void finish_directory(struct task *task)
{
	if (!atomic_load(&task->hand.r->stopped))
		set_attributes(&task->hand, task->index, task->dirfd);
	(void)close(task->dirfd); /* nothing was written through it */
}

static int restore_directory(struct restoring *r, uint32_t index, int dirfd)
{
	RVS_CLEANUP(rvs_cleanup_free) struct task *end = NULL;
	bool made;
	int fd = open_directory(r, dirfd, rvs_tree_entry(r->tree, index)->name,
				&made);

	if (fd < 0)
		return fail(r, index, r->own.err);
	r->made[index] |= made;
	end = new_task(r, index, fd);
	if (!end) {
		rvs_cleanup_fd(&fd);
		(void)rvs_error_no_memory(r->own.err);
		return fail(r, index, r->own.err);
	}
	end->finish = finish_directory;
	/* Whatever fails, the files under way need the descriptor. */
	(void)restore_children(r, index, fd);
	return submit(r, rvs_take(end));
}

static int submit_leaf(struct restoring *r, uint32_t index, int dirfd,
		       bool linked)
{
	struct task *task = new_task(r, index, dirfd);

	if (!task) {
		(void)rvs_error_no_memory(r->own.err);
		return fail(r, index, r->own.err);
	}
	if (linked)
		task->finish = finish_link;
	else
		task->job.run = run_file;
	return submit(r, task);
}

static int restore_entry(struct restoring *r, uint32_t index, int dirfd)
{
	const struct rvs_entry *e = rvs_tree_entry(r->tree, index);
	int status;

	if (S_ISDIR(e->mode))
		return restore_directory(r, index, dirfd);
	if (r->restored[e->link])
		return submit_leaf(r, index, dirfd, true);
	status = remember_link(r, index);
	if (status == 0 && S_ISREG(e->mode) && e->size <= ALONE_MAX)
		return submit_leaf(r, index, dirfd, false);
	if (status == 0)
		status = restore_one(&r->own, index, dirfd);
	settle(&r->own);
	return status < 0 ? fail(r, index, r->own.err) : 0;
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
	int status;

	(void)restore_children(r, 0, r->root);
	status = collect(r, 0);
	if (status == 0)
		set_attributes(&r->own, 0, r->root);
	settle(&r->own);
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

	if (count == 0) {
		(void)restore_entry(r, index, dirfd);
		return collect(r, 0);
	}
	fd = open_directory(r, dirfd, rvs_tree_entry(r->tree, *way)->name,
			    &made);
	if (fd < 0)
		return fail(r, *way, r->own.err);
	r->made[*way] |= made;
	status = restore_through(r, way + 1, count - 1, fd, index);
	if (status == 0 && r->made[*way])
		set_attributes(&r->own, *way, fd);
	settle(&r->own);
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

	r->restored = calloc(rvs_tree_count(r->tree), sizeof(*r->restored));
	r->made = calloc(rvs_tree_count(r->tree), sizeof(*r->made));
	if (!r->restored || !r->made)
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

static int start_workers(struct restoring *r)
{
	int status = rvs_pool_new(r->store->options.threads, &r->pool, r->err);

	if (status < 0)
		return status;
	r->blocks_max = 2 * (size_t)rvs_pool_threads(r->pool);
	return rvs_lane_new(r->pool, false, &r->lane, r->err);
}

static void restoring_done(struct restoring *r)
{
	uint32_t i;

	rvs_lane_free(r->lane);
	rvs_pool_free(r->pool);
	for (i = 0; r->restored && i < rvs_tree_count(r->tree); i++)
		free(r->restored[i]);
	free(r->restored);
	free(r->made);
	rvs_cleanup_fd(&r->root);
	rvs_tree_release(r->tree);
}

int rvs_restore(struct rvs_store *store, const char *reference,
		const char *target, const struct rvs_restore_options *options,
		struct rvs_restore_result *ret, struct rvs_error *err)
{
	struct rvs_restore_result result = { 0 };
	struct rvs_error own = RVS_ERROR_INIT;
	struct restoring r = { .store = store,
			       .options = options,
			       .result = &result,
			       .root = -1,
			       .err = err ? err : &own };
	struct rvs_snapshot snapshot = { 0 };
	int status = rvs_snapshot_find(store, reference, &snapshot, r.err);

	r.own = (struct hand){ .r = &r, .err = &r.own_error };
	if (status == 0)
		status = rvs_tree_open(store, snapshot.id, &r.tree, r.err);
	if (status == 0)
		status = allocate(&r);
	if (status == 0)
		status = start_workers(&r);
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
