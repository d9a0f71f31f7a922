/*
 * Goal: exclude patterns mean what gitignore(5) says, as git itself reads it,
 * and no pattern, however hostile, takes long or much.
 */
#include "sandbox.h"

#include <time.h>

#include "source/match.h"

static void put_text(struct rvs_match *match, const char *base,
		     const char *text)
{
	struct rvs_error err = RVS_ERROR_INIT;

	expect_ok(rvs_match_add_text(match, base, text, strlen(text), &err),
		  err);
}

static struct rvs_match *new_match(const char *text)
{
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_match *match;

	expect_ok(rvs_match_new(&match, &err), err);
	put_text(match, "", text);
	return match;
}

/* "dir/" asks for the directory "dir". */
static bool excludes(const struct rvs_match *match, const char *path)
{
	RVS_CLEANUP(rvs_cleanup_free) char *copy = strdup(path);
	size_t len = strlen(path);
	bool is_directory = path[len - 1] == '/';

	assert_non_null(copy);
	copy[len - is_directory] = '\0';
	return rvs_match_excludes(match, copy, is_directory);
}

struct sample {
	const char *text;
	const char *excluded[4];
	const char *included[5];
};

static void expect_samples(const struct sample *samples, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		RVS_CLEANUP(rvs_match_cleanup)
		struct rvs_match *match = new_match(samples[i].text);
		const char *const *path;

		for (path = samples[i].excluded; *path; path++)
			if (!excludes(match, *path))
				fail_msg("\"%s\" includes \"%s\"",
					 samples[i].text, *path);
		for (path = samples[i].included; *path; path++)
			if (excludes(match, *path))
				fail_msg("\"%s\" excludes \"%s\"",
					 samples[i].text, *path);
	}
}

#define expect_all(samples) \
	expect_samples(samples, sizeof(samples) / sizeof(*(samples)))

static void test_lines(void **state)
{
	static const struct sample samples[] = {
		{ "", { NULL }, { "a" } },
		{ "\n \n#a\n", { NULL }, { "#a", " ", "a" } },
		{ "\\#a", { "#a" }, { "a", "\\#a" } },
		{ "\\!a", { "!a" }, { "a" } },
		{ "a  ", { "a" }, { "a  " } },
		{ "a\\ ", { "a " }, { "a" } },
		{ "a\\  ", { "a " }, { "a", "a  " } },
		{ " a", { " a" }, { "a" } },
		{ "a\t", { "a\t" }, { "a" } },
		{ "a\r\nb\r", { "a", "b" }, { "a\r" } },
		{ "\xef\xbb\xbf" "a", { "a" }, { NULL } },
		{ "a\n!a", { NULL }, { "a" } },
		{ "*\n!a\n", { "b" }, { "a" } },
		{ "!a\na\n", { "a" }, { NULL } },
		{ "!\n/\n//\n!/\n", { NULL }, { "a", "a/", "!" } },
	};

	expect_all(samples);
}

static void test_anchors(void **state)
{
	static const struct sample samples[] = {
		{ "a", { "a", "a/", "b/a" }, { "ab", "a/b" } },
		{ "/a", { "a", "a/" }, { "b/a" } },
		{ "a/", { "a/", "b/a/" }, { "a", "b/a" } },
		{ "/a/", { "a/" }, { "a", "b/a/" } },
		{ "a/b", { "a/b" }, { "b", "c/a/b", "a/b/c" } },
		{ "a/b/", { "a/b/" }, { "a/b", "c/a/b/" } },
		{ "//a", { NULL }, { "a", "b/a" } },
		{ "a\\/b", { "a/b" }, { "b/a/b" } },
	};

	expect_all(samples);
}

static void test_wildcards(void **state)
{
	static const struct sample samples[] = {
		{ "*", { "a", ".a", "a/b" }, { NULL } },
		{ "/*", { "a" }, { "a/b" } },
		{ "*.log", { "a.log", ".log", "b/a.log" }, { "a.logs" } },
		{ "a*b*c", { "abc", "axbbxc" }, { "abcd", "acb" } },
		{ "a?c", { "abc", "a/a?c" }, { "ac", "abbc" } },
		{ "a/?", { "a/b" }, { "a/bc", "a/b/c" } },
		{ "a?b/c", { "axb/c" }, { "a/b/c" } },
		{ "a*b/c", { "ab/c", "axb/c" }, { "a/b/c", "axb/b/c" } },
		{ "a/*", { "a/b" }, { "a/b/c", "a" } },
		{ "\\*", { "*" }, { "a" } },
		{ "\\a\\?", { "a?" }, { "ab" } },
		{ "a\\", { NULL }, { "a", "a\\" } },
		{ "a**", { "a", "ab" }, { "b" } },
		{ "a**/b", { "a/b", "ac/b" }, { "a/c/b" } },
	};

	expect_all(samples);
}

static void test_sets(void **state)
{
	static const struct sample samples[] = {
		{ "[ab]", { "a", "b" }, { "c", "ab" } },
		{ "[!ab]", { "c" }, { "a", "b" } },
		{ "[^a]", { "b" }, { "a" } },
		{ "[a-c]x", { "ax", "bx", "cx" }, { "dx", "-x" } },
		{ "[]a]", { "]", "a" }, { "b" } },
		{ "[!]a]", { "b" }, { "]", "a" } },
		{ "[a-]", { "a", "-" }, { "b" } },
		{ "[-a]", { "a", "-" }, { "b" } },
		{ "[\\]a]", { "]", "a" }, { "\\" } },
		{ "[a-c-e]", { "b", "-", "e" }, { "d" } },
		{ "[c-a]", { "c" }, { "a", "b", "-" } }, /* "c" itself counts */
		{ "[[:digit:]x]", { "7", "x" }, { "d", ":" } },
		{ "[![:upper:]]", { "a" }, { "A" } },
		{ "[[:x]", { "[", ":", "x" }, { "]" } },
		{ "[[:]", { "[", ":" }, { "]" } },
		{ "[[:nope:]]", { NULL }, { "n", ":" } },
		{ "[a", { NULL }, { "a", "[a" } },
		{ "[", { NULL }, { "[" } },
		{ "a[/]b", { NULL }, { "a/b" } },
		{ "a[!x]b/c", { "ayb/c" }, { "a/b/c" } },
		{ "[\xf0-\xff]", { "\xfe" }, { "a", "\x80" } },
	};

	expect_all(samples);
}

static void test_directories(void **state)
{
	static const struct sample samples[] = {
		{ "**/a", { "a", "b/a", "b/c/a" }, { "b/ca", "a/b" } },
		{ "**/a/b", { "a/b", "c/a/b" }, { "a/c/b", "b" } },
		{ "a/**", { "a/b", "a/b/c" }, { "a", "a/", "b/a/c" } },
		{ "a/**/", { "a/b/" }, { "a/", "a/b" } },
		{ "a/**/b", { "a/b", "a/c/b", "a/c/d/b" }, { "a/cb", "b" } },
		{ "a/***/b", { "a/b", "a/c/b" }, { "a/cb" } },
		{ "**/a/**/b", { "a/b", "c/a/d/b" }, { "b/a" } },
		{ "a/**/*b/c", { "a/xb/c", "a/d/b/c" }, { "a/b/d/c" } },
		{ "**/*a/*b", { "xa/yb", "a/ca/cb" }, { "a/c/b" } },
		{ "/**", { "a", "a/b" }, { NULL } },
		{ "**/", { "a/", "a/b/" }, { "a", "a/b" } },
		{ "**", { "a", "a/b" }, { NULL } },
		{ "**/**/a/**/**", { "a/b", "c/a/b" }, { "a" } },
		{ "a/**b", { "a/b", "a/cb" }, { "a/c/b" } },
	};

	expect_all(samples);
}

static void test_rules_end_with_their_directory(void **state)
{
	RVS_CLEANUP(rvs_match_cleanup) struct rvs_match *match =
		new_match("*.tmp\n");
	size_t mark = rvs_match_mark(match);

	put_text(match, "a/b", "/c\n!d.tmp\nx/y\n");
	assert_true(excludes(match, "a/b/c"));
	assert_true(excludes(match, "a/b/x/y"));
	assert_true(excludes(match, "e.tmp"));
	assert_false(excludes(match, "a/b/d.tmp"));
	assert_true(excludes(match, "a/d.tmp"));
	assert_false(excludes(match, "a/b/e/c"));
	assert_false(excludes(match, "a/bb/c"));
	assert_false(excludes(match, "a/bxc"));
	assert_false(excludes(match, "c"));
	rvs_match_release(match, mark);
	assert_int_equal(rvs_match_mark(match), mark);
	assert_true(excludes(match, "a/b/d.tmp"));
	assert_false(excludes(match, "a/b/c"));
}

static void test_a_pattern_that_matches_nothing_is_a_mistake(void **state)
{
	static const char *const useless[] = { "",  "  ", "#a", "!",  "/",
					       "[", "a\\", "[[:x:]]" };
	RVS_CLEANUP(rvs_match_cleanup) struct rvs_match *match = new_match("");
	struct rvs_error err = RVS_ERROR_INIT;

	for (size_t i = 0; i < sizeof(useless) / sizeof(*useless); i++)
		expect_status(rvs_match_add_pattern(match, "", useless[i],
						    &err),
			      RVS_ERR_USAGE, err);
	assert_int_equal(rvs_match_mark(match), 0);
	expect_ok(rvs_match_add_pattern(match, "", "*.tmp", &err), err);
	assert_true(excludes(match, "a.tmp"));
}

/* ---- limits ---- */

static char *repeat(const char *text, size_t times)
{
	size_t len = strlen(text);
	char *ret = malloc(len * times + 1);

	assert_non_null(ret);
	for (size_t i = 0; i < times; i++)
		memcpy(ret + i * len, text, len);
	ret[len * times] = '\0';
	return ret;
}

static void test_long_patterns_are_refused(void **state)
{
	RVS_CLEANUP(rvs_cleanup_free)
	char *longest = repeat("a", RVS_MATCH_PATTERN_MAX);
	RVS_CLEANUP(rvs_cleanup_free)
	char *text = repeat("a", RVS_MATCH_PATTERN_MAX + 3);
	RVS_CLEANUP(rvs_match_cleanup) struct rvs_match *match = new_match("");
	struct rvs_error err = RVS_ERROR_INIT;

	memcpy(text, "b\n", 2);
	expect_status(rvs_match_add_text(match, "", text, strlen(text), &err),
		      RVS_ERR_REFUSED, err);
	assert_non_null(strstr(err.text, "line 2"));
	expect_ok(rvs_match_add_pattern(match, "", longest, &err), err);
}

static void test_memory_is_bounded(void **state)
{
	RVS_CLEANUP(rvs_cleanup_free) char *set = repeat("[", 4000);
	RVS_CLEANUP(rvs_match_cleanup) struct rvs_match *match = new_match("");
	struct rvs_error err = RVS_ERROR_INIT;
	int r = 0, added;

	set[3999] = ']';
	for (added = 0; r == 0 && added < 1000; added++)
		r = rvs_match_add_pattern(match, "", set, &err);
	expect_status(r, RVS_ERR_REFUSED, err);
	assert_true(excludes(match, "["));
	rvs_match_release(match, 0);
	expect_ok(rvs_match_add_pattern(match, "", set, &err), err);
}

static double seconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Any of them would take a backtracking matcher for ever. */
static void test_hostile_patterns_end_soon(void **state)
{
	static const struct {
		const char *pattern, *pattern_end, *path, *path_end;
	} hostile[] = {
		{ "*a", "b", "a", "" },
		{ "a*", "b", "a", "" },
		{ "*?", "b", "a", "" },
		{ "**/a/", "b", "a/", "a" },
		{ "**/*a*/", "b", "aa/", "a" },
		{ "*a*/", "b", "aaaaaa/", "a" },
		{ "**/", "b", "a/", "a" },
		{ "*[ab]", "c", "a", "" },
	};
	double start = seconds();

	for (size_t i = 0; i < sizeof(hostile) / sizeof(*hostile); i++) {
		RVS_CLEANUP(rvs_cleanup_free)
		char *many = repeat(hostile[i].pattern, 500);
		RVS_CLEANUP(rvs_cleanup_free)
		char *deep = repeat(hostile[i].path, 500);
		char pattern[4097], path[4097];
		struct rvs_match *match;

		(void)snprintf(pattern, sizeof(pattern), "%s%s", many,
			       hostile[i].pattern_end);
		(void)snprintf(path, sizeof(path), "%s%s", deep,
			       hostile[i].path_end);
		match = new_match(pattern);
		assert_int_equal(rvs_match_mark(match), 1);
		assert_false(excludes(match, path));
		rvs_match_free(match);
	}
	assert_true(seconds() - start < 5);
}

static void test_cachedir_tag(void **state)
{
	static const char tag[] =
		"Signature: 8a477f597d28d172789f06886806bc55\n# a cache\n";

	assert_true(rvs_match_is_cachedir_tag(tag, strlen(tag)));
	assert_true(rvs_match_is_cachedir_tag(tag, 43));
	assert_false(rvs_match_is_cachedir_tag(tag, 42));
	assert_false(rvs_match_is_cachedir_tag(tag + 1, strlen(tag) - 1));
	assert_false(rvs_match_is_cachedir_tag("", 0));
}

/* ---- against git ---- */

enum { CASES = 400, LINES_MAX = 4 };

enum { DIRECTORIES = 9, NAMES = 12 };

static const char *const directories[DIRECTORIES] = {
	"", "a", "b", "ab", "a/b", "a/ab", "b/a", "a/b/a", "a/ab/b",
};
static const char *const names[NAMES] = {
	"c", "ac", "cab", "a c", "c ", "#c", "!c", "*", "[c]", "c\\", "A", "-]",
};

struct dice {
	uint64_t seed;
};

static size_t roll(struct dice *dice, size_t sides)
{
	uint64_t value;

	fill_random(&value, sizeof(value), dice->seed++);
	return value % sides;
}

static void append(struct rvs_buf *buf, const char *text)
{
	rvs_buf_put(buf, text, strlen(text));
}

/* What git 2.39 reads unlike its manual is left out: stars beside a letter
 * ("a**" before a slash), and an escaped slash after "**". */
static void put_component(struct dice *dice, struct rvs_buf *buf)
{
	static const char *const pieces[] = {
		"a", "b", "c", "ab", "?", /* the plain ones */
		"[ab]", "[!a]", "[^c]", "[a-b]", "[A-Z]", "[b-]", "[]-]",
		"[\\]]", "[?-]]", "[[]", "[[:x]", "[[:alpha:]]",
		"[![:upper:]#]", "[[:foo:]]", "[", "[a",
		"\\a", "\\*", "\\ ", "\\[", "\\\\", "A", " ", "#", "!",
	};
	size_t count = sizeof(pieces) / sizeof(*pieces);
	size_t length = 1 + roll(dice, 3);

	if (roll(dice, 4) == 0) {
		append(buf, roll(dice, 8) ? "**" : "***");
		return;
	}
	for (size_t i = 0; i < length; i++) {
		/* Half of them plain, or hardly any would match. */
		append(buf, pieces[roll(dice, roll(dice, 2) ? 5 : count)]);
		if (roll(dice, 3) == 0)
			append(buf, "*");
	}
}

static void put_line(struct dice *dice, struct rvs_buf *buf)
{
	size_t length = 1 + roll(dice, 3);

	append(buf, roll(dice, 4) ? "" : "!");
	append(buf, roll(dice, 5) ? "" : "/");
	for (size_t i = 0; i < length; i++) {
		append(buf, i ? "/" : "");
		put_component(dice, buf);
	}
	append(buf, roll(dice, 4) ? "" : "/");
	append(buf, roll(dice, 9) ? "" : " ");
	append(buf, roll(dice, 9) ? "\n" : "\r\n");
}

/* The paths of the tree, each with its NUL. */
static struct rvs_buf make_tree(void)
{
	struct rvs_buf paths = RVS_BUF_INIT;
	char path[128];

	for (size_t i = 0; i < DIRECTORIES; i++) {
		const char *dir = directories[i];

		if (*dir) {
			assert_int_equal(mkdir(dir, 0755), 0);
			rvs_buf_put(&paths, dir, strlen(dir) + 1);
		}
		for (size_t j = 0; j < NAMES; j++) {
			(void)snprintf(path, sizeof(path), "%s%s%s", dir,
				       *dir ? "/" : "", names[j]);
			write_text(path, "");
			rvs_buf_put(&paths, path, strlen(path) + 1);
		}
	}
	return paths;
}

/* One ignore file a directory, NULL for none. */
struct ignores {
	char *texts[DIRECTORIES];
};

static void ignores_done(struct ignores *ignores)
{
	for (size_t i = 0; i < DIRECTORIES; i++)
		free(ignores->texts[i]);
}

static struct ignores make_ignores(struct dice *dice)
{
	struct ignores ret = { { NULL } };
	char path[128];

	for (size_t i = 0; i < DIRECTORIES; i++) {
		struct rvs_buf text = RVS_BUF_INIT;
		size_t lines = 1 + roll(dice, LINES_MAX);

		(void)snprintf(path, sizeof(path), "./%s/.gitignore",
			       directories[i]);
		(void)unlink(path);
		if (i > 0 && roll(dice, 4))
			continue;
		while (lines-- > 0)
			put_line(dice, &text);
		rvs_buf_put_u8(&text, '\0');
		ret.texts[i] = (char *)text.bytes;
		write_text(path, ret.texts[i]);
	}
	return ret;
}

/* Its place in directories[], or -1. */
static int directory_of(const char *path)
{
	for (size_t i = 0; i < DIRECTORIES; i++)
		if (!strcmp(directories[i], path))
			return (int)i;
	return -1;
}

/* As a walk that comes to @path asks. */
static bool walk_excludes(const struct ignores *ignores, const char *path)
{
	RVS_CLEANUP(rvs_match_cleanup)
	struct rvs_match *match = new_match(ignores->texts[0]);
	RVS_CLEANUP(rvs_cleanup_free) char *copy = strdup(path);
	char *slash;

	assert_non_null(copy);
	for (slash = strchr(copy, '/'); slash; slash = strchr(slash + 1, '/')) {
		const char *text;

		*slash = '\0';
		if (rvs_match_excludes(match, copy, true))
			return true;
		text = ignores->texts[directory_of(copy)];
		if (text)
			put_text(match, copy, text);
		*slash = '/';
	}
	return rvs_match_excludes(match, path, directory_of(path) > 0);
}

static struct rvs_buf ask_git(void)
{
	FILE *git = popen("git check-ignore --no-index -z --stdin <.git/paths",
			  "r");
	struct rvs_buf ret = RVS_BUF_INIT;
	int c;

	assert_non_null(git);
	while ((c = getc(git)) != EOF)
		rvs_buf_put_u8(&ret, (uint8_t)c);
	assert_true(WEXITSTATUS(pclose(git)) <= 1);
	return ret;
}

/* Git names what it excludes, in the order it was asked.  Returns how many. */
static size_t compare_with_git(const struct ignores *ignores,
			       const struct rvs_buf *paths, int number)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf excluded = ask_git();
	const char *path = (const char *)paths->bytes;
	const char *git = (const char *)excluded.bytes;
	const char *git_end = git + excluded.len;
	size_t count = 0;

	while (path < (const char *)paths->bytes + paths->len) {
		bool ours = walk_excludes(ignores, path);
		bool theirs = git < git_end && !strcmp(git, path);

		if (ours != theirs)
			fail_msg("case %d: git %s \"%s\", the root says \"%s\"",
				 number, theirs ? "excludes" : "includes", path,
				 ignores->texts[0]);
		if (theirs)
			git += strlen(git) + 1;
		count += theirs;
		path += strlen(path) + 1;
	}
	assert_ptr_equal(git, git_end);
	return count;
}

static bool has_git(void)
{
	return setenv("HOME", "/nonexistent", 1) == 0 &&
	       setenv("XDG_CONFIG_HOME", "/nonexistent", 1) == 0 &&
	       setenv("GIT_CONFIG_NOSYSTEM", "1", 1) == 0 &&
	       unsetenv("GIT_DIR") == 0 && unsetenv("GIT_WORK_TREE") == 0 &&
	       system("git init -q . >git.log 2>&1") == 0;
}

static void test_git_agrees(void **state)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf paths = RVS_BUF_INIT;
	struct dice dice = { 1 };
	size_t excluded = 0, asked = 0;

	if (!has_git()) {
		skip();
		return;
	}
	paths = make_tree();
	write_file(".git/paths", paths.bytes, paths.len);
	for (int i = 0; i < CASES; i++) {
		RVS_CLEANUP(ignores_done) struct ignores ignores =
			make_ignores(&dice);

		excluded += compare_with_git(&ignores, &paths, i);
		asked += DIRECTORIES * (NAMES + 1) - 1; /* not the root */
	}
	print_message("# %zu of %zu paths excluded\n", excluded, asked);
	/* Patterns that match everything, or nothing, would prove little. */
	assert_in_range(excluded, asked / 20, asked - asked / 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_anchors),
		cmocka_unit_test(test_wildcards),
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_directories),
		cmocka_unit_test(test_rules_end_with_their_directory),
		cmocka_unit_test(
			test_a_pattern_that_matches_nothing_is_a_mistake),
		cmocka_unit_test(test_long_patterns_are_refused),
		cmocka_unit_test(test_memory_is_bounded),
		cmocka_unit_test(test_hostile_patterns_end_soon),
		cmocka_unit_test(test_cachedir_tag),
		sandbox_test(test_git_agrees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
