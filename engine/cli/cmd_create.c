#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rvs/job.h>
#include <rvs/store.h>

#include "command.h"
#include "output.h"
#include "progress.h"

static int print_record(const struct rvs_snapshot *snapshot, bool json)
{
	char total[SIZE_TEXT], size[SIZE_TEXT], files[COUNT_TEXT];
	char *text;

	if (json) {
		text = rvs_snapshot_json(snapshot, prints_lines() ? 0 : 2);
		print_json_text(text);
		free(text);
		return finish_output();
	}
	if (is_quiet())
		return EXIT_DONE;
	(void)printf("%s  %s  %s  %s, %s, added %s\n", snapshot->name,
		     snapshot->id,
		     snapshot->incremental ? "incremental" : "full",
		     format_count(snapshot->files_count, "file", "files",
				  files),
		     format_size(snapshot->total_bytes, total),
		     format_size(snapshot->size_bytes, size));
	return finish_output();
}

static int create(const char *path, struct rvs_create_options *options,
		  bool json)
{
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_snapshot snapshot = { 0 };
	struct progress progress;
	int code, r;
	struct rvs_store *store = open_store(path, &code);

	if (!store)
		return code;
	options->monitor = begin_progress(&progress, "create");
	r = rvs_create(store, options, &snapshot, &err);
	end_progress(&progress);
	code = r < 0 ? report_error(&err) : print_record(&snapshot, json);
	rvs_snapshot_done(&snapshot);
	rvs_store_close(store);
	return code;
}

/* Split "KEY=VALUE" in place. */
static struct rvs_metadata split_metadata(char *text)
{
	char *equals = strchr(text, '=');

	if (!equals || equals == text)
		usage_error("--meta takes KEY=VALUE, not %s", text);
	*equals = '\0';
	return (struct rvs_metadata){ text, equals + 1 };
}

static int run(int argc, char **argv)
{
	enum { SOURCE = 256, FULL, BASE, META, BEST_EFFORT, REHASH, WAIT,
	       SETTLE, SKIP, ONE, CROSS };
	static const struct option options[] = {
		{ "source", required_argument, NULL, SOURCE },
		{ "full", no_argument, NULL, FULL },
		{ "base", required_argument, NULL, BASE },
		{ "meta", required_argument, NULL, META },
		{ "best-effort", no_argument, NULL, BEST_EFFORT },
		{ "rehash", no_argument, NULL, REHASH },
		{ "wait", no_argument, NULL, WAIT },
		{ "skip-unreadable", no_argument, NULL, SKIP },
		{ "one-file-system", no_argument, NULL, ONE },
		{ "cross-filesystems", no_argument, NULL, CROSS },
		{ "settle-time", required_argument, NULL, SETTLE },
		{ 0 },
	};
	struct rvs_metadata *metadata = calloc((size_t)argc, sizeof(*metadata));
	struct rvs_create_options create_options = { .metadata = metadata };
	bool json = false;
	int c;

	while ((c = next_option(argc, argv, options, &json)) != -1) {
		create_options.full |= c == FULL;
		create_options.best_effort |= c == BEST_EFFORT;
		create_options.rehash |= c == REHASH;
		create_options.wait |= c == WAIT;
		create_options.skip_unreadable |= c == SKIP;
		if (c == ONE)
			create_options.filesystems = RVS_FILESYSTEMS_ONE;
		if (c == CROSS)
			create_options.filesystems = RVS_FILESYSTEMS_ALL;
		if (c == SOURCE)
			create_options.source = optarg;
		if (c == SETTLE)
			create_options.settle_s = (unsigned)parse_duration(
				optarg, RVS_SETTLE_MAX_S, "--settle-time");
		if (c == BASE)
			create_options.base = optarg;
		if (c == META && metadata)
			metadata[create_options.metadata_count++] =
				split_metadata(optarg);
	}
	if (optind + 1 < argc)
		create_options.name = argv[optind + 1];
	c = create(argv[optind], &create_options, json);
	free(metadata);
	return c;
}

const struct command command_create = {
	.name = "create",
	.arguments = "STORE [NAME] [--source PATH] [--full | --base SNAPSHOT] "
		     "[--meta KEY=VALUE]... [--best-effort] [--rehash] "
		     "[--settle-time TIME] [--skip-unreadable] "
		     "[--one-file-system | --cross-filesystems] [--wait] "
		     "[--json]",
	.summary = "make a snapshot",
	.options =
		"  --source PATH     of this directory or file instead of the "
		"store's\n"
		"  --full            self-contained, sharing nothing\n"
		"  --base SNAPSHOT   incremental on this one instead of the "
		"newest\n"
		"  --meta KEY=VALUE  keep this with it; may be repeated\n"
		"  --best-effort     even if the source does not stand still\n"
		"  --settle-time T   for how long to try again while it moves "
		"(30s, 5m, 1h)\n"
		"  --skip-unreadable  go on without what cannot be read, and say "
		"so in the record\n"
		"  --cross-filesystems  enter those mounted below the source; "
		"--one-file-system: do not\n"
		"  --rehash          read files that look unchanged, too\n"
		"  --wait            for another writer to end\n",
	.min_arguments = 1,
	.max_arguments = 2,
	.run = run,
};
