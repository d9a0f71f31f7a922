/*
 * Fuzz target: a redb file, or a page of one, whose bytes are anything.
 *
 * Counts its vectors, walks both of its commits, captures it as a live file
 * that nobody writes.  Built with FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION all
 * checksums match, so that a fuzzer gets beyond them; built without, what was
 * captured must prove whole again.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "source/redb.h"
#include "source/redb_proved.h"
#include "source/redb_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_page(const uint8_t *bytes, size_t len,
		     struct rvs_redb_widths widths)
{
	struct rvs_redb_page page;
	struct rvs_redb_span span;
	struct rvs_redb_table table;
	struct rvs_redb_collection collection;
	struct rvs_redb_savepoint savepoint;

	if (!rvs_redb_page_decode(bytes, len, widths, &page))
		return;
	for (uint32_t i = 0; i < page.count; i++) {
		(void)rvs_redb_page_key(&page, i, &span);
		if (!page.leaf) {
			(void)rvs_redb_page_child(&page, i + 1);
			continue;
		}
		if (!rvs_redb_page_value(&page, i, &span))
			continue;
		(void)rvs_redb_table_decode(span, &table);
		(void)rvs_redb_collection_decode(span, &collection);
		(void)rvs_redb_savepoint_decode(span, &savepoint);
	}
}

/* The first bytes choose the widths. */
static void try_pages(const uint8_t *data, size_t size)
{
	static const int64_t widths[] = { RVS_REDB_VARIES, 0, 8, UINT32_MAX };
	struct rvs_redb_widths chosen;

	if (size < 1)
		return;
	chosen.key = widths[data[0] & 3];
	chosen.value = widths[data[0] >> 2 & 3];
	try_page(data + 1, size - 1, chosen);
}

static int prove(const struct rvs_input *input, size_t proved_bytes)
{
	RVS_CLEANUP(rvs_redb_proved_done)
	struct rvs_redb_proved proved = rvs_redb_proved_of(proved_bytes);
	uint8_t bytes[RVS_REDB_HEADER_LEN];
	struct rvs_redb_header header;
	const struct rvs_redb_walk walk = { .header = &header,
					    .input = input,
					    .proved = &proved };
	unsigned order[RVS_REDB_SLOTS], count;
	int r = RVS_ERR_CORRUPT;

	if (rvs_input_read(input, bytes, sizeof(bytes), 0, NULL) != 0 ||
	    rvs_redb_header_decode(bytes, &header, NULL) < 0)
		return RVS_ERR_CORRUPT;
	count = rvs_redb_header_candidates(&header, order);
	for (unsigned i = count; i-- > 0;)
		r = rvs_redb_tree_prove(&walk, &header.slots[order[i]], NULL);
	return r;
}

static uint64_t no_time(void *arg)
{
	return 0;
}

static void no_sleep(void *arg, unsigned ms)
{
}

static void try_capture(const uint8_t *data, size_t size)
{
	static const struct rvs_redb_clock clock = { no_time, no_sleep, NULL };
	static const struct rvs_redb_limits limits = {
		.rounds = 3, .proved_bytes = 1 << 16, .clock = &clock
	};
	RVS_CLEANUP(rvs_cleanup_fd) int live_fd = memfd_create("live", 0);
	RVS_CLEANUP(rvs_cleanup_fd) int copy_fd = memfd_create("copy", 0);
	struct rvs_redb_capture capture;
	struct rvs_input copy;

	if (live_fd < 0 || copy_fd < 0 ||
	    write(live_fd, data, size) != (ssize_t)size)
		abort();
	if (rvs_redb_capture(live_fd, copy_fd, &limits, &capture, NULL) < 0)
		return;
	copy = rvs_input_of_fd(copy_fd, capture.length);
	if (capture.length > size || prove(&copy, 1 << 16) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct rvs_input input = rvs_input_of_memory(data, size);
	uint64_t count;

	try_pages(data, size);
	(void)rvs_redb_count(&input, &count, NULL);
	(void)prove(&input, 0);
	(void)prove(&input, 1 << 16);
	try_capture(data, size);
	return 0;
}
