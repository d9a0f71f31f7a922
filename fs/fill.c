#define FUSE_USE_VERSION 314

#include "fill.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <fuse_lowlevel.h>
#include <rvs/tree.h>

#include "cleanup.h"
#include "connection.h"
#include "inode.h"
#include "node.h"
#include "view.h"

enum {
	BLOCK = 512 << 10,        /* filled around a place */
	ASKED_MAX = 64 << 10,     /* the kernel asks for more when in order */
	RECENT = 16,              /* files remembered */
	PLACES_MAX = 64,          /* waiting to be filled; more are left out */
	STREAK = 4,               /* small files in a row that begin a walk */
	STEP_MAX = 64,            /* numbers between them */
	AHEAD_FILES = 256,        /* of a walk */
	AHEAD_BYTES = 8 << 20,
	MARK = 32,                /* one of so many files is left to be asked
				     for, which shows how far the walk is */
	SMALL = 128 << 10,        /* the longest file of a walk */
};

/* Up to where a file was read. */
struct recent {
	uint64_t number;
	off_t end;
};

struct place {
	uint64_t number;
	off_t block;
};

struct fill {
	struct fuse_session *session;
	struct view *view;
	dev_t device;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint8_t *buffer; /* the thread's; BLOCK bytes */

	/* All below: protected by lock. */
	bool ending;
	struct recent recent[RECENT];
	unsigned oldest;
	struct place places[PLACES_MAX]; /* a ring */
	unsigned first, count;
	/* A walk over small files. */
	uint64_t walked;   /* the last one asked for */
	unsigned streak;
	uint64_t filled;   /* before this one all are filled, or tried */
	bool walk_waiting; /* for the thread to go on */
};

/* ---- what the kernel asks for; call with the lock held ---- */

static bool is_queued(const struct fill *fill, uint64_t number, off_t block)
{
	unsigned i;

	for (i = 0; i < fill->count; i++) {
		const struct place *place =
			&fill->places[(fill->first + i) % PLACES_MAX];

		if (place->number == number && place->block == block)
			return true;
	}
	return false;
}

static void queue_place(struct fill *fill, uint64_t number, off_t offset)
{
	off_t block = offset / BLOCK;

	if (fill->count == PLACES_MAX || is_queued(fill, number, block))
		return;
	fill->places[(fill->first + fill->count) % PLACES_MAX] =
		(struct place){ number, block };
	fill->count++;
	pthread_cond_signal(&fill->changed);
}

/* Whether the request goes on where the one before ended. */
static bool is_in_order(struct fill *fill, uint64_t number, size_t len,
			off_t offset)
{
	off_t end = offset + (off_t)len, before;
	unsigned i;

	for (i = 0; i < RECENT; i++) {
		if (fill->recent[i].number != number)
			continue;
		before = fill->recent[i].end;
		fill->recent[i].end = end;
		return before == offset;
	}
	fill->recent[fill->oldest] = (struct recent){ number, end };
	fill->oldest = (fill->oldest + 1) % RECENT;
	return offset == 0;
}

static void note_walk(struct fill *fill, uint64_t number)
{
	uint64_t reached = fill->streak < STREAK ? fill->walked : fill->filled;

	if (number <= fill->walked || number > reached + STEP_MAX) {
		fill->streak = 0;
		fill->filled = 0;
	}
	fill->walked = number;
	if (++fill->streak < STREAK)
		return;
	if (fill->filled <= number)
		fill->filled = number + 1;
	fill->walk_waiting = true;
	pthread_cond_signal(&fill->changed);
}

void fill_note(struct fill *fill, uint64_t number, size_t len, off_t offset)
{
	LOCKED(&fill->lock);

	if (inode_parse(number).kind != INODE_ENTRY)
		return;
	if (offset == 0 && len <= SMALL)
		note_walk(fill, number);
	else if (!is_in_order(fill, number, len, offset) && len <= ASKED_MAX)
		queue_place(fill, number, offset);
}

/* ---- the thread ---- */

/* Where bytes go. */
struct store {
	struct fill *fill;
	uint64_t number;
	off_t offset;
	int status;
};

/* As one run: of a page that comes in two pieces the kernel believes neither. */
static const void *join_parts(struct fill *fill, const struct iovec *parts,
			      int count, size_t *ret_len)
{
	size_t len = 0;
	int i;

	for (i = 0; i < count && count > 1; i++) {
		memcpy(fill->buffer + len, parts[i].iov_base,
		       parts[i].iov_len);
		len += parts[i].iov_len;
	}
	*ret_len = count == 1 ? parts->iov_len : len;
	return count == 1 ? parts->iov_base : fill->buffer;
}

static void store_parts(void *arg, const struct iovec *parts, int count)
{
	struct store *store = arg;
	struct fuse_bufvec buf = FUSE_BUFVEC_INIT(0);

	buf.buf[0].mem = (void *)(uintptr_t)join_parts(
		store->fill, parts, count, &buf.buf[0].size);
	if (buf.buf[0].size > 0)
		store->status = fuse_lowlevel_notify_store(
			store->fill->session, store->number, store->offset,
			&buf, 0);
}

/* At most BLOCK bytes.  A negative errno when the kernel does not know the file,
 * or it cannot be read, which shows when it is asked for. */
static int store_range(struct fill *fill, uint64_t number, size_t len,
		       off_t offset)
{
	struct store store = { fill, number, offset, 0 };
	const struct rvs_sink sink = { &store, store_parts };
	int r;

	r = view_read(fill->view, number, len, offset, &sink, NULL);
	return r < 0 ? r : store.status;
}

struct walk {
	uint64_t from, to;
};

/* Wait for something to do: false at the end, else a place in *ret_place, or a
 * walk when ret_walk->to is not 0. */
static bool next(struct fill *fill, struct place *ret_place,
		 struct walk *ret_walk)
{
	LOCKED(&fill->lock);

	*ret_walk = (struct walk){ 0, 0 };
	while (!fill->count && !fill->walk_waiting && !fill->ending)
		pthread_cond_wait(&fill->changed, &fill->lock);
	if (fill->ending)
		return false;
	if (fill->walk_waiting) {
		fill->walk_waiting = false;
		*ret_walk = (struct walk){ fill->filled,
					   fill->walked + AHEAD_FILES };
		return true;
	}
	*ret_place = fill->places[fill->first];
	fill->first = (fill->first + 1) % PLACES_MAX;
	fill->count--;
	return true;
}

static void set_filled(struct fill *fill, uint64_t from, uint64_t to)
{
	LOCKED(&fill->lock);

	/* Unless another walk began meanwhile. */
	if (fill->filled == from)
		fill->filled = to;
}

/* Fill the file @number if it is a small one; bytes filled, or negative. */
static ssize_t fill_small(struct fill *fill, uint64_t number)
{
	struct node node;
	size_t size;
	int r;

	r = view_stat(fill->view, number, &node);
	if (r < 0)
		return r;
	size = (size_t)node.attr.st_size;
	if (!S_ISREG(node.attr.st_mode) || node.number != number ||
	    size == 0 || size > SMALL || number % MARK == 0)
		return 0;
	r = store_range(fill, number, size, 0);
	return r < 0 ? r : (ssize_t)size;
}

/* Up to the first file that the kernel has not heard of. */
static void fill_walk(struct fill *fill, const struct walk *walk)
{
	uint64_t number = walk->from;
	size_t bytes = 0;

	for (; number < walk->to && bytes < AHEAD_BYTES; number++) {
		ssize_t n = fill_small(fill, number);

		if (n < 0)
			break;
		bytes += (size_t)n;
	}
	set_filled(fill, walk->from, number);
}

static void *run(void *arg)
{
	struct fill *fill = arg;
	struct place place = { 0, 0 };
	struct walk walk;

	while (next(fill, &place, &walk)) {
		if (walk.to)
			fill_walk(fill, &walk);
		else
			(void)store_range(fill, place.number, BLOCK,
					  place.block * BLOCK);
	}
	return NULL;
}

struct fill *fill_new(struct fuse_session *session, dev_t device,
		      struct view *view)
{
	struct fill *fill = calloc(1, sizeof(*fill));

	if (!fill)
		return NULL;
	fill->session = session;
	fill->device = device;
	fill->view = view;
	fill->buffer = malloc(BLOCK);
	if (!fill->buffer) {
		free(fill);
		return NULL;
	}
	pthread_mutex_init(&fill->lock, NULL);
	pthread_cond_init(&fill->changed, NULL);
	if (pthread_create(&fill->thread, NULL, run, fill) == 0)
		return fill;
	free(fill->buffer);
	free(fill);
	return NULL;
}

static void end(struct fill *fill)
{
	LOCKED(&fill->lock);

	fill->ending = true;
	pthread_cond_signal(&fill->changed);
}

void fill_free(struct fill *fill)
{
	if (!fill)
		return;
	end(fill);
	connection_join(fill->thread, fill->device);
	pthread_cond_destroy(&fill->changed);
	pthread_mutex_destroy(&fill->lock);
	free(fill->buffer);
	free(fill);
}
