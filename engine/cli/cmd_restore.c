#include <stdio.h>

#include <rvs/job.h>

#include "command.h"
#include "output.h"
#include "progress.h"

static int print_result(const struct rvs_restore_result *result, bool json)
{
	char bytes[SIZE_TEXT], files[COUNT_TEXT];

	if (json)
		return print_json(json_pack("{s:I, s:I, s:I}", "files",
					    (json_int_t)result->files, "bytes",
					    (json_int_t)result->bytes,
					    "warnings",
					    (json_int_t)result->warnings),
				  JSON_INDENT(2));
	if (is_quiet())
		return EXIT_DONE;
	(void)printf("restored %s, %s\n",
		     format_count(result->files, "file", "files", files),
		     format_size(result->bytes, bytes));
	return finish_output();
}

static int run(int argc, char **argv)
{
	enum { OVERWRITE = 256 };
	static const struct option options[] = {
		{ "overwrite", no_argument, NULL, OVERWRITE },
		{ 0 },
	};
	struct rvs_restore_options restore = { 0 };
	struct rvs_restore_result result;
	struct rvs_error err = RVS_ERROR_INIT;
	struct progress progress;
	struct rvs_store *store;
	bool json = false;
	int code, r;

	while (next_option(argc, argv, options, &json) != -1)
		restore.overwrite = true;
	restore.paths = (const char *const *)argv + optind + 3;
	restore.path_count = (size_t)(argc - optind - 3);
	store = open_store(argv[optind], &code);
	if (!store)
		return code;
	restore.monitor = begin_progress(&progress, "restore");
	r = rvs_restore(store, argv[optind + 1], argv[optind + 2], &restore,
			&result, &err);
	end_progress(&progress);
	code = r < 0 ? report_error(&err) : print_result(&result, json);
	rvs_store_close(store);
	return code;
}

const struct command command_restore = {
	.name = "restore",
	.arguments = "STORE SNAPSHOT TARGET [PATH]... [--overwrite] [--json]",
	.summary = "restore a snapshot, or paths of it, below a directory",
	.options = "  --overwrite  replace files that are there already\n",
	.min_arguments = 3,
	.max_arguments = -1,
	.run = run,
};
