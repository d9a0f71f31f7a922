/*
 * Commands: what changes the store through the mount, and what became of it.
 *
 * The content of .create follows from the last snapshot that was asked for
 * here.  At most COMMANDS_MAX run at once, so that those which wait for another
 * writer never take all threads of the mount.  Threads may share it.
 */
#ifndef COMMANDS_H
#define COMMANDS_H

#include <stdbool.h>

#include <jansson.h>

#include <rvs/error.h>

struct commands;
struct control_create;
struct log;
struct rvs_store;
struct snapshot;
struct texts;

#define COMMANDS_MAX 16

/* Asked again and again while a command runs; true ends it, undone. */
struct canceller {
	void *arg;
	bool (*cancelled)(void *arg);
};

struct commands_context {
	struct rvs_store *store;
	struct texts *texts;   /* .create is kept there */
	const struct log *log;
	const char *source;    /* what is snapshotted; NULL: the store says */
};

/* NULL when out of memory. */
struct commands *commands_new(const struct commands_context *context);
void commands_free(struct commands *commands);

/*
 * Parse the @len bytes at @text, which were written to .create, and do what
 * they say.  Durable when this returns 0.  @wait: for another writer.
 */
int commands_write(struct commands *commands, const char *text, size_t len,
		   bool wait, const struct canceller *canceller,
		   struct rvs_error *err);

/* The same for a request that needs no parsing. */
int commands_create(struct commands *commands,
		    const struct control_create *request, bool wait,
		    const struct canceller *canceller, struct rvs_error *err);

/* Refuse what was written: @err becomes the content of .create.  Returns its
 * status. */
int commands_refuse(struct commands *commands, const struct rvs_error *err);

int commands_delete(struct commands *commands, const struct snapshot *snapshot,
		    struct rvs_error *err);
int commands_rename(struct commands *commands, const struct snapshot *snapshot,
		    const char *name, struct rvs_error *err);

/* What runs now, an array, and what ended last, an object or null; NULL when
 * out of memory. */
json_t *commands_running_json(struct commands *commands);
json_t *commands_last_json(struct commands *commands);

#endif
