#include "command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

/* Of this one run of the program: for messages alone. */
static const struct command *current;

void set_command(const struct command *command)
{
	current = command;
}

static void print_usage(FILE *to)
{
	(void)fprintf(to, "usage: ruvsnap %s %s\n", current->name,
		      current->arguments);
}

static void print_help(void)
{
	print_usage(stdout);
	(void)printf("\n%s\n", current->summary);
	if (current->options)
		(void)printf("\n%s", current->options);
}

void usage_error(const char *format, ...)
{
	va_list args;

	(void)fputs("ruvsnap: ", stderr);
	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fputc('\n', stderr);
	print_usage(stderr);
	exit(EXIT_USAGE);
}

static void check_arguments(int count)
{
	if (count < current->min_arguments)
		usage_error("%s: an argument is missing", current->name);
	if (current->max_arguments >= 0 && count > current->max_arguments)
		usage_error("%s: too many arguments", current->name);
}

int next_option(int argc, char **argv, const struct option *options,
		bool *json)
{
	enum { OPTIONS_MAX = 32, JSON = 1, HELP = 2 };
	struct option all[OPTIONS_MAX] = {
		{ "json", no_argument, NULL, JSON },
		{ "help", no_argument, NULL, HELP },
	};
	size_t count;
	int c;

	for (count = 0; options && options[count].name; count++)
		all[count + 2] = options[count];
	opterr = 0;
	c = getopt_long(argc, argv, "h", all, NULL);
	switch (c) {
	case JSON:
		*json = true;
		return next_option(argc, argv, options, json);
	case HELP:
	case 'h':
		print_help();
		exit(EXIT_DONE);
	case '?':
		usage_error("%s: %s is no option here, or lacks its value",
			    current->name, argv[optind - 1]);
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

int report_error(const struct rvs_error *err)
{
	(void)fputs("ruvsnap: ", stderr);
	print_escaped(stderr, err->text);
	(void)fputc('\n', stderr);
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

struct rvs_store *open_store(const char *path, int *ret_code)
{
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_store *store = NULL;

	*ret_code = EXIT_DONE;
	if (rvs_store_open(path, NULL, &store, &err) < 0)
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
