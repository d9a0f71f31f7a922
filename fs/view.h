/*
 * View: the virtual tree that the mount shows, without a word of FUSE.
 *
 *   /                    the snapshots, latest, .create, .status and their like
 *   /SNAPSHOT/...        the files of a snapshot
 *   /.by-id/ID/...       the same by the snapshot's id
 *   /.by-time/TIME/...   the same by the time it was made
 *   /.raw/SNAPSHOT/...   its gzip streams and their checksums
 *   /.history/PATH/TIME  what lay at a path, each version once
 *
 * Functions return 0, a documented positive answer, or a negative errno.  A
 * manifest is loaded when its snapshot is entered, not by a listing of the
 * root, but for snapshots whose record says nothing of their root.  What a
 * snapshot holds is final: it may be cached for ever.  Threads may share a
 * view.
 */
#ifndef VIEW_H
#define VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/statvfs.h>
#include <sys/types.h>

#include "attr.h"

struct canceller;
struct lister;
struct log;
struct node;
struct rvs_sink;
struct rvs_store;
struct view;

/* Who hears of names that lead to nothing, or elsewhere, from now on: @child is
 * the directory that was deleted, or 0.  Called on any thread; must return at
 * once. */
struct view_listener {
	void *arg;
	void (*left)(void *arg, uint64_t parent, const char *name,
		     uint64_t child);
};

struct view_options {
	struct view_listener listener;
	const struct log *log;
	const char *source; /* what .create snapshots; NULL: the store says */
	struct attr_owner owner;
	size_t tree_cache_bytes;
	bool crc_only;  /* how the store was opened; said in .status */
	bool read_only; /* as it is mounted: nothing controls it */
};

/* NULL when out of memory.  @store and the log must outlive it. */
struct view *view_new(struct rvs_store *store,
		      const struct view_options *options);
void view_free(struct view *view);

/* Make the snapshots of the schedule from now on, on a thread; -1 when there is
 * none to be had. */
int view_begin_schedule(struct view *view);

/* Whether it works on something. */
bool view_is_busy(struct view *view);

/* Look whether others changed the store. */
void view_look(struct view *view);

/* Returns 1 when there is no such name and never will be. */
int view_lookup(struct view *view, uint64_t parent, const char *name,
		struct node *ret);

int view_stat(struct view *view, uint64_t number, struct node *ret);

/* List the directory @number from the place @at, 0 for the beginning. */
int view_list(struct view *view, uint64_t number, off_t at,
	      const struct lister *lister);

/* The target of a symbolic link, malloc'ed. */
int view_readlink(struct view *view, uint64_t number, char **ret);

/* Hand what there is of @len bytes to @sink, once, unless this fails. */
int view_read(struct view *view, uint64_t number, size_t len, off_t offset,
	      const struct rvs_sink *sink, const struct canceller *canceller);

/* As lseek(2) with SEEK_DATA or SEEK_HOLE. */
off_t view_seek(struct view *view, uint64_t number, off_t offset, int whence);

/* Whether what is asked about @number can be told at once, with no other request
 * and no disk to wait for: it lies in a snapshot whose tree is loaded. */
bool view_is_at_hand(struct view *view, uint64_t number);

/* As in xattr.h. */
ssize_t view_getxattr(struct view *view, uint64_t number, const char *name,
		      void *ret, size_t size);
ssize_t view_listxattr(struct view *view, uint64_t number, char *ret,
		       size_t size);

/* As access(2): the mount is read-only but for its root and the control
 * files. */
int view_access(struct view *view, uint64_t number, int mask);

int view_statfs(struct view *view, struct statvfs *ret);

/* Cut a file to nothing, as a shell does before it writes: of use on control
 * files alone, where it changes nothing. */
int view_truncate(struct view *view, uint64_t number, struct node *ret);

/* One write(2). */
struct view_write {
	const char *bytes;
	size_t len;
	off_t offset;
	bool nonblock;
};
int view_write(struct view *view, uint64_t number,
	       const struct view_write *write,
	       const struct canceller *canceller);

/* mkdir, rmdir, rename: create, delete and rename snapshots. */
int view_mkdir(struct view *view, uint64_t parent, const char *name,
	       const struct canceller *canceller, struct node *ret);
int view_rmdir(struct view *view, uint64_t parent, const char *name,
	       const struct canceller *canceller);
int view_rename(struct view *view, uint64_t parent, const char *name,
		uint64_t new_parent, const char *new_name,
		const struct canceller *canceller);

#endif
