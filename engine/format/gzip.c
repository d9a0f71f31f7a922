#include "gzip.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "deflate.h"

/* RFC 1952: magic, method 8, FEXTRA, no time, no flags, unknown system. */
static const uint8_t member_start[10] = { 0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0,
					  0xff };
enum {
	STORED_BLOCK_MAX = 65535,
	NUMBER_AT = 16,
	SUBFIELD_LEN = 44, /* number, stored, plain: u32; then the digest */
};

static void put_header(struct rvs_buf *ret, uint32_t number,
		       size_t stored_len, size_t plain_len,
		       const struct rvs_digest *digest)
{
	rvs_buf_put(ret, member_start, sizeof(member_start));
	rvs_buf_put_u16(ret, SUBFIELD_LEN + 4);
	rvs_buf_put(ret, "RV", 2);
	rvs_buf_put_u16(ret, SUBFIELD_LEN);
	rvs_buf_put_u32(ret, number);
	rvs_buf_put_u32(ret, (uint32_t)stored_len);
	rvs_buf_put_u32(ret, (uint32_t)plain_len);
	rvs_buf_put(ret, digest->bytes, RVS_DIGEST_LEN);
}

/* RFC 1951, 3.2.4: the bytes as they are, in blocks of type 0. */
static void put_stored_blocks(struct rvs_buf *ret, const uint8_t *plain,
			      size_t len)
{
	do {
		size_t n = len < STORED_BLOCK_MAX ? len : STORED_BLOCK_MAX;

		rvs_buf_put_u8(ret, n == len);
		rvs_buf_put_u16(ret, (uint16_t)n);
		rvs_buf_put_u16(ret, (uint16_t)~n);
		rvs_buf_put(ret, plain, n);
		plain += n;
		len -= n;
	} while (len > 0);
}

static size_t stored_blocks_len(size_t len)
{
	size_t blocks = (len + STORED_BLOCK_MAX - 1) / STORED_BLOCK_MAX;

	return len + 5 * (blocks ? blocks : 1);
}

int rvs_gzip_pack(struct rvs_codec *codec, uint32_t number, const void *plain,
		  size_t len, const struct rvs_digest *digest,
		  struct rvs_buf *ret, struct rvs_error *err)
{
	const size_t frame = RVS_GZIP_HEADER_LEN + RVS_GZIP_TRAILER_LEN;
	size_t start = ret->len, body_max = stored_blocks_len(len), body;

	if (len > RVS_MEMBER_PLAIN_MAX)
		return rvs_error_set(err, RVS_ERR_USAGE,
				     "%zu bytes are too many for a member",
				     len);
	if (!rvs_buf_reserve(ret, frame + body_max))
		return rvs_error_no_memory(err);
	body = rvs_codec_deflate(codec, plain, len,
				 ret->bytes + start + RVS_GZIP_HEADER_LEN,
				 body_max - 1);
	put_header(ret, number, frame + (body ? body : body_max), len, digest);
	if (body)
		ret->len += body;
	else
		put_stored_blocks(ret, plain, len);
	rvs_buf_put_u32(ret, rvs_crc32(plain, len));
	rvs_buf_put_u32(ret, (uint32_t)len);
	return rvs_buf_check(ret, err);
}

size_t rvs_gzip_stored_len(size_t len)
{
	return RVS_GZIP_HEADER_LEN + stored_blocks_len(len) +
	       RVS_GZIP_TRAILER_LEN;
}

void rvs_gzip_renumber(void *member, uint32_t number)
{
	uint8_t *at = (uint8_t *)member + NUMBER_AT;
	int i;

	for (i = 0; i < 4; i++)
		at[i] = (uint8_t)(number >> 8 * i);
}

int rvs_gzip_parse(const void *bytes, size_t len, struct rvs_gzip_header *ret,
		   struct rvs_error *err)
{
	struct rvs_cursor at = rvs_cursor_of(bytes, len);
	const uint8_t *start = rvs_cursor_bytes(&at, sizeof(member_start));
	uint16_t extra_len = rvs_cursor_u16(&at);
	const uint8_t *id = rvs_cursor_bytes(&at, 2);
	uint16_t subfield_len = rvs_cursor_u16(&at);
	const uint8_t *digest;

	ret->number = rvs_cursor_u32(&at);
	ret->stored_len = rvs_cursor_u32(&at);
	ret->plain_len = rvs_cursor_u32(&at);
	digest = rvs_cursor_bytes(&at, RVS_DIGEST_LEN);
	if (at.failed || memcmp(start, member_start, sizeof(member_start)) ||
	    memcmp(id, "RV", 2) || subfield_len != SUBFIELD_LEN ||
	    extra_len != SUBFIELD_LEN + 4)
		return rvs_error_set(err, RVS_ERR_CORRUPT,
				     "not the header of a member");
	if (ret->plain_len > RVS_MEMBER_PLAIN_MAX ||
	    ret->stored_len > RVS_MEMBER_STORED_MAX ||
	    ret->stored_len < RVS_GZIP_HEADER_LEN + RVS_GZIP_TRAILER_LEN)
		return rvs_error_set(err, RVS_ERR_CORRUPT,
				     "a member's lengths are out of bounds");
	memcpy(ret->digest.bytes, digest, RVS_DIGEST_LEN);
	return 0;
}

int rvs_gzip_unpack(const void *stored, size_t stored_len, void *plain,
		    size_t plain_len, struct rvs_error *err)
{
	const uint8_t *bytes = stored;
	struct rvs_gzip_header header;
	struct rvs_cursor trailer;
	size_t body;
	int r;

	r = rvs_gzip_parse(stored, stored_len, &header, err);
	if (r < 0)
		return r;
	if (header.stored_len != stored_len || header.plain_len != plain_len)
		return rvs_error_set(err, RVS_ERR_CORRUPT,
				     "a member's lengths do not fit the index");
	body = stored_len - RVS_GZIP_HEADER_LEN - RVS_GZIP_TRAILER_LEN;
	r = rvs_inflate(bytes + RVS_GZIP_HEADER_LEN, body, plain, plain_len,
			err);
	if (r < 0)
		return r;
	trailer = rvs_cursor_of(bytes + stored_len - RVS_GZIP_TRAILER_LEN,
				RVS_GZIP_TRAILER_LEN);
	if (rvs_cursor_u32(&trailer) != rvs_crc32(plain, plain_len) ||
	    rvs_cursor_u32(&trailer) != plain_len)
		return rvs_error_set(err, RVS_ERR_CORRUPT,
				     "a member does not match its CRC-32");
	return 0;
}
