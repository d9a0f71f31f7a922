/*
 * Hold: the changed files of a source, as clones of one moment.
 *
 * Where files can be cloned nothing lies between the looks but the cloning, and
 * the clones are read at leisure.  What still moves is cloned alone, between two
 * stats that lie close together: when all but one of the movers stood still
 * there, the one being cloned last, all of these clones are of the instant of
 * that last one, and so is everything that the looks around it found still.
 * They are pinned.  A redb database that never stands still may be of an instant
 * of its own, since any is a whole database.
 *
 * Each clone is an open file, and a small file is read as fast as it is cloned:
 * so it is done for as many files as get streams of their own, otherwise not at
 * first, but for those that moved.
 */
#ifndef RVS_HOLD_H
#define RVS_HOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "source/clone.h"
#include "survey.h"

#define RVS_HOLD_MAX 256 /* files, each a descriptor or two */

struct rvs_hold {
	const struct rvs_survey_options *options;
	struct rvs_cloner cloner;
	int64_t deadline_ms; /* for what moves; 0: not set yet */
};

enum rvs_held {
	RVS_HELD_NONE,   /* read the source itself */
	RVS_HELD_MOMENT, /* all that is not taken in yet has a clone */
	RVS_HELD_LOOSE,  /* it has, but they are of no one moment: best effort */
};

/* Returns an rvs_held, or a negative status: RVS_ERR_BUSY, with the names of
 * what kept moving, when the deadline passed. */
int rvs_hold(struct rvs_hold *hold, struct rvs_survey *survey,
	     struct rvs_error *err);

/* Let the entry's clone go, if it has one. */
void rvs_hold_release(struct rvs_surveyed *entry);

/* What was pinned is of a moment that has passed: it has moved. */
void rvs_hold_unpin(struct rvs_survey *survey);

/* Read the attributes of the entry that are no part of its item, unless they
 * were read already.  Where that cannot be, its content says so. */
int rvs_hold_describe(const struct rvs_survey_options *options,
		      struct rvs_surveyed *entry, const char *path,
		      struct rvs_error *err);

#endif
