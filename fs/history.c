#include "history.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rvs/history.h>

#include "access.h"
#include "cleanup.h"
#include "contents.h"
#include "errors.h"
#include "log.h"
#include "node.h"
#include "root.h"
#include "snapshots.h"
#include "timename.h"

enum {
	RECENT = 16, /* paths kept: a lookup, a stat and a listing follow */
	PLACE_VERSIONS = 2,
	VERSIONS_MODE = 0555, /* who reaches a file may know of it */
};

/* What is known of a path; constant, but for its users. */
struct past {
	char *path; /* "" is the root */
	uint64_t number;
	bool has_names;
	struct timespec as_of; /* the list of snapshots */
	struct rvs_history found;
	unsigned users; /* protected by history->lock; the table is one */
};

struct history {
	struct history_context context;
	pthread_mutex_t lock;
	struct past *recent[RECENT]; /* protected by lock; the last used first */
};

struct history *history_new(const struct history_context *context)
{
	struct history *history = calloc(1, sizeof(*history));

	if (!history)
		return NULL;
	history->context = *context;
	pthread_mutex_init(&history->lock, NULL);
	return history;
}

static void free_past(struct past *past)
{
	if (!past)
		return;
	rvs_history_done(&past->found);
	free(past->path);
	free(past);
}

void history_free(struct history *history)
{
	int i;

	if (!history)
		return;
	for (i = 0; i < RECENT; i++)
		free_past(history->recent[i]);
	pthread_mutex_destroy(&history->lock);
	free(history);
}

/* ---- the table ---- */

/* Make the @nth the first; call with the lock held. */
static void touch(struct history *history, int nth)
{
	struct past *past = history->recent[nth];

	memmove(history->recent + 1, history->recent,
		(size_t)nth * sizeof(past));
	history->recent[0] = past;
}

static bool is_current(const struct past *past, struct timespec as_of)
{
	return past->as_of.tv_sec == as_of.tv_sec &&
	       past->as_of.tv_nsec == as_of.tv_nsec;
}

/* What is known of @path, with a user more; NULL: not enough, or old. */
static struct past *recall(struct history *history, const char *path,
			   bool wants_names, struct timespec as_of)
{
	struct past *past;
	int i;
	LOCKED(&history->lock);

	for (i = 0; i < RECENT && history->recent[i]; i++) {
		past = history->recent[i];
		if (strcmp(past->path, path) != 0 ||
		    !is_current(past, as_of) ||
		    (wants_names && !past->has_names))
			continue;
		past->users++;
		touch(history, i);
		return past;
	}
	return NULL;
}

/* Enter @past, for its user and the table; returns who has to go, if the table
 * was its last user. */
static struct past *remember(struct history *history, struct past *past)
{
	struct past *oldest;
	LOCKED(&history->lock);

	oldest = history->recent[RECENT - 1];
	history->recent[RECENT - 1] = past;
	past->users = 2;
	touch(history, RECENT - 1);
	return oldest && --oldest->users == 0 ? oldest : NULL;
}

static bool is_last(struct history *history, struct past *past)
{
	LOCKED(&history->lock);

	return --past->users == 0;
}

/* A use of what is known of a path. */
struct use {
	struct history *history;
	struct past *past;
};

static void use_done(struct use *use)
{
	if (use->past && is_last(use->history, use->past))
		free_past(use->past);
}

/* ---- asking ---- */

static uint64_t number_of_oldest(struct history *history,
				 const struct rvs_history *found)
{
	struct snapshot snapshot;

	if (!snapshots_find_id(history->context.snapshots, found->id,
			       &snapshot))
		return 0; /* none, or deleted this moment */
	return inode_of_history(snapshot.slot, found->index);
}

static void complete(struct history *history, struct past *past)
{
	/* What was never a directory has no names to ask for. */
	past->has_names |= past->found.id[0] && !past->found.access_count;
	past->number = inode_of_hidden(HIDDEN_HISTORY);
	if (*past->path)
		past->number = number_of_oldest(history, &past->found);
}

static int search(struct history *history, struct past *past)
{
	struct rvs_store *store = history->context.store;
	struct rvs_error err = RVS_ERROR_INIT;
	int r;

	if (past->has_names)
		r = rvs_history_list(store, past->path, &past->found, &err);
	else
		r = rvs_history_find(store, past->path, &past->found, &err);
	if (r < 0) {
		log_warning(history->context.log, "history of %s: %s",
			    past->path, err.text);
		return -error_errno(r);
	}
	if (past->found.unreadable)
		log_warning(history->context.log,
			    "history of %s: %zu snapshots cannot be read",
			    past->path, past->found.unreadable);
	complete(history, past);
	return 0;
}

/* What its directory's history tells, when that was listed lately: a walk then
 * searches each directory, not each file.  1: too little. */
static int derive(struct history *history, struct past *past)
{
	CLEANUP(use_done) struct use used = { history, NULL };
	CLEANUP(cleanup_free) char *parent = strdup(past->path);
	char *slash = parent ? strrchr(parent, '/') : NULL;
	const char *name = past->path;
	int r;

	if (!parent || !*parent)
		return 1;
	if (slash)
		name += slash + 1 - parent;
	(slash ? slash : parent)[0] = '\0';
	used.past = recall(history, parent, true, past->as_of);
	if (!used.past)
		return 1;
	r = rvs_history_child(&used.past->found, name, &past->found, NULL);
	if (r == 0 && past->has_names && past->found.access_count) {
		rvs_history_done(&past->found); /* its names are wanted */
		return 1;
	}
	if (r == 0)
		complete(history, past);
	return r;
}

static int ask(struct history *history, const char *path, bool wants_names,
	       struct timespec as_of, struct past **ret)
{
	struct past *past = calloc(1, sizeof(*past));
	int r = -ENOMEM;

	if (!past)
		return r;
	past->path = strdup(path);
	past->has_names = wants_names;
	past->as_of = as_of;
	if (past->path)
		r = derive(history, past);
	if (past->path && r != 0)
		r = search(history, past);
	if (r < 0) {
		free_past(past);
		return r;
	}
	free_past(remember(history, past));
	*ret = past;
	return 0;
}

/* @ret is for use_done(). */
static int use(struct history *history, const char *path, bool wants_names,
	       struct use *ret)
{
	struct timespec as_of;
	int r;

	r = root_refresh(history->context.root);
	if (r < 0)
		return r;
	as_of = snapshots_changed_at(history->context.snapshots);
	ret->history = history;
	ret->past = recall(history, path, wants_names, as_of);
	return ret->past ? 0 :
			   ask(history, path, wants_names, as_of, &ret->past);
}

/* ---- paths ---- */

/* A copy of the path with that number, if it was used lately. */
static char *recall_path(struct history *history, uint64_t number)
{
	int i;
	LOCKED(&history->lock);

	for (i = 0; i < RECENT && history->recent[i]; i++)
		if (history->recent[i]->number == number)
			return strdup(history->recent[i]->path);
	return NULL;
}

static int path_of(struct history *history, const struct inode *dir,
		   char **ret)
{
	struct inode entry = {
		.kind = INODE_ENTRY,
		.slot = dir->slot,
		.index = dir->index,
	};

	if (dir->kind == INODE_HIDDEN) {
		*ret = strdup("");
		return *ret ? 0 : -ENOMEM;
	}
	*ret = recall_path(history, inode_of_history(dir->slot, dir->index));
	return *ret ? 0 :
		      contents_path(history->context.contents, &entry, ret);
}

/* ---- answers ---- */

static struct node directory_node(const struct history *history,
				  const struct past *past)
{
	const struct attr_owner *owner = &history->context.owner;
	struct rvs_access access = { VERSIONS_MODE, owner->uid, owner->gid };
	struct attr_owner shown;

	if (past->found.access_count)
		access = access_to_all(past->found.accesses,
				       past->found.access_count, owner);
	shown = (struct attr_owner){ access.uid, access.gid };
	return (struct node){
		.number = past->number,
		.attr = attr_of_directory(&shown, past->number, access.mode,
					  past->as_of),
		.name_life = *past->path ? NODE_BRIEFLY : NODE_FOREVER,
	};
}

static const struct rvs_version *version_named(const struct past *past,
					       const char *name)
{
	struct timespec time;
	size_t i;
	bool exact;

	if (!timename_parse(name, &time, &exact) || !exact)
		return NULL;
	for (i = 0; i < past->found.version_count; i++) {
		const struct rvs_version *version = &past->found.versions[i];

		if (version->created_at.tv_sec == time.tv_sec &&
		    version->created_at.tv_nsec == time.tv_nsec)
			return version;
	}
	return NULL;
}

static int version_node(struct history *history,
			const struct rvs_version *version, struct node *ret)
{
	struct inode inode = { .kind = INODE_ENTRY, .index = version->index };
	struct snapshot snapshot;
	int r;

	if (!snapshots_find_id(history->context.snapshots, version->id,
			       &snapshot))
		return -ENOENT;
	inode.slot = snapshot.slot;
	r = contents_stat(history->context.contents, &inode, ret);
	ret->name_life = NODE_BRIEFLY;
	return r;
}

/* Returns 1 when there is no version of that name. */
static int lookup_version(struct history *history, const char *path,
			  const char *name, struct node *ret)
{
	CLEANUP(use_done) struct use used = { NULL, NULL };
	const struct rvs_version *version;
	struct timespec time;
	bool exact;
	int r;

	if (!timename_parse(name, &time, &exact))
		return 1;
	r = use(history, path, false, &used);
	if (r < 0)
		return r;
	version = version_named(used.past, name);
	return version ? version_node(history, version, ret) : 1;
}

static int lookup_path(struct history *history, const char *path,
		       struct node *ret)
{
	CLEANUP(use_done) struct use used = { NULL, NULL };
	int r;

	r = use(history, path, false, &used);
	if (r < 0)
		return r;
	if (!used.past->number)
		return -ENOENT;
	*ret = directory_node(history, used.past);
	return 0;
}

int history_lookup(struct history *history, const struct inode *dir,
		   const char *name, struct node *ret)
{
	CLEANUP(cleanup_free) char *parent = NULL;
	CLEANUP(cleanup_free) char *path = NULL;
	int r;

	r = path_of(history, dir, &parent);
	if (r < 0)
		return r;
	r = lookup_version(history, parent, name, ret);
	if (r <= 0)
		return r;
	if (asprintf(&path, "%s%s%s", parent, *parent ? "/" : "", name) < 0) {
		path = NULL; /* which a failed asprintf leaves undefined */
		return -ENOMEM;
	}
	return lookup_path(history, path, ret);
}

static int use_directory(struct history *history, const struct inode *dir,
			 bool wants_names, struct use *ret)
{
	CLEANUP(cleanup_free) char *path = NULL;
	int r;

	r = path_of(history, dir, &path);
	return r < 0 ? r : use(history, path, wants_names, ret);
}

int history_stat(struct history *history, const struct inode *dir,
		 struct node *ret)
{
	CLEANUP(use_done) struct use used = { NULL, NULL };
	int r;

	r = use_directory(history, dir, false, &used);
	if (r < 0)
		return r;
	if (!used.past->number)
		return -ESTALE;
	*ret = directory_node(history, used.past);
	/* What the kernel asked for, when another snapshot is oldest now. */
	if (dir->kind == INODE_HISTORY)
		ret->number = ret->attr.st_ino =
			inode_of_history(dir->slot, dir->index);
	return 0;
}

static bool emit_version(struct history *history,
			 const struct rvs_version *version, off_t next,
			 const struct lister *lister)
{
	struct snapshot snapshot;
	char name[TIMENAME_SIZE];
	struct node node;

	if (!snapshots_find_id(history->context.snapshots, version->id,
			       &snapshot))
		return true;
	node = node_brief(inode_of_entry(snapshot.slot, version->index),
			  version->mode);
	return lister->emit(lister->arg,
			    timename_exact(version->created_at, name), &node,
			    next);
}

static bool emit_name(struct history *history, const struct past *past,
		      const struct rvs_past_name *name, off_t next,
		      const struct lister *lister)
{
	struct snapshot snapshot;
	struct node node;

	if (version_named(past, name->name) ||
	    !snapshots_find_id(history->context.snapshots, name->id, &snapshot))
		return true;
	node = node_brief(inode_of_history(snapshot.slot, name->index),
			  S_IFDIR);
	return lister->emit(lister->arg, name->name, &node, next);
}

static bool emit_at(struct history *history, const struct past *past, off_t at,
		    const struct lister *lister)
{
	size_t nth = (size_t)(at - PLACE_VERSIONS);

	if (at < PLACE_VERSIONS)
		return node_emit_dots(past->number, past->number, at, lister);
	if (nth < past->found.version_count)
		return emit_version(history, &past->found.versions[nth],
				    at + 1, lister);
	nth -= past->found.version_count;
	return emit_name(history, past, &past->found.names[nth], at + 1,
			 lister);
}

int history_list(struct history *history, const struct inode *dir, off_t at,
		 const struct lister *lister)
{
	CLEANUP(use_done) struct use used = { NULL, NULL };
	off_t end;
	int r;

	r = use_directory(history, dir, true, &used);
	if (r < 0)
		return r;
	end = PLACE_VERSIONS + (off_t)(used.past->found.version_count +
				       used.past->found.name_count);
	while (at < end && emit_at(history, used.past, at, lister))
		at++;
	return 0;
}
