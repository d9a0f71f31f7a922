/*
 * Revert: a snapshot in place of its source.
 *
 * All happens in the source's parent directory, below two names:
 *
 *	.NAME.ruvsnap-revert-new      what is being made
 *	.NAME.ruvsnap-revert-ID-INO   that, complete, and after the exchange what
 *	                              was there: then its inode is INO, and its
 *	                              content that of the snapshot ID
 *
 * so that whoever finds one of them knows what may be removed without loss: all
 * of the new, and of the old what the snapshot holds.
 */
#include <rvs/revert.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "source/holders.h"
#include "store/store.h"
#include "store/tree.h"

struct reverting {
	struct rvs_store *store;
	const struct rvs_revert_options *options;
	struct rvs_revert_result *result;
	struct rvs_snapshot snapshot;
	bool of_file;      /* the snapshot is of one file */
	char *path;        /* of the source: absolute, without links */
	const char *name;  /* its last part */
	int parent;        /* descriptor of the directory it is in */
	bool present;      /* it is there */
	struct stat st;    /* of it */
	char prefix[NAME_MAX + 1]; /* of our names */
	char draft[NAME_MAX + 1];  /* the new, complete or not; "": none */
	bool exchanged;    /* the draft is what was there */
	struct rvs_error *err;
};

static void reverting_done(struct reverting *r)
{
	rvs_cleanup_fd(&r->parent);
	rvs_snapshot_done(&r->snapshot);
	free(r->path);
}

static void warn_user(const struct reverting *r, const char *text)
{
	const struct rvs_monitor *monitor = &r->options->monitor;

	if (monitor->warning)
		monitor->warning(monitor->arg, text);
}

/* ---- removing what a snapshot holds ---- */

struct removal {
	struct rvs_tree *tree;
	bool kept; /* something is in no snapshot, and stays */
};

/* Whether the file is the one that the snapshot took in, unchanged since. */
static bool is_held(const struct removal *removal, uint32_t index,
		    const struct stat *st)
{
	const struct rvs_entry *e = rvs_tree_entry(removal->tree, index);

	if ((e->mode & S_IFMT) != (st->st_mode & S_IFMT))
		return false;
	if (S_ISDIR(st->st_mode))
		return true;
	return rvs_tree_origin(removal->tree, e->link)->ino == st->st_ino &&
	       e->mtime.tv_sec == st->st_mtim.tv_sec &&
	       e->mtime.tv_nsec == st->st_mtim.tv_nsec &&
	       (!S_ISREG(st->st_mode) || e->size == (uint64_t)st->st_size);
}

static void remove_held(struct removal *removal, int dirfd, const char *name,
			uint32_t index);

static void remove_children(struct removal *removal, int dirfd,
			    const char *name, uint32_t index)
{
	int fd = openat(dirfd, name,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	RVS_CLEANUP(rvs_cleanup_dir) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		rvs_cleanup_fd(&fd);
		return;
	}
	(void)fchmod(fd, 0700); /* else what is in it stays, and is told */
	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		remove_held(removal, fd, entry->d_name,
			    rvs_tree_lookup(removal->tree, index,
					    entry->d_name));
	}
}

/* Remove @name, which was the entry @index, or RVS_NO_ENTRY, and what is below
 * it.  A socket has no content: it goes, too. */
static void remove_held(struct removal *removal, int dirfd, const char *name,
			uint32_t index)
{
	struct stat st;
	int flags = 0;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		removal->kept |= errno != ENOENT;
		return;
	}
	if (!S_ISSOCK(st.st_mode) &&
	    (index == RVS_NO_ENTRY || !is_held(removal, index, &st))) {
		removal->kept = true;
		return;
	}
	if (S_ISDIR(st.st_mode)) {
		remove_children(removal, dirfd, name, index);
		flags = AT_REMOVEDIR;
	}
	if (unlinkat(dirfd, name, flags) < 0 && errno != ENOENT)
		removal->kept = true;
}

/* Whether a snapshot is of a source that was one file: it has that as the one
 * entry, of the same inode as its root. */
static bool is_of_file(const struct rvs_tree *tree)
{
	return rvs_tree_count(tree) == 2 &&
	       S_ISREG(rvs_tree_entry(tree, 1)->mode) &&
	       rvs_tree_origin(tree, 0)->ino == rvs_tree_origin(tree, 1)->ino;
}

/* Remove the source @name that was, of which @id is the snapshot.  1: some of
 * it stays. */
static int remove_source(struct reverting *r, const char *name, const char *id,
			 struct rvs_error *err)
{
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *tree = NULL;
	struct removal removal = { .kept = false };
	int status = rvs_tree_open_with_origins(r->store, id, &tree, err);

	if (status < 0)
		return status;
	removal.tree = tree;
	remove_held(&removal, r->parent, name, is_of_file(tree) ? 1 : 0);
	return removal.kept;
}

/* ---- what an earlier one left ---- */

/* The snapshot's id and the inode that a name of ours tells. */
static bool parse_left(const char *suffix, char ret_id[RVS_ID_SIZE],
		       uint64_t *ret_ino)
{
	char end;

	return sscanf(suffix, "%21[0-9TZa-f-]-%" SCNu64 "%c", ret_id, ret_ino,
		      &end) == 2;
}

static void sweep_one(struct reverting *r, const char *name)
{
	const char *suffix = name + strlen(r->prefix);
	struct rvs_error why = RVS_ERROR_INIT;
	char id[RVS_ID_SIZE], text[RVS_ERROR_TEXT_MAX + 512];
	uint64_t ino;
	struct stat st;
	int status;

	if (fstatat(r->parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (parse_left(suffix, id, &ino) && st.st_ino == ino)
		status = remove_source(r, name, id, &why);
	else
		status = rvs_io_remove_all(r->parent, name, &why);
	if (status == 0)
		return;
	(void)snprintf(text, sizeof(text), "%.300s is left by an earlier "
		       "revert: %s", name,
		       status < 0 ? why.text :
				    "it holds what is in no snapshot");
	warn_user(r, text);
}

static int sweep(struct reverting *r)
{
	int copy = openat(r->parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	RVS_CLEANUP(rvs_cleanup_dir) DIR *dir = copy < 0 ? NULL :
							   fdopendir(copy);
	struct dirent *entry;

	if (!dir) {
		rvs_cleanup_fd(&copy);
		return rvs_error_errno(r->err, "cannot list the directory of "
				       "%s", r->path);
	}
	while ((entry = readdir(dir)))
		if (!strncmp(entry->d_name, r->prefix, strlen(r->prefix)))
			sweep_one(r, entry->d_name);
	return 0;
}

/* ---- where it happens ---- */

/* The path without links of @path, whose last part may not be there. */
static char *resolve(const char *path)
{
	RVS_CLEANUP(rvs_cleanup_free) char *copy = NULL;
	RVS_CLEANUP(rvs_cleanup_free) char *folder = NULL;
	char *ret = realpath(path, NULL), *slash;
	size_t len = strlen(path);

	if (ret || errno != ENOENT)
		return ret;
	copy = strdup(path);
	while (copy && len > 1 && copy[len - 1] == '/')
		copy[--len] = '\0';
	slash = copy ? strrchr(copy, '/') : NULL;
	if (slash)
		*slash = '\0';
	folder = copy ? realpath(slash == copy ? "/" : slash ? copy : ".",
				 NULL) : NULL;
	if (!folder || asprintf(&ret, "%s/%s", strcmp(folder, "/") ? folder :
				"", slash ? slash + 1 : copy) < 0)
		return NULL;
	return ret;
}

static int open_parent(struct reverting *r)
{
	const char *source = r->options->source ? r->options->source :
						  r->snapshot.source;
	RVS_CLEANUP(rvs_cleanup_free) char *folder = NULL;
	char *slash;

	r->path = resolve(source);
	if (!r->path)
		return rvs_error_errno(r->err, "source %s", source);
	slash = strrchr(r->path, '/');
	r->name = slash + 1;
	folder = strndup(r->path, (size_t)(slash - r->path) + 1);
	if (!folder)
		return rvs_error_no_memory(r->err);
	r->parent = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->parent < 0)
		return rvs_error_errno(r->err, "%s", folder);
	/* Not the store's lock: two stores may have one source. */
	if (flock(r->parent, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return rvs_error_set(r->err, RVS_ERR_BUSY,
				     "another revert is at work in %s", folder);
	r->present = fstatat(r->parent, r->name, &r->st,
			     AT_SYMLINK_NOFOLLOW) == 0;
	if (!r->present && errno != ENOENT)
		return rvs_error_errno(r->err, "source %s", r->path);
	(void)snprintf(r->prefix, sizeof(r->prefix), ".%.180s.ruvsnap-revert-",
		       r->name);
	r->result->source = strdup(r->path);
	return r->result->source ? 0 : rvs_error_no_memory(r->err);
}

/* Whether @path is @folder or below it. */
static bool is_within(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	return !strncmp(path, folder, len) &&
	       (path[len] == '/' || path[len] == '\0' || len == 1);
}

static int check_mounts(struct reverting *r)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	char text[3 * PATH_MAX];
	struct mntent mount;
	int status = 0;

	if (!mounts)
		return rvs_error_errno(r->err, "/proc/self/mounts");
	while (status == 0 &&
	       getmntent_r(mounts, &mount, text, sizeof(text)))
		if (is_within(mount.mnt_dir, r->path))
			status = rvs_error_set(
				r->err, RVS_ERR_REFUSED,
				"something is mounted on %s, which cannot be "
				"replaced as a whole: use restore",
				mount.mnt_dir);
	(void)endmntent(mounts);
	return status;
}

static int check_place(struct reverting *r)
{
	if (!*r->name)
		return rvs_error_set(r->err, RVS_ERR_REFUSED,
				     "the root directory cannot be replaced");
	if (is_within(r->store->path, r->path))
		return rvs_error_set(r->err, RVS_ERR_REFUSED,
				     "the store %s lies in the source %s",
				     r->store->path, r->path);
	if (r->present && S_ISREG(r->st.st_mode) != r->of_file)
		return rvs_error_set(r->err, RVS_ERR_USAGE,
				     "the snapshot is of a %s, but %s is %s",
				     r->of_file ? "file" : "directory", r->path,
				     r->of_file ? "none" : "a file");
	return check_mounts(r);
}

static int check_holders(struct reverting *r, bool tell_unseen)
{
	char text[160];
	size_t unseen = 0;
	int status = r->present ?
			     rvs_holders_check(r->path, &unseen, r->err) :
			     0;

	if (status < 0 || unseen == 0 || !tell_unseen)
		return status;
	(void)snprintf(text, sizeof(text), "%zu processes of other users may "
		       "be using the source: only root can tell", unseen);
	warn_user(r, text);
	return 0;
}

static int prepare(struct reverting *r, const char *reference)
{
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *tree = NULL;
	int status = rvs_snapshot_find(r->store, reference, &r->snapshot,
				       r->err);

	if (status == 0)
		status = rvs_tree_open_with_origins(
			r->store, r->snapshot.id, &tree, r->err);
	if (status < 0)
		return status;
	r->of_file = is_of_file(tree);
	status = open_parent(r);
	if (status == 0)
		status = check_place(r);
	if (status == 0)
		status = sweep(r);
	return status < 0 ? status : check_holders(r, true);
}

/* ---- the copy beside it ---- */

/* The one file of the folder that was restored takes the folder's name. */
static int unwrap_file(struct reverting *r)
{
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *tree = NULL;
	char folder[NAME_MAX + 1], inner[2 * NAME_MAX + 2];
	int status = rvs_tree_open(r->store, r->snapshot.id, &tree, r->err);

	if (status < 0)
		return status;
	strcpy(folder, r->draft);
	(void)snprintf(r->draft, sizeof(r->draft), "%sfile", r->prefix);
	(void)snprintf(inner, sizeof(inner), "%s/%s", folder,
		       rvs_tree_entry(tree, 1)->name);
	if (renameat(r->parent, inner, r->parent, r->draft) < 0 ||
	    unlinkat(r->parent, folder, AT_REMOVEDIR) < 0)
		return rvs_error_errno(r->err, "%s", r->path);
	return 0;
}

static int restore_beside(struct reverting *r)
{
	const struct rvs_restore_options options = {
		.monitor = r->options->monitor
	};
	RVS_CLEANUP(rvs_cleanup_free) char *target = NULL;
	int status;

	(void)snprintf(r->draft, sizeof(r->draft), "%snew", r->prefix);
	if (asprintf(&target, "%.*s%s", (int)(r->name - r->path), r->path,
		     r->draft) < 0)
		return rvs_error_no_memory(r->err);
	status = rvs_restore(r->store, r->snapshot.id, target, &options,
			     &r->result->restored, r->err);
	if (status == 0 && r->of_file)
		status = unwrap_file(r);
	/* It must be on the disk before what it replaces goes. */
	if (status == 0 && syncfs(r->parent) < 0)
		status = rvs_error_errno(r->err, "cannot sync %s", target);
	return status;
}

/* ---- the present state ---- */

static int keep_present(struct reverting *r)
{
	struct rvs_metadata metadata = {
		(char *)(uintptr_t)RVS_META_BEFORE_REVERT, r->snapshot.id
	};
	const struct rvs_create_options options = {
		.source = r->path,
		.wait = r->options->wait,
		.metadata = &metadata,
		.metadata_count = 1,
		.monitor = r->options->monitor,
	};
	int status = rvs_create(r->store, &options, &r->result->before, r->err);

	if (status < 0)
		return rvs_error_context(r->err, "the present state cannot be "
					 "kept");
	r->result->kept = true;
	/* It may be the one copy of that state: no policy is to remove it. */
	return rvs_snapshot_pin(r->store, r->result->before.id, true, r->err);
}

/* ---- the exchange ---- */

static int rename_draft(struct reverting *r)
{
	char name[NAME_MAX + 1];

	(void)snprintf(name, sizeof(name), "%s%s-%" PRIu64, r->prefix,
		       r->result->before.id, (uint64_t)r->st.st_ino);
	if (renameat(r->parent, r->draft, r->parent, name) < 0)
		return rvs_error_errno(r->err, "%s", r->path);
	strcpy(r->draft, name);
	return rvs_io_sync_dir(r->parent, ".", r->err);
}

static int exchange(struct reverting *r)
{
	struct stat st;
	int status;

	if (!r->present) {
		if (renameat2(r->parent, r->draft, r->parent, r->name,
			      RENAME_NOREPLACE) < 0)
			return rvs_error_errno(r->err, "%s", r->path);
		r->draft[0] = '\0';
		return rvs_io_sync_dir(r->parent, ".", r->err);
	}
	if (fstatat(r->parent, r->name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    st.st_ino != r->st.st_ino || st.st_dev != r->st.st_dev)
		return rvs_error_set(r->err, RVS_ERR_BUSY,
				     "somebody else replaced %s", r->path);
	status = rename_draft(r);
	if (status < 0)
		return status;
	if (renameat2(r->parent, r->draft, r->parent, r->name,
		      RENAME_EXCHANGE) < 0)
		return rvs_error_errno(r->err, "%s: its filesystem cannot "
				       "exchange two names: use restore",
				       r->path);
	r->exchanged = true;
	return rvs_io_sync_dir(r->parent, ".", r->err);
}

/* The new one is in place; that the old one stays is no failure. */
static int remove_old(struct reverting *r)
{
	struct rvs_error why = RVS_ERROR_INIT;

	if (!r->exchanged ||
	    remove_source(r, r->draft, r->result->before.id, &why) == 0)
		return 0;
	if (*why.text)
		warn_user(r, why.text);
	if (asprintf(&r->result->leftover, "%.*s%s",
		     (int)(r->name - r->path), r->path, r->draft) < 0)
		return rvs_error_no_memory(r->err);
	return 0;
}

static int replace(struct reverting *r)
{
	int status = restore_beside(r);

	if (status == 0 && r->present)
		status = keep_present(r);
	if (status == 0)
		status = check_holders(r, false);
	if (status == 0)
		status = exchange(r);
	return status < 0 ? status : remove_old(r);
}

/* Nothing changed: nothing stays of it.  What fails here the next one finds. */
static void undo(struct reverting *r)
{
	if (*r->draft)
		(void)rvs_io_remove_all(r->parent, r->draft, NULL);
	if (!r->result->kept)
		return;
	(void)rvs_snapshot_delete(r->store, r->result->before.id, NULL);
	rvs_snapshot_done(&r->result->before);
	r->result->before = (struct rvs_snapshot){ 0 };
	r->result->kept = false;
}

static int revert(struct reverting *r, const char *reference)
{
	int status = prepare(r, reference);

	if (status < 0)
		return status;
	status = replace(r);
	if (status < 0 && !r->exchanged)
		undo(r);
	return status;
}

int rvs_revert(struct rvs_store *store, const char *reference,
	       const struct rvs_revert_options *options,
	       struct rvs_revert_result *ret, struct rvs_error *err)
{
	static const struct rvs_revert_options none = { .source = NULL };
	struct rvs_error own = RVS_ERROR_INIT;
	struct reverting r = { .store = store,
			       .options = options ? options : &none,
			       .result = ret,
			       .parent = -1,
			       .err = err ? err : &own };
	int status;

	*ret = (struct rvs_revert_result){ 0 };
	status = revert(&r, reference);
	reverting_done(&r);
	return status;
}

void rvs_revert_done(struct rvs_revert_result *result)
{
	rvs_snapshot_done(&result->before);
	free(result->source);
	free(result->leftover);
	*result = (struct rvs_revert_result){ 0 };
}
