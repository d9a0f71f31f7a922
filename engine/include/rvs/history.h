/*
 * History: what lay at a path, over all snapshots, from their manifests alone.
 *
 * No file's data is read, and what manifests share is read once, so the time
 * grows with what changed from snapshot to snapshot, not with the sizes of
 * files.
 */
#ifndef RVS_HISTORY_H
#define RVS_HISTORY_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <rvs/digest.h>
#include <rvs/error.h>
#include <rvs/snapshot.h>

struct rvs_store;

/*
 * A version of what is no directory: its type and bytes (of a link the target,
 * of a device its number).  It lasts from one snapshot to the next of the same
 * source that has other bytes there, or nothing; owners, permissions and times
 * make no version, those given are the first snapshot's.
 */
struct rvs_version {
	char id[RVS_ID_SIZE];       /* the first snapshot that has it */
	struct timespec created_at; /* of that snapshot */
	uint32_t index;             /* of its entry there, of hard links the
				       first one's */
	uint32_t mode;              /* as st_mode */
	uint64_t size;              /* bytes */
	struct timespec mtime;
	struct rvs_digest digest;   /* of the bytes, the target or the number */
};

/* Who may enter a directory. */
struct rvs_access {
	uint32_t mode; /* as st_mode */
	uint32_t uid;
	uint32_t gid;
};

/* A name that a directory had, and the oldest snapshot where it had it. */
struct rvs_past_name {
	char *name;
	char id[RVS_ID_SIZE];
	uint32_t index; /* of its entry in that snapshot's tree */
};

struct rvs_history {
	/* The oldest snapshot that has the path, empty when none has, and its
	 * entry there. */
	char id[RVS_ID_SIZE];
	uint32_t index;
	struct rvs_version *versions; /* oldest first */
	size_t version_count;
	struct rvs_access *accesses; /* of the path while it was a directory:
					each that differs, once */
	size_t access_count;
	struct rvs_past_name *names; /* in byte order */
	size_t name_count;
	size_t unreadable; /* snapshots left out, their manifests damaged */
	struct rvs_history_kin *kin; /* of rvs_history_list(), for
					rvs_history_child(); may be NULL */
};

/*
 * The history of @path, relative to the root, "" being the root itself; without
 * names.  A path that never was is an empty history, no error.  @ret is for
 * rvs_history_done().
 */
int rvs_history_find(struct rvs_store *store, const char *path,
		     struct rvs_history *ret, struct rvs_error *err);

/* The same with the names that lay in it while it was a directory. */
int rvs_history_list(struct rvs_store *store, const char *path,
		     struct rvs_history *ret, struct rvs_error *err);

/*
 * What rvs_history_find() gives for @name in a directory whose history
 * rvs_history_list() gave, as it was then, and without reading anything.  1: that
 * must be searched, as hard links are, and what lies in directories of very many
 * names.
 */
int rvs_history_child(const struct rvs_history *directory, const char *name,
		      struct rvs_history *ret, struct rvs_error *err);

void rvs_history_done(struct rvs_history *history);

#endif
