/*
 * list and show: the records of snapshots.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rvs/snapshot.h>

#include "command.h"
#include "output.h"

static void warn_damaged(void *arg, const char *directory, const char *reason)
{
	int *code = arg;

	*code = EXIT_CORRUPT;
	(void)fputs("ruvsnap: ", stderr);
	print_escaped(stderr, directory);
	(void)fputs(": ", stderr);
	print_escaped(stderr, reason);
	(void)fputc('\n', stderr);
}

static void print_line(const struct rvs_snapshot *s)
{
	char created[RVS_TIME_SIZE], total[SIZE_TEXT], size[SIZE_TEXT];
	char files[COUNT_TEXT];

	(void)printf("%-24s %s  %.19sZ  %-11s %14s  %10s  +%s%s\n",
		     s->name, s->id, rvs_time_format(s->created_at, created),
		     s->incremental ? "incremental" : "full",
		     format_count(s->files_count, "file", "files", files),
		     format_size(s->total_bytes, total),
		     format_size(s->size_bytes, size),
		     s->pinned ? "  pinned" : "");
}

/* One array, a record an element. */
static int print_array(const struct rvs_snapshot_list *list)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < list->count; i++) {
		char *text = rvs_snapshot_json(&list->items[i], 0);

		(void)json_array_append_new(
			array, json_loads(text ? text : "", 0, NULL));
		free(text);
	}
	if (json_array_size(array) == list->count)
		return print_json(array, JSON_INDENT(2));
	json_decref(array);
	(void)fputs("ruvsnap: cannot print JSON\n", stderr);
	return EXIT_FAILED;
}

static int run_list(int argc, char **argv)
{
	struct rvs_snapshot_list list = { NULL, 0 };
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_store *store;
	bool json;
	int code, damaged = EXIT_DONE;
	size_t i;

	store = begin_command(argc, argv, &json, &code);
	if (!store)
		return code;
	if (rvs_snapshot_list(store, &list, warn_damaged, &damaged, &err) < 0) {
		code = report_error(&err);
	} else if (json) {
		code = print_array(&list);
	} else {
		for (i = 0; i < list.count; i++)
			print_line(&list.items[i]);
		code = finish_output();
	}
	rvs_snapshot_list_done(&list);
	rvs_store_close(store);
	return code ? code : damaged;
}

const struct command command_list = {
	.name = "list",
	.arguments = "STORE [--json]",
	.summary = "list the snapshots, oldest first",
	.min_arguments = 1,
	.max_arguments = 1,
	.run = run_list,
};

static void print_field(const char *name, const char *value)
{
	(void)printf("%-14s ", name);
	print_escaped(stdout, value);
	(void)putchar('\n');
}

static void print_size(const char *name, uint64_t bytes)
{
	char size[SIZE_TEXT];

	(void)printf("%-14s %s (%llu bytes)\n", name, format_size(bytes, size),
		     (unsigned long long)bytes);
}

static void print_record(const struct rvs_snapshot *s)
{
	char created[RVS_TIME_SIZE], checksum[RVS_DIGEST_HEX_SIZE];
	size_t i;

	print_field("id", s->id);
	print_field("name", s->name);
	print_field("created", rvs_time_format(s->created_at, created));
	print_field("type", s->incremental ? "incremental" : "full");
	if (s->incremental)
		print_field("base", s->base_id);
	print_field("consistency", s->consistency);
	print_field("source", s->source);
	(void)printf("%-14s %llu\n", "files",
		     (unsigned long long)s->files_count);
	if (s->has_vector_count)
		(void)printf("%-14s %llu\n", "vectors",
			     (unsigned long long)s->vector_count);
	print_size("total", s->total_bytes);
	print_size("added", s->size_bytes);
	print_field("checksum", rvs_digest_hex(&s->checksum, checksum));
	print_field("pinned", s->pinned ? "yes" : "no");
	for (i = 0; i < s->metadata_count; i++) {
		(void)printf("%-14s ", "metadata");
		print_escaped(stdout, s->metadata[i].key);
		(void)putchar('=');
		print_escaped(stdout, s->metadata[i].value);
		(void)putchar('\n');
	}
	print_field("tool version", s->tool_version);
}

static int run_show(int argc, char **argv)
{
	struct rvs_snapshot snapshot = { 0 };
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_store *store;
	bool json;
	char *text;
	int code;

	store = begin_command(argc, argv, &json, &code);
	if (!store)
		return code;
	if (rvs_snapshot_find(store, argv[optind + 1], &snapshot, &err) < 0) {
		code = report_error(&err);
	} else if (json) {
		text = rvs_snapshot_json(&snapshot, prints_lines() ? 0 : 2);
		print_json_text(text);
		free(text);
		code = finish_output();
	} else {
		print_record(&snapshot);
		code = finish_output();
	}
	rvs_snapshot_done(&snapshot);
	rvs_store_close(store);
	return code;
}

const struct command command_show = {
	.name = "show",
	.arguments = "STORE SNAPSHOT [--json]",
	.summary = "show a snapshot's record",
	.min_arguments = 2,
	.max_arguments = 2,
	.run = run_show,
};
