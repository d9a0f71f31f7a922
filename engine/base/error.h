/*
 * Filling struct rvs_error: set it where a failure is seen, add context in the
 * layer that knows the name.  All functions return the status, so that a
 * failure is one return statement, and accept a NULL @err; but adding context
 * takes the status from @err, so who adds it has one of its own if need be.
 */
#ifndef RVS_BASE_ERROR_H
#define RVS_BASE_ERROR_H

#include <rvs/error.h>

int rvs_error_set(struct rvs_error *err, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * The same for a failed system call: the status follows from errno, whose text
 * is appended.  ENOENT, EEXIST, ENOSPC, EDQUOT, EINTR and ENOMEM have statuses
 * of their own, all others are RVS_ERR_FAILED.
 */
int rvs_error_errno(struct rvs_error *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Prefix the text already there with "CONTEXT: "; returns err->status.  A long
 * context loses its beginning, never the cause that follows it.
 */
int rvs_error_context(struct rvs_error *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

int rvs_error_no_memory(struct rvs_error *err);

#endif
