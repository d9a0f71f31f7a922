/*
 * Describe: a survey becomes a manifest.
 */
#ifndef RVS_DESCRIBE_H
#define RVS_DESCRIBE_H

#include <rvs/snapshot.h>

#include "base/error.h"
#include "survey.h"

struct rvs_press;
struct rvs_prior;

/*
 * Write the manifest of the snapshot @snapshot, sharing the segments that
 * @prior (may be NULL) has.  Sets the record's checksum, files_count and
 * total_bytes.
 */
int rvs_describe(const struct rvs_survey *survey, const struct rvs_prior *prior,
		 struct rvs_press *press, struct rvs_snapshot *snapshot,
		 struct rvs_error *err);

#endif
