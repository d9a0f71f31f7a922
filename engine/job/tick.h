/*
 * What a tick leaves behind for the next.
 */
#ifndef RVS_TICK_H
#define RVS_TICK_H

#include <rvs/schedule.h>

/* Runs count from @now on, and none has failed. */
int rvs_tick_begin(struct rvs_store *store, time_t now, struct rvs_error *err);

#endif
