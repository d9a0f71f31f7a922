/*
 * Settings: the schedule and the retention policy of a store, as the mount tells
 * of them.
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <jansson.h>

struct rvs_store;

/* What is in force now, and when it runs: an object; what cannot be read is
 * told as its "failure".  NULL when out of memory. */
json_t *settings_schedule_json(struct rvs_store *store);
json_t *settings_policy_json(struct rvs_store *store);

/* A time in seconds since 1970 as RFC 3339, null for 0. */
json_t *settings_time_json(time_t time);

#endif
