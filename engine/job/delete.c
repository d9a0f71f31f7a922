/*
 * Delete: one snapshot.
 */
#include <rvs/snapshot.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "retire.h"

int rvs_snapshot_delete(struct rvs_store *store, const char *reference,
			struct rvs_error *err)
{
	RVS_CLEANUP(rvs_snapshot_done) struct rvs_snapshot found = { 0 };
	const char *const ids[] = { found.id };
	size_t retired;
	int r = rvs_snapshot_find(store, reference, &found, err);

	if (r == 0)
		r = rvs_retire(store,
			       &(struct rvs_retire_options){ .ids = ids,
							     .count = 1 },
			       &retired, err);
	if (r == 0 && retired == 0)
		return rvs_error_set(err, RVS_ERR_NOT_FOUND,
				     "snapshot \"%s\" was deleted by somebody "
				     "else",
				     reference);
	return r;
}
