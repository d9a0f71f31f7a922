#include "deflate.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#ifdef HAVE_ISAL
#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#endif

#include "base/cleanup.h"
#include "gzip.h"

/*
 * ISA-L's level 1 compresses vectors as small as zlib's level 6 at twenty times
 * its speed, so it does the default level; the higher ones are zlib's.
 */
enum { ISAL_LEVEL_MAX = 1, ZLIB_MEM_LEVEL = 8 };

struct rvs_codec {
	int level;
	z_stream *zlib; /* levels that zlib does */
#ifdef HAVE_ISAL
	struct isal_zstream *isal;
	uint8_t *isal_memory;
#endif
};

static int zlib_new(struct rvs_codec *codec, struct rvs_error *err)
{
	codec->zlib = calloc(1, sizeof(*codec->zlib));
	if (!codec->zlib ||
	    deflateInit2(codec->zlib, codec->level, Z_DEFLATED, -MAX_WBITS,
			 ZLIB_MEM_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
		free(rvs_take(codec->zlib));
		return rvs_error_no_memory(err);
	}
	return 0;
}

static size_t zlib_deflate(struct rvs_codec *codec, const void *plain,
			   size_t len, void *ret, size_t max)
{
	z_stream *z = codec->zlib;

	if (deflateReset(z) != Z_OK)
		return 0;
	z->next_in = (z_const Bytef *)plain;
	z->avail_in = (uInt)len;
	z->next_out = ret;
	z->avail_out = (uInt)max;
	return deflate(z, Z_FINISH) == Z_STREAM_END ? max - z->avail_out : 0;
}

#ifdef HAVE_ISAL

static int isal_new(struct rvs_codec *codec, struct rvs_error *err)
{
	codec->isal = calloc(1, sizeof(*codec->isal));
	codec->isal_memory = malloc(ISAL_DEF_LVL1_DEFAULT);
	return codec->isal && codec->isal_memory ? 0 : rvs_error_no_memory(err);
}

static size_t isal_deflate_all(struct rvs_codec *codec, const void *plain,
			       size_t len, void *ret, size_t max)
{
	struct isal_zstream *z = codec->isal;

	isal_deflate_init(z);
	z->level = 1;
	z->level_buf = codec->isal_memory;
	z->level_buf_size = ISAL_DEF_LVL1_DEFAULT;
	z->end_of_stream = 1;
	z->flush = NO_FLUSH;
	z->next_in = (uint8_t *)(uintptr_t)plain;
	z->avail_in = (uint32_t)len;
	z->next_out = ret;
	z->avail_out = (uint32_t)max;
	if (isal_deflate(z) != COMP_OK ||
	    z->internal_state.state != ZSTATE_END)
		return 0;
	return max - z->avail_out;
}

int rvs_inflate(const void *deflated, size_t len, void *plain,
		size_t plain_len, struct rvs_error *err)
{
	struct inflate_state z;

	isal_inflate_init(&z);
	z.next_in = (uint8_t *)(uintptr_t)deflated;
	z.avail_in = (uint32_t)len;
	z.next_out = plain;
	z.avail_out = (uint32_t)plain_len;
	z.crc_flag = ISAL_DEFLATE;
	/* Whole bytes that it took in advance count as left over, too. */
	if (isal_inflate_stateless(&z) != ISAL_DECOMP_OK || z.avail_out != 0 ||
	    z.avail_in + (uint32_t)z.read_in_length / 8 != 0)
		return rvs_error_set(err, RVS_ERR_CORRUPT,
				     "a member's deflate data is damaged");
	return 0;
}

uint32_t rvs_crc32(const void *bytes, size_t len)
{
	return crc32_gzip_refl(0, bytes, len);
}

#else

int rvs_inflate(const void *deflated, size_t len, void *plain,
		size_t plain_len, struct rvs_error *err)
{
	z_stream z = { 0 };
	int r;

	if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
		return rvs_error_no_memory(err);
	z.next_in = (z_const Bytef *)deflated;
	z.avail_in = (uInt)len;
	z.next_out = plain;
	z.avail_out = (uInt)plain_len;
	r = inflate(&z, Z_FINISH);
	(void)inflateEnd(&z);
	if (r != Z_STREAM_END || z.avail_out != 0 || z.avail_in != 0)
		return rvs_error_set(err, RVS_ERR_CORRUPT,
				     "a member's deflate data is damaged");
	return 0;
}

uint32_t rvs_crc32(const void *bytes, size_t len)
{
	return (uint32_t)crc32_z(0, bytes, len);
}

#endif

int rvs_codec_new(int level, struct rvs_codec **ret, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_codec_cleanup)
	struct rvs_codec *codec = calloc(1, sizeof(*codec));
	int r = 0;

	if (!codec)
		return rvs_error_no_memory(err);
	codec->level = level;
#ifdef HAVE_ISAL
	if (level > 0 && level <= ISAL_LEVEL_MAX)
		r = isal_new(codec, err);
	else
#endif
	if (level > 0)
		r = zlib_new(codec, err);
	if (r < 0)
		return r;
	*ret = rvs_take(codec);
	return 0;
}

void rvs_codec_free(struct rvs_codec *codec)
{
	if (!codec)
		return;
	if (codec->zlib)
		(void)deflateEnd(codec->zlib);
	free(codec->zlib);
#ifdef HAVE_ISAL
	free(codec->isal_memory);
	free(codec->isal);
#endif
	free(codec);
}

void rvs_codec_cleanup(struct rvs_codec **codec)
{
	rvs_codec_free(*codec);
}

size_t rvs_codec_deflate(struct rvs_codec *codec, const void *plain,
			 size_t len, void *ret, size_t max)
{
	if (codec->level == 0 || len == 0)
		return 0;
#ifdef HAVE_ISAL
	if (codec->isal)
		return isal_deflate_all(codec, plain, len, ret, max);
#endif
	return zlib_deflate(codec, plain, len, ret, max);
}
