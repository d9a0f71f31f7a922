/*
 * Status: the texts about this mount that are made when somebody looks.
 *
 * .status is one JSON object, .metrics the same for Prometheus, .help what the
 * control files take; .schedule and .policy tell what is in force.
 */
#ifndef STATUS_H
#define STATUS_H

#include <stdbool.h>
#include <time.h>

#include "texts.h"

struct cache;
struct commands;
struct damage_log;
struct jobs;
struct rvs_store;
struct snapshots;
struct totals;

struct status_sources {
	struct rvs_store *store;
	struct snapshots *snapshots;
	struct cache *trees;
	struct jobs *jobs;
	struct commands *commands;
	struct damage_log *damages;
	struct totals *totals;
	struct texts *texts;
	struct timespec mounted_at;
	bool crc_only; /* reads are not proved by SHA-256 */
};

/* Bring the text of @file up to date, if it is one of those.  False when out
 * of memory. */
bool status_refresh(const struct status_sources *sources, enum text_file file);

#endif
