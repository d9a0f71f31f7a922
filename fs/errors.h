/*
 * Errors: what a status of the engine is to a system call, to a shell and to a
 * reader of JSON.  One table answers all of them.  Pure.
 */
#ifndef ERRORS_H
#define ERRORS_H

#include <rvs/error.h>

/* Fill @err and return @status. */
int error_set(struct rvs_error *err, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The errno to answer a request with: positive, 0 for RVS_OK. */
int error_errno(int status);

/* Its name ("EBUSY"), and the status in a word ("busy"). */
const char *error_errno_name(int status);
const char *error_word(int status);

/* What a program exits with. */
int error_exit_code(int status);

#endif
