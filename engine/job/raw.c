/*
 * Raw: the objects of a snapshot, stored or composed, as a tree of files.
 */
#include <rvs/raw.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rvs/tree.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "compose.h"
#include "format/checksums.h"
#include "store/record.h"
#include "store/store.h"
#include "store/stream.h"

struct object {
	char *name; /* a path, where it has slashes */
	uint64_t size;
};

struct rvs_raw {
	struct rvs_store *store;
	char id[RVS_ID_SIZE];
	struct rvs_composition *composition; /* NULL: of a full snapshot */
	struct rvs_streams *streams;         /* of a full one */
	struct object *objects;
	size_t object_count;
	struct rvs_raw_node *nodes;
	uint32_t node_count;
	uint32_t *children; /* indices, a directory's together, by name */
};

void rvs_raw_release(struct rvs_raw *raw)
{
	uint32_t i;

	if (!raw)
		return;
	for (i = 0; i < raw->node_count; i++)
		free((char *)(uintptr_t)raw->nodes[i].name);
	while (raw->object_count > 0)
		free(raw->objects[--raw->object_count].name);
	free(raw->objects);
	free(raw->nodes);
	free(raw->children);
	rvs_streams_free(raw->streams);
	rvs_composition_free(raw->composition);
	free(raw);
}

static void raw_cleanup(struct rvs_raw **raw)
{
	rvs_raw_release(*raw);
}

/* ---- objects ---- */

static int add_object(struct rvs_raw *raw, const char *name, uint64_t size,
		      struct rvs_error *err)
{
	struct object *objects = reallocarray(raw->objects,
					      raw->object_count + 1,
					      sizeof(*objects));

	if (!objects)
		return rvs_error_no_memory(err);
	raw->objects = objects;
	objects[raw->object_count] = (struct object){ strdup(name), size };
	if (!objects[raw->object_count].name)
		return rvs_error_no_memory(err);
	raw->object_count++;
	return 0;
}

static void object_key(const struct rvs_raw *raw, const char *name,
		       char ret[RVS_KEY_SIZE])
{
	(void)snprintf(ret, RVS_KEY_SIZE, RVS_SNAPSHOT_PREFIX "%s/%s", raw->id,
		       name);
}

/* One of the snapshot's directory, with the size that it has there. */
static int add_stored(struct rvs_raw *raw, const char *name,
		      struct rvs_error *err)
{
	struct rvs_backend *backend = raw->store->backend;
	struct rvs_object *object;
	char key[RVS_KEY_SIZE];
	uint64_t size;
	int r;

	object_key(raw, name, key);
	r = backend->ops->open(backend, key, &object, &size, err);
	if (r == RVS_ERR_NOT_FOUND)
		return rvs_error_set(err, RVS_ERR_MISSING, "%s is missing",
				     key);
	if (r < 0)
		return r;
	backend->ops->close(object);
	return add_object(raw, name, size, err);
}

struct listing {
	struct rvs_raw *raw;
	struct rvs_error *err;
};

static int on_checksum(void *arg, const char *name,
		       const struct rvs_digest *digest)
{
	const struct listing *listing = arg;

	(void)digest;
	return add_stored(listing->raw, name, listing->err);
}

/* The checksum file names every object but itself. */
static int list_stored(struct rvs_raw *raw, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf text = RVS_BUF_INIT;
	struct listing listing = { raw, err };
	char key[RVS_KEY_SIZE];
	int r = rvs_streams_new(raw->store->backend, &raw->streams, err);

	object_key(raw, RVS_CHECKSUM_NAME, key);
	if (r == 0)
		r = rvs_backend_read_object(raw->store->backend, key,
					    RVS_CHECKSUM_MAX, &text, err);
	if (r < 0)
		return r;
	rvs_buf_put_u8(&text, '\0');
	r = rvs_buf_check(&text, err);
	if (r == 0)
		r = rvs_checksums_read((char *)text.bytes, on_checksum,
				       &listing, err);
	return r < 0 ? r : add_stored(raw, RVS_CHECKSUM_NAME, err);
}

static int list_composed(struct rvs_raw *raw, const struct rvs_snapshot *record,
			 struct rvs_error *err)
{
	size_t i;
	int r = rvs_composition_new(raw->store, record, &raw->composition, err);

	for (i = 0; r == 0 && i < rvs_composition_count(raw->composition); i++)
		r = add_object(raw, rvs_composition_name(raw->composition, i),
			       rvs_composition_size(raw->composition, i), err);
	return r;
}

/* ---- nodes ---- */

/* In the order of their directories' names, then their own. */
static int compare_paths(const void *a, const void *b, void *arg)
{
	const struct rvs_raw *raw = arg;
	const char *x = raw->objects[*(const size_t *)a].name;
	const char *y = raw->objects[*(const size_t *)b].name;

	while (*x && *x == *y) {
		x++;
		y++;
	}
	/* A name that ends comes before any that goes on. */
	return (*x == '/' ? 1 : (uint8_t)*x) - (*y == '/' ? 1 : (uint8_t)*y);
}

static int add_node(struct rvs_raw *raw, uint32_t parent, const char *name,
		    size_t len, const struct object *object,
		    struct rvs_error *err)
{
	struct rvs_raw_node *nodes = reallocarray(
		raw->nodes, (size_t)raw->node_count + 1, sizeof(*nodes));

	if (!nodes)
		return rvs_error_no_memory(err);
	raw->nodes = nodes;
	nodes[raw->node_count] = (struct rvs_raw_node){
		.name = strndup(name, len),
		.parent = parent,
		.is_directory = !object,
		.size = object ? object->size : 0,
		.object = object ? (size_t)(object - raw->objects) : 0,
	};
	if (!nodes[raw->node_count].name)
		return rvs_error_no_memory(err);
	if (raw->node_count > 0)
		nodes[parent].child_count++;
	raw->node_count++;
	return 0;
}

/* The directory @name of @parent, if it was the last one made there. */
static bool is_open(const struct rvs_raw *raw, uint32_t index, uint32_t parent,
		    const char *name, size_t len)
{
	const struct rvs_raw_node *node = &raw->nodes[index];

	return node->is_directory && node->parent == parent && index != 0 &&
	       strlen(node->name) == len && !memcmp(node->name, name, len);
}

/* Sorted, what lies in a directory follows it: it is the last node, or one that
 * leads to it. */
static int enter(struct rvs_raw *raw, uint32_t parent, const char *name,
		 size_t len, uint32_t *ret, struct rvs_error *err)
{
	uint32_t at = raw->node_count - 1;

	for (; at != 0; at = raw->nodes[at].parent)
		if (is_open(raw, at, parent, name, len)) {
			*ret = at;
			return 0;
		}
	*ret = raw->node_count;
	return add_node(raw, parent, name, len, NULL, err);
}

static int add_path(struct rvs_raw *raw, const struct object *object,
		    struct rvs_error *err)
{
	const char *at = object->name, *slash;
	uint32_t parent = 0;
	int r = 0;

	while (r == 0 && (slash = strchr(at, '/'))) {
		r = enter(raw, parent, at, (size_t)(slash - at), &parent, err);
		at = slash + 1;
	}
	return r < 0 ? r : add_node(raw, parent, at, strlen(at), object, err);
}

static int gather_children(struct rvs_raw *raw, struct rvs_error *err)
{
	uint32_t i, next = 0;

	raw->children = calloc(raw->node_count, sizeof(*raw->children));
	if (!raw->children)
		return rvs_error_no_memory(err);
	for (i = 0; i < raw->node_count; i++) {
		raw->nodes[i].children = next;
		next += raw->nodes[i].child_count;
		raw->nodes[i].child_count = 0;
	}
	for (i = 1; i < raw->node_count; i++) {
		struct rvs_raw_node *dir = &raw->nodes[raw->nodes[i].parent];

		raw->children[dir->children + dir->child_count++] = i;
	}
	return 0;
}

static int build_nodes(struct rvs_raw *raw, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_cleanup_free)
	size_t *order = calloc(raw->object_count + 1, sizeof(*order));
	size_t i;
	int r;

	if (!order)
		return rvs_error_no_memory(err);
	for (i = 0; i < raw->object_count; i++)
		order[i] = i;
	qsort_r(order, raw->object_count, sizeof(*order), compare_paths, raw);
	r = add_node(raw, 0, "", 0, NULL, err);
	for (i = 0; i < raw->object_count && r == 0; i++)
		r = add_path(raw, &raw->objects[order[i]], err);
	return r < 0 ? r : gather_children(raw, err);
}

/* ---- the whole ---- */

/* The record as its directory has it: that does not change. */
static int read_record(struct rvs_raw *raw, struct rvs_snapshot *ret,
		       struct rvs_error *err)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf text = RVS_BUF_INIT;
	char key[RVS_KEY_SIZE];
	int r;

	object_key(raw, RVS_METADATA_NAME, key);
	r = rvs_backend_read_object(raw->store->backend, key, RVS_RECORD_MAX,
				    &text, err);
	return r < 0 ? r : rvs_record_parse((const char *)text.bytes, text.len,
					    ret, err);
}

static int fill(struct rvs_raw *raw, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_snapshot_done) struct rvs_snapshot record = { 0 };
	int r = read_record(raw, &record, err);

	if (r < 0)
		return r;
	r = record.incremental ? list_composed(raw, &record, err) :
				 list_stored(raw, err);
	return r < 0 ? r : build_nodes(raw, err);
}

int rvs_raw_open(struct rvs_store *store, const char *id, struct rvs_raw **ret,
		 struct rvs_error *err)
{
	RVS_CLEANUP(raw_cleanup) struct rvs_raw *raw = calloc(1, sizeof(*raw));
	struct rvs_error own = RVS_ERROR_INIT;
	int r;

	err = err ? err : &own; /* context goes there */
	if (!raw)
		return rvs_error_no_memory(err);
	raw->store = store;
	(void)snprintf(raw->id, sizeof(raw->id), "%s", id);
	r = fill(raw, err);
	if (r < 0)
		return rvs_error_context(err, "snapshot %s", id);
	*ret = rvs_take(raw);
	return 0;
}

/* ---- looking at one ---- */

uint32_t rvs_raw_count(const struct rvs_raw *raw)
{
	return raw->node_count;
}

size_t rvs_raw_memory(const struct rvs_raw *raw)
{
	size_t bytes = sizeof(*raw) +
		       raw->object_count * sizeof(*raw->objects) +
		       raw->node_count * (sizeof(*raw->nodes) +
					  sizeof(*raw->children));

	return raw->composition ?
		       bytes + rvs_composition_memory(raw->composition) :
		       bytes;
}

const struct rvs_raw_node *rvs_raw_node(const struct rvs_raw *raw,
					uint32_t index)
{
	return &raw->nodes[index];
}

uint32_t rvs_raw_child(const struct rvs_raw *raw, uint32_t dir, uint32_t nth)
{
	return raw->children[raw->nodes[dir].children + nth];
}

uint32_t rvs_raw_lookup(const struct rvs_raw *raw, uint32_t dir,
			const char *name)
{
	uint32_t low = 0, high = raw->nodes[dir].child_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		uint32_t child = rvs_raw_child(raw, dir, middle);
		int order = strcmp(name, raw->nodes[child].name);

		if (order == 0)
			return child;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return RVS_NO_ENTRY;
}

ssize_t rvs_raw_read(struct rvs_raw *raw, uint32_t index, void *bytes,
		     size_t len, uint64_t offset,
		     const struct rvs_monitor *monitor,
		     struct rvs_damage *damage, struct rvs_error *err)
{
	size_t object = raw->nodes[index].object;
	char key[RVS_KEY_SIZE];

	if (damage)
		*damage = (struct rvs_damage){ .member = -1 };
	if (raw->composition)
		return rvs_composition_read(raw->composition, object, bytes,
					    len, offset, monitor, damage, err);
	object_key(raw, raw->objects[object].name, key);
	return rvs_stream_read(raw->streams, 0, (uint32_t)object, key, bytes,
			       len, offset, err);
}
