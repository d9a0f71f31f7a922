/*
 * Snapshots: the store's list as this mount sees it, each snapshot in a slot.
 *
 * A slot is given when a snapshot is first seen and stands for that snapshot
 * until the mount ends, whatever its name becomes, and after it was deleted.
 * The list follows the store whoever changes it: every question that depends
 * on it begins with snapshots_refresh().  Threads may share it.
 */
#ifndef SNAPSHOTS_H
#define SNAPSHOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <rvs/error.h>
#include <rvs/snapshot.h>

struct rvs_store;
struct snapshots;

struct snapshot {
	uint32_t slot;
	char id[RVS_ID_SIZE];
	char name[RVS_NAME_SIZE];
	struct timespec created_at;
	struct rvs_root root;
};

/* Who hears of snapshots whose record cannot be read; of snapshots that had a
 * name until now, and have another or were deleted; and of any change of the
 * list, when all that left were told.  Called without any lock, in no order of
 * changes that follow each other. */
struct snapshots_observer {
	void *arg;
	void (*damaged)(void *arg, const char *directory, const char *reason);
	void (*left)(void *arg, const struct snapshot *was, bool deleted);
	void (*changed)(void *arg);
};

/* NULL when out of memory. */
struct snapshots *snapshots_new(struct rvs_store *store,
				const struct snapshots_observer *observer);
void snapshots_free(struct snapshots *snapshots);

/*
 * Look whether the store changed, at the price of one stat; if so read the list
 * again.  On failure the list stays as it was.
 */
int snapshots_refresh(struct snapshots *snapshots, struct rvs_error *err);

/* The snapshot that has the name @name now; false when there is none. */
bool snapshots_find(struct snapshots *snapshots, const char *name,
		    struct snapshot *ret);

/* The same by its id; by the moment it was made; by the second: the newest of
 * those that it fits. */
bool snapshots_find_id(struct snapshots *snapshots, const char *id,
		       struct snapshot *ret);
bool snapshots_find_moment(struct snapshots *snapshots, struct timespec moment,
			   struct snapshot *ret);
bool snapshots_find_second(struct snapshots *snapshots, time_t second,
			   struct snapshot *ret);

/* The snapshot in @slot, deleted or not; false for a slot not given yet. */
bool snapshots_get(struct snapshots *snapshots, uint32_t slot,
		   struct snapshot *ret);

/* The first snapshot at or after @slot that is there now. */
bool snapshots_next(struct snapshots *snapshots, uint32_t slot,
		    struct snapshot *ret);

bool snapshots_newest(struct snapshots *snapshots, struct snapshot *ret);

size_t snapshots_count(struct snapshots *snapshots);

/* When the list was last seen to change; grows with each change. */
struct timespec snapshots_changed_at(struct snapshots *snapshots);

#endif
