/*
 * Skipped: what a snapshot goes without, since it cannot be read.
 */
#ifndef RVS_SKIPPED_H
#define RVS_SKIPPED_H

#include <stddef.h>
#include <stdint.h>

#include <rvs/snapshot.h>

#include "base/error.h"
#include "store/record.h"

struct rvs_survey;

/* All that @survey could not read, into the empty @ret: so many, and the first of
 * them by name. */
int rvs_survey_skipped(const struct rvs_survey *survey,
		       struct rvs_skipped *ret, struct rvs_error *err);

/* "a/b: Permission denied, c: Input/output error and 3 more", of about @max
 * bytes, malloc'ed; NULL: out of memory. */
char *rvs_skipped_text(const struct rvs_skipped *skipped, size_t max);

#endif
