/*
 * Signature: what the chunks of a file hash to that no member holds whole.
 *
 * A chunk in pieces of several members has no digest in any index.  With its
 * signature, the next snapshot sees that it did not change without reading the
 * base.  Signatures are true of a file's bytes, whatever snapshot has them, so
 * they go by its SHA-256; they may be lost without harm.  Layout: FORMAT.md,
 * ".signatures".
 */
#ifndef RVS_SIGNATURE_H
#define RVS_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rvs/digest.h>

#include "base/buf.h"
#include "base/error.h"

/* Of a chunk. */
struct rvs_signature {
	uint64_t at; /* in its file, bytes */
	uint32_t len;
	struct rvs_digest digest;
};

/* The file with this digest has those of @count chunks from @first on. */
struct rvs_signed_file {
	struct rvs_digest digest;
	uint32_t first, count;
};

struct rvs_signatures {
	struct rvs_buf files; /* of rvs_signed_file; sorted, by digest */
	struct rvs_buf items; /* of rvs_signature, ascending within a file */
};

#define RVS_SIGNATURES_INIT                                                    \
	{                                                                      \
		RVS_BUF_INIT, RVS_BUF_INIT                                     \
	}

void rvs_signatures_done(struct rvs_signatures *signatures);

/* Add those of a file, ascending, at least one. */
int rvs_signatures_add(struct rvs_signatures *signatures,
		       const struct rvs_digest *file,
		       const struct rvs_signature *items, size_t count,
		       struct rvs_error *err);

/* To be called when all are added, before the functions below.  A file that was
 * added twice counts once. */
void rvs_signatures_sort(struct rvs_signatures *signatures);

/* All of the file; NULL: there are none. */
const struct rvs_signature *
rvs_signatures_of(const struct rvs_signatures *signatures,
		  const struct rvs_digest *file, size_t *ret_count);

/* Whether one of @items is this. */
bool rvs_signature_is_in(const struct rvs_signature *items, size_t count,
			 const struct rvs_signature *wanted);

int rvs_signatures_encode(const struct rvs_signatures *signatures,
			  struct rvs_buf *ret, struct rvs_error *err);

/* RVS_ERR_CORRUPT for anything but what was encoded; @ret is then empty. */
int rvs_signatures_decode(const void *bytes, size_t len,
			  struct rvs_signatures *ret, struct rvs_error *err);

#endif
