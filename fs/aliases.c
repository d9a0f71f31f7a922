#include "aliases.h"

#include <errno.h>
#include <string.h>

#include "node.h"
#include "root.h"
#include "snapshots.h"
#include "timename.h"

/* Places: ".", "..", then for each slot one for each view in the directory. */
enum { PLACE_SLOTS = 2 };

struct shape {
	enum inode_view first;
	unsigned views;
};

static const struct shape shapes[HIDDEN_DIRECTORIES] = {
	[HIDDEN_BY_ID] = { VIEW_ID, 1 },
	[HIDDEN_BY_TIME] = { VIEW_TIME, 2 },
};

static const char *name_of(const struct snapshot *snapshot,
			   enum inode_view view, char ret[TIMENAME_SIZE])
{
	if (view == VIEW_TIME)
		return timename_exact(snapshot->created_at, ret);
	if (view == VIEW_GMT)
		return timename_gmt(snapshot->created_at, ret);
	return snapshot->id;
}

/* The snapshot that has the name now. */
static bool find(const struct aliases *aliases, enum inode_hidden hidden,
		 const char *name, struct snapshot *ret,
		 enum inode_view *ret_view)
{
	struct timespec time;
	bool exact;

	*ret_view = VIEW_ID;
	if (hidden == HIDDEN_BY_ID)
		return snapshots_find_id(aliases->snapshots, name, ret);
	if (!timename_parse(name, &time, &exact))
		return false;
	*ret_view = exact ? VIEW_TIME : VIEW_GMT;
	if (exact)
		return snapshots_find_moment(aliases->snapshots, time, ret);
	return snapshots_find_second(aliases->snapshots, time.tv_sec, ret);
}

int aliases_lookup(const struct aliases *aliases, enum inode_hidden hidden,
		   const char *name, struct node *ret)
{
	struct snapshot snapshot;
	enum inode_view view;
	int r;

	r = root_refresh(aliases->root);
	if (r < 0)
		return r;
	if (!find(aliases, hidden, name, &snapshot, &view))
		return -ENOENT;
	*ret = root_snapshot_node(aliases->root, &snapshot, view);
	return 0;
}

/* Of snapshots that share a name it is the newest's. */
static bool has_name(const struct aliases *aliases,
		     const struct snapshot *snapshot, enum inode_view view,
		     const char *name)
{
	struct snapshot found;

	if (!*name)
		return false;
	return view == VIEW_ID ||
	       (find(aliases, HIDDEN_BY_TIME, name, &found, &view) &&
		found.slot == snapshot->slot);
}

static bool emit(const struct aliases *aliases,
		 const struct snapshot *snapshot, enum inode_view view,
		 off_t next, const struct lister *lister)
{
	struct node node = node_brief(
		inode_of_directory(view, snapshot->slot, 0), S_IFDIR);
	char buf[TIMENAME_SIZE];
	const char *name = name_of(snapshot, view, buf);

	return !has_name(aliases, snapshot, view, name) ||
	       lister->emit(lister->arg, name, &node, next);
}

int aliases_list(const struct aliases *aliases, enum inode_hidden hidden,
		 off_t at, const struct lister *lister)
{
	struct shape shape = shapes[hidden];
	struct snapshot snapshot;
	uint32_t slot;
	unsigned nth;
	int r;

	r = root_refresh(aliases->root);
	if (r < 0)
		return r;
	for (; at < PLACE_SLOTS; at++)
		if (!node_emit_dots(inode_of_hidden(hidden),
				    INODE_ROOT_NUMBER, at, lister))
			return 0;
	slot = (uint32_t)((at - PLACE_SLOTS) / shape.views);
	nth = (unsigned)((at - PLACE_SLOTS) % shape.views);
	while (snapshots_next(aliases->snapshots, slot, &snapshot)) {
		nth = snapshot.slot == slot ? nth : 0;
		slot = snapshot.slot;
		for (; nth < shape.views; nth++)
			if (!emit(aliases, &snapshot, shape.first + nth,
				  PLACE_SLOTS + (off_t)slot * shape.views +
					  nth + 1,
				  lister))
				return 0;
		slot++;
		nth = 0;
	}
	return 0;
}

static enum inode_hidden directory_of(enum inode_view view)
{
	return view == VIEW_ID ? HIDDEN_BY_ID : HIDDEN_BY_TIME;
}

void aliases_each(const struct snapshot *snapshot, void *arg,
		  void (*tell)(void *arg, uint64_t parent, const char *name,
			       uint64_t child))
{
	char name[TIMENAME_SIZE];
	enum inode_view view;

	for (view = VIEW_ID; view < VIEW_ENTRIES; view++)
		tell(arg, inode_of_hidden(directory_of(view)),
		     name_of(snapshot, view, name),
		     inode_of_directory(view, snapshot->slot, 0));
}
