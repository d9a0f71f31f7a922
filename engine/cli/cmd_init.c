#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <rvs/store.h>

#include "command.h"
#include "output.h"

static int print_made(const char *path, bool json)
{
	int code;
	struct rvs_store *store;

	if (!json && is_quiet())
		return EXIT_DONE;
	if (!json) {
		(void)fputs("made the store ", stdout);
		print_escaped(stdout, path);
		(void)putchar('\n');
		return finish_output();
	}
	store = open_store(path, &code);
	if (!store)
		return code;
	code = print_json(json_pack("{s:o, s:s, s:i}", "store",
				    json_bytes(rvs_store_path(store)), "uuid",
				    rvs_store_config(store)->uuid, "level",
				    rvs_store_config(store)->level),
			  JSON_INDENT(2));
	rvs_store_close(store);
	return code;
}

static int run(int argc, char **argv)
{
	enum { SOURCE = 256, LEVEL, EXCLUDE, SETTLE, ONE, CROSS };
	static const struct option options[] = {
		{ "source", required_argument, NULL, SOURCE },
		{ "level", required_argument, NULL, LEVEL },
		{ "exclude", required_argument, NULL, EXCLUDE },
		{ "settle-time", required_argument, NULL, SETTLE },
		{ "one-file-system", no_argument, NULL, ONE },
		{ "cross-filesystems", no_argument, NULL, CROSS },
		{ 0 },
	};
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_store_config config = { .level = RVS_LEVEL_DEFAULT };
	const char **excludes = calloc((size_t)argc, sizeof(*excludes));
	size_t count = 0;
	bool json = false;
	int c;

	while ((c = next_option(argc, argv, options, &json)) != -1) {
		if (c == SOURCE)
			config.source = optarg;
		if (c == LEVEL)
			config.level = (int)parse_number(
				optarg, 0, RVS_LEVEL_MAX, "--level");
		if (c == SETTLE)
			config.settle_s = (unsigned)parse_duration(
				optarg, RVS_SETTLE_MAX_S, "--settle-time");
		if (c == ONE || c == CROSS)
			config.cross_filesystems = c == CROSS;
		if (c == EXCLUDE && excludes)
			excludes[count++] = optarg;
	}
	config.excludes = count ? excludes : NULL;
	c = rvs_store_init(argv[optind], &config, &err);
	free(excludes);
	return c < 0 ? report_error(&err) : print_made(argv[optind], json);
}

const struct command command_init = {
	.name = "init",
	.arguments = "STORE [--source PATH] [--level 0..9] "
		     "[--exclude PATTERN]... [--settle-time TIME] "
		     "[--one-file-system | --cross-filesystems] [--json]",
	.summary = "make an empty store",
	.options = "  --source PATH      what `create` takes a snapshot of\n"
		   "  --level N          0 stores, 1 (the default) is fastest, 9 "
		   "smallest\n"
		   "  --exclude PATTERN  leave this out, as in gitignore(5); "
		   "may be repeated\n"
		   "  --settle-time T    for how long `create` tries again while "
		   "the source moves: 30s, 5m, 1h\n"
		   "  --cross-filesystems  enter those mounted below the source; "
		   "--one-file-system, the default: do not\n",
	.min_arguments = 1,
	.max_arguments = 1,
	.run = run,
};
