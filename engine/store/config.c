#include "config.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "json.h"

char *rvs_config_format(const struct rvs_store_config *config)
{
	RVS_CLEANUP(rvs_json_cleanup)
	json_t *root = json_pack("{s:i, s:s, s:i}", "format",
				 RVS_FORMAT_VERSION, "uuid", config->uuid,
				 "level", config->level);

	if (!root)
		return NULL;
	if (config->source &&
	    json_object_set_new(root, "source",
				rvs_json_text(config->source)) < 0)
		return NULL;
	return json_dumps(root, JSON_INDENT(2));
}

static int corrupt(struct rvs_error *err, const char *what)
{
	return rvs_error_set(err, RVS_ERR_CORRUPT, RVS_CONFIG_NAME ": %s",
			     what);
}

int rvs_config_parse(const char *text, size_t len,
		     struct rvs_store_config *ret, char **ret_source,
		     struct rvs_error *err)
{
	json_error_t where;
	RVS_CLEANUP(rvs_json_cleanup)
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
	const json_t *format = json_object_get(root, "format");
	const json_t *level = json_object_get(root, "level");
	const char *uuid = json_string_value(json_object_get(root, "uuid"));
	RVS_CLEANUP(rvs_cleanup_free) char *source = NULL;

	if (!root)
		return corrupt(err, where.text);
	if (!json_is_integer(format) || json_integer_value(format) < 1)
		return corrupt(err, "it states no format version");
	if (json_integer_value(format) > RVS_FORMAT_VERSION)
		return rvs_error_set(err, RVS_ERR_REFUSED,
				     "the store has format %lld, this program "
				     "knows up to %d: use a newer ruvsnap",
				     (long long)json_integer_value(format),
				     RVS_FORMAT_VERSION);
	if (!uuid || strlen(uuid) != RVS_UUID_SIZE - 1)
		return corrupt(err, "its uuid is malformed");
	if (!json_is_integer(level) || json_integer_value(level) < 0 ||
	    json_integer_value(level) > RVS_LEVEL_MAX)
		return corrupt(err, "its level is not from 0 to 9");
	if (json_object_get(root, "source") &&
	    rvs_json_get_text(root, "source", &source) < 0)
		return corrupt(err, "its source is malformed");
	strcpy(ret->uuid, uuid);
	ret->level = (int)json_integer_value(level);
	ret->source = source;
	*ret_source = rvs_take(source);
	return 0;
}
