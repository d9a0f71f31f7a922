#include "config.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "json.h"

/* ---- lists of texts ---- */

static void free_list(const char *const *list)
{
	const char *const *at;

	for (at = list; at && *at; at++)
		free((char *)(uintptr_t)*at);
	free((void *)(uintptr_t)list);
}

void rvs_config_done(struct rvs_store_config *config)
{
	free((char *)(uintptr_t)config->source);
	free_list(config->excludes);
	free_list(config->before_hook);
	free_list(config->after_hook);
	*config = (struct rvs_store_config){ .level = 0 };
}

static int put_list(json_t *root, const char *key, const char *const *list)
{
	json_t *array;

	if (!list)
		return 0;
	array = json_array();
	for (; *list; list++)
		if (json_array_append_new(array, rvs_json_text(*list)) < 0) {
			json_decref(array);
			return -1;
		}
	return json_object_set_new(root, key, array);
}

/* Unless it is 0, the default. */
static int put_number(json_t *root, const char *key, unsigned number)
{
	return number ? json_object_set_new(root, key, json_integer(number)) :
			0;
}

/* A list of texts, when there is one; -1: it is none. */
static int get_list(const json_t *root, const char *key,
		    const char *const **ret)
{
	json_t *array = json_object_get(root, key);
	char **list;
	size_t i;

	if (!array)
		return 0;
	if (!json_is_array(array))
		return -1;
	list = calloc(json_array_size(array) + 1, sizeof(*list));
	if (!list)
		return -1;
	*ret = (const char *const *)list; /* its owner frees half of one, too */
	for (i = 0; i < json_array_size(array); i++)
		if (rvs_json_to_text(json_array_get(array, i), &list[i]) < 0)
			return -1;
	return 0;
}

/* ---- the whole ---- */

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
	if (put_list(root, "excludes", config->excludes) < 0 ||
	    put_list(root, "before_hook", config->before_hook) < 0 ||
	    put_list(root, "after_hook", config->after_hook) < 0)
		return NULL;
	if (config->cross_filesystems &&
	    json_object_set_new(root, "cross_filesystems", json_true()) < 0)
		return NULL;
	if (put_number(root, "hook_timeout_s", config->hook_timeout_s) < 0 ||
	    put_number(root, "settle_seconds", config->settle_s) < 0)
		return NULL;
	return json_dumps(root, JSON_INDENT(2));
}

static int corrupt(struct rvs_error *err, const char *what)
{
	return rvs_error_set(err, RVS_ERR_CORRUPT, RVS_CONFIG_NAME ": %s",
			     what);
}

/* A whole number from @min to @max; -1: it is none. */
static long get_number(const json_t *root, const char *key, long min, long max)
{
	const json_t *value = json_object_get(root, key);

	return json_is_integer(value) && json_integer_value(value) >= min &&
			       json_integer_value(value) <= max ?
		       (long)json_integer_value(value) :
		       -1;
}

static int parse_format(const json_t *root, struct rvs_error *err)
{
	long format = get_number(root, "format", 1, INT32_MAX);

	if (format < 0)
		return corrupt(err, "it states no format version");
	if (format > RVS_FORMAT_VERSION)
		return rvs_error_set(err, RVS_ERR_REFUSED,
				     "the store has format %ld, this program "
				     "knows up to %d: use a newer ruvsnap",
				     format, RVS_FORMAT_VERSION);
	return 0;
}

/* A number that need not be there. */
static int get_option(const json_t *root, const char *key, long max,
		      unsigned *ret, struct rvs_error *err)
{
	long value = 0;

	if (json_object_get(root, key))
		value = get_number(root, key, 0, max);
	if (value < 0)
		return rvs_error_set(err, RVS_ERR_CORRUPT,
				     RVS_CONFIG_NAME ": its %s is not from 0 "
				     "to %ld", key, max);
	*ret = (unsigned)value;
	return 0;
}

static int parse_hooks(const json_t *root, struct rvs_store_config *ret,
		       struct rvs_error *err)
{
	if (get_list(root, "before_hook", &ret->before_hook) < 0 ||
	    get_list(root, "after_hook", &ret->after_hook) < 0 ||
	    (ret->before_hook && !ret->before_hook[0]) ||
	    (ret->after_hook && !ret->after_hook[0]))
		return corrupt(err, "a hook is no list of arguments");
	return get_option(root, "hook_timeout_s", 86400, &ret->hook_timeout_s,
			  err);
}

static int parse(const json_t *root, struct rvs_store_config *ret,
		 struct rvs_error *err)
{
	const char *uuid = json_string_value(json_object_get(root, "uuid"));
	char *source = NULL;
	int r = parse_format(root, err);

	if (r < 0)
		return r;
	if (!uuid || strlen(uuid) != RVS_UUID_SIZE - 1)
		return corrupt(err, "its uuid is malformed");
	strcpy(ret->uuid, uuid);
	ret->level = (int)get_number(root, "level", 0, RVS_LEVEL_MAX);
	if (ret->level < 0)
		return corrupt(err, "its level is not from 0 to 9");
	if (json_object_get(root, "source") &&
	    rvs_json_get_text(root, "source", &source) < 0)
		return corrupt(err, "its source is malformed");
	ret->source = source;
	if (get_list(root, "excludes", &ret->excludes) < 0)
		return corrupt(err, "its excludes are no list of patterns");
	if (json_object_get(root, "cross_filesystems") &&
	    !json_is_boolean(json_object_get(root, "cross_filesystems")))
		return corrupt(err, "its cross_filesystems is neither true nor "
				    "false");
	ret->cross_filesystems =
		json_is_true(json_object_get(root, "cross_filesystems"));
	r = get_option(root, "settle_seconds", RVS_SETTLE_MAX_S, &ret->settle_s,
		       err);
	return r < 0 ? r : parse_hooks(root, ret, err);
}

/* NULL: it is no JSON, as @err tells. */
static json_t *load(const char *text, size_t len, struct rvs_error *err)
{
	json_error_t where;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);

	if (!root)
		(void)corrupt(err, where.text);
	return root;
}

int rvs_config_parse(const char *text, size_t len,
		     struct rvs_store_config *ret, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_json_cleanup) json_t *root = load(text, len, err);
	int r;

	*ret = (struct rvs_store_config){ .level = 0 };
	r = root ? parse(root, ret, err) : RVS_ERR_CORRUPT;
	if (r < 0)
		rvs_config_done(ret);
	return r;
}

/* ---- one member ---- */

int rvs_config_get(const char *text, size_t len, const char *key, char **ret,
		   struct rvs_error *err)
{
	RVS_CLEANUP(rvs_json_cleanup) json_t *root = load(text, len, err);

	*ret = NULL;
	if (!root)
		return RVS_ERR_CORRUPT;
	if (json_object_get(root, key) &&
	    rvs_json_get_text(root, key, ret) < 0)
		return rvs_error_set(err, RVS_ERR_CORRUPT,
				     RVS_CONFIG_NAME ": its %s is no text",
				     key);
	return 0;
}

int rvs_config_set(const char *text, size_t len, const char *key,
		   const char *value, char **ret, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_json_cleanup) json_t *root = load(text, len, err);
	int r;

	if (!root)
		return RVS_ERR_CORRUPT;
	r = parse_format(root, err);
	if (r < 0)
		return r;
	if (!value)
		(void)json_object_del(root, key); /* or there is none */
	else if (json_object_set_new(root, key, rvs_json_text(value)) < 0)
		return rvs_error_no_memory(err);
	*ret = json_dumps(root, JSON_INDENT(2));
	return *ret ? 0 : rvs_error_no_memory(err);
}
