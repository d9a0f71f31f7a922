/*
 * Snapshots, as the jobs that change the list see them.
 */
#ifndef RVS_STORE_SNAPSHOT_H
#define RVS_STORE_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include <rvs/snapshot.h>

/* The place in @list that @reference names, or a negative status; see
 * rvs_snapshot_find(). */
ssize_t rvs_snapshot_find_in(const struct rvs_snapshot_list *list,
			     const char *reference, struct rvs_error *err);

/* Whether a snapshot of @list has the name @name already. */
bool rvs_snapshot_name_taken(const struct rvs_snapshot_list *list,
			     const char *name);

/*
 * An id for a snapshot begun at @now: of the @salt or, when a snapshot has that
 * one, deleted ones included, the next that is free.  Call with the writer's
 * lock held.  RVS_ERR_EXISTS when all of that second are taken.
 */
int rvs_snapshot_new_id(struct rvs_store *store, time_t now, uint16_t salt,
			char ret[RVS_ID_SIZE], struct rvs_error *err);

#endif
