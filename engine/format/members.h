/*
 * Members: the index of a snapshot's own streams, `members.idx`.
 *
 * A member's number is its place in the index and never changes; collect may
 * change its stream and offset, or drop its bytes (stored_len 0).  The index
 * ends with its own SHA-256.  Layout: FORMAT.md, "members.idx".
 */
#ifndef RVS_MEMBERS_H
#define RVS_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rvs/digest.h>

#include "base/buf.h"
#include "base/error.h"

#define RVS_STREAM_NAME_MAX 1024u /* bytes, without the NUL */

struct rvs_member {
	uint64_t offset;     /* of the member in its stream, bytes */
	uint32_t stream;     /* index into the streams' names */
	uint32_t stored_len; /* bytes in the stream; 0: dropped */
	uint32_t plain_len;
	struct rvs_digest digest; /* of the plain bytes */
};

struct rvs_members {
	char **streams; /* names of objects in the snapshot's directory */
	uint32_t stream_count;
	uint32_t count;
	struct rvs_member *items;
	size_t capacity; /* of items */
};

#define RVS_MEMBERS_INIT                                                       \
	{                                                                      \
		NULL, 0, 0, NULL, 0                                            \
	}

void rvs_members_done(struct rvs_members *members);

/* Append a stream's name or a member; RVS_ERR_NO_MEMORY, or RVS_ERR_REFUSED
 * when there are 2^32 of them already.  *ret_number is its place. */
int rvs_members_add_stream(struct rvs_members *members, const char *name,
			   uint32_t *ret_number, struct rvs_error *err);
int rvs_members_add(struct rvs_members *members,
		    const struct rvs_member *member, uint32_t *ret_number,
		    struct rvs_error *err);

int rvs_members_encode(const struct rvs_members *members, struct rvs_buf *ret,
		       struct rvs_error *err);

/* Whether an index of @len bytes may begin so: its counts fit its length.
 * @head are its first RVS_MEMBERS_HEAD_LEN bytes.  Spares a reader from taking
 * memory for what is none. */
#define RVS_MEMBERS_HEAD_LEN 16u
bool rvs_members_plausible(const void *head, uint64_t len);

/* RVS_ERR_CORRUPT for anything but a whole, proved index; @ret is then
 * empty. */
int rvs_members_decode(const void *bytes, size_t len, struct rvs_members *ret,
		       struct rvs_error *err);

#endif
