/*
 * Snapshots, as the jobs that change the list see them.
 */
#ifndef RVS_STORE_SNAPSHOT_H
#define RVS_STORE_SNAPSHOT_H

#include <stdbool.h>
#include <sys/types.h>

#include <rvs/snapshot.h>

/* The place in @list that @reference names, or a negative status; see
 * rvs_snapshot_find(). */
ssize_t rvs_snapshot_find_in(const struct rvs_snapshot_list *list,
			     const char *reference, struct rvs_error *err);

/* Whether a snapshot of @list has the name @name already. */
bool rvs_snapshot_name_taken(const struct rvs_snapshot_list *list,
			     const char *name);

#endif
