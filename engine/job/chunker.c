#include "chunker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rvs/job.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "content.h"
#include "format/cut.h"
#include "format/digest.h"

enum {
	WINDOW = 2 << 20,
	ZERO_BLOCK = 64 << 10, /* the shortest run of zeros that is a hole */
	HOLE_PIECE = 16 << 20,
};

/* Another window begins with the bytes that were not cut yet. */
struct rvs_window {
	struct rvs_chunker *chunker;
	unsigned users; /* who hold it, and the chunker while it fills it */
	struct rvs_window *spare; /* in the list of windows to use again */
	struct rvs_window *all;   /* in the list of all */
	uint8_t bytes[WINDOW];
};

struct rvs_chunker {
	struct rvs_cut cut;
	struct rvs_window *window; /* being filled */
	size_t filled;             /* bytes of it that are chunks */
	struct rvs_window *spares, *all;
};

/* ---- windows ---- */

void rvs_window_hold(struct rvs_window *window)
{
	window->users++;
}

void rvs_window_drop(struct rvs_window *window)
{
	if (!window || --window->users > 0)
		return;
	window->spare = window->chunker->spares;
	window->chunker->spares = window;
}

static void window_cleanup(struct rvs_window **window)
{
	rvs_window_drop(*window);
}

static struct rvs_window *new_window(struct rvs_chunker *chunker)
{
	struct rvs_window *window = chunker->spares;

	if (window) {
		chunker->spares = window->spare;
	} else {
		window = malloc(sizeof(*window));
		if (!window)
			return NULL;
		window->chunker = chunker;
		window->all = chunker->all;
		chunker->all = window;
	}
	window->users = 1;
	return window;
}

int rvs_chunker_new(struct rvs_chunker **ret, struct rvs_error *err)
{
	struct rvs_chunker *chunker = calloc(1, sizeof(*chunker));

	if (!chunker)
		return rvs_error_no_memory(err);
	rvs_cut_init(&chunker->cut);
	*ret = chunker;
	return 0;
}

void rvs_chunker_free(struct rvs_chunker *chunker)
{
	if (!chunker)
		return;
	while (chunker->all) {
		struct rvs_window *window = chunker->all;

		chunker->all = window->all;
		free(window);
	}
	free(chunker);
}

/* ---- reading a file ---- */

struct reading {
	struct rvs_chunker *chunker;
	const struct rvs_chunker_sink *sink;
	struct rvs_content *content;
	int fd;
	uint64_t size;     /* when it was opened: no more is read */
	uint64_t at;       /* next to read */
	uint64_t data_end; /* the data around @at goes at least so far */
	size_t uncut;      /* bytes in the window, behind its chunks */
};

/* Cut what the window holds; with @all, to the end. */
static int cut_window(struct reading *reading, bool all, struct rvs_error *err)
{
	struct rvs_chunker *chunker = reading->chunker;
	const struct rvs_chunker_sink *sink = reading->sink;
	int r = 0;

	while (r == 0 && reading->uncut > 0 &&
	       (all || reading->uncut >= RVS_CUT_MAX)) {
		const uint8_t *bytes = chunker->window->bytes + chunker->filled;
		size_t n = rvs_cut_next(&chunker->cut, bytes, reading->uncut);
		bool whole = n == reading->size && reading->at >= reading->size;

		r = sink->chunk(sink->arg, chunker->window, bytes, n, whole,
				err);
		reading->uncut -= n;
		chunker->filled += n;
	}
	return r;
}

/* Have room for a block behind the window's bytes. */
static int make_window(struct reading *reading, struct rvs_error *err)
{
	struct rvs_chunker *chunker = reading->chunker;
	struct rvs_window *full = chunker->window, *next;

	if (full && chunker->filled + reading->uncut + ZERO_BLOCK <= WINDOW)
		return 0;
	next = new_window(chunker);
	if (!next)
		return rvs_error_no_memory(err);
	if (full)
		memcpy(next->bytes, full->bytes + chunker->filled,
		       reading->uncut);
	rvs_window_drop(full);
	chunker->window = next;
	chunker->filled = 0;
	return 0;
}

/* A hole is passed on in pieces, so that a terabyte of it can be watched and
 * stopped. */
static int pass_hole(struct reading *reading, uint64_t len,
		     struct rvs_error *err)
{
	int r = cut_window(reading, true, err);

	while (r == 0 && len > 0) {
		uint64_t n = len < HOLE_PIECE ? len : HOLE_PIECE;

		r = reading->sink->hole(reading->sink->arg, n, err);
		reading->at += n;
		len -= n;
	}
	return r;
}

/* At a block's start: the hole that the filesystem knows of, whole blocks of
 * it, or 0. */
static uint64_t known_hole(struct reading *reading)
{
	off_t data, hole;

	if (reading->at < reading->data_end)
		return 0;
	data = lseek(reading->fd, (off_t)reading->at, SEEK_DATA);
	if (data < 0 && errno == ENXIO)
		data = (off_t)reading->size;
	if (data < 0 || (uint64_t)data > reading->size)
		data = (off_t)reading->at; /* cannot tell: all is data */
	hole = lseek(reading->fd, data, SEEK_HOLE);
	reading->data_end = hole < 0 ? reading->size : (uint64_t)hole;
	if ((uint64_t)data < reading->size)
		data -= data % ZERO_BLOCK;
	return (uint64_t)data > reading->at ? (uint64_t)data - reading->at : 0;
}

static bool is_zero(const uint8_t *bytes, size_t len)
{
	return len == 0 ||
	       (bytes[0] == 0 && !memcmp(bytes, bytes + 1, len - 1));
}

/* Read one block behind the window's bytes. */
static int read_block(struct reading *reading, struct rvs_error *err)
{
	struct rvs_chunker *chunker = reading->chunker;
	uint64_t left = reading->size - reading->at;
	size_t want = left < ZERO_BLOCK ? (size_t)left : ZERO_BLOCK;
	uint8_t *block;
	ssize_t n;
	int r = make_window(reading, err);

	if (r < 0)
		return r;
	block = chunker->window->bytes + chunker->filled + reading->uncut;
	n = rvs_io_pread(reading->fd, block, want, reading->at);
	if (n < 0)
		return rvs_content_cannot_read(reading->content, err);
	if ((size_t)n < want)
		reading->size = reading->at + (uint64_t)n; /* it was cut */
	if (n == ZERO_BLOCK && is_zero(block, (size_t)n))
		return pass_hole(reading, (uint64_t)n, err);
	reading->uncut += (size_t)n;
	reading->at += (uint64_t)n;
	return cut_window(reading, false, err);
}

int rvs_chunker_read(struct rvs_chunker *chunker, int fd, uint64_t size,
		     struct rvs_content *content,
		     const struct rvs_chunker_sink *sink,
		     struct rvs_error *err)
{
	struct reading reading = { .chunker = chunker,
				   .sink = sink,
				   .content = content,
				   .fd = fd,
				   .size = size };
	int r = 0;

	while (r == 0 && reading.at < reading.size) {
		uint64_t hole = known_hole(&reading);

		r = hole ? pass_hole(&reading, hole, err) :
			   read_block(&reading, err);
	}
	return r < 0 ? r : cut_window(&reading, true, err);
}

/* ---- hashing a file ---- */

int rvs_chunker_digest(struct rvs_chunker *chunker, int fd, uint64_t size,
		       const struct rvs_monitor *monitor,
		       struct rvs_content *content, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_hasher_cleanup) struct rvs_hasher *hasher = NULL;
	RVS_CLEANUP(window_cleanup)
	struct rvs_window *window = new_window(chunker);
	uint64_t at = 0;
	int r;

	if (!window)
		return rvs_error_no_memory(err);
	r = rvs_hasher_new(&hasher, err);
	while (r == 0 && at < size) {
		ssize_t n = rvs_io_pread(fd, window->bytes, WINDOW, at);

		if (n < 0)
			return rvs_content_cannot_read(content, err);
		if (n == 0)
			return 1; /* it was cut */
		rvs_hasher_add(hasher, window->bytes, (size_t)n);
		at += (uint64_t)n;
		if (monitor && monitor->cancelled &&
		    monitor->cancelled(monitor->arg))
			return rvs_error_set(err, RVS_ERR_INTERRUPTED,
					     "interrupted");
	}
	if (r == 0)
		r = rvs_hasher_finish(hasher, &content->digest, err);
	return r < 0 ? r : at != size;
}
