#define FUSE_USE_VERSION 314

#include "fill.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <fuse_lowlevel.h>
#include <rvs/tree.h>

#include "cleanup.h"
#include "connection.h"
#include "guess.h"
#include "inode.h"
#include "node.h"
#include "view.h"

enum {
	NICE = 5, /* whoever waits for an answer goes first */
	AHEAD_BYTES = 8 << 20, /* of a walk */
	MARK = 32, /* one of so many files is left to be asked for, which shows
		      how far the walk is */
};

struct fill {
	struct fuse_session *session;
	struct view *view;
	dev_t device;
	unsigned threads;
	pthread_t *workers;
	pthread_mutex_t lock;
	pthread_cond_t changed;

	/* Both: protected by lock. */
	bool ending;
	struct guess guess;
};

void fill_note(struct fill *fill, uint64_t number, size_t len, off_t offset)
{
	LOCKED(&fill->lock);

	if (inode_parse(number).kind != INODE_ENTRY)
		return;
	if (guess_note(&fill->guess, number, len, offset))
		pthread_cond_signal(&fill->changed);
}

/* ---- the threads ---- */

/* Where bytes go. */
struct store {
	struct fuse_session *session;
	uint8_t *buffer; /* of GUESS_BLOCK bytes, the thread's own */
	uint64_t number;
	off_t offset;
	int status;
};

/* As one run: of a page that comes in two pieces the kernel believes neither. */
static const void *join_parts(uint8_t *buffer, const struct iovec *parts,
			      int count, size_t *ret_len)
{
	size_t len = 0;
	int i;

	for (i = 0; i < count && count > 1; i++) {
		memcpy(buffer + len, parts[i].iov_base,
		       parts[i].iov_len);
		len += parts[i].iov_len;
	}
	*ret_len = count == 1 ? parts->iov_len : len;
	return count == 1 ? parts->iov_base : buffer;
}

static void store_parts(void *arg, const struct iovec *parts, int count)
{
	struct store *store = arg;
	struct fuse_bufvec buf = FUSE_BUFVEC_INIT(0);

	buf.buf[0].mem = (void *)(uintptr_t)join_parts(
		store->buffer, parts, count, &buf.buf[0].size);
	if (buf.buf[0].size > 0)
		store->status = fuse_lowlevel_notify_store(
			store->session, store->number, store->offset,
			&buf, 0);
}

/* At most GUESS_BLOCK bytes.  A negative errno when the kernel does not know
 * the file, or it cannot be read, which shows when it is asked for. */
static int store_range(struct fill *fill, uint8_t *buffer, uint64_t number,
		       size_t len, off_t offset)
{
	struct store store = { fill->session, buffer, number, offset, 0 };
	const struct rvs_sink sink = { &store, store_parts };
	int r;

	r = view_read(fill->view, number, len, offset, &sink, NULL);
	return r < 0 ? r : store.status;
}

/* Wait for something to do: false at the end, else a walk, or a place, when
 * ret_walk->to is 0. */
static bool next(struct fill *fill, struct guess_place *ret_place,
		 struct guess_walk *ret_walk)
{
	LOCKED(&fill->lock);

	*ret_walk = (struct guess_walk){ 0, 0 };
	while (!fill->ending) {
		if (guess_take_walk(&fill->guess, ret_walk) ||
		    guess_take_place(&fill->guess, ret_place))
			return true;
		pthread_cond_wait(&fill->changed, &fill->lock);
	}
	return false;
}

static void set_walk_filled(struct fill *fill, uint64_t from, uint64_t to)
{
	LOCKED(&fill->lock);

	guess_walk_filled(&fill->guess, from, to);
}

static void set_place_filled(struct fill *fill, const struct guess_place *place)
{
	LOCKED(&fill->lock);

	guess_place_filled(&fill->guess, place);
}

/* Fill the file @number if it is a small one; bytes filled, or negative. */
static ssize_t fill_small(struct fill *fill, uint8_t *buffer, uint64_t number)
{
	struct node node;
	size_t size;
	int r;

	r = view_stat(fill->view, number, &node);
	if (r < 0)
		return r;
	size = (size_t)node.attr.st_size;
	if (!S_ISREG(node.attr.st_mode) || node.number != number ||
	    size == 0 || size > GUESS_SMALL || number % MARK == 0)
		return 0;
	r = store_range(fill, buffer, number, size, 0);
	return r < 0 ? r : (ssize_t)size;
}

/* Up to the first file that the kernel has not heard of. */
static void fill_walk(struct fill *fill, uint8_t *buffer,
		      const struct guess_walk *walk)
{
	uint64_t number = walk->from;
	size_t bytes = 0;

	for (; number < walk->to && bytes < AHEAD_BYTES; number++) {
		ssize_t n = fill_small(fill, buffer, number);

		if (n < 0)
			break;
		bytes += (size_t)n;
	}
	set_walk_filled(fill, walk->from, number);
}

static void fill_place(struct fill *fill, uint8_t *buffer,
		       const struct guess_place *place)
{
	(void)store_range(fill, buffer, place->number, GUESS_BLOCK,
			  place->block * GUESS_BLOCK);
	set_place_filled(fill, place);
}

static void *run(void *arg)
{
	struct fill *fill = arg;
	CLEANUP(cleanup_free) void *buffer = malloc(GUESS_BLOCK);
	struct guess_place place = { 0, 0 };
	struct guess_walk walk;

	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
	while (buffer && next(fill, &place, &walk)) {
		if (walk.to)
			fill_walk(fill, buffer, &walk);
		else
			fill_place(fill, buffer, &place);
	}
	return NULL;
}

/* Fewer threads than wanted do as well. */
static void start(struct fill *fill, unsigned threads)
{
	fill->workers = calloc(threads, sizeof(*fill->workers));
	while (fill->workers && fill->threads < threads &&
	       pthread_create(&fill->workers[fill->threads], NULL, run, fill) ==
		       0)
		fill->threads++;
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
	pthread_mutex_init(&fill->lock, NULL);
	pthread_cond_init(&fill->changed, NULL);
	start(fill, (unsigned)get_nprocs());
	if (fill->threads > 0)
		return fill;
	fill_free(fill);
	return NULL;
}

static void end(struct fill *fill)
{
	LOCKED(&fill->lock);

	fill->ending = true;
	pthread_cond_broadcast(&fill->changed);
}

void fill_free(struct fill *fill)
{
	if (!fill)
		return;
	end(fill);
	while (fill->threads > 0)
		connection_join(fill->workers[--fill->threads], fill->device);
	free(fill->workers);
	pthread_cond_destroy(&fill->changed);
	pthread_mutex_destroy(&fill->lock);
	free(fill);
}
