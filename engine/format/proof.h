/*
 * Proof: bytes that end with their own SHA-256, as indexes of the store do.
 */
#ifndef RVS_PROOF_H
#define RVS_PROOF_H

#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

/* Put the proof behind the bytes from @start on. */
int rvs_proof_put(struct rvs_buf *bytes, size_t start, struct rvs_error *err);

/* *len becomes that of the bytes before the proof.  RVS_ERR_CORRUPT if it is
 * none. */
int rvs_proof_check(const void *bytes, size_t *len, struct rvs_error *err);

#endif
