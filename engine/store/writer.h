/*
 * Writer: a snapshot's directory while it is being made.
 *
 * All of it lies under ".tmp-ID" until rvs_writer_commit() makes it durable and
 * visible at once; freeing a writer before that removes it.  The caller holds
 * the store's lock.  One thread owns a writer; rvs_output_sum() and
 * rvs_output_write() may run on two others, one of each at a time for each
 * output.
 */
#ifndef RVS_WRITER_H
#define RVS_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include <rvs/snapshot.h>

#include "base/error.h"
#include "format/members.h"

struct rvs_store;
struct rvs_writer;
struct rvs_output; /* a stream being written */

/* Remove what earlier writers left unfinished. */
int rvs_writer_sweep(struct rvs_store *store, struct rvs_error *err);

int rvs_writer_new(struct rvs_store *store, const char *id,
		   struct rvs_writer **ret, struct rvs_error *err);
void rvs_writer_free(struct rvs_writer *writer); /* accepts NULL */
void rvs_writer_cleanup(struct rvs_writer **writer);

/* Begin the stream @name.  The writer owns the output until it is finished. */
int rvs_writer_open(struct rvs_writer *writer, const char *name,
		    struct rvs_output **ret, struct rvs_error *err);

/* Take the next member's number.  One that is never placed counts as dropped. */
int rvs_writer_reserve(struct rvs_writer *writer, uint32_t *ret_number,
		       struct rvs_error *err);

/* Say that the member @number lies at the end of @output; its bytes may be
 * appended later, in the order of the calls. */
void rvs_writer_place(struct rvs_writer *writer, uint32_t number,
		      struct rvs_output *output, size_t stored_len,
		      size_t plain_len, const struct rvs_digest *digest);
int rvs_output_append(struct rvs_output *output, const void *bytes, size_t len,
		      struct rvs_error *err);

/* The two halves of appending: add the bytes to the stream's digest, and write
 * them; both must see all of them, in the same order. */
void rvs_output_sum(struct rvs_output *output, const void *bytes, size_t len);
int rvs_output_write(struct rvs_output *output, const void *bytes, size_t len,
		     struct rvs_error *err);

/* Complete the stream; ends @output, whatever it returns. */
int rvs_writer_close(struct rvs_writer *writer, struct rvs_output *output,
		     struct rvs_error *err);

/* Give a closed stream up: its members are dropped, their numbers stay used.
 * It is no error when there is no such stream. */
int rvs_writer_drop(struct rvs_writer *writer, const char *name,
		    struct rvs_error *err);

/*
 * Write the index, @snapshot as metadata.json and the checksum file, and
 * publish.  Sets snapshot->size_bytes.  RVS_ERR_EXISTS: the id is taken.
 */
int rvs_writer_commit(struct rvs_writer *writer, struct rvs_snapshot *snapshot,
		      struct rvs_error *err);

/*
 * Making the directory of a snapshot anew, which collect does: begin with the
 * numbers of the old index, all dropped; keep streams as they are (@digest is
 * of the object) or write them anew, each member placed under its number; then
 * exchange the directories.  A record is not carried over: such a snapshot was
 * deleted.
 */
int rvs_writer_follow(struct rvs_writer *writer, const struct rvs_members *old,
		      struct rvs_error *err);
int rvs_writer_keep(struct rvs_writer *writer, const struct rvs_members *old,
		    uint32_t stream, const struct rvs_digest *digest,
		    struct rvs_error *err);
int rvs_writer_replace(struct rvs_writer *writer, struct rvs_error *err);

#endif
