/*
 * Commands: one for each verb, in one table.
 */
#ifndef RUVSNAP_COMMAND_H
#define RUVSNAP_COMMAND_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

#include <rvs/error.h>
#include <rvs/store.h>

enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NOT_FOUND = 3,
	EXIT_EXISTS = 4,
	EXIT_BUSY = 5,
	EXIT_CORRUPT = 6,
	EXIT_NO_SPACE = 7,
	EXIT_INTERRUPTED = 130,
};

struct command {
	const char *name;
	const char *arguments; /* as the usage line shows them */
	const char *summary;
	const char *options; /* lines for --help, or NULL */
	int min_arguments;   /* without options; STORE is the first */
	int max_arguments;   /* -1: any number */
	/* Returns an exit code; @argv holds @argc arguments behind the verb and
	 * its options' values are parsed with parse_options(). */
	int (*run)(int argc, char **argv);
};

extern const struct command command_init, command_create, command_list,
	command_show, command_ls, command_cat, command_restore, command_verify,
	command_rename, command_pin, command_unpin, command_delete,
	command_prune, command_collect, command_diff, command_stats,
	command_schedule, command_policy, command_tick, command_revert,
	command_mount;

/* The command that is running, for its usage message. */
void set_command(const struct command *command);

/*
 * The next option of @options, which end with a zero: its val, or -1 when there
 * are none left and the right number of arguments begins at optind.  A val that
 * is a letter makes that a short option, too.  Options of all verbs are seen to
 * here: "--json" and "--json=lines" set *@json, "--help" prints and exits.
 * Anything wrong says so and exits with EXIT_USAGE.
 */
int next_option(int argc, char **argv, const struct option *options,
		bool *json);

/* --quiet: nothing is said of success. */
bool is_quiet(void);

/* --json=lines: one JSON object a line, the last one the answer. */
bool prints_lines(void);

/* --threads; 0: one a core. */
unsigned thread_count(void);

/* Say what is wrong with the call, and exit with EXIT_USAGE. */
void usage_error(const char *format, ...)
	__attribute__((noreturn, format(printf, 1, 2)));

/* A whole number from @min to @max, or a usage error. */
long parse_number(const char *text, long min, long max, const char *what);

/* "30s", "90m", "36h", "7d", "4w", "6M", "2y", in seconds: months of 30 days,
 * years of 365.  A usage error for anything else, and beyond @max. */
int64_t parse_duration(const char *text, int64_t max, const char *what);

/* Print "ruvsnap: TEXT" on standard error, in a line of JSON, too, when lines
 * are asked for; the exit code of @err's status. */
int report_error(const struct rvs_error *err);

/* Open the store, or report why not; NULL: *ret_code is the exit code. */
struct rvs_store *open_store(const char *path, int *ret_code);

/* Do @change to each snapshot that the arguments behind the store's name, until
 * one fails; an exit code. */
int change_each(int argc, char **argv,
		int (*change)(struct rvs_store *store, const char *reference,
			      struct rvs_error *err));

/* For a verb without options of its own: see to the call, then open the store
 * that it names.  The other arguments begin at optind + 1. */
struct rvs_store *begin_command(int argc, char **argv, bool *json,
				int *ret_code);

#endif
