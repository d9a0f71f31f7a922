/*
 * The days of a schedule, for its parser.
 */
#ifndef RVS_JOB_SCHEDULE_H
#define RVS_JOB_SCHEDULE_H

#include <rvs/schedule.h>

/* Days are counted from 1970-01-01. */
bool rvs_schedule_on_day(const struct rvs_schedule *schedule, int64_t day);

/* The first day from @from on that it runs on; false: none in 40 years. */
bool rvs_schedule_find_day(const struct rvs_schedule *schedule, int64_t from,
			   int64_t *ret);

#endif
