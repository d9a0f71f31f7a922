#include "tree.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ahead.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/pool.h"
#include "format/digest.h"
#include "reader.h"
#include "segments.h"
#include "store.h"
#include "sum.h"
#include "volume.h"
#include "warm.h"

enum {
	CHUNK = 256 << 10,
	FEW_SEGMENTS = 16, /* are loaded sooner than threads start */
	WARMED = 16 << 10, /* entries whose memory is faulted in at once */
};

/* Memory for what never moves: names, targets, attributes. */
struct arena {
	struct arena *next;
	size_t used;
	size_t size;
	uint8_t bytes[];
};

struct rvs_tree {
	struct rvs_store *store;
	char id[RVS_ID_SIZE];
	uint64_t number; /* tells the trees of a store apart: its id's slot */
	struct rvs_entry *entries;
	struct rvs_origin *origins; /* one an entry, or NULL */
	uint32_t count;
	uint32_t capacity;
	uint32_t *children; /* indices, a directory's together, by name */
	struct rvs_extents extents;
	char (*volumes)[RVS_ID_SIZE];
	uint32_t *slots; /* the volumes' numbers in the store */
	uint32_t volume_count;
	struct rvs_segment *segments;
	size_t segment_count;
	struct arena *arena;
	size_t arena_bytes;
	struct rvs_digest checksum;
};

/* ---- parts ---- */

static void *arena_alloc(struct rvs_tree *tree, size_t len, size_t align)
{
	struct arena *a = tree->arena;
	size_t start = a ? (a->used + align - 1) & ~(align - 1) : 0;

	if (!a || start + len > a->size) {
		/* A large tree's are larger, for fewer of them. */
		size_t size = tree->arena_bytes / 4;

		size = size > CHUNK ? size : CHUNK;
		size = size > len ? size : len;
		a = malloc(sizeof(*a) + size);
		if (!a)
			return NULL;
		a->next = tree->arena;
		a->size = size;
		tree->arena = a;
		tree->arena_bytes += sizeof(*a) + size;
		start = 0;
	}
	a->used = start + len;
	return a->bytes + start;
}

static void *arena_copy(struct rvs_tree *tree, const void *bytes, size_t len,
			size_t align)
{
	void *copy = arena_alloc(tree, len, align);

	return copy ? memcpy(copy, bytes, len) : NULL;
}

static const char *arena_text(struct rvs_tree *tree, const char *text)
{
	return arena_copy(tree, text, strlen(text) + 1, 1);
}

void rvs_tree_release(struct rvs_tree *tree)
{
	if (!tree)
		return;
	while (tree->arena) {
		struct arena *a = tree->arena;

		tree->arena = a->next;
		free(a);
	}
	free(tree->entries);
	free(tree->origins);
	free(tree->children);
	rvs_extents_done(&tree->extents);
	free(tree->volumes);
	free(tree->slots);
	free(tree->segments);
	free(tree);
}

void rvs_tree_cleanup(struct rvs_tree **tree)
{
	rvs_tree_release(*tree);
}

/* ---- loading: what the manifest's reader tells ---- */

struct loader {
	struct rvs_tree *tree;
	uint32_t directory; /* the innermost one open */
	bool origins;       /* are kept */
	bool links;         /* there are hard links */
	struct rvs_pool *pool; /* NULL for a small tree */
	struct rvs_warm *warm; /* likewise */
	uint32_t warmed;       /* entries that are */
	struct rvs_sum *sum; /* of the logical tree */
	struct rvs_buf end;  /* what that says at the end of a directory */
};

static void loader_done(struct loader *loader)
{
	rvs_sum_free(loader->sum);
	rvs_warm_free(loader->warm);
	rvs_pool_free(loader->pool);
	rvs_buf_done(&loader->end);
}

static int resize_entries(struct loader *loader, uint32_t capacity,
			  struct rvs_error *err)
{
	struct rvs_tree *tree = loader->tree;
	struct rvs_entry *entries;
	struct rvs_origin *origins;

	if (loader->warm)
		rvs_warm_wait(loader->warm);
	entries = reallocarray(tree->entries, capacity, sizeof(*entries));
	if (!entries)
		return rvs_error_no_memory(err);
	tree->entries = entries;
	tree->capacity = capacity;
	if (!loader->origins)
		return 0;
	origins = reallocarray(tree->origins, capacity, sizeof(*origins));
	if (!origins)
		return rvs_error_no_memory(err);
	tree->origins = origins;
	return 0;
}

static int grow_entries(struct loader *loader, struct rvs_error *err)
{
	uint32_t capacity = loader->tree->capacity;

	if (capacity > UINT32_MAX / 4)
		return rvs_error_set(err, RVS_ERR_REFUSED,
				     "the snapshot has too many entries");
	return resize_entries(loader, capacity ? 2 * capacity : 64, err);
}

/* Half of the time that a large tree took to load was page faults. */
static void warm_entries(struct loader *loader)
{
	struct rvs_tree *tree = loader->tree;
	uint32_t from = loader->warmed, count = tree->capacity - from;

	if (from > tree->count + WARMED || count == 0)
		return;
	count = count < WARMED ? count : WARMED;
	rvs_warm_ask(loader->warm, tree->entries + from,
		     count * sizeof(*tree->entries));
	if (tree->origins)
		rvs_warm_ask(loader->warm, tree->origins + from,
			     count * sizeof(*tree->origins));
	loader->warmed += count;
}

/* What is not used of it is given back. */
static int trim(struct loader *loader, struct rvs_error *err)
{
	struct rvs_extents *extents = &loader->tree->extents;
	size_t capacity = extents->count ? extents->count : 1;
	struct rvs_extent *items = reallocarray(extents->items, capacity,
						sizeof(*items));

	if (!items)
		return rvs_error_no_memory(err);
	extents->items = items;
	extents->capacity = capacity;
	return resize_entries(loader, loader->tree->count, err);
}

static int copy_xattrs(struct rvs_tree *tree, const struct rvs_node *node,
		       struct rvs_entry *entry)
{
	struct rvs_xattr *xattrs;
	uint32_t i;

	if (node->xattr_count == 0)
		return 0;
	xattrs = arena_alloc(tree, node->xattr_count * sizeof(*xattrs),
			     _Alignof(struct rvs_xattr));
	if (!xattrs)
		return -1;
	for (i = 0; i < node->xattr_count; i++) {
		xattrs[i].name = arena_text(tree, node->xattrs[i].name);
		xattrs[i].value = arena_copy(tree, node->xattrs[i].value,
					     node->xattrs[i].value_len, 1);
		xattrs[i].value_len = node->xattrs[i].value_len;
		if (!xattrs[i].name || !xattrs[i].value)
			return -1;
	}
	entry->xattrs = xattrs;
	entry->xattr_count = node->xattr_count;
	return 0;
}

static int add_extents(void *arg, const struct rvs_extent *items, size_t count,
		       uint64_t end, struct rvs_error *err)
{
	struct loader *loader = arg;
	struct rvs_tree *tree = loader->tree;
	size_t i;

	(void)end; /* where the next begins, or the file ends */
	if (tree->extents.count + count >= UINT32_MAX)
		return rvs_error_set(err, RVS_ERR_REFUSED,
				     "the snapshot has too many extents");
	for (i = 0; i < count; i++) {
		int r = rvs_extents_push(&tree->extents, &items[i], err);

		if (r < 0)
			return r;
	}
	tree->entries[tree->count - 1].extent_count += (uint32_t)count;
	return 0;
}

static void fill_entry(const struct rvs_tree *tree, const struct rvs_node *node,
		       struct rvs_entry *entry)
{
	entry->size = node->size;
	entry->mtime = node->mtime;
	entry->digest = node->digest;
	entry->mode = node->mode;
	entry->uid = node->uid;
	entry->gid = node->gid;
	entry->rdev_major = node->rdev_major;
	entry->rdev_minor = node->rdev_minor;
	entry->nlink = S_ISDIR(node->mode) ? 2 : 1;
	/* Links are followed when all names are there. */
	entry->link = node->hard_link ? RVS_NO_ENTRY : tree->count;
	entry->extents = (uint32_t)tree->extents.count;
}

static void enter_directory(struct loader *loader, uint32_t index)
{
	struct rvs_tree *tree = loader->tree;

	if (index != 0)
		tree->entries[loader->directory].nlink++;
	loader->directory = index;
}

/* What of an entry lies elsewhere. */
static int copy_parts(struct rvs_tree *tree, const struct rvs_node *node,
		      struct rvs_entry *entry, struct rvs_error *err)
{
	entry->name = arena_copy(tree, node->name, node->name_len + 1, 1);
	if (entry->name && node->target)
		entry->target = arena_text(tree, node->target);
	if (!entry->name || (node->target && !entry->target) ||
	    copy_xattrs(tree, node, entry) < 0)
		return rvs_error_no_memory(err);
	return 0;
}

static int add_node(void *arg, const struct rvs_node *node,
		    struct rvs_error *err)
{
	struct loader *loader = arg;
	struct rvs_tree *tree = loader->tree;
	struct rvs_entry *entry;
	int r = 0;

	rvs_sum_add(loader->sum, node->logical, node->logical_len);
	if (tree->count == tree->capacity)
		r = grow_entries(loader, err);
	if (r < 0)
		return r;
	if (loader->warm)
		warm_entries(loader);
	entry = &tree->entries[tree->count];
	*entry = (struct rvs_entry){ .parent = loader->directory };
	fill_entry(tree, node, entry);
	r = copy_parts(tree, node, entry, err);
	if (r < 0)
		return r;
	if (tree->count > 0)
		tree->entries[loader->directory].child_count++;
	if (loader->origins)
		tree->origins[tree->count] = (struct rvs_origin){
			node->ino, node->ctime, node->vectors
		};
	tree->count++;
	loader->links |= node->hard_link;
	if (!node->hard_link && S_ISDIR(node->mode))
		enter_directory(loader, tree->count - 1);
	return add_extents(loader, node->extents, node->extent_count,
			   node->extent_end, err);
}

static int end_directory(void *arg, struct rvs_error *err)
{
	struct loader *loader = arg;

	(void)err; /* nothing can fail */
	rvs_sum_add(loader->sum, loader->end.bytes, loader->end.len);
	loader->directory = loader->tree->entries[loader->directory].parent;
	return 0;
}

static int add_volume(void *arg, const char *id, uint32_t *ret,
		      struct rvs_error *err)
{
	struct loader *loader = arg;
	struct rvs_tree *tree = loader->tree;
	char(*volumes)[RVS_ID_SIZE];
	uint32_t *slots, i;
	int r;

	for (i = tree->volume_count; i > 0; i--)
		if (!strcmp(tree->volumes[i - 1], id)) {
			*ret = i - 1;
			return 0;
		}
	volumes = reallocarray(tree->volumes, (size_t)tree->volume_count + 1,
			       sizeof(*volumes));
	if (!volumes)
		return rvs_error_no_memory(err);
	tree->volumes = volumes;
	slots = reallocarray(tree->slots, (size_t)tree->volume_count + 1,
			     sizeof(*slots));
	if (!slots)
		return rvs_error_no_memory(err);
	tree->slots = slots;
	r = rvs_volumes_slot(tree->store->volumes, id,
			     &slots[tree->volume_count], err);
	if (r < 0)
		return r;
	(void)snprintf(volumes[tree->volume_count], RVS_ID_SIZE, "%s", id);
	*ret = tree->volume_count++;
	return 0;
}

/* Gather each directory's children: entries are depth first, so a pass over
 * them meets the children of any one directory in the order of their names. */
static int index_children(struct rvs_tree *tree, struct rvs_error *err)
{
	uint32_t i, next = 0;

	tree->children = calloc(tree->count, sizeof(*tree->children));
	if (!tree->children)
		return rvs_error_no_memory(err);
	for (i = 0; i < tree->count; i++) {
		tree->entries[i].children = next;
		next += tree->entries[i].child_count;
		tree->entries[i].child_count = 0;
	}
	for (i = 1; i < tree->count; i++) {
		struct rvs_entry *dir = &tree->entries[tree->entries[i].parent];

		tree->children[dir->children + dir->child_count++] = i;
	}
	return 0;
}

/* A hard link gets all that the first one has, but name and parent. */
static int resolve_link(struct rvs_tree *tree, uint32_t index,
			struct rvs_error *err)
{
	struct rvs_entry *entry = &tree->entries[index];
	uint32_t first = rvs_tree_find(tree, entry->target);
	const char *name = entry->name;
	uint32_t parent = entry->parent;

	if (first >= index || S_ISDIR(tree->entries[first].mode) ||
	    tree->entries[first].link != first)
		return rvs_error_set(err, RVS_ERR_CORRUPT,
				     "manifest: a hard link leads nowhere");
	tree->entries[first].nlink++;
	*entry = tree->entries[first];
	entry->name = name;
	entry->parent = parent;
	return 0;
}

static int resolve_links(struct rvs_tree *tree, struct rvs_error *err)
{
	uint32_t i;
	int r = 0;

	for (i = 0; i < tree->count && r == 0; i++)
		if (tree->entries[i].link == RVS_NO_ENTRY)
			r = resolve_link(tree, i, err);
	/* Later links have joined since an entry was copied. */
	for (i = 0; i < tree->count && r == 0; i++)
		tree->entries[i].nlink =
			tree->entries[tree->entries[i].link].nlink;
	return r;
}

/* ---- loading: the members ---- */

int rvs_tree_read_root(struct rvs_store *store, const char *id,
		       struct rvs_segment **ret, size_t *ret_count,
		       struct rvs_damage *damage, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf scratch = RVS_BUF_INIT;
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf plain = RVS_BUF_INIT;
	RVS_CLEANUP(rvs_volume_cleanup) struct rvs_volume *own = NULL;
	uint32_t root;
	int r = rvs_volume_get(store->volumes, id, &own, damage, err);

	if (r < 0)
		return r;
	root = rvs_volume_members(own)->count;
	if (root == 0)
		return rvs_error_set(err, RVS_ERR_CORRUPT,
				     "snapshot %s: its index is empty", id);
	r = rvs_volume_load(store->volumes, id, root - 1, false, &scratch,
			    &plain, damage, err);
	if (r < 0)
		return r;
	return rvs_manifest_root_decode(plain.bytes, plain.len, ret, ret_count,
					err);
}

/* Threads for a manifest of many segments. */
static int start(struct loader *loader, struct rvs_error *err)
{
	const struct rvs_tree *tree = loader->tree;
	int r = 0;

	rvs_node_put_end(&loader->end);
	r = rvs_buf_check(&loader->end, err);
	if (r == 0 && tree->segment_count > FEW_SEGMENTS)
		r = rvs_pool_new(tree->store->options.threads, &loader->pool,
				 err);
	if (r == 0)
		r = rvs_sum_new(loader->pool, &loader->sum, err);
	if (r == 0 && loader->pool)
		r = rvs_warm_new(loader->pool, &loader->warm, err);
	return r;
}

static int read_segments(struct rvs_manifest_reader *reader,
			 struct rvs_segments *segments,
			 struct rvs_damage *damage, struct rvs_error *err)
{
	const struct rvs_buf *plain;
	int r;

	while ((r = rvs_segments_next(segments, &plain, damage, err)) == 0) {
		r = rvs_manifest_read(reader, plain->bytes, plain->len, err);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : rvs_manifest_read_end(reader, err);
}

static int read_nodes(struct loader *loader, struct rvs_damage *damage,
		      struct rvs_error *err)
{
	const struct rvs_manifest_input input = { .arg = loader,
						  .node = add_node,
						  .extents = add_extents,
						  .end = end_directory,
						  .volume = add_volume };
	RVS_CLEANUP(rvs_manifest_reader_cleanup)
	struct rvs_manifest_reader *reader = NULL;
	RVS_CLEANUP(rvs_segments_cleanup) struct rvs_segments *segments = NULL;
	struct rvs_tree *tree = loader->tree;
	int r = rvs_manifest_reader_new(&input, &reader, err);

	if (r == 0)
		r = rvs_segments_new(tree->store->volumes, tree->segments,
				     tree->segment_count, loader->pool,
				     &segments, err);
	if (r == 0)
		r = read_segments(reader, segments, damage, err);
	return r < 0 ? r : rvs_sum_finish(loader->sum, &tree->checksum, err);
}

static int load(struct loader *loader, struct rvs_damage *damage,
		struct rvs_error *err)
{
	struct rvs_tree *tree = loader->tree;
	uint32_t slot = 0;
	int r = rvs_volumes_slot(tree->store->volumes, tree->id, &slot, err);

	tree->number = slot;
	if (r == 0)
		r = rvs_tree_read_root(tree->store, tree->id, &tree->segments,
				       &tree->segment_count, damage, err);
	if (r == 0)
		r = start(loader, err);
	if (r == 0)
		r = read_nodes(loader, damage, err);
	if (r == 0)
		r = trim(loader, err);
	if (r == 0)
		r = index_children(tree, err);
	if (r == 0 && loader->links)
		r = resolve_links(tree, err);
	return r;
}

static int load_tree(struct rvs_store *store, const char *id, bool origins,
		     struct rvs_tree **ret, struct rvs_damage *damage,
		     struct rvs_error *err)
{
	RVS_CLEANUP(rvs_tree_cleanup)
	struct rvs_tree *tree = calloc(1, sizeof(*tree));
	RVS_CLEANUP(loader_done)
	struct loader loader = { .tree = tree, .origins = origins };
	struct rvs_error own = RVS_ERROR_INIT;
	int r;

	err = err ? err : &own;
	if (damage)
		*damage = (struct rvs_damage){ .member = -1 };
	if (!tree)
		return rvs_error_no_memory(err);
	tree->store = store;
	(void)snprintf(tree->id, sizeof(tree->id), "%s", id);
	r = load(&loader, damage, err);
	if (r < 0)
		return rvs_error_context(err, "snapshot %s", id);
	*ret = rvs_take(tree);
	return 0;
}

int rvs_tree_load(struct rvs_store *store, const char *id,
		  struct rvs_tree **ret, struct rvs_damage *damage,
		  struct rvs_error *err)
{
	return load_tree(store, id, true, ret, damage, err);
}

/* 0 when the snapshot was not deleted. */
static int probe(struct rvs_store *store, const char *id, struct rvs_error *err)
{
	char key[RVS_KEY_SIZE];
	int r;

	(void)snprintf(key, sizeof(key),
		       RVS_SNAPSHOT_PREFIX "%s/" RVS_METADATA_NAME, id);
	r = store->backend->ops->probe(store->backend, key, err);
	return r > 0 ? rvs_error_set(err, RVS_ERR_NOT_FOUND,
				     "there is no snapshot %s", id) :
		       r;
}

int rvs_tree_open(struct rvs_store *store, const char *id,
		  struct rvs_tree **ret, struct rvs_error *err)
{
	int r = probe(store, id, err);

	return r < 0 ? r : load_tree(store, id, false, ret, NULL, err);
}

int rvs_tree_open_with_origins(struct rvs_store *store, const char *id,
			       struct rvs_tree **ret, struct rvs_error *err)
{
	int r = probe(store, id, err);

	return r < 0 ? r : load_tree(store, id, true, ret, NULL, err);
}

/* ---- looking at one ---- */

const char *rvs_tree_id(const struct rvs_tree *tree)
{
	return tree->id;
}

uint32_t rvs_tree_count(const struct rvs_tree *tree)
{
	return tree->count;
}

size_t rvs_tree_memory(const struct rvs_tree *tree)
{
	return sizeof(*tree) + tree->arena_bytes +
	       tree->capacity *
		       (sizeof(*tree->entries) +
			(tree->origins ? sizeof(*tree->origins) : 0)) +
	       tree->count * sizeof(*tree->children) +
	       tree->extents.capacity * sizeof(*tree->extents.items) +
	       tree->volume_count * (RVS_ID_SIZE + sizeof(*tree->slots)) +
	       tree->segment_count * sizeof(*tree->segments);
}

const struct rvs_entry *rvs_tree_entry(const struct rvs_tree *tree,
				       uint32_t index)
{
	return &tree->entries[index];
}

uint32_t rvs_tree_child(const struct rvs_tree *tree,
			const struct rvs_entry *dir, uint32_t nth)
{
	return tree->children[dir->children + nth];
}

uint32_t rvs_tree_lookup(const struct rvs_tree *tree, uint32_t dir,
			 const char *name)
{
	const struct rvs_entry *d = &tree->entries[dir];
	uint32_t low = 0, high = d->child_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		uint32_t child = rvs_tree_child(tree, d, middle);
		int order = strcmp(name, tree->entries[child].name);

		if (order == 0)
			return child;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return RVS_NO_ENTRY;
}

uint32_t rvs_tree_find(const struct rvs_tree *tree, const char *path)
{
	uint32_t at = 0;

	while (*path && at != RVS_NO_ENTRY) {
		size_t len = strcspn(path, "/");
		char name[256];

		if (len > 255 || !S_ISDIR(tree->entries[at].mode))
			return RVS_NO_ENTRY;
		memcpy(name, path, len);
		name[len] = '\0';
		if (len > 0 && strcmp(name, ".") != 0)
			at = rvs_tree_lookup(tree, at, name);
		path += len + strspn(path + len, "/");
	}
	return at;
}

char *rvs_tree_path(const struct rvs_tree *tree, uint32_t index)
{
	size_t len = 0, name_len;
	uint32_t i;
	char *path;

	if (index == 0)
		return strdup(".");
	for (i = index; i != 0; i = tree->entries[i].parent)
		len += strlen(tree->entries[i].name) + 1;
	path = malloc(len);
	if (!path)
		return NULL;
	path[--len] = '\0';
	for (i = index; i != 0; i = tree->entries[i].parent) {
		name_len = strlen(tree->entries[i].name);
		len -= name_len;
		memcpy(path + len, tree->entries[i].name, name_len);
		if (len > 0)
			path[--len] = '/';
	}
	return path;
}

const struct rvs_extent *rvs_tree_extents(const struct rvs_tree *tree,
					  const struct rvs_entry *file,
					  size_t *ret_count)
{
	*ret_count = file->extent_count;
	return tree->extents.items + file->extents;
}

uint32_t rvs_tree_volume_count(const struct rvs_tree *tree)
{
	return tree->volume_count;
}

const char *rvs_tree_volume(const struct rvs_tree *tree, uint32_t volume)
{
	return tree->volumes[volume];
}

const struct rvs_origin *rvs_tree_origin(const struct rvs_tree *tree,
					 uint32_t index)
{
	assert(tree->origins);
	return &tree->origins[index];
}

const struct rvs_segment *rvs_tree_segments(const struct rvs_tree *tree,
					    size_t *ret_count)
{
	*ret_count = tree->segment_count;
	return tree->segments;
}

const struct rvs_digest *rvs_tree_checksum(const struct rvs_tree *tree)
{
	return &tree->checksum;
}

/* ---- reading its files ---- */

uint64_t rvs_tree_data_bytes(const struct rvs_tree *tree,
			     const struct rvs_entry *file)
{
	uint64_t bytes = 0;
	size_t count, i;
	const struct rvs_extent *items = rvs_tree_extents(tree, file, &count);

	for (i = 0; i < count; i++)
		if (items[i].volume != RVS_HOLE)
			bytes += rvs_extent_end(items, count, i, file->size) -
				 items[i].at;
	return bytes;
}

/* The first offset from @offset on that is a hole, or is none. */
static int64_t seek(const struct rvs_tree *tree, const struct rvs_entry *file,
		    uint64_t offset, bool hole)
{
	size_t count, i;
	const struct rvs_extent *items = rvs_tree_extents(tree, file, &count);

	if (offset >= file->size)
		return -1;
	for (i = rvs_extent_find(items, count, offset); i < count; i++)
		if ((items[i].volume == RVS_HOLE) == hole)
			return (int64_t)(items[i].at > offset ? items[i].at :
								offset);
	return hole ? (int64_t)file->size : -1;
}

int64_t rvs_tree_seek_data(const struct rvs_tree *tree,
			   const struct rvs_entry *file, uint64_t offset)
{
	return seek(tree, file, offset, false);
}

int64_t rvs_tree_seek_hole(const struct rvs_tree *tree,
			   const struct rvs_entry *file, uint64_t offset)
{
	return seek(tree, file, offset, true);
}

/* A member held for the length of a read, and what was read of it. */
struct grip {
	struct rvs_held held;
	uint64_t base;  /* where in the file its first byte would lie */
	size_t used;    /* bytes read */
	bool scattered; /* its parts lie apart in the file */
	bool ended;     /* its last byte was read */
};

enum {
	GRIPS = 96,             /* members held at once */
	PARTS_MAX = 512,        /* runs of bytes handed out as they lie */
	HANDED_MAX = 16 << 20,  /* bytes of members held meanwhile */
	ZEROS = 64 << 10,
};

struct holding {
	struct rvs_reader *reader;
	struct grip grips[GRIPS];
	unsigned next; /* the place taken next */
	bool keep;     /* none may go before the end */
	size_t bytes;  /* of members held, when none may go */
	bool in_order; /* the file is read from front to back */
	uint64_t at;   /* up to here */
};

/* Whether a read in order is through with the member.  Of one whose end was
 * superseded the end is never read, but that it lay there shows. */
static bool is_done(const struct holding *h, const struct grip *g)
{
	return h->in_order &&
	       (g->ended || (!g->scattered && g->used > g->held.len / 2 &&
			     g->base + g->held.len <= h->at));
}

static void let_go(struct holding *h, struct grip *g)
{
	enum rvs_use use = h->in_order ? RVS_USE_PART : RVS_USE_AGAIN;

	if (is_done(h, g))
		use = RVS_USE_LAST;
	rvs_reader_release(h->reader, &g->held, use);
}

static void holding_done(struct holding *h)
{
	unsigned i;

	for (i = 0; i < GRIPS; i++)
		let_go(h, &h->grips[i]);
}

/* Hold the member of @e; *ret is valid until the next call.  1: all places are
 * taken, and must be kept. */
static int hold(struct holding *h, const struct rvs_tree *tree,
		const struct rvs_extent *e, struct grip **ret,
		struct rvs_damage *damage, struct rvs_error *err)
{
	uint32_t volume = tree->slots[e->volume];
	uint64_t base = e->at - e->offset;
	struct grip *g;
	unsigned i;

	for (i = 0; i < GRIPS; i++) {
		g = *ret = &h->grips[i];
		if (g->held.slot && g->held.number == e->member &&
		    g->held.volume == volume) {
			g->scattered |= g->base != base;
			return 0;
		}
	}
	g = *ret = &h->grips[h->next];
	if (h->keep && (g->held.slot || h->bytes > HANDED_MAX))
		return 1;
	h->next = (h->next + 1) % GRIPS;
	let_go(h, g);
	*g = (struct grip){ .base = base };
	return rvs_reader_hold(h->reader, tree->volumes[e->volume], volume,
			       e->member, &g->held, damage, err);
}

/* The @len bytes of the file from @offset on, all in the extent @e, in memory;
 * 1 as hold(). */
static int find_bytes(struct holding *h, const struct rvs_tree *tree,
		      const struct rvs_extent *e, size_t len, uint64_t offset,
		      const uint8_t **ret, struct rvs_damage *damage,
		      struct rvs_error *err)
{
	uint32_t start = e->offset + (uint32_t)(offset - e->at);
	struct grip *g;
	int r = hold(h, tree, e, &g, damage, err);

	if (r == 0)
		r = rvs_held_check(&g->held, len, start, damage, err);
	if (r != 0)
		return r;
	if (g->used == 0)
		h->bytes += g->held.len;
	*ret = g->held.bytes + start;
	g->used += len;
	g->ended = start + len == g->held.len;
	h->at = offset + len;
	return 0;
}

static int read_extent(struct holding *h, const struct rvs_tree *tree,
		       const struct rvs_extent *e, void *bytes, size_t len,
		       uint64_t offset, struct rvs_damage *damage,
		       struct rvs_error *err)
{
	const uint8_t *found;
	int r;

	if (e->volume == RVS_HOLE) {
		memset(bytes, 0, len);
		return 0;
	}
	r = find_bytes(h, tree, e, len, offset, &found, damage, err);
	if (r == 0)
		memcpy(bytes, found, len);
	return r;
}

static bool same_member(const struct rvs_extent *a, const struct rvs_extent *b)
{
	return a && a->volume == b->volume && a->member == b->member;
}

/* Have the members of [from, to) loaded side by side, and when the file is read
 * from front to back, which is the answer, those behind them, too. */
static bool load_ahead(struct rvs_tree *tree, const struct rvs_entry *file,
		       uint64_t from, uint64_t to)
{
	struct rvs_ahead *ahead = tree->store->ahead;
	size_t count, i;
	const struct rvs_extent *items = rvs_tree_extents(tree, file, &count);
	const struct rvs_extent *last[2] = { NULL, NULL };
	uint64_t until, at;

	if (count == 1) {
		if (items->volume != RVS_HOLE)
			rvs_ahead_follow(ahead, tree->store->volumes,
					 tree->volumes[items->volume],
					 tree->slots[items->volume],
					 items->member);
		return false;
	}
	until = rvs_ahead_plan(ahead, tree->number << 32 | file->extents, from,
			       to, &at);
	if (at >= file->size)
		return until > to;
	for (i = rvs_extent_find(items, count, at);
	     i < count && items[i].at < until; i++) {
		/* The first of them this thread loads by itself. */
		if (items[i].volume == RVS_HOLE || items[i].at < from ||
		    same_member(last[0], &items[i]) ||
		    same_member(last[1], &items[i]))
			continue;
		/* Pages of an old member and of a newer one take turns. */
		last[1] = last[0];
		last[0] = &items[i];
		rvs_ahead_load(ahead, tree->volumes[items[i].volume],
			       tree->slots[items[i].volume], items[i].member);
	}
	return until > to;
}

/* How much of [offset, offset + len) there is. */
static size_t within(const struct rvs_entry *file, size_t len, uint64_t offset)
{
	if (offset >= file->size)
		return 0;
	return len > file->size - offset ? (size_t)(file->size - offset) : len;
}

static ssize_t copy_all(struct holding *h, struct rvs_tree *tree,
			const struct rvs_entry *file, void *buf, size_t len,
			uint64_t offset, struct rvs_damage *damage,
			struct rvs_error *err)
{
	size_t count, i, done = 0;
	const struct rvs_extent *items = rvs_tree_extents(tree, file, &count);

	for (i = rvs_extent_find(items, count, offset); done < len; i++) {
		uint64_t end = rvs_extent_end(items, count, i, file->size);
		uint64_t left = end - (offset + done);
		size_t n = len - done < left ? len - done : (size_t)left;
		int r = read_extent(h, tree, &items[i], (char *)buf + done, n,
				    offset + done, damage, err);

		if (r < 0)
			return r;
		done += n;
	}
	return (ssize_t)done;
}

ssize_t rvs_tree_read(struct rvs_tree *tree, const struct rvs_entry *file,
		      void *buf, size_t len, uint64_t offset,
		      struct rvs_damage *damage, struct rvs_error *err)
{
	RVS_CLEANUP(holding_done)
	struct holding h = { .reader = tree->store->reader };

	len = within(file, len, offset);
	if (len == 0)
		return 0;
	h.in_order = load_ahead(tree, file, offset, offset + len);
	return copy_all(&h, tree, file, buf, len, offset, damage, err);
}

ssize_t rvs_tree_peek(struct rvs_tree *tree, const struct rvs_entry *file,
		      void *buf, size_t len, uint64_t offset,
		      struct rvs_error *err)
{
	RVS_CLEANUP(holding_done)
	struct holding h = { .reader = tree->store->reader, .in_order = true };

	len = within(file, len, offset);
	if (len == 0)
		return 0;
	return copy_all(&h, tree, file, buf, len, offset, NULL, err);
}

/* ---- handing out bytes as they lie ---- */

struct parts {
	struct iovec items[PARTS_MAX];
	int count;
};

/* False when there are too many. */
static bool add_part(struct parts *parts, const uint8_t *bytes, size_t len)
{
	struct iovec *last;

	if (parts->count > 0) {
		last = &parts->items[parts->count - 1];
		if ((const uint8_t *)last->iov_base + last->iov_len == bytes) {
			last->iov_len += len;
			return true;
		}
	}
	if (parts->count == PARTS_MAX)
		return false;
	parts->items[parts->count++] =
		(struct iovec){ (void *)(uintptr_t)bytes, len };
	return true;
}

static bool add_zeros(struct parts *parts, size_t len)
{
	static const uint8_t zeros[ZEROS];

	for (; len > ZEROS; len -= ZEROS)
		if (!add_part(parts, zeros, ZEROS))
			return false;
	return add_part(parts, zeros, len);
}

/* 1: the bytes lie in too many places. */
static int gather(struct holding *h, struct rvs_tree *tree,
		  const struct rvs_entry *file, size_t len, uint64_t offset,
		  struct parts *ret, struct rvs_damage *damage,
		  struct rvs_error *err)
{
	uint64_t at = offset, to = offset + len;
	size_t count, i;
	const struct rvs_extent *items = rvs_tree_extents(tree, file, &count);

	for (i = rvs_extent_find(items, count, at); at < to; i++) {
		uint64_t end = rvs_extent_end(items, count, i, file->size);
		size_t n = (size_t)((end < to ? end : to) - at);
		const uint8_t *bytes;
		int r;

		if (items[i].volume == RVS_HOLE) {
			if (!add_zeros(ret, n))
				return 1;
		} else {
			r = find_bytes(h, tree, &items[i], n, at, &bytes,
				       damage, err);
			if (r != 0)
				return r;
			if (!add_part(ret, bytes, n))
				return 1;
		}
		at += n;
	}
	return 0;
}

static ssize_t give_copy(struct holding *h, struct rvs_tree *tree,
			 const struct rvs_entry *file, size_t len,
			 uint64_t offset, const struct rvs_sink *sink,
			 struct rvs_damage *damage, struct rvs_error *err)
{
	struct rvs_buf buf = rvs_reader_lend(h->reader, len);
	struct iovec part = { rvs_buf_reserve(&buf, len), len };
	ssize_t n = part.iov_base ? copy_all(h, tree, file, part.iov_base, len,
					     offset, damage, err) :
				    rvs_error_no_memory(err);

	if (n >= 0)
		sink->give(sink->arg, &part, 1);
	rvs_reader_take_back(h->reader, &buf);
	return n;
}

ssize_t rvs_tree_give(struct rvs_tree *tree, const struct rvs_entry *file,
		      size_t len, uint64_t offset, const struct rvs_sink *sink,
		      struct rvs_damage *damage, struct rvs_error *err)
{
	RVS_CLEANUP(holding_done)
	struct holding h = { .reader = tree->store->reader, .keep = true };
	struct parts parts = { .count = 0 };
	int r;

	len = within(file, len, offset);
	if (len == 0) {
		sink->give(sink->arg, NULL, 0);
		return 0;
	}
	h.in_order = load_ahead(tree, file, offset, offset + len);
	r = gather(&h, tree, file, len, offset, &parts, damage, err);
	if (r < 0)
		return r;
	h.keep = false;
	if (r > 0)
		return give_copy(&h, tree, file, len, offset, sink, damage,
				 err);
	sink->give(sink->arg, parts.items, parts.count);
	return (ssize_t)len;
}
