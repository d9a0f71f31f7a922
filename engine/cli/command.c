#include "command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

/* What this one run of the program was asked for. */
static struct {
	const struct command *command;
	bool quiet;
	bool lines;
	unsigned threads;
} run;

void set_command(const struct command *command)
{
	run.command = command;
}

bool is_quiet(void)
{
	return run.quiet;
}

bool prints_lines(void)
{
	return run.lines;
}

unsigned thread_count(void)
{
	return run.threads;
}

static void print_usage(FILE *to)
{
	(void)fprintf(to, "usage: ruvsnap %s %s\n", run.command->name,
		      run.command->arguments);
}

static void print_help(void)
{
	print_usage(stdout);
	(void)printf("\n%s\n", run.command->summary);
	if (run.command->options)
		(void)printf("\n%s", run.command->options);
	(void)puts("\nEvery verb takes:\n"
		   "  --json[=lines]  print JSON; with lines one object a line, "
		   "progress too\n"
		   "  -q, --quiet     say nothing of success, show no progress\n"
		   "  --threads N     work with N threads (one per core)\n"
		   "  -h, --help      show this help");
}

/* "ruvsnap: TEXT", as all that goes to standard error. */
static void complain(const char *text)
{
	(void)fprintf(stderr, "%sruvsnap:%s ", colour(stderr, RED),
		      colour(stderr, PLAIN));
	print_escaped(stderr, text);
	(void)fputc('\n', stderr);
}

void usage_error(const char *format, ...)
{
	char text[RVS_ERROR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	complain(text);
	if (run.command) {
		print_usage(stderr);
		(void)fprintf(stderr, "`ruvsnap %s --help` tells more.\n",
			      run.command->name);
	}
	exit(EXIT_USAGE);
}

static void check_arguments(int count)
{
	if (count < run.command->min_arguments)
		usage_error("%s: an argument is missing", run.command->name);
	if (run.command->max_arguments >= 0 && count > run.command->max_arguments)
		usage_error("%s: too many arguments", run.command->name);
}

enum { OPTIONS_MAX = 32, JSON = 1, THREADS = 2, THREADS_MAX = 1024 };

/* getopt_long(3)'s two lists of what all verbs and this one take. */
struct accepted {
	struct option options[OPTIONS_MAX];
	char letters[3 * OPTIONS_MAX];
};

static void accept(struct accepted *all, const struct option *options)
{
	static const struct option common[] = {
		{ "json", optional_argument, NULL, JSON },
		{ "quiet", no_argument, NULL, 'q' },
		{ "threads", required_argument, NULL, THREADS },
		{ "help", no_argument, NULL, 'h' },
	};
	size_t count = sizeof(common) / sizeof(*common);
	char *letter = all->letters;

	memcpy(all->options, common, sizeof(common));
	*letter++ = 'h';
	*letter++ = 'q';
	for (; options && options->name && count + 1 < OPTIONS_MAX; options++) {
		all->options[count++] = *options;
		if (options->val > ' ' && options->val < 128) {
			*letter++ = (char)options->val;
			if (options->has_arg == required_argument)
				*letter++ = ':';
		}
	}
}

static void want_json(const char *how, bool *json)
{
	if (how && strcmp(how, "lines") != 0)
		usage_error("--json takes nothing or =lines, not =%s", how);
	*json = true;
	run.lines |= how != NULL;
}

int next_option(int argc, char **argv, const struct option *options,
		bool *json)
{
	struct accepted all = { 0 };
	int c;

	accept(&all, options);
	opterr = 0;
	c = getopt_long(argc, argv, all.letters, all.options, NULL);
	switch (c) {
	case JSON:
		want_json(optarg, json);
		return next_option(argc, argv, options, json);
	case 'q':
		run.quiet = true;
		return next_option(argc, argv, options, json);
	case THREADS:
		run.threads = (unsigned)parse_number(optarg, 1, THREADS_MAX,
						     "--threads");
		return next_option(argc, argv, options, json);
	case 'h':
		print_help();
		exit(EXIT_DONE);
	case '?':
		usage_error("%s: %s is no option here, or lacks its value",
			    run.command->name, argv[optind - 1]);
	case -1:
		check_arguments(argc - optind);
		return -1;
	default:
		return c;
	}
}

long parse_number(const char *text, long min, long max, const char *what)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno || end == text || *end || value < min || value > max)
		usage_error("%s takes a whole number from %ld to %ld, not %s",
			    what, min, max, text);
	return value;
}

int64_t parse_duration(const char *text, int64_t max, const char *what)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = { { 's', 1 },	 { 'm', 60 },	     { 'h', 3600 },
		      { 'd', 86400 },	 { 'w', 7 * 86400 }, { 'M', 30 * 86400 },
		      { 'y', 365 * 86400 } };
	char *end;
	long value = strtol(text, &end, 10);
	size_t i;

	for (i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (end != text && value > 0 && value < 1000000 &&
		    end[0] == units[i].unit && end[1] == '\0' &&
		    value * units[i].seconds <= max)
			return value * units[i].seconds;
	if (max == INT64_MAX)
		usage_error("%s takes a number and s, m, h, d, w, M or y, "
			    "not %s", what, text);
	usage_error("%s takes a number and s, m or h, up to %lld seconds, "
		    "not %s", what, (long long)max, text);
}

static enum exit_code exit_code_of(const struct rvs_error *err)
{
	switch (err->status) {
	case RVS_ERR_USAGE:
		return EXIT_USAGE;
	case RVS_ERR_NOT_FOUND:
		return EXIT_NOT_FOUND;
	case RVS_ERR_EXISTS:
		return EXIT_EXISTS;
	case RVS_ERR_BUSY:
		return EXIT_BUSY;
	case RVS_ERR_CORRUPT:
	case RVS_ERR_MISSING:
		return EXIT_CORRUPT;
	case RVS_ERR_NO_SPACE:
		return EXIT_NO_SPACE;
	case RVS_ERR_INTERRUPTED:
		return EXIT_INTERRUPTED;
	default:
		return EXIT_FAILED;
	}
}

int report_error(const struct rvs_error *err)
{
	int code = exit_code_of(err);

	complain(err->text);
	if (run.lines)
		print_json_line(json_pack("{s:{s:o, s:i}}", "error", "text",
					  json_bytes(err->text), "exit_code",
					  code));
	return code;
}

struct rvs_store *open_store(const char *path, int *ret_code)
{
	struct rvs_error err = RVS_ERROR_INIT;
	const struct rvs_store_options options = { .threads = run.threads };
	struct rvs_store *store = NULL;
	size_t len;

	*ret_code = EXIT_DONE;
	if (rvs_store_open(path, &options, &store, &err) == RVS_ERR_NOT_FOUND) {
		len = strlen(err.text);
		(void)snprintf(err.text + len, sizeof(err.text) - len,
			       "; `ruvsnap init` makes one");
	}
	if (!store)
		*ret_code = report_error(&err);
	return store;
}

struct rvs_store *begin_command(int argc, char **argv, bool *json,
				int *ret_code)
{
	*json = false;
	while (next_option(argc, argv, NULL, json) != -1)
		continue;
	return open_store(argv[optind], ret_code);
}

int change_each(int argc, char **argv,
		int (*change)(struct rvs_store *store, const char *reference,
			      struct rvs_error *err))
{
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_store *store;
	bool json;
	int code, i;

	store = begin_command(argc, argv, &json, &code);
	for (i = optind + 1; store && i < argc && code == EXIT_DONE; i++)
		if (change(store, argv[i], &err) < 0)
			code = report_error(&err);
	rvs_store_close(store);
	return code;
}
