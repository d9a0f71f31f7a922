#include "deflate.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#ifdef HAVE_ISAL
#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#endif
#ifdef HAVE_LIBDEFLATE
#include <libdeflate.h>
#endif

#include "base/cleanup.h"
#include "gzip.h"
#include "huffman.h"

/*
 * What holds no repetition, as vectors, gets a Huffman code alone at any level:
 * a search would find nothing.  Text is the smaller the longer the search, from
 * zlib's level 4 on; those below lose to ISA-L, which does the lowest two.
 */
#ifdef HAVE_ISAL
enum { ISAL_LEVEL_MAX = 2, ZLIB_LEVEL_MIN = 4 };
#endif
enum { ZLIB_MEM_LEVEL = 8 };

struct rvs_codec {
	int level;
	z_stream *zlib; /* levels that zlib does */
#ifdef HAVE_ISAL
	struct isal_zstream *isal;
	uint8_t *isal_memory;
#endif
};

static int zlib_new(struct rvs_codec *codec, int level, struct rvs_error *err)
{
	codec->zlib = calloc(1, sizeof(*codec->zlib));
	if (!codec->zlib ||
	    deflateInit2(codec->zlib, level, Z_DEFLATED, -MAX_WBITS,
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

enum {
	/* Repetitions are looked for from runs of bytes all over the input, to
	 * every STEP-th of the bytes before. */
	SAMPLED_MIN = 32 << 10, /* what is shorter is taken to repeat */
	RUNS = 8,
	RUN = 256,
	STEP = 29, /* odd: no alignment is left out */
	PLACE_BITS = 12,
	REPEATS_MAX = 2, /* by chance */
};

static uint32_t word_at(const uint8_t *bytes)
{
	uint32_t word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

static size_t place_of(uint32_t word)
{
	return (word * 2654435761u) >> (32 - PLACE_BITS);
}

/* How many of RUN bytes begin four that are among the words. */
static unsigned count_known(const uint32_t *words, const uint8_t *run)
{
	unsigned known = 0, i;

	for (i = 0; i < RUN; i++)
		known += words[place_of(word_at(run + i))] == word_at(run + i);
	return known;
}

/* Whether the bytes, SAMPLED_MIN or more, would repay a search. */
static bool repeats(const uint8_t *bytes, size_t len)
{
	/* Nothing: this word is not looked for where it lies. */
	uint32_t words[1 << PLACE_BITS] = { [0] = 1 };
	size_t part = len / RUNS, at = 0, i;
	unsigned known = 0;

	for (i = 1; i <= RUNS; i++) {
		size_t run = i * part - RUN - sizeof(*words);

		for (; at < run; at += STEP) {
			uint32_t word = word_at(bytes + at);

			words[place_of(word)] = word;
		}
		known += count_known(words, bytes + run);
	}
	return known > REPEATS_MAX;
}

#ifdef HAVE_ISAL

static uint32_t isal_memory_len(int level)
{
	return level == 2 ? ISAL_DEF_LVL2_DEFAULT : ISAL_DEF_LVL1_DEFAULT;
}

static int isal_new(struct rvs_codec *codec, struct rvs_error *err)
{
	codec->isal = calloc(1, sizeof(*codec->isal));
	codec->isal_memory = malloc(isal_memory_len(codec->level));
	return codec->isal && codec->isal_memory ? 0 : rvs_error_no_memory(err);
}

static size_t isal_deflate_all(struct rvs_codec *codec, const void *plain,
			       size_t len, void *ret, size_t max)
{
	struct isal_zstream *z = codec->isal;

	isal_deflate_init(z);
	z->level = (uint32_t)codec->level;
	z->level_buf = codec->isal_memory;
	z->level_buf_size = isal_memory_len(codec->level);
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

uint32_t rvs_crc32(const void *bytes, size_t len)
{
	return crc32_gzip_refl(0, bytes, len);
}

#else

uint32_t rvs_crc32(const void *bytes, size_t len)
{
	return (uint32_t)crc32_z(0, bytes, len);
}

#endif

#ifdef HAVE_LIBDEFLATE

static void free_decompressor(struct libdeflate_decompressor **d)
{
	libdeflate_free_decompressor(*d);
}

/* On vectors, of which nearly all are literals, a third faster than ISA-L. */
int rvs_inflate(const void *deflated, size_t len, void *plain,
		size_t plain_len, struct rvs_error *err)
{
	RVS_CLEANUP(free_decompressor)
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	size_t used, made;

	if (!d)
		return rvs_error_no_memory(err);
	if (libdeflate_deflate_decompress_ex(d, deflated, len, plain, plain_len,
					     &used, &made) !=
		    LIBDEFLATE_SUCCESS ||
	    used != len || made != plain_len)
		return rvs_error_set(err, RVS_ERR_CORRUPT,
				     "a member's deflate data is damaged");
	return 0;
}

#elif defined(HAVE_ISAL)

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
	if (level > ISAL_LEVEL_MAX)
		r = zlib_new(codec,
			     level < ZLIB_LEVEL_MIN ? ZLIB_LEVEL_MIN : level,
			     err);
	else if (level > 0)
		r = isal_new(codec, err);
#else
	if (level > 0)
		r = zlib_new(codec, level, err);
#endif
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
	if (len >= SAMPLED_MIN && !repeats(plain, len))
		return rvs_huffman_deflate(plain, len, ret, max);
#ifdef HAVE_ISAL
	if (!codec->zlib)
		return isal_deflate_all(codec, plain, len, ret, max);
#endif
	return zlib_deflate(codec, plain, len, ret, max);
}
