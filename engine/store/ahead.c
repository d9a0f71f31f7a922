#include "ahead.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <rvs/snapshot.h>

#include "base/cleanup.h"
#include "base/pool.h"
#include "reader.h"
#include "volume.h"

enum {
	FILES = 16,           /* read from front to back at once */
	WINDOW = 8 << 20,     /* bytes ahead of a reader */
	OVERTAKING = 16,      /* requests that may come before an earlier one */
	ROW = 4,              /* members read one after the other, which begin */
	FOLLOW = 6,           /* loading so many behind them */
	DEPTH = 1024,         /* members under way */
};

/* A file being read from front to back. */
struct front {
	uint64_t file;
	uint64_t read;  /* up to here */
	uint64_t asked; /* members were asked for up to here */
	bool running;   /* more than one read came in order */
	uint64_t used;  /* when: a count of uses */
};

/* The member that small files of a volume were last read from. */
struct trail {
	uint32_t volume;
	uint32_t number;
	uint32_t row; /* members read one after the other */
	uint64_t used;
};

struct load {
	struct rvs_job job;
	struct rvs_ahead *ahead;
	struct rvs_slot *promised;
	char id[RVS_ID_SIZE];
};

struct rvs_ahead {
	struct rvs_reader *reader;
	unsigned threads;
	pthread_mutex_t mutex;
	struct rvs_pool *pool; /* protected by mutex, as all below */
	struct rvs_lane *lane;
	bool failed; /* there are no threads: reading goes on without */
	uint64_t clock;
	struct front fronts[FILES];
	struct trail trails[FILES];
};

int rvs_ahead_new(struct rvs_reader *reader, unsigned threads,
		  struct rvs_ahead **ret, struct rvs_error *err)
{
	struct rvs_ahead *ahead = calloc(1, sizeof(*ahead));

	if (!ahead)
		return rvs_error_no_memory(err);
	ahead->reader = reader;
	ahead->threads = threads;
	(void)pthread_mutex_init(&ahead->mutex, NULL);
	*ret = ahead;
	return 0;
}

/* Free the loads that are over; call with the mutex held. */
static void forget_finished(struct rvs_ahead *ahead)
{
	struct rvs_job *job;

	while ((job = rvs_lane_poll(ahead->lane)))
		free(job);
}

void rvs_ahead_free(struct rvs_ahead *ahead)
{
	struct rvs_job *job;

	if (!ahead)
		return;
	while (ahead->lane && (job = rvs_lane_collect(ahead->lane)))
		free(job);
	rvs_lane_free(ahead->lane);
	rvs_pool_free(ahead->pool);
	(void)pthread_mutex_destroy(&ahead->mutex);
	free(ahead);
}

/* The front of @file, else the one unused for longest; call with the mutex
 * held. */
static struct front *find_front(struct rvs_ahead *ahead, uint64_t file)
{
	struct front *oldest = &ahead->fronts[0];
	size_t i;

	for (i = 0; i < FILES; i++) {
		if (ahead->fronts[i].used && ahead->fronts[i].file == file)
			return &ahead->fronts[i];
		if (ahead->fronts[i].used < oldest->used)
			oldest = &ahead->fronts[i];
	}
	oldest->used = 0;
	return oldest;
}

/* Whether a read of [@from, @to) goes on from where @front is.  Once reads come
 * in order, they may overtake each other. */
static bool goes_on(const struct front *front, uint64_t from, uint64_t to)
{
	uint64_t early = to - from, late = 0;

	if (!front->used)
		return false;
	if (front->running)
		early = late = (to - from) * OVERTAKING;
	return from + late >= front->read && from <= front->read + early;
}

uint64_t rvs_ahead_plan(struct rvs_ahead *ahead, uint64_t file, uint64_t from,
			uint64_t to, uint64_t *ret_done)
{
	struct front *front;
	uint64_t until = to;

	(void)pthread_mutex_lock(&ahead->mutex);
	front = find_front(ahead, file);
	*ret_done = from;
	if (goes_on(front, from, to)) {
		/* Where it was asked for, it may have been evicted since; only
		 * what lies ahead counts. */
		*ret_done = front->asked > to ? front->asked : from;
		until = to + WINDOW;
		front->running = true;
		front->read = front->read > to ? front->read : to;
		front->asked = front->asked > until ? front->asked : until;
	} else {
		*front = (struct front){ .read = to, .asked = to };
	}
	front->used = ++ahead->clock;
	front->file = file;
	(void)pthread_mutex_unlock(&ahead->mutex);
	return until;
}

static void run_load(struct rvs_job *job, unsigned worker)
{
	struct load *load = (struct load *)job;

	(void)worker;
	rvs_reader_fulfil(load->ahead->reader, load->id, load->promised);
}

/* Call with the mutex held. */
static int start(struct rvs_ahead *ahead)
{
	if (ahead->lane)
		return 0;
	if (ahead->failed ||
	    rvs_pool_new(ahead->threads, &ahead->pool, NULL) < 0 ||
	    rvs_lane_new(ahead->pool, false, &ahead->lane, NULL) < 0) {
		ahead->failed = true;
		return -1;
	}
	return 0;
}

/* Call with the mutex held. */
static struct load *new_load(struct rvs_ahead *ahead, const char *id,
			     uint32_t volume, uint32_t number)
{
	struct load *load = calloc(1, sizeof(*load));

	if (!load)
		return NULL;
	load->promised = rvs_reader_promise(ahead->reader, volume, number);
	if (!load->promised) {
		free(load);
		return NULL;
	}
	load->job.run = run_load;
	load->ahead = ahead;
	(void)snprintf(load->id, sizeof(load->id), "%s", id);
	return load;
}

void rvs_ahead_load(struct rvs_ahead *ahead, const char *id, uint32_t volume,
		    uint32_t number)
{
	struct load *load = NULL;

	(void)pthread_mutex_lock(&ahead->mutex);
	if (start(ahead) == 0) {
		forget_finished(ahead);
		if (rvs_lane_depth(ahead->lane) < DEPTH)
			load = new_load(ahead, id, volume, number);
		if (load)
			rvs_lane_submit(ahead->lane, &load->job);
	}
	(void)pthread_mutex_unlock(&ahead->mutex);
}

/* The trail of @volume, else the one unused for longest; call with the mutex
 * held. */
static struct trail *find_trail(struct rvs_ahead *ahead, uint32_t volume)
{
	struct trail *oldest = &ahead->trails[0];
	size_t i;

	for (i = 0; i < FILES; i++) {
		struct trail *trail = &ahead->trails[i];

		if (trail->used && trail->volume == volume)
			return trail;
		if (trail->used < oldest->used)
			oldest = trail;
	}
	*oldest = (struct trail){ .volume = volume, .number = UINT32_MAX };
	return oldest;
}

/* Whether the members from @number on are read one after the other, and this is
 * the first that is heard of it. */
static bool is_next(struct rvs_ahead *ahead, uint32_t volume, uint32_t number)
{
	struct trail *trail;
	bool next;

	(void)pthread_mutex_lock(&ahead->mutex);
	trail = find_trail(ahead, volume);
	trail->used = ++ahead->clock;
	next = number == trail->number + 1;
	if (next)
		trail->row++;
	else if (number != trail->number)
		trail->row = 0;
	next = next && trail->row >= ROW;
	trail->number = number;
	(void)pthread_mutex_unlock(&ahead->mutex);
	return next;
}

void rvs_ahead_follow(struct rvs_ahead *ahead, struct rvs_volumes *volumes,
		      const char *id, uint32_t volume, uint32_t number)
{
	uint32_t i;

	if (!is_next(ahead, volume, number))
		return;
	for (i = number + 1; i - number <= FOLLOW; i++)
		if (rvs_volume_member_len(volumes, id, i) > 0)
			rvs_ahead_load(ahead, id, volume, i);
}

void rvs_ahead_wait(struct rvs_ahead *ahead)
{
	struct rvs_job *job;

	(void)pthread_mutex_lock(&ahead->mutex);
	while (ahead->lane && (job = rvs_lane_collect(ahead->lane)))
		free(job);
	(void)pthread_mutex_unlock(&ahead->mutex);
}
