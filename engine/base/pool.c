#include "pool.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "cleanup.h"

enum { NS_PER_MS = 1000 * 1000, NS_PER_S = 1000 * NS_PER_MS };

struct rvs_pool {
	pthread_mutex_t mutex;
	pthread_cond_t work;     /* the queue grew, or stopping */
	pthread_cond_t finished; /* some job that is awaited finished */
	struct rvs_job *first;   /* ready to run; protected by mutex */
	struct rvs_job *last;
	unsigned started; /* workers that took an index; protected by mutex */
	bool stopping;    /* protected by mutex */
	unsigned threads;
	pthread_t *workers;
};

struct rvs_lane {
	struct rvs_pool *pool;
	bool serial;
	struct rvs_job *first; /* oldest not collected; protected by mutex */
	struct rvs_job *last;
	struct rvs_job *waiting; /* serial: next to make ready; likewise */
	bool running;            /* serial: one is ready or running; likewise */
	size_t depth;            /* the owner's alone */
};

static unsigned usable_cores(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	return (unsigned)CPU_COUNT(&set);
}

/* A serial lane's job goes first.  Call with the mutex held. */
static void make_ready(struct rvs_pool *pool, struct rvs_job *job)
{
	struct rvs_job **link = &pool->first;

	if (!job->lane->serial && pool->last)
		link = &pool->last->ready;
	job->ready = job->lane->serial ? pool->first : NULL;
	*link = job;
	if (!job->ready)
		pool->last = job;
}

/* A serial lane's next job becomes ready; call with the mutex held. */
static void advance(struct rvs_lane *lane)
{
	struct rvs_job *job = lane->waiting;

	lane->running = job != NULL;
	if (!job)
		return;
	lane->waiting = job->next;
	make_ready(lane->pool, job);
}

static struct rvs_job *take_ready(struct rvs_pool *pool)
{
	struct rvs_job *job;

	while (!pool->first && !pool->stopping)
		(void)pthread_cond_wait(&pool->work, &pool->mutex);
	job = pool->first;
	if (!job)
		return NULL;
	pool->first = job->ready;
	if (!pool->first)
		pool->last = NULL;
	return job;
}

static void *worker_main(void *arg)
{
	struct rvs_pool *pool = arg;
	struct rvs_job *job;
	unsigned index;

	(void)pthread_mutex_lock(&pool->mutex);
	index = pool->started++;
	while ((job = take_ready(pool))) {
		(void)pthread_mutex_unlock(&pool->mutex);
		job->run(job, index);
		(void)pthread_mutex_lock(&pool->mutex);
		/* Nobody need wake up for it: this worker looks next. */
		if (job->lane->serial)
			advance(job->lane);
		/* The owner may free the job and its lane from here on. */
		job->finished = true;
		if (job->awaited)
			(void)pthread_cond_broadcast(&pool->finished);
	}
	(void)pthread_mutex_unlock(&pool->mutex);
	return NULL;
}

/* Signals belong to the program's own threads. */
static int start_workers(struct rvs_pool *pool, unsigned threads)
{
	sigset_t all, old;
	int code = 0;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	while (pool->threads < threads && code == 0) {
		code = pthread_create(&pool->workers[pool->threads], NULL,
				      worker_main, pool);
		if (code == 0)
			pool->threads++;
	}
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return code;
}

/* So that waiting may have an end, whatever becomes of the time of day. */
static void init_clocked(pthread_cond_t *cond)
{
	pthread_condattr_t attributes;

	(void)pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	(void)pthread_cond_init(cond, &attributes);
	(void)pthread_condattr_destroy(&attributes);
}

int rvs_pool_new(unsigned threads, struct rvs_pool **ret, struct rvs_error *err)
{
	struct rvs_pool *pool = calloc(1, sizeof(*pool));

	if (threads == 0)
		threads = usable_cores();
	if (pool)
		pool->workers = calloc(threads, sizeof(*pool->workers));
	if (!pool || !pool->workers) {
		free(pool);
		return rvs_error_no_memory(err);
	}
	(void)pthread_mutex_init(&pool->mutex, NULL);
	(void)pthread_cond_init(&pool->work, NULL);
	init_clocked(&pool->finished);
	/* Fewer workers than asked for still do all the work. */
	if (start_workers(pool, threads) != 0 && pool->threads == 0) {
		rvs_pool_free(pool);
		return rvs_error_set(err, RVS_ERR_FAILED,
				     "cannot start a thread");
	}
	*ret = pool;
	return 0;
}

void rvs_pool_free(struct rvs_pool *pool)
{
	unsigned i;

	if (!pool)
		return;
	(void)pthread_mutex_lock(&pool->mutex);
	pool->stopping = true;
	(void)pthread_cond_broadcast(&pool->work);
	(void)pthread_mutex_unlock(&pool->mutex);
	for (i = 0; i < pool->threads; i++)
		(void)pthread_join(pool->workers[i], NULL);
	(void)pthread_cond_destroy(&pool->finished);
	(void)pthread_cond_destroy(&pool->work);
	(void)pthread_mutex_destroy(&pool->mutex);
	free(pool->workers);
	free(pool);
}

unsigned rvs_pool_threads(const struct rvs_pool *pool)
{
	return pool->threads;
}

int rvs_lane_new(struct rvs_pool *pool, bool serial, struct rvs_lane **ret,
		 struct rvs_error *err)
{
	struct rvs_lane *lane = calloc(1, sizeof(*lane));

	if (!lane)
		return rvs_error_no_memory(err);
	lane->pool = pool;
	lane->serial = serial;
	*ret = lane;
	return 0;
}

void rvs_lane_free(struct rvs_lane *lane)
{
	if (!lane)
		return;
	while (rvs_lane_collect(lane))
		continue;
	free(lane);
}

void rvs_lane_submit(struct rvs_lane *lane, struct rvs_job *job)
{
	struct rvs_pool *pool = lane->pool;
	bool wake = true;

	job->lane = lane;
	job->next = NULL;
	job->finished = false;
	job->awaited = false;
	(void)pthread_mutex_lock(&pool->mutex);
	if (lane->last)
		lane->last->next = job;
	else
		lane->first = job;
	lane->last = job;
	if (lane->serial && !lane->waiting)
		lane->waiting = job;
	if (!lane->serial)
		make_ready(pool, job);
	else if (!lane->running)
		advance(lane);
	else
		wake = false; /* who runs the job before goes on with it */
	if (wake)
		(void)pthread_cond_signal(&pool->work);
	(void)pthread_mutex_unlock(&pool->mutex);
	lane->depth++;
}

/* Take the finished oldest job off its lane; call with the mutex held. */
static struct rvs_job *take_oldest(struct rvs_lane *lane)
{
	struct rvs_job *job = lane->first;

	assert(job && job->finished);
	lane->first = job->next;
	if (!lane->first)
		lane->last = NULL;
	lane->depth--;
	return job;
}

struct rvs_job *rvs_lane_collect(struct rvs_lane *lane)
{
	struct rvs_pool *pool = lane->pool;
	struct rvs_job *job = NULL;

	if (lane->depth == 0)
		return NULL;
	(void)pthread_mutex_lock(&pool->mutex);
	lane->first->awaited = true;
	while (!lane->first->finished)
		(void)pthread_cond_wait(&pool->finished, &pool->mutex);
	job = take_oldest(lane);
	(void)pthread_mutex_unlock(&pool->mutex);
	return job;
}

bool rvs_lane_wait(struct rvs_lane *lane, unsigned ms)
{
	struct rvs_pool *pool = lane->pool;
	struct timespec end;
	bool finished;
	int code = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_nsec += (long)(ms % 1000) * NS_PER_MS;
	end.tv_sec += ms / 1000 + end.tv_nsec / NS_PER_S;
	end.tv_nsec %= NS_PER_S;
	(void)pthread_mutex_lock(&pool->mutex);
	lane->first->awaited = true;
	while (!lane->first->finished && code == 0)
		code = pthread_cond_timedwait(&pool->finished, &pool->mutex,
					      &end);
	finished = lane->first->finished;
	(void)pthread_mutex_unlock(&pool->mutex);
	return finished;
}

struct rvs_job *rvs_lane_poll(struct rvs_lane *lane)
{
	struct rvs_pool *pool = lane->pool;
	struct rvs_job *job = NULL;

	if (lane->depth == 0)
		return NULL;
	(void)pthread_mutex_lock(&pool->mutex);
	if (lane->first->finished)
		job = take_oldest(lane);
	(void)pthread_mutex_unlock(&pool->mutex);
	return job;
}

size_t rvs_lane_depth(const struct rvs_lane *lane)
{
	return lane->depth;
}
