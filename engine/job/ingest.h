/*
 * Ingest: a source's files become extents, new bytes alone being stored.
 *
 * One thread owns an ingest; reading ahead, hashing, looking up, comparing and
 * packing run on the pool.  What becomes of a file is known when
 * rvs_ingest_finish() returned.
 *
 * What is read is the business of capture.h and chunker.h, what is stored that
 * of dedup.h; what is here keeps the pieces of files moving from the one to the
 * other, in order and bounded in number.
 */
#ifndef RVS_INGEST_H
#define RVS_INGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rvs/job.h>

#include "base/error.h"
#include "content.h"

struct rvs_entry;
struct rvs_ingest;
struct rvs_pool;
struct rvs_press;
struct rvs_prior;
struct rvs_source;

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
