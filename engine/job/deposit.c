#include "deposit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "crew.h"
#include "format/digest.h"
#include "store/reader.h"
#include "store/store.h"
#include "store/tree.h"

enum {
	BLOCK = 1 << 20,     /* read and written at once */
	ALONE_MAX = 8 << 20, /* longer files are shared out by blocks */
	PAGE = 4096,         /* zeros of this length are not written */
	PERMISSIONS = 07777,
};

/* ---- attributes ---- */

/* What may run as its owner must not run as another. */
static mode_t permissions_of(const struct rvs_entry *e, bool owned)
{
	mode_t mode = e->mode & PERMISSIONS;

	return owned || S_ISDIR(e->mode) ? mode :
					   mode & ~(mode_t)(S_ISUID | S_ISGID);
}

/* Owner and permissions; asking what they are costs less than setting them
 * again. */
static void set_access(struct rvs_hand *hand, uint32_t index, int fd)
{
	const struct rvs_entry *e = rvs_tree_entry(hand->crew->tree, index);
	struct stat st;
	bool known = fstat(fd, &st) == 0;
	bool same = known && st.st_uid == e->uid && st.st_gid == e->gid;
	bool owned = same || fchown(fd, e->uid, e->gid) == 0;
	mode_t mode = permissions_of(e, owned);

	if (!owned)
		rvs_hand_warn(hand, index, "the owner");
	if (same && (st.st_mode & PERMISSIONS) == mode)
		return;
	if (fchmod(fd, mode) < 0)
		rvs_hand_warn(hand, index, "the permissions");
}

/* The order matters: a change of owner clears setuid bits and capabilities, and
 * every change touches the time. */
void rvs_deposit_attributes(struct rvs_hand *hand, uint32_t index, int fd)
{
	const struct rvs_entry *e = rvs_tree_entry(hand->crew->tree, index);
	const struct timespec times[2] = { e->mtime, e->mtime };
	uint32_t i;

	set_access(hand, index, fd);
	for (i = 0; i < e->xattr_count; i++)
		if (fsetxattr(fd, e->xattrs[i].name, e->xattrs[i].value,
			      e->xattrs[i].value_len, 0) < 0)
			rvs_hand_warn(hand, index, e->xattrs[i].name);
	if (futimens(fd, times) < 0)
		rvs_hand_warn(hand, index, "the time");
}

/* The same for what cannot be opened: a link, a fifo, a device. */
static void set_attributes_at(struct rvs_hand *hand, uint32_t index, int dirfd,
			      const char *name)
{
	const struct rvs_entry *e = rvs_tree_entry(hand->crew->tree, index);
	const struct timespec times[2] = { e->mtime, e->mtime };
	char path[64 + 256];
	uint32_t i;

	if (fchownat(dirfd, name, e->uid, e->gid, AT_SYMLINK_NOFOLLOW) < 0)
		rvs_hand_warn(hand, index, "the owner");
	if (!S_ISLNK(e->mode) &&
	    fchmodat(dirfd, name, e->mode & PERMISSIONS, 0) < 0)
		rvs_hand_warn(hand, index, "the permissions");
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dirfd, name);
	for (i = 0; i < e->xattr_count; i++)
		if (lsetxattr(path, e->xattrs[i].name, e->xattrs[i].value,
			      e->xattrs[i].value_len, 0) < 0)
			rvs_hand_warn(hand, index, e->xattrs[i].name);
	if (utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		rvs_hand_warn(hand, index, "the time");
}

/* ---- names ---- */

/* A name beside @name that nothing has. */
static void temporary_name(const struct rvs_hand *hand, uint32_t index,
			   char ret[64])
{
	(void)snprintf(ret, 64, ".ruvsnap-restore-%ld-%u",
		       (long)hand->crew->pid, index);
}

/* Give what was made as @temporary its name. */
static int take_name(struct rvs_hand *hand, uint32_t index, int dirfd,
		     const char *temporary, const char *name)
{
	struct rvs_crew *crew = hand->crew;
	unsigned flags = crew->options->overwrite ? 0 : RENAME_NOREPLACE;

	crew->made[index] = true;
	if (renameat2(dirfd, temporary, dirfd, name, flags) == 0)
		return 0;
	if (errno == EINVAL && flags) { /* a filesystem that cannot */
		struct stat st;

		if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 &&
		    renameat(dirfd, temporary, dirfd, name) == 0)
			return 0;
		errno = EEXIST;
	}
	crew->made[index] = false;
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
static int write_sparse(struct rvs_hand *hand, int fd, const uint8_t *bytes,
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

static int write_block(struct rvs_hand *hand, const struct rvs_entry *file,
		       int fd, struct rvs_buf *buf, uint64_t at,
		       struct rvs_hasher *hasher)
{
	/* The other workers are at other files: nothing is read ahead. */
	ssize_t n = rvs_tree_peek(hand->crew->tree, file, buf->bytes,
				  buf->capacity < BLOCK ? buf->capacity : BLOCK,
				  at, hand->err);

	if (n < 0)
		return (int)n;
	buf->len = (size_t)n;
	rvs_hasher_add(hasher, buf->bytes, buf->len);
	return write_sparse(hand, fd, buf->bytes, buf->len, at);
}

static int write_alone(struct rvs_hand *hand, const struct rvs_entry *file,
		       int fd, struct rvs_hasher *hasher)
{
	struct rvs_reader *reader = hand->crew->store->reader;
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
		if (status == 0 && atomic_load(&hand->crew->stopped))
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
	struct rvs_hand *hand; /* of the file */
	int fd;
	/* One write at a time: in the kernel they would wait for the file's
	 * lock spinning. */
	pthread_mutex_t writing;
	int status;
};

struct block {
	struct rvs_task task;
	struct sharing *sharing;
	struct rvs_buf buf;
	uint64_t at;
};

static void run_block(struct rvs_job *job, unsigned worker)
{
	struct block *block = (struct block *)job;
	struct rvs_hand *hand = &block->task.hand;
	struct sharing *s = block->sharing;
	ssize_t n;

	(void)worker;
	if (atomic_load(&hand->crew->stopped))
		return;
	block->buf = rvs_reader_lend(hand->crew->store->reader, BLOCK);
	if (!rvs_buf_reserve(&block->buf, BLOCK)) {
		block->task.status = rvs_error_no_memory(hand->err);
		return;
	}
	n = rvs_tree_peek(hand->crew->tree, s->file, block->buf.bytes, BLOCK,
			  block->at, hand->err);
	block->buf.len = n < 0 ? 0 : (size_t)n;
	(void)pthread_mutex_lock(&s->writing);
	block->task.status =
		n < 0 ? (int)n :
			write_sparse(hand, s->fd, block->buf.bytes,
				     block->buf.len, block->at);
	(void)pthread_mutex_unlock(&s->writing);
}

/* A failure is the file's. */
static void finish_block(struct rvs_task *task)
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
	rvs_reader_take_back(task->hand.crew->store->reader, &block->buf);
}

static int submit_block(struct sharing *s, uint64_t at)
{
	struct rvs_crew *crew = s->hand->crew;
	struct block *block = calloc(1, sizeof(*block));

	if (!block)
		return rvs_error_no_memory(s->hand->err);
	rvs_crew_init_task(crew, &block->task, 0);
	block->task.job.run = run_block;
	block->task.finish = finish_block;
	block->sharing = s;
	block->at = at;
	(void)rvs_crew_submit(crew, &block->task,
			      2 * (size_t)rvs_pool_threads(crew->pool));
	return s->status;
}

static int write_shared(struct rvs_hand *hand, const struct rvs_entry *file,
			int fd, struct rvs_hasher *hasher)
{
	struct rvs_crew *crew = hand->crew;
	struct sharing s = { file, hasher, hand, fd,
			     PTHREAD_MUTEX_INITIALIZER, 0 };
	uint64_t at;
	int status = 0;

	for (at = 0; at < file->size && status == 0 &&
		     !atomic_load(&crew->stopped); at += BLOCK)
		status = submit_block(&s, at);
	(void)rvs_crew_collect(crew, 0);
	if (status == 0)
		status = s.status;
	if (status == 0 && atomic_load(&crew->stopped))
		return rvs_error_set(hand->err, RVS_ERR_INTERRUPTED,
				     "interrupted");
	return status;
}

/* ---- any file ---- */

bool rvs_deposit_is_long(const struct rvs_entry *file)
{
	return file->size > ALONE_MAX;
}

/* A file that ends in zeros was not written to its end. */
static int set_length(int fd, uint64_t size)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && (uint64_t)st.st_size == size)
		return 0;
	return ftruncate(fd, (off_t)size);
}

static int write_content(struct rvs_hand *hand, const struct rvs_entry *file,
			 int fd, struct rvs_digest *ret)
{
	RVS_CLEANUP(rvs_hasher_cleanup) struct rvs_hasher *hasher = NULL;
	bool shared = rvs_deposit_is_long(file) && hand == &hand->crew->own;
	int status = rvs_hasher_new(&hasher, hand->err);

	if (status == 0)
		status = shared ? write_shared(hand, file, fd, hasher) :
				  write_alone(hand, file, fd, hasher);
	if (status == 0 && set_length(fd, file->size) < 0)
		return rvs_error_errno(hand->err, "cannot write");
	return status < 0 ? status : rvs_hasher_finish(hasher, ret, hand->err);
}

static int fill_file(struct rvs_hand *hand, uint32_t index, int fd)
{
	const struct rvs_entry *file = rvs_tree_entry(hand->crew->tree, index);
	struct rvs_digest digest;
	int status = write_content(hand, file, fd, &digest);

	if (status < 0)
		return status;
	if (!rvs_digest_equal(&digest, &file->digest))
		return rvs_error_set(hand->err, RVS_ERR_CORRUPT,
				     "the file does not match its SHA-256");
	rvs_deposit_attributes(hand, index, fd);
	hand->result.files++;
	return 0;
}

/* The permissions that a file is made with: those it will have, where these
 * let nobody read it meanwhile who may not in the end, whatever its owner and
 * group are until then. */
static mode_t first_permissions(const struct rvs_hand *hand,
				const struct rvs_entry *e)
{
	mode_t group = e->mode >> 3 & 07, others = e->mode & 07;

	if (e->uid != hand->crew->uid || group != others)
		return 0600;
	return e->mode & 0777;
}

static int deposit_file(struct rvs_hand *hand, uint32_t index, int dirfd)
{
	const struct rvs_entry *e = rvs_tree_entry(hand->crew->tree, index);
	const char *name = e->name;
	char temporary[64];
	int fd, status;

	temporary_name(hand, index, temporary);
	fd = openat(dirfd, temporary,
		    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    first_permissions(hand, e));
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

/* ---- specials ---- */

/* Symbolic links, fifos and devices. */
static int make_special(const struct rvs_entry *e, int dirfd, const char *name)
{
	if (S_ISLNK(e->mode))
		return symlinkat(e->target, dirfd, name);
	return mknodat(dirfd, name, (e->mode & S_IFMT) | 0600,
		       makedev(e->rdev_major, e->rdev_minor));
}

static int deposit_special(struct rvs_hand *hand, uint32_t index, int dirfd)
{
	const struct rvs_entry *e = rvs_tree_entry(hand->crew->tree, index);
	char temporary[64];

	temporary_name(hand, index, temporary);
	if (make_special(e, dirfd, temporary) < 0) {
		if (errno != EPERM)
			return rvs_error_errno(hand->err, "%s", e->name);
		rvs_hand_warn(hand, index, "the device"); /* an ordinary user */
		return 0;
	}
	set_attributes_at(hand, index, dirfd, temporary);
	return take_name(hand, index, dirfd, temporary, e->name);
}

int rvs_deposit_entry(struct rvs_hand *hand, uint32_t index, int dirfd)
{
	return S_ISREG(rvs_tree_entry(hand->crew->tree, index)->mode) ?
		       deposit_file(hand, index, dirfd) :
		       deposit_special(hand, index, dirfd);
}

/* ---- hard links ---- */

/* linkat(2) from a path below @root, through no symbolic link. */
static int link_from(int root, const char *first, int dirfd, const char *name)
{
	const char *slash = strrchr(first, '/');
	RVS_CLEANUP(rvs_cleanup_free)
	char *folder = slash ? strndup(first, (size_t)(slash - first)) :
			       strdup(".");
	RVS_CLEANUP(rvs_cleanup_fd) int fd = -1;

	if (!folder)
		return -1;
	fd = rvs_io_open_beneath(root, folder, O_PATH | O_DIRECTORY);
	return fd < 0 ? -1 :
			linkat(fd, slash ? slash + 1 : first, dirfd, name, 0);
}

int rvs_deposit_link(struct rvs_hand *hand, uint32_t index, int root,
		     const char *first, int dirfd)
{
	const struct rvs_entry *e = rvs_tree_entry(hand->crew->tree, index);
	char temporary[64];
	int status;

	temporary_name(hand, index, temporary);
	if (link_from(root, first, dirfd, temporary) < 0)
		return errno == EPERM || errno == EXDEV || errno == EMLINK ||
				       errno == ENAMETOOLONG ?
			       1 :
			       rvs_error_errno(hand->err, "%s", e->name);
	status = take_name(hand, index, dirfd, temporary, e->name);
	/* Of two names of one inode rename(2) leaves both. */
	(void)unlinkat(dirfd, temporary, 0);
	return status;
}
