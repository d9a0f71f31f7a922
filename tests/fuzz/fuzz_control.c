/*
 * Fuzz: what is written to .create.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct control_create command = CONTROL_CREATE_INIT;
	struct rvs_error err = RVS_ERROR_INIT;
	int r = control_parse_create((const char *)data, size, &command, &err);
	size_t i;

	assert(r == 0 || r == RVS_ERR_USAGE || r == RVS_ERR_NO_MEMORY);
	if (r < 0) {
		assert(err.status == r && err.text[0]);
		assert(strlen(err.text) < sizeof(err.text));
	} else {
		assert(size <= CONTROL_TEXT_MAX);
		assert(command.metadata_count <= CONTROL_PAIRS_MAX);
		for (i = 0; i < command.metadata_count; i++)
			assert(*command.metadata[i].key);
	}
	control_create_done(&command);
	return 0;
}
