#include "labels.h"

#include <stdio.h>

#include "base/error.h"

int rvs_labels_parse(const char *text, size_t len, json_t **ret,
		     struct rvs_error *err)
{
	json_error_t where;

	*ret = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
	if (!json_is_object(*ret))
		return rvs_error_set(err, RVS_ERR_CORRUPT,
				     RVS_LABELS_NAME ": %s; without the file "
				     "snapshots have the names they were made "
				     "with", *ret ? "no object" : where.text);
	return 0;
}

void rvs_labels_apply(const json_t *labels, struct rvs_snapshot *snapshot)
{
	const json_t *label = json_object_get(labels, snapshot->id);
	const char *name = json_string_value(json_object_get(label, "name"));

	if (name && rvs_snapshot_check_name(name, NULL) == 0)
		(void)snprintf(snapshot->name, sizeof(snapshot->name), "%s",
			       name);
	snapshot->pinned = json_is_true(json_object_get(label, "pinned"));
}

int rvs_labels_put(json_t *labels, const struct rvs_snapshot *snapshot,
		   struct rvs_error *err)
{
	json_t *label = json_pack("{s:s, s:b}", "name", snapshot->name,
				  "pinned", snapshot->pinned);

	return json_object_set_new(labels, snapshot->id, label) < 0 ?
		       rvs_error_no_memory(err) :
		       0;
}
