#include "tree.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/pool.h"
#include "format/digest.h"
#include "segments.h"
#include "store.h"
#include "sum.h"
#include "tree_inside.h"
#include "volume.h"
#include "warm.h"

enum {
	CHUNK = 256 << 10,
	FEW_SEGMENTS = 16, /* are loaded sooner than threads start */
	WARMED = 16 << 10, /* entries whose memory is faulted in at once */
};

/* ---- memory ---- */

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

/* @name lives as long as the tree. */
static void note_xattr_name(struct rvs_tree *tree, const char *name)
{
	if (rvs_tree_may_have_xattr(tree, name))
		return;
	if (tree->xattr_name_count < XATTR_NAMES_MAX)
		tree->xattr_names[tree->xattr_name_count] = name;
	tree->xattr_name_count++;
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
		note_xattr_name(tree, xattrs[i].name);
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
