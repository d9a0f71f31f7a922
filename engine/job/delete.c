/*
 * Delete: a snapshot is gone the moment its metadata.json is.
 */
#include <rvs/snapshot.h>

#include <stdio.h>

#include "base/cleanup.h"
#include "collect.h"
#include "store/records.h"
#include "store/snapshot.h"
#include "store/store.h"
#include "store/writer.h"

static int retire(struct rvs_store *store, const char *reference,
		  struct rvs_error *err)
{
	RVS_CLEANUP(rvs_snapshot_list_done)
	struct rvs_snapshot_list list = { NULL, 0 };
	char key[RVS_KEY_SIZE];
	ssize_t place;
	int r = rvs_snapshot_list(store, &list, NULL, NULL, err);

	if (r < 0)
		return r;
	place = rvs_snapshot_find_in(&list, reference, err);
	if (place < 0)
		return (int)place;
	(void)snprintf(key, sizeof(key),
		       RVS_SNAPSHOT_PREFIX "%s/" RVS_METADATA_NAME,
		       list.items[place].id);
	r = store->backend->ops->remove(store->backend, key, err);
	if (r < 0)
		return r;
	/* Its label goes with it, which also tells mounts that the list
	 * changed. */
	rvs_snapshot_done(&list.items[place]);
	list.items[place] = list.items[--list.count];
	return rvs_records_label(store->records, &list, "", NULL, false, err);
}

int rvs_snapshot_delete(struct rvs_store *store, const char *reference,
			struct rvs_error *err)
{
	const struct rvs_backend_ops *ops = store->backend->ops;
	int r = ops->lock(store->backend, true, NULL, NULL, err);

	if (r < 0)
		return r;
	r = rvs_writer_sweep(store, err);
	if (r == 0)
		r = retire(store, reference, err);
	if (r == 0)
		r = rvs_collect_run(store, err);
	ops->unlock(store->backend);
	return r;
}
