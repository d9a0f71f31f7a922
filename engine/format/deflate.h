/*
 * Deflate: RFC 1951 by ISA-L where it is built in and fast, else by zlib; what
 * holds no repetition, by the module huffman.
 */
#ifndef RVS_DEFLATE_H
#define RVS_DEFLATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct rvs_codec;

/* Compress into at most @max bytes at @ret.  Returns the number of bytes, or 0
 * when they do not fit: the input does not shrink. */
size_t rvs_codec_deflate(struct rvs_codec *codec, const void *plain,
			 size_t len, void *ret, size_t max);

/* Decompress exactly @plain_len bytes out of exactly @len. */
int rvs_inflate(const void *deflated, size_t len, void *plain,
		size_t plain_len, struct rvs_error *err);

uint32_t rvs_crc32(const void *bytes, size_t len);

#endif
