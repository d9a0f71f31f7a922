/*
 * Config: the text of store.json.
 */
#ifndef RVS_CONFIG_H
#define RVS_CONFIG_H

#include <stddef.h>

#include <rvs/store.h>

#define RVS_CONFIG_NAME "store.json"
#define RVS_CONFIG_MAX  (1u << 20) /* bytes */

/* The text for a new store, malloc'ed; NULL: out of memory. */
char *rvs_config_format(const struct rvs_store_config *config);

/*
 * RVS_ERR_REFUSED for a format newer than RVS_FORMAT_VERSION, RVS_ERR_CORRUPT
 * for what is no store.json.  @ret is for rvs_config_done().
 */
int rvs_config_parse(const char *text, size_t len,
		     struct rvs_store_config *ret, struct rvs_error *err);
void rvs_config_done(struct rvs_store_config *config);

/*
 * One member of a store.json that is a text: *ret is malloc'ed, or NULL when
 * there is none.  RVS_ERR_CORRUPT for what is no such file.
 */
int rvs_config_get(const char *text, size_t len, const char *key, char **ret,
		   struct rvs_error *err);

/* The file with that member set to @value, or without it when that is NULL, and
 * all else as it was, what this version does not know included; malloc'ed. */
int rvs_config_set(const char *text, size_t len, const char *key,
		   const char *value, char **ret, struct rvs_error *err);

#endif
