/*
 * Ingest: a source's files become extents, new bytes alone being stored.
 *
 * One thread owns an ingest; reading ahead, hashing, looking up, comparing and
 * packing run on the pool.  What becomes of a file is known when
 * rvs_ingest_finish() returned.
 *
 * A file in a stream of its own, in a snapshot without a prior, is stored
 * complete: `gunzip` of the stream gives the file.  Everywhere else bytes that
 * the store has already are not stored again: chunks and files with a known
 * digest, and pages that equal the old file's at the same offset.
 */
#ifndef RVS_INGEST_H
#define RVS_INGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rvs/digest.h>
#include <rvs/job.h>

#include "base/error.h"
#include "format/extent.h"
#include "format/manifest.h"

struct rvs_ingest;
struct rvs_pool;
struct rvs_press;
struct rvs_prior;
struct rvs_source;

#define RVS_PAGE_LEN 4096u /* the grain of an incremental snapshot */

/* What became of a file. */
struct rvs_content {
	uint64_t size; /* bytes read */
	struct rvs_digest digest;
	struct rvs_vector_note vectors;
	char *uncounted; /* why its vectors are not known, or NULL */
	struct rvs_extents extents; /* volumes: the prior's, then the new one */
	bool missing;               /* it vanished before it was read */
	int unreadable;             /* errno, when it could not be read: then
				       the rest means nothing */
	bool captured;              /* a database, perhaps being written: one
				       commit of it, see source/redb.h */
};

void rvs_content_done(struct rvs_content *content);

struct rvs_ingest_options {
	struct rvs_source *source;
	struct rvs_pool *pool;
	struct rvs_press *press;
	const struct rvs_prior *prior; /* NULL: a full snapshot */
	uint32_t volume;               /* what the new snapshot's extents say */
	const struct rvs_monitor *monitor;
	const char *scratch; /* directory for a captured database, unnamed */
};

int rvs_ingest_new(const struct rvs_ingest_options *options,
		   struct rvs_ingest **ret, struct rvs_error *err);
void rvs_ingest_free(struct rvs_ingest *ingest); /* accepts NULL */

/* Say how many bytes are to come, for progress. */
void rvs_ingest_expect(struct rvs_ingest *ingest, uint64_t bytes);

/* A file to take in. */
struct rvs_ingest_file {
	const char *path;
	int clone; /* of it, private, to be read instead; stays the caller's;
		      -1: none, and its owner may be writing the file */
	const char *stream; /* NULL: into the bundle */
	/* The prior's entry that it most likely is a new version of, or NULL. */
	const struct rvs_entry *old;
};

/*
 * Take in @file.  A redb database that is being written is captured, RVS_ERR_BUSY
 * if it cannot be; in a clone it is proved.  @ret must be empty, and stay where
 * it is until rvs_ingest_finish().
 */
int rvs_ingest_file(struct rvs_ingest *ingest,
		    const struct rvs_ingest_file *file,
		    struct rvs_content *ret, struct rvs_error *err);

/* Take in a small file of about @size bytes, together with others, into the
 * bundle. */
#define RVS_SMALL_MAX (64u << 10)
int rvs_ingest_small(struct rvs_ingest *ingest, const char *path,
		     uint64_t size, struct rvs_content *ret,
		     struct rvs_error *err);

/* Wait until every file is stored and its rvs_content complete; more may
 * follow. */
int rvs_ingest_finish(struct rvs_ingest *ingest, struct rvs_error *err);

/* Nothing more comes: close the bundle. */
int rvs_ingest_end(struct rvs_ingest *ingest, struct rvs_error *err);

#endif
