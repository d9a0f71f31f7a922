/*
 * Control: the small files of the mount, and the grammar of what is written to
 * those that control it.
 *
 * All share one grammar, and a table says what each takes: words, KEY=VALUE
 * pairs between blanks, or one JSON object with the same members.  What looks
 * like an option but is meant as a name can be said in JSON.  Pure; the text is
 * hostile.
 */
#ifndef CONTROL_H
#define CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <rvs/error.h>
#include <rvs/snapshot.h>

#include "texts.h"

/*
 * A longer text is refused: libraries write in blocks of 4096 bytes, so that
 * one of that size is likely to be the beginning of a longer one.
 */
#define CONTROL_TEXT_MAX   4095
#define CONTROL_PAIRS_MAX  64
#define CONTROL_FIELDS_MAX 12
#define CONTROL_COUNT_MAX  1000000

enum control_kind {
	CONTROL_WORD,  /* a word by its place; in JSON a string */
	CONTROL_WORDS, /* words, or an array of strings */
	CONTROL_LINE,  /* all words, with one blank between them; a string */
	CONTROL_FLAG,  /* its name as a word; true or false */
	CONTROL_VALUE, /* NAME=VALUE; a string */
	CONTROL_VALUES, /* the same, any number of times; an array of strings */
	CONTROL_COUNT, /* NAME=N; a number up to CONTROL_COUNT_MAX */
	CONTROL_PAIRS, /* any other KEY=VALUE; an object of strings */
};

struct control_field {
	const char *name;
	enum control_kind kind;
	bool needed;
};

/* One small file.  One that takes nothing has no fields. */
struct control_file {
	const char *name;
	mode_t mode;
	const char *purpose;
	const char *usage;           /* NULL: nobody writes to it */
	const char *const *examples; /* shell commands; ends with NULL */
	const struct control_field *fields; /* ends with a NULL name */
};

const struct control_file *control_file(enum text_file file);

/* The file of that name; TEXT_FILES when @name is none. */
enum text_file control_file_named(const char *name);

/* What one file was told. */
struct control_request {
	const struct control_field *fields;
	struct control_list {
		char **items;
		size_t count;
	} values[CONTROL_FIELDS_MAX];
	struct rvs_metadata *pairs;
	size_t pair_count;
};

#define CONTROL_REQUEST_INIT                                                   \
	{                                                                      \
		NULL, { { NULL, 0 } }, NULL, 0                                 \
	}

/*
 * Parse the @len bytes at @text as what @file takes.  RVS_ERR_USAGE for what
 * the grammar does not allow, RVS_ERR_NO_MEMORY.  Whether a name is a good one,
 * and whether a snapshot exists, is the engine's to say.  @ret is for
 * control_request_done(), on failure too.
 */
int control_parse(enum text_file file, const char *text, size_t len,
		  struct control_request *ret, struct rvs_error *err);
void control_request_done(struct control_request *request);

/* Add one word by its place, whatever it looks like; errors as above. */
int control_add_word(enum text_file file, const char *word,
		     struct control_request *request, struct rvs_error *err);

/* What was given for the field @name, which @file's table has: nothing is an
 * empty list, NULL or false. */
const struct control_list *control_list(const struct control_request *request,
					const char *name);
const char *control_text(const struct control_request *request,
			 const char *name);
bool control_flag(const struct control_request *request, const char *name);

/* The text of .help: what each file is for, takes and looks like; malloc'ed,
 * NULL when out of memory. */
char *control_help(void);

#endif
