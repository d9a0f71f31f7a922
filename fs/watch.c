#include "watch.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "cleanup.h"
#include "view.h"

struct watch {
	struct view *view;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	bool ending; /* protected by lock */
};

static struct timespec next_look(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_nsec += WATCH_MS * 1000000L;
	at.tv_sec += at.tv_nsec / 1000000000L;
	at.tv_nsec %= 1000000000L;
	return at;
}

/* Whether it is time for another look, rather than the end. */
static bool wait_for_look(struct watch *watch)
{
	struct timespec at = next_look();
	int r = 0;
	LOCKED(&watch->lock);

	while (!watch->ending && r != ETIMEDOUT)
		r = pthread_cond_timedwait(&watch->ended, &watch->lock, &at);
	return !watch->ending;
}

static void *run(void *arg)
{
	struct watch *watch = arg;

	while (wait_for_look(watch))
		view_look(watch->view);
	return NULL;
}

struct watch *watch_new(struct view *view)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	pthread_condattr_t attr;

	if (!watch)
		return NULL;
	watch->view = view;
	pthread_mutex_init(&watch->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&watch->ended, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&watch->thread, NULL, run, watch) == 0)
		return watch;
	free(watch);
	return NULL;
}

static void end(struct watch *watch)
{
	LOCKED(&watch->lock);

	watch->ending = true;
	pthread_cond_signal(&watch->ended);
}

void watch_free(struct watch *watch)
{
	if (!watch)
		return;
	end(watch);
	(void)pthread_join(watch->thread, NULL);
	pthread_cond_destroy(&watch->ended);
	pthread_mutex_destroy(&watch->lock);
	free(watch);
}
