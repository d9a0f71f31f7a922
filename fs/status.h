/*
 * Status: the text of .status, one JSON object about this mount.
 */
#ifndef STATUS_H
#define STATUS_H

#include <stdbool.h>
#include <time.h>

struct commands;
struct damage_log;
struct rvs_store;
struct snapshots;
struct trees;

struct status_sources {
	struct rvs_store *store;
	struct snapshots *snapshots;
	struct trees *trees;
	struct commands *commands;
	struct damage_log *damages;
	struct timespec mounted_at;
	bool crc_only; /* reads are not proved by SHA-256 */
};

/* Malloc'ed, with a final newline; NULL when out of memory. */
char *status_text(const struct status_sources *sources);

#endif
