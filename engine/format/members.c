#include "members.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "gzip.h"
#include "name.h"
#include "proof.h"

static const char magic[8] = { 'R', 'V', 'S', 'M', 'I', 'D', 'X', '1' };

enum {
	RECORD_LEN = 56, /* offset u64, stream, stored, plain, 0: u32, digest */
	FIRST_CAPACITY = 64,
};

void rvs_members_done(struct rvs_members *members)
{
	uint32_t i;

	for (i = 0; i < members->stream_count; i++)
		free(members->streams[i]);
	free(members->streams);
	free(members->items);
	*members = (struct rvs_members)RVS_MEMBERS_INIT;
}

int rvs_members_add_stream(struct rvs_members *members, const char *name,
			   uint32_t *ret_number, struct rvs_error *err)
{
	char **streams = reallocarray(members->streams,
				      (size_t)members->stream_count + 1,
				      sizeof(*streams));
	char *copy;

	if (!streams)
		return rvs_error_no_memory(err);
	members->streams = streams;
	copy = strdup(name);
	if (!copy)
		return rvs_error_no_memory(err);
	*ret_number = members->stream_count;
	members->streams[members->stream_count++] = copy;
	return 0;
}

static int grow(struct rvs_members *members, struct rvs_error *err)
{
	size_t capacity = members->capacity ? 2 * members->capacity :
					      FIRST_CAPACITY;
	struct rvs_member *items =
		reallocarray(members->items, capacity, sizeof(*items));

	if (!items)
		return rvs_error_no_memory(err);
	members->items = items;
	members->capacity = capacity;
	return 0;
}

int rvs_members_add(struct rvs_members *members,
		    const struct rvs_member *member, uint32_t *ret_number,
		    struct rvs_error *err)
{
	int r;

	if (members->count == UINT32_MAX)
		return rvs_error_set(err, RVS_ERR_REFUSED,
				     "a snapshot holds at most 2^32 members");
	if (members->count == members->capacity) {
		r = grow(members, err);
		if (r < 0)
			return r;
	}
	*ret_number = members->count;
	members->items[members->count++] = *member;
	return 0;
}

static void put_member(struct rvs_buf *ret, const struct rvs_member *m)
{
	rvs_buf_put_u64(ret, m->offset);
	rvs_buf_put_u32(ret, m->stream);
	rvs_buf_put_u32(ret, m->stored_len);
	rvs_buf_put_u32(ret, m->plain_len);
	rvs_buf_put_u32(ret, 0);
	rvs_buf_put(ret, m->digest.bytes, RVS_DIGEST_LEN);
}

int rvs_members_encode(const struct rvs_members *members, struct rvs_buf *ret,
		       struct rvs_error *err)
{
	size_t start = ret->len;
	uint32_t i;

	rvs_buf_put(ret, magic, sizeof(magic));
	rvs_buf_put_u32(ret, members->stream_count);
	rvs_buf_put_u32(ret, members->count);
	for (i = 0; i < members->stream_count; i++) {
		size_t len = strlen(members->streams[i]);

		rvs_buf_put_u16(ret, (uint16_t)len);
		rvs_buf_put(ret, members->streams[i], len);
	}
	for (i = 0; i < members->count; i++)
		put_member(ret, &members->items[i]);
	return rvs_proof_put(ret, start, err);
}

static int corrupt(struct rvs_error *err, const char *rule)
{
	return rvs_error_set(err, RVS_ERR_CORRUPT, "members.idx: %s", rule);
}

static int decode_streams(struct rvs_cursor *at, uint32_t count,
			  struct rvs_members *ret, struct rvs_error *err)
{
	uint32_t i, number;
	int r;

	for (i = 0; i < count; i++) {
		uint16_t len = rvs_cursor_u16(at);
		const uint8_t *bytes = rvs_cursor_bytes(at, len);
		char name[RVS_STREAM_NAME_MAX + 1];

		if (at->failed || len > RVS_STREAM_NAME_MAX)
			return corrupt(err, "a stream's name is cut or long");
		memcpy(name, bytes, len);
		name[len] = '\0';
		if (strlen(name) != len || !rvs_path_is_safe(name))
			return corrupt(err, "a stream's name is unsafe");
		r = rvs_members_add_stream(ret, name, &number, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static void decode_member(struct rvs_cursor *at, struct rvs_member *ret)
{
	const uint8_t *digest;

	ret->offset = rvs_cursor_u64(at);
	ret->stream = rvs_cursor_u32(at);
	ret->stored_len = rvs_cursor_u32(at);
	ret->plain_len = rvs_cursor_u32(at);
	(void)rvs_cursor_u32(at); /* reserved */
	digest = rvs_cursor_bytes(at, RVS_DIGEST_LEN);
	if (digest)
		memcpy(ret->digest.bytes, digest, RVS_DIGEST_LEN);
}

static int decode_items(struct rvs_cursor *at, uint32_t count,
			struct rvs_members *ret, struct rvs_error *err)
{
	uint32_t i;

	ret->items = calloc(count ? count : 1, sizeof(*ret->items));
	if (!ret->items)
		return rvs_error_no_memory(err);
	ret->capacity = count ? count : 1;
	ret->count = count;
	for (i = 0; i < count; i++) {
		struct rvs_member *m = &ret->items[i];

		decode_member(at, m);
		if (m->stream >= ret->stream_count)
			return corrupt(err, "a member names no stream");
		if (m->plain_len > RVS_MEMBER_PLAIN_MAX ||
		    m->stored_len > RVS_MEMBER_STORED_MAX ||
		    m->offset > INT64_MAX - RVS_MEMBER_STORED_MAX)
			return corrupt(err, "a member is out of bounds");
	}
	return 0;
}

bool rvs_members_plausible(const void *head, uint64_t len)
{
	struct rvs_cursor at = rvs_cursor_of(head, RVS_MEMBERS_HEAD_LEN);
	const uint8_t *start = rvs_cursor_bytes(&at, sizeof(magic));
	uint64_t streams = rvs_cursor_u32(&at);
	uint64_t records = (uint64_t)rvs_cursor_u32(&at) * RECORD_LEN;
	uint64_t least = RVS_MEMBERS_HEAD_LEN + RVS_DIGEST_LEN + records;

	return !memcmp(start, magic, sizeof(magic)) &&
	       len >= least + 2 * streams &&
	       len <= least + (2 + RVS_STREAM_NAME_MAX) * streams;
}

static int decode_all(const uint8_t *bytes, size_t len,
		      struct rvs_members *ret, struct rvs_error *err)
{
	int r = rvs_proof_check(bytes, &len, err);
	struct rvs_cursor at = rvs_cursor_of(bytes, len);
	const uint8_t *start = rvs_cursor_bytes(&at, sizeof(magic));
	uint32_t streams, count;

	if (r < 0) {
		(void)rvs_error_context(err, "members.idx");
		return r;
	}
	if (!start || memcmp(start, magic, sizeof(magic)))
		return corrupt(err, "not an index of this version");
	streams = rvs_cursor_u32(&at);
	count = rvs_cursor_u32(&at);
	/* Each takes bytes, which bounds what is allocated below. */
	if (at.failed || streams > rvs_cursor_left(&at) / 2 ||
	    count > rvs_cursor_left(&at) / RECORD_LEN)
		return corrupt(err, "counts more than it holds");
	r = decode_streams(&at, streams, ret, err);
	if (r < 0)
		return r;
	if (rvs_cursor_left(&at) != (size_t)count * RECORD_LEN)
		return corrupt(err, "its length does not fit its counts");
	return decode_items(&at, count, ret, err);
}

int rvs_members_decode(const void *bytes, size_t len, struct rvs_members *ret,
		       struct rvs_error *err)
{
	int r;

	*ret = (struct rvs_members)RVS_MEMBERS_INIT;
	r = decode_all(bytes, len, ret, err);
	if (r < 0)
		rvs_members_done(ret);
	return r;
}
