#include "places.h"

#include <errno.h>
#include <libgen.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "errors.h"

bool places_is_within(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	if (strcmp(dir, "/") == 0)
		return true;
	return strncmp(path, dir, len) == 0 &&
	       (path[len] == '/' || path[len] == '\0');
}

/* The absolute path of what may not be there yet, malloc'ed; NULL when not even
 * its directory is. */
static char *resolve(const char *path)
{
	CLEANUP(cleanup_free) char *for_dir = NULL;
	CLEANUP(cleanup_free) char *for_base = NULL;
	CLEANUP(cleanup_free) char *dir = NULL;
	char *found = realpath(path, NULL);

	if (found || errno != ENOENT)
		return found;
	for_dir = strdup(path);
	for_base = strdup(path);
	if (!for_dir || !for_base)
		return NULL;
	dir = realpath(dirname(for_dir), NULL);
	if (!dir || asprintf(&found, "%s/%s", strcmp(dir, "/") ? dir : "",
			     basename(for_base)) < 0)
		return NULL;
	return found;
}

int places_check_apart(const char *mountpoint, const char *what,
		       const char *path, struct rvs_error *err)
{
	CLEANUP(cleanup_free) char *resolved = resolve(path);

	/* Whoever opens it next says what is wrong with it. */
	if (!resolved)
		return 0;
	if (places_is_within(mountpoint, resolved))
		return error_set(err, RVS_ERR_REFUSED,
				 "the mount point %s lies inside the %s %s: "
				 "choose another",
				 mountpoint, what, resolved);
	if (places_is_within(resolved, mountpoint))
		return error_set(err, RVS_ERR_REFUSED,
				 "the mount point %s would hide the %s %s: "
				 "choose another",
				 mountpoint, what, resolved);
	return 0;
}

static void cleanup_mounts(FILE **mounts)
{
	if (*mounts)
		(void)endmntent(*mounts);
}

int places_check_free(const char *mountpoint, struct rvs_error *err)
{
	CLEANUP(cleanup_mounts)
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	char text[8192];
	struct mntent mount;

	/* Without /proc, mounting twice is the user's own affair. */
	while (mounts && getmntent_r(mounts, &mount, text, sizeof(text)))
		if (strcmp(mount.mnt_dir, mountpoint) == 0 &&
		    strcmp(mount.mnt_type, "fuse.ruvsnapfs") == 0)
			return error_set(err, RVS_ERR_REFUSED,
					 "%s is mounted at %s already: "
					 "fusermount3 -u it first",
					 mount.mnt_fsname, mountpoint);
	return 0;
}

static int check_one(const char *path, struct rvs_error *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return error_set(err, RVS_ERR_FAILED, "%s: %s", path,
				 strerror(errno));
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return error_set(err, RVS_ERR_REFUSED,
				 "%s belongs to user %u, whose settings would "
				 "run commands as you: chown it, or mount it "
				 "with -o ro",
				 path, st.st_uid);
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return error_set(err, RVS_ERR_REFUSED,
				 "others may write to %s, whose settings run "
				 "commands as you: chmod go-w it, or mount it "
				 "with -o ro",
				 path);
	return 0;
}

int places_check_owner(const char *store, struct rvs_error *err)
{
	CLEANUP(cleanup_free) char *settings = NULL;
	int r;

	r = check_one(store, err);
	if (r < 0)
		return r;
	if (asprintf(&settings, "%s/store.json", store) < 0) {
		settings = NULL; /* which a failed asprintf leaves undefined */
		return error_set(err, RVS_ERR_NO_MEMORY, "out of memory");
	}
	return check_one(settings, err);
}
