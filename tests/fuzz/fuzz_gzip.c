/*
 * Fuzz: a gzip member, and bare deflate data.
 *
 * Whatever inflater is built in, zlib is asked too: of what both accept they
 * make the same bytes.  (ISA-L takes incomplete codes that zlib refuses.)
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "format/deflate.h"
#include "format/gzip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whether zlib refuses @deflated, or makes exactly @plain of it. */
static int zlib_agrees(const uint8_t *deflated, size_t len,
		       const uint8_t *plain, size_t plain_len)
{
	uint8_t *found = malloc(plain_len + 1);
	z_stream z = { 0 };
	int agrees;

	if (!found || inflateInit2(&z, -MAX_WBITS) != Z_OK)
		abort();
	z.next_in = (z_const Bytef *)deflated;
	z.avail_in = (uInt)len;
	z.next_out = found;
	z.avail_out = (uInt)plain_len + 1;
	agrees = inflate(&z, Z_FINISH) != Z_STREAM_END ||
		 (z.avail_in == 0 && z.total_out == plain_len &&
		  !memcmp(found, plain, plain_len));
	(void)inflateEnd(&z);
	free(found);
	return agrees;
}

/* Into a block of exactly @plain_len, for a sanitizer to guard. */
static void inflate_into(const uint8_t *data, size_t size, size_t plain_len)
{
	uint8_t *plain = malloc(plain_len ? plain_len : 1);

	if (!plain)
		abort();
	if (rvs_inflate(data, size, plain, plain_len, NULL) == 0)
		assert(zlib_agrees(data, size, plain, plain_len));
	free(plain);
}

static void unpack(const uint8_t *data, size_t size, size_t plain_len)
{
	uint8_t *plain = malloc(plain_len ? plain_len : 1);

	if (!plain)
		abort();
	if (rvs_gzip_unpack(data, size, plain, plain_len, NULL) == 0) {
		assert(size >= RVS_GZIP_HEADER_LEN + RVS_GZIP_TRAILER_LEN);
		assert(zlib_agrees(data + RVS_GZIP_HEADER_LEN,
				   size - RVS_GZIP_HEADER_LEN -
					   RVS_GZIP_TRAILER_LEN,
				   plain, plain_len));
	}
	free(plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rvs_gzip_header header;

	if (rvs_gzip_parse(data, size, &header, NULL) == 0) {
		assert(header.plain_len <= RVS_MEMBER_PLAIN_MAX);
		assert(header.stored_len <= RVS_MEMBER_STORED_MAX);
		unpack(data, size, header.plain_len);
	}
	unpack(data, size, 5);
	if (size >= 2) /* the first two bytes say how long it should become */
		inflate_into(data + 2, size - 2,
			     (size_t)data[0] << 8 | data[1]);
	return 0;
}
