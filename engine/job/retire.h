/*
 * Retire: delete snapshots, which are gone the moment their metadata.json is,
 * and free what that frees.
 */
#ifndef RVS_RETIRE_H
#define RVS_RETIRE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct rvs_monitor;
struct rvs_store;

struct rvs_retire_options {
	const char *const *ids; /* whole ones */
	size_t count;
	bool spare_pinned; /* pinned since they were chosen, too */
	const struct rvs_monitor *monitor; /* may be NULL */
};

/*
 * Delete the snapshots, or those of them that are still there.  A full disk is
 * no obstacle: where labels.json cannot be replaced, room is made first.
 * RVS_ERR_INTERRUPTED between two of them, or while their space is freed, which
 * the next writer then does.  *ret_retired counts what is gone by this, on
 * failure too.
 */
int rvs_retire(struct rvs_store *store,
	       const struct rvs_retire_options *options, size_t *ret_retired,
	       struct rvs_error *err);

#endif
