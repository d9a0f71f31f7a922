#define FUSE_USE_VERSION 314

#include "notify.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include <fuse_lowlevel.h>

#include "cleanup.h"
#include "connection.h"

enum { PATIENCE_SECONDS = 1 };

struct notify {
	struct fuse_session *session;
	dev_t device;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;

	/* All below: protected by lock. */
	bool ending;
	uint64_t *numbers; /* files to forget, each once */
	size_t count;
	size_t room;
};

/* Wait for a number to come; false when none will. */
static bool next(struct notify *notify, uint64_t *ret)
{
	LOCKED(&notify->lock);

	while (!notify->count && !notify->ending)
		pthread_cond_wait(&notify->changed, &notify->lock);
	if (notify->ending)
		return false;
	*ret = notify->numbers[--notify->count];
	return true;
}

static void *run(void *arg)
{
	struct notify *notify = arg;
	uint64_t number;

	while (next(notify, &number))
		/* It fails for what is not cached any more. */
		(void)fuse_lowlevel_notify_inval_inode(notify->session, number,
						       0, 0);
	return NULL;
}

struct notify *notify_new(struct fuse_session *session, dev_t device)
{
	struct notify *notify = calloc(1, sizeof(*notify));

	if (!notify)
		return NULL;
	notify->session = session;
	notify->device = device;
	pthread_mutex_init(&notify->lock, NULL);
	pthread_cond_init(&notify->changed, NULL);
	if (pthread_create(&notify->thread, NULL, run, notify) == 0)
		return notify;
	free(notify);
	return NULL;
}

static void end(struct notify *notify)
{
	LOCKED(&notify->lock);

	notify->ending = true;
	pthread_cond_signal(&notify->changed);
}

/* The thread may sit in the kernel behind a reader whose request nobody takes
 * any more; ending that request sets both free. */
static void join(struct notify *notify)
{
	struct timespec limit;

	clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += PATIENCE_SECONDS;
	if (pthread_timedjoin_np(notify->thread, NULL, &limit) == 0)
		return;
	(void)connection_abort(notify->device); /* nothing else is left */
	(void)pthread_join(notify->thread, NULL);
}

void notify_free(struct notify *notify)
{
	if (!notify)
		return;
	end(notify);
	join(notify);
	pthread_cond_destroy(&notify->changed);
	pthread_mutex_destroy(&notify->lock);
	free(notify->numbers);
	free(notify);
}

static bool is_queued(const struct notify *notify, uint64_t number)
{
	size_t i;

	for (i = 0; i < notify->count; i++)
		if (notify->numbers[i] == number)
			return true;
	return false;
}

static bool make_room(struct notify *notify)
{
	size_t room = notify->room * 2 + 16;
	uint64_t *grown;

	if (notify->count < notify->room)
		return true;
	grown = reallocarray(notify->numbers, room, sizeof(*grown));
	if (!grown)
		return false;
	notify->numbers = grown;
	notify->room = room;
	return true;
}

void notify_drop_bytes(struct notify *notify, uint64_t number)
{
	LOCKED(&notify->lock);

	if (is_queued(notify, number) || !make_room(notify))
		return;
	notify->numbers[notify->count++] = number;
	pthread_cond_signal(&notify->changed);
}
