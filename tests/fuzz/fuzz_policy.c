/*
 * Fuzz: the text of a retention policy, which comes back as it was written.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <rvs/job.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size), *first, *second;
	struct rvs_policy policy, again;
	struct rvs_error err = RVS_ERROR_INIT;

	if (text && rvs_policy_parse(text, &policy, &err) == 0) {
		first = rvs_policy_format(&policy);
		assert(rvs_policy_parse(first, &again, &err) == 0);
		second = rvs_policy_format(&again);
		assert(!strcmp(first, second));
		rvs_policy_done(&policy);
		rvs_policy_done(&again);
		free(first);
		free(second);
	}
	free(text);
	return 0;
}
