/*
 * Fuzz: store.json.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A member that is set is what is then found, unless the file is none. */
static void set_and_get(const char *text, size_t len)
{
	struct rvs_error err = RVS_ERROR_INIT;
	char *after, *value;

	if (rvs_config_get(text, len, "schedule", &value, &err) == 0)
		free(value);
	if (rvs_config_set(text, len, "schedule", "hourly", &after, &err) < 0)
		return;
	assert(rvs_config_get(after, strlen(after), "schedule", &value,
			      &err) == 0);
	assert(!strcmp(value, "hourly"));
	free(value);
	free(after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rvs_store_config config;
	struct rvs_error err = RVS_ERROR_INIT;

	set_and_get((const char *)data, size);
	if (rvs_config_parse((const char *)data, size, &config, &err))
		return 0;
	assert(strlen(config.uuid) == RVS_UUID_SIZE - 1);
	assert(config.level >= 0 && config.level <= RVS_LEVEL_MAX);
	rvs_config_done(&config);
	return 0;
}
