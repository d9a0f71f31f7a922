/*
 * Commands: what the mount is told to do, and what became of it.
 *
 * The content of a control file follows from the last command that was written
 * to it, or that did the same in another way, as mkdir does.  Threads may share
 * it.
 */
#ifndef COMMANDS_H
#define COMMANDS_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>
#include <rvs/error.h>

#include "texts.h"

struct canceller;
struct commands;
struct damage_log;
struct jobs;
struct rvs_store;
struct snapshot;

struct commands_context {
	struct rvs_store *store;
	struct texts *texts; /* the control files are kept there */
	struct jobs *jobs;
	struct damage_log *damages; /* hears what .verify finds */
	const char *source; /* what is snapshotted; NULL: the store says */
	/* Called when the schedule was changed. */
	void (*rescheduled)(void *arg);
	void *arg;
};

/* NULL when out of memory. */
struct commands *commands_new(const struct commands_context *context);
void commands_free(struct commands *commands);

/* One write to a control file. */
struct command_text {
	enum text_file file;
	const char *bytes;
	size_t len;
	bool wait; /* for another writer of the store */
};

/*
 * Parse what was written and do it.  Durable when this returns 0, unless the
 * text says that it shall go on in the background.
 */
int commands_write(struct commands *commands, const struct command_text *text,
		   const struct canceller *canceller, struct rvs_error *err);

/* Refuse what was written to @file: @err becomes its content.  Returns its
 * status. */
int commands_refuse(struct commands *commands, enum text_file file,
		    const struct rvs_error *err);

/* What went wrong with the last command written to @file, or null; NULL when out
 * of memory. */
json_t *commands_error_json(struct commands *commands, enum text_file file);

/* The same without a text: make a snapshot, delete one, rename one. */
int commands_create(struct commands *commands, const char *name,
		    const struct canceller *canceller, struct rvs_error *err);
int commands_delete(struct commands *commands, const struct snapshot *snapshot,
		    const struct canceller *canceller, struct rvs_error *err);
int commands_rename(struct commands *commands, const struct snapshot *snapshot,
		    const char *name, const struct canceller *canceller,
		    struct rvs_error *err);

#endif
