#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"

ssize_t rvs_io_pread(int fd, void *bytes, size_t len, uint64_t offset)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, (char *)bytes + done, len - done,
				  (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int rvs_io_write(int fd, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len > 0) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int rvs_io_pwrite(int fd, const void *bytes, size_t len, uint64_t offset)
{
	const char *at = bytes;

	while (len > 0) {
		ssize_t n = pwrite(fd, at, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		at += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int rvs_io_read_file(int dirfd, const char *name, size_t max,
		     struct rvs_buf *ret, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_cleanup_fd)
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	uint8_t *end;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return rvs_error_errno(err, "%s", name);
	if ((uint64_t)st.st_size > max)
		return rvs_error_set(err, RVS_ERR_REFUSED,
				     "%s: longer than %zu bytes", name, max);
	end = rvs_buf_reserve(ret, (size_t)st.st_size + 1);
	if (!end)
		return rvs_error_no_memory(err);
	n = rvs_io_pread(fd, end, (size_t)st.st_size, 0);
	if (n < 0)
		return rvs_error_errno(err, "%s", name);
	ret->len += (size_t)n;
	return 0;
}

static int write_new_file(int dirfd, const char *name, const void *bytes,
			  size_t len)
{
	RVS_CLEANUP(rvs_cleanup_fd)
	int fd = openat(dirfd, name,
			O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
			0600);

	if (fd < 0 || rvs_io_write(fd, bytes, len) < 0)
		return -1;
	return fsync(fd);
}

int rvs_io_replace(int dirfd, const char *name, const void *bytes, size_t len,
		   struct rvs_error *err)
{
	char temporary[288];

	/* Dotted as all that a writer sweeps, and one a name: callers hold
	 * the store's lock. */
	(void)snprintf(temporary, sizeof(temporary), ".tmp-%s", name);
	if (write_new_file(dirfd, temporary, bytes, len) < 0 ||
	    renameat(dirfd, temporary, dirfd, name) < 0) {
		int code = errno;

		(void)unlinkat(dirfd, temporary, 0); /* swept later if not now */
		errno = code;
		return rvs_error_errno(err, "%s", name);
	}
	return rvs_io_sync_dir(dirfd, ".", err);
}

int rvs_io_open_beneath(int dirfd, const char *path, int flags)
{
	struct open_how how = { .flags = (uint64_t)(flags | O_CLOEXEC),
				.resolve = RESOLVE_BENEATH |
					   RESOLVE_NO_SYMLINKS |
					   RESOLVE_NO_MAGICLINKS };

	return (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
}

int rvs_io_sync_dir(int dirfd, const char *name, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_cleanup_fd)
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return rvs_error_errno(err, "%s: cannot sync", name);
	return 0;
}

static int remove_children(int fd, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_cleanup_dir) DIR *dir = fdopendir(fd);
	struct dirent *entry;
	int r;

	if (!dir) {
		r = rvs_error_errno(err, "cannot list");
		(void)close(fd);
		return r;
	}
	while ((errno = 0, entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		r = rvs_io_remove_all(dirfd(dir), entry->d_name, err);
		if (r < 0)
			return r;
	}
	return errno ? rvs_error_errno(err, "cannot list") : 0;
}

int rvs_io_remove_all(int dirfd, const char *name, struct rvs_error *err)
{
	int fd, r;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return rvs_error_errno(err, "%s: cannot remove", name);
	fd = openat(dirfd, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return rvs_error_errno(err, "%s: cannot remove", name);
	r = remove_children(fd, err);
	if (r < 0)
		return rvs_error_context(err, "%s", name);
	if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return rvs_error_errno(err, "%s: cannot remove", name);
	return 0;
}
