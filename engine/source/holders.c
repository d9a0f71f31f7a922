#include "holders.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/buf.h"
#include "base/cleanup.h"

enum { NAMED_MAX = 4, COMM_MAX = 32 };

struct inode {
	uint64_t dev, ino;
};

struct holders {
	const char *path;
	size_t path_len;
	struct rvs_buf inodes; /* struct inode, in order once all are there */
	char named[256];       /* "1234 (redis-server), 5 (bash)" */
	size_t count;
	size_t unseen;
};

static void holders_done(struct holders *h)
{
	rvs_buf_done(&h->inodes);
}

/* ---- the tree's files ---- */

static int compare_inodes(const void *a, const void *b)
{
	const struct inode *x = a, *y = b;

	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	return (x->dev > y->dev) - (x->dev < y->dev);
}

static void close_fts(FTS **fts)
{
	if (*fts)
		(void)fts_close(*fts);
}

static int collect_inodes(struct holders *h, struct rvs_error *err)
{
	char *const paths[] = { (char *)(uintptr_t)h->path, NULL };
	RVS_CLEANUP(close_fts)
	FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
	FTSENT *entry;

	if (!fts)
		return rvs_error_errno(err, "%s", h->path);
	while ((entry = fts_read(fts))) {
		struct inode inode;

		if (entry->fts_info == FTS_DP || entry->fts_info == FTS_NS)
			continue;
		inode.dev = entry->fts_statp->st_dev;
		inode.ino = entry->fts_statp->st_ino;
		rvs_buf_put(&h->inodes, &inode, sizeof(inode));
	}
	qsort(h->inodes.bytes, h->inodes.len / sizeof(struct inode),
	      sizeof(struct inode), compare_inodes);
	return rvs_buf_check(&h->inodes, err);
}

static bool has_inode(const struct holders *h, uint64_t dev, uint64_t ino)
{
	const struct inode key = { dev, ino };

	return h->inodes.len > 0 &&
	       bsearch(&key, h->inodes.bytes,
		       h->inodes.len / sizeof(struct inode),
		       sizeof(struct inode), compare_inodes);
}

static bool has_path(const struct holders *h, const char *path)
{
	return !strncmp(path, h->path, h->path_len) &&
	       (path[h->path_len] == '/' || path[h->path_len] == '\0');
}

/* ---- one process ---- */

/* What a link of /proc leads to.  A filesystem that hangs must not be asked. */
static bool link_holds(const struct holders *h, int dir, const char *name)
{
	struct statx st;

	return statx(dir, name, AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, STATX_INO,
		     &st) == 0 &&
	       has_inode(h, makedev(st.stx_dev_major, st.stx_dev_minor),
			 st.stx_ino);
}

static bool directory_holds(const struct holders *h, int process)
{
	static const char *const links[] = { "cwd", "root", "exe" };
	size_t i;

	for (i = 0; i < sizeof(links) / sizeof(*links); i++)
		if (link_holds(h, process, links[i]))
			return true;
	return false;
}

/* 1: yes; -1: who asks may not know. */
static int descriptors_hold(const struct holders *h, int process)
{
	int fd = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	RVS_CLEANUP(rvs_cleanup_dir) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		rvs_cleanup_fd(&fd);
		return errno == EACCES || errno == EPERM ? -1 : 0;
	}
	while ((entry = readdir(dir)))
		if (isdigit((unsigned char)*entry->d_name) &&
		    link_holds(h, fd, entry->d_name))
			return 1;
	return 0;
}

/* "START-END PERMISSIONS OFFSET MAJOR:MINOR INODE   PATH". */
static bool mapping_holds(const struct holders *h, char *line)
{
	unsigned major, minor;
	uint64_t ino;
	int path = 0;

	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "%*s %*s %*s %x:%x %" SCNu64 " %n", &major, &minor,
		   &ino, &path) < 3 || ino == 0)
		return false;
	return has_inode(h, makedev(major, minor), ino) ||
	       (path > 0 && has_path(h, line + path));
}

static void close_file(FILE **file)
{
	if (*file)
		(void)fclose(*file); /* only read from */
}

static bool maps_hold(const struct holders *h, int process)
{
	int fd = openat(process, "maps", O_RDONLY | O_CLOEXEC);
	RVS_CLEANUP(close_file) FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	RVS_CLEANUP(rvs_cleanup_free) char *line = NULL;
	size_t size = 0;

	if (!file) {
		rvs_cleanup_fd(&fd);
		return false;
	}
	while (getline(&line, &size, file) > 0)
		if (mapping_holds(h, line))
			return true;
	return false;
}

static void add_holder(struct holders *h, int process, const char *pid)
{
	RVS_CLEANUP(rvs_cleanup_fd)
	int fd = openat(process, "comm", O_RDONLY | O_CLOEXEC);
	char comm[COMM_MAX] = "?", one[64 + COMM_MAX];
	ssize_t n = fd < 0 ? -1 : read(fd, comm, sizeof(comm) - 1);

	if (n > 0)
		comm[n] = '\0';
	comm[strcspn(comm, "\n")] = '\0';
	if (h->count++ >= NAMED_MAX)
		return;
	(void)snprintf(one, sizeof(one), "%s%.16s (%s)",
		       *h->named ? ", " : "", pid, comm);
	(void)strncat(h->named, one, sizeof(h->named) - strlen(h->named) - 1);
}

static void look_into(struct holders *h, int proc, const char *pid)
{
	RVS_CLEANUP(rvs_cleanup_fd)
	int process = openat(proc, pid, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int descriptors;

	if (process < 0)
		return; /* it has ended */
	descriptors = descriptors_hold(h, process);
	if (descriptors > 0 || directory_holds(h, process) ||
	    maps_hold(h, process))
		add_holder(h, process, pid);
	else if (descriptors < 0)
		h->unseen++;
}

/* ---- all of them ---- */

static int look_at_all(struct holders *h, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_cleanup_dir) DIR *proc = opendir("/proc");
	struct dirent *entry;

	if (!proc)
		return rvs_error_errno(err, "/proc");
	while ((entry = readdir(proc)))
		if (isdigit((unsigned char)*entry->d_name) &&
		    strtol(entry->d_name, NULL, 10) != (long)getpid())
			look_into(h, dirfd(proc), entry->d_name);
	return 0;
}

int rvs_holders_check(const char *path, size_t *ret_unseen,
		      struct rvs_error *err)
{
	RVS_CLEANUP(holders_done)
	struct holders h = { .path = path, .path_len = strlen(path) };
	int r = collect_inodes(&h, err);

	if (r == 0)
		r = look_at_all(&h, err);
	if (r < 0)
		return r;
	*ret_unseen = h.unseen;
	if (h.count == 0)
		return 0;
	return rvs_error_set(err, RVS_ERR_BUSY,
			     "%s is in use by %s%s: stop what uses it first",
			     path, h.named,
			     h.count > NAMED_MAX ? " and others" : "");
}
