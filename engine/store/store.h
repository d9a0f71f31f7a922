/*
 * The inside of an open store: what its parts share.
 */
#ifndef RVS_STORE_STORE_H
#define RVS_STORE_STORE_H

#include <rvs/store.h>

#include "backend.h"

struct rvs_ahead;
struct rvs_reader;
struct rvs_records;
struct rvs_volumes;

#define RVS_SNAPSHOT_PREFIX "snapshot-"
#define RVS_DRAFT_PREFIX    ".tmp-"

#define RVS_METADATA_NAME "metadata.json"
#define RVS_MANIFEST_NAME "manifest"
#define RVS_MEMBERS_NAME  "members.idx"
#define RVS_BUNDLE_NAME   "0.bundle"
#define RVS_CHECKSUM_NAME "checksum.sha256"

#define RVS_CHECKSUM_MAX ((uint64_t)256 << 20) /* bytes of such a file */

/* Room for "snapshot-ID/" and a stream's name. */
#define RVS_KEY_SIZE 1152

struct rvs_lock;

struct rvs_store {
	char *path;
	struct rvs_backend *backend;
	struct rvs_store_options options;
	struct rvs_store_config config;
	struct rvs_volumes *volumes;
	struct rvs_reader *reader;
	struct rvs_ahead *ahead;
	struct rvs_records *records;
};

/*
 * Two locks.  The writer's is for who makes or collects data, which may take
 * long; the list's for who changes which snapshots are listed or how they are
 * named, which is short.  Who needs both takes the writer's first.
 */
#define RVS_WRITER_LOCK ".lock"
#define RVS_LIST_LOCK   ".list.lock"

/* The id of the snapshot whose directory is called @name, or NULL when that is
 * none of a snapshot. */
const char *rvs_store_id_of(const char *name);

/* Take the list's lock, waiting for it. */
int rvs_store_lock_list(struct rvs_store *store, struct rvs_lock **ret,
			struct rvs_error *err);
void rvs_store_unlock(struct rvs_store *store, struct rvs_lock *lock);

#endif
