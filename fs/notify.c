#define FUSE_USE_VERSION 314

#include "notify.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <fuse_lowlevel.h>

#include "cleanup.h"
#include "connection.h"

enum { WORDS_MAX = 4096 };

enum kind { DROP_BYTES, DROP_NAME, DELETED };

struct word {
	struct word *next;
	enum kind kind;
	uint64_t number; /* a file, or the directory that holds the name */
	uint64_t child;
	char name[];
};

struct notify {
	struct fuse_session *session;
	dev_t device;
	pthread_t thread;
	bool has_thread; /* of who begins and ends it */
	pthread_mutex_t lock;
	pthread_cond_t changed;

	/* All below: protected by lock. */
	bool ending;
	struct word *first, *last; /* in the order they came */
	size_t count;
};

struct notify *notify_new(void)
{
	struct notify *notify = calloc(1, sizeof(*notify));

	if (!notify)
		return NULL;
	pthread_mutex_init(&notify->lock, NULL);
	pthread_cond_init(&notify->changed, NULL);
	return notify;
}

/* Call with the lock held, and something there. */
static struct word *take_first(struct notify *notify)
{
	struct word *word = notify->first;

	notify->first = word->next;
	notify->count--;
	return word;
}

void notify_free(struct notify *notify)
{
	if (!notify)
		return;
	while (notify->first)
		free(take_first(notify));
	pthread_cond_destroy(&notify->changed);
	pthread_mutex_destroy(&notify->lock);
	free(notify);
}

/* Wait for word to come; NULL when none will. */
static struct word *next(struct notify *notify)
{
	LOCKED(&notify->lock);

	while (!notify->first && !notify->ending)
		pthread_cond_wait(&notify->changed, &notify->lock);
	return notify->ending ? NULL : take_first(notify);
}

/* It fails for what is not cached any more. */
static void tell(struct fuse_session *session, const struct word *word)
{
	switch (word->kind) {
	case DROP_BYTES:
		(void)fuse_lowlevel_notify_inval_inode(session, word->number,
						       0, 0);
		break;
	case DROP_NAME:
		(void)fuse_lowlevel_notify_inval_entry(session, word->number,
						       word->name,
						       strlen(word->name));
		break;
	case DELETED:
		(void)fuse_lowlevel_notify_delete(session, word->number,
						  word->child, word->name,
						  strlen(word->name));
		break;
	}
}

static void *run(void *arg)
{
	struct notify *notify = arg;
	struct word *word;

	while ((word = next(notify))) {
		tell(notify->session, word);
		free(word);
	}
	return NULL;
}

int notify_begin(struct notify *notify, struct fuse_session *session,
		 dev_t device)
{
	notify->session = session;
	notify->device = device;
	if (pthread_create(&notify->thread, NULL, run, notify) != 0)
		return -1;
	notify->has_thread = true;
	return 0;
}

static void ask_to_end(struct notify *notify)
{
	LOCKED(&notify->lock);

	notify->ending = true;
	pthread_cond_signal(&notify->changed);
}

void notify_end(struct notify *notify)
{
	if (!notify)
		return;
	ask_to_end(notify);
	if (notify->has_thread)
		connection_join(notify->thread, notify->device);
	notify->has_thread = false;
}

static bool is_same(const struct word *a, const struct word *b)
{
	return a->kind == b->kind && a->number == b->number &&
	       a->child == b->child && strcmp(a->name, b->name) == 0;
}

static bool is_queued(const struct notify *notify, const struct word *word)
{
	const struct word *queued;

	for (queued = notify->first; queued; queued = queued->next)
		if (is_same(queued, word))
			return true;
	return false;
}

/* Whether @word was taken over. */
static bool append(struct notify *notify, struct word *word)
{
	LOCKED(&notify->lock);

	if (notify->ending || notify->count == WORDS_MAX ||
	    is_queued(notify, word))
		return false;
	if (notify->first)
		notify->last->next = word;
	else
		notify->first = word;
	notify->last = word;
	notify->count++;
	pthread_cond_signal(&notify->changed);
	return true;
}

static void leave_word(struct notify *notify, enum kind kind, uint64_t number,
		       const char *name, uint64_t child)
{
	struct word *word = calloc(1, sizeof(*word) + strlen(name) + 1);

	if (!word)
		return;
	word->kind = kind;
	word->number = number;
	word->child = child;
	memcpy(word->name, name, strlen(name) + 1);
	if (!append(notify, word))
		free(word);
}

void notify_drop_bytes(struct notify *notify, uint64_t number)
{
	leave_word(notify, DROP_BYTES, number, "", 0);
}

void notify_drop_name(struct notify *notify, uint64_t parent, const char *name)
{
	leave_word(notify, DROP_NAME, parent, name, 0);
}

void notify_deleted(struct notify *notify, uint64_t parent, const char *name,
		    uint64_t child)
{
	leave_word(notify, DELETED, parent, name, child);
}
