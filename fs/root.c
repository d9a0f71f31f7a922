#include "root.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "contents.h"
#include "control.h"
#include "errors.h"
#include "inode.h"
#include "log.h"
#include "node.h"
#include "snapshots.h"
#include "status.h"

enum {
	ROOT_MODE = 0755,
	UNREADABLE_MODE = 0500,
};

/* Places in the root: ".", "..", the text files, then the slots. */
enum {
	PLACE_TEXTS = 2,
	PLACE_SLOTS = PLACE_TEXTS + TEXT_FILES,
};

struct root {
	struct root_context context;
	atomic_bool list_fails; /* so that one outage is one line in the log */
	atomic_llong told_ms;   /* when a name was last told for briefly */
};

struct root *root_new(const struct root_context *context)
{
	struct root *root = calloc(1, sizeof(*root));

	if (root)
		root->context = *context;
	return root;
}

void root_free(struct root *root)
{
	free(root);
}

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Twice the time, as the kernel counts in ticks of its own. */
void root_outlive_names(struct root *root)
{
	long long end = atomic_load(&root->told_ms) + 2 * NODE_BRIEFLY_MS;
	long long left = end - now_ms();

	if (left > 0)
		(void)usleep((useconds_t)left * 1000); /* a signal is no harm */
}

int root_refresh(struct root *root)
{
	struct rvs_error err = RVS_ERROR_INIT;
	int r;

	r = snapshots_refresh(root->context.snapshots, &err);
	if (r < 0 && !atomic_exchange(&root->list_fails, true))
		log_warning(root->context.log, "%s", err.text);
	if (r == 0)
		atomic_store(&root->list_fails, false);
	return r < 0 ? -error_errno(r) : 0;
}

int root_find(struct root *root, const char *name, struct snapshot *ret)
{
	int r;

	r = root_refresh(root);
	if (r < 0)
		return r;
	return snapshots_find(root->context.snapshots, name, ret) ? 0 : -ENOENT;
}

static struct node root_node(struct root *root)
{
	struct timespec at = snapshots_changed_at(root->context.snapshots);

	return (struct node){
		.number = INODE_ROOT_NUMBER,
		.attr = attr_of_directory(&root->context.owner,
					  INODE_ROOT_NUMBER, ROOT_MODE, at),
	};
}

static struct node recorded_node(const struct snapshot *snapshot,
				 enum inode_view view)
{
	uint64_t number = inode_of_directory(view, snapshot->slot, 0);

	return (struct node){
		.number = number,
		.attr = attr_of_root(&snapshot->root, number),
		.name_life = NODE_BRIEFLY,
		.attr_life = NODE_FOREVER,
	};
}

/* A directory that only the mounting user can enter, to learn what is wrong
 * with it, and remove. */
static struct node unreadable_node(const struct root *root,
				   const struct snapshot *snapshot,
				   enum inode_view view)
{
	uint64_t number = inode_of_directory(view, snapshot->slot, 0);

	return (struct node){
		.number = number,
		.attr = attr_of_directory(&root->context.owner, number,
					  UNREADABLE_MODE,
					  snapshot->created_at),
		.name_life = NODE_BRIEFLY,
	};
}

/* Its name may change. */
struct node root_snapshot_node(struct root *root,
			       const struct snapshot *snapshot,
			       enum inode_view view)
{
	struct inode inode = {
		.kind = INODE_ENTRY,
		.view = view,
		.slot = snapshot->slot,
	};
	struct node node;

	if (S_ISDIR(snapshot->root.mode))
		return recorded_node(snapshot, view);
	if (contents_stat(root->context.contents, &inode, &node) < 0)
		return unreadable_node(root, snapshot, view);
	node.name_life = NODE_BRIEFLY;
	return node;
}

int root_stat_text(struct root *root, unsigned file, uint64_t version,
		   struct node *ret)
{
	CLEANUP(text_done) struct text text = TEXT_INIT;
	uint64_t number;
	int r;

	if (file >= TEXT_FILES)
		return -ESTALE;
	r = texts_get(root->context.texts, file, version, &text);
	if (r < 0)
		return r;
	number = inode_of_text(file, version);
	*ret = (struct node){
		.number = number,
		.attr = attr_of_text(&root->context.owner, number,
				     control_file((enum text_file)file)->mode,
				     text.len,
				     text.changed_at),
	};
	return 0;
}

/* The version of a text file after its content was brought up to date; 0 when
 * out of memory. */
static uint64_t fresh_version(struct root *root, enum text_file file)
{
	struct snapshot newest;

	if (file == TEXT_LATEST &&
	    snapshots_newest(root->context.snapshots, &newest))
		return texts_set(root->context.texts, TEXT_LATEST, newest.name);
	if (!status_refresh(&root->context.status, file))
		return 0;
	return texts_version(root->context.texts, file);
}

/* Whether the root holds the text file now: there is no latest of nothing, and
 * nothing to control where nothing can be written. */
static bool is_there(struct root *root, enum text_file file)
{
	if (file == TEXT_LATEST)
		return snapshots_count(root->context.snapshots);
	return !root->context.read_only ||
	       (file >= TEXT_CONTROLS && file != TEXT_HELP);
}

static int lookup_text(struct root *root, enum text_file file,
		       struct node *ret)
{
	uint64_t version;
	int r;

	r = root_refresh(root);
	if (r < 0 && file == TEXT_LATEST)
		return r;
	if (!is_there(root, file))
		return -ENOENT;
	version = fresh_version(root, file);
	if (!version)
		return -ENOMEM;
	r = root_stat_text(root, file, version, ret);
	if (r == 0 && file == TEXT_LATEST)
		ret->name_life = NODE_BRIEFLY;
	return r;
}

static int lookup_name(struct root *root, const char *name, struct node *ret)
{
	enum text_file file = control_file_named(name);
	struct snapshot snapshot;
	int r;

	if (file != TEXT_FILES)
		return lookup_text(root, file, ret);
	r = root_find(root, name, &snapshot);
	if (r < 0)
		return r;
	*ret = root_snapshot_node(root, &snapshot, VIEW_NAME);
	return 0;
}

int root_lookup(struct root *root, const char *name, struct node *ret)
{
	int r;

	r = lookup_name(root, name, ret);
	if (r == 0 && ret->name_life == NODE_BRIEFLY)
		atomic_store(&root->told_ms, now_ms());
	return r;
}

int root_stat(struct root *root, struct node *ret)
{
	int r;

	r = root_refresh(root);
	if (r < 0)
		return r;
	*ret = root_node(root);
	return 0;
}

int root_stat_snapshot(struct root *root, uint32_t slot, enum inode_view view,
		       struct node *ret)
{
	struct snapshot snapshot;

	if (!snapshots_get(root->context.snapshots, slot, &snapshot))
		return -ESTALE;
	*ret = root_snapshot_node(root, &snapshot, view);
	return 0;
}

static bool emit_text(struct root *root, off_t at,
		      const struct lister *lister)
{
	enum text_file file = (enum text_file)(at - PLACE_TEXTS);
	const struct control_file *text = control_file(file);
	struct node node = node_brief(inode_of_text(file, 0), text->mode);

	if (!is_there(root, file))
		return true;
	return lister->emit(lister->arg, text->name, &node, at + 1);
}

static bool emit_snapshot(const struct snapshot *snapshot,
			  const struct lister *lister)
{
	struct node node = node_brief(inode_of_entry(snapshot->slot, 0),
				      S_IFDIR);

	return lister->emit(lister->arg, snapshot->name, &node,
			    (off_t)snapshot->slot + PLACE_SLOTS + 1);
}

static void emit_snapshots(struct root *root, off_t at,
			   const struct lister *lister)
{
	uint32_t slot = (uint32_t)(at - PLACE_SLOTS);
	struct snapshot snapshot;

	while (snapshots_next(root->context.snapshots, slot, &snapshot) &&
	       emit_snapshot(&snapshot, lister))
		slot = snapshot.slot + 1;
}

/* Names change and snapshots go, so that a node for each of them would be
 * looked up again at its first use: none is given. */
int root_list(struct root *root, off_t at, const struct lister *lister)
{
	int r;

	r = root_refresh(root);
	if (r < 0)
		return r;
	for (; at < PLACE_TEXTS; at++)
		if (!node_emit_dots(INODE_ROOT_NUMBER, INODE_ROOT_NUMBER, at,
				    lister))
			return 0;
	for (; at < PLACE_SLOTS; at++)
		if (!emit_text(root, at, lister))
			return 0;
	emit_snapshots(root, at, lister);
	return 0;
}

