/*
 * ruvsnap: the command.
 */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "command.h"
#include "output.h"

static const struct command *const commands[] = {
	&command_init,	 &command_create, &command_list,    &command_show,
	&command_ls,	 &command_cat,	  &command_restore, &command_verify,
	&command_diff,	 &command_rename, &command_pin,	    &command_unpin,
	&command_delete, &command_prune,  &command_collect, &command_stats,
	&command_schedule, &command_policy, &command_tick, &command_revert,
	&command_mount,
};

enum { COMMANDS = sizeof(commands) / sizeof(*commands) };

static void print_overview(FILE *to)
{
	size_t i;

	(void)fputs("usage: ruvsnap VERB STORE [ARGUMENTS]\n\n"
		    "Point-in-time snapshots of vector databases, kept as "
		    "plain gzip files.\n\n",
		    to);
	for (i = 0; i < COMMANDS; i++)
		(void)fprintf(to, "  %-8s %s\n", commands[i]->name,
			      commands[i]->summary);
	(void)fputs("\n`ruvsnap VERB --help` tells more of a verb.\n", to);
}

/* A deep tree needs a descriptor for each of its levels. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit); /* else: shallower trees */
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc < 2) {
		print_overview(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
	    !strcmp(argv[1], "help")) {
		print_overview(stdout);
		return EXIT_DONE;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		(void)puts("ruvsnap " RVS_VERSION);
		return EXIT_DONE;
	}
	raise_descriptor_limit();
	for (i = 0; i < COMMANDS; i++)
		if (!strcmp(commands[i]->name, argv[1])) {
			set_command(commands[i]);
			return commands[i]->run(argc - 1, argv + 1);
		}
	(void)fputs("ruvsnap: there is no verb ", stderr);
	print_escaped(stderr, argv[1]);
	(void)fputs("; `ruvsnap --help` lists them\n", stderr);
	return EXIT_USAGE;
}
