/*
 * Places: whether a mount may be where it is asked for, of the store that it is
 * asked for.
 */
#ifndef PLACES_H
#define PLACES_H

#include <stdbool.h>

#include <rvs/error.h>

/* Whether the absolute path @path is @dir or below it; both are resolved. */
bool places_is_within(const char *path, const char *dir);

/*
 * RVS_ERR_REFUSED when the mount point and @path would be one inside the other,
 * so that reading one asks for the other for ever; @what names @path.  A @path
 * that is not there yet counts by the directory that it will be in.
 */
int places_check_apart(const char *mountpoint, const char *what,
		       const char *path, struct rvs_error *err);

/* RVS_ERR_REFUSED when a store is mounted at @mountpoint already. */
int places_check_free(const char *mountpoint, struct rvs_error *err);

/*
 * RVS_ERR_REFUSED when somebody who is neither this user nor root could have
 * written @store's settings: they name commands, which would run as this user.
 */
int places_check_owner(const char *store, struct rvs_error *err);

#endif
