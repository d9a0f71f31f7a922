/*
 * Fuzz: store.json.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rvs_store_config config;
	struct rvs_error err = RVS_ERROR_INIT;
	char *source = NULL;

	if (rvs_config_parse((const char *)data, size, &config, &source, &err)) {
		assert(!source);
		return 0;
	}
	assert(strlen(config.uuid) == RVS_UUID_SIZE - 1);
	assert(config.level >= 0 && config.level <= RVS_LEVEL_MAX);
	assert(config.source == source);
	free(source);
	return 0;
}
