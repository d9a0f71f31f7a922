/*
 * Fuzz: members.idx.
 *
 * An index is proved by its own SHA-256, which no fuzzer finds: the input is
 * also read with a proof put behind it.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "format/digest.h"
#include "format/gzip.h"
#include "format/members.h"
#include "format/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_members(const struct rvs_members *members)
{
	uint32_t i;

	for (i = 0; i < members->stream_count; i++)
		assert(rvs_path_is_safe(members->streams[i]));
	for (i = 0; i < members->count; i++) {
		const struct rvs_member *m = &members->items[i];

		assert(m->stream < members->stream_count);
		assert(m->plain_len <= RVS_MEMBER_PLAIN_MAX);
		assert(m->stored_len <= RVS_MEMBER_STORED_MAX);
		assert(m->offset <= (uint64_t)INT64_MAX - m->stored_len);
	}
}

static void decode(const uint8_t *bytes, size_t len)
{
	RVS_CLEANUP(rvs_members_done)
	struct rvs_members members = RVS_MEMBERS_INIT;
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf again = RVS_BUF_INIT;
	struct rvs_error err = RVS_ERROR_INIT;

	if (rvs_members_decode(bytes, len, &members, &err) < 0) {
		assert(!members.items && !members.streams);
		return;
	}
	check_members(&members);
	if (rvs_members_encode(&members, &again, &err) < 0)
		abort();
	assert(again.len == len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *proved = malloc(size + RVS_DIGEST_LEN);
	struct rvs_digest digest;

	if (!proved || rvs_digest_of(data, size, &digest, NULL) < 0)
		abort();
	decode(data, size);
	if (size)
		memcpy(proved, data, size);
	memcpy(proved + size, digest.bytes, RVS_DIGEST_LEN);
	decode(proved, size + RVS_DIGEST_LEN);
	free(proved);
	return 0;
}
