/*
 * Survey: a source's entries and what became of their bytes, at one moment.
 *
 * A survey scans the source, takes in what is new or changed, and looks again.
 * When the second look finds every entry as the first did, the bytes read in
 * between are those of one moment: the survey is settled.  Otherwise what moved
 * is taken in again, for a bounded time.  Where the filesystem can clone files,
 * what lies between the looks is the cloning alone, see hold.h.
 */
#ifndef RVS_SURVEY_H
#define RVS_SURVEY_H

#include <stdbool.h>
#include <stdint.h>

#include <rvs/job.h>

#include "base/error.h"
#include "ingest.h"
#include "source/scan.h"

struct rvs_pool;
struct rvs_press;
struct rvs_prior;
struct rvs_writer;

/* One item of the scan, and its bytes. */
struct rvs_surveyed {
	uint32_t old; /* the prior's entry at this path, or RVS_NO_ENTRY */
	bool unchanged; /* since the prior: its extents and attributes serve */
	bool kept;      /* by the look after this one */
	bool moved;     /* since the look before this one */
	bool described; /* its attributes were read */
	bool taken;     /* in: nothing is left to read of it */
	bool cloned;    /* what was taken in was a clone */
	bool pinned;    /* the clone is of the moment, whatever the next look
			   finds; see hold.h */
	bool apart;     /* but of an instant of its own: a redb database */
	int clone;      /* open, to be taken in; -1: none */
	struct rvs_content content; /* of a regular file that was taken in */
	struct rvs_xattr *xattrs;   /* unless unchanged; one block of memory */
	uint32_t xattr_count;
};

/* How a survey is known to be one moment. */
enum rvs_proof {
	RVS_PROOF_NONE,    /* it is not: best effort */
	RVS_PROOF_SETTLED, /* nothing moved while it was read */
	RVS_PROOF_REFLINK, /* nothing moved while it was cloned */
	RVS_PROOF_REDB,    /* the same, but for databases, one commit each */
};

struct rvs_survey {
	struct rvs_scan scan;
	struct rvs_surveyed *entries; /* one an item */
	struct timespec moment; /* when the first scan began */
	enum rvs_proof proof;
};

struct rvs_survey_options {
	struct rvs_store *store;
	struct rvs_source *source;
	struct rvs_pool *pool;
	struct rvs_writer *writer;
	struct rvs_press *press;
	struct rvs_prior *prior; /* NULL: a full snapshot */
	struct timespec prior_scan; /* when the prior's scan began */
	uint32_t volume;  /* what the new snapshot's extents say */
	bool rehash;      /* read what looks unchanged, too */
	bool best_effort; /* one look is enough */
	bool skip_unreadable; /* go on without what cannot be read */
	bool cross_filesystems;
	unsigned settle_ms; /* for what moves, after the first pass */
	const struct rvs_monitor *monitor;
};

/*
 * RVS_ERR_BUSY when the source does not settle, with the names of what kept
 * changing; RVS_ERR_FAILED with the names of what cannot be read.  On success
 * everything is stored, and the press is drained.
 */
int rvs_survey_run(const struct rvs_survey_options *options,
		   struct rvs_survey *ret, struct rvs_error *err);
void rvs_survey_done(struct rvs_survey *survey);

#endif
