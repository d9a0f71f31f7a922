#include "match.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/*
 * Not fnmatch(3), which knows no "**", reads sets by the locale, and takes
 * exponential time for a pattern such as "*a*a*a*b".
 */

/* What a step of a pattern takes of the path. */
enum kind {
	BYTE,        /* this byte */
	ANY,         /* one byte, but no slash */
	SET,         /* one byte of a set */
	STAR,        /* any number of bytes, but no slash */
	DIRECTORIES, /* any number of whole components with their slashes */
	REST,        /* all that is left, at least a byte */
	END,         /* nothing: the path ends here */
};

struct step {
	uint8_t kind; /* enum kind */
	uint8_t byte;
	uint16_t set; /* index into the pattern's sets */
};

struct set {
	uint64_t bits[4];
};

struct pattern {
	struct step *steps; /* the last one is END */
	struct set *sets;
	size_t step_count;
	size_t set_count;
	size_t memory; /* of steps and sets, used or not */
};

struct rule {
	struct pattern pattern;
	char *base; /* "" for the source */
	size_t base_len;
	size_t memory; /* all that the rule takes */
	bool negated;  /* brings back what an earlier rule excludes */
	bool directory_only;
	bool name_only; /* goes by the path's last component */
};

struct rvs_match {
	struct rule **rules;
	size_t count;
	size_t capacity;
	size_t memory; /* of the rules */
};

/* ---- sets ---- */

static void add_range(struct set *set, int first, int last)
{
	for (int c = first; c <= last; c++)
		set->bits[c / 64] |= (uint64_t)1 << c % 64;
}

static bool holds(const struct set *set, uint8_t c)
{
	return set->bits[c / 64] >> c % 64 & 1;
}

/* Add the class [:NAME:], of ASCII alone.  False: there is no such class. */
static bool add_class(struct set *set, const char *name, size_t len)
{
	static const struct {
		const char *name;
		int (*holds)(int c);
	} classes[] = {
		{ "alnum", isalnum }, { "alpha", isalpha },
		{ "blank", isblank }, { "cntrl", iscntrl },
		{ "digit", isdigit }, { "graph", isgraph },
		{ "lower", islower }, { "print", isprint },
		{ "punct", ispunct }, { "space", isspace },
		{ "upper", isupper }, { "xdigit", isxdigit },
	};
	size_t i;

	for (i = 0; i < sizeof(classes) / sizeof(*classes); i++) {
		if (strlen(classes[i].name) != len ||
		    memcmp(classes[i].name, name, len) != 0)
			continue;
		for (int c = 0; c < 128; c++)
			if (classes[i].holds(c))
				add_range(set, c, c);
		return true;
	}
	return false;
}

/* The byte at *at, which a backslash may precede; -1 at the end. */
static int take_byte(const char **at)
{
	if (**at == '\\')
		++*at;
	return **at ? (unsigned char)*(*at)++ : -1;
}

/*
 * Add one element of a set: a byte, a range or a class.  *low is what a range
 * that follows may begin with, or -1.  Returns the end of the element, or NULL
 * when it is malformed.
 */
static const char *parse_element(const char *at, int *low, struct set *set)
{
	bool range = at[0] == '-' && *low >= 0 && at[1] && at[1] != ']';
	const char *end = NULL;
	int last;

	if (at[0] == '[' && at[1] == ':')
		end = strchr(at + 2, ']');
	if (end && end > at + 2 && end[-1] == ':') {
		*low = -1;
		if (!add_class(set, at + 2, (size_t)(end - at - 3)))
			return NULL;
		return end + 1;
	}
	at += range;
	last = take_byte(&at);
	if (last < 0)
		return NULL;
	add_range(set, range ? *low : last, last);
	*low = range ? -1 : last;
	return at;
}

/* Parse what follows a "["; returns what follows its "]", or NULL when there is
 * none.  A "]" that comes first is an element. */
static const char *parse_set(const char *at, struct set *set)
{
	bool negated = *at == '!' || *at == '^';
	int low = -1;

	at += negated;
	do {
		at = parse_element(at, &low, set);
		if (!at)
			return NULL;
	} while (*at != ']');
	for (size_t i = 0; negated && i < 4; i++)
		set->bits[i] = ~set->bits[i];
	set->bits['/' / 64] &= ~((uint64_t)1 << '/' % 64);
	return at + 1;
}

/* ---- patterns ---- */

static void pattern_done(struct pattern *pattern)
{
	free(pattern->steps);
	free(pattern->sets);
}

/* Make room for every step and set that @text could come to. */
static int pattern_reserve(struct pattern *pattern, const char *text)
{
	size_t steps = strlen(text) + 1, sets = 1; /* not calloc(0) */

	for (const char *at = text; (at = strchr(at, '[')); at++)
		sets++;
	pattern->steps = calloc(steps, sizeof(*pattern->steps));
	pattern->sets = calloc(sets, sizeof(*pattern->sets));
	pattern->memory = steps * sizeof(*pattern->steps) +
			  sets * sizeof(*pattern->sets);
	return pattern->steps && pattern->sets ? 0 : -1;
}

static void add_step(struct pattern *pattern, enum kind kind)
{
	pattern->steps[pattern->step_count++].kind = kind;
}

/* Two stars or more mean directories where they are a whole component. */
static const char *compile_stars(struct pattern *pattern, const char *text,
				 const char *at)
{
	size_t len = strspn(at, "*");
	bool alone = len > 1 && (at == text || at[-1] == '/') &&
		     (at[len] == '/' || at[len] == '\0');

	if (!alone) {
		add_step(pattern, STAR);
		return at + len;
	}
	if (at[len] == '\0') {
		add_step(pattern, REST);
		return at + len;
	}
	add_step(pattern, DIRECTORIES);
	return at + len + 1;
}

static const char *compile_set(struct pattern *pattern, const char *at)
{
	pattern->steps[pattern->step_count].set = (uint16_t)pattern->set_count;
	add_step(pattern, SET);
	return parse_set(at + 1, &pattern->sets[pattern->set_count++]);
}

static const char *compile_byte(struct pattern *pattern, const char *at)
{
	int byte = take_byte(&at);

	if (byte < 0)
		return NULL; /* a backslash that escapes nothing */
	pattern->steps[pattern->step_count].byte = (uint8_t)byte;
	add_step(pattern, BYTE);
	return at;
}

/* Returns 0, or -1 when the pattern is malformed. */
static int compile(struct pattern *pattern, const char *text)
{
	const char *at = text;

	while (at && *at) {
		if (*at == '*') {
			at = compile_stars(pattern, text, at);
		} else if (*at == '[') {
			at = compile_set(pattern, at);
		} else if (*at == '?') {
			add_step(pattern, ANY);
			at++;
		} else {
			at = compile_byte(pattern, at);
		}
	}
	add_step(pattern, END);
	return at ? 0 : -1;
}

static bool takes(const struct pattern *pattern, const struct step *step,
		  char c)
{
	switch (step->kind) {
	case BYTE:
		return c && (char)step->byte == c;
	case ANY:
		return c && c != '/';
	case SET:
		return c && holds(&pattern->sets[step->set], (uint8_t)c);
	default:
		return false;
	}
}

/* Where to go on after a failure: a step, and the text it is tried at. */
struct retry {
	const struct step *step; /* NULL: nowhere */
	const char *text;
};

/* Give the latest STAR one byte more or, when its component has none left, the
 * latest DIRECTORIES a component more. */
static bool take_more(struct retry *star, struct retry *directories,
		      struct retry *ret)
{
	const char *slash;

	if (star->step && *star->text && *star->text != '/') {
		star->text++;
		*ret = *star;
		return true;
	}
	slash = directories->step ? strchr(directories->text, '/') : NULL;
	if (!slash)
		return false;
	directories->text = slash + 1;
	*ret = *directories;
	return true;
}

/*
 * Only the latest STAR, in its component, and the latest DIRECTORIES are tried
 * again: the earlier ones took the least they could, and more for them would
 * leave less for what follows.  All other steps take one byte, so none meets
 * the same byte twice: the time is bounded by the product of the lengths.
 */
static bool pattern_matches(const struct pattern *pattern, const char *text)
{
	struct retry star = { NULL, NULL }, directories = { NULL, NULL };
	struct retry at = { pattern->steps, text };

	while (at.step->kind != END || *at.text) {
		if (at.step->kind == REST && *at.text)
			return true;
		if (at.step->kind == STAR) {
			at.step++;
			star = at;
		} else if (at.step->kind == DIRECTORIES) {
			at.step++;
			directories = at;
		} else if (takes(pattern, at.step, *at.text)) {
			if (*at.text == '/')
				star.step = NULL;
			at.step++;
			at.text++;
		} else if (!take_more(&star, &directories, &at)) {
			return false;
		}
	}
	return true;
}

/* ---- rules ---- */

static void rule_free(struct rule *rule)
{
	if (!rule)
		return;
	pattern_done(&rule->pattern);
	free(rule->base);
	free(rule);
}

static void rule_cleanup(struct rule **rule)
{
	rule_free(*rule);
}

/* Spaces at the end do not count, unless a backslash precedes them. */
static void trim(char *line)
{
	char *end = line;

	for (char *at = line; *at; at++) {
		if (*at == '\\' && at[1])
			at++;
		else if (*at == ' ')
			continue;
		end = at + 1;
	}
	*end = '\0';
}

/* What surrounds the pattern, which is returned: "!", and slashes that say
 * where it applies. */
static char *parse_line(char *line, struct rule *ret)
{
	size_t len;

	ret->negated = *line == '!';
	line += ret->negated;
	len = strlen(line);
	ret->directory_only = len > 0 && line[len - 1] == '/';
	if (ret->directory_only)
		line[len - 1] = '\0';
	ret->name_only = !strchr(line, '/');
	return *line == '/' ? line + 1 : line;
}

/* 0: *ret is the rule of the line; 1: no path could match it. */
static int rule_new(const char *base, char *line, struct rule **ret,
		    struct rvs_error *err)
{
	RVS_CLEANUP(rule_cleanup) struct rule *rule = calloc(1, sizeof(*rule));
	const char *text;

	if (!rule)
		return rvs_error_no_memory(err);
	text = parse_line(line, rule);
	if (*text == '\0')
		return 1;
	rule->base = strdup(base);
	if (!rule->base || pattern_reserve(&rule->pattern, text) < 0)
		return rvs_error_no_memory(err);
	if (compile(&rule->pattern, text) < 0)
		return 1;
	rule->base_len = strlen(base);
	rule->memory = sizeof(*rule) + rule->base_len + rule->pattern.memory;
	*ret = rvs_take(rule);
	return 0;
}

/* The part of @path that the rule goes by; NULL when it is not below its
 * base. */
static const char *below_base(const struct rule *rule, const char *path)
{
	if (rule->base_len == 0)
		return path;
	if (strncmp(path, rule->base, rule->base_len) != 0 ||
	    path[rule->base_len] != '/')
		return NULL;
	return path + rule->base_len + 1;
}

static bool rule_matches(const struct rule *rule, const char *path,
			 const char *name, bool is_directory)
{
	const char *text = below_base(rule, path);

	if (!text || (rule->directory_only && !is_directory))
		return false;
	return pattern_matches(&rule->pattern, rule->name_only ? name : text);
}

/* ---- the list ---- */

int rvs_match_new(struct rvs_match **ret, struct rvs_error *err)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : rvs_error_no_memory(err);
}

void rvs_match_free(struct rvs_match *match)
{
	if (!match)
		return;
	rvs_match_release(match, 0);
	free(match->rules);
	free(match);
}

void rvs_match_cleanup(struct rvs_match **match)
{
	rvs_match_free(*match);
}

static int add_rule(struct rvs_match *match, struct rule *rule)
{
	if (match->count == match->capacity) {
		size_t capacity = match->capacity ? 2 * match->capacity : 16;
		struct rule **rules = reallocarray(match->rules, capacity,
						   sizeof(*rules));

		if (!rules)
			return -1;
		match->rules = rules;
		match->capacity = capacity;
	}
	match->rules[match->count++] = rule;
	match->memory += rule->memory;
	return 0;
}

/* 0: added; 1: no path could match it.  @len excludes the line's end. */
static int add_line(struct rvs_match *match, const char *base, const char *text,
		    size_t len, struct rvs_error *err)
{
	RVS_CLEANUP(rule_cleanup) struct rule *rule = NULL;
	RVS_CLEANUP(rvs_cleanup_free) char *line = NULL;
	int r;

	if (len > RVS_MATCH_PATTERN_MAX)
		return rvs_error_set(err, RVS_ERR_REFUSED,
				     "a pattern is longer than %u bytes",
				     RVS_MATCH_PATTERN_MAX);
	line = strndup(text, len);
	if (!line)
		return rvs_error_no_memory(err);
	if (*line == '#')
		return 1;
	trim(line);
	r = rule_new(base, line, &rule, err);
	if (r != 0)
		return r;
	if (rule->memory > RVS_MATCH_MEMORY_MAX - match->memory)
		return rvs_error_set(err, RVS_ERR_REFUSED, "too many patterns");
	if (add_rule(match, rule) < 0)
		return rvs_error_no_memory(err);
	(void)rvs_take(rule);
	return 0;
}

int rvs_match_add_pattern(struct rvs_match *match, const char *base,
			  const char *pattern, struct rvs_error *err)
{
	int r = add_line(match, base, pattern, strlen(pattern), err);

	if (r > 0)
		return rvs_error_set(err, RVS_ERR_USAGE,
				     "no path can match the pattern \"%.200s\"",
				     pattern);
	return r;
}

int rvs_match_add_text(struct rvs_match *match, const char *base,
		       const char *text, size_t len, struct rvs_error *err)
{
	static const char mark[] = "\xef\xbb\xbf"; /* of UTF-8 */
	const char *end = text + len;
	unsigned number = 1;

	if (len >= strlen(mark) && !memcmp(text, mark, strlen(mark)))
		text += strlen(mark);
	for (; text < end; number++) {
		size_t left = (size_t)(end - text);
		const char *newline = memchr(text, '\n', left);
		size_t line = newline ? (size_t)(newline - text) : left;
		bool dos = line > 0 && text[line - 1] == '\r';
		int r = add_line(match, base, text, line - dos, err);

		if (r < 0)
			return rvs_error_context(err, "line %u", number);
		text += newline ? line + 1 : line;
	}
	return 0;
}

size_t rvs_match_mark(const struct rvs_match *match)
{
	return match->count;
}

void rvs_match_release(struct rvs_match *match, size_t mark)
{
	while (match->count > mark) {
		struct rule *rule = match->rules[--match->count];

		match->memory -= rule->memory;
		rule_free(rule);
	}
}

bool rvs_match_excludes(const struct rvs_match *match, const char *path,
			bool is_directory)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	size_t i;

	for (i = match->count; i-- > 0;)
		if (rule_matches(match->rules[i], path, name, is_directory))
			return !match->rules[i]->negated;
	return false;
}

bool rvs_match_is_cachedir_tag(const void *bytes, size_t len)
{
	static const char signature[] =
		"Signature: 8a477f597d28d172789f06886806bc55";

	return len >= strlen(signature) &&
	       !memcmp(bytes, signature, strlen(signature));
}
