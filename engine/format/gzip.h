/*
 * Gzip: one member in, one member out.
 *
 * A member (RFC 1952) holds at most RVS_MEMBER_PLAIN_MAX plain bytes and an
 * FEXTRA subfield "RV" with its number, its lengths and the SHA-256 of its
 * plain bytes, so that an index that was lost can be rebuilt from a stream.
 * Layout: FORMAT.md, "Members".
 */
#ifndef RVS_GZIP_H
#define RVS_GZIP_H

#include <stddef.h>
#include <stdint.h>

#include <rvs/digest.h>

#include "base/buf.h"
#include "base/error.h"

#define RVS_MEMBER_PLAIN_MAX  (1u << 20)
#define RVS_GZIP_HEADER_LEN   60u /* of members that we write */
#define RVS_GZIP_TRAILER_LEN  8u
/* Stored blocks cost five bytes for every 65,535. */
#define RVS_MEMBER_STORED_MAX \
	(RVS_GZIP_HEADER_LEN + RVS_GZIP_TRAILER_LEN + RVS_MEMBER_PLAIN_MAX + \
	 5u * (RVS_MEMBER_PLAIN_MAX / 65535u + 1u))

/* What a member's header says of it. */
struct rvs_gzip_header {
	uint32_t number;
	uint32_t stored_len; /* of the whole member, header and trailer too */
	uint32_t plain_len;
	struct rvs_digest digest;
};

/* Scratch memory of compression and decompression, for one thread. */
struct rvs_codec;

/* @level 0 stores, 1 is fastest, 9 smallest. */
int rvs_codec_new(int level, struct rvs_codec **ret, struct rvs_error *err);
void rvs_codec_free(struct rvs_codec *codec); /* accepts NULL */
void rvs_codec_cleanup(struct rvs_codec **codec);

/*
 * Append to @ret the member @number of the @len bytes @plain, whose digest is
 * @digest.  Bytes that do not shrink are stored.
 */
int rvs_gzip_pack(struct rvs_codec *codec, uint32_t number, const void *plain,
		  size_t len, const struct rvs_digest *digest,
		  struct rvs_buf *ret, struct rvs_error *err);

/* The length of a member of @len plain bytes that are stored, as by a codec of
 * level 0. */
size_t rvs_gzip_stored_len(size_t len);

/* Give a whole member of ours another number: nothing else depends on it. */
void rvs_gzip_renumber(void *member, uint32_t number);

/* Read a header of ours from the first @len bytes of a member;
 * RVS_ERR_CORRUPT for anything else. */
int rvs_gzip_parse(const void *bytes, size_t len, struct rvs_gzip_header *ret,
		   struct rvs_error *err);

/*
 * Decompress the whole member @stored into exactly @plain_len bytes at @plain.
 * Checks the format and the CRC-32, not the SHA-256.  RVS_ERR_CORRUPT when the
 * member is damaged or holds another length.
 */
int rvs_gzip_unpack(const void *stored, size_t stored_len, void *plain,
		    size_t plain_len, struct rvs_error *err);

#endif
