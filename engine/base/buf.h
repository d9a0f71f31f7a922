/*
 * Buf: a growable run of bytes, and a cursor that reads one with bounds.
 *
 * Integers are little-endian, or varints (LEB128: seven bits a byte, least
 * significant first, high bit set on all but the last; in as few bytes as they
 * fit in, so that equal values are equal bytes).
 */
#ifndef RVS_BUF_H
#define RVS_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "error.h"

struct rvs_buf {
	uint8_t *bytes;
	size_t len;
	size_t capacity;
	bool failed; /* an append ran out of memory; sticky, checked once */
};

#define RVS_BUF_INIT                                                           \
	{                                                                      \
		NULL, 0, 0, false                                              \
	}

void rvs_buf_done(struct rvs_buf *buf);

/* Make room for @extra more bytes; on failure sets failed, returns NULL.
 * Returns the end of the bytes, where they may be written. */
uint8_t *rvs_buf_reserve(struct rvs_buf *buf, size_t extra);

/* Append where there may not be room. */
void rvs_buf_put_slowly(struct rvs_buf *buf, const void *bytes, size_t len);

/* Inline is what a manifest of a million entries calls by the million. */
static inline void rvs_buf_put(struct rvs_buf *buf, const void *bytes,
			       size_t len)
{
	if (buf->failed || len == 0 || len > buf->capacity - buf->len) {
		rvs_buf_put_slowly(buf, bytes, len);
		return;
	}
	memcpy(buf->bytes + buf->len, bytes, len);
	buf->len += len;
}

void rvs_buf_put_u8(struct rvs_buf *buf, uint8_t value);
void rvs_buf_put_u16(struct rvs_buf *buf, uint16_t value);
void rvs_buf_put_u32(struct rvs_buf *buf, uint32_t value);
void rvs_buf_put_u64(struct rvs_buf *buf, uint64_t value);
void rvs_buf_put_varint(struct rvs_buf *buf, uint64_t value);
void rvs_buf_put_signed(struct rvs_buf *buf, int64_t value); /* zigzag */
/* A varint length, then the bytes. */
void rvs_buf_put_blob(struct rvs_buf *buf, const void *bytes, size_t len);

/* Status of all appends so far. */
int rvs_buf_check(const struct rvs_buf *buf, struct rvs_error *err);

/*
 * Reads fail softly: past the end, or on a malformed varint, they return 0 or
 * NULL and set failed, which the decoder checks where it matters.
 */
struct rvs_cursor {
	const uint8_t *at;
	const uint8_t *end;
	bool failed;
};

struct rvs_cursor rvs_cursor_of(const void *bytes, size_t len);

/* Inline for the same reason, by the ten million. */
static inline size_t rvs_cursor_left(const struct rvs_cursor *cursor)
{
	return (size_t)(cursor->end - cursor->at);
}

static inline const uint8_t *rvs_cursor_bytes(struct rvs_cursor *cursor,
					      size_t len)
{
	const uint8_t *bytes = cursor->at;

	if (cursor->failed || len > rvs_cursor_left(cursor)) {
		cursor->failed = true;
		return NULL;
	}
	cursor->at += len;
	return bytes;
}

static inline uint8_t rvs_cursor_u8(struct rvs_cursor *cursor)
{
	const uint8_t *bytes = rvs_cursor_bytes(cursor, 1);

	return bytes ? *bytes : 0;
}

/* A varint of any length; one that is longer than it need be fails. */
uint64_t rvs_cursor_long_varint(struct rvs_cursor *cursor);

static inline uint64_t rvs_cursor_varint(struct rvs_cursor *cursor)
{
	if (!cursor->failed && cursor->at < cursor->end && *cursor->at < 0x80)
		return *cursor->at++;
	return rvs_cursor_long_varint(cursor);
}

uint16_t rvs_cursor_u16(struct rvs_cursor *cursor);
uint32_t rvs_cursor_u32(struct rvs_cursor *cursor);
uint64_t rvs_cursor_u64(struct rvs_cursor *cursor);
int64_t rvs_cursor_signed(struct rvs_cursor *cursor);
/* A blob of at most @max bytes; longer ones fail. */
const uint8_t *rvs_cursor_blob(struct rvs_cursor *cursor, size_t max,
			       size_t *ret_len);

#endif
