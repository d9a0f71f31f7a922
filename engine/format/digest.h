/*
 * Digest: SHA-256 (FIPS 180-4, by OpenSSL) at once or running.
 */
#ifndef RVS_FORMAT_DIGEST_H
#define RVS_FORMAT_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

#include <rvs/digest.h>

#include "base/error.h"

struct rvs_hasher; /* a running digest; one thread at a time */

int rvs_digest_of(const void *bytes, size_t len, struct rvs_digest *ret,
		  struct rvs_error *err);
bool rvs_digest_equal(const struct rvs_digest *a, const struct rvs_digest *b);
/* From 64 hexadecimal digits; RVS_ERR_CORRUPT for anything else. */
int rvs_digest_parse(const char *hex, struct rvs_digest *ret,
		     struct rvs_error *err);

int rvs_hasher_new(struct rvs_hasher **ret, struct rvs_error *err);
void rvs_hasher_free(struct rvs_hasher *hasher); /* accepts NULL */
void rvs_hasher_cleanup(struct rvs_hasher **hasher);
/* A failure is kept for rvs_hasher_finish() to report. */
void rvs_hasher_add(struct rvs_hasher *hasher, const void *bytes, size_t len);
/* The digest of all that was added; the hasher then starts anew. */
int rvs_hasher_finish(struct rvs_hasher *hasher, struct rvs_digest *ret,
		      struct rvs_error *err);

#endif
