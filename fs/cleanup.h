/*
 * Cleanup: locals that own something release it when they leave scope.
 *
 * CLEANUP(f) names a function that takes a pointer to the variable, which is
 * initialised where it is declared; take() hands what it owns over.
 */
#ifndef CLEANUP_H
#define CLEANUP_H

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(function) __attribute__((cleanup(function)))

/* The pointer's value, leaving NULL behind for its cleanup to ignore. */
#define take(pointer)                                                          \
	({                                                                     \
		__typeof__(pointer) taken_ = (pointer);                        \
		(pointer) = NULL;                                              \
		taken_;                                                        \
	})

/* For `CLEANUP(cleanup_free) char *text = NULL`. */
static inline void cleanup_free(void *pointer)
{
	free(*(void **)pointer);
}

/* For `CLEANUP(cleanup_fd) int fd = -1`; only where a failed close loses
 * nothing. */
static inline void cleanup_fd(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

/* The descriptor, leaving -1 behind for its cleanup to ignore. */
static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/* For `CLEANUP(cleanup_unlock) pthread_mutex_t *held = lock(&mutex)`: the rest
 * of the block runs under the mutex. */
static inline pthread_mutex_t *lock(pthread_mutex_t *mutex)
{
	pthread_mutex_lock(mutex);
	return mutex;
}

static inline void cleanup_unlock(pthread_mutex_t *const *held)
{
	pthread_mutex_unlock(*held);
}

/* The rest of the block runs under @mutex. */
#define LOCKED(mutex)                                                          \
	CLEANUP(cleanup_unlock)                                                \
	pthread_mutex_t *held_ __attribute__((unused)) = lock(mutex)

#endif
