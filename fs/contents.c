#include "contents.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rvs/tree.h>

#include "attr.h"
#include "cache.h"
#include "cleanup.h"
#include "damage.h"
#include "errors.h"
#include "inode.h"
#include "log.h"
#include "node.h"
#include "snapshots.h"
#include "xattr.h"

/* Places in a directory: 0 is ".", 1 is "..", the children follow. */
enum { PLACE_CHILDREN = 2 };

struct contents {
	struct contents_context context;
	struct cache *trees;
};

/* An entry with its tree held, for the length of one request. */
struct position {
	struct cache_hold *hold;
	struct rvs_tree *tree;
	const struct rvs_entry *entry;
	enum inode_view view; /* by which it was found */
	uint32_t slot;
	uint32_t index;
};

#define POSITION_INIT                                                          \
	{                                                                      \
		NULL, NULL, NULL, VIEW_NAME, 0, 0                              \
	}

static int load_tree(void *arg, uint32_t slot, void **ret,
		     struct rvs_error *err)
{
	struct contents *contents = arg;
	struct rvs_tree *tree = NULL;
	struct snapshot snapshot;
	int r;

	if (!snapshots_get(contents->context.snapshots, slot, &snapshot))
		return error_set(err, RVS_ERR_NOT_FOUND, "no such snapshot");
	r = rvs_tree_open(contents->context.store, snapshot.id, &tree, err);
	*ret = tree;
	return r;
}

static size_t tree_memory(const void *tree)
{
	return rvs_tree_memory(tree);
}

static void release_tree(void *tree)
{
	rvs_tree_release(tree);
}

struct contents *contents_new(const struct contents_context *context)
{
	struct contents *contents = calloc(1, sizeof(*contents));
	const struct cache_loader loader = { contents, load_tree, tree_memory,
					     release_tree };

	if (!contents)
		return NULL;
	contents->context = *context;
	contents->trees = cache_new(context->tree_cache_bytes, &loader);
	if (contents->trees)
		return contents;
	contents_free(contents);
	return NULL;
}

void contents_free(struct contents *contents)
{
	if (!contents)
		return;
	cache_free(contents->trees);
	free(contents);
}

struct cache *contents_trees(struct contents *contents)
{
	return contents->trees;
}

/* Whether the snapshot in @slot was deleted, and reading it may fail so. */
static bool is_deleted(struct contents *contents, uint32_t slot)
{
	struct snapshots *snapshots = contents->context.snapshots;
	struct rvs_error err = RVS_ERROR_INIT;
	struct snapshot there;

	if (snapshots_refresh(snapshots, &err) < 0)
		return false;
	return !snapshots_next(snapshots, slot, &there) || there.slot != slot;
}

static bool is_damage(int status)
{
	return status == RVS_ERR_CORRUPT || status == RVS_ERR_MISSING;
}

/*
 * What a failure of the engine is to the one who asked; what deserves it goes
 * to the damage log or the log.  @path may be NULL.
 */
static int explain(struct contents *contents, uint32_t slot, const char *path,
		   const struct rvs_damage *damage, const struct rvs_error *err)
{
	const struct contents_context *context = &contents->context;
	struct snapshot snapshot = { 0 };

	if (is_deleted(contents, slot))
		return -ESTALE;
	(void)snapshots_get(context->snapshots, slot, &snapshot); /* was seen */
	if (is_damage(err->status))
		damage_note(context->damages, snapshot.name, path, damage);
	else
		log_warning(context->log, "snapshot %s, path %s: %s",
			    snapshot.name, path ? path : "-", err->text);
	return -error_errno(err->status);
}

static int explain_load(struct contents *contents, uint32_t slot,
			const struct rvs_error *err)
{
	struct rvs_damage damage = { .member = -1 };
	struct snapshot snapshot;

	if (snapshots_get(contents->context.snapshots, slot, &snapshot))
		memcpy(damage.snapshot, snapshot.id, sizeof(damage.snapshot));
	/* A cut reason still names the object. */
	(void)!snprintf(damage.reason, sizeof(damage.reason), "%s", err->text);
	return explain(contents, slot, NULL, &damage, err);
}

static void leave(struct position *position)
{
	cache_release(position->hold);
}

static int enter(struct contents *contents, const struct inode *inode,
		 struct position *ret)
{
	struct rvs_error err = RVS_ERROR_INIT;

	if (cache_hold(contents->trees, inode->slot, &ret->hold, &err) < 0)
		return explain_load(contents, inode->slot, &err);
	ret->tree = cache_object(ret->hold);
	if (inode->index >= rvs_tree_count(ret->tree))
		return -ESTALE;
	ret->entry = rvs_tree_entry(ret->tree, inode->index);
	ret->view = inode->view;
	ret->slot = inode->slot;
	ret->index = inode->index;
	return 0;
}

static int enter_directory(struct contents *contents,
			   const struct inode *inode, struct position *ret)
{
	int r;

	r = enter(contents, inode, ret);
	if (r < 0)
		return r;
	return S_ISDIR(ret->entry->mode) ? 0 : -ENOTDIR;
}

static int enter_file(struct contents *contents, const struct inode *inode,
		      struct position *ret)
{
	int r;

	r = enter(contents, inode, ret);
	if (r < 0)
		return r;
	return S_ISREG(ret->entry->mode) ? 0 : -EINVAL;
}

/* The inode of @entry, found from @position. */
static uint64_t number_of(const struct position *position,
			  const struct rvs_entry *entry)
{
	if (S_ISDIR(entry->mode))
		return inode_of_directory(position->view, position->slot,
					  entry->link);
	return inode_of_entry(position->slot, entry->link);
}

static struct node node_of(const struct position *position, uint32_t index)
{
	const struct rvs_entry *entry = rvs_tree_entry(position->tree, index);
	uint64_t number = number_of(position, entry);

	return (struct node){
		.number = number,
		.attr = attr_of_entry(position->tree, entry, number),
		.name_life = NODE_FOREVER,
		.attr_life = NODE_FOREVER,
	};
}

int contents_lookup(struct contents *contents, const struct inode *dir,
		    const char *name, struct node *ret)
{
	CLEANUP(leave) struct position position = POSITION_INIT;
	uint32_t index;
	int r;

	r = enter_directory(contents, dir, &position);
	if (r < 0)
		return r;
	index = rvs_tree_lookup(position.tree, position.index, name);
	if (index == RVS_NO_ENTRY)
		return 1;
	*ret = node_of(&position, index);
	return 0;
}

int contents_stat(struct contents *contents, const struct inode *inode,
		  struct node *ret)
{
	CLEANUP(leave) struct position position = POSITION_INIT;
	int r;

	r = enter(contents, inode, &position);
	if (r < 0)
		return r;
	*ret = node_of(&position, position.index);
	return 0;
}

static uint64_t parent_number(const struct position *dir)
{
	if (dir->index)
		return inode_of_directory(dir->view, dir->slot,
					  dir->entry->parent);
	if (dir->view == VIEW_NAME)
		return INODE_ROOT_NUMBER;
	return inode_of_hidden(dir->view == VIEW_ID ? HIDDEN_BY_ID :
						      HIDDEN_BY_TIME);
}

static bool emit_child(const struct position *dir, uint32_t nth,
		       const struct lister *lister)
{
	uint32_t index = rvs_tree_child(dir->tree, dir->entry, nth);
	const struct rvs_entry *child = rvs_tree_entry(dir->tree, index);
	struct node node;

	if (lister->wants_nodes)
		node = node_of(dir, index);
	else
		node = node_brief(number_of(dir, child), child->mode);
	return lister->emit(lister->arg, child->name, &node,
			    (off_t)nth + PLACE_CHILDREN + 1);
}

static bool emit_at(const struct position *dir, off_t at,
		    const struct lister *lister)
{
	if (at < PLACE_CHILDREN)
		return node_emit_dots(number_of(dir, dir->entry),
				      parent_number(dir), at, lister);
	return emit_child(dir, (uint32_t)(at - PLACE_CHILDREN), lister);
}

int contents_list(struct contents *contents, const struct inode *dir, off_t at,
		  const struct lister *lister)
{
	CLEANUP(leave) struct position position = POSITION_INIT;
	off_t end;
	int r;

	r = enter_directory(contents, dir, &position);
	if (r < 0)
		return r;
	end = (off_t)position.entry->child_count + PLACE_CHILDREN;
	while (at >= 0 && at < end && emit_at(&position, at, lister))
		at++;
	return 0;
}

int contents_path(struct contents *contents, const struct inode *inode,
		  char **ret)
{
	CLEANUP(leave) struct position position = POSITION_INIT;
	int r;

	r = enter(contents, inode, &position);
	if (r < 0)
		return r;
	*ret = rvs_tree_path(position.tree, position.index);
	return *ret ? 0 : -ENOMEM;
}

int contents_readlink(struct contents *contents, const struct inode *inode,
		      char **ret)
{
	CLEANUP(leave) struct position position = POSITION_INIT;
	int r;

	r = enter(contents, inode, &position);
	if (r < 0)
		return r;
	if (!position.entry->target)
		return -EINVAL;
	*ret = strdup(position.entry->target);
	return *ret ? 0 : -ENOMEM;
}

static int explain_read(struct contents *contents,
			const struct position *position,
			const struct rvs_damage *damage,
			const struct rvs_error *err)
{
	CLEANUP(cleanup_free) char *path = NULL;

	path = rvs_tree_path(position->tree, position->index);
	return explain(contents, position->slot, path, damage, err);
}

int contents_read(struct contents *contents, const struct inode *inode,
		  size_t len, off_t offset, const struct rvs_sink *sink)
{
	CLEANUP(leave) struct position position = POSITION_INIT;
	struct rvs_damage damage = { .member = -1 };
	struct rvs_error err = RVS_ERROR_INIT;
	int r;

	r = enter_file(contents, inode, &position);
	if (r < 0)
		return r;
	if (offset < 0)
		return -EINVAL;
	if (rvs_tree_give(position.tree, position.entry, len, (uint64_t)offset,
			  sink, &damage, &err) < 0)
		return explain_read(contents, &position, &damage, &err);
	return 0;
}

off_t contents_seek(struct contents *contents, const struct inode *inode,
		    off_t offset, int whence)
{
	CLEANUP(leave) struct position position = POSITION_INIT;
	int64_t found;
	int r;

	r = enter_file(contents, inode, &position);
	if (r < 0)
		return r;
	if (offset < 0 || (uint64_t)offset >= position.entry->size)
		return -ENXIO;
	if (whence == SEEK_DATA)
		found = rvs_tree_seek_data(position.tree, position.entry,
					   (uint64_t)offset);
	else
		found = rvs_tree_seek_hole(position.tree, position.entry,
					   (uint64_t)offset);
	return found < 0 ? -ENXIO : (off_t)found;
}

/*
 * Whether the attribute is of a kind that the snapshot has nowhere: access
 * control lists, or labels, without which its source lived.  ls, told so of one
 * file, asks for no other's.
 */
static bool is_unsupported(const struct rvs_tree *tree, const char *name)
{
	return xattr_is_of_system(name) && !rvs_tree_may_have_xattr(tree, name);
}

ssize_t contents_getxattr(struct contents *contents, const struct inode *inode,
			  const char *name, void *ret, size_t size)
{
	CLEANUP(leave) struct position position = POSITION_INIT;
	int r;

	r = enter(contents, inode, &position);
	if (r < 0)
		return r;
	if (is_unsupported(position.tree, name))
		return -EOPNOTSUPP;
	return xattr_get(position.entry, name, ret, size);
}

ssize_t contents_listxattr(struct contents *contents,
			   const struct inode *inode, char *ret, size_t size)
{
	CLEANUP(leave) struct position position = POSITION_INIT;
	int r;

	r = enter(contents, inode, &position);
	if (r < 0)
		return r;
	return xattr_list(position.entry, ret, size);
}
