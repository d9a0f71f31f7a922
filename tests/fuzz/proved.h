/*
 * Proved: what ends with its own SHA-256, which no fuzzer finds, is also read
 * with one put behind it.
 */
#ifndef PROVED_H
#define PROVED_H

#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "format/proof.h"

static inline void decode_proved(const uint8_t *data, size_t size,
				 void (*decode)(const uint8_t *bytes,
						size_t len))
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf proved = RVS_BUF_INIT;

	rvs_buf_put(&proved, data, size);
	if (rvs_proof_put(&proved, 0, NULL) < 0)
		abort();
	decode(data, size);
	decode(proved.bytes, proved.len);
}

#endif
