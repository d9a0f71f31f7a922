/*
 * Jobs: the long operations on a store.
 */
#ifndef RVS_JOB_H
#define RVS_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rvs/error.h>
#include <rvs/snapshot.h>
#include <rvs/tree.h>

struct rvs_store;

/*
 * How a caller watches and stops a job.  Both functions may be NULL, are called
 * on the thread that runs the job and must return at once.
 */
struct rvs_monitor {
	void *arg;
	/* Bytes done, and in all when that is known, else 0. */
	void (*progress)(void *arg, uint64_t done_bytes, uint64_t total_bytes);
	bool (*cancelled)(void *arg);
	/* Something the user should know that did not stop the job. */
	void (*warning)(void *arg, const char *text);
};

struct rvs_create_options {
	const char *name;       /* NULL or "": named by its id */
	const char *source;     /* NULL: the store's */
	const char *base;       /* reference; NULL: the newest of this source */
	bool full;              /* self-contained; excludes base */
	bool rehash;            /* read files that look unchanged all the same */
	bool best_effort;       /* accept a source that moves; said in the record */
	bool wait;              /* for another writer, instead of RVS_ERR_BUSY */
	const struct rvs_metadata *metadata;
	size_t metadata_count;
	struct rvs_monitor monitor;
};

/*
 * Make a snapshot.  It is durable when this returns 0; on any failure, and
 * whatever kills the process, the store lists what it listed before.
 * RVS_ERR_USAGE: bad name or option; RVS_ERR_EXISTS: name taken; RVS_ERR_BUSY:
 * another writer, or the source would not stand still; RVS_ERR_NO_SPACE;
 * RVS_ERR_INTERRUPTED.  @ret (may be NULL) is for rvs_snapshot_done().
 */
int rvs_create(struct rvs_store *store,
	       const struct rvs_create_options *options,
	       struct rvs_snapshot *ret, struct rvs_error *err);

struct rvs_restore_options {
	const char *const *paths; /* relative to the root; none: everything */
	size_t path_count;
	bool overwrite;           /* replace files that are there */
	struct rvs_monitor monitor;
};

struct rvs_restore_result {
	uint64_t files;    /* regular files written */
	uint64_t bytes;    /* of data written, holes left out */
	uint64_t warnings; /* attributes that could not be set */
};

/*
 * Restore a snapshot, or @paths of it, below the directory @target, which is
 * made when it is not there.  Without @paths it must be empty, unless
 * overwriting.  Each file is written under a temporary name, compared with its
 * SHA-256, then renamed; no symbolic link below @target is ever followed.
 */
int rvs_restore(struct rvs_store *store, const char *reference,
		const char *target, const struct rvs_restore_options *options,
		struct rvs_restore_result *ret, struct rvs_error *err);

/* One finding of rvs_verify(). */
struct rvs_finding {
	const char *snapshot;            /* the snapshot that suffers, its id */
	const char *path;                /* the file that suffers, or NULL */
	const struct rvs_damage *damage; /* which bytes */
};

struct rvs_verify_result {
	uint64_t snapshots;
	uint64_t files;
	uint64_t members;
	uint64_t bytes;    /* plain bytes read and proved */
	uint64_t findings;
};

/*
 * Read and prove everything that the named snapshots (all, when @count is 0)
 * need: checksum files, indexes, manifests, members, whole files.  Each damaged
 * thing goes to @found.  RVS_ERR_CORRUPT at the end when there was any.
 */
int rvs_verify(struct rvs_store *store, const char *const *references,
	       size_t count, const struct rvs_monitor *monitor,
	       void (*found)(void *arg, const struct rvs_finding *finding),
	       void *arg, struct rvs_verify_result *ret, struct rvs_error *err);

#endif
