/*
 * delete, prune and collect: getting rid of snapshots and of their data.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <rvs/job.h>
#include <rvs/schedule.h>

#include "command.h"
#include "keep.h"
#include "output.h"
#include "progress.h"

/* ---- delete ---- */

static int run_delete(int argc, char **argv)
{
	return change_each(argc, argv, rvs_snapshot_delete);
}

const struct command command_delete = {
	.name = "delete",
	.arguments = "STORE SNAPSHOT...",
	.summary = "delete snapshots; others keep the data they share",
	.min_arguments = 2,
	.max_arguments = -1,
	.run = run_delete,
};

/* ---- prune ---- */

static void on_verdict(void *arg, const struct rvs_verdict *verdict)
{
	const struct rvs_snapshot *s = verdict->snapshot;
	json_t *array = arg;

	if (array)
		(void)json_array_append_new(
			array, json_pack("{s:s, s:s, s:b, s:s}", "id", s->id,
					 "name", s->name, "keep", verdict->keep,
					 "reasons", verdict->reasons));
	else if (!is_quiet())
		(void)printf("%s%-6s%s %-24s %s%s%s\n",
			     colour(stdout, verdict->keep ? GREEN : RED),
			     verdict->keep ? "keep" : "delete",
			     colour(stdout, PLAIN), s->name, s->id,
			     *verdict->reasons ? "  " : "", verdict->reasons);
}

/* The policy that was given, else the store's. */
static int find_policy(struct rvs_store *store, const struct keep *keep,
		       struct rvs_policy *ret, struct rvs_error *err)
{
	struct rvs_plan plan = { NULL, NULL };
	int r = *keep->text ? 0 : rvs_plan_read(store, &plan, err);

	if (r == 0)
		r = rvs_policy_parse(plan.policy ? plan.policy : keep->text,
				     ret, err);
	rvs_plan_done(&plan);
	return r;
}

static int prune_watched(struct rvs_store *store,
			 const struct rvs_policy *policy, bool dry_run,
			 json_t *array, uint64_t *ret_deleted,
			 struct rvs_error *err)
{
	struct progress progress;
	struct rvs_monitor monitor = begin_progress(&progress, "prune");
	int r = rvs_prune(store, policy, dry_run, &monitor, on_verdict, array,
			  ret_deleted, err);

	end_progress(&progress);
	return r;
}

static int prune(const char *path, const struct keep *keep, bool dry_run,
		 bool json)
{
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_policy policy = { .last = 0 };
	json_t *array = json ? json_array() : NULL;
	uint64_t deleted = 0;
	int code;
	struct rvs_store *store = open_store(path, &code);

	if (store && (find_policy(store, keep, &policy, &err) < 0 ||
		      prune_watched(store, &policy, dry_run, array, &deleted,
				    &err) < 0))
		code = report_error(&err);
	rvs_policy_done(&policy);
	rvs_store_close(store);
	if (json && code == EXIT_DONE)
		return print_json(array, JSON_INDENT(2));
	json_decref(array);
	if (code == EXIT_DONE && !is_quiet())
		(void)printf("%" PRIu64 " %s\n", deleted,
			     dry_run ? "would be deleted" : "deleted");
	return code ? code : finish_output();
}

static int run_prune(int argc, char **argv)
{
	enum { DRY_RUN = 256 };
	static const struct option options[] = {
		KEEP_OPTIONS,
		{ "dry-run", no_argument, NULL, DRY_RUN },
		{ 0 },
	};
	struct keep keep = { "" };
	bool json = false, dry_run = false;
	int c;

	while ((c = next_option(argc, argv, options, &json)) != -1)
		dry_run |= !add_keep(&keep, c, optarg);
	return prune(argv[optind], &keep, dry_run, json);
}

const struct command command_prune = {
	.name = "prune",
	.arguments = "STORE " KEEP_ARGUMENTS " [--dry-run] [--json]",
	.summary = "delete the snapshots that no rule keeps; without a rule "
		   "those of `policy`",
	.options = KEEP_HELP
		"  --dry-run                only say what would go, and why "
		"others stay\n",
	.min_arguments = 1,
	.max_arguments = 1,
	.run = run_prune,
};

/* ---- collect ---- */

static int print_collected(const struct rvs_collect_result *result,
			   bool dry_run, bool json)
{
	char bytes[SIZE_TEXT], removed[COUNT_TEXT];

	if (json)
		return print_json(json_pack("{s:I, s:I, s:I}", "removed",
					    (json_int_t)result->removed,
					    "rewritten",
					    (json_int_t)result->rewritten,
					    "freed_bytes",
					    (json_int_t)result->freed_bytes),
				  JSON_INDENT(2));
	if (is_quiet())
		return EXIT_DONE;
	(void)printf("%s%s removed, %" PRIu64 " rewritten, %s freed\n",
		     dry_run ? "would be: " : "",
		     format_count(result->removed, "directory", "directories",
				  removed),
		     result->rewritten, format_size(result->freed_bytes, bytes));
	return finish_output();
}

static int run_collect(int argc, char **argv)
{
	enum { DRY_RUN = 256, WAIT };
	static const struct option options[] = {
		{ "dry-run", no_argument, NULL, DRY_RUN },
		{ "wait", no_argument, NULL, WAIT },
		{ 0 },
	};
	struct rvs_collect_result result;
	struct rvs_error err = RVS_ERROR_INIT;
	struct progress progress;
	struct rvs_monitor monitor;
	bool json = false, dry_run = false, wait = false;
	struct rvs_store *store;
	int code, c;

	while ((c = next_option(argc, argv, options, &json)) != -1) {
		dry_run |= c == DRY_RUN;
		wait |= c == WAIT;
	}
	store = open_store(argv[optind], &code);
	if (!store)
		return code;
	monitor = begin_progress(&progress, "collect");
	c = rvs_collect(store, dry_run, wait, &monitor, &result, &err);
	end_progress(&progress);
	code = c < 0 ? report_error(&err) :
		       print_collected(&result, dry_run, json);
	rvs_store_close(store);
	return code;
}

const struct command command_collect = {
	.name = "collect",
	.arguments = "STORE [--dry-run] [--wait] [--json]",
	.summary = "free what no snapshot uses (delete and prune do so, too)",
	.options = "  --dry-run  only say how much\n"
		   "  --wait     for another writer to end\n",
	.min_arguments = 1,
	.max_arguments = 1,
	.run = run_collect,
};
