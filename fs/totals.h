/*
 * Totals: what the snapshots of a store add up to.
 *
 * Counted again when the store changed, from the records alone.  Threads may
 * share it.
 */
#ifndef TOTALS_H
#define TOTALS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include <rvs/error.h>

struct rvs_store;
struct totals;

/* Sizes are bytes. */
struct total {
	uint64_t snapshots;
	uint64_t incremental;
	uint64_t pinned;
	uint64_t added_bytes;   /* what making them added to the store */
	uint64_t logical_bytes; /* of all files of all snapshots */
	/* Of the newest; 0 without snapshots. */
	uint64_t newest_bytes;
	uint64_t newest_files;
	uint64_t newest_vectors;
	bool has_newest_vectors;
	struct timespec newest_at, oldest_at;
	/* Of the disk, at this moment. */
	uint64_t disk_bytes, disk_free_bytes;
};

/* NULL when out of memory. */
struct totals *totals_new(struct rvs_store *store);
void totals_free(struct totals *totals); /* accepts NULL */

/* What cannot be read is 0, or as it was before. */
struct total totals_now(struct totals *totals);

#endif
