/*
 * rename, pin and unpin: what may change about a snapshot.
 */
#include <rvs/snapshot.h>

#include "command.h"

static int run_rename(int argc, char **argv)
{
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_store *store;
	bool json;
	int code;

	store = begin_command(argc, argv, &json, &code);
	if (!store)
		return code;
	if (rvs_snapshot_rename(store, argv[optind + 1], argv[optind + 2],
				&err) < 0)
		code = report_error(&err);
	rvs_store_close(store);
	return code;
}

const struct command command_rename = {
	.name = "rename",
	.arguments = "STORE SNAPSHOT NAME",
	.summary = "give a snapshot another name",
	.min_arguments = 3,
	.max_arguments = 3,
	.run = run_rename,
};

static int pin(struct rvs_store *store, const char *reference,
	       struct rvs_error *err)
{
	return rvs_snapshot_pin(store, reference, true, err);
}

static int run_pin(int argc, char **argv)
{
	return change_each(argc, argv, pin);
}

static int unpin(struct rvs_store *store, const char *reference,
		 struct rvs_error *err)
{
	return rvs_snapshot_pin(store, reference, false, err);
}

static int run_unpin(int argc, char **argv)
{
	return change_each(argc, argv, unpin);
}

const struct command command_pin = {
	.name = "pin",
	.arguments = "STORE SNAPSHOT...",
	.summary = "keep snapshots whatever `prune` is told",
	.min_arguments = 2,
	.max_arguments = -1,
	.run = run_pin,
};

const struct command command_unpin = {
	.name = "unpin",
	.arguments = "STORE SNAPSHOT...",
	.summary = "take the pin off snapshots",
	.min_arguments = 2,
	.max_arguments = -1,
	.run = run_unpin,
};
