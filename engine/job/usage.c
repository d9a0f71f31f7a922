#include "usage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "format/manifest.h"
#include "store/known.h"
#include "store/store.h"
#include "store/tree.h"
#include "store/volume.h"

/* The search for what is used. */
struct search {
	struct rvs_store *store;
	struct rvs_usages *usages;
	const struct rvs_snapshot_list *list;
	struct rvs_known read;      /* segments, by their digest */
	struct rvs_digest *digests; /* the whole of these */
	uint32_t digest_count;
	struct rvs_error *err;
};

static void usage_done(struct rvs_usage *usage)
{
	rvs_volume_put(usage->volume);
	free(usage->starts);
	free(usage->bits);
}

void rvs_usages_done(struct rvs_usages *usages)
{
	while (usages->count > 0)
		usage_done(&usages->items[--usages->count]);
	free(usages->items);
	usages->items = NULL;
}

/* ---- the deleted snapshots ---- */

static bool is_listed(const struct search *search, const char *id)
{
	size_t i;

	for (i = 0; i < search->list->count; i++)
		if (!strcmp(search->list->items[i].id, id))
			return true;
	return false;
}

static int add_deleted(void *arg, const char *name)
{
	const char *id = rvs_store_id_of(name);
	struct search *search = arg;
	struct rvs_usages *usages = search->usages;
	struct rvs_usage *items;

	if (!id || is_listed(search, id))
		return 0;
	items = reallocarray(usages->items, usages->count + 1, sizeof(*items));
	if (!items)
		return rvs_error_no_memory(search->err);
	usages->items = items;
	memset(&items[usages->count], 0, sizeof(*items));
	(void)snprintf(items[usages->count].id, RVS_ID_SIZE, "%s", id);
	usages->count++;
	return 0;
}

/* ---- marking ---- */

static int open_usage(struct search *search, struct rvs_usage *usage)
{
	const struct rvs_members *members;
	uint64_t units = 0;
	uint32_t i;
	int r;

	if (usage->volume || usage->unknown)
		return 0;
	r = rvs_volume_get(search->store->volumes, usage->id, &usage->volume,
			   NULL, search->err);
	if (r == RVS_ERR_CORRUPT || r == RVS_ERR_MISSING)
		usage->unknown = true;
	if (r < 0)
		return usage->unknown ? 0 : r;
	members = rvs_volume_members(usage->volume);
	usage->starts = calloc((size_t)members->count + 1,
			       sizeof(*usage->starts));
	for (i = 0; usage->starts && i < members->count; i++) {
		usage->starts[i] = units;
		units += (members->items[i].plain_len + RVS_USAGE_UNIT - 1) /
			 RVS_USAGE_UNIT;
	}
	usage->bits = calloc(units / 8 + 1, 1);
	if (!usage->starts || !usage->bits)
		return rvs_error_no_memory(search->err);
	usage->starts[i] = units;
	return 0;
}

/* The deleted snapshot @id, or NULL. */
static struct rvs_usage *find_usage(const struct search *search, const char *id,
				    uint32_t *ret)
{
	size_t i;

	for (i = 0; i < search->usages->count; i++)
		if (!strcmp(search->usages->items[i].id, id)) {
			*ret = (uint32_t)i;
			return &search->usages->items[i];
		}
	*ret = RVS_HOLE;
	return NULL;
}

static void mark(struct rvs_usage *usage, uint32_t number, uint64_t from,
		 uint64_t to)
{
	uint64_t unit, last;

	/* A forged extent reaches beyond its member: the reader refuses it. */
	if (usage->unknown ||
	    number >= rvs_volume_members(usage->volume)->count || from >= to)
		return;
	unit = usage->starts[number] + from / RVS_USAGE_UNIT;
	last = usage->starts[number] + (to - 1) / RVS_USAGE_UNIT;
	for (; unit <= last && unit < usage->starts[number + 1]; unit++)
		usage->bits[unit / 8] |= (uint8_t)(1u << unit % 8);
}

/* Snapshots are told apart by their place among the deleted ones; all listed
 * ones are alike. */
static int on_volume(void *arg, const char *id, uint32_t *ret,
		     struct rvs_error *err)
{
	struct search *search = arg;
	struct rvs_usage *usage = find_usage(search, id, ret);

	(void)err; /* the search has one of its own */
	return usage ? open_usage(search, usage) : 0;
}

static int on_extents(void *arg, const struct rvs_extent *items, size_t count,
		      uint64_t end, struct rvs_error *err)
{
	struct search *search = arg;
	size_t i;

	(void)err;
	for (i = 0; i < count; i++) {
		uint64_t len = rvs_extent_end(items, count, i, end) -
			       items[i].at;

		if (items[i].volume != RVS_HOLE)
			mark(&search->usages->items[items[i].volume],
			     items[i].member, items[i].offset,
			     items[i].offset + len);
	}
	return 0;
}

static int on_node(void *arg, const struct rvs_node *node,
		   struct rvs_error *err)
{
	return on_extents(arg, node->extents, node->extent_count,
			  node->extent_end, err);
}

static int on_end(void *arg, struct rvs_error *err)
{
	(void)arg;
	(void)err;
	return 0;
}

/* Whether a segment of these bytes was read before; it leads to the same. */
static bool was_read(const struct search *search,
		     const struct rvs_digest *digest)
{
	uint32_t place, unused;

	return rvs_known_find(&search->read, digest, &place, &unused) &&
	       !memcmp(search->digests[place].bytes, digest->bytes,
		       RVS_DIGEST_LEN);
}

static int remember(struct search *search, const struct rvs_digest *digest)
{
	uint32_t n = search->digest_count;

	/* Powers of two are when it is full. */
	if ((n & (n - 1)) == 0) {
		struct rvs_digest *digests = reallocarray(
			search->digests, n ? 2 * (size_t)n : 1,
			sizeof(*digests));

		if (!digests)
			return rvs_error_no_memory(search->err);
		search->digests = digests;
	}
	search->digests[search->digest_count++] = *digest;
	return rvs_known_add(&search->read, digest, n, 0, search->err);
}

static int read_segment(struct search *search,
			const struct rvs_segment *segment,
			struct rvs_buf *scratch, struct rvs_buf *plain)
{
	const struct rvs_manifest_input input = { .arg = search,
						  .node = on_node,
						  .extents = on_extents,
						  .end = on_end,
						  .volume = on_volume };
	int r = rvs_volume_load(search->store->volumes, segment->id,
				segment->member, false, scratch, plain, NULL,
				search->err);

	return r < 0 ? r : rvs_manifest_read_alone(&input, plain->bytes,
						   plain->len, search->err);
}

static int use_segment(struct search *search, const struct rvs_segment *segment,
		       struct rvs_buf *scratch, struct rvs_buf *plain)
{
	RVS_CLEANUP(rvs_volume_cleanup) struct rvs_volume *volume = NULL;
	const struct rvs_members *members;
	const struct rvs_member *m;
	uint32_t place;
	struct rvs_usage *usage;
	int r = rvs_volume_get(search->store->volumes, segment->id, &volume,
			       NULL, search->err);

	if (r < 0)
		return r;
	members = rvs_volume_members(volume);
	if (segment->member >= members->count)
		return rvs_error_set(search->err, RVS_ERR_MISSING,
				     "snapshot %s has no member %u",
				     segment->id, segment->member);
	m = &members->items[segment->member];
	usage = find_usage(search, segment->id, &place);
	if (usage) {
		r = open_usage(search, usage);
		if (r < 0)
			return r;
		mark(usage, segment->member, 0, m->plain_len);
	}
	if (was_read(search, &m->digest))
		return 0;
	r = read_segment(search, segment, scratch, plain);
	return r < 0 ? r : remember(search, &m->digest);
}

static int use_snapshot(struct search *search, const char *id)
{
	RVS_CLEANUP(rvs_cleanup_free) struct rvs_segment *segments = NULL;
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf scratch = RVS_BUF_INIT;
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf plain = RVS_BUF_INIT;
	size_t count, i;
	int r = rvs_tree_read_root(search->store, id, &segments, &count, NULL,
				   search->err);

	for (i = 0; r == 0 && i < count; i++)
		r = use_segment(search, &segments[i], &scratch, &plain);
	return r < 0 ? rvs_error_context(search->err, "snapshot %s", id) : 0;
}

static int search_all(struct search *search)
{
	struct rvs_backend *backend = search->store->backend;
	size_t i;
	int r = backend->ops->list(backend, "", add_deleted, search,
				   search->err);

	if (search->usages->count == 0)
		return r;
	for (i = 0; i < search->list->count && r == 0; i++)
		r = use_snapshot(search, search->list->items[i].id);
	return r;
}

/* A snapshot that cannot be read may use anything. */
static void refuse(void *arg, const char *directory, const char *reason)
{
	(void)rvs_error_set(arg, RVS_ERR_CORRUPT, "%s: %s", directory, reason);
}

int rvs_usages_find(struct rvs_store *store, struct rvs_usages *ret,
		    struct rvs_error *err)
{
	RVS_CLEANUP(rvs_snapshot_list_done)
	struct rvs_snapshot_list list = { NULL, 0 };
	struct rvs_error damage = RVS_ERROR_INIT;
	struct search search = { .store = store,
				 .usages = ret,
				 .list = &list,
				 .err = err };
	int r = rvs_snapshot_list(store, &list, refuse, &damage, err);

	*ret = (struct rvs_usages){ NULL, 0 };
	if (r == 0 && damage.status < 0)
		r = rvs_error_set(err, damage.status, "%s", damage.text);
	if (r == 0)
		r = search_all(&search);
	rvs_known_done(&search.read);
	free(search.digests);
	if (r < 0)
		rvs_usages_done(ret);
	return r;
}

uint64_t rvs_usage_of(const struct rvs_usage *usage, uint32_t number,
		      uint64_t *ret_all)
{
	uint64_t unit = usage->starts[number], used = 0;
	uint64_t end = usage->starts[number + 1];

	*ret_all = end - unit;
	for (; unit < end; unit++)
		used += usage->bits[unit / 8] >> unit % 8 & 1;
	return used;
}

bool rvs_usage_unit(const struct rvs_usage *usage, uint32_t number,
		    uint64_t unit)
{
	unit += usage->starts[number];
	return usage->bits[unit / 8] >> unit % 8 & 1;
}
