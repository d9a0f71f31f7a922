/*
 * Store: the directory that holds snapshots.
 *
 * A handle may be shared by threads.  Opening takes no lock: any number of
 * handles, in any number of processes, read one store while one of them writes.
 */
#ifndef RVS_STORE_H
#define RVS_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include <rvs/error.h>

#define RVS_FORMAT_VERSION 1
#define RVS_LEVEL_DEFAULT 1
#define RVS_LEVEL_MAX 9
#define RVS_SETTLE_DEFAULT_S 30
#define RVS_SETTLE_MAX_S 86400
#define RVS_UUID_SIZE 37

struct rvs_store;

/* What store.json says. */
struct rvs_store_config {
	char uuid[RVS_UUID_SIZE];
	const char *source; /* absolute path, or NULL: named at each create */
	int level;          /* 0 stores without compressing, 9 is smallest */
	/* Patterns of gitignore(5): what snapshots leave out.  NULL-terminated,
	 * or NULL. */
	const char *const *excludes;
	/* Commands that run before and after the source is read: argument
	 * lists, NULL-terminated, or NULL.  No shell reads them. */
	const char *const *before_hook;
	const char *const *after_hook;
	unsigned hook_timeout_s; /* 0: 60 s */
	bool cross_filesystems; /* enter those mounted below the source */
	unsigned settle_s; /* for a source that moves, after the first pass;
			      0: RVS_SETTLE_DEFAULT_S */
};

struct rvs_store_options {
	unsigned threads;     /* workers of one operation; 0: one per core */
	uint64_t cache_bytes; /* decompressed members kept; 0: 128 MiB */
	bool crc_only;        /* read without SHA-256, for measuring its cost */
};

/*
 * Make an empty store at @path (mode 0700), which must not exist or be an empty
 * directory.  @config's uuid is left out of account; a relative source is made
 * absolute.  RVS_ERR_EXISTS when a store is there, RVS_ERR_USAGE for a bad
 * level.
 */
int rvs_store_init(const char *path, const struct rvs_store_config *config,
		   struct rvs_error *err);

/*
 * Open the store at @path.  @options may be NULL.  RVS_ERR_NOT_FOUND when there
 * is none, RVS_ERR_REFUSED when its format is newer than this library's.
 */
int rvs_store_open(const char *path, const struct rvs_store_options *options,
		   struct rvs_store **ret, struct rvs_error *err);

/* Every tree of the store must have been released.  Accepts NULL. */
void rvs_store_close(struct rvs_store *store);

/* Valid until the store is closed. */
const struct rvs_store_config *rvs_store_config(const struct rvs_store *store);
const char *rvs_store_path(const struct rvs_store *store); /* absolute */

/*
 * A number that changes when the list of snapshots, a name or a pin does,
 * whoever changes it; costs one stat.  Two calls that return the same number
 * saw the same list.  Returns 0 or a negative status.
 */
int rvs_store_generation(struct rvs_store *store, uint64_t *ret,
			 struct rvs_error *err);

#endif
