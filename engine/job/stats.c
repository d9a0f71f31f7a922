/*
 * Stats: what snapshots cost, alone and together.
 *
 * A member counts for every snapshot that leads to any byte of it.
 */
#include <rvs/job.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "store/store.h"
#include "store/tree.h"
#include "store/volume.h"

enum { NOBODY = 0, MANY = -1 }; /* else: a snapshot's place and one */

struct volume_users {
	char id[RVS_ID_SIZE];
	struct rvs_volume *volume;
	int32_t *users; /* one a member */
};

struct counting {
	struct rvs_store *store;
	struct volume_users *volumes;
	size_t volume_count;
	struct rvs_error *err;
};

static void counting_done(struct counting *c)
{
	while (c->volume_count > 0) {
		struct volume_users *v = &c->volumes[--c->volume_count];

		rvs_volume_put(v->volume);
		free(v->users);
	}
	free(c->volumes);
}

/* A directory's index, whether its snapshot is listed or was deleted. */
static int add_volume(void *arg, const char *name)
{
	const char *id = rvs_store_id_of(name);
	struct counting *c = arg;
	struct volume_users *volumes, *v;
	int r;

	if (!id)
		return 0;
	volumes = reallocarray(c->volumes, c->volume_count + 1,
			       sizeof(*volumes));
	if (!volumes)
		return rvs_error_no_memory(c->err);
	c->volumes = volumes;
	v = &volumes[c->volume_count];
	memset(v, 0, sizeof(*v));
	(void)snprintf(v->id, sizeof(v->id), "%s", id);
	r = rvs_volume_get(c->store->volumes, id, &v->volume, NULL, c->err);
	if (r < 0)
		return r;
	c->volume_count++;
	v->users = calloc((size_t)rvs_volume_members(v->volume)->count + 1,
			  sizeof(*v->users));
	return v->users ? 0 : rvs_error_no_memory(c->err);
}

static void use(struct counting *c, const char *id, uint32_t member,
		int32_t user)
{
	size_t i;

	for (i = 0; i < c->volume_count; i++) {
		struct volume_users *v = &c->volumes[i];

		if (strcmp(v->id, id) != 0 ||
		    member >= rvs_volume_members(v->volume)->count)
			continue;
		if (v->users[member] == NOBODY)
			v->users[member] = user;
		else if (v->users[member] != user)
			v->users[member] = MANY;
		return;
	}
}

static void use_files(struct counting *c, const struct rvs_tree *tree,
		      int32_t user)
{
	uint32_t i;
	size_t k, count;

	for (i = 0; i < rvs_tree_count(tree); i++) {
		const struct rvs_entry *e = rvs_tree_entry(tree, i);
		const struct rvs_extent *items =
			rvs_tree_extents(tree, e, &count);

		for (k = 0; e->link == i && k < count; k++)
			if (items[k].volume != RVS_HOLE)
				use(c, rvs_tree_volume(tree, items[k].volume),
				    items[k].member, user);
	}
}

/* The way in: the last member of the snapshot itself. */
static void use_root(struct counting *c, const char *id, int32_t user)
{
	size_t i;

	for (i = 0; i < c->volume_count; i++)
		if (!strcmp(c->volumes[i].id, id))
			use(c, id,
			    rvs_volume_members(c->volumes[i].volume)->count - 1,
			    user);
}

static int use_snapshot(struct counting *c, const char *id, int32_t user)
{
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *tree = NULL;
	const struct rvs_segment *segments;
	size_t count, i;
	int r = rvs_tree_load(c->store, id, &tree, NULL, c->err);

	if (r < 0)
		return r;
	use_root(c, id, user);
	use_files(c, tree, user);
	segments = rvs_tree_segments(tree, &count);
	for (i = 0; i < count; i++)
		use(c, segments[i].id, segments[i].member, user);
	return 0;
}

static void add_up(const struct counting *c, struct rvs_stats *ret)
{
	size_t i;
	uint32_t k;

	for (i = 0; i < c->volume_count; i++) {
		const struct volume_users *v = &c->volumes[i];
		const struct rvs_members *members =
			rvs_volume_members(v->volume);

		for (k = 0; k < members->count; k++) {
			uint64_t bytes = members->items[k].stored_len;

			ret->stored_bytes += bytes;
			if (v->users[k] == NOBODY)
				ret->dead_bytes += bytes;
			else if (v->users[k] == MANY)
				ret->shared_bytes += bytes;
			else
				ret->items[v->users[k] - 1].unique_bytes +=
					bytes;
		}
	}
}

static int count_all(struct counting *c, const struct rvs_snapshot_list *list,
		     struct rvs_stats *ret)
{
	struct rvs_backend *backend = c->store->backend;
	size_t i;
	int r;

	ret->items = calloc(list->count + 1, sizeof(*ret->items));
	if (!ret->items)
		return rvs_error_no_memory(c->err);
	r = backend->ops->list(backend, "", add_volume, c, c->err);
	for (i = 0; i < list->count && r == 0; i++) {
		const struct rvs_snapshot *s = &list->items[i];
		struct rvs_snapshot_stats *item = &ret->items[i];

		memcpy(item->id, s->id, sizeof(item->id));
		memcpy(item->name, s->name, sizeof(item->name));
		item->total_bytes = s->total_bytes;
		item->added_bytes = s->size_bytes;
		ret->logical_bytes += s->total_bytes;
		ret->snapshots++;
		r = use_snapshot(c, s->id, (int32_t)i + 1);
	}
	if (r == 0)
		add_up(c, ret);
	return r;
}

int rvs_stats(struct rvs_store *store, struct rvs_stats *ret,
	      struct rvs_error *err)
{
	RVS_CLEANUP(rvs_snapshot_list_done)
	struct rvs_snapshot_list list = { NULL, 0 };
	struct counting c = { .store = store, .err = err };
	int r = rvs_snapshot_list(store, &list, NULL, NULL, err);

	*ret = (struct rvs_stats){ 0 };
	if (r == 0)
		r = count_all(&c, &list, ret);
	counting_done(&c);
	if (r < 0)
		rvs_stats_done(ret);
	return r;
}

void rvs_stats_done(struct rvs_stats *stats)
{
	free(stats->items);
	*stats = (struct rvs_stats){ 0 };
}
