#include "collect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rvs/snapshot.h>

#include "base/cleanup.h"
#include "format/name.h"
#include "store/store.h"
#include "store/tree.h"

struct ids {
	char (*items)[RVS_ID_SIZE];
	size_t count;
};

static void ids_done(struct ids *ids)
{
	free(ids->items);
}

static bool has_id(const struct ids *ids, const char *id)
{
	size_t i;

	for (i = 0; i < ids->count; i++)
		if (!strcmp(ids->items[i], id))
			return true;
	return false;
}

static int add_id(struct ids *ids, const char *id, struct rvs_error *err)
{
	char(*items)[RVS_ID_SIZE];

	if (has_id(ids, id))
		return 0;
	items = reallocarray(ids->items, ids->count + 1, sizeof(*items));
	if (!items)
		return rvs_error_no_memory(err);
	ids->items = items;
	(void)snprintf(items[ids->count++], RVS_ID_SIZE, "%s", id);
	return 0;
}

/* The snapshots whose data @id uses, itself included. */
static int add_used(struct rvs_store *store, const char *id, struct ids *used,
		    struct rvs_error *err)
{
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *tree = NULL;
	const struct rvs_segment *segments;
	size_t count, i;
	int r = add_id(used, id, err);

	if (r == 0)
		r = rvs_tree_load(store, id, &tree, NULL, err);
	if (r < 0)
		return r;
	for (i = 0; i < rvs_tree_volume_count(tree) && r == 0; i++)
		r = add_id(used, rvs_tree_volume(tree, (uint32_t)i), err);
	segments = rvs_tree_segments(tree, &count);
	for (i = 0; i < count && r == 0; i++)
		r = add_id(used, segments[i].id, err);
	return r;
}

struct listing {
	struct ids all;
	struct rvs_error *err;
};

static int list_directory(void *arg, const char *name)
{
	const char *id = name + strlen(RVS_SNAPSHOT_PREFIX);
	struct listing *listing = arg;

	if (strncmp(name, RVS_SNAPSHOT_PREFIX, strlen(RVS_SNAPSHOT_PREFIX)) ||
	    !rvs_id_is_valid(id))
		return 0;
	return add_id(&listing->all, id, listing->err);
}

/* A snapshot that cannot be read may use anything: then nothing is freed. */
static void refuse(void *arg, const char *directory, const char *reason)
{
	(void)rvs_error_set(arg, RVS_ERR_CORRUPT,
			    "%s: %s; nothing is collected while a snapshot "
			    "cannot be read", directory, reason);
}

static int remove_unused(struct rvs_store *store, const struct ids *used,
			 struct rvs_error *err)
{
	const struct rvs_backend_ops *ops = store->backend->ops;
	struct listing listing = { .err = err };
	char folder[RVS_KEY_SIZE];
	size_t i;
	int r = ops->list(store->backend, "", list_directory, &listing, err);

	for (i = 0; i < listing.all.count && r == 0; i++) {
		if (has_id(used, listing.all.items[i]))
			continue;
		(void)snprintf(folder, sizeof(folder), RVS_SNAPSHOT_PREFIX "%s",
			       listing.all.items[i]);
		r = ops->remove_folder(store->backend, folder, err);
	}
	ids_done(&listing.all);
	return r;
}

int rvs_collect_run(struct rvs_store *store, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_snapshot_list_done)
	struct rvs_snapshot_list list = { NULL, 0 };
	RVS_CLEANUP(ids_done) struct ids used = { NULL, 0 };
	struct rvs_error damage = RVS_ERROR_INIT;
	size_t i;
	int r = rvs_snapshot_list(store, &list, refuse, &damage, err);

	if (r == 0 && damage.status < 0) {
		if (err)
			*err = damage;
		return damage.status;
	}
	for (i = 0; i < list.count && r == 0; i++)
		r = add_used(store, list.items[i].id, &used, err);
	return r < 0 ? r : remove_unused(store, &used, err);
}
