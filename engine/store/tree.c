#include "tree.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tree_inside.h"

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

bool rvs_tree_may_have_xattr(const struct rvs_tree *tree, const char *name)
{
	uint32_t i;

	if (tree->xattr_name_count > XATTR_NAMES_MAX)
		return true;
	for (i = 0; i < tree->xattr_name_count; i++)
		if (strcmp(tree->xattr_names[i], name) == 0)
			return true;
	return false;
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

/* ---- where its files have data ---- */

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
