#include "raw.h"

#include <errno.h>
#include <stdlib.h>

#include <rvs/job.h>
#include <rvs/raw.h>
#include <rvs/tree.h>

#include "cache.h"
#include "cleanup.h"
#include "damage.h"
#include "errors.h"
#include "jobs.h"
#include "log.h"
#include "node.h"
#include "root.h"
#include "snapshots.h"

enum {
	CACHE_BYTES = 64 << 20,
	PLACE_CHILDREN = 2,
	SECTOR = 512, /* the unit of st_blocks */
	FILE_MODE = 0600, /* as in a store: a copy is the user's own */
	DIRECTORY_MODE = 0700,
};

struct raw {
	struct raw_context context;
	struct cache *cache; /* of struct rvs_raw, by slot */
};

/* A node with its snapshot held, for the length of one request. */
struct position {
	struct cache_hold *hold;
	struct rvs_raw *raw;
	const struct rvs_raw_node *node;
	struct snapshot snapshot;
	uint32_t index;
};

static int load(void *arg, uint32_t slot, void **ret, struct rvs_error *err)
{
	const struct raw *raw = arg;
	struct rvs_raw *opened = NULL;
	struct snapshot snapshot;
	int r;

	if (!snapshots_get(raw->context.snapshots, slot, &snapshot))
		return error_set(err, RVS_ERR_NOT_FOUND, "no such snapshot");
	r = rvs_raw_open(raw->context.store, snapshot.id, &opened, err);
	*ret = opened;
	return r;
}

static size_t memory(const void *object)
{
	return rvs_raw_memory(object);
}

static void release(void *object)
{
	rvs_raw_release(object);
}

struct raw *raw_new(const struct raw_context *context)
{
	struct raw *raw = calloc(1, sizeof(*raw));
	const struct cache_loader loader = { raw, load, memory, release };

	if (!raw)
		return NULL;
	raw->context = *context;
	raw->cache = cache_new(CACHE_BYTES, &loader);
	if (raw->cache)
		return raw;
	free(raw);
	return NULL;
}

void raw_free(struct raw *raw)
{
	if (!raw)
		return;
	cache_free(raw->cache);
	free(raw);
}

static int explain(struct raw *raw, const struct snapshot *snapshot,
		   const struct rvs_damage *damage,
		   const struct rvs_error *err)
{
	struct rvs_error unused = RVS_ERROR_INIT;
	struct snapshot there;

	if (err->status == RVS_ERR_INTERRUPTED)
		return -EINTR;
	/* A list that cannot be read explains nothing. */
	if (snapshots_refresh(raw->context.snapshots, &unused) == 0 &&
	    !snapshots_find_id(raw->context.snapshots, snapshot->id, &there))
		return -ESTALE;
	if (damage && *damage->snapshot)
		damage_note(raw->context.damages, snapshot->name, NULL,
			    damage);
	else
		log_warning(raw->context.log, "raw form of snapshot %s: %s",
			    snapshot->name, err->text);
	return -error_errno(err->status);
}

static void leave(struct position *position)
{
	cache_release(position->hold);
}

static int enter(struct raw *raw, const struct inode *inode,
		 struct position *ret)
{
	struct rvs_error err = RVS_ERROR_INIT;

	*ret = (struct position){ .index = inode->index };
	if (!snapshots_get(raw->context.snapshots, inode->slot,
			   &ret->snapshot))
		return -ESTALE;
	if (cache_hold(raw->cache, inode->slot, &ret->hold, &err) < 0)
		return explain(raw, &ret->snapshot, NULL, &err);
	ret->raw = cache_object(ret->hold);
	if (inode->index >= rvs_raw_count(ret->raw))
		return -ESTALE;
	ret->node = rvs_raw_node(ret->raw, inode->index);
	return 0;
}

static struct node directory_node(const struct raw *raw,
				  const struct snapshot *snapshot,
				  uint32_t index)
{
	uint64_t number = inode_of_raw(snapshot->slot, index);

	return (struct node){
		.number = number,
		.attr = attr_of_directory(&raw->context.owner, number,
					  DIRECTORY_MODE,
					  snapshot->created_at),
		.name_life = index ? NODE_FOREVER : NODE_BRIEFLY,
		.attr_life = NODE_FOREVER,
	};
}

static struct node node_of(const struct raw *raw,
			   const struct position *position, uint32_t index)
{
	const struct rvs_raw_node *node = rvs_raw_node(position->raw, index);
	struct node ret = {
		.number = inode_of_raw(position->snapshot.slot, index),
		.name_life = NODE_FOREVER,
		.attr_life = NODE_FOREVER,
	};

	if (node->is_directory)
		return directory_node(raw, &position->snapshot, index);
	ret.attr = attr_of_text(&raw->context.owner, ret.number,
				S_IFREG | FILE_MODE, node->size,
				position->snapshot.created_at);
	ret.attr.st_blocks = (blkcnt_t)((node->size + SECTOR - 1) / SECTOR);
	return ret;
}

static int lookup_snapshot(struct raw *raw, const char *name, struct node *ret)
{
	struct snapshot snapshot;
	int r;

	r = root_find(raw->context.root, name, &snapshot);
	if (r == 0)
		*ret = directory_node(raw, &snapshot, 0);
	return r;
}

int raw_lookup(struct raw *raw, const struct inode *dir, const char *name,
	       struct node *ret)
{
	CLEANUP(leave) struct position position = { .hold = NULL };
	uint32_t index;
	int r;

	if (dir->kind == INODE_HIDDEN)
		return lookup_snapshot(raw, name, ret);
	r = enter(raw, dir, &position);
	if (r < 0)
		return r;
	if (!position.node->is_directory)
		return -ENOTDIR;
	index = rvs_raw_lookup(position.raw, dir->index, name);
	if (index == RVS_NO_ENTRY)
		return 1;
	*ret = node_of(raw, &position, index);
	return 0;
}

int raw_stat(struct raw *raw, const struct inode *inode, struct node *ret)
{
	CLEANUP(leave) struct position position = { .hold = NULL };
	struct snapshot snapshot;
	int r;

	/* The snapshot's own directory, which costs no more than its record. */
	if (inode->index == 0 &&
	    snapshots_get(raw->context.snapshots, inode->slot, &snapshot)) {
		*ret = directory_node(raw, &snapshot, 0);
		return 0;
	}
	r = enter(raw, inode, &position);
	if (r == 0)
		*ret = node_of(raw, &position, inode->index);
	return r;
}

static int list_snapshots(struct raw *raw, off_t at,
			  const struct lister *lister)
{
	uint64_t self = inode_of_hidden(HIDDEN_RAW);
	struct snapshot snapshot;
	uint32_t slot;
	int r;

	r = root_refresh(raw->context.root);
	if (r < 0)
		return r;
	for (; at < PLACE_CHILDREN; at++)
		if (!node_emit_dots(self, INODE_ROOT_NUMBER, at, lister))
			return 0;
	slot = (uint32_t)(at - PLACE_CHILDREN);
	while (snapshots_next(raw->context.snapshots, slot, &snapshot)) {
		struct node node = node_brief(inode_of_raw(snapshot.slot, 0),
					      S_IFDIR);

		slot = snapshot.slot + 1;
		if (!lister->emit(lister->arg, snapshot.name, &node,
				  (off_t)slot + PLACE_CHILDREN))
			return 0;
	}
	return 0;
}

static uint64_t parent_number(const struct position *dir)
{
	if (dir->index == 0)
		return inode_of_hidden(HIDDEN_RAW);
	return inode_of_raw(dir->snapshot.slot, dir->node->parent);
}

static bool emit_at(const struct raw *raw, const struct position *dir,
		    off_t at, const struct lister *lister)
{
	const struct rvs_raw_node *child;
	struct node node;
	uint32_t index;

	if (at < PLACE_CHILDREN)
		return node_emit_dots(inode_of_raw(dir->snapshot.slot,
						   dir->index),
				      parent_number(dir), at, lister);
	index = rvs_raw_child(dir->raw, dir->index,
			      (uint32_t)(at - PLACE_CHILDREN));
	child = rvs_raw_node(dir->raw, index);
	if (lister->wants_nodes)
		node = node_of(raw, dir, index);
	else
		node = node_brief(inode_of_raw(dir->snapshot.slot, index),
				  child->is_directory ? S_IFDIR : S_IFREG);
	return lister->emit(lister->arg, child->name, &node, at + 1);
}

int raw_list(struct raw *raw, const struct inode *dir, off_t at,
	     const struct lister *lister)
{
	CLEANUP(leave) struct position position = { .hold = NULL };
	off_t end;
	int r;

	if (dir->kind == INODE_HIDDEN)
		return list_snapshots(raw, at, lister);
	r = enter(raw, dir, &position);
	if (r < 0)
		return r;
	if (!position.node->is_directory)
		return -ENOTDIR;
	end = (off_t)position.node->child_count + PLACE_CHILDREN;
	while (at < end && emit_at(raw, &position, at, lister))
		at++;
	return 0;
}

/* The kernel takes a short answer for the end of the file, so that all of @len
 * is read, or nothing. */
static ssize_t read_fully(struct raw *raw, struct position *position, char *buf,
			  size_t len, off_t offset,
			  const struct rvs_monitor *monitor)
{
	struct rvs_damage damage = { .member = -1 };
	struct rvs_error err = RVS_ERROR_INIT;
	size_t done = 0;
	ssize_t got;

	while (done < len) {
		got = rvs_raw_read(position->raw, position->index, buf + done,
				   len - done, (uint64_t)offset + done,
				   monitor, &damage, &err);
		if (got < 0)
			return explain(raw, &position->snapshot, &damage,
				       &err);
		if (got == 0)
			return -EIO; /* shorter than it was */
		done += (size_t)got;
	}
	return (ssize_t)done;
}

ssize_t raw_read(struct raw *raw, const struct inode *inode, void *buf,
		 size_t len, off_t offset, const struct canceller *canceller)
{
	CLEANUP(leave) struct position position = { .hold = NULL };
	const struct rvs_monitor monitor = {
		.arg = canceller->arg,
		.cancelled = canceller->cancelled,
	};
	uint64_t left;
	int r;

	r = enter(raw, inode, &position);
	if (r < 0)
		return r;
	if (position.node->is_directory)
		return -EISDIR;
	if (offset < 0 || (uint64_t)offset >= position.node->size)
		return 0;
	left = position.node->size - (uint64_t)offset;
	return read_fully(raw, &position, buf, left < len ? (size_t)left : len,
			  offset, &monitor);
}
