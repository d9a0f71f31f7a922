/*
 * Fuzz: members.idx.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "format/gzip.h"
#include "format/members.h"
#include "format/name.h"
#include "proved.h"

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
	decode_proved(data, size, decode);
	return 0;
}
