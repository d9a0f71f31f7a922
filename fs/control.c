#include "control.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>

#include "cleanup.h"
#include "errors.h"

#define SPACE " \t\r\n\v\f"

/* ---- what each file takes ---- */

#define NOWAIT { "nowait", CONTROL_FLAG, false }
#define DRY_RUN { "dry-run", CONTROL_FLAG, false }

#define KEEP_RULES                                                             \
	{ "keep-last", CONTROL_COUNT, false },                                 \
	{ "keep-hourly", CONTROL_COUNT, false },                               \
	{ "keep-daily", CONTROL_COUNT, false },                                \
	{ "keep-weekly", CONTROL_COUNT, false },                               \
	{ "keep-monthly", CONTROL_COUNT, false },                              \
	{ "keep-yearly", CONTROL_COUNT, false },                               \
	{ "keep-within", CONTROL_VALUE, false },                               \
	{ "keep-name", CONTROL_VALUES, false }

#define KEEP_USAGE                                                             \
	"[keep-last=N] [keep-hourly=N] [keep-daily=N] [keep-weekly=N] "        \
	"[keep-monthly=N] [keep-yearly=N] [keep-within=DURATION] "             \
	"[keep-name=PATTERN]..."

#define FIELDS(...)                                                            \
	(const struct control_field[])                                         \
	{                                                                      \
		__VA_ARGS__, { NULL, CONTROL_WORD, false }                     \
	}
#define NO_FIELDS (const struct control_field[]){ { NULL, CONTROL_WORD, false } }
#define EXAMPLES(...) (const char *const[]){ __VA_ARGS__, NULL }

static const struct control_file files[TEXT_FILES] = {
	[TEXT_CREATE] = {
		".create", S_IFREG | 0600,
		"make a snapshot; named by its id without NAME",
		"[NAME] [full] [base=SNAPSHOT] [best-effort] "
		"[skip-unreadable] [nowait] [KEY=VALUE]...",
		EXAMPLES("echo nightly > .create",
			 "echo before-import full reason=import > .create"),
		FIELDS({ "name", CONTROL_WORD, false },
		       { "full", CONTROL_FLAG, false },
		       { "base", CONTROL_VALUE, false },
		       { "best-effort", CONTROL_FLAG, false },
		       { "skip-unreadable", CONTROL_FLAG, false }, NOWAIT,
		       { "metadata", CONTROL_PAIRS, false }),
	},
	[TEXT_DELETE] = {
		".delete", S_IFREG | 0600, "delete snapshots",
		"SNAPSHOT... [nowait]",
		EXAMPLES("echo before-import > .delete"),
		FIELDS({ "snapshots", CONTROL_WORDS, true }, NOWAIT),
	},
	[TEXT_RENAME] = {
		".rename", S_IFREG | 0600, "give a snapshot another name",
		"SNAPSHOT NAME",
		EXAMPLES("echo latest release-1.0 > .rename"),
		FIELDS({ "snapshot", CONTROL_WORD, true },
		       { "name", CONTROL_WORD, true }),
	},
	[TEXT_PIN] = {
		".pin", S_IFREG | 0600, "keep snapshots, whatever prune is told",
		"SNAPSHOT...",
		EXAMPLES("echo release-1.0 > .pin"),
		FIELDS({ "snapshots", CONTROL_WORDS, true }),
	},
	[TEXT_UNPIN] = {
		".unpin", S_IFREG | 0600, "let prune decide again",
		"SNAPSHOT...",
		EXAMPLES("echo release-1.0 > .unpin"),
		FIELDS({ "snapshots", CONTROL_WORDS, true }),
	},
	[TEXT_VERIFY] = {
		".verify", S_IFREG | 0600,
		"read and prove snapshots, all without a SNAPSHOT; goes on in "
		"the background unless told to wait",
		"[SNAPSHOT]... [wait]",
		EXAMPLES("echo > .verify", "echo latest wait > .verify"),
		FIELDS({ "snapshots", CONTROL_WORDS, false },
		       { "wait", CONTROL_FLAG, false }),
	},
	[TEXT_PRUNE] = {
		".prune", S_IFREG | 0600,
		"delete what no rule keeps; by the rules of .policy when none "
		"is given",
		KEEP_USAGE " [dry-run] [nowait]",
		EXAMPLES("echo dry-run > .prune",
			 "echo keep-last=8 keep-daily=14 > .prune"),
		FIELDS(KEEP_RULES, DRY_RUN, NOWAIT),
	},
	[TEXT_COLLECT] = {
		".collect", S_IFREG | 0600, "free what no snapshot uses",
		"[dry-run] [nowait]",
		EXAMPLES("echo > .collect"),
		FIELDS(DRY_RUN, NOWAIT),
	},
	[TEXT_SCHEDULE] = {
		".schedule", S_IFREG | 0600,
		"make snapshots by itself, while mounted; none ends it",
		"SCHEDULE|none",
		EXAMPLES("echo every 15m > .schedule",
			 "echo daily at 03:00 > .schedule",
			 "echo '0 3 * * mon-fri' > .schedule"),
		FIELDS({ "schedule", CONTROL_LINE, true }),
	},
	[TEXT_POLICY] = {
		".policy", S_IFREG | 0600,
		"what stays when it prunes, after each run of the schedule; "
		"none ends it",
		KEEP_USAGE "|none",
		EXAMPLES("echo keep-last=8 keep-daily=14 > .policy",
			 "echo keep-within=7d keep-name='release*' > .policy"),
		FIELDS(KEEP_RULES, { "none", CONTROL_FLAG, false }),
	},
	[TEXT_CANCEL] = {
		".cancel", S_IFREG | 0600,
		"end commands that run, as Ctrl-C does, by the number or the "
		"name that .status shows",
		"NUMBER|NAME|all...",
		EXAMPLES("echo 7 > .cancel", "echo nightly > .cancel"),
		FIELDS({ "jobs", CONTROL_WORDS, true }),
	},
	[TEXT_STATUS] = {
		".status", S_IFREG | 0400,
		"what runs, what ended, what is damaged, as JSON", NULL,
		EXAMPLES("cat .status"), NO_FIELDS,
	},
	[TEXT_METRICS] = {
		".metrics", S_IFREG | 0444, "the same for Prometheus", NULL,
		EXAMPLES("cat .metrics"), NO_FIELDS,
	},
	[TEXT_HELP] = {
		".help", S_IFREG | 0444, "this", NULL,
		EXAMPLES("cat .help"), NO_FIELDS,
	},
	[TEXT_LATEST] = {
		"latest", S_IFLNK | 0777, "the newest snapshot", NULL,
		EXAMPLES("ls latest/"), NO_FIELDS,
	},
};

const struct control_file *control_file(enum text_file file)
{
	return &files[file];
}

enum text_file control_file_named(const char *name)
{
	int file;

	for (file = 0; file < TEXT_FILES; file++)
		if (strcmp(files[file].name, name) == 0)
			break;
	return (enum text_file)file;
}

/* ---- collecting what is given ---- */

/* A request on its way to be complete. */
struct parser {
	const struct control_file *file;
	struct control_request request;
	struct rvs_error *err;
};

static int no_memory(struct parser *parser)
{
	return error_set(parser->err, RVS_ERR_NO_MEMORY, "out of memory");
}

static int not_understood(struct parser *parser, const char *word)
{
	return error_set(parser->err, RVS_ERR_USAGE,
			 "'%s' is not understood: %s takes %s", word,
			 parser->file->name, parser->file->usage);
}

static int given_twice(struct parser *parser, const char *what)
{
	return error_set(parser->err, RVS_ERR_USAGE, "%s is given twice", what);
}

static struct control_list *list_of(struct parser *parser,
				    const struct control_field *field)
{
	return &parser->request.values[field - parser->file->fields];
}

/* The field of that name, if it is of one of the @kinds, a bit for each. */
static const struct control_field *find_field(const struct parser *parser,
					      const char *name, size_t len,
					      unsigned kinds)
{
	const struct control_field *field;

	for (field = parser->file->fields; field->name; field++)
		if (kinds & 1u << field->kind && strlen(field->name) == len &&
		    memcmp(field->name, name, len) == 0)
			return field;
	return NULL;
}

static bool is_list(const struct control_field *field)
{
	return field->kind == CONTROL_WORDS || field->kind == CONTROL_VALUES;
}

static bool has_item(const struct control_list *list, const char *text)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		if (strcmp(list->items[i], text) == 0)
			return true;
	return false;
}

static int append(struct parser *parser, struct control_list *list,
		  const char *text)
{
	char **grown = reallocarray(list->items, list->count + 1,
				    sizeof(*grown));

	if (!grown)
		return no_memory(parser);
	list->items = grown;
	grown[list->count] = strdup(text);
	if (!grown[list->count])
		return no_memory(parser);
	list->count++;
	return 0;
}

static int add_text(struct parser *parser, const struct control_field *field,
		    const char *text)
{
	struct control_list *list = list_of(parser, field);

	if (!*text)
		return error_set(parser->err, RVS_ERR_USAGE, "%s is empty",
				 field->name);
	if (!is_list(field) && list->count)
		return given_twice(parser, field->name);
	if (has_item(list, text))
		return given_twice(parser, text);
	return append(parser, list, text);
}

static int add_count(struct parser *parser, const struct control_field *field,
		     const char *text)
{
	size_t digits = strspn(text, "0123456789");

	if (!digits || text[digits] || digits > 7 ||
	    strtoul(text, NULL, 10) > CONTROL_COUNT_MAX)
		return error_set(parser->err, RVS_ERR_USAGE,
				 "%s is no number up to %d", field->name,
				 CONTROL_COUNT_MAX);
	return add_text(parser, field, text);
}

static int add_flag(struct parser *parser, const struct control_field *field)
{
	struct control_list *list = list_of(parser, field);

	return list->count ? 0 : append(parser, list, "true");
}

/* One more word of a line. */
static int extend_line(struct parser *parser, const struct control_field *field,
		       const char *word)
{
	CLEANUP(cleanup_free) char *line = NULL;
	struct control_list *list = list_of(parser, field);

	if (!list->count)
		return append(parser, list, word);
	if (asprintf(&line, "%s %s", list->items[0], word) < 0) {
		line = NULL; /* which a failed asprintf leaves undefined */
		return no_memory(parser);
	}
	free(list->items[0]);
	list->items[0] = take(line);
	return 0;
}

static bool has_pair(const struct control_request *request, const char *key,
		     size_t key_len)
{
	size_t i;

	for (i = 0; i < request->pair_count; i++)
		if (strncmp(request->pairs[i].key, key, key_len) == 0 &&
		    request->pairs[i].key[key_len] == '\0')
			return true;
	return false;
}

static int check_key(struct parser *parser, const char *key, size_t key_len)
{
	if (!key_len)
		return error_set(parser->err, RVS_ERR_USAGE,
				 "a KEY=VALUE pair has an empty key");
	if (has_pair(&parser->request, key, key_len))
		return error_set(parser->err, RVS_ERR_USAGE,
				 "%.*s is given twice", (int)key_len, key);
	if (parser->request.pair_count == CONTROL_PAIRS_MAX)
		return error_set(parser->err, RVS_ERR_USAGE,
				 "more than %d KEY=VALUE pairs",
				 CONTROL_PAIRS_MAX);
	return 0;
}

static int add_pair(struct parser *parser, const char *key, size_t key_len,
		    const char *value)
{
	struct control_request *request = &parser->request;
	struct rvs_metadata *grown, *pair;
	int r;

	r = check_key(parser, key, key_len);
	if (r < 0)
		return r;
	grown = reallocarray(request->pairs, request->pair_count + 1,
			     sizeof(*grown));
	if (!grown)
		return no_memory(parser);
	request->pairs = grown;
	pair = &grown[request->pair_count++];
	pair->key = strndup(key, key_len);
	pair->value = strdup(value);
	return pair->key && pair->value ? 0 : no_memory(parser);
}

/* ---- words ---- */

enum {
	NAMED = 1u << CONTROL_VALUE | 1u << CONTROL_VALUES |
		1u << CONTROL_COUNT,
};

static const struct control_field *pairs_field(const struct parser *parser)
{
	return find_field(parser, "metadata", strlen("metadata"),
			  1u << CONTROL_PAIRS);
}

static int parse_assignment(struct parser *parser, const char *word,
			    const char *equals)
{
	size_t key_len = (size_t)(equals - word);
	const struct control_field *field;

	field = find_field(parser, word, key_len, NAMED);
	if (field && field->kind == CONTROL_COUNT)
		return add_count(parser, field, equals + 1);
	if (field)
		return add_text(parser, field, equals + 1);
	if (pairs_field(parser))
		return add_pair(parser, word, key_len, equals + 1);
	return not_understood(parser, word);
}

/* The field that the next word by its place belongs to, or NULL. */
static const struct control_field *next_place(struct parser *parser)
{
	const struct control_field *field;

	for (field = parser->file->fields; field->name; field++) {
		if (field->kind == CONTROL_WORDS || field->kind == CONTROL_LINE)
			return field;
		if (field->kind == CONTROL_WORD &&
		    !list_of(parser, field)->count)
			return field;
	}
	return NULL;
}

static int add_in_place(struct parser *parser, const char *word)
{
	const struct control_field *field = next_place(parser);

	if (!field)
		return not_understood(parser, word);
	if (field->kind == CONTROL_LINE)
		return extend_line(parser, field, word);
	return add_text(parser, field, word);
}

static int parse_word(struct parser *parser, const char *word)
{
	const char *equals = strchr(word, '=');
	const struct control_field *field;

	if (equals)
		return parse_assignment(parser, word, equals);
	field = find_field(parser, word, strlen(word), 1u << CONTROL_FLAG);
	if (field)
		return add_flag(parser, field);
	return add_in_place(parser, word);
}

static int parse_words(struct parser *parser, char *text)
{
	char *rest = NULL, *word;
	int r = 0;

	for (word = strtok_r(text, SPACE, &rest); word && r == 0;
	     word = strtok_r(NULL, SPACE, &rest))
		r = parse_word(parser, word);
	return r;
}

/* ---- JSON ---- */

static int wrong_type(struct parser *parser, const char *name,
		      const char *type)
{
	return error_set(parser->err, RVS_ERR_USAGE, "%s is not %s", name,
			 type);
}

static int parse_string(struct parser *parser,
			const struct control_field *field, const json_t *value)
{
	if (!json_is_string(value))
		return wrong_type(parser, field->name, "a string");
	return add_text(parser, field, json_string_value(value));
}

static int parse_strings(struct parser *parser,
			 const struct control_field *field, json_t *array)
{
	json_t *value;
	size_t i;
	int r;

	if (json_is_string(array))
		return parse_string(parser, field, array);
	if (!json_is_array(array))
		return wrong_type(parser, field->name, "an array of strings");
	json_array_foreach(array, i, value)
	{
		r = parse_string(parser, field, value);
		if (r < 0)
			return r;
	}
	return 0;
}

static int parse_bool(struct parser *parser, const struct control_field *field,
		      const json_t *value)
{
	if (!json_is_boolean(value))
		return error_set(parser->err, RVS_ERR_USAGE,
				 "%s is neither true nor false", field->name);
	return json_is_true(value) ? add_flag(parser, field) : 0;
}

static int parse_count(struct parser *parser, const struct control_field *field,
		       const json_t *value)
{
	char text[32];

	if (!json_is_integer(value))
		return wrong_type(parser, field->name, "a number");
	(void)snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT,
		       json_integer_value(value));
	return add_count(parser, field, text);
}

static int parse_pairs(struct parser *parser, json_t *pairs)
{
	const char *key;
	json_t *value;
	int r;

	if (!json_is_object(pairs))
		return wrong_type(parser, "metadata", "an object");
	json_object_foreach(pairs, key, value)
	{
		if (!json_is_string(value))
			return error_set(parser->err, RVS_ERR_USAGE,
					 "metadata: %s is not a string", key);
		r = add_pair(parser, key, strlen(key),
			     json_string_value(value));
		if (r < 0)
			return r;
	}
	return 0;
}

static int parse_member(struct parser *parser, const char *key, json_t *value)
{
	const struct control_field *field;

	field = find_field(parser, key, strlen(key), ~0u);
	if (!field)
		return not_understood(parser, key);
	switch (field->kind) {
	case CONTROL_FLAG:
		return parse_bool(parser, field, value);
	case CONTROL_COUNT:
		return parse_count(parser, field, value);
	case CONTROL_PAIRS:
		return parse_pairs(parser, value);
	case CONTROL_WORDS:
	case CONTROL_VALUES:
		return parse_strings(parser, field, value);
	case CONTROL_WORD:
	case CONTROL_LINE:
	case CONTROL_VALUE:
		break;
	}
	return parse_string(parser, field, value);
}

static void cleanup_json(json_t **value)
{
	json_decref(*value);
}

static int parse_json(struct parser *parser, const char *text)
{
	CLEANUP(cleanup_json) json_t *object = NULL;
	json_error_t cause;
	const char *key;
	json_t *value;
	int r;

	object = json_loads(text, JSON_REJECT_DUPLICATES, &cause);
	if (!object)
		return error_set(parser->err, RVS_ERR_USAGE, "not JSON: %s",
				 cause.text);
	json_object_foreach(object, key, value)
	{
		r = parse_member(parser, key, value);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- the whole ---- */

static int check_text(const char *text, size_t len, struct rvs_error *err)
{
	if (len > CONTROL_TEXT_MAX)
		return error_set(err, RVS_ERR_USAGE,
				 "more than %d bytes in one write",
				 CONTROL_TEXT_MAX);
	if (memchr(text, '\0', len))
		return error_set(err, RVS_ERR_USAGE, "a NUL byte in the text");
	return 0;
}

static int parse_text(struct parser *parser, char *text)
{
	text += strspn(text, SPACE);
	return *text == '{' ? parse_json(parser, text) :
			      parse_words(parser, text);
}

static int check_needed(struct parser *parser)
{
	const struct control_field *field;

	for (field = parser->file->fields; field->name; field++)
		if (field->needed && !list_of(parser, field)->count)
			return error_set(parser->err, RVS_ERR_USAGE,
					 "no %s given: %s takes %s",
					 field->name, parser->file->name,
					 parser->file->usage);
	return 0;
}

static int parse(struct parser *parser, const char *text, size_t len)
{
	CLEANUP(cleanup_free) char *copy = NULL;
	int r;

	r = check_text(text, len, parser->err);
	if (r < 0)
		return r;
	copy = strndup(text, len);
	if (!copy)
		return no_memory(parser);
	r = parse_text(parser, copy);
	return r < 0 ? r : check_needed(parser);
}

int control_parse(enum text_file file, const char *text, size_t len,
		  struct control_request *ret, struct rvs_error *err)
{
	struct parser parser = {
		.file = &files[file],
		.request = { .fields = files[file].fields },
		.err = err,
	};
	int r;

	assert(parser.file->usage);
	r = parse(&parser, text, len);
	*ret = parser.request;
	return r;
}

int control_add_word(enum text_file file, const char *word,
		     struct control_request *request, struct rvs_error *err)
{
	struct parser parser = {
		.file = &files[file],
		.request = *request,
		.err = err,
	};
	int r;

	parser.request.fields = files[file].fields;
	r = add_in_place(&parser, word);
	*request = parser.request;
	return r;
}

void control_request_done(struct control_request *request)
{
	struct control_list *list;
	size_t i;

	for (list = request->values;
	     list < request->values + CONTROL_FIELDS_MAX; list++) {
		while (list->count)
			free(list->items[--list->count]);
		free(list->items);
	}
	for (i = 0; i < request->pair_count; i++) {
		free(request->pairs[i].key);
		free(request->pairs[i].value);
	}
	free(request->pairs);
	*request = (struct control_request)CONTROL_REQUEST_INIT;
}

const struct control_list *control_list(const struct control_request *request,
					const char *name)
{
	const struct control_field *field = request->fields;

	while (field->name && strcmp(field->name, name) != 0)
		field++;
	assert(field->name);
	return &request->values[field - request->fields];
}

const char *control_text(const struct control_request *request,
			 const char *name)
{
	const struct control_list *list = control_list(request, name);

	return list->count ? list->items[0] : NULL;
}

bool control_flag(const struct control_request *request, const char *name)
{
	return control_list(request, name)->count;
}

/* ---- help ---- */

static void print_file(FILE *out, const struct control_file *file)
{
	const char *const *example;

	(void)fprintf(out, "%s\n    %s\n", file->name, file->purpose);
	if (file->usage)
		(void)fprintf(out, "    takes: %s\n", file->usage);
	for (example = file->examples; *example; example++)
		(void)fprintf(out, "    $ %s\n", *example);
	(void)fputc('\n', out);
}

char *control_help(void)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	int file;

	if (!out)
		return NULL;
	(void)fputs("Write to a file to have it done; an error comes back from "
		    "the write, and\nreading the file then tells the whole of "
		    "it, as JSON.  mkdir, mv and rmdir\ncreate, rename and "
		    "delete snapshots too.\n\n"
		    "A text is words and KEY=VALUE, or one JSON object:\n"
		    "    $ echo '{\"name\": \"full\", \"metadata\": "
		    "{\"why\": \"a b\"}}' > .create\n"
		    "With nowait a write returns at once, and .status tells "
		    "how it goes.\nSNAPSHOT is a name, an id, the beginning of "
		    "an id, or latest.\n\n",
		    out);
	for (file = 0; file < TEXT_FILES; file++)
		print_file(out, &files[file]);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}
