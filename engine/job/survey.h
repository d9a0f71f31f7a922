/*
 * Survey: a source's entries and what became of their bytes, at one moment.
 *
 * A survey scans the source, takes in what is new or changed, and looks again.
 * When the second look finds every entry as the first did, the bytes read in
 * between are those of one moment: the survey is settled.  Otherwise what moved
 * is taken in again, for a bounded time.
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
	struct rvs_content content; /* of a regular file that was taken in */
	struct rvs_xattr *xattrs;   /* unless unchanged; one block of memory */
	uint32_t xattr_count;
};

struct rvs_survey {
	struct rvs_scan scan;
	struct rvs_surveyed *entries; /* one an item */
	struct timespec moment; /* when the first scan began */
	bool settled;
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
	const struct rvs_monitor *monitor;
};

/*
 * RVS_ERR_BUSY when the source does not settle, with the names of what kept
 * changing.  On success everything is stored, and the press is drained.
 */
int rvs_survey_run(const struct rvs_survey_options *options, struct rvs_survey *ret,
		   struct rvs_error *err);
void rvs_survey_done(struct rvs_survey *survey);

#endif
