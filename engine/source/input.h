/*
 * Input: bytes at offsets, of a file or of memory.
 *
 * Decoders of files that others write read through an input, so that tests and
 * fuzzing run them on memory.  A file may change, grow and shrink meanwhile:
 * nothing read twice need be the same, and @size is what it was.
 */
#ifndef RVS_INPUT_H
#define RVS_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

#define RVS_INPUT_SHORT 1

struct rvs_input {
	/* As pread(2), but short only at the end: bytes read, or -1 with
	 * errno. */
	ssize_t (*read)(const struct rvs_input *input, void *buf, size_t len,
			uint64_t offset);
	const void *bytes; /* of memory */
	int fd;            /* of a file; stays the caller's */
	uint64_t size;
};

struct rvs_input rvs_input_of_fd(int fd, uint64_t size);
struct rvs_input rvs_input_of_memory(const void *bytes, size_t size);

/* Read exactly @len bytes: 0, RVS_INPUT_SHORT when the input ends before, or a
 * negative status when reading fails. */
int rvs_input_read(const struct rvs_input *input, void *buf, size_t len,
		   uint64_t offset, struct rvs_error *err);

#endif
