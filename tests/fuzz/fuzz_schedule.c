/*
 * Fuzz: the text of a schedule, and when what it says runs.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <rvs/schedule.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input is the text; its first bytes are a time, too. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_schedule schedule;
	time_t next, then, due;
	uint32_t after = 0;

	memcpy(&after, data, size < sizeof(after) ? size : sizeof(after));
	if (text && rvs_schedule_parse(text, &schedule, &err) == 0) {
		next = rvs_schedule_next(&schedule, after);
		assert(next > (time_t)after);
		then = rvs_schedule_next(&schedule, next);
		assert(then > next);
		assert(!rvs_schedule_due(&schedule, after, next - 1, &due));
		assert(rvs_schedule_due(&schedule, after, then - 1, &due) &&
		       due == next);
	} else {
		assert(!text || *err.text);
	}
	free(text);
	return 0;
}
