#include "view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <rvs/store.h>
#include <rvs/tree.h>

#include "cleanup.h"
#include "aliases.h"
#include "cache.h"
#include "commands.h"
#include "contents.h"
#include "control.h"
#include "damage.h"
#include "errors.h"
#include "hidden.h"
#include "history.h"
#include "inode.h"
#include "jobs.h"
#include "log.h"
#include "node.h"
#include "raw.h"
#include "root.h"
#include "scheduler.h"
#include "snapshots.h"
#include "status.h"
#include "texts.h"
#include "totals.h"
#include "xattr.h"

enum {
	PAGE = 4096,
	NAME_LEN_MAX = 255,
};

struct view {
	struct rvs_store *store;
	struct view_options options;
	struct snapshots *snapshots;
	struct contents *contents;
	struct texts *texts;
	struct damage_log *damages;
	struct jobs *jobs;
	struct commands *commands;
	struct scheduler *scheduler; /* NULL: nothing is done by itself */
	struct totals *totals;
	struct root *root;
	struct aliases aliases;
	struct history *history;
	struct raw *raw;
};

static void note_record(void *arg, const char *directory, const char *reason)
{
	struct view *view = arg;
	struct rvs_damage damage = { .stream = "metadata.json", .member = -1 };

	(void)strncat(damage.snapshot, directory, sizeof(damage.snapshot) - 1);
	(void)strncat(damage.reason, reason, sizeof(damage.reason) - 1);
	damage_note(view->damages, directory, NULL, &damage);
}

static bool make_logs(struct view *view)
{
	view->damages = damage_new(view->options.log);
	view->texts = texts_new();
	return view->damages && view->texts;
}

static void tell_left(void *arg, uint64_t parent, const char *name,
		      uint64_t child)
{
	const struct view *view = arg;
	const struct view_listener *listener = &view->options.listener;

	listener->left(listener->arg, parent, name, child);
}

/* All names that led to the snapshot, or those that are its present name. */
static void note_left(void *arg, const struct snapshot *was, bool deleted)
{
	tell_left(arg, INODE_ROOT_NUMBER, was->name,
		  deleted ? inode_of_entry(was->slot, 0) : 0);
	tell_left(arg, inode_of_hidden(HIDDEN_RAW), was->name,
		  deleted ? inode_of_raw(was->slot, 0) : 0);
	if (deleted)
		aliases_each(was, arg, tell_left);
}

static void note_changed(void *arg)
{
	tell_left(arg, INODE_ROOT_NUMBER, "latest", 0);
}

static bool make_snapshots(struct view *view)
{
	struct snapshots_observer observer = {
		.arg = view,
		.damaged = note_record,
		.left = note_left,
		.changed = note_changed,
	};

	view->snapshots = snapshots_new(view->store, &observer);
	return view->snapshots;
}

static bool make_contents(struct view *view)
{
	struct contents_context context = {
		.store = view->store,
		.snapshots = view->snapshots,
		.damages = view->damages,
		.log = view->options.log,
		.tree_cache_bytes = view->options.tree_cache_bytes,
	};

	view->contents = contents_new(&context);
	return view->contents;
}

static void on_rescheduled(void *arg)
{
	const struct view *view = arg;

	scheduler_wake(view->scheduler);
}

static bool make_commands(struct view *view)
{
	struct commands_context context = {
		.store = view->store,
		.texts = view->texts,
		.damages = view->damages,
		.source = view->options.source,
		.rescheduled = on_rescheduled,
		.arg = view,
	};

	view->jobs = context.jobs = jobs_new(view->options.log);
	if (!view->jobs)
		return false;
	view->commands = commands_new(&context);
	return view->commands;
}

static bool make_root(struct view *view)
{
	struct root_context context = {
		.snapshots = view->snapshots,
		.contents = view->contents,
		.texts = view->texts,
		.log = view->options.log,
		.owner = view->options.owner,
		.status = {
			.store = view->store,
			.snapshots = view->snapshots,
			.trees = contents_trees(view->contents),
			.jobs = view->jobs,
			.commands = view->commands,
			.damages = view->damages,
			.texts = view->texts,
			.crc_only = view->options.crc_only,
		},
		.read_only = view->options.read_only,
	};

	view->totals = context.status.totals = totals_new(view->store);
	if (!view->totals)
		return false;
	clock_gettime(CLOCK_REALTIME, &context.status.mounted_at);
	view->root = root_new(&context);
	view->aliases = (struct aliases){ view->root, view->snapshots };
	return view->root;
}

static bool make_history(struct view *view)
{
	struct history_context context = {
		.store = view->store,
		.root = view->root,
		.snapshots = view->snapshots,
		.contents = view->contents,
		.log = view->options.log,
		.owner = view->options.owner,
	};

	view->history = history_new(&context);
	return view->history;
}

static bool make_raw(struct view *view)
{
	struct raw_context context = {
		.store = view->store,
		.root = view->root,
		.snapshots = view->snapshots,
		.damages = view->damages,
		.log = view->options.log,
		.owner = view->options.owner,
	};

	view->raw = raw_new(&context);
	return view->raw;
}

struct view *view_new(struct rvs_store *store,
		      const struct view_options *options)
{
	struct view *view = calloc(1, sizeof(*view));

	if (!view)
		return NULL;
	view->store = store;
	view->options = *options;
	if (make_logs(view) && make_snapshots(view) && make_contents(view) &&
	    make_commands(view) && make_root(view) && make_history(view) &&
	    make_raw(view))
		return view;
	view_free(view);
	return NULL;
}

void view_free(struct view *view)
{
	if (!view)
		return;
	if (view->jobs)
		jobs_stop(view->jobs);
	scheduler_free(view->scheduler);
	raw_free(view->raw);
	history_free(view->history);
	root_free(view->root);
	totals_free(view->totals);
	contents_free(view->contents);
	commands_free(view->commands);
	jobs_free(view->jobs);
	snapshots_free(view->snapshots);
	texts_free(view->texts);
	damage_free(view->damages);
	free(view);
}

int view_begin_schedule(struct view *view)
{
	const struct scheduler_context context = {
		.store = view->store,
		.jobs = view->jobs,
		.log = view->options.log,
		.source = view->options.source,
	};

	view->scheduler = scheduler_new(&context);
	return view->scheduler ? 0 : -1;
}

bool view_is_busy(struct view *view)
{
	return jobs_running(view->jobs);
}

void view_look(struct view *view)
{
	(void)root_refresh(view->root); /* a failure is in the log */
}

/* The answer to a change of the store. */
static int conclude(struct view *view, int status)
{
	if (status == 0)
		root_outlive_names(view->root);
	return -error_errno(status);
}

/* A directory that is found by name: its own attributes. */
static int stat_hidden(struct view *view, enum inode_hidden hidden,
		       struct node *ret)
{
	const struct inode inode = { .kind = INODE_HIDDEN, .hidden = hidden };
	int r;

	if (hidden == HIDDEN_HISTORY)
		return history_stat(view->history, &inode, ret);
	r = root_refresh(view->root);
	if (r < 0)
		return r;
	*ret = hidden_node(hidden, &view->options.owner,
			   snapshots_changed_at(view->snapshots));
	return 0;
}

static int lookup_root(struct view *view, const char *name, struct node *ret)
{
	enum inode_hidden hidden;

	if (hidden_named(name, &hidden))
		return stat_hidden(view, hidden, ret);
	return root_lookup(view->root, name, ret);
}

static int lookup_hidden(struct view *view, const struct inode *dir,
			 const char *name, struct node *ret)
{
	switch (dir->hidden) {
	case HIDDEN_BY_ID:
	case HIDDEN_BY_TIME:
		return aliases_lookup(&view->aliases, dir->hidden, name, ret);
	case HIDDEN_HISTORY:
		return history_lookup(view->history, dir, name, ret);
	default:
		return raw_lookup(view->raw, dir, name, ret);
	}
}

int view_lookup(struct view *view, uint64_t parent, const char *name,
		struct node *ret)
{
	struct inode dir = inode_parse(parent);

	if (dir.kind == INODE_ROOT)
		return lookup_root(view, name, ret);
	if (dir.kind == INODE_HIDDEN)
		return lookup_hidden(view, &dir, name, ret);
	if (dir.kind == INODE_RAW)
		return raw_lookup(view->raw, &dir, name, ret);
	if (dir.kind == INODE_HISTORY)
		return history_lookup(view->history, &dir, name, ret);
	if (dir.kind == INODE_ENTRY)
		return contents_lookup(view->contents, &dir, name, ret);
	return -ENOTDIR;
}

static int stat_entry(struct view *view, const struct inode *inode,
		      struct node *ret)
{
	if (inode->index)
		return contents_stat(view->contents, inode, ret);
	return root_stat_snapshot(view->root, inode->slot, inode->view, ret);
}

int view_stat(struct view *view, uint64_t number, struct node *ret)
{
	struct inode inode = inode_parse(number);

	if (inode.kind == INODE_ROOT)
		return root_stat(view->root, ret);
	if (inode.kind == INODE_HIDDEN)
		return stat_hidden(view, inode.hidden, ret);
	if (inode.kind == INODE_RAW)
		return raw_stat(view->raw, &inode, ret);
	if (inode.kind == INODE_HISTORY)
		return history_stat(view->history, &inode, ret);
	if (inode.kind == INODE_ENTRY)
		return stat_entry(view, &inode, ret);
	if (inode.kind == INODE_TEXT)
		return root_stat_text(view->root, inode.file, inode.version,
				      ret);
	return -ESTALE;
}

static int list_hidden(struct view *view, const struct inode *dir, off_t at,
		       const struct lister *lister)
{
	switch (dir->hidden) {
	case HIDDEN_BY_ID:
	case HIDDEN_BY_TIME:
		return aliases_list(&view->aliases, dir->hidden, at, lister);
	case HIDDEN_HISTORY:
		return history_list(view->history, dir, at, lister);
	default:
		return raw_list(view->raw, dir, at, lister);
	}
}

int view_list(struct view *view, uint64_t number, off_t at,
	      const struct lister *lister)
{
	struct inode dir = inode_parse(number);

	if (at < 0)
		return -EINVAL;
	if (dir.kind == INODE_ROOT)
		return root_list(view->root, at, lister);
	if (dir.kind == INODE_HIDDEN)
		return list_hidden(view, &dir, at, lister);
	if (dir.kind == INODE_RAW)
		return raw_list(view->raw, &dir, at, lister);
	if (dir.kind == INODE_HISTORY)
		return history_list(view->history, &dir, at, lister);
	if (dir.kind == INODE_ENTRY)
		return contents_list(view->contents, &dir, at, lister);
	return -ENOTDIR;
}

static int readlink_text(struct view *view, const struct inode *inode,
			 char **ret)
{
	struct text text = TEXT_INIT;
	int r;

	if (inode->file != TEXT_LATEST)
		return -EINVAL;
	r = texts_get(view->texts, TEXT_LATEST, inode->version, &text);
	*ret = text.bytes;
	return r;
}

int view_readlink(struct view *view, uint64_t number, char **ret)
{
	struct inode inode = inode_parse(number);

	if (inode.kind == INODE_TEXT)
		return readlink_text(view, &inode, ret);
	if (inode.kind == INODE_ENTRY)
		return contents_readlink(view->contents, &inode, ret);
	return -EINVAL;
}

static int read_text(struct view *view, const struct inode *inode, size_t len,
		     off_t offset, const struct rvs_sink *sink)
{
	CLEANUP(text_done) struct text text = TEXT_INIT;
	struct iovec part;
	int r;

	if (inode->file >= TEXT_FILES)
		return -ESTALE;
	r = texts_get(view->texts, inode->file, inode->version, &text);
	if (r < 0)
		return r;
	if (offset < 0 || (size_t)offset > text.len)
		offset = (off_t)text.len;
	if (len > text.len - (size_t)offset)
		len = text.len - (size_t)offset;
	part = (struct iovec){ text.bytes + offset, len };
	sink->give(sink->arg, &part, 1);
	return 0;
}

static int read_raw(struct view *view, const struct inode *inode, size_t len,
		    off_t offset, const struct rvs_sink *sink,
		    const struct canceller *canceller)
{
	CLEANUP(cleanup_free) void *bytes = malloc(len);
	struct iovec part = { bytes, 0 };
	ssize_t n;

	if (!bytes)
		return -ENOMEM;
	n = raw_read(view->raw, inode, bytes, len, offset, canceller);
	if (n < 0)
		return (int)n;
	part.iov_len = (size_t)n;
	sink->give(sink->arg, &part, 1);
	return 0;
}

int view_read(struct view *view, uint64_t number, size_t len, off_t offset,
	      const struct rvs_sink *sink, const struct canceller *canceller)
{
	struct inode inode = inode_parse(number);

	if (inode.kind == INODE_TEXT)
		return read_text(view, &inode, len, offset, sink);
	if (inode.kind == INODE_ENTRY)
		return contents_read(view->contents, &inode, len, offset,
				     sink);
	if (inode.kind == INODE_RAW)
		return read_raw(view, &inode, len, offset, sink, canceller);
	return -EISDIR;
}

static off_t seek_text(struct view *view, const struct inode *inode,
		       off_t offset, int whence)
{
	struct node node;
	int r;

	r = root_stat_text(view->root, inode->file, inode->version, &node);
	if (r < 0)
		return r;
	if (offset < 0 || offset >= node.attr.st_size)
		return -ENXIO;
	return whence == SEEK_DATA ? offset : node.attr.st_size;
}

/* Streams are shown without holes. */
static off_t seek_raw(struct view *view, const struct inode *inode,
		      off_t offset, int whence)
{
	struct node node;
	int r;

	r = raw_stat(view->raw, inode, &node);
	if (r < 0)
		return r;
	if (offset < 0 || offset >= node.attr.st_size)
		return -ENXIO;
	return whence == SEEK_DATA ? offset : node.attr.st_size;
}

off_t view_seek(struct view *view, uint64_t number, off_t offset, int whence)
{
	struct inode inode = inode_parse(number);

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return -EINVAL;
	if (inode.kind == INODE_TEXT)
		return seek_text(view, &inode, offset, whence);
	if (inode.kind == INODE_RAW)
		return seek_raw(view, &inode, offset, whence);
	if (inode.kind == INODE_ENTRY)
		return contents_seek(view->contents, &inode, offset, whence);
	return -EINVAL;
}

bool view_is_at_hand(struct view *view, uint64_t number)
{
	struct inode inode = inode_parse(number);

	/* A snapshot's root is asked about as one of many. */
	return inode.kind == INODE_ENTRY && inode.index != 0 &&
	       cache_has(contents_trees(view->contents), inode.slot);
}

ssize_t view_getxattr(struct view *view, uint64_t number, const char *name,
		      void *ret, size_t size)
{
	struct inode inode = inode_parse(number);

	if (inode.kind == INODE_ROOT)
		return xattr_root_get(rvs_store_config(view->store)->uuid,
				      name, ret, size);
	if (inode.kind == INODE_ENTRY)
		return contents_getxattr(view->contents, &inode, name, ret,
					 size);
	return -ENODATA;
}

ssize_t view_listxattr(struct view *view, uint64_t number, char *ret,
		       size_t size)
{
	struct inode inode = inode_parse(number);

	if (inode.kind == INODE_ROOT)
		return xattr_root_list(ret, size);
	if (inode.kind == INODE_ENTRY)
		return contents_listxattr(view->contents, &inode, ret, size);
	return 0;
}

static bool is_control(const struct inode *inode)
{
	return inode->kind == INODE_TEXT && inode->file < TEXT_CONTROLS;
}

/* By root's rule: only the mounting user is asked about here, to whom the
 * whole store is open. */
static bool may_execute(mode_t mode)
{
	return S_ISDIR(mode) || mode & (S_IXUSR | S_IXGRP | S_IXOTH);
}

int view_access(struct view *view, uint64_t number, int mask)
{
	struct inode inode = inode_parse(number);
	struct node node;
	int r;

	if (inode.kind == INODE_ROOT)
		return 0;
	if (mask & W_OK && !is_control(&inode))
		return -EROFS;
	if (!(mask & X_OK))
		return 0;
	r = view_stat(view, number, &node);
	if (r < 0)
		return r;
	return may_execute(node.attr.st_mode) ? 0 : -EACCES;
}

int view_statfs(struct view *view, struct statvfs *ret)
{
	if (statvfs(rvs_store_path(view->store), ret) < 0)
		return -errno;
	ret->f_bsize = PAGE;
	ret->f_namemax = NAME_LEN_MAX;
	return 0;
}

int view_truncate(struct view *view, uint64_t number, struct node *ret)
{
	struct inode inode = inode_parse(number);
	int r;

	if (!is_control(&inode))
		return -EROFS;
	r = root_stat_text(view->root, inode.file, inode.version, ret);
	ret->attr.st_size = 0;
	return r;
}

/*
 * The kernel hands over a write that begins inside a page page by page, so that
 * a text which reaches the end of the page may go on in another request.
 */
static bool may_be_cut(const struct view_write *write)
{
	size_t in_page = (size_t)write->offset % PAGE;

	return in_page && in_page + write->len >= PAGE;
}

int view_write(struct view *view, uint64_t number,
	       const struct view_write *write,
	       const struct canceller *canceller)
{
	struct inode inode = inode_parse(number);
	struct rvs_error err = RVS_ERROR_INIT;
	struct command_text text = {
		.file = (enum text_file)inode.file,
		.bytes = write->bytes,
		.len = write->len,
		.wait = !write->nonblock,
	};

	if (!is_control(&inode))
		return -EROFS;
	/* The kernel keeps the page locked until this is answered; readers
	 * get another inode meanwhile. */
	if (!texts_renew(view->texts, text.file))
		return -ENOMEM;
	if (may_be_cut(write)) {
		(void)error_set(&err, RVS_ERR_USAGE,
				"too far into the file: truncate it first");
		return -error_errno(
			commands_refuse(view->commands, text.file, &err));
	}
	return conclude(view, commands_write(view->commands, &text, canceller,
					     &err));
}

int view_mkdir(struct view *view, uint64_t parent, const char *name,
	       const struct canceller *canceller, struct node *ret)
{
	struct rvs_error err = RVS_ERROR_INIT;
	int r;

	if (parent != INODE_ROOT_NUMBER)
		return -EROFS;
	r = commands_create(view->commands, name, canceller, &err);
	r = conclude(view, r);
	return r < 0 ? r : root_lookup(view->root, name, ret);
}

int view_rmdir(struct view *view, uint64_t parent, const char *name,
	       const struct canceller *canceller)
{
	struct rvs_error err = RVS_ERROR_INIT;
	enum inode_hidden hidden;
	struct snapshot snapshot;
	int r;

	if (parent != INODE_ROOT_NUMBER || hidden_named(name, &hidden))
		return -EROFS;
	r = root_find(view->root, name, &snapshot);
	if (r < 0)
		return r;
	return conclude(view,
			commands_delete(view->commands, &snapshot, canceller,
					&err));
}

int view_rename(struct view *view, uint64_t parent, const char *name,
		uint64_t new_parent, const char *new_name,
		const struct canceller *canceller)
{
	struct rvs_error err = RVS_ERROR_INIT;
	enum inode_hidden hidden;
	struct snapshot snapshot;
	int r;

	if (parent != INODE_ROOT_NUMBER || new_parent != INODE_ROOT_NUMBER)
		return -EROFS;
	if (control_file_named(name) != TEXT_FILES ||
	    hidden_named(name, &hidden))
		return -EROFS;
	r = root_find(view->root, name, &snapshot);
	if (r < 0)
		return r;
	return conclude(view, commands_rename(view->commands, &snapshot,
					      new_name, canceller, &err));
}
