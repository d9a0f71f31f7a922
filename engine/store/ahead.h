/*
 * Ahead: members that are about to be read, loaded on other cores.
 *
 * A read that spans members has them loaded side by side; a file that is read
 * from front to back has the next few MiB loaded before they are asked for.
 * Nothing is returned: what was loaded waits in the reader's cache.  Threads
 * may share it; its own threads start with the first use.
 */
#ifndef RVS_AHEAD_H
#define RVS_AHEAD_H

#include <stdint.h>

#include "base/error.h"

struct rvs_ahead;
struct rvs_reader;
struct rvs_volumes;

/* @threads 0: one per core. */
int rvs_ahead_new(struct rvs_reader *reader, unsigned threads,
		  struct rvs_ahead **ret, struct rvs_error *err);
void rvs_ahead_free(struct rvs_ahead *ahead); /* accepts NULL */

/*
 * A read of [@from, @to) of the file @file (any number that tells files apart)
 * begins.  Returns up to where members should be loaded: @to for a read that
 * does not follow one before, else beyond it; and in *ret_done from where they
 * have not been asked for yet.
 */
uint64_t rvs_ahead_plan(struct rvs_ahead *ahead, uint64_t file, uint64_t from,
			uint64_t to, uint64_t *ret_done);

/* A small file, one of many in a member, is read from the member @number.  When
 * members are read so one after the other, the next are loaded. */
void rvs_ahead_follow(struct rvs_ahead *ahead, struct rvs_volumes *volumes,
		      const char *id, uint32_t volume, uint32_t number);

/* Load the member @number of the snapshot @id, whose rvs_volumes_slot() is
 * @volume, soon; when too much is under way already, not. */
void rvs_ahead_load(struct rvs_ahead *ahead, const char *id, uint32_t volume,
		    uint32_t number);

/* Wait for what is under way. */
void rvs_ahead_wait(struct rvs_ahead *ahead);

#endif
