#include "status.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <rvs/schedule.h>
#include <rvs/snapshot.h>
#include <rvs/store.h>

#include "cache.h"
#include "cleanup.h"
#include "commands.h"
#include "control.h"
#include "damage.h"
#include "jobs.h"
#include "metrics.h"
#include "printable.h"
#include "settings.h"
#include "snapshots.h"
#include "totals.h"

/* ---- .status ---- */

static json_t *cache_json(struct cache *trees)
{
	struct cache_usage usage = cache_usage(trees);

	return json_pack("{s:I, s:I, s:I}", "trees", (json_int_t)usage.objects,
			 "bytes", (json_int_t)usage.bytes, "limit_bytes",
			 (json_int_t)usage.limit_bytes);
}

static json_t *sizes_json(struct totals *totals)
{
	struct total total = totals_now(totals);

	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "logical_bytes",
			 (json_int_t)total.logical_bytes, "added_bytes",
			 (json_int_t)total.added_bytes, "newest_bytes",
			 (json_int_t)total.newest_bytes, "disk_bytes",
			 (json_int_t)total.disk_bytes, "disk_free_bytes",
			 (json_int_t)total.disk_free_bytes);
}

static json_t *status_json(const struct status_sources *from)
{
	char at[RVS_TIME_SIZE];

	return json_pack("{s:o, s:s, s:s, s:s, s:I, s:s, s:o, s:o, s:o, s:o, "
			 "s:o, s:o, s:o}",
			 "store", printable_json(rvs_store_path(from->store)),
			 "uuid", rvs_store_config(from->store)->uuid,
			 "version", RVS_VERSION,
			 "mounted_at", rvs_time_format(from->mounted_at, at),
			 "snapshots",
			 (json_int_t)snapshots_count(from->snapshots),
			 "reads_proved_by", from->crc_only ? "crc32" : "sha256",
			 "running", jobs_running_json(from->jobs),
			 "last", jobs_last_json(from->jobs),
			 "ended", jobs_ended_json(from->jobs),
			 "schedule", settings_schedule_json(from->store),
			 "sizes", sizes_json(from->totals),
			 "tree_cache", cache_json(from->trees),
			 "damage", damage_json(from->damages));
}

/* Takes @value over; NULL when out of memory. */
static char *json_text(json_t *value)
{
	CLEANUP(cleanup_free) char *json = json_dumps(value, JSON_INDENT(2));
	char *text = NULL;

	json_decref(value);
	if (!json || asprintf(&text, "%s\n", json) < 0)
		return NULL;
	return text;
}

/* ---- .schedule and .policy ---- */

static char *settings_text(const struct status_sources *from,
			   enum text_file file)
{
	json_t *value = file == TEXT_POLICY ?
				settings_policy_json(from->store) :
				settings_schedule_json(from->store);

	(void)json_object_set_new(value, "error",
				  commands_error_json(from->commands, file));
	return json_text(value);
}

/* ---- .metrics ---- */

static double seconds_of(struct timespec time)
{
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void print_about(FILE *out, const struct status_sources *from)
{
	const struct metric_label labels[] = {
		{ "uuid", rvs_store_config(from->store)->uuid },
		{ "version", RVS_VERSION },
		{ NULL, NULL },
	};

	metrics_begin(out, "ruvsnap_mount_info", METRIC_GAUGE,
		      "The mounted store and the version that serves it.");
	metrics_add(out, "ruvsnap_mount_info", labels, 1);
	metrics_one(out, "ruvsnap_mount_start_time_seconds", METRIC_GAUGE,
		    "When the store was mounted, since 1970.",
		    seconds_of(from->mounted_at));
	metrics_one(out, "ruvsnap_damage_met_total", METRIC_COUNTER,
		    "Damaged things met by reading and verifying.",
		    (double)damage_count(from->damages));
	metrics_one(out, "ruvsnap_tree_cache_bytes", METRIC_GAUGE,
		    "Memory that directory trees occupy.",
		    (double)cache_usage(from->trees).bytes);
}

/* A number of struct total. */
struct total_metric {
	const char *name;
	const char *help;
	size_t offset; /* of a uint64_t */
};

#define TOTAL(name, field, help)                                               \
	{ name, help, offsetof(struct total, field) }

static const struct total_metric total_metrics[] = {
	TOTAL("ruvsnap_snapshots", snapshots, "Snapshots in the store."),
	TOTAL("ruvsnap_snapshots_pinned", pinned,
	      "Those that prune never deletes."),
	TOTAL("ruvsnap_snapshots_incremental", incremental,
	      "Those that were made on another."),
	TOTAL("ruvsnap_logical_bytes", logical_bytes,
	      "Size of all files of all snapshots."),
	TOTAL("ruvsnap_added_bytes", added_bytes,
	      "What making the snapshots added to the store."),
	TOTAL("ruvsnap_newest_snapshot_bytes", newest_bytes,
	      "Size of the files of the newest snapshot."),
	TOTAL("ruvsnap_newest_snapshot_files", newest_files,
	      "Files of the newest snapshot."),
	TOTAL("ruvsnap_disk_size_bytes", disk_bytes,
	      "Size of the disk that holds the store."),
	TOTAL("ruvsnap_disk_free_bytes", disk_free_bytes, "What is free of it."),
};

enum { TOTAL_METRICS = sizeof(total_metrics) / sizeof(*total_metrics) };

static void print_totals(FILE *out, struct totals *totals)
{
	const struct total total = totals_now(totals);
	const struct total_metric *metric;
	uint64_t value;

	for (metric = total_metrics; metric < total_metrics + TOTAL_METRICS;
	     metric++) {
		memcpy(&value, (const char *)&total + metric->offset,
		       sizeof(value));
		metrics_one(out, metric->name, METRIC_GAUGE, metric->help,
			    (double)value);
	}
	if (total.has_newest_vectors)
		metrics_one(out, "ruvsnap_newest_snapshot_vectors",
			    METRIC_GAUGE, "Vectors of the newest snapshot.",
			    (double)total.newest_vectors);
	if (!total.snapshots)
		return;
	metrics_one(out, "ruvsnap_newest_snapshot_timestamp_seconds",
		    METRIC_GAUGE, "When the newest snapshot was made.",
		    seconds_of(total.newest_at));
	metrics_one(out, "ruvsnap_oldest_snapshot_timestamp_seconds",
		    METRIC_GAUGE, "When the oldest snapshot was made.",
		    seconds_of(total.oldest_at));
}

static void print_schedule(FILE *out, struct rvs_store *store)
{
	const struct rvs_tick_options options = { .look = true };
	CLEANUP(rvs_tick_done) struct rvs_tick_result tick = { 0 };
	struct rvs_error err = RVS_ERROR_INIT;
	int r = rvs_tick(store, time(NULL), &options, &tick, &err);

	metrics_one(out, "ruvsnap_schedule_failed", METRIC_GAUGE,
		    "1 when the last run of the schedule failed, or it cannot "
		    "be read.",
		    r < 0 || tick.failed_at);
	if (tick.next)
		metrics_one(out, "ruvsnap_schedule_next_timestamp_seconds",
			    METRIC_GAUGE, "When the schedule runs next.",
			    (double)tick.next);
}

static const char *const counted_verbs[] = {
	"create", "delete", "verify", "prune", "collect", "schedule",
};

enum { VERB_COUNT = sizeof(counted_verbs) / sizeof(*counted_verbs) };

typedef double (*job_number)(const struct job_counts *counts);

static double last_done_at(const struct job_counts *counts)
{
	return (double)counts->last_done_at;
}

static double last_duration(const struct job_counts *counts)
{
	return counts->last_duration_s;
}

static void print_counts(FILE *out, struct jobs *jobs)
{
	const char *name = "ruvsnap_jobs_total";
	struct job_counts counts;
	int i;

	metrics_begin(out, name, METRIC_COUNTER,
		      "Jobs that ended since the store was mounted.");
	for (i = 0; i < VERB_COUNT; i++) {
		struct metric_label labels[] = {
			{ "command", counted_verbs[i] },
			{ "result", "done" },
			{ NULL, NULL },
		};

		counts = jobs_counts(jobs, counted_verbs[i]);
		metrics_add(out, name, labels, (double)counts.done);
		labels[1].value = "failed";
		metrics_add(out, name, labels, (double)counts.failed);
	}
}

/* Of the verbs that were done at least once. */
static void print_last(FILE *out, struct jobs *jobs, const char *name,
		       const char *help, job_number number)
{
	struct job_counts counts;
	int i;

	metrics_begin(out, name, METRIC_GAUGE, help);
	for (i = 0; i < VERB_COUNT; i++) {
		const struct metric_label labels[] = {
			{ "command", counted_verbs[i] },
			{ NULL, NULL },
		};

		counts = jobs_counts(jobs, counted_verbs[i]);
		if (counts.done)
			metrics_add(out, name, labels, number(&counts));
	}
}

static void print_jobs(FILE *out, struct jobs *jobs)
{
	metrics_one(out, "ruvsnap_jobs_running", METRIC_GAUGE,
		    "Jobs that run now.", jobs_running(jobs));
	print_counts(out, jobs);
	print_last(out, jobs, "ruvsnap_job_last_done_timestamp_seconds",
		   "When a job of that kind was last done.", last_done_at);
	print_last(out, jobs, "ruvsnap_job_last_duration_seconds",
		   "How long the job that was last done took.", last_duration);
}

static char *metrics_text(const struct status_sources *from)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	print_about(out, from);
	print_totals(out, from->totals);
	print_schedule(out, from->store);
	print_jobs(out, from->jobs);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

/* ---- all of them ---- */

bool status_refresh(const struct status_sources *sources, enum text_file file)
{
	CLEANUP(cleanup_free) char *text = NULL;

	if (file == TEXT_STATUS)
		text = json_text(status_json(sources));
	else if (file == TEXT_METRICS)
		text = metrics_text(sources);
	else if (file == TEXT_SCHEDULE || file == TEXT_POLICY)
		text = settings_text(sources, file);
	else if (file == TEXT_HELP)
		text = control_help();
	else
		return true;
	return text && texts_set(sources->texts, file, text);
}
