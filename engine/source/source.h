/*
 * Source: the live data: a directory, or a file that is shown as the one entry
 * of a directory.
 *
 * Paths are relative to it, of any length; none leads out of it, and none
 * through a symbolic link.  Threads may share a source.
 */
#ifndef RVS_SOURCE_H
#define RVS_SOURCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include <rvs/tree.h>

#include "base/error.h"

struct rvs_source;

/* Open the directory or regular file @path. */
int rvs_source_open(const char *path, struct rvs_source **ret,
		    struct rvs_error *err);
void rvs_source_free(struct rvs_source *source); /* accepts NULL */
void rvs_source_cleanup(struct rvs_source **source);
const char *rvs_source_path(const struct rvs_source *source); /* absolute */

/* For a walk: the directory, or the one that holds the file; and the file's
 * name in it, or NULL. */
int rvs_source_fd(const struct rvs_source *source);
const char *rvs_source_file(const struct rvs_source *source);

/* Open the regular file at @path of the source for reading.  A symbolic link
 * anywhere in the path is refused. */
int rvs_source_open_file(struct rvs_source *source, const char *path,
			 int *ret_fd, struct rvs_error *err);

/* What lies at @path now, as lstat(2) says; -1 with errno. */
int rvs_source_stat(const struct rvs_source *source, const char *path,
		    struct stat *ret);

/* A new file without a name in the source's own directory, which goes with its
 * descriptor, whatever ends the process; -1 with errno. */
int rvs_source_scratch(const struct rvs_source *source);

/* Whether a failed system call says that what it was about cannot be read, by
 * this user or by anyone, rather than that something is amiss here. */
bool rvs_source_is_unreadable(int os_error);

/* The extended attributes of the entry at @path, in the order of their names;
 * one block of memory, for free().  *ret is NULL when there are none. */
int rvs_source_xattrs(struct rvs_source *source, const char *path,
		      struct rvs_xattr **ret, uint32_t *ret_count,
		      struct rvs_error *err);

#endif
