/*
 * revert: a snapshot in place of its source.
 */
#include <stdio.h>

#include <rvs/revert.h>

#include "command.h"
#include "output.h"
#include "progress.h"

static json_t *text_or_null(const char *text)
{
	return text ? json_bytes(text) : json_null();
}

static int print_result_json(const struct rvs_revert_result *result)
{
	return print_json(json_pack("{s:o, s:I, s:I, s:o, s:o}", "source",
				    json_bytes(result->source), "files",
				    (json_int_t)result->restored.files, "bytes",
				    (json_int_t)result->restored.bytes,
				    "before",
				    text_or_null(result->kept ?
							 result->before.id :
							 NULL),
				    "leftover",
				    text_or_null(result->leftover)),
			  JSON_INDENT(2));
}

static int print_result(const struct rvs_revert_result *result,
			const char *store, const char *reference)
{
	if (is_quiet())
		return EXIT_DONE;
	print_escaped(stdout, result->source);
	(void)printf(" is now ");
	print_escaped(stdout, reference);
	(void)putchar('\n');
	if (result->kept) {
		(void)printf("what was there is kept, pinned; to undo this: "
			     "ruvsnap revert ");
		print_escaped(stdout, store);
		(void)printf(" %s\n", result->before.id);
	}
	if (result->leftover) {
		(void)fputs("what no snapshot holds of it is left in ", stdout);
		print_escaped(stdout, result->leftover);
		(void)putchar('\n');
	}
	return finish_output();
}

static int run_revert(int argc, char **argv)
{
	enum { SOURCE = 256, WAIT };
	static const struct option options[] = {
		{ "source", required_argument, NULL, SOURCE },
		{ "wait", no_argument, NULL, WAIT },
		{ 0 },
	};
	struct rvs_revert_options revert_options = { .source = NULL };
	struct rvs_revert_result result;
	struct rvs_error err = RVS_ERROR_INIT;
	struct progress progress;
	struct rvs_store *store;
	bool json = false;
	int code, c;

	while ((c = next_option(argc, argv, options, &json)) != -1) {
		revert_options.wait |= c == WAIT;
		if (c == SOURCE)
			revert_options.source = optarg;
	}
	store = open_store(argv[optind], &code);
	if (!store)
		return code;
	revert_options.monitor = begin_progress(&progress, "revert");
	c = rvs_revert(store, argv[optind + 1], &revert_options, &result, &err);
	end_progress(&progress);
	if (c < 0)
		code = report_error(&err);
	else
		code = json ? print_result_json(&result) :
			      print_result(&result, argv[optind],
					   argv[optind + 1]);
	rvs_revert_done(&result);
	rvs_store_close(store);
	return code;
}

const struct command command_revert = {
	.name = "revert",
	.arguments = "STORE SNAPSHOT [--source PATH] [--wait] [--json]",
	.summary = "put a snapshot in place of its source, whose present state "
		   "is kept first",
	.options =
		"  --source PATH  replace this instead of what the snapshot was "
		"taken of\n"
		"  --wait         for another writer to end\n"
		"Refused while a process uses files of the source.  The undo is "
		"to revert to the\n"
		"snapshot of the state before, which is pinned.\n",
	.min_arguments = 2,
	.max_arguments = 2,
	.run = run_revert,
};
