#include "turn.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"

enum {
	WATCH_NS = 250 * 1000, /* what a walk does between two directories */
	STREAK = 16, /* so many requests in a row that waited for nothing are
			a walk */
	NS_PER_S = 1000 * 1000 * 1000,
};

/* A thread that has a place reads, or answers without waiting. */
struct turn {
	pthread_key_t placed; /* whether the thread has a place */
	sem_t granted;     /* posted once for each place handed over */
	unsigned places_max;
	atomic_bool eager; /* the last request came soon */
	pthread_mutex_t lock;

	/* All below: protected by lock. */
	unsigned places;  /* taken */
	unsigned waiting; /* threads that wait for one */
	unsigned streak;
};

struct turn *turn_new(void)
{
	struct turn *turn = calloc(1, sizeof(*turn));

	if (!turn)
		return NULL;
	if (pthread_key_create(&turn->placed, NULL) != 0) {
		free(turn);
		return NULL;
	}
	turn->places_max = (unsigned)get_nprocs();
	pthread_mutex_init(&turn->lock, NULL);
	(void)sem_init(&turn->granted, 0, 0); /* 0 is a valid value */
	return turn;
}

void turn_free(struct turn *turn)
{
	if (!turn)
		return;
	(void)sem_destroy(&turn->granted);
	pthread_mutex_destroy(&turn->lock);
	(void)pthread_key_delete(turn->placed);
	free(turn);
}

static bool has_place(const struct turn *turn)
{
	return pthread_getspecific(turn->placed);
}

/* The first keys of a process need no memory, which could lack. */
static void set_place(struct turn *turn, bool placed)
{
	(void)pthread_setspecific(turn->placed, placed ? turn : NULL);
}

static unsigned limit(const struct turn *turn)
{
	return turn->streak >= STREAK ? 1 : turn->places_max;
}

/* Return a place; true: somebody waits who is to have it, as none is taken. */
static bool give_back(struct turn *turn)
{
	LOCKED(&turn->lock);

	turn->streak = 0;
	if (--turn->places > 0 || turn->waiting == 0)
		return false;
	turn->waiting--;
	turn->places++;
	return true;
}

void turn_pass(struct turn *turn)
{
	if (!has_place(turn))
		return;
	set_place(turn, false);
	if (give_back(turn))
		(void)sem_post(&turn->granted); /* far from its limit */
}

/* Whether there is room for one more; else it is to wait. */
static bool take_place(struct turn *turn)
{
	LOCKED(&turn->lock);

	if (turn->places < limit(turn)) {
		turn->places++;
		return true;
	}
	turn->waiting++;
	return false;
}

/* After an answer that waited for nothing: whether to go on reading; else it is
 * to wait, as there are others.  *@ret_alone: there are none, on a walk. */
static bool keep_place(struct turn *turn, bool *ret_alone)
{
	LOCKED(&turn->lock);

	if (turn->streak < STREAK)
		turn->streak++;
	*ret_alone = turn->places == 1 && limit(turn) == 1;
	if (turn->places <= limit(turn))
		return true;
	turn->places--;
	turn->waiting++;
	return false;
}

/* Until it has a place; whether it is alone, as in keep_place(). */
static bool wait_for_place(struct turn *turn)
{
	bool alone = false, taken;

	taken = has_place(turn) ? keep_place(turn, &alone) : take_place(turn);
	set_place(turn, taken);
	if (taken)
		return alone;
	while (sem_wait(&turn->granted) < 0)
		; /* interrupted by a signal, which is not for this thread */
	set_place(turn, true);
	return false;
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

static bool is_waiting(int fd)
{
	struct pollfd device = { .fd = fd, .events = POLLIN };

	return poll(&device, 1, 0) > 0;
}

/* Until something is there to be read, or the moment is over. */
static void watch(int fd)
{
	int64_t end_ns = now_ns() + WATCH_NS;

	while (!is_waiting(fd) && now_ns() < end_ns)
		(void)sched_yield(); /* whoever has work goes first */
}

static ssize_t receive(struct turn *turn, int fd, void *ret, size_t size,
		       bool alone)
{
	int64_t begun_ns = now_ns();
	ssize_t n;

	if (alone && atomic_load_explicit(&turn->eager, memory_order_relaxed))
		watch(fd);
	n = read(fd, ret, size);
	atomic_store_explicit(&turn->eager, now_ns() - begun_ns < WATCH_NS,
			      memory_order_relaxed);
	return n;
}

ssize_t turn_read(struct turn *turn, int fd, void *ret, size_t size)
{
	ssize_t n;

	n = receive(turn, fd, ret, size, wait_for_place(turn));
	/* More at the same time is for others, as is the end. */
	if (n <= 0 || is_waiting(fd))
		turn_pass(turn);
	return n;
}
