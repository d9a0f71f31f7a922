/*
 * The backend that is a directory on a local filesystem.
 *
 * Objects are files, folders directories.  Publishing writes out all files of a
 * folder before it waits for any, so that they share the disk's flushes.
 */
#include "backend.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/io.h"

enum {
	LOCK_POLL_MS = 20,
	RACY_NS = 50 * 1000 * 1000,
	KEY_MAX = 4096,
	WRITE_OUT = 8 << 20 /* bytes that the disk is sent at once */
};

struct directory {
	struct rvs_backend backend;
	int fd;
	char *path;
};

struct rvs_lock {
	int fd;
};

struct rvs_object {
	int fd;
};

struct rvs_upload {
	int fd;
	uint64_t len;
	uint64_t sent; /* bytes whose writing to disk was begun */
	char key[];
};

static struct directory *directory_of(struct rvs_backend *backend)
{
	return (struct directory *)backend;
}

static int dir_list(struct rvs_backend *backend, const char *folder,
		    int (*each)(void *arg, const char *name), void *arg,
		    struct rvs_error *err)
{
	int fd = openat(directory_of(backend)->fd, *folder ? folder : ".",
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	RVS_CLEANUP(rvs_cleanup_dir) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int r = 0;

	if (!dir) {
		r = rvs_error_errno(err, "%s", *folder ? folder : "store");
		rvs_cleanup_fd(&fd);
		return r;
	}
	while (r == 0 && (errno = 0, entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			r = each(arg, entry->d_name);
	if (r == 0 && errno)
		return rvs_error_errno(err, "%s: cannot list", folder);
	return r;
}

static int dir_open(struct rvs_backend *backend, const char *key,
		    struct rvs_object **ret, uint64_t *ret_size,
		    struct rvs_error *err)
{
	RVS_CLEANUP(rvs_cleanup_fd)
	int fd = openat(directory_of(backend)->fd, key,
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	bool link = fd < 0 && errno == ELOOP;
	struct stat st;

	if (!link && (fd < 0 || fstat(fd, &st) < 0))
		return rvs_error_errno(err, "%s", key);
	if (link || !S_ISREG(st.st_mode))
		return rvs_error_set(err, RVS_ERR_CORRUPT,
				     "%s: not a regular file", key);
	*ret = malloc(sizeof(**ret));
	if (!*ret)
		return rvs_error_no_memory(err);
	(*ret)->fd = fd;
	*ret_size = (uint64_t)st.st_size;
	fd = -1;
	return 0;
}

static ssize_t dir_read(struct rvs_object *object, void *bytes, size_t len,
			uint64_t offset, struct rvs_error *err)
{
	ssize_t n = rvs_io_pread(object->fd, bytes, len, offset);

	return n < 0 ? rvs_error_errno(err, "cannot read") : n;
}

static void dir_close(struct rvs_object *object)
{
	if (!object)
		return;
	(void)close(object->fd); /* only read from: nothing to lose */
	free(object);
}

static int dir_probe(struct rvs_backend *backend, const char *key,
		     struct rvs_error *err)
{
	if (faccessat(directory_of(backend)->fd, key, F_OK,
		      AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	if (errno == ENOENT || errno == ENOTDIR)
		return 1;
	return rvs_error_errno(err, "%s", key);
}

/* Make the folders that @key lies in. */
static int make_folders(int dirfd, const char *key)
{
	char folder[KEY_MAX];
	const char *slash = key;

	while ((slash = strchr(slash, '/'))) {
		size_t len = (size_t)(slash - key);

		if (len >= sizeof(folder)) {
			errno = ENAMETOOLONG;
			return -1;
		}
		memcpy(folder, key, len);
		folder[len] = '\0';
		if (mkdirat(dirfd, folder, 0700) < 0 && errno != EEXIST)
			return -1;
		slash++;
	}
	return 0;
}

static int dir_create(struct rvs_backend *backend, const char *key,
		      struct rvs_upload **ret, struct rvs_error *err)
{
	const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW;
	struct rvs_upload *upload = malloc(sizeof(*upload) + strlen(key) + 1);
	int dirfd = directory_of(backend)->fd;

	if (!upload)
		return rvs_error_no_memory(err);
	upload->fd = openat(dirfd, key, flags, 0600);
	if (upload->fd < 0 && errno == ENOENT && make_folders(dirfd, key) == 0)
		upload->fd = openat(dirfd, key, flags, 0600);
	if (upload->fd < 0) {
		free(upload);
		return rvs_error_errno(err, "%s", key);
	}
	upload->len = upload->sent = 0;
	strcpy(upload->key, key);
	*ret = upload;
	return 0;
}

/* Starts the writing that publish waits for; some filesystems cannot, and lose
 * nothing by it. */
static void send_to_disk(struct rvs_upload *upload)
{
	(void)sync_file_range(upload->fd, (off_t)upload->sent,
			      (off_t)(upload->len - upload->sent),
			      SYNC_FILE_RANGE_WRITE);
	upload->sent = upload->len;
}

static int dir_append(struct rvs_upload *upload, const void *bytes, size_t len,
		      struct rvs_error *err)
{
	if (rvs_io_write(upload->fd, bytes, len) < 0)
		return rvs_error_errno(err, "%s", upload->key);
	upload->len += len;
	if (upload->len - upload->sent >= WRITE_OUT)
		send_to_disk(upload);
	return 0;
}

static void dir_abandon(struct rvs_upload *upload)
{
	if (!upload)
		return;
	(void)close(upload->fd); /* its bytes are given up */
	free(upload);
}

static int dir_finish(struct rvs_upload *upload, struct rvs_error *err)
{
	int r = 0;

	if (upload->len > upload->sent)
		send_to_disk(upload);
	if (close(upload->fd) < 0)
		r = rvs_error_errno(err, "%s", upload->key);
	free(upload);
	return r;
}

static int sync_tree(int dirfd, const char *name, struct rvs_error *err);

static int sync_entry(int dirfd, const struct dirent *entry,
		      struct rvs_error *err)
{
	RVS_CLEANUP(rvs_cleanup_fd)
	int fd = openat(dirfd, entry->d_name,
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return rvs_error_errno(err, "%s: cannot sync", entry->d_name);
	if (S_ISDIR(st.st_mode))
		return sync_tree(dirfd, entry->d_name, err);
	if (fsync(fd) < 0)
		return rvs_error_errno(err, "%s: cannot sync", entry->d_name);
	return 0;
}

/* fsync every file below @name, then each directory after what it names. */
static int sync_tree(int dirfd, const char *name, struct rvs_error *err)
{
	int fd = openat(dirfd, name,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	RVS_CLEANUP(rvs_cleanup_dir) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int r = 0;

	if (!dir) {
		r = rvs_error_errno(err, "%s: cannot sync", name);
		rvs_cleanup_fd(&fd);
		return r;
	}
	while (r == 0 && (errno = 0, entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			r = sync_entry(fd, entry, err);
	if (r == 0 && (errno || fsync(fd) < 0))
		r = rvs_error_errno(err, "%s: cannot sync", name);
	return r;
}

static int rename_folder(struct directory *dir, const char *from,
			 const char *to, unsigned flags, struct rvs_error *err)
{
	int r = sync_tree(dir->fd, from, err);

	if (r < 0)
		return r;
	if (renameat2(dir->fd, from, dir->fd, to, flags) < 0)
		return rvs_error_errno(err, "%s: cannot publish", to);
	r = rvs_io_sync_dir(dir->fd, ".", err);
	/* What is reported as failed must not be seen. */
	if (r < 0)
		(void)renameat2(dir->fd, to, dir->fd, from, flags);
	return r;
}

static int dir_publish(struct rvs_backend *backend, const char *from,
		       const char *to, struct rvs_error *err)
{
	return rename_folder(directory_of(backend), from, to, RENAME_NOREPLACE,
			     err);
}

static int dir_exchange(struct rvs_backend *backend, const char *from,
			const char *to, struct rvs_error *err)
{
	return rename_folder(directory_of(backend), from, to, RENAME_EXCHANGE,
			     err);
}

static int dir_copy(struct rvs_backend *backend, const char *from,
		    const char *to, struct rvs_error *err)
{
	int dirfd = directory_of(backend)->fd;

	if (linkat(dirfd, from, dirfd, to, 0) == 0)
		return 0;
	if (errno == ENOENT && make_folders(dirfd, to) == 0 &&
	    linkat(dirfd, from, dirfd, to, 0) == 0)
		return 0;
	return rvs_error_errno(err, "%s", to);
}

static int dir_replace(struct rvs_backend *backend, const char *key,
		       const void *bytes, size_t len, struct rvs_error *err)
{
	return rvs_io_replace(directory_of(backend)->fd, key, bytes, len, err);
}

static int dir_remove(struct rvs_backend *backend, const char *key,
		      struct rvs_error *err)
{
	struct directory *dir = directory_of(backend);
	const char *slash = strrchr(key, '/');
	char folder[KEY_MAX] = ".";

	if (unlinkat(dir->fd, key, 0) < 0) {
		if (errno == ENOENT)
			return 0;
		return rvs_error_errno(err, "%s: cannot remove", key);
	}
	if (slash)
		(void)snprintf(folder, sizeof(folder), "%.*s",
			       (int)(slash - key), key);
	return rvs_io_sync_dir(dir->fd, folder, err);
}

static int dir_remove_folder(struct rvs_backend *backend, const char *folder,
			     struct rvs_error *err)
{
	return rvs_io_remove_all(directory_of(backend)->fd, folder, err);
}

/*
 * The directory's change time.  A clock with ticks gives two changes in one
 * tick the same time, so one that is still young counts as changing.
 */
static int dir_generation(struct rvs_backend *backend, uint64_t *ret,
			  struct rvs_error *err)
{
	struct timespec now;
	struct stat st;
	int64_t changed, age;

	if (fstat(directory_of(backend)->fd, &st) < 0 ||
	    clock_gettime(CLOCK_REALTIME, &now) < 0)
		return rvs_error_errno(err, "cannot stat the store");
	changed = st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
	age = now.tv_sec * 1000000000 + now.tv_nsec - changed;
	*ret = (uint64_t)(age >= 0 && age < RACY_NS ? changed + age : changed);
	return 0;
}

/* Who holds the lock, for the message; 0 when it cannot be told. */
static long lock_holder(int fd)
{
	char text[32] = "";
	ssize_t n = rvs_io_pread(fd, text, sizeof(text) - 1, 0);

	return n > 0 ? strtol(text, NULL, 10) : 0;
}

static int busy(int fd, struct rvs_error *err)
{
	long pid = lock_holder(fd);

	if (pid > 0)
		return rvs_error_set(err, RVS_ERR_BUSY,
				     "the store is being written by process "
				     "%ld; try again or wait for it", pid);
	return rvs_error_set(err, RVS_ERR_BUSY,
			     "the store is being written by another process");
}

static int take_lock(int fd, bool wait, bool (*cancelled)(void *arg), void *arg,
		     struct rvs_error *err)
{
	const struct timespec pause = { 0, LOCK_POLL_MS * 1000 * 1000 };

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return rvs_error_errno(err, "cannot lock");
		if (!wait)
			return busy(fd, err);
		if (cancelled && cancelled(arg))
			return rvs_error_set(err, RVS_ERR_INTERRUPTED,
					     "interrupted while waiting for "
					     "another writer");
		(void)nanosleep(&pause, NULL);
	}
	return 0;
}

static int dir_lock(struct rvs_backend *backend, const char *name, bool wait,
		    bool (*cancelled)(void *arg), void *arg,
		    struct rvs_lock **ret, struct rvs_error *err)
{
	struct directory *dir = directory_of(backend);
	RVS_CLEANUP(rvs_cleanup_fd)
	int fd = openat(dir->fd, name,
			O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	char pid[32];
	int r;

	if (fd < 0)
		return rvs_error_errno(err, "%s/%s", dir->path, name);
	r = take_lock(fd, wait, cancelled, arg, err);
	if (r < 0)
		return r;
	*ret = malloc(sizeof(**ret));
	if (!*ret)
		return rvs_error_no_memory(err);
	(void)snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	/* The pid is for messages alone: flock, which ends with its holder, is
	 * the lock.  A full disk must not keep anyone from deleting. */
	if (ftruncate(fd, 0) == 0)
		(void)rvs_io_pwrite(fd, pid, strlen(pid), 0);
	(*ret)->fd = fd;
	fd = -1;
	return 0;
}

static void dir_unlock(struct rvs_lock *lock)
{
	if (!lock)
		return;
	(void)!ftruncate(lock->fd, 0); /* an old pid would only mislead */
	(void)close(lock->fd);
	free(lock);
}

static void dir_free(struct rvs_backend *backend)
{
	struct directory *dir = directory_of(backend);

	(void)close(dir->fd);
	free(dir->path);
	free(dir);
}

static const struct rvs_backend_ops directory_ops = {
	.list = dir_list,
	.open = dir_open,
	.read = dir_read,
	.close = dir_close,
	.probe = dir_probe,
	.create = dir_create,
	.append = dir_append,
	.finish = dir_finish,
	.abandon = dir_abandon,
	.copy = dir_copy,
	.publish = dir_publish,
	.exchange = dir_exchange,
	.replace = dir_replace,
	.remove = dir_remove,
	.remove_folder = dir_remove_folder,
	.generation = dir_generation,
	.lock = dir_lock,
	.unlock = dir_unlock,
	.free = dir_free,
};

int rvs_directory_open(const char *path, struct rvs_backend **ret,
		       struct rvs_error *err)
{
	RVS_CLEANUP(rvs_cleanup_fd)
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct directory *dir;

	if (fd < 0)
		return rvs_error_errno(err, "%s", path);
	dir = calloc(1, sizeof(*dir));
	if (dir)
		dir->path = strdup(path);
	if (!dir || !dir->path) {
		free(dir);
		return rvs_error_no_memory(err);
	}
	dir->backend.ops = &directory_ops;
	dir->fd = fd;
	fd = -1;
	*ret = &dir->backend;
	return 0;
}
