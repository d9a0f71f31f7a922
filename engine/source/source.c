#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "format/manifest.h"

enum { PATH_PIECE_MAX = 4000 }; /* below PATH_MAX */

struct rvs_source {
	char *path;
	int fd;     /* the directory, or the one that holds the file */
	char *file; /* the file's name, or NULL */
};

/* ---- opening it ---- */

void rvs_source_free(struct rvs_source *source)
{
	if (!source)
		return;
	if (source->fd >= 0)
		(void)close(source->fd);
	free(source->path);
	free(source->file);
	free(source);
}

void rvs_source_cleanup(struct rvs_source **source)
{
	rvs_source_free(*source);
}

const char *rvs_source_path(const struct rvs_source *source)
{
	return source->path;
}

/* Open the directory @source->path, or the one in which that file lies. */
static int open_root(struct rvs_source *source, struct rvs_error *err)
{
	const char *slash = strrchr(source->path, '/');
	RVS_CLEANUP(rvs_cleanup_free) char *directory = strdup(source->path);
	struct stat st;

	if (stat(source->path, &st) < 0)
		return rvs_error_errno(err, "source %s", source->path);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return rvs_error_set(err, RVS_ERR_USAGE,
				     "source %s: neither a directory nor a "
				     "regular file", source->path);
	if (S_ISREG(st.st_mode)) {
		source->file = strdup(slash + 1);
		if (!source->file || !directory)
			return rvs_error_no_memory(err);
		directory[slash == source->path ? 1 : slash - source->path] =
			'\0';
	}
	if (!directory)
		return rvs_error_no_memory(err);
	source->fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (source->fd < 0)
		return rvs_error_errno(err, "source %s", directory);
	return 0;
}

int rvs_source_open(const char *path, struct rvs_source **ret,
		    struct rvs_error *err)
{
	RVS_CLEANUP(rvs_source_cleanup)
	struct rvs_source *source = calloc(1, sizeof(*source));
	int r;

	if (!source)
		return rvs_error_no_memory(err);
	source->fd = -1;
	source->path = realpath(path, NULL);
	if (!source->path)
		return rvs_error_errno(err, "source %s", path);
	r = open_root(source, err);
	if (r < 0)
		return r;
	*ret = rvs_take(source);
	return 0;
}

int rvs_source_fd(const struct rvs_source *source)
{
	return source->fd;
}

const char *rvs_source_file(const struct rvs_source *source)
{
	return source->file;
}

bool rvs_source_is_unreadable(int os_error)
{
	static const int codes[] = { EACCES,   EPERM,  EIO,	 EBADMSG,
				     EUCLEAN,  ESTALE, ENOTCONN, EREMOTEIO,
				     ETIMEDOUT };
	size_t i;

	for (i = 0; i < sizeof(codes) / sizeof(*codes); i++)
		if (codes[i] == os_error)
			return true;
	return false;
}

/* ---- reaching into it ---- */

/*
 * Walk the part of @path that the kernel would call too long.  Returns a
 * descriptor to close (-1 with errno on failure), and in *ret what is left of
 * the path, relative to it.
 */
static int open_long_prefix(const struct rvs_source *source, const char *path,
			    const char **ret)
{
	int fd = fcntl(source->fd, F_DUPFD_CLOEXEC, 0);

	while (fd >= 0 && strlen(path) > PATH_PIECE_MAX) {
		char piece[PATH_PIECE_MAX + 1];
		const char *slash =
			memrchr(path, '/', PATH_PIECE_MAX);
		int next;

		if (!slash)
			break;
		memcpy(piece, path, (size_t)(slash - path));
		piece[slash - path] = '\0';
		next = rvs_io_open_beneath(fd, piece, O_PATH | O_DIRECTORY);
		(void)close(fd);
		fd = next;
		path = slash + 1;
	}
	*ret = path;
	return fd;
}

/* Open what lies at @path, which may be longer than the kernel takes at once;
 * -1 with errno. */
static int open_beneath(const struct rvs_source *source, const char *path,
			int flags)
{
	RVS_CLEANUP(rvs_cleanup_fd) int dirfd = -1;
	const char *rest = path;

	if (strlen(path) <= PATH_PIECE_MAX)
		return rvs_io_open_beneath(source->fd, path, flags);
	dirfd = open_long_prefix(source, path, &rest);
	return dirfd < 0 ? -1 : rvs_io_open_beneath(dirfd, rest, flags);
}

int rvs_source_open_file(struct rvs_source *source, const char *path,
			 int *ret_fd, struct rvs_error *err)
{
	int fd = open_beneath(source, path,
			      O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return rvs_error_errno(err, "%s", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		(void)close(fd);
		return rvs_error_set(err, RVS_ERR_BUSY,
				     "%s: no regular file any more", path);
	}
	*ret_fd = fd;
	return 0;
}

int rvs_source_stat(const struct rvs_source *source, const char *path,
		    struct stat *ret)
{
	RVS_CLEANUP(rvs_cleanup_fd)
	int fd = open_beneath(source, path, O_PATH | O_NOFOLLOW);

	return fd < 0 ? -1 : fstat(fd, ret);
}

int rvs_source_scratch(const struct rvs_source *source)
{
	return openat(source->fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

/* ---- extended attributes ---- */

static int compare_xattrs(const void *a, const void *b)
{
	const struct rvs_xattr *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* Values follow each other in @values; returns the count, or a negative
 * status. */
static int read_values(const char *path, const char *names, size_t names_len,
		       struct rvs_xattr *items, char *values,
		       struct rvs_error *err)
{
	size_t used = 0;
	const char *name;
	int count = 0;

	for (name = names; name < names + names_len; name += strlen(name) + 1) {
		ssize_t n = lgetxattr(path, name, values + used,
				      RVS_XATTR_BYTES_MAX - names_len - used);

		if (n < 0 && errno == ENODATA)
			continue; /* removed meanwhile, or not for us */
		if (n < 0)
			return rvs_error_errno(err, "attribute %s", name);
		items[count++] = (struct rvs_xattr){ name, values + used,
						     (size_t)n };
		used += (size_t)n;
	}
	return count;
}

static int read_xattrs(const char *path, const char *names, size_t names_len,
		       struct rvs_xattr **ret, uint32_t *ret_count,
		       struct rvs_error *err)
{
	size_t head = RVS_XATTR_COUNT_MAX * sizeof(struct rvs_xattr);
	RVS_CLEANUP(rvs_cleanup_free)
	struct rvs_xattr *items = malloc(head + RVS_XATTR_BYTES_MAX);
	char *text = (char *)items + head;
	int count;

	if (!items)
		return rvs_error_no_memory(err);
	if (names_len / 2 > RVS_XATTR_COUNT_MAX)
		return rvs_error_set(err, RVS_ERR_REFUSED,
				     "too many extended attributes");
	memcpy(text, names, names_len);
	count = read_values(path, text, names_len, items, text + names_len,
			    err);
	if (count <= 0)
		return count;
	qsort(items, (size_t)count, sizeof(*items), compare_xattrs);
	*ret = rvs_take(items);
	*ret_count = (uint32_t)count;
	return 0;
}

int rvs_source_xattrs(struct rvs_source *source, const char *path,
		      struct rvs_xattr **ret, uint32_t *ret_count,
		      struct rvs_error *err)
{
	RVS_CLEANUP(rvs_cleanup_fd) int dirfd = -1;
	RVS_CLEANUP(rvs_cleanup_free) char *proc = NULL;
	const char *rest = path;
	char names[64 << 10];
	ssize_t n;
	int r;

	*ret = NULL;
	*ret_count = 0;
	if (source->file && !strcmp(path, "."))
		return 0; /* a directory that is made up */
	if (strlen(path) > PATH_PIECE_MAX)
		dirfd = open_long_prefix(source, path, &rest);
	/* The l*xattr calls take no descriptor of a directory: /proc does. */
	if (asprintf(&proc, "/proc/self/fd/%d/%s",
		     dirfd >= 0 ? dirfd : source->fd, rest) < 0)
		return rvs_error_no_memory(err);
	n = llistxattr(proc, names, sizeof(names));
	/* It may have gone, or been replaced, since the scan. */
	if (n == 0 || (n < 0 && (errno == ENOTSUP || errno == ENOENT ||
				 errno == ENOTDIR || errno == ELOOP)))
		return 0;
	if (n < 0)
		return rvs_error_errno(err, "%s: cannot list attributes",
				       path);
	r = read_xattrs(proc, names, (size_t)n, ret, ret_count, err);
	return r < 0 ? rvs_error_context(err, "%s", path) : 0;
}
