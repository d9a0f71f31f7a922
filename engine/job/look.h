/*
 * Look: a survey's scans of its source, each compared with what was known.
 *
 * What stood still since the look before keeps what was taken in of it; what
 * moved is as new.
 */
#ifndef RVS_LOOK_H
#define RVS_LOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "survey.h"

/* Fill the empty @survey: which entries the prior has, and which are unchanged
 * since then. */
int rvs_look_first(const struct rvs_survey_options *options,
		   struct rvs_survey *survey, struct rvs_error *err);

/* Look again: 0 when everything stood still, 1 when something moved, came or
 * went. */
int rvs_look_again(const struct rvs_survey_options *options,
		   struct rvs_survey *survey, struct rvs_error *err);

/* Give up the stream of the file at @path, if it has one, in a snapshot without
 * a prior. */
int rvs_look_drop(const struct rvs_survey_options *options, const char *path,
		  struct rvs_error *err);

/* Whether the item is a regular file, and the first of its inode. */
bool rvs_look_is_file(const struct rvs_scan *scan, uint32_t index);

/* RVS_ERR_BUSY, naming what moved since the look before. */
int rvs_look_busy(const struct rvs_survey *survey, struct rvs_error *err);

/* Wait until a change would bear another time than one made before. */
void rvs_look_pause(void);

/* Of the monotonic clock. */
int64_t rvs_look_now_ms(void);

#endif
