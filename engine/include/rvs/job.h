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

enum rvs_filesystems {
	RVS_FILESYSTEMS_AS_STORED, /* as the store says */
	RVS_FILESYSTEMS_ONE,       /* the source's own */
	RVS_FILESYSTEMS_ALL,       /* those mounted below it, too */
};

struct rvs_create_options {
	const char *name;       /* NULL or "": named by its id */
	const char *source;     /* NULL: the store's */
	const char *base;       /* reference; NULL: the newest of this source,
				   or what it was reverted to since, else the
				   newest of all */
	bool full;              /* self-contained; excludes base */
	bool rehash;            /* read files that look unchanged all the same */
	bool best_effort;       /* accept a source that moves; said in the record */
	bool skip_unreadable;   /* go on without, and say so in the record */
	enum rvs_filesystems filesystems;
	bool wait;              /* for another writer, instead of RVS_ERR_BUSY */
	unsigned settle_s;      /* for a source that moves; 0: the store's */
	const struct rvs_metadata *metadata;
	size_t metadata_count;
	struct rvs_monitor monitor;
};

/*
 * Make a snapshot.  It is durable when this returns 0; on any failure, and
 * whatever kills the process, the store lists what it listed before.
 * RVS_ERR_FAILED: also when something cannot be read, with its name;
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
 * SHA-256, then renamed; no symbolic link below @target is ever followed.  When
 * it is interrupted, what it made goes again, unless overwriting.
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

struct rvs_collect_result {
	uint64_t removed;     /* directories that served no snapshot */
	uint64_t rewritten;   /* directories of which little was used */
	uint64_t freed_bytes; /* or, not yet done, about how many would be */
};

/*
 * Free what no snapshot uses: directories of deleted snapshots that nothing
 * leads to, and of the others, when a fifth of them is dead, the dead part.
 * With @dry_run only tell.  RVS_ERR_CORRUPT, and nothing is freed, while a
 * snapshot cannot be read.  Waits for another writer when @wait.
 */
int rvs_collect(struct rvs_store *store, bool dry_run, bool wait,
		const struct rvs_monitor *monitor,
		struct rvs_collect_result *ret, struct rvs_error *err);

/*
 * Which snapshots stay.  A count keeps the newest snapshot of each of the last
 * so many hours, days, ... that have one; days and the rest are those of UTC,
 * weeks begin on Monday.  A snapshot stays when any rule keeps it.
 */
struct rvs_policy {
	unsigned last; /* the newest so many */
	unsigned hourly;
	unsigned daily;
	unsigned weekly;
	unsigned monthly;
	unsigned yearly;
	int64_t within_s;         /* younger than so many seconds; 0: no rule */
	const char *const *names; /* glob(7) patterns */
	size_t name_count;
};

#define RVS_POLICY_MAX 4096 /* bytes of its text */

/*
 * A policy as text: rules between blanks, "keep-last=8 keep-daily=14
 * keep-within=7d keep-name=release*".  Durations are a number and s, m, h, d, w,
 * M (30 days) or y (365).  RVS_ERR_USAGE says what is wrong, a text without a
 * rule that keeps anything included.  @ret is for rvs_policy_done(), which is
 * for policies made here alone.
 */
int rvs_policy_parse(const char *text, struct rvs_policy *ret,
		     struct rvs_error *err);
void rvs_policy_done(struct rvs_policy *policy);

/* The inverse, malloc'ed; NULL: out of memory. */
char *rvs_policy_format(const struct rvs_policy *policy);

/* What became, or would become, of one snapshot. */
struct rvs_verdict {
	const struct rvs_snapshot *snapshot;
	bool keep;
	const char *reasons; /* "last, daily"; "" when it goes */
};

/*
 * Delete what @policy does not keep; pinned snapshots stay.  Each snapshot,
 * oldest first, is told to @judged (may be NULL) before anything is deleted.
 * With @dry_run nothing is.  RVS_ERR_USAGE for a policy without a rule;
 * RVS_ERR_INTERRUPTED, between two snapshots or while their space is freed: what
 * went by then stays deleted, and the next writer frees its space.  @monitor may
 * be NULL.  *ret_deleted (may be NULL) counts what went, on failure too, or would
 * go.
 */
int rvs_prune(struct rvs_store *store, const struct rvs_policy *policy,
	      bool dry_run, const struct rvs_monitor *monitor,
	      void (*judged)(void *arg, const struct rvs_verdict *verdict),
	      void *arg, uint64_t *ret_deleted, struct rvs_error *err);

enum rvs_change {
	RVS_ADDED,
	RVS_REMOVED,
	RVS_CHANGED,    /* its bytes, target, device or type */
	RVS_ATTRIBUTES, /* owner, permissions, time or attributes alone */
};

struct rvs_difference {
	enum rvs_change change;
	const char *path;
	const struct rvs_entry *before; /* NULL when added */
	const struct rvs_entry *after;  /* NULL when removed */
};

/*
 * Tell @differs each path that differs between two snapshots, in the order of
 * the trees, reading manifests alone.  A directory's own time and size are left
 * out of account.  It ends at a non-zero return, which is returned.
 */
int rvs_diff(struct rvs_store *store, const char *before, const char *after,
	     int (*differs)(void *arg, const struct rvs_difference *difference),
	     void *arg, struct rvs_error *err);

/* What a snapshot costs. */
struct rvs_snapshot_stats {
	char id[RVS_ID_SIZE];
	char name[RVS_NAME_SIZE];
	uint64_t total_bytes;  /* of its files */
	uint64_t added_bytes;  /* its own directory */
	uint64_t unique_bytes; /* that deleting it alone would free, at least */
};

struct rvs_stats {
	uint64_t snapshots;
	uint64_t logical_bytes; /* of all files of all snapshots */
	uint64_t stored_bytes;  /* of all members */
	uint64_t shared_bytes;  /* stored, and used by two snapshots or more */
	uint64_t dead_bytes;    /* stored, and used by none */
	struct rvs_snapshot_stats *items; /* oldest first */
};

int rvs_stats(struct rvs_store *store, struct rvs_stats *ret,
	      struct rvs_error *err);
void rvs_stats_done(struct rvs_stats *stats);

#endif
