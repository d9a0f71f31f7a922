/*
 * Labels: labels.json, what may change about snapshots: names and pins.
 */
#ifndef RVS_LABELS_H
#define RVS_LABELS_H

#include <stddef.h>

#include <jansson.h>

#include <rvs/snapshot.h>

#define RVS_LABELS_NAME "labels.json"
#define RVS_LABELS_MAX  (64u << 20) /* bytes of JSON */

/* An object from ids to labels; RVS_ERR_CORRUPT when @text is none.  The caller
 * drops *ret, on failure too. */
int rvs_labels_parse(const char *text, size_t len, json_t **ret,
		     struct rvs_error *err);

/* Give @snapshot the name and the pin that it has in @labels; a name that none
 * may have is passed over. */
void rvs_labels_apply(const json_t *labels, struct rvs_snapshot *snapshot);

/* Have @labels tell what @snapshot says. */
int rvs_labels_put(json_t *labels, const struct rvs_snapshot *snapshot,
		   struct rvs_error *err);

#endif
