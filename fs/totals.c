#include "totals.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include <rvs/snapshot.h>
#include <rvs/store.h>

#include "cleanup.h"

struct totals {
	struct rvs_store *store;
	pthread_mutex_t lock;
	/* Protected by lock. */
	bool is_known;
	uint64_t generation;
	struct total last; /* of that generation, without the disk */
};

struct totals *totals_new(struct rvs_store *store)
{
	struct totals *totals = calloc(1, sizeof(*totals));

	if (!totals)
		return NULL;
	totals->store = store;
	pthread_mutex_init(&totals->lock, NULL);
	return totals;
}

void totals_free(struct totals *totals)
{
	if (!totals)
		return;
	pthread_mutex_destroy(&totals->lock);
	free(totals);
}

static void add_newest(struct total *total, const struct rvs_snapshot *newest)
{
	total->newest_bytes = newest->total_bytes;
	total->newest_files = newest->files_count;
	total->newest_vectors = newest->vector_count;
	total->has_newest_vectors = newest->has_vector_count;
	total->newest_at = newest->created_at;
}

static struct total add_up(const struct rvs_snapshot_list *list)
{
	struct total total = { .snapshots = list->count };
	const struct rvs_snapshot *snapshot;
	size_t i;

	for (i = 0; i < list->count; i++) {
		snapshot = &list->items[i];
		total.incremental += snapshot->incremental;
		total.pinned += snapshot->pinned;
		total.added_bytes += snapshot->size_bytes;
		total.logical_bytes += snapshot->total_bytes;
	}
	if (list->count) {
		total.oldest_at = list->items[0].created_at;
		add_newest(&total, &list->items[list->count - 1]);
	}
	return total;
}

static struct total kept(struct totals *totals)
{
	LOCKED(&totals->lock);

	return totals->last;
}

static bool is_of(struct totals *totals, uint64_t generation)
{
	LOCKED(&totals->lock);

	return totals->is_known && totals->generation == generation;
}

static struct total keep(struct totals *totals, uint64_t generation,
			 const struct total *total)
{
	LOCKED(&totals->lock);

	totals->is_known = true;
	totals->generation = generation;
	totals->last = *total;
	return *total;
}

/* The generation is read before the list: a change between the two is seen the
 * next time. */
static struct total count(struct totals *totals)
{
	CLEANUP(rvs_snapshot_list_done)
	struct rvs_snapshot_list list = { NULL, 0 };
	struct rvs_error err = RVS_ERROR_INIT;
	struct total total;
	uint64_t generation;

	if (rvs_store_generation(totals->store, &generation, &err) < 0 ||
	    is_of(totals, generation) ||
	    rvs_snapshot_list(totals->store, &list, NULL, NULL, &err) < 0)
		return kept(totals);
	total = add_up(&list);
	return keep(totals, generation, &total);
}

struct total totals_now(struct totals *totals)
{
	struct total total = count(totals);
	struct statvfs disk;

	if (statvfs(rvs_store_path(totals->store), &disk) == 0) {
		total.disk_bytes = disk.f_blocks * disk.f_frsize;
		total.disk_free_bytes = disk.f_bavail * disk.f_frsize;
	}
	return total;
}
