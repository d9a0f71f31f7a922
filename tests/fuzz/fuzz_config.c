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

	if (rvs_config_parse((const char *)data, size, &config, &err))
		return 0;
	assert(strlen(config.uuid) == RVS_UUID_SIZE - 1);
	assert(config.level >= 0 && config.level <= RVS_LEVEL_MAX);
	rvs_config_done(&config);
	return 0;
}
