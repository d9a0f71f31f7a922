#include "sparse.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

/* What is copied between two looks at cancelled(). */
enum { PIECE_LEN = 4 << 20 };

struct copy {
	int from_fd;
	int to_fd;
	const struct rvs_monitor *monitor;
	uint8_t *buf; /* once copy_file_range was refused */
};

static void copy_done(struct copy *copy)
{
	free(copy->buf);
}

/* Btrfs clones a file without checksums and copy-on-write, as databases often
 * are, into such a file alone.  Whether the empty @to_fd became one. */
static bool follow_nocow(int from_fd, int to_fd)
{
	int from, to;

	if (ioctl(from_fd, FS_IOC_GETFLAGS, &from) < 0 ||
	    ioctl(to_fd, FS_IOC_GETFLAGS, &to) < 0 ||
	    (from & FS_NOCOW_FL) == (to & FS_NOCOW_FL))
		return false;
	to ^= FS_NOCOW_FL;
	return ioctl(to_fd, FS_IOC_SETFLAGS, &to) == 0;
}

int rvs_sparse_clone(int from_fd, int to_fd)
{
	int code;

	if (ioctl(to_fd, FICLONE, from_fd) == 0)
		return 0;
	code = errno;
	if (code == EINVAL && follow_nocow(from_fd, to_fd) &&
	    ioctl(to_fd, FICLONE, from_fd) == 0)
		return 0;
	errno = code;
	return RVS_SPARSE_NO_CLONE;
}

static bool is_refusal(int code)
{
	return code == EXDEV || code == EINVAL || code == ENOSYS ||
	       code == EOPNOTSUPP || code == EPERM;
}

/* Copies of pieces return the bytes copied, 0 at the end of the source, or -1
 * with errno. */

static ssize_t copy_by_hand(struct copy *copy, uint64_t offset, size_t len)
{
	ssize_t n = rvs_io_pread(copy->from_fd, copy->buf, len, offset);

	if (n > 0 &&
	    rvs_io_pwrite(copy->to_fd, copy->buf, (size_t)n, offset) < 0)
		return -1;
	return n;
}

static ssize_t copy_piece(struct copy *copy, uint64_t offset, size_t len)
{
	loff_t from = (loff_t)offset, to = (loff_t)offset;
	ssize_t n;

	if (copy->buf)
		return copy_by_hand(copy, offset, len);
	n = copy_file_range(copy->from_fd, &from, copy->to_fd, &to, len, 0);
	if (n >= 0 || !is_refusal(errno))
		return n;
	copy->buf = malloc(PIECE_LEN);
	return copy->buf ? copy_by_hand(copy, offset, len) : -1;
}

static int copy_run(struct copy *copy, uint64_t start, uint64_t end,
		    struct rvs_error *err)
{
	const struct rvs_monitor *monitor = copy->monitor;

	while (start < end) {
		size_t len = end - start < PIECE_LEN ? (size_t)(end - start)
						     : PIECE_LEN;
		ssize_t n;

		if (monitor && monitor->cancelled &&
		    monitor->cancelled(monitor->arg))
			return rvs_error_set(err, RVS_ERR_INTERRUPTED,
					     "cancelled");
		n = copy_piece(copy, start, len);
		if (n < 0)
			return rvs_error_errno(err, "cannot copy");
		if (n == 0)
			break;
		start += (uint64_t)n;
	}
	return 0;
}

/* The next run of data at or after @offset; an empty one at @size when nothing
 * but a hole is left. */
static void find_run(int fd, uint64_t offset, uint64_t size,
		     uint64_t *ret_start, uint64_t *ret_end)
{
	off_t start = lseek(fd, (off_t)offset, SEEK_DATA);
	off_t end = start < 0 ? -1 : lseek(fd, start, SEEK_HOLE);

	*ret_start = start < 0 ? offset : (uint64_t)start;
	*ret_end = end < 0 ? size : (uint64_t)end;
	/* A filesystem without SEEK_DATA has no holes to keep. */
	if (start < 0 && errno == ENXIO)
		*ret_start = size;
	if (*ret_start > size)
		*ret_start = size;
	if (*ret_end > size)
		*ret_end = size;
}

int rvs_sparse_copy(int from_fd, int to_fd, uint64_t size,
		    const struct rvs_monitor *monitor, struct rvs_error *err)
{
	RVS_CLEANUP(copy_done)
	struct copy copy = {
		.from_fd = from_fd, .to_fd = to_fd, .monitor = monitor
	};
	uint64_t start, end;
	int r;

	if (ftruncate(to_fd, (off_t)size) < 0)
		return rvs_error_errno(err, "cannot size the copy");
	for (uint64_t at = 0; at < size; at = end) {
		find_run(from_fd, at, size, &start, &end);
		r = copy_run(&copy, start, end, err);
		if (r < 0)
			return r;
	}
	return 0;
}
