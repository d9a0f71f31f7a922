/*
 * Snapshots: their records, and how to find them.
 */
#ifndef RVS_SNAPSHOT_H
#define RVS_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <rvs/digest.h>
#include <rvs/error.h>

struct rvs_store;

#define RVS_ID_SIZE 22    /* "20261122T101500Z-9f2c" and a NUL */
#define RVS_NAME_SIZE 129 /* 128 characters and a NUL */
#define RVS_CONSISTENCY_SIZE 32

/* KEY=VALUE pairs of the user's own, in the order given. */
struct rvs_metadata {
	char *key;
	char *value;
};

/* Attributes of a snapshot's root directory, in the record so that a listing of
 * many snapshots needs no manifest. */
struct rvs_root {
	uint64_t size;
	struct timespec mtime;
	uint32_t mode; /* as st_mode; 0 in a record that does not say */
	uint32_t uid;
	uint32_t gid;
	uint32_t nlink;
};

/* What a snapshot goes without since it could not be read, as its maker accepted:
 * so many, and the first of them, "a/b: Permission denied". */
struct rvs_skipped {
	char **names;
	size_t named;
	uint64_t count;
};

/* One snapshot's record.  Times are UTC, sizes bytes. */
struct rvs_snapshot {
	char id[RVS_ID_SIZE];
	char name[RVS_NAME_SIZE]; /* its present name; the id when it has none */
	struct timespec created_at; /* when its scan began */
	uint64_t size_bytes;        /* what it added to the store */
	uint64_t total_bytes;       /* sum of the sizes of its files */
	uint64_t files_count;       /* regular files, hard links counted once */
	struct rvs_digest checksum; /* of the logical tree, see FORMAT.md */
	bool incremental;
	char base_id[RVS_ID_SIZE];  /* empty in a full snapshot */
	bool has_vector_count;
	uint64_t vector_count;
	char consistency[RVS_CONSISTENCY_SIZE];
	char *source;               /* absolute path it was taken of */
	char *tool_version;
	bool pinned;
	struct rvs_metadata *metadata;
	size_t metadata_count;
	struct rvs_skipped skipped;
	struct rvs_root root;
};

struct rvs_snapshot_list {
	struct rvs_snapshot *items; /* oldest first */
	size_t count;
};

/*
 * All snapshots.  One whose record cannot be read is left out and reported
 * through @damaged (may be NULL) with its directory's name and the reason.
 */
int rvs_snapshot_list(struct rvs_store *store, struct rvs_snapshot_list *ret,
		      void (*damaged)(void *arg, const char *directory,
				      const char *reason),
		      void *arg, struct rvs_error *err);
void rvs_snapshot_list_done(struct rvs_snapshot_list *list);

/*
 * The snapshot that @reference names: a name, an id, a unique prefix of an id
 * of at least four characters, or "latest".  RVS_ERR_NOT_FOUND when there is
 * none, RVS_ERR_USAGE when a prefix fits several.
 */
int rvs_snapshot_find(struct rvs_store *store, const char *reference,
		      struct rvs_snapshot *ret, struct rvs_error *err);
void rvs_snapshot_done(struct rvs_snapshot *snapshot);

/* Deep copy; RVS_ERR_NO_MEMORY is the only failure. */
int rvs_snapshot_copy(const struct rvs_snapshot *from, struct rvs_snapshot *ret,
		      struct rvs_error *err);

/* The record as one JSON object, malloc'ed, without a final newline; NULL when
 * out of memory.  @indent is the number of spaces a level, 0 for one line. */
char *rvs_snapshot_json(const struct rvs_snapshot *snapshot, int indent);

/*
 * 0 when @name may name a snapshot: [A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}, not
 * "latest" and not of the form of an id; RVS_ERR_USAGE otherwise.
 */
int rvs_snapshot_check_name(const char *name, struct rvs_error *err);

/* RFC 3339 in UTC with nine digits of fraction, NUL-terminated. */
#define RVS_TIME_SIZE 31
const char *rvs_time_format(struct timespec time, char ret[RVS_TIME_SIZE]);

/* Give a snapshot another name: RVS_ERR_EXISTS when it is taken,
 * RVS_ERR_NOT_FOUND when there is no such snapshot. */
int rvs_snapshot_rename(struct rvs_store *store, const char *reference,
			const char *name, struct rvs_error *err);

/* Pin or unpin: prune never deletes a pinned snapshot. */
int rvs_snapshot_pin(struct rvs_store *store, const char *reference,
		     bool pinned, struct rvs_error *err);

/*
 * Delete a snapshot.  Others that share its data keep it; what nobody uses is
 * freed.  Deleting the base of others is always allowed.
 */
int rvs_snapshot_delete(struct rvs_store *store, const char *reference,
			struct rvs_error *err);

#endif
