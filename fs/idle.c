#include "idle.h"

#include <errno.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

#include "cleanup.h"

extern char **environ;

struct idle {
	struct idle_options options;
	atomic_llong used_at_s; /* by the monotonic clock */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t stopped;
	bool stopping; /* protected by lock */
};

static long long now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec;
}

void idle_touch(struct idle *idle)
{
	atomic_store_explicit(&idle->used_at_s, now_s(), memory_order_relaxed);
}

/* As the user who mounted may, root or not; false while it is in use. */
static bool unmount(const struct idle *idle)
{
	char *const argv[] = { (char *)"fusermount3", (char *)"-u",
			       (char *)"-q", (char *)"--",
			       (char *)idle->options.mountpoint, NULL };
	pid_t child;
	int status;

	if (posix_spawnp(&child, argv[0], NULL, NULL, argv, environ) != 0)
		return false;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* True when it is time to end: stop was asked for. */
static bool wait_until(struct idle *idle, long long at_s)
{
	struct timespec at = { .tv_sec = at_s };
	int r = 0;
	LOCKED(&idle->lock);

	while (!idle->stopping && r != ETIMEDOUT)
		r = pthread_cond_timedwait(&idle->stopped, &idle->lock, &at);
	return idle->stopping;
}

static void *watch(void *arg)
{
	struct idle *idle = arg;
	long long timeout = idle->options.timeout_s, end;

	for (;;) {
		/* One more, as the clock is read in whole seconds. */
		end = atomic_load(&idle->used_at_s) + timeout + 1;
		if (wait_until(idle, end))
			return NULL;
		if (now_s() < atomic_load(&idle->used_at_s) + timeout)
			continue;
		if (idle->options.is_busy(idle->options.arg) || !unmount(idle))
			idle_touch(idle);
	}
}

static void init_condition(pthread_cond_t *condition)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(condition, &attributes);
	pthread_condattr_destroy(&attributes);
}

static void release(struct idle *idle)
{
	pthread_cond_destroy(&idle->stopped);
	pthread_mutex_destroy(&idle->lock);
	free(idle);
}

struct idle *idle_new(const struct idle_options *options)
{
	struct idle *idle = calloc(1, sizeof(*idle));

	if (!idle)
		return NULL;
	idle->options = *options;
	pthread_mutex_init(&idle->lock, NULL);
	init_condition(&idle->stopped);
	idle_touch(idle);
	if (pthread_create(&idle->thread, NULL, watch, idle) == 0)
		return idle;
	release(idle);
	return NULL;
}

static void ask_to_stop(struct idle *idle)
{
	LOCKED(&idle->lock);

	idle->stopping = true;
	pthread_cond_signal(&idle->stopped);
}

void idle_free(struct idle *idle)
{
	if (!idle)
		return;
	ask_to_stop(idle);
	pthread_join(idle->thread, NULL);
	release(idle);
}
