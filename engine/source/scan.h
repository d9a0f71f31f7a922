/*
 * Scan: what a source looked like, all of it, at one walk.
 *
 * The walk uses directory descriptors and follows no symbolic link; it stays on
 * one filesystem unless asked.  Left out is what patterns exclude, those given
 * and those of the .ruvsnapignore files that it meets, and what lies beside a
 * CACHEDIR.TAG.  Items are depth first, in byte order of names; item 0 is the
 * root.
 */
#ifndef RVS_SCAN_H
#define RVS_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "base/error.h"

struct rvs_source;

#define RVS_UNREADABLE_MAX 100 /* names kept of what could not be read */

struct rvs_item {
	const char *name;   /* "" for the root */
	const char *target; /* of a symbolic link */
	uint64_t ino;
	uint64_t size;
	uint64_t blocks; /* allocated, of 512 bytes */
	struct timespec mtime;
	struct timespec ctime;
	uint32_t parent; /* index; the root's is the root */
	uint32_t link;   /* index of the first item of the same inode */
	uint32_t mode;   /* type and permissions, as st_mode */
	uint32_t uid;
	uint32_t gid;
	uint32_t rdev_major;
	uint32_t rdev_minor;
};

struct rvs_scan {
	struct rvs_item *items;
	uint32_t count;
	struct timespec start;  /* before the first stat, real time */
	struct timespec end;    /* after the last */
	struct timespec newest; /* of all change times */
	struct rvs_chunk *text; /* memory of names and targets */
	/* What could not be looked at or into; the first of them by name, with
	 * the reason: "a/b: Permission denied". */
	const char *unreadable[RVS_UNREADABLE_MAX];
	uint32_t unreadable_count;
};

#define RVS_SCAN_INIT                                                          \
	{                                                                      \
		NULL, 0, { 0, 0 }, { 0, 0 }, { 0, 0 }, NULL, { NULL }, 0       \
	}

/* What a scan may not enter, and whom it tells. */
struct rvs_scan_options {
	const char *store_path; /* refused inside the source */
	const char *store_uuid; /* so is a mount of that store */
	const char *const *excludes; /* patterns, see match.h; NULL-terminated,
					or NULL */
	/* Enter filesystems that are mounted below, but for those that hold no
	 * files of a disk, such as /proc. */
	bool cross_filesystems;
	void *arg;
	/* May be NULL: something was left out. */
	void (*warning)(void *arg, const char *text);
	/* May be NULL: asked now and then. */
	bool (*cancelled)(void *arg);
};

int rvs_scan_run(const struct rvs_source *source,
		 const struct rvs_scan_options *options, struct rvs_scan *ret,
		 struct rvs_error *err);
void rvs_scan_done(struct rvs_scan *scan);

/* The path of an item relative to the source, malloc'ed; "." for the root;
 * NULL: out of memory. */
char *rvs_scan_path(const struct rvs_scan *scan, uint32_t index);

/* Whether two looks saw the same inode with the same content and attributes. */
bool rvs_item_same(const struct rvs_item *a, const struct rvs_item *b);

/* What a scan would say of an inode. */
void rvs_item_set(struct rvs_item *item, const struct stat *st);

#endif
