/*
 * Streams: objects kept open for reading, a bounded number of them.
 *
 * Threads may share the table; an object in use is never closed.
 */
#ifndef RVS_STREAM_H
#define RVS_STREAM_H

#include <stdint.h>

#include "backend.h"

struct rvs_streams;
struct rvs_stream;

int rvs_streams_new(struct rvs_backend *backend, struct rvs_streams **ret,
		    struct rvs_error *err);
void rvs_streams_free(struct rvs_streams *streams); /* accepts NULL */

/* Up to @len bytes at @offset of the object @key, fewer at its end.  @owner and
 * @index identify it: one pair is one object for as long as it is kept. */
ssize_t rvs_stream_read(struct rvs_streams *streams, uint64_t owner,
			uint32_t index, const char *key, void *bytes,
			size_t len, uint64_t offset, struct rvs_error *err);

/* Close what @owner has open. */
void rvs_streams_forget(struct rvs_streams *streams, uint64_t owner);

#endif
