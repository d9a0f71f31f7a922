/*
 * Content: what became of a file of the source that was taken in.
 *
 * Belongs to the caller, who sees it complete when rvs_ingest_finish() has
 * returned.
 */
#ifndef RVS_CONTENT_H
#define RVS_CONTENT_H

#include <stdbool.h>
#include <stdint.h>

#include <rvs/digest.h>

#include "base/buf.h"
#include "base/error.h"
#include "format/extent.h"
#include "format/manifest.h"

struct rvs_input;

struct rvs_content {
	uint64_t size; /* bytes read */
	struct rvs_digest digest;
	struct rvs_vector_note vectors;
	char *uncounted; /* why its vectors are not known, or NULL */
	struct rvs_extents extents; /* volumes: the prior's, then the new one */
	struct rvs_buf signatures;  /* of chunks in pieces: rvs_signature */
	bool missing;               /* it vanished before it was read */
	int unreadable;             /* errno, when it could not be read: then
				       the rest means nothing */
	bool captured;              /* a database, perhaps being written: one
				       commit of it, see source/redb.h */
};

void rvs_content_done(struct rvs_content *content);

/* What follows @content's extents so far, from @at in the file, lies there. */
int rvs_content_add(struct rvs_content *content, uint64_t at, uint32_t volume,
		    uint32_t member, uint32_t offset, struct rvs_error *err);

/* Count the vectors of the file @path.  A damaged one has no count, and says
 * why; it fails nothing. */
void rvs_content_count(struct rvs_content *content,
		       const struct rvs_input *input, const char *path);

/* After a failed system call on the file: note it if it says that the file
 * cannot be read.  Fails in any case. */
int rvs_content_cannot_read(struct rvs_content *content,
			    struct rvs_error *err);

#endif
