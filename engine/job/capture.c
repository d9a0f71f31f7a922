#include "capture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include <rvs/job.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "content.h"
#include "source/redb.h"
#include "source/source.h"

enum { LIVE_S = 10 }; /* written so lately, a database is being written */

int rvs_capture_open(const struct rvs_capture *capture, const char *path,
		     struct rvs_content *content, int *ret_fd,
		     struct rvs_error *err)
{
	struct rvs_error why = RVS_ERROR_INIT;
	int r = rvs_source_open_file(capture->source, path, ret_fd, &why);

	/* Gone, or replaced by something else, or a directory on its way was:
	 * the second look sees it, too. */
	if (r == RVS_ERR_NOT_FOUND || r == RVS_ERR_BUSY ||
	    why.os_error == ELOOP || why.os_error == ENOTDIR) {
		content->missing = true;
		return 1;
	}
	if (r < 0 && rvs_source_is_unreadable(why.os_error)) {
		content->unreadable = why.os_error;
		return 1;
	}
	if (r < 0 && err)
		*err = why;
	return r;
}

/* Written a moment ago, or since the scan that led here. */
static bool is_live(const struct stat *st)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec - st->st_mtim.tv_sec < LIVE_S;
}

static bool is_redb(int fd)
{
	uint8_t head[16];
	ssize_t n = rvs_io_pread(fd, head, sizeof(head), 0);

	return n > 0 && rvs_redb_detect(head, (size_t)n);
}

/* An unnamed file: nothing of it stays, whatever ends the process. */
static int open_scratch(const struct rvs_capture *capture,
			struct rvs_error *err)
{
	int fd = open(capture->scratch, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	return fd < 0 ? rvs_error_errno(err, "%s: no room for a copy",
					capture->scratch) :
			fd;
}

/* 1: it only looks like a database, or is damaged, or cannot be read, as will be
 * seen: it must stand still like any file. */
static int note_capture(const struct rvs_capture *capture, int status,
			const struct rvs_redb_capture *captured,
			struct rvs_content *content,
			const struct rvs_error *err)
{
	const struct rvs_monitor *m = capture->monitor;

	if (status == RVS_ERR_CORRUPT || status == RVS_ERR_REFUSED ||
	    (status == RVS_ERR_FAILED &&
	     rvs_source_is_unreadable(err->os_error)))
		return 1;
	if (status < 0)
		return status;
	content->captured = true;
	if (captured->rolled_back && m->warning)
		m->warning(m->arg,
			   "a database's newest commit is not whole: the one "
			   "before it was taken, as its owner would");
	return 0;
}

/* Replace *fd, open on a database, by a copy that is one commit of it. */
static int copy_commit(const struct rvs_capture *capture, int *fd,
		       struct stat *st, struct rvs_content *content,
		       struct rvs_error *err)
{
	RVS_CLEANUP(rvs_cleanup_fd) int copy = open_scratch(capture, err);
	struct rvs_redb_limits limits = RVS_REDB_LIMITS_DEFAULT;
	struct rvs_redb_capture captured;
	int live = *fd, r;

	if (copy < 0)
		return copy;
	limits.monitor = capture->monitor;
	r = rvs_redb_capture(live, copy, &limits, &captured, err);
	r = note_capture(capture, r, &captured, content, err);
	if (r != 0)
		return r < 0 ? r : 0;
	if (fstat(copy, st) < 0)
		return rvs_error_errno(err, "cannot stat a copy");
	*fd = copy;
	copy = live;
	return 0;
}

static int prove_clone(const struct rvs_capture *capture, int fd,
		       struct stat *st, struct rvs_content *content,
		       struct rvs_error *err)
{
	struct rvs_redb_limits limits = RVS_REDB_LIMITS_DEFAULT;
	struct rvs_redb_capture captured;
	int r;

	limits.monitor = capture->monitor;
	r = rvs_redb_prove(fd, &limits, &captured, err);
	r = note_capture(capture, r, &captured, content, err);
	if (r == 0 && fstat(fd, st) < 0)
		return rvs_error_errno(err, "cannot stat a clone");
	return r < 0 ? r : 0;
}

int rvs_capture_file(const struct rvs_capture *capture, const char *path,
		     int clone, struct rvs_content *content, int *ret_fd,
		     uint64_t *ret_size, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_cleanup_fd) int own = -1;
	struct stat st;
	int r = 0;

	if (clone < 0)
		r = rvs_capture_open(capture, path, content, &own, err);
	if (r != 0)
		return r;
	if (fstat(clone < 0 ? own : clone, &st) < 0)
		return rvs_error_errno(err, "cannot stat");
	if (clone >= 0 && is_redb(clone))
		r = prove_clone(capture, clone, &st, content, err);
	else if (clone < 0 && is_live(&st) && is_redb(own))
		r = copy_commit(capture, &own, &st, content, err);
	if (r < 0)
		return r;
	*ret_size = (uint64_t)st.st_size;
	*ret_fd = own;
	own = -1;
	return 0;
}
