/*
 * Collect: free what no snapshot uses.
 */
#include "collect.h"

#include <stdio.h>
#include <string.h>

#include <rvs/job.h>

#include "base/cleanup.h"
#include "repack.h"
#include "signing.h"
#include "store/store.h"
#include "store/volume.h"
#include "store/writer.h"
#include "usage.h"

/* The word that is left: an empty object. */
#define ASKED_NAME ".collect"

struct collecting {
	struct rvs_store *store;
	bool dry_run;
	const struct rvs_monitor *monitor;
	struct rvs_collect_result *result;
	uint64_t done_bytes, total_bytes; /* of members kept, for progress */
	struct rvs_error *err;
};

/* A directory is made anew when a fifth of it is dead: the copying then costs
 * at most four times what it frees. */
static bool pays(uint64_t dead, uint64_t all)
{
	return dead * 5 >= all && dead > 0;
}

static uint64_t stored_bytes(struct collecting *c, const char *id)
{
	RVS_CLEANUP(rvs_volume_cleanup) struct rvs_volume *volume = NULL;
	const struct rvs_members *members;
	uint64_t bytes = 0;
	uint32_t i;

	/* For the figure alone: a damaged directory goes all the same. */
	if (rvs_volume_get(c->store->volumes, id, &volume, NULL, NULL) < 0)
		return 0;
	members = rvs_volume_members(volume);
	for (i = 0; i < members->count; i++)
		bytes += members->items[i].stored_len;
	return bytes;
}

/* Tell of progress; the place to stop. */
static int advance(void *arg, uint64_t bytes)
{
	struct collecting *c = arg;
	const struct rvs_monitor *m = c->monitor;

	c->done_bytes += bytes;
	if (m && m->progress)
		m->progress(m->arg, c->done_bytes, c->total_bytes);
	if (m && m->cancelled && m->cancelled(m->arg))
		return rvs_error_set(c->err, RVS_ERR_INTERRUPTED,
				     "interrupted");
	return 0;
}

static int remove_directory(struct collecting *c, const char *id)
{
	struct rvs_backend *backend = c->store->backend;
	char folder[RVS_KEY_SIZE];

	c->result->removed++;
	c->result->freed_bytes += stored_bytes(c, id);
	if (c->dry_run)
		return 0;
	(void)snprintf(folder, sizeof(folder), RVS_SNAPSHOT_PREFIX "%s", id);
	return backend->ops->remove_folder(backend, folder, c->err);
}

static int collect_one(struct collecting *c, const struct rvs_usage *usage)
{
	uint64_t dead, all;

	if (usage->unknown)
		return 0;
	if (!usage->volume)
		return remove_directory(c, usage->id);
	rvs_repack_estimate(usage, &dead, &all);
	if (!pays(dead, all))
		return 0;
	c->result->rewritten++;
	c->result->freed_bytes += dead;
	return c->dry_run ? 0 : rvs_repack_run(c->store, usage, advance, c,
					       c->err);
}

/* How much repacking there is, so that it can be said how much is left. */
static uint64_t count_work(const struct rvs_usages *usages)
{
	uint64_t bytes = 0, dead, all;
	size_t i;

	for (i = 0; i < usages->count; i++) {
		const struct rvs_usage *usage = &usages->items[i];

		if (usage->unknown || !usage->volume)
			continue;
		rvs_repack_estimate(usage, &dead, &all);
		if (pays(dead, all))
			bytes += rvs_repack_kept(usage);
	}
	return bytes;
}

/* Call with the writer's lock held. */
static int collect(struct collecting *c)
{
	RVS_CLEANUP(rvs_usages_done) struct rvs_usages usages = { NULL, 0 };
	struct rvs_backend *backend = c->store->backend;
	bool any = false; /* data is left */
	size_t i;
	int r = rvs_usages_find(c->store, &usages, c->err);

	if (r < 0)
		return rvs_error_context(c->err,
					 "nothing is collected while a "
					 "snapshot cannot be read");
	c->total_bytes = c->dry_run ? 0 : count_work(&usages);
	for (i = 0; i < usages.count && r == 0; i++) {
		any |= usages.items[i].unknown || usages.items[i].volume;
		r = advance(c, 0);
		if (r == 0)
			r = collect_one(c, &usages.items[i]);
	}
	if (r == 0 && !any && !c->dry_run)
		r = rvs_signatures_remove(c->store, c->err);
	if (r == 0 && !c->dry_run)
		r = backend->ops->remove(backend, ASKED_NAME, c->err);
	return r;
}

int rvs_collect(struct rvs_store *store, bool dry_run, bool wait,
		const struct rvs_monitor *monitor,
		struct rvs_collect_result *ret, struct rvs_error *err)
{
	struct rvs_collect_result result = { 0 };
	struct rvs_error own = RVS_ERROR_INIT;
	struct collecting c = { .store = store,
				.dry_run = dry_run,
				.monitor = monitor,
				.result = &result,
				.err = err ? err : &own };
	struct rvs_backend *backend = store->backend;
	struct rvs_lock *lock;
	int r = backend->ops->lock(backend, RVS_WRITER_LOCK, wait,
				   monitor ? monitor->cancelled : NULL,
				   monitor ? monitor->arg : NULL, &lock, c.err);

	if (r < 0)
		return r;
	if (!dry_run)
		r = rvs_writer_sweep(store, c.err);
	if (r == 0)
		r = collect(&c);
	backend->ops->unlock(lock);
	if (ret)
		*ret = result;
	return r;
}

int rvs_collect_soon(struct rvs_store *store, const struct rvs_monitor *monitor,
		     struct rvs_error *err)
{
	struct rvs_backend *backend = store->backend;
	/* Word first: whoever holds the lock may be about to end.  A full disk
	 * may have no room for it, and is no reason not to collect. */
	int asked = rvs_backend_write_object(backend, ASKED_NAME, "", 0, err);
	int r;

	if (asked < 0 && asked != RVS_ERR_NO_SPACE)
		return asked;
	/* It looks at the whole store before it looks whether to stop. */
	if (monitor && monitor->cancelled && monitor->cancelled(monitor->arg))
		return rvs_error_set(err, RVS_ERR_INTERRUPTED, "interrupted");
	r = rvs_collect(store, false, false, monitor, NULL, err);
	return r == RVS_ERR_BUSY ? asked : r;
}

int rvs_collect_if_asked(struct rvs_store *store, struct rvs_error *err)
{
	struct rvs_collect_result result = { 0 };
	struct rvs_error own = RVS_ERROR_INIT;
	struct collecting c = { .store = store,
				.result = &result,
				.err = err ? err : &own };
	struct rvs_backend *backend = store->backend;
	int r = backend->ops->probe(backend, ASKED_NAME, err);

	return r != 0 ? (r < 0 ? r : 0) : collect(&c);
}
