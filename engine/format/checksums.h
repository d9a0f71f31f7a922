/*
 * Checksums: the lines of checksum.sha256, as sha256sum(1) writes and reads
 * them.
 */
#ifndef RVS_CHECKSUMS_H
#define RVS_CHECKSUMS_H

#include <rvs/digest.h>

#include "base/buf.h"
#include "base/error.h"

void rvs_checksums_put(struct rvs_buf *ret, const struct rvs_digest *digest,
		       const char *name);

/*
 * Take the text (NUL-terminated, changed meanwhile) apart and call @each for
 * every line, until it returns other than 0, which is returned.
 * RVS_ERR_CORRUPT for a line that is malformed or has an unsafe name.
 */
int rvs_checksums_read(char *text,
		       int (*each)(void *arg, const char *name,
				   const struct rvs_digest *digest),
		       void *arg, struct rvs_error *err);

#endif
