/*
 * Record: a snapshot's metadata.json.
 */
#ifndef RVS_RECORD_H
#define RVS_RECORD_H

#include <stddef.h>

#include <rvs/snapshot.h>

#define RVS_RECORD_MAX (1u << 20) /* bytes of JSON */

/* RVS_ERR_CORRUPT for anything malformed; @ret is for rvs_snapshot_done(). */
int rvs_record_parse(const char *text, size_t len, struct rvs_snapshot *ret,
		     struct rvs_error *err);

/* What rvs_time_format() writes, and nothing else; -1: it is not that. */
int rvs_time_parse(const char *text, struct timespec *ret);

/* The value that @snapshot has for @key, or NULL. */
const char *rvs_record_metadata(const struct rvs_snapshot *snapshot,
				const char *key);

/* Accepts an empty one. */
void rvs_skipped_done(struct rvs_skipped *skipped);

#endif
