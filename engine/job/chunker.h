/*
 * Chunker: the bytes of files as chunks, cut by content, and holes.
 *
 * A file is read from its start to its end, once.  What was read lies in
 * windows; chunks are not copied but point into them, however many files a
 * window has bytes of, and one that nobody holds any more is used again.  So
 * whoever bounds the chunks that are held bounds the memory.  One thread owns a
 * chunker, and holds and drops; others may read chunks that are held.
 */
#ifndef RVS_CHUNKER_H
#define RVS_CHUNKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct rvs_chunker;
struct rvs_content;
struct rvs_monitor;
struct rvs_window;

int rvs_chunker_new(struct rvs_chunker **ret, struct rvs_error *err);
/* Nothing may be held any more.  Accepts NULL. */
void rvs_chunker_free(struct rvs_chunker *chunker);

/* Whom chunks and holes are given to, in the order of the file; what they fail
 * with ends the reading. */
struct rvs_chunker_sink {
	void *arg;
	/* @bytes are good for as long as @window is held, or until this
	 * returns.  @whole: the file is this one chunk. */
	int (*chunk)(void *arg, struct rvs_window *window, const uint8_t *bytes,
		     size_t len, bool whole, struct rvs_error *err);
	int (*hole)(void *arg, uint64_t len, struct rvs_error *err);
};

/*
 * Read the file open at @fd, of which no more than @size bytes, or fewer if it
 * was cut meanwhile.  Moves the offset of @fd.  What says that the file cannot
 * be read is noted in @content.
 */
int rvs_chunker_read(struct rvs_chunker *chunker, int fd, uint64_t size,
		     struct rvs_content *content,
		     const struct rvs_chunker_sink *sink,
		     struct rvs_error *err);

/*
 * Hash the first @size bytes of the file open at @fd into @content's digest,
 * without giving them to anyone.  Returns 1 when it has become another size.
 * RVS_ERR_INTERRUPTED when @monitor, which may be NULL, says so.
 */
int rvs_chunker_digest(struct rvs_chunker *chunker, int fd, uint64_t size,
		       const struct rvs_monitor *monitor,
		       struct rvs_content *content, struct rvs_error *err);

/* Keep the bytes in @window, until it is dropped as often as it was held. */
void rvs_window_hold(struct rvs_window *window);
void rvs_window_drop(struct rvs_window *window); /* accepts NULL */

#endif
