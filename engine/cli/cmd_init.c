#include <stddef.h>
#include <stdio.h>

#include <rvs/store.h>

#include "command.h"
#include "output.h"

static int print_made(const char *path, bool json)
{
	int code;
	struct rvs_store *store;

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
	enum { SOURCE = 256, LEVEL };
	static const struct option options[] = {
		{ "source", required_argument, NULL, SOURCE },
		{ "level", required_argument, NULL, LEVEL },
		{ 0 },
	};
	struct rvs_error err = RVS_ERROR_INIT;
	const char *source = NULL;
	int level = RVS_LEVEL_DEFAULT, c;
	bool json = false;

	while ((c = next_option(argc, argv, options, &json)) != -1) {
		if (c == SOURCE)
			source = optarg;
		if (c == LEVEL)
			level = (int)parse_number(optarg, 0, RVS_LEVEL_MAX,
						  "--level");
	}
	if (rvs_store_init(argv[optind], source, level, &err) < 0)
		return report_error(&err);
	return print_made(argv[optind], json);
}

const struct command command_init = {
	.name = "init",
	.arguments = "STORE [--source PATH] [--level 0..9]",
	.summary = "make an empty store",
	.options = "  --source PATH  what `create` takes a snapshot of\n"
		   "  --level N      0 stores, 1 (the default) is fastest, 9 "
		   "smallest\n",
	.min_arguments = 1,
	.max_arguments = 1,
	.run = run,
};
