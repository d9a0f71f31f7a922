/*
 * Restore: a snapshot's files, or some of them, back into a directory.
 *
 * The target may hold anything, symbolic links that someone planted included:
 * every step goes through descriptors of directories that were opened without
 * following a link.
 *
 * The owner of the crew walks the tree and makes the directories; workers
 * deposit the files, see haul.h.
 */
#include <rvs/job.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "crew.h"
#include "deposit.h"
#include "haul.h"
#include "store/snapshot.h"
#include "store/store.h"
#include "store/tree.h"

/* The owner's. */
struct restoring {
	struct rvs_crew crew;
	struct rvs_hauls hauls;
	bool made_root; /* the target was not there, now it is */
};

static int remember_link(struct restoring *r, uint32_t index)
{
	const struct rvs_entry *e = rvs_tree_entry(r->crew.tree, index);

	if (S_ISDIR(e->mode) || e->nlink < 2 || r->hauls.restored[e->link])
		return 0;
	r->hauls.restored[e->link] = rvs_tree_path(r->crew.tree, index);
	return r->hauls.restored[e->link] ?
		       0 :
		       rvs_error_no_memory(r->crew.own.err);
}

/* ---- directories ---- */

static int restore_entry(struct restoring *r, uint32_t index, int dirfd);

/* Open the directory @name, made if it is not there; *ret_made says which. */
static int open_directory(struct restoring *r, int dirfd, const char *name,
			  bool *ret_made)
{
	int fd;

	*ret_made = mkdirat(dirfd, name, 0700) == 0;
	if (!*ret_made && errno != EEXIST)
		return rvs_error_errno(r->crew.own.err, "%s", name);
	fd = openat(dirfd, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
		return rvs_error_set(r->crew.own.err, RVS_ERR_EXISTS,
				     "%s is there, and no directory", name);
	return fd < 0 ? rvs_error_errno(r->crew.own.err, "%s", name) : fd;
}

static int restore_children(struct restoring *r, uint32_t index, int fd)
{
	const struct rvs_entry *dir = rvs_tree_entry(r->crew.tree, index);
	uint32_t i;
	int status = 0;

	for (i = 0; i < dir->child_count && status == 0; i++)
		status = restore_entry(r, rvs_tree_child(r->crew.tree, dir, i),
				       fd);
	return status;
}

static int restore_directory(struct restoring *r, uint32_t index, int dirfd)
{
	bool made;
	int fd = open_directory(
		r, dirfd, rvs_tree_entry(r->crew.tree, index)->name, &made);

	if (fd < 0)
		return rvs_crew_fail(&r->crew, index, r->crew.own.err);
	r->crew.made[index] |= made;
	/* Whatever fails, the files under way need the descriptor. */
	(void)restore_children(r, index, fd);
	return rvs_hauls_end(&r->hauls, index, fd);
}

/* The owner shares it out, while workers are at what comes before it. */
static int restore_long(struct restoring *r, uint32_t index, int dirfd)
{
	int status = rvs_hauls_submit(&r->hauls);

	if (status == 0)
		status = rvs_deposit_entry(&r->crew.own, index, dirfd);
	rvs_hand_settle(&r->crew.own);
	return status < 0 ? rvs_crew_fail(&r->crew, index, r->crew.own.err) : 0;
}

static int restore_entry(struct restoring *r, uint32_t index, int dirfd)
{
	const struct rvs_entry *e = rvs_tree_entry(r->crew.tree, index);
	int status;

	if (S_ISDIR(e->mode))
		return restore_directory(r, index, dirfd);
	if (r->hauls.restored[e->link])
		return rvs_hauls_link(&r->hauls, index, dirfd);
	status = remember_link(r, index);
	if (status < 0)
		return rvs_crew_fail(&r->crew, index, r->crew.own.err);
	if (S_ISREG(e->mode) && rvs_deposit_is_long(e))
		return restore_long(r, index, dirfd);
	return rvs_hauls_add(&r->hauls, index, dirfd);
}

/* ---- the target ---- */

static int check_empty(int fd, struct rvs_error *err)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	RVS_CLEANUP(rvs_cleanup_dir) DIR *dir = copy < 0 ? NULL :
							   fdopendir(copy);
	struct dirent *entry;

	if (!dir) {
		rvs_cleanup_fd(&copy);
		return rvs_error_errno(err, "cannot list");
	}
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			return rvs_error_set(err, RVS_ERR_EXISTS,
					     "it is not empty; give a new "
					     "directory, or --overwrite");
	return 0;
}

static int open_target(struct restoring *r, const char *target)
{
	r->made_root = mkdir(target, 0700) == 0;
	if (!r->made_root && errno != EEXIST)
		return rvs_error_errno(r->crew.err, "%s", target);
	r->hauls.root = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->hauls.root < 0)
		return rvs_error_errno(r->crew.err, "%s", target);
	if (r->crew.options->path_count > 0 || r->crew.options->overwrite)
		return 0;
	if (check_empty(r->hauls.root, r->crew.err) < 0)
		return rvs_error_context(r->crew.err, "%s", target);
	return 0;
}

static int restore_all(struct restoring *r)
{
	int status;

	(void)restore_children(r, 0, r->hauls.root);
	status = rvs_hauls_collect(&r->hauls);
	if (status == 0)
		rvs_deposit_attributes(&r->crew.own, 0, r->hauls.root);
	rvs_hand_settle(&r->crew.own);
	return status;
}

/*
 * Restore the entry @index through the directories on its way from @dir down.
 * Those that are made here get their attributes, behind all that is put into
 * them.
 */
static int restore_through(struct restoring *r, const uint32_t *way,
			   size_t count, int dirfd, uint32_t index)
{
	RVS_CLEANUP(rvs_cleanup_fd) int fd = -1;
	bool made;
	int status;

	if (count == 0) {
		(void)restore_entry(r, index, dirfd);
		return rvs_hauls_collect(&r->hauls);
	}
	fd = open_directory(r, dirfd, rvs_tree_entry(r->crew.tree, *way)->name,
			    &made);
	if (fd < 0)
		return rvs_crew_fail(&r->crew, *way, r->crew.own.err);
	r->crew.made[*way] |= made;
	status = restore_through(r, way + 1, count - 1, fd, index);
	if (status == 0 && r->crew.made[*way])
		rvs_deposit_attributes(&r->crew.own, *way, fd);
	rvs_hand_settle(&r->crew.own);
	return status;
}

static int restore_by_way(struct restoring *r, uint32_t index)
{
	RVS_CLEANUP(rvs_cleanup_free) uint32_t *way = NULL;
	size_t depth = 0, i;
	uint32_t at = index;

	while ((at = rvs_tree_entry(r->crew.tree, at)->parent) != 0)
		depth++;
	way = calloc(depth + 1, sizeof(*way));
	if (!way)
		return rvs_error_no_memory(r->crew.err);
	at = index;
	for (i = depth; i > 0; i--)
		way[i - 1] = at = rvs_tree_entry(r->crew.tree, at)->parent;
	return restore_through(r, way, depth, r->hauls.root, index);
}

static int restore_path(struct restoring *r, const char *path)
{
	uint32_t index = rvs_tree_find(r->crew.tree, path);

	if (index == RVS_NO_ENTRY)
		return rvs_error_set(r->crew.err, RVS_ERR_NOT_FOUND,
				     "%s is not in the snapshot", path);
	return index == 0 ? restore_all(r) : restore_by_way(r, index);
}

static int restore_wanted(struct restoring *r, const char *target)
{
	size_t i;
	int status = open_target(r, target);

	if (status == 0 && r->crew.options->path_count == 0)
		status = restore_all(r);
	for (i = 0; i < r->crew.options->path_count && status == 0; i++)
		status = restore_path(r, r->crew.options->paths[i]);
	return status;
}

/* ---- undoing ---- */

static void remove_made(struct restoring *r, uint32_t index, int dirfd);

/* What others put there meanwhile stays, and so do the directories on its
 * way. */
static void remove_children(struct restoring *r, uint32_t index, int fd)
{
	const struct rvs_entry *dir = rvs_tree_entry(r->crew.tree, index);
	uint32_t i;

	for (i = 0; i < dir->child_count; i++)
		remove_made(r, rvs_tree_child(r->crew.tree, dir, i), fd);
}

static void remove_made(struct restoring *r, uint32_t index, int dirfd)
{
	const struct rvs_entry *e = rvs_tree_entry(r->crew.tree, index);
	RVS_CLEANUP(rvs_cleanup_fd) int fd = -1;

	if (S_ISDIR(e->mode)) {
		fd = openat(dirfd, e->name,
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0)
			remove_children(r, index, fd);
	}
	/* Best effort, as all of this: the user learns of the interruption. */
	if (r->crew.made[index])
		(void)unlinkat(dirfd, e->name,
			       S_ISDIR(e->mode) ? AT_REMOVEDIR : 0);
}

/*
 * Half a restored tree looks like a whole one, so whoever interrupts it finds
 * what was there before; but files that were replaced are gone, and then those
 * in their place stay.
 */
static void undo(struct restoring *r, const char *target)
{
	if (r->hauls.root < 0 || r->crew.options->overwrite)
		return;
	remove_children(r, 0, r->hauls.root);
	if (r->made_root)
		(void)rmdir(target); /* as above */
}

/* Of the files at and below an entry; a link of another counts with its first
 * name. */
static uint64_t count_bytes(const struct rvs_tree *tree, uint32_t index)
{
	const struct rvs_entry *e = rvs_tree_entry(tree, index);
	uint64_t bytes = 0;
	uint32_t i;

	if (S_ISREG(e->mode) && e->link == index)
		bytes = rvs_tree_data_bytes(tree, e);
	for (i = 0; S_ISDIR(e->mode) && i < e->child_count; i++)
		bytes += count_bytes(tree, rvs_tree_child(tree, e, i));
	return bytes;
}

static int allocate(struct restoring *r)
{
	struct rvs_crew *crew = &r->crew;
	const struct rvs_restore_options *options = crew->options;
	uint32_t index;
	size_t i;

	r->hauls.restored = calloc(rvs_tree_count(crew->tree),
				   sizeof(*r->hauls.restored));
	if (!r->hauls.restored)
		return rvs_error_no_memory(crew->err);
	if (options->path_count == 0)
		crew->total_bytes = count_bytes(crew->tree, 0);
	for (i = 0; i < options->path_count; i++) {
		index = rvs_tree_find(crew->tree, options->paths[i]);
		if (index != RVS_NO_ENTRY)
			crew->total_bytes += count_bytes(crew->tree, index);
	}
	return rvs_crew_start(crew);
}

static void restoring_done(struct restoring *r)
{
	struct rvs_tree *tree = r->crew.tree;
	uint32_t i;

	rvs_crew_done(&r->crew);
	for (i = 0; r->hauls.restored && i < rvs_tree_count(tree); i++)
		free(r->hauls.restored[i]);
	free(r->hauls.restored);
	rvs_cleanup_fd(&r->hauls.root);
	rvs_tree_release(tree);
}

int rvs_restore(struct rvs_store *store, const char *reference,
		const char *target, const struct rvs_restore_options *options,
		struct rvs_restore_result *ret, struct rvs_error *err)
{
	struct rvs_error own = RVS_ERROR_INIT;
	struct restoring r = { .crew = { .store = store,
					 .options = options,
					 .err = err ? err : &own },
			       .hauls = { .root = -1 } };
	struct rvs_snapshot snapshot = { 0 };
	int status = rvs_snapshot_find(store, reference, &snapshot, r.crew.err);

	r.hauls.crew = &r.crew;
	if (status == 0)
		status = rvs_tree_open(store, snapshot.id, &r.crew.tree,
				       r.crew.err);
	if (status == 0)
		status = allocate(&r);
	if (status == 0)
		status = restore_wanted(&r, target);
	if (status == RVS_ERR_INTERRUPTED)
		undo(&r, target);
	restoring_done(&r);
	rvs_snapshot_done(&snapshot);
	if (ret)
		*ret = r.crew.result;
	return status;
}
