/*
 * diff and stats: snapshots against each other.
 */
#include <inttypes.h>
#include <stdio.h>

#include <rvs/job.h>

#include "command.h"
#include "output.h"

/* ---- diff ---- */

static const char *const change_names[] = { "added", "removed", "changed",
					    "attributes" };
static const enum colour change_colours[] = { GREEN, RED, YELLOW, YELLOW };

static int on_difference(void *arg, const struct rvs_difference *difference)
{
	json_t *array = arg;

	if (array)
		return json_array_append_new(
			array,
			json_pack("{s:s, s:o, s:I, s:I}", "change",
				  change_names[difference->change], "path",
				  json_bytes(difference->path), "size_before",
				  (json_int_t)(difference->before ?
						       difference->before->size :
						       0),
				  "size_after",
				  (json_int_t)(difference->after ?
						       difference->after->size :
						       0)));
	(void)printf("%s%c%s ", colour(stdout, change_colours[difference->change]),
		     "+-MA"[difference->change], colour(stdout, PLAIN));
	print_escaped(stdout, difference->path);
	(void)putchar('\n');
	return 0;
}

static int run_diff(int argc, char **argv)
{
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_store *store;
	json_t *array;
	bool json;
	int code;

	store = begin_command(argc, argv, &json, &code);
	if (!store)
		return code;
	array = json ? json_array() : NULL;
	if (rvs_diff(store, argv[optind + 1], argv[optind + 2], on_difference,
		     array, &err) < 0)
		code = report_error(&err);
	rvs_store_close(store);
	if (json && code == EXIT_DONE)
		return print_json(array, JSON_INDENT(2));
	json_decref(array);
	return code ? code : finish_output();
}

const struct command command_diff = {
	.name = "diff",
	.arguments = "STORE OLD NEW [--json]",
	.summary = "list what differs: + added, - removed, M changed, "
		   "A attributes alone",
	.min_arguments = 3,
	.max_arguments = 3,
	.run = run_diff,
};

/* ---- stats ---- */

static int print_stats(const struct rvs_stats *stats)
{
	char total[SIZE_TEXT], added[SIZE_TEXT], unique[SIZE_TEXT];
	uint64_t i;

	(void)printf("%-24s %-21s %11s %11s %13s\n", "name", "id", "total",
		     "added", "deleting frees");
	for (i = 0; i < stats->snapshots; i++) {
		const struct rvs_snapshot_stats *s = &stats->items[i];

		(void)printf("%-24s %s %11s %11s %13s\n", s->name, s->id,
			     format_size(s->total_bytes, total),
			     format_size(s->added_bytes, added),
			     format_size(s->unique_bytes, unique));
	}
	(void)printf("logical %s, stored %s, ",
		     format_size(stats->logical_bytes, total),
		     format_size(stats->stored_bytes, added));
	(void)printf("shared %s, dead %s\n",
		     format_size(stats->shared_bytes, total),
		     format_size(stats->dead_bytes, added));
	return finish_output();
}

static int print_stats_json(const struct rvs_stats *stats)
{
	json_t *array = json_array();
	uint64_t i;

	for (i = 0; i < stats->snapshots; i++) {
		const struct rvs_snapshot_stats *s = &stats->items[i];

		(void)json_array_append_new(
			array, json_pack("{s:s, s:s, s:I, s:I, s:I}", "id",
					 s->id, "name", s->name, "total_bytes",
					 (json_int_t)s->total_bytes,
					 "added_bytes",
					 (json_int_t)s->added_bytes,
					 "unique_bytes",
					 (json_int_t)s->unique_bytes));
	}
	return print_json(
		json_pack("{s:I, s:I, s:I, s:I, s:o}", "logical_bytes",
			  (json_int_t)stats->logical_bytes, "stored_bytes",
			  (json_int_t)stats->stored_bytes, "shared_bytes",
			  (json_int_t)stats->shared_bytes, "dead_bytes",
			  (json_int_t)stats->dead_bytes, "snapshots", array),
		JSON_INDENT(2));
}

static int run_stats(int argc, char **argv)
{
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_stats stats;
	struct rvs_store *store;
	bool json;
	int code;

	store = begin_command(argc, argv, &json, &code);
	if (!store)
		return code;
	if (rvs_stats(store, &stats, &err) < 0)
		code = report_error(&err);
	else
		code = json ? print_stats_json(&stats) : print_stats(&stats);
	rvs_stats_done(&stats);
	rvs_store_close(store);
	return code;
}

const struct command command_stats = {
	.name = "stats",
	.arguments = "STORE [--json]",
	.summary = "what the snapshots cost, and what deleting each would free",
	.min_arguments = 1,
	.max_arguments = 1,
	.run = run_stats,
};
