#include "retire.h"

#include <stdio.h>
#include <string.h>

#include <rvs/job.h>

#include "base/cleanup.h"
#include "collect.h"
#include "store/records.h"
#include "store/snapshot.h"
#include "store/store.h"

/* The place of the snapshot @id, or -1. */
static ssize_t place_of(const struct rvs_snapshot_list *list, const char *id)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		if (!strcmp(list->items[i].id, id))
			return (ssize_t)i;
	return -1;
}

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
	return 0;
}

static bool is_cancelled(const struct rvs_monitor *monitor)
{
	return monitor && monitor->cancelled &&
	       monitor->cancelled(monitor->arg);
}

static int remove_records(struct rvs_store *store,
			  const struct rvs_retire_options *options,
			  size_t *retired, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_snapshot_list_done)
	struct rvs_snapshot_list list = { NULL, 0 };
	int r = rvs_snapshot_list(store, &list, NULL, NULL, err);
	bool cancelled = false;
	ssize_t place;
	size_t i;

	for (i = 0; i < options->count && r == 0; i++) {
		cancelled = is_cancelled(options->monitor);
		if (cancelled)
			break;
		place = place_of(&list, options->ids[i]);
		if (place < 0 || (options->spare_pinned &&
				  list.items[place].pinned))
			continue;
		r = remove_record(store, &list, (size_t)place, err);
		*retired += r == 0;
	}
	/* Their labels go too, which also tells mounts that the list changed. */
	if (r == 0 && *retired > 0)
		r = rvs_records_save(store->records, &list, err);
	if (r == 0 && cancelled)
		r = rvs_error_set(err, RVS_ERR_INTERRUPTED, "interrupted");
	return r;
}

static int remove_listed(struct rvs_store *store,
			 const struct rvs_retire_options *options,
			 size_t *retired, struct rvs_error *err)
{
	struct rvs_lock *lock;
	int r = rvs_store_lock_list(store, &lock, err);

	if (r < 0)
		return r;
	r = remove_records(store, options, retired, err);
	rvs_store_unlock(store, lock);
	return r;
}

int rvs_retire(struct rvs_store *store,
	       const struct rvs_retire_options *options, size_t *ret_retired,
	       struct rvs_error *err)
{
	const struct rvs_monitor *monitor = options->monitor;
	int r;

	*ret_retired = 0;
	r = remove_listed(store, options, ret_retired, err);
	if (r == RVS_ERR_NO_SPACE &&
	    rvs_collect_soon(store, monitor, NULL) == 0)
		r = remove_listed(store, options, ret_retired, err);
	if (*ret_retired == 0)
		return r;
	if (r == RVS_ERR_INTERRUPTED)
		(void)rvs_collect_soon(store, monitor, NULL); /* the word */
	if (r < 0)
		return rvs_error_context(err, "%zu deleted, but",
					 *ret_retired);
	r = rvs_collect_soon(store, monitor, err);
	return r < 0 ? rvs_error_context(err, "%zu deleted, their space not "
					      "freed yet",
					 *ret_retired) :
		       0;
}
