/*
 * Batch: small files of the source, read by one job and stored together.
 *
 * Its owner fills it, runs its job, and stores it when the job is done.  What
 * becomes of a file is known then.
 */
#ifndef RVS_BATCH_H
#define RVS_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/pool.h"

struct rvs_batch;
struct rvs_capture;
struct rvs_content;
struct rvs_dedup;
struct rvs_strand;

/* @capture must outlive the batch. */
int rvs_batch_new(const struct rvs_capture *capture, struct rvs_batch **ret,
		  struct rvs_error *err);
void rvs_batch_free(struct rvs_batch *batch); /* accepts NULL */

/* Whether a file of @size bytes more has room in it. */
bool rvs_batch_has_room(const struct rvs_batch *batch, uint64_t size);

/* Add a file of which at most @size bytes are to be read into @content, which
 * must be empty, and stay. */
int rvs_batch_add(struct rvs_batch *batch, const char *path, uint64_t size,
		  struct rvs_content *content, struct rvs_error *err);

/* Of the files in it, as they were added. */
uint64_t rvs_batch_bytes(const struct rvs_batch *batch);

/* The job that opens, reads and hashes the files; any thread. */
struct rvs_job *rvs_batch_job(struct rvs_batch *batch);
/* The batch whose job @job is; NULL: it is another's. */
struct rvs_batch *rvs_batch_of(struct rvs_job *job);

/* The job is done: make its files extents, what is new going to @strand. */
int rvs_batch_store(struct rvs_batch *batch, struct rvs_dedup *dedup,
		    struct rvs_strand *strand, struct rvs_error *err);

#endif
