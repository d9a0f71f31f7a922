#include "buf.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 256, VARINT_BITS = 7 };

#define HIGH_BITS 0x8080808080808080u

void rvs_buf_done(struct rvs_buf *buf)
{
	free(buf->bytes);
	*buf = (struct rvs_buf)RVS_BUF_INIT;
}

uint8_t *rvs_buf_reserve(struct rvs_buf *buf, size_t extra)
{
	size_t capacity = buf->capacity ? buf->capacity : FIRST_CAPACITY;
	uint8_t *bytes;

	if (buf->failed || extra > SIZE_MAX / 4 - buf->len) {
		buf->failed = true;
		return NULL;
	}
	while (capacity < buf->len + extra)
		capacity *= 2;
	if (capacity != buf->capacity) {
		bytes = realloc(buf->bytes, capacity);
		if (!bytes) {
			buf->failed = true;
			return NULL;
		}
		buf->bytes = bytes;
		buf->capacity = capacity;
	}
	return buf->bytes + buf->len;
}

void rvs_buf_put_slowly(struct rvs_buf *buf, const void *bytes, size_t len)
{
	uint8_t *end = rvs_buf_reserve(buf, len);

	if (!end || len == 0)
		return;
	memcpy(end, bytes, len);
	buf->len += len;
}

void rvs_buf_put_u8(struct rvs_buf *buf, uint8_t value)
{
	rvs_buf_put(buf, &value, sizeof(value));
}

void rvs_buf_put_u16(struct rvs_buf *buf, uint16_t value)
{
	value = htole16(value);
	rvs_buf_put(buf, &value, sizeof(value));
}

void rvs_buf_put_u32(struct rvs_buf *buf, uint32_t value)
{
	value = htole32(value);
	rvs_buf_put(buf, &value, sizeof(value));
}

void rvs_buf_put_u64(struct rvs_buf *buf, uint64_t value)
{
	value = htole64(value);
	rvs_buf_put(buf, &value, sizeof(value));
}

void rvs_buf_put_varint(struct rvs_buf *buf, uint64_t value)
{
	uint8_t bytes[10];
	size_t len = 0;

	do {
		bytes[len] = value & 0x7f;
		value >>= VARINT_BITS;
		if (value)
			bytes[len] |= 0x80;
		len++;
	} while (value);
	rvs_buf_put(buf, bytes, len);
}

void rvs_buf_put_signed(struct rvs_buf *buf, int64_t value)
{
	rvs_buf_put_varint(buf, ((uint64_t)value << 1) ^
					(value < 0 ? UINT64_MAX : 0));
}

void rvs_buf_put_blob(struct rvs_buf *buf, const void *bytes, size_t len)
{
	rvs_buf_put_varint(buf, len);
	rvs_buf_put(buf, bytes, len);
}

int rvs_buf_check(const struct rvs_buf *buf, struct rvs_error *err)
{
	return buf->failed ? rvs_error_no_memory(err) : 0;
}

struct rvs_cursor rvs_cursor_of(const void *bytes, size_t len)
{
	return (struct rvs_cursor){ bytes, (const uint8_t *)bytes + len,
				    false };
}

uint16_t rvs_cursor_u16(struct rvs_cursor *cursor)
{
	const uint8_t *bytes = rvs_cursor_bytes(cursor, 2);
	uint16_t value = 0;

	if (bytes)
		memcpy(&value, bytes, sizeof(value));
	return le16toh(value);
}

uint32_t rvs_cursor_u32(struct rvs_cursor *cursor)
{
	const uint8_t *bytes = rvs_cursor_bytes(cursor, 4);
	uint32_t value = 0;

	if (bytes)
		memcpy(&value, bytes, sizeof(value));
	return le32toh(value);
}

uint64_t rvs_cursor_u64(struct rvs_cursor *cursor)
{
	const uint8_t *bytes = rvs_cursor_bytes(cursor, 8);
	uint64_t value = 0;

	if (bytes)
		memcpy(&value, bytes, sizeof(value));
	return le64toh(value);
}

/* The low seven bits of each byte, put together. */
static uint64_t pack_sevens(uint64_t x)
{
	x = (x & 0x007f007f007f007f) | (x & 0x7f007f007f007f00) >> 1;
	x = (x & 0x00003fff00003fff) | (x & 0x3fff00003fff0000) >> 2;
	return (x & 0x000000000fffffff) | (x & 0x0fffffff00000000) >> 4;
}

/* The varint at @at, of two to eight bytes, of which all eight can be read; its
 * length, or 0 when it is another. */
static unsigned read_word(const uint8_t *at, uint64_t *ret)
{
	uint64_t word, ends;
	unsigned bits;

	memcpy(&word, at, sizeof(word));
	word = le64toh(word);
	ends = ~word & HIGH_BITS;
	if (!ends)
		return 0;
	bits = (unsigned)__builtin_ctzll(ends) + 1;
	word &= UINT64_MAX >> (64 - bits);
	/* A last byte of 0 makes it longer than it need be. */
	if (bits == 8 || !(word >> (bits - 8)))
		return 0;
	*ret = pack_sevens(word);
	return bits / 8;
}

static uint64_t read_bytes(struct rvs_cursor *cursor)
{
	const uint8_t *at = cursor->at;
	uint64_t value = 0;
	unsigned shift;

	for (shift = 0; shift < 64 && at < cursor->end && !cursor->failed;
	     shift += VARINT_BITS) {
		uint8_t byte = *at++;

		/* The tenth byte holds the last bit alone. */
		if (shift == 63 && byte > 1)
			break;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte & 0x80)
			continue;
		if (byte == 0 && shift > 0)
			break;
		cursor->at = at;
		return value;
	}
	cursor->failed = true;
	return 0;
}

uint64_t rvs_cursor_long_varint(struct rvs_cursor *cursor)
{
	uint64_t value;
	unsigned len = 0;

	if (!cursor->failed && rvs_cursor_left(cursor) >= sizeof(value))
		len = read_word(cursor->at, &value);
	if (len == 0)
		return read_bytes(cursor);
	cursor->at += len;
	return value;
}

int64_t rvs_cursor_signed(struct rvs_cursor *cursor)
{
	uint64_t value = rvs_cursor_varint(cursor);

	return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

const uint8_t *rvs_cursor_blob(struct rvs_cursor *cursor, size_t max,
			       size_t *ret_len)
{
	uint64_t len = rvs_cursor_varint(cursor);

	*ret_len = 0;
	if (cursor->failed || len > max) {
		cursor->failed = true;
		return NULL;
	}
	*ret_len = (size_t)len;
	return rvs_cursor_bytes(cursor, (size_t)len);
}
