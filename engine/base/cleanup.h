/*
 * Cleanup: locals that own something release it when they leave scope.
 *
 * RVS_CLEANUP(f) names a function that takes a pointer to the variable.  Such a
 * local is initialised where it is declared; rvs_take() hands it over.
 */
#ifndef RVS_CLEANUP_H
#define RVS_CLEANUP_H

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#define RVS_CLEANUP(function) __attribute__((cleanup(function)))

/* The pointer's value, leaving NULL behind for its cleanup to ignore. */
#define rvs_take(pointer)                                                      \
	({                                                                     \
		__typeof__(pointer) taken_ = (pointer);                        \
		(pointer) = NULL;                                              \
		taken_;                                                        \
	})

/* For `RVS_CLEANUP(rvs_cleanup_free) char *text = NULL`. */
static inline void rvs_cleanup_free(void *pointer)
{
	free(*(void **)pointer);
}

/* For `RVS_CLEANUP(rvs_cleanup_fd) int fd = -1`; only for reads, where a
 * failed close loses nothing. */
static inline void rvs_cleanup_fd(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static inline void rvs_cleanup_dir(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

#endif
