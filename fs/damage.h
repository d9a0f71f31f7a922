/*
 * Damage: what reading through this mount found to be damaged.
 *
 * Each damaged thing is logged once, in one line, and remembered with a count;
 * the last DAMAGE_KEPT are.  Threads may share it.
 */
#ifndef DAMAGE_H
#define DAMAGE_H

#include <stdint.h>

#include <jansson.h>

struct damage_log;
struct log;
struct rvs_damage;

#define DAMAGE_KEPT 100

/* NULL when out of memory. */
struct damage_log *damage_new(const struct log *log);
void damage_free(struct damage_log *damages);

/*
 * Note that @path (NULL: no file in particular) of the snapshot @snapshot
 * suffers from @damage.
 */
void damage_note(struct damage_log *damages, const char *snapshot,
		 const char *path, const struct rvs_damage *damage);

/* One damaged thing as an object, and all that was noted, an array, oldest
 * first; NULL when out of memory. */
json_t *damage_one_json(const char *snapshot, const char *path,
			const struct rvs_damage *damage);
json_t *damage_json(struct damage_log *damages);

/* How often damage was met, things noted before included. */
uint64_t damage_count(struct damage_log *damages);

#endif
