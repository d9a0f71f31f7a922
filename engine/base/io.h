/*
 * Io: whole reads and writes, and files that appear complete or not at all.
 *
 * Paths are relative to a directory descriptor (AT_FDCWD allowed).
 */
#ifndef RVS_IO_H
#define RVS_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "buf.h"
#include "error.h"

/* Read @len bytes at @offset, fewer only at the end of the file.  Returns the
 * number read, or -1 with errno. */
ssize_t rvs_io_pread(int fd, void *bytes, size_t len, uint64_t offset);

/* Write all of it; returns 0, or -1 with errno. */
int rvs_io_write(int fd, const void *bytes, size_t len);
int rvs_io_pwrite(int fd, const void *bytes, size_t len, uint64_t offset);

/* Append the file's content to @ret.  RVS_ERR_REFUSED when it is longer than
 * @max bytes. */
int rvs_io_read_file(int dirfd, const char *name, size_t max,
		     struct rvs_buf *ret, struct rvs_error *err);

/* Replace @name durably: temporary file beside it, fsync, rename, fsync of the
 * directory.  A crash leaves the old content or the new. */
int rvs_io_replace(int dirfd, const char *name, const void *bytes, size_t len,
		   struct rvs_error *err);

/* Open @path below @dirfd, through no symbolic link and not beyond @dirfd
 * (openat2(2)); O_CLOEXEC is added.  Returns a descriptor, or -1 with errno. */
int rvs_io_open_beneath(int dirfd, const char *path, int flags);

/* fsync the directory @name ("." for @dirfd itself). */
int rvs_io_sync_dir(int dirfd, const char *name, struct rvs_error *err);

/* Remove @name and, when it is a directory, all below it; following no link.
 * It is no error when it is not there. */
int rvs_io_remove_all(int dirfd, const char *name, struct rvs_error *err);

#endif
