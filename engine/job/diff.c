/*
 * Diff: what changed from one snapshot to another, from their manifests.
 */
#include <rvs/job.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "format/digest.h"
#include "store/tree.h"

struct diffing {
	struct rvs_tree *before;
	struct rvs_tree *after;
	int (*differs)(void *arg, const struct rvs_difference *difference);
	void *arg;
	struct rvs_error *err;
};

static bool same_xattrs(const struct rvs_entry *a, const struct rvs_entry *b)
{
	uint32_t i;

	if (a->xattr_count != b->xattr_count)
		return false;
	for (i = 0; i < a->xattr_count; i++)
		if (strcmp(a->xattrs[i].name, b->xattrs[i].name) != 0 ||
		    a->xattrs[i].value_len != b->xattrs[i].value_len ||
		    memcmp(a->xattrs[i].value, b->xattrs[i].value,
			   a->xattrs[i].value_len) != 0)
			return false;
	return true;
}

/* The names of a directory are told of themselves, and touch its time. */
static bool same_attributes(const struct rvs_entry *a,
			    const struct rvs_entry *b)
{
	return a->mode == b->mode && a->uid == b->uid && a->gid == b->gid &&
	       (S_ISDIR(a->mode) || (a->mtime.tv_sec == b->mtime.tv_sec &&
				     a->mtime.tv_nsec == b->mtime.tv_nsec)) &&
	       same_xattrs(a, b);
}

static bool same_content(const struct rvs_entry *a, const struct rvs_entry *b)
{
	if ((a->mode & S_IFMT) != (b->mode & S_IFMT))
		return false;
	switch (a->mode & S_IFMT) {
	case S_IFREG:
		return a->size == b->size &&
		       rvs_digest_equal(&a->digest, &b->digest);
	case S_IFLNK:
		return !strcmp(a->target, b->target);
	case S_IFCHR:
	case S_IFBLK:
		return a->rdev_major == b->rdev_major &&
		       a->rdev_minor == b->rdev_minor;
	default:
		return true;
	}
}

static int tell(struct diffing *d, enum rvs_change change,
		struct rvs_tree *tree, uint32_t index,
		const struct rvs_entry *before, const struct rvs_entry *after)
{
	RVS_CLEANUP(rvs_cleanup_free) char *path = rvs_tree_path(tree, index);
	const struct rvs_difference difference = { change, path, before,
						   after };

	if (!path)
		return rvs_error_no_memory(d->err);
	return d->differs(d->arg, &difference);
}

/* An entry that only one of them has, and all below it. */
static int tell_all(struct diffing *d, enum rvs_change change,
		    struct rvs_tree *tree, uint32_t index)
{
	const struct rvs_entry *e = rvs_tree_entry(tree, index);
	bool added = change == RVS_ADDED;
	uint32_t i;
	int r = tell(d, change, tree, index, added ? NULL : e,
		     added ? e : NULL);

	for (i = 0; r == 0 && S_ISDIR(e->mode) && i < e->child_count; i++)
		r = tell_all(d, change, tree, rvs_tree_child(tree, e, i));
	return r;
}

static int compare_directories(struct diffing *d, const struct rvs_entry *a,
			       const struct rvs_entry *b);

static int compare_entries(struct diffing *d, uint32_t before, uint32_t after)
{
	const struct rvs_entry *a = rvs_tree_entry(d->before, before);
	const struct rvs_entry *b = rvs_tree_entry(d->after, after);
	bool directories = S_ISDIR(a->mode) && S_ISDIR(b->mode);
	int r = 0;

	if (S_ISDIR(a->mode) != S_ISDIR(b->mode)) {
		r = tell_all(d, RVS_REMOVED, d->before, before);
		return r ? r : tell_all(d, RVS_ADDED, d->after, after);
	}
	if (!same_content(a, b))
		r = tell(d, RVS_CHANGED, d->after, after, a, b);
	else if (!same_attributes(a, b))
		r = tell(d, RVS_ATTRIBUTES, d->after, after, a, b);
	return r == 0 && directories ? compare_directories(d, a, b) : r;
}

/* Both have their children in the order of names. */
static int compare_directories(struct diffing *d, const struct rvs_entry *a,
			       const struct rvs_entry *b)
{
	uint32_t i = 0, j = 0;
	int r = 0;

	while (r == 0 && (i < a->child_count || j < b->child_count)) {
		uint32_t x = i < a->child_count ?
				     rvs_tree_child(d->before, a, i) :
				     RVS_NO_ENTRY;
		uint32_t y = j < b->child_count ?
				     rvs_tree_child(d->after, b, j) :
				     RVS_NO_ENTRY;
		int order = x == RVS_NO_ENTRY ? 1 :
			    y == RVS_NO_ENTRY ? -1 :
				    strcmp(rvs_tree_entry(d->before, x)->name,
					   rvs_tree_entry(d->after, y)->name);

		if (order < 0)
			r = tell_all(d, RVS_REMOVED, d->before, x);
		else if (order > 0)
			r = tell_all(d, RVS_ADDED, d->after, y);
		else
			r = compare_entries(d, x, y);
		i += order <= 0;
		j += order >= 0;
	}
	return r;
}

static int open_tree(struct rvs_store *store, const char *reference,
		     struct rvs_tree **ret, struct rvs_error *err)
{
	struct rvs_snapshot snapshot = { 0 };
	int r = rvs_snapshot_find(store, reference, &snapshot, err);

	if (r == 0)
		r = rvs_tree_open(store, snapshot.id, ret, err);
	rvs_snapshot_done(&snapshot);
	return r;
}

int rvs_diff(struct rvs_store *store, const char *before, const char *after,
	     int (*differs)(void *arg, const struct rvs_difference *difference),
	     void *arg, struct rvs_error *err)
{
	struct diffing d = { .differs = differs, .arg = arg, .err = err };
	int r = open_tree(store, before, &d.before, err);

	if (r == 0)
		r = open_tree(store, after, &d.after, err);
	if (r == 0)
		r = compare_entries(&d, 0, 0);
	rvs_tree_release(d.before);
	rvs_tree_release(d.after);
	return r;
}
