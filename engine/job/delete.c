/*
 * Delete: a snapshot is gone the moment its metadata.json is.
 */
#include <rvs/snapshot.h>

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "collect.h"
#include "retire.h"
#include "store/records.h"
#include "store/snapshot.h"
#include "store/store.h"

static int remove_record(struct rvs_store *store,
			 struct rvs_snapshot_list *list, size_t place,
			 struct rvs_error *err)
{
	char key[RVS_KEY_SIZE];
	int r;

	(void)snprintf(key, sizeof(key),
		       RVS_SNAPSHOT_PREFIX "%s/" RVS_METADATA_NAME,
		       list->items[place].id);
	r = store->backend->ops->remove(store->backend, key, err);
	if (r < 0)
		return r;
	rvs_snapshot_done(&list->items[place]);
	list->items[place] = list->items[--list->count];
	/* Its label goes too, which also tells mounts that the list changed. */
	return rvs_records_save(store->records, list, err);
}

int rvs_retire(struct rvs_store *store, const char *reference,
	       struct rvs_error *err)
{
	RVS_CLEANUP(rvs_snapshot_list_done)
	struct rvs_snapshot_list list = { NULL, 0 };
	struct rvs_lock *lock;
	ssize_t place;
	int r = rvs_store_lock_list(store, &lock, err);

	if (r < 0)
		return r;
	r = rvs_snapshot_list(store, &list, NULL, NULL, err);
	if (r == 0) {
		place = rvs_snapshot_find_in(&list, reference, err);
		r = place < 0 ? (int)place :
				remove_record(store, &list, (size_t)place, err);
	}
	rvs_store_unlock(store, lock);
	return r;
}

int rvs_snapshot_delete(struct rvs_store *store, const char *reference,
			struct rvs_error *err)
{
	int r = rvs_retire(store, reference, err);

	/* A full disk keeps labels.json as it was: freeing comes before that. */
	if (r == RVS_ERR_NO_SPACE)
		(void)rvs_collect_soon(store, NULL);
	if (r < 0)
		return r;
	r = rvs_collect_soon(store, err);
	return r < 0 ? rvs_error_context(err,
					 "the snapshot is deleted, its space "
					 "not freed yet") :
		       0;
}
