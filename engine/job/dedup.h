/*
 * Dedup: the bytes of files become extents, and those that the store has
 * already are not stored again.
 *
 * A chunk is looked for, in this order: as a member of the prior; as what this
 * snapshot itself stored; page by page, in the old file at the same offset.
 * What is found nowhere goes to the press.  The exception is a file whose
 * stream must be complete, so that `gunzip` of it gives the file: its chunks
 * are all stored, and nothing else hangs on them.
 *
 * One thread owns a dedup; looking alone, which is where the time goes, may be
 * done by others side by side.
 */
#ifndef RVS_DEDUP_H
#define RVS_DEDUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rvs/digest.h>

#include "base/buf.h"
#include "base/error.h"

struct rvs_content;
struct rvs_dedup;
struct rvs_entry;
struct rvs_press;
struct rvs_prior;
struct rvs_strand;

#define RVS_PAGE_LEN 4096u /* the grain of an incremental snapshot */

/* @prior may be NULL: a full snapshot.  @volume is what extents into what is
 * stored now say.  Both pointers must outlive the dedup. */
int rvs_dedup_new(struct rvs_press *press, const struct rvs_prior *prior,
		  uint32_t volume, struct rvs_dedup **ret,
		  struct rvs_error *err);
void rvs_dedup_free(struct rvs_dedup *dedup); /* accepts NULL */

/* A file, as its chunks see it. */
struct rvs_dedup_file {
	struct rvs_content *content;
	const struct rvs_entry *old; /* of the prior; NULL: it is new */
	struct rvs_strand *strand;   /* where what is new of it goes */
	bool complete;               /* the stream must hold every byte */
};

/* A chunk of a file.  Zeros at first; may be used for one after the other. */
struct rvs_dedup_chunk {
	const struct rvs_dedup_file *file;
	const uint8_t *bytes;
	uint64_t at; /* in the file */
	size_t len;
	/* What looking found. */
	struct rvs_digest digest;
	bool known;              /* a member of the prior is just this */
	uint32_t volume, member; /* which one */
	struct rvs_buf runs;     /* of pages, equal to those or not */
};

void rvs_dedup_chunk_done(struct rvs_dedup_chunk *chunk);

/* Hash @chunk and find it in the prior.  Any thread, one for a chunk; each has a
 * @scratch of its own, which grows to a chunk's length. */
int rvs_dedup_look(const struct rvs_dedup *dedup, struct rvs_dedup_chunk *chunk,
		   struct rvs_buf *scratch, struct rvs_error *err);

/*
 * Decide what @chunk, which was looked at, becomes: extents of its file's
 * content.  Its bytes must stay until @release(@owner), which is called once,
 * on this thread, whatever this returns.
 */
int rvs_dedup_chunk(struct rvs_dedup *dedup, struct rvs_dedup_chunk *chunk,
		    void (*release)(void *owner), void *owner,
		    struct rvs_error *err);

/*
 * The file that @content's digest is of has the extents of an equal one of the
 * prior, of @size bytes.  Returns 1 when there is none.
 */
int rvs_dedup_copy(const struct rvs_dedup *dedup, struct rvs_content *content,
		   uint64_t size, struct rvs_error *err);

/* Decide what a small file becomes, given its bytes (at most RVS_GATHER_MAX),
 * its content's size and digest; what is new goes to @strand. */
int rvs_dedup_small(struct rvs_dedup *dedup, struct rvs_strand *strand,
		    const uint8_t *bytes, struct rvs_content *content,
		    struct rvs_error *err);

#endif
