/*
 * Probe: a file whose format is asked for, and answers about its vectors.
 *
 * A decoder answers whether the file is of its format; if so, struct
 * rvs_vectors says how many vectors it holds or why that is not known.  It
 * reads through the functions below, which end in such an answer.
 */
#ifndef RVS_PROBE_H
#define RVS_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "input.h"
#include "vectors.h"

/* The longest header of a format that has one of fixed length: hnswlib's. */
#define RVS_PROBE_HEAD_LEN 96

struct rvs_probe {
	const struct rvs_input *input;
	const char *name;
	uint8_t head[RVS_PROBE_HEAD_LEN]; /* zeros beyond head_len */
	size_t head_len;                  /* never above the input's size */
};

struct rvs_probe rvs_probe_of(const struct rvs_input *input, const char *name);

/* False, with a note, when the bytes cannot be had. */
bool rvs_probe_fetch(const struct rvs_probe *probe, void *buf, size_t len,
		     uint64_t offset, struct rvs_vectors *ret);

/* These return true, for a decoder to return. */

bool rvs_probe_counted(const struct rvs_probe *probe, struct rvs_vectors *ret,
		       uint64_t count);
bool rvs_probe_no_vectors(struct rvs_vectors *ret);
bool rvs_probe_damaged(struct rvs_vectors *ret, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
