/*
 * Control: the grammar of what is written to .create.
 *
 * Either words, `[NAME] [full] [base=SNAPSHOT] [KEY=VALUE]...`, or one JSON
 * object with the members name, full, base and metadata.  An empty text asks
 * for a snapshot that is named by its id.  Pure; the text is hostile.
 */
#ifndef CONTROL_H
#define CONTROL_H

#include <stdbool.h>
#include <stddef.h>

#include <rvs/error.h>
#include <rvs/snapshot.h>

/*
 * A longer text is refused: libraries write in blocks of 4096 bytes, so that
 * one of that size is likely to be the beginning of a longer one.
 */
#define CONTROL_TEXT_MAX  4095
#define CONTROL_PAIRS_MAX 64

struct control_create {
	char *name; /* NULL: named by its id */
	char *base; /* NULL: the newest */
	bool full;
	struct rvs_metadata *metadata;
	size_t metadata_count;
};

#define CONTROL_CREATE_INIT                                                    \
	{                                                                      \
		NULL, NULL, false, NULL, 0                                     \
	}

/*
 * Parse the @len bytes at @text.  RVS_ERR_USAGE for what the grammar does not
 * allow, RVS_ERR_NO_MEMORY.  Whether the name is a good one, and whether the
 * base exists, is the engine's to say.  @ret is for control_create_done().
 */
int control_parse_create(const char *text, size_t len,
			 struct control_create *ret, struct rvs_error *err);
void control_create_done(struct control_create *command);

#endif
