#include "status.h"

#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>
#include <rvs/snapshot.h>
#include <rvs/store.h>

#include "cleanup.h"
#include "commands.h"
#include "damage.h"
#include "printable.h"
#include "snapshots.h"
#include "trees.h"

static json_t *cache_json(struct trees *trees)
{
	struct trees_usage usage = trees_usage(trees);

	return json_pack("{s:I, s:I, s:I}", "trees", (json_int_t)usage.trees,
			 "bytes", (json_int_t)usage.bytes, "limit_bytes",
			 (json_int_t)usage.limit_bytes);
}

static json_t *status_json(const struct status_sources *from)
{
	char at[RVS_TIME_SIZE];

	return json_pack("{s:o, s:s, s:s, s:I, s:s, s:o, s:o, s:o, s:o}",
			 "store", printable_json(rvs_store_path(from->store)),
			 "uuid", rvs_store_config(from->store)->uuid,
			 "mounted_at", rvs_time_format(from->mounted_at, at),
			 "snapshots",
			 (json_int_t)snapshots_count(from->snapshots),
			 "reads_proved_by", from->crc_only ? "crc32" : "sha256",
			 "running", commands_running_json(from->commands),
			 "last", commands_last_json(from->commands),
			 "tree_cache", cache_json(from->trees),
			 "damage", damage_json(from->damages));
}

char *status_text(const struct status_sources *sources)
{
	CLEANUP(cleanup_free) char *json = NULL;
	json_t *value = status_json(sources);
	char *text = NULL;

	json = json_dumps(value, JSON_INDENT(2));
	json_decref(value);
	if (!json || asprintf(&text, "%s\n", json) < 0)
		return NULL;
	return text;
}
