/*
 * Capture: a file of the source, opened so that what is read of it is of one
 * moment.
 *
 * Most files are read as they lie: the second look finds those that changed
 * meanwhile.  A redb database whose owner is writing to it never stands still
 * for that, so one commit of it is copied first; a clone of one is proved where
 * it is.  Never changes; threads may share it.
 */
#ifndef RVS_CAPTURE_H
#define RVS_CAPTURE_H

#include <stdint.h>

#include "base/error.h"

struct rvs_content;
struct rvs_monitor;
struct rvs_source;

struct rvs_capture {
	struct rvs_source *source;
	const struct rvs_monitor *monitor;
	const char *scratch; /* directory for the copies, which have no name */
};

/*
 * Open the regular file @path of the source as it lies.  Returns 1 when it is
 * not there or cannot be opened, which @content then says.
 */
int rvs_capture_open(const struct rvs_capture *capture, const char *path,
		     struct rvs_content *content, int *ret_fd,
		     struct rvs_error *err);

/*
 * Open @path, or what stands for it.  *ret_fd is the caller's to close, or -1
 * when @clone, if that is not -1, is what to read: from its start, *ret_size
 * bytes.  Returns 1 as above.  RVS_ERR_BUSY when the owner of a database leaves
 * no moment to copy it.
 */
int rvs_capture_file(const struct rvs_capture *capture, const char *path,
		     int clone, struct rvs_content *content, int *ret_fd,
		     uint64_t *ret_size, struct rvs_error *err);

#endif
