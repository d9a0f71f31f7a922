/*
 * Fuzz: a snapshot's metadata.json.
 *
 * A record that is read can be shown, and what is shown be read again.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "format/name.h"
#include "store/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const struct rvs_snapshot *record)
{
	RVS_CLEANUP(rvs_cleanup_free)
	char *text = rvs_snapshot_json(record, 0);
	RVS_CLEANUP(rvs_snapshot_done) struct rvs_snapshot again = { 0 };
	struct rvs_error err = RVS_ERROR_INIT;

	assert(text);
	if (rvs_record_parse(text, strlen(text), &again, &err) < 0)
		abort();
	assert(!strcmp(again.id, record->id));
	assert(!strcmp(again.source, record->source));
	assert(again.created_at.tv_sec == record->created_at.tv_sec);
	assert(again.metadata_count == record->metadata_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	RVS_CLEANUP(rvs_snapshot_done) struct rvs_snapshot record = { 0 };
	struct rvs_error err = RVS_ERROR_INIT;

	if (rvs_record_parse((const char *)data, size, &record, &err) < 0)
		return 0;
	assert(rvs_id_is_valid(record.id));
	assert(record.created_at.tv_nsec >= 0 &&
	       record.created_at.tv_nsec < 1000000000);
	check_again(&record);
	return 0;
}
