#include "record.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "format/digest.h"
#include "format/name.h"
#include "json.h"

const char *rvs_time_format(struct timespec time, char ret[RVS_TIME_SIZE])
{
	char seconds[24] = "1970-01-01T00:00:00";
	struct tm tm;

	if (gmtime_r(&time.tv_sec, &tm))
		(void)strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S",
			       &tm);
	(void)snprintf(ret, RVS_TIME_SIZE, "%.19s.%09ldZ", seconds,
		       time.tv_nsec);
	return ret;
}

int rvs_time_parse(const char *text, struct timespec *ret)
{
	struct tm tm = { 0 };
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	char again[RVS_TIME_SIZE];

	if (!end || *end != '.')
		return -1;
	ret->tv_sec = timegm(&tm);
	ret->tv_nsec = strtol(end + 1, NULL, 10);
	if (ret->tv_nsec < 0 || ret->tv_nsec > 999999999)
		return -1;
	return strcmp(rvs_time_format(*ret, again), text) ? -1 : 0;
}

/* ---- to JSON ---- */

static json_t *metadata_json(const struct rvs_snapshot *snapshot)
{
	json_t *object = json_object();
	size_t i;

	for (i = 0; object && i < snapshot->metadata_count; i++)
		if (json_object_set_new(
			    object, snapshot->metadata[i].key,
			    rvs_json_text(snapshot->metadata[i].value)) < 0) {
			json_decref(object);
			return NULL;
		}
	return object;
}

static json_t *root_json(const struct rvs_root *root)
{
	char mtime[RVS_TIME_SIZE];

	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:s}", "mode",
			 (json_int_t)root->mode, "uid", (json_int_t)root->uid,
			 "gid", (json_int_t)root->gid, "nlink",
			 (json_int_t)root->nlink, "size",
			 (json_int_t)root->size, "mtime",
			 rvs_time_format(root->mtime, mtime));
}

/* Where everything could be read nothing is said of it. */
static int put_skipped(json_t *root, const struct rvs_skipped *skipped)
{
	json_t *names;
	size_t i;

	if (skipped->count == 0)
		return 0;
	names = json_array();
	for (i = 0; names && i < skipped->named; i++)
		if (json_array_append_new(names,
					  rvs_json_text(skipped->names[i])) < 0) {
			json_decref(names);
			return -1;
		}
	if (!names || json_object_set_new(root, "skipped", names) < 0)
		return -1;
	return json_object_set_new(root, "skipped_count",
				   json_integer((json_int_t)skipped->count));
}

char *rvs_snapshot_json(const struct rvs_snapshot *snapshot, int indent)
{
	char created[RVS_TIME_SIZE], checksum[RVS_DIGEST_HEX_SIZE];
	RVS_CLEANUP(rvs_json_cleanup)
	json_t *root = json_pack(
		"{s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:s, s:s*, s:o, s:o, s:s,"
		" s:o, s:o, s:b, s:o*}",
		"id", snapshot->id,
		"name", snapshot->name,
		"created_at", rvs_time_format(snapshot->created_at, created),
		"size_bytes", (json_int_t)snapshot->size_bytes,
		"total_bytes", (json_int_t)snapshot->total_bytes,
		"files_count", (json_int_t)snapshot->files_count,
		"checksum", rvs_digest_hex(&snapshot->checksum, checksum),
		"snapshot_type",
		snapshot->incremental ? "incremental" : "full",
		"base_id", snapshot->incremental ? snapshot->base_id : NULL,
		"vector_count",
		snapshot->has_vector_count ?
			json_integer((json_int_t)snapshot->vector_count) :
			json_null(),
		"metadata", metadata_json(snapshot),
		"consistency", snapshot->consistency,
		"source", rvs_json_text(snapshot->source),
		"tool_version", rvs_json_text(snapshot->tool_version),
		"pinned", snapshot->pinned,
		"root",
		snapshot->root.mode ? root_json(&snapshot->root) : NULL);

	if (!root)
		return NULL;
	if (!snapshot->incremental &&
	    json_object_set_new(root, "base_id", json_null()) < 0)
		return NULL;
	if (put_skipped(root, &snapshot->skipped) < 0)
		return NULL;
	return json_dumps(root, indent > 0 ? JSON_INDENT((size_t)indent) : 0);
}

/* ---- from JSON ---- */

static int corrupt(struct rvs_error *err, const char *key)
{
	return rvs_error_set(err, RVS_ERR_CORRUPT,
			     "metadata.json: %s is missing or malformed", key);
}

static int get_string(const json_t *root, const char *key, char *ret,
		      size_t size, struct rvs_error *err)
{
	const char *value = json_string_value(json_object_get(root, key));

	if (!value || strlen(value) >= size)
		return corrupt(err, key);
	strcpy(ret, value);
	return 0;
}

static int get_text(const json_t *root, const char *key, char **ret,
		    struct rvs_error *err)
{
	return rvs_json_get_text(root, key, ret) < 0 ? corrupt(err, key) : 0;
}

static int get_count(const json_t *root, const char *key, uint64_t *ret,
		     struct rvs_error *err)
{
	const json_t *value = json_object_get(root, key);

	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return corrupt(err, key);
	*ret = (uint64_t)json_integer_value(value);
	return 0;
}

static int get_identity(const json_t *root, struct rvs_snapshot *ret,
			struct rvs_error *err)
{
	char created[RVS_TIME_SIZE];
	int r;

	r = get_string(root, "id", ret->id, sizeof(ret->id), err);
	if (r == 0)
		r = get_string(root, "name", ret->name, sizeof(ret->name), err);
	if (r == 0)
		r = get_string(root, "created_at", created, sizeof(created),
			       err);
	if (r < 0)
		return r;
	if (!rvs_id_is_valid(ret->id))
		return corrupt(err, "id");
	if (strcmp(ret->name, ret->id) &&
	    rvs_snapshot_check_name(ret->name, NULL) < 0)
		return corrupt(err, "name");
	if (rvs_time_parse(created, &ret->created_at) < 0)
		return corrupt(err, "created_at");
	return 0;
}

static int get_type(const json_t *root, struct rvs_snapshot *ret,
		    struct rvs_error *err)
{
	char type[16];
	int r = get_string(root, "snapshot_type", type, sizeof(type), err);

	if (r < 0)
		return r;
	ret->incremental = !strcmp(type, "incremental");
	if (!ret->incremental)
		return strcmp(type, "full") ? corrupt(err, "snapshot_type") : 0;
	r = get_string(root, "base_id", ret->base_id, sizeof(ret->base_id),
		       err);
	if (r == 0 && !rvs_id_is_valid(ret->base_id))
		return corrupt(err, "base_id");
	return r;
}

static int get_checksum(const json_t *root, struct rvs_snapshot *ret,
			struct rvs_error *err)
{
	char hex[RVS_DIGEST_HEX_SIZE];
	int r = get_string(root, "checksum", hex, sizeof(hex), err);

	if (r == 0 && rvs_digest_parse(hex, &ret->checksum, NULL) < 0)
		return corrupt(err, "checksum");
	return r;
}

static int get_vector_count(const json_t *root, struct rvs_snapshot *ret,
			    struct rvs_error *err)
{
	if (json_is_null(json_object_get(root, "vector_count")))
		return 0;
	ret->has_vector_count = true;
	return get_count(root, "vector_count", &ret->vector_count, err);
}

static int get_metadata(const json_t *root, struct rvs_snapshot *ret,
			struct rvs_error *err)
{
	json_t *object = json_object_get(root, "metadata"), *value;
	const char *key;

	if (!json_is_object(object))
		return corrupt(err, "metadata");
	ret->metadata = calloc(json_object_size(object) + 1,
			       sizeof(*ret->metadata));
	if (!ret->metadata)
		return rvs_error_no_memory(err);
	json_object_foreach (object, key, value) {
		struct rvs_metadata *m = &ret->metadata[ret->metadata_count++];

		m->key = strdup(key);
		if (!m->key)
			return rvs_error_no_memory(err);
		if (rvs_json_get_text(object, key, &m->value) < 0)
			return corrupt(err, "metadata");
	}
	return 0;
}

static int get_u32(const json_t *root, const char *key, uint32_t *ret,
		   struct rvs_error *err)
{
	uint64_t value = 0;
	int r = get_count(root, key, &value, err);

	if (r < 0)
		return r;
	if (value > UINT32_MAX)
		return corrupt(err, key);
	*ret = (uint32_t)value;
	return 0;
}

static int get_root(const json_t *record, struct rvs_root *ret,
		    struct rvs_error *err)
{
	const json_t *root = json_object_get(record, "root");
	char mtime[RVS_TIME_SIZE];
	int r;

	if (!root)
		return 0; /* then the manifest says */
	r = get_u32(root, "mode", &ret->mode, err);
	if (r == 0)
		r = get_u32(root, "uid", &ret->uid, err);
	if (r == 0)
		r = get_u32(root, "gid", &ret->gid, err);
	if (r == 0)
		r = get_u32(root, "nlink", &ret->nlink, err);
	if (r == 0)
		r = get_count(root, "size", &ret->size, err);
	if (r == 0)
		r = get_string(root, "mtime", mtime, sizeof(mtime), err);
	if (r < 0)
		return r;
	if (!S_ISDIR(ret->mode) || rvs_time_parse(mtime, &ret->mtime) < 0)
		return corrupt(err, "root");
	return 0;
}

static int get_skipped(const json_t *record, struct rvs_skipped *ret,
		       struct rvs_error *err)
{
	const json_t *names = json_object_get(record, "skipped");
	size_t i;

	if (!names)
		return 0;
	if (!json_is_array(names))
		return corrupt(err, "skipped");
	ret->names = calloc(json_array_size(names) + 1, sizeof(*ret->names));
	if (!ret->names)
		return rvs_error_no_memory(err);
	for (i = 0; i < json_array_size(names); i++, ret->named++)
		if (rvs_json_to_text(json_array_get(names, i),
				     &ret->names[i]) < 0)
			return corrupt(err, "skipped");
	if (get_count(record, "skipped_count", &ret->count, err) < 0 ||
	    ret->count < ret->named)
		return corrupt(err, "skipped_count");
	return 0;
}

static int parse(const json_t *root, struct rvs_snapshot *ret,
		 struct rvs_error *err)
{
	int r = get_identity(root, ret, err);

	if (r == 0)
		r = get_type(root, ret, err);
	if (r == 0)
		r = get_checksum(root, ret, err);
	if (r == 0)
		r = get_count(root, "size_bytes", &ret->size_bytes, err);
	if (r == 0)
		r = get_count(root, "total_bytes", &ret->total_bytes, err);
	if (r == 0)
		r = get_count(root, "files_count", &ret->files_count, err);
	if (r == 0)
		r = get_vector_count(root, ret, err);
	if (r == 0)
		r = get_string(root, "consistency", ret->consistency,
			       sizeof(ret->consistency), err);
	if (r == 0)
		r = get_text(root, "source", &ret->source, err);
	if (r == 0)
		r = get_text(root, "tool_version", &ret->tool_version, err);
	if (r == 0)
		r = get_metadata(root, ret, err);
	if (r == 0)
		r = get_root(root, &ret->root, err);
	if (r == 0)
		r = get_skipped(root, &ret->skipped, err);
	return r;
}

int rvs_record_parse(const char *text, size_t len, struct rvs_snapshot *ret,
		     struct rvs_error *err)
{
	json_error_t where;
	RVS_CLEANUP(rvs_json_cleanup)
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
	int r;

	*ret = (struct rvs_snapshot){ 0 };
	if (!root)
		return rvs_error_set(err, RVS_ERR_CORRUPT, "metadata.json: %s",
				     where.text);
	r = parse(root, ret, err);
	if (r < 0)
		rvs_snapshot_done(ret);
	return r;
}

void rvs_skipped_done(struct rvs_skipped *skipped)
{
	while (skipped->named > 0)
		free(skipped->names[--skipped->named]);
	free(skipped->names);
	*skipped = (struct rvs_skipped){ .names = NULL };
}

const char *rvs_record_metadata(const struct rvs_snapshot *snapshot,
				const char *key)
{
	size_t i;

	for (i = 0; i < snapshot->metadata_count; i++)
		if (!strcmp(snapshot->metadata[i].key, key))
			return snapshot->metadata[i].value;
	return NULL;
}

void rvs_snapshot_done(struct rvs_snapshot *snapshot)
{
	size_t i;

	for (i = 0; i < snapshot->metadata_count; i++) {
		free(snapshot->metadata[i].key);
		free(snapshot->metadata[i].value);
	}
	free(snapshot->metadata);
	rvs_skipped_done(&snapshot->skipped);
	free(snapshot->source);
	free(snapshot->tool_version);
	*snapshot = (struct rvs_snapshot){ 0 };
}

static int copy_metadata(const struct rvs_snapshot *from,
			 struct rvs_snapshot *ret)
{
	ret->metadata = calloc(from->metadata_count + 1,
			       sizeof(*ret->metadata));
	if (!ret->metadata)
		return -1;
	while (ret->metadata_count < from->metadata_count) {
		size_t i = ret->metadata_count++;

		ret->metadata[i].key = strdup(from->metadata[i].key);
		ret->metadata[i].value = strdup(from->metadata[i].value);
		if (!ret->metadata[i].key || !ret->metadata[i].value)
			return -1;
	}
	return 0;
}

static int copy_skipped(const struct rvs_skipped *from, struct rvs_skipped *ret)
{
	ret->count = from->count;
	if (from->named == 0)
		return 0;
	ret->names = calloc(from->named, sizeof(*ret->names));
	if (!ret->names)
		return -1;
	for (; ret->named < from->named; ret->named++) {
		ret->names[ret->named] = strdup(from->names[ret->named]);
		if (!ret->names[ret->named])
			return -1;
	}
	return 0;
}

int rvs_snapshot_copy(const struct rvs_snapshot *from, struct rvs_snapshot *ret,
		      struct rvs_error *err)
{
	*ret = *from;
	ret->metadata = NULL;
	ret->metadata_count = 0;
	ret->skipped = (struct rvs_skipped){ .names = NULL };
	ret->source = strdup(from->source);
	ret->tool_version = strdup(from->tool_version);
	if (!ret->source || !ret->tool_version ||
	    copy_metadata(from, ret) < 0 ||
	    copy_skipped(&from->skipped, &ret->skipped) < 0) {
		rvs_snapshot_done(ret);
		return rvs_error_no_memory(err);
	}
	return 0;
}
