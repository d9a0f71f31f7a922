/*
 * schedule, policy and tick: what a store does by itself.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rvs/schedule.h>

#include "command.h"
#include "keep.h"
#include "output.h"
#include "progress.h"

/* ---- times ---- */

#define LOCAL_TIME 32

static const char *format_local(time_t time, char ret[LOCAL_TIME])
{
	struct tm tm;

	if (!localtime_r(&time, &tm) ||
	    strftime(ret, LOCAL_TIME, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		(void)snprintf(ret, LOCAL_TIME, "?");
	return ret;
}

static void print_time(const char *what, time_t time)
{
	char text[LOCAL_TIME];

	if (time)
		(void)printf("%-14s %s\n", what, format_local(time, text));
}

/* RFC 3339, or null for 0. */
static json_t *time_json(time_t time)
{
	char text[RVS_TIME_SIZE];
	const struct timespec at = { time, 0 };

	return time ? json_string(rvs_time_format(at, text)) : json_null();
}

static json_t *text_json(const char *text)
{
	return text ? json_bytes(text) : json_null();
}

/* ---- schedule ---- */

/* The words from @first on, with blanks between them; malloc'ed. */
static char *join(int argc, char **argv, int first)
{
	size_t len = 1;
	char *ret;
	int i;

	for (i = first; i < argc; i++)
		len += strlen(argv[i]) + 1;
	ret = calloc(1, len);
	for (i = first; ret && i < argc; i++)
		(void)sprintf(ret + strlen(ret), "%s%s", i > first ? " " : "",
			      argv[i]);
	return ret;
}

static void print_schedule(const char *schedule,
			   const struct rvs_tick_result *state)
{
	(void)printf("%-14s ", "schedule");
	print_escaped(stdout, schedule ? schedule : "none");
	(void)putchar('\n');
	print_time("next run", state->next);
	print_time(state->due ? "missed" : "last run",
		   state->due ? state->due_at : state->last);
	print_time("failed", state->failed_at);
	if (!state->failure)
		return;
	(void)printf("%-14s ", "why");
	print_escaped(stdout, state->failure);
	(void)putchar('\n');
}

static int show_schedule(struct rvs_store *store, bool json)
{
	const struct rvs_tick_options look = { .look = true };
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_tick_result state = { 0 };
	struct rvs_plan plan = { NULL, NULL };
	int code = EXIT_DONE;

	if (rvs_plan_read(store, &plan, &err) < 0 ||
	    rvs_tick(store, time(NULL), &look, &state, &err) < 0) {
		code = report_error(&err);
	} else if (json) {
		code = print_json(
			json_pack("{s:o, s:o, s:o, s:b, s:o, s:o}", "schedule",
				  text_json(plan.schedule), "next",
				  time_json(state.next), "last",
				  time_json(state.last), "due", state.due,
				  "failed_at", time_json(state.failed_at),
				  "failure", text_json(state.failure)),
			JSON_INDENT(2));
	} else {
		print_schedule(plan.schedule, &state);
		code = finish_output();
	}
	rvs_tick_done(&state);
	rvs_plan_done(&plan);
	return code;
}

static int run_schedule(int argc, char **argv)
{
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_store *store;
	char *text;
	bool json;
	int code;

	store = begin_command(argc, argv, &json, &code);
	if (!store)
		return code;
	if (optind + 1 < argc) {
		text = join(argc, argv, optind + 1);
		if (rvs_plan_set_schedule(store, text, time(NULL), &err) < 0)
			code = report_error(&err);
		free(text);
	}
	if (code == EXIT_DONE && !(is_quiet() && optind + 1 < argc))
		code = show_schedule(store, json);
	rvs_store_close(store);
	return code;
}

const struct command command_schedule = {
	.name = "schedule",
	.arguments = "STORE [SCHEDULE | none] [--json]",
	.summary = "show or change when `tick` and the mount make snapshots",
	.options =
		"  every 15m                    a number and s, m, h, d or w\n"
		"  hourly\n"
		"  daily [at 03:00]\n"
		"  weekly [on sun] [at 03:00]   else on Monday\n"
		"  monthly [on 15] [at 03:00]   else on the 1st\n"
		"  '0 3 * * mon-fri'            five fields of crontab(5)\n"
		"  none                         only when somebody asks\n"
		"Times are local.  A run that was missed is made up once.\n",
	.min_arguments = 1,
	.max_arguments = -1,
	.run = run_schedule,
};

/* ---- policy ---- */

static int show_policy(struct rvs_store *store, bool json)
{
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_plan plan;
	int code;

	if (rvs_plan_read(store, &plan, &err) < 0)
		return report_error(&err);
	if (json) {
		code = print_json(json_pack("{s:o}", "policy",
					    text_json(plan.policy)),
				  JSON_INDENT(2));
	} else {
		print_escaped(stdout, plan.policy ? plan.policy : "none");
		(void)putchar('\n');
		code = finish_output();
	}
	rvs_plan_done(&plan);
	return code;
}

static int run_policy(int argc, char **argv)
{
	static const struct option options[] = { KEEP_OPTIONS, { 0 } };
	struct rvs_error err = RVS_ERROR_INIT;
	struct keep keep = { "" };
	struct rvs_store *store;
	bool json = false, none, change;
	int code, c;

	while ((c = next_option(argc, argv, options, &json)) != -1)
		(void)add_keep(&keep, c, optarg); /* there are no others */
	none = optind + 1 < argc;
	if (none && (strcmp(argv[optind + 1], "none") != 0 || *keep.text))
		usage_error("policy takes rules, or none");
	change = none || *keep.text;
	store = open_store(argv[optind], &code);
	if (!store)
		return code;
	if (change &&
	    rvs_plan_set_policy(store, none ? NULL : keep.text, &err) < 0)
		code = report_error(&err);
	if (code == EXIT_DONE && !(is_quiet() && change))
		code = show_policy(store, json);
	rvs_store_close(store);
	return code;
}

const struct command command_policy = {
	.name = "policy",
	.arguments = "STORE [" KEEP_ARGUMENTS " | none] [--json]",
	.summary = "show or change which snapshots `tick`, `prune` and the "
		   "mount keep",
	.options = KEEP_HELP
		"  none                     all of them\n"
		"What is given replaces the whole policy.\n",
	.min_arguments = 1,
	.max_arguments = 2,
	.run = run_policy,
};

/* ---- tick ---- */

static int print_tick_json(const struct rvs_tick_result *result)
{
	char *text = result->made ? rvs_snapshot_json(&result->snapshot, 0) :
				    NULL;
	json_t *made = text ? json_loads(text, 0, NULL) : json_null();

	free(text);
	return print_json(json_pack("{s:b, s:b, s:o, s:o, s:I, s:o}",
				    "scheduled", result->scheduled, "due",
				    result->due, "due_at",
				    time_json(result->due ? result->due_at : 0),
				    "made", made, "pruned",
				    (json_int_t)result->pruned, "next",
				    time_json(result->next)),
			  JSON_INDENT(2));
}

static int print_tick(const struct rvs_tick_result *result)
{
	char time[LOCAL_TIME];

	if (is_quiet())
		return EXIT_DONE;
	if (!result->scheduled)
		(void)printf("the store has no schedule\n");
	else if (result->made)
		(void)printf("made %s, due at %s; %" PRIu64 " pruned\n",
			     result->snapshot.id,
			     format_local(result->due_at, time),
			     result->pruned);
	else if (result->others)
		(void)printf("another process is at it\n");
	else
		(void)printf("nothing is due\n");
	print_time("next run", result->next);
	return finish_output();
}

static int run_tick(int argc, char **argv)
{
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_tick_options options = { .look = false };
	struct rvs_tick_result result;
	struct progress progress;
	struct rvs_store *store;
	bool json;
	int code, r;

	store = begin_command(argc, argv, &json, &code);
	if (!store)
		return code;
	options.monitor = begin_progress(&progress, "tick");
	r = rvs_tick(store, time(NULL), &options, &result, &err);
	end_progress(&progress);
	if (r < 0)
		code = report_error(&err);
	else
		code = json ? print_tick_json(&result) : print_tick(&result);
	rvs_tick_done(&result);
	rvs_store_close(store);
	return code;
}

const struct command command_tick = {
	.name = "tick",
	.arguments = "STORE [--json]",
	.summary = "make the snapshot that the schedule asks for, if one is "
		   "due, and prune",
	.options = "For cron and systemd timers: run it often; when nothing is "
		   "due it does nothing.\n"
		   "Of several at the same time one does the work.\n",
	.min_arguments = 1,
	.max_arguments = 1,
	.run = run_tick,
};
