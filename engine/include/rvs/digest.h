/*
 * Digest: a SHA-256 over plain (decompressed) bytes.
 */
#ifndef RVS_DIGEST_PUBLIC_H
#define RVS_DIGEST_PUBLIC_H

#include <stdint.h>

#define RVS_DIGEST_LEN 32
#define RVS_DIGEST_HEX_SIZE (2 * RVS_DIGEST_LEN + 1)

struct rvs_digest {
	uint8_t bytes[RVS_DIGEST_LEN];
};

/* Lower-case hexadecimal, NUL-terminated; returns @ret. */
const char *rvs_digest_hex(const struct rvs_digest *digest,
			   char ret[RVS_DIGEST_HEX_SIZE]);

#endif
