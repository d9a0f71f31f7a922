#include "control.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "cleanup.h"
#include "errors.h"

#define SPACE " \t\r\n\v\f"

static int no_memory(struct rvs_error *err)
{
	return error_set(err, RVS_ERR_NO_MEMORY, "out of memory");
}

static int set_once(char **field, const char *what, const char *value,
		    struct rvs_error *err)
{
	if (*field)
		return error_set(err, RVS_ERR_USAGE, "%s is given twice", what);
	if (!*value)
		return error_set(err, RVS_ERR_USAGE, "%s is empty", what);
	*field = strdup(value);
	return *field ? 0 : no_memory(err);
}

static bool has_key(const struct control_create *command, const char *key,
		    size_t key_len)
{
	size_t i;

	for (i = 0; i < command->metadata_count; i++)
		if (strncmp(command->metadata[i].key, key, key_len) == 0 &&
		    command->metadata[i].key[key_len] == '\0')
			return true;
	return false;
}

static int check_key(const struct control_create *command, const char *key,
		     size_t key_len, struct rvs_error *err)
{
	if (!key_len)
		return error_set(err, RVS_ERR_USAGE,
				 "a KEY=VALUE pair has an empty key");
	if (has_key(command, key, key_len))
		return error_set(err, RVS_ERR_USAGE, "%.*s is given twice",
				 (int)key_len, key);
	if (command->metadata_count == CONTROL_PAIRS_MAX)
		return error_set(err, RVS_ERR_USAGE,
				 "more than %d KEY=VALUE pairs",
				 CONTROL_PAIRS_MAX);
	return 0;
}

static int append_pair(struct control_create *command, const char *key,
		       size_t key_len, const char *value)
{
	struct rvs_metadata *grown, *pair;

	grown = reallocarray(command->metadata, command->metadata_count + 1,
			     sizeof(*grown));
	if (!grown)
		return -1;
	command->metadata = grown;
	pair = &grown[command->metadata_count++];
	pair->key = strndup(key, key_len);
	pair->value = strdup(value);
	return pair->key && pair->value ? 0 : -1;
}

static int add_pair(struct control_create *command, const char *key,
		    size_t key_len, const char *value, struct rvs_error *err)
{
	int r;

	r = check_key(command, key, key_len, err);
	if (r < 0)
		return r;
	if (append_pair(command, key, key_len, value) < 0)
		return no_memory(err);
	return 0;
}

static int parse_assignment(struct control_create *command, const char *word,
			    const char *equals, struct rvs_error *err)
{
	size_t key_len = (size_t)(equals - word);

	if (key_len == 4 && memcmp(word, "base", 4) == 0)
		return set_once(&command->base, "base", equals + 1, err);
	return add_pair(command, word, key_len, equals + 1, err);
}

static int parse_word(struct control_create *command, const char *word,
		      bool first, struct rvs_error *err)
{
	const char *equals = strchr(word, '=');

	if (equals)
		return parse_assignment(command, word, equals, err);
	if (strcmp(word, "full") == 0) {
		command->full = true;
		return 0;
	}
	if (first)
		return set_once(&command->name, "name", word, err);
	return error_set(err, RVS_ERR_USAGE,
			 "'%s' is not understood: the text is "
			 "[NAME] [full] [base=SNAPSHOT] [KEY=VALUE]...",
			 word);
}

static int parse_words(struct control_create *command, char *text,
		       struct rvs_error *err)
{
	char *rest = NULL, *word;
	bool first = true;
	int r;

	for (word = strtok_r(text, SPACE, &rest); word;
	     word = strtok_r(NULL, SPACE, &rest)) {
		r = parse_word(command, word, first, err);
		if (r < 0)
			return r;
		first = false;
	}
	return 0;
}

static int parse_string(char **field, const char *what, const json_t *value,
			struct rvs_error *err)
{
	if (!json_is_string(value))
		return error_set(err, RVS_ERR_USAGE, "%s is not a string",
				 what);
	return set_once(field, what, json_string_value(value), err);
}

static int parse_full(struct control_create *command, const json_t *value,
		      struct rvs_error *err)
{
	if (!json_is_boolean(value))
		return error_set(err, RVS_ERR_USAGE,
				 "full is neither true nor false");
	command->full = json_is_true(value);
	return 0;
}

static int parse_metadata(struct control_create *command, json_t *pairs,
			  struct rvs_error *err)
{
	const char *key;
	json_t *value;
	int r;

	if (!json_is_object(pairs))
		return error_set(err, RVS_ERR_USAGE,
				 "metadata is not an object");
	json_object_foreach(pairs, key, value)
	{
		if (!json_is_string(value))
			return error_set(err, RVS_ERR_USAGE,
					 "metadata: %s is not a string", key);
		r = add_pair(command, key, strlen(key),
			     json_string_value(value), err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int parse_member(struct control_create *command, const char *key,
			json_t *value, struct rvs_error *err)
{
	if (strcmp(key, "name") == 0)
		return parse_string(&command->name, key, value, err);
	if (strcmp(key, "base") == 0)
		return parse_string(&command->base, key, value, err);
	if (strcmp(key, "full") == 0)
		return parse_full(command, value, err);
	if (strcmp(key, "metadata") == 0)
		return parse_metadata(command, value, err);
	return error_set(err, RVS_ERR_USAGE,
			 "'%s' is not understood: the members are "
			 "name, full, base and metadata",
			 key);
}

static void cleanup_json(json_t **value)
{
	json_decref(*value);
}

static int parse_json(struct control_create *command, const char *text,
		      struct rvs_error *err)
{
	CLEANUP(cleanup_json) json_t *object = NULL;
	json_error_t cause;
	const char *key;
	json_t *value;
	int r;

	object = json_loads(text, JSON_REJECT_DUPLICATES, &cause);
	if (!object)
		return error_set(err, RVS_ERR_USAGE, "not JSON: %s",
				 cause.text);
	json_object_foreach(object, key, value)
	{
		r = parse_member(command, key, value, err);
		if (r < 0)
			return r;
	}
	return 0;
}

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

static int parse_text(struct control_create *command, char *text,
		      struct rvs_error *err)
{
	text += strspn(text, SPACE);
	if (*text == '{')
		return parse_json(command, text, err);
	return parse_words(command, text, err);
}

int control_parse_create(const char *text, size_t len,
			 struct control_create *ret, struct rvs_error *err)
{
	CLEANUP(control_create_done)
	struct control_create command = CONTROL_CREATE_INIT;
	CLEANUP(cleanup_free) char *copy = NULL;
	int r;

	r = check_text(text, len, err);
	if (r < 0)
		return r;
	copy = strndup(text, len);
	if (!copy)
		return no_memory(err);
	r = parse_text(&command, copy, err);
	if (r < 0)
		return r;
	if (command.full && command.base)
		return error_set(err, RVS_ERR_USAGE,
				 "a full snapshot has no base");
	*ret = command;
	command = (struct control_create)CONTROL_CREATE_INIT;
	return 0;
}

void control_create_done(struct control_create *command)
{
	size_t i;

	for (i = 0; i < command->metadata_count; i++) {
		free(command->metadata[i].key);
		free(command->metadata[i].value);
	}
	free(command->metadata);
	free(command->name);
	free(command->base);
	*command = (struct control_create)CONTROL_CREATE_INIT;
}
