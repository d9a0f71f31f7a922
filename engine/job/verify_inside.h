/*
 * What a verify consists of, for the modules that prove directories and files.
 *
 * One thread owns it: it hands out jobs, judges what they found in the order in
 * which it handed them out, and reports.  Jobs read; they touch nothing of it
 * but what verify_moved() does.
 */
#ifndef RVS_JOB_VERIFY_INSIDE_H
#define RVS_JOB_VERIFY_INSIDE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rvs/job.h>

#include "base/error.h"
#include "base/pool.h"
#include "store/known.h"
#include "store/snapshot.h"
#include "store/tree.h"

struct verifying {
	struct rvs_store *store;
	const struct rvs_monitor *monitor;
	void (*found)(void *arg, const struct rvs_finding *finding);
	void *arg;
	struct rvs_verify_result *result;
	struct rvs_pool *pool;
	struct rvs_lane *objects; /* being hashed */
	struct rvs_lane *files;   /* being read */
	const struct rvs_snapshot_list *listed;
	struct rvs_known good_files; /* by a digest of digest and extents */
	struct rvs_digest *good;     /* the whole of these digests */
	uint32_t good_count;
	char (*volumes)[RVS_ID_SIZE]; /* that were proved, or are being so */
	size_t volume_count;
	uint64_t done_bytes; /* of the streams and of the files, for progress */
	uint64_t total_bytes;
	_Atomic uint64_t moved_bytes; /* by jobs, and not among those yet */
	atomic_bool stop;
	struct rvs_error *err;
};

enum {
	VERIFY_BLOCK = 1 << 20, /* read at a time */
	VERIFY_IN_FLIGHT = 4,   /* jobs of a lane, for each worker */
};

/* ---- of the owner ---- */

void verify_report(struct verifying *v, const char *snapshot, const char *path,
		   const struct rvs_damage *damage);
void verify_report_text(struct verifying *v, const char *snapshot,
			const char *stream, const char *reason);

/* Damage is a finding; anything else ends the work. */
bool verify_is_damage(int status);

/* So many bytes more are done.  RVS_ERR_INTERRUPTED when the user says so. */
int verify_advance(struct verifying *v, uint64_t bytes);

/* The oldest job of @lane, once it is done; meanwhile the user is told of
 * progress, and listened to. */
struct rvs_job *verify_await(struct verifying *v, struct rvs_lane *lane);

/* Prove the directory of @id, once.  What comes of it is reported by
 * verify_settle() at the latest. */
int verify_volume(struct verifying *v, const char *id);

/* Report all that directories came to: 0, or the first failure of one. */
int verify_settle(struct verifying *v);

/* Forget it instead; before the lanes are freed. */
void verify_drop(struct verifying *v);

/* Prove the files of @tree, behind what was not settled yet. */
int verify_files(struct verifying *v, struct rvs_tree *tree);

/* ---- of jobs ---- */

/* So many bytes were read: 0, or RVS_ERR_INTERRUPTED when it is to end. */
int verify_moved(struct verifying *v, uint64_t bytes, struct rvs_error *err);

#endif
