/*
 * Sparse: copies of files that keep their holes.
 *
 * The source may be written meanwhile; each byte of the copy is then as some
 * moment of the copying had it.  Moves the offset of the source's descriptor.
 */
#ifndef RVS_SPARSE_H
#define RVS_SPARSE_H

#include <stdint.h>

#include <rvs/job.h>

#include "base/error.h"

#define RVS_SPARSE_NO_CLONE 1

/*
 * Share all blocks of @from_fd with @to_fd: an image of one instant, for next
 * to nothing, where the filesystem can (btrfs, XFS; FICLONE).  @to_fd is empty.
 * Returns 0, or RVS_SPARSE_NO_CLONE with errno.
 */
int rvs_sparse_clone(int from_fd, int to_fd);

/*
 * Copy the first @size bytes of @from_fd into the empty file @to_fd, or as many
 * as there are.  @monitor may be NULL; only its cancelled() is called.
 */
int rvs_sparse_copy(int from_fd, int to_fd, uint64_t size,
		    const struct rvs_monitor *monitor, struct rvs_error *err);

#endif
