/*
 * Json: what jansson leaves open: bytes that are not UTF-8.
 *
 * Paths are bytes, JSON is Unicode.  In the text of a path a byte that is no
 * part of valid UTF-8 is \xHH, and a backslash of the path's own is doubled.
 */
#ifndef RVS_JSON_H
#define RVS_JSON_H

#include <jansson.h>

static inline void rvs_json_cleanup(json_t **json)
{
	json_decref(*json);
}

/* A JSON string for any bytes; NULL: out of memory. */
json_t *rvs_json_text(const char *bytes);

/* The inverse: malloc'ed; -1 when @json is no string, or malformed, or out of
 * memory. */
int rvs_json_to_text(const json_t *json, char **ret);

/* The same for the member @key of @object. */
int rvs_json_get_text(const json_t *object, const char *key, char **ret);

#endif
