/*
 * Goal: what each control file takes arrives as it was meant, in words and as
 * JSON alike, and what it does not take is refused with a text that helps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"

static int parse(enum text_file file, const char *text,
		 struct control_request *ret)
{
	struct rvs_error err = RVS_ERROR_INIT;
	int r;

	*ret = (struct control_request)CONTROL_REQUEST_INIT;
	r = control_parse(file, text, strlen(text), ret, &err);
	assert_int_equal(r, err.status);
	if (r < 0)
		assert_string_not_equal(err.text, "");
	return r;
}

static void assert_taken(enum text_file file, const char *text,
			 struct control_request *ret)
{
	if (parse(file, text, ret) < 0)
		fail_msg("refused: %s", text);
}

static void assert_refused(enum text_file file, const char *text,
			   const char *why)
{
	struct control_request request = CONTROL_REQUEST_INIT;
	struct rvs_error err = RVS_ERROR_INIT;

	if (control_parse(file, text, strlen(text), &request, &err) !=
	    RVS_ERR_USAGE)
		fail_msg("taken: %s", text);
	if (!strstr(err.text, why))
		fail_msg("'%s' does not say '%s'", err.text, why);
	control_request_done(&request);
}

static void assert_items(const struct control_list *list, const char *joined)
{
	char text[256] = "";
	size_t i;

	for (i = 0; i < list->count; i++) {
		strcat(text, list->items[i]);
		strcat(text, "|");
	}
	assert_string_equal(text, joined);
}

static void test_words_and_json_say_the_same(void **state)
{
	static const char *const texts[] = {
		"one full base=two a=1 b=x=y\n",
		"  full\tone b=x=y base=two a=1",
		("{\"name\": \"one\", \"full\": true, \"base\": \"two\", "
		 "\"nowait\": false, "
		 "\"metadata\": {\"a\": \"1\", \"b\": \"x=y\"}}"),
	};
	struct control_request request;
	size_t i;

	for (i = 0; i < 3; i++) {
		assert_taken(TEXT_CREATE, texts[i], &request);
		assert_string_equal(control_text(&request, "name"), "one");
		assert_string_equal(control_text(&request, "base"), "two");
		assert_true(control_flag(&request, "full"));
		assert_false(control_flag(&request, "nowait"));
		assert_int_equal(request.pair_count, 2);
		control_request_done(&request);
	}
}

static void test_nothing_is_a_request_too(void **state)
{
	static const enum text_file files[] = { TEXT_CREATE, TEXT_VERIFY,
						TEXT_COLLECT };
	struct control_request request;
	size_t i;

	for (i = 0; i < 3; i++) {
		assert_taken(files[i], " \n", &request);
		assert_null(control_text(&request, request.fields->name));
		control_request_done(&request);
		assert_taken(files[i], "{}", &request);
		control_request_done(&request);
	}
	assert_refused(TEXT_DELETE, "\n", "no snapshots given");
	assert_refused(TEXT_PIN, "{}", "no snapshots given");
	assert_refused(TEXT_RENAME, "one", "no name given");
}

static void test_lists(void **state)
{
	struct control_request request;

	assert_taken(TEXT_DELETE, "one two nowait", &request);
	assert_items(control_list(&request, "snapshots"), "one|two|");
	assert_true(control_flag(&request, "nowait"));
	control_request_done(&request);
	assert_taken(TEXT_DELETE, "{\"snapshots\": [\"nowait\", \"b\"]}",
		     &request);
	assert_items(control_list(&request, "snapshots"), "nowait|b|");
	assert_false(control_flag(&request, "nowait"));
	control_request_done(&request);
	assert_taken(TEXT_DELETE, "{\"snapshots\": \"one\"}", &request);
	assert_items(control_list(&request, "snapshots"), "one|");
	control_request_done(&request);
	assert_refused(TEXT_DELETE, "one one", "one is given twice");
	assert_refused(TEXT_DELETE, "{\"snapshots\": [1]}", "not a string");
	assert_refused(TEXT_DELETE, "{\"snapshots\": {}}", "not an array");
	assert_refused(TEXT_DELETE, "{\"snapshots\": []}", "no snapshots");
}

static void test_rules(void **state)
{
	static const char *const texts[] = {
		"keep-last=8 keep-within=7d keep-name=a* keep-name=b dry-run",
		"{\"keep-last\": 8, \"keep-within\": \"7d\", "
		"\"keep-name\": [\"a*\", \"b\"], \"dry-run\": true}",
	};
	struct control_request request;
	size_t i;

	for (i = 0; i < 2; i++) {
		assert_taken(TEXT_PRUNE, texts[i], &request);
		assert_string_equal(control_text(&request, "keep-last"), "8");
		assert_string_equal(control_text(&request, "keep-within"),
				    "7d");
		assert_null(control_text(&request, "keep-daily"));
		assert_items(control_list(&request, "keep-name"), "a*|b|");
		assert_true(control_flag(&request, "dry-run"));
		control_request_done(&request);
	}
	assert_refused(TEXT_POLICY, "keep-last=", "no number");
	assert_refused(TEXT_POLICY, "keep-last=-1", "no number");
	assert_refused(TEXT_POLICY, "keep-last=1000001", "no number");
	assert_refused(TEXT_POLICY, "keep-last=99999999999999999999",
		       "no number");
	assert_refused(TEXT_POLICY, "{\"keep-last\": \"8\"}", "not a number");
	assert_refused(TEXT_POLICY, "{\"keep-last\": -1}", "no number");
	assert_refused(TEXT_POLICY, "keep-last=1 keep-last=2", "twice");
	assert_refused(TEXT_POLICY, "keep-all=1", "not understood");
	assert_refused(TEXT_POLICY, "all", "not understood");
}

static void test_lines(void **state)
{
	struct control_request request;

	assert_taken(TEXT_SCHEDULE, "  daily  at\t03:00\n", &request);
	assert_string_equal(control_text(&request, "schedule"),
			    "daily at 03:00");
	control_request_done(&request);
	assert_taken(TEXT_SCHEDULE, "{\"schedule\": \"0 3 * * *\"}", &request);
	assert_string_equal(control_text(&request, "schedule"), "0 3 * * *");
	control_request_done(&request);
	assert_refused(TEXT_SCHEDULE, "\n", "no schedule given");
	assert_refused(TEXT_SCHEDULE, "daily at=03:00", "not understood");
}

static void test_what_a_file_does_not_take(void **state)
{
	assert_refused(TEXT_CREATE, "one two", "'two' is not understood");
	assert_refused(TEXT_CREATE, "=x", "empty key");
	assert_refused(TEXT_CREATE, "one a=1 a=2", "a is given twice");
	assert_refused(TEXT_CREATE, "base=", "base is empty");
	assert_refused(TEXT_CREATE, "base=a base=b", "base is given twice");
	assert_refused(TEXT_CREATE, "{\"name\": \"\"}", "name is empty");
	assert_refused(TEXT_CREATE, "{\"name\": 1}", "not a string");
	assert_refused(TEXT_CREATE, "{\"full\": 1}", "neither true nor false");
	assert_refused(TEXT_CREATE, "{\"metadata\": []}", "not an object");
	assert_refused(TEXT_CREATE, "{\"metadata\": {\"a\": 1}}", "a is not");
	assert_refused(TEXT_CREATE, "{\"a\": 1}", "'a' is not understood");
	assert_refused(TEXT_CREATE, "{", "not JSON");
	assert_refused(TEXT_CREATE, "{} x", "not JSON");
	assert_refused(TEXT_DELETE, "a=b", ".delete takes SNAPSHOT...");
	assert_refused(TEXT_RENAME, "a b c", "'c' is not understood");
	assert_refused(TEXT_COLLECT, "all", "'all' is not understood");
	assert_refused(TEXT_VERIFY, "{\"wait\": \"yes\"}", "neither");
}

static void test_limits(void **state)
{
	struct control_request request = CONTROL_REQUEST_INIT;
	struct rvs_error err = RVS_ERROR_INIT;
	char text[CONTROL_TEXT_MAX + 1];
	size_t len = 0;
	int i;

	memset(text, 'x', sizeof(text));
	assert_int_equal(control_parse(TEXT_CREATE, text, sizeof(text),
				       &request, &err), RVS_ERR_USAGE);
	control_request_done(&request);
	assert_int_equal(control_parse(TEXT_CREATE, text, CONTROL_TEXT_MAX,
				       &request, &err), 0);
	control_request_done(&request);
	assert_int_equal(control_parse(TEXT_CREATE, "a\0b", 3, &request, &err),
			 RVS_ERR_USAGE);
	control_request_done(&request);

	for (i = 0; i <= CONTROL_PAIRS_MAX; i++)
		len += (size_t)sprintf(text + len, "k%d=v ", i);
	assert_refused(TEXT_CREATE, text, "more than");
}

static void test_a_word_may_look_like_anything(void **state)
{
	struct control_request request = CONTROL_REQUEST_INIT;
	struct rvs_error err = RVS_ERROR_INIT;

	assert_int_equal(control_add_word(TEXT_CREATE, "full", &request, &err),
			 0);
	assert_string_equal(control_text(&request, "name"), "full");
	assert_false(control_flag(&request, "full"));
	assert_int_equal(control_add_word(TEXT_CREATE, "x", &request, &err),
			 RVS_ERR_USAGE);
	control_request_done(&request);
}

static void test_names(void **state)
{
	int file;

	for (file = 0; file < TEXT_FILES; file++)
		assert_int_equal(control_file_named(control_file(file)->name),
				 file);
	assert_int_equal(control_file_named("create"), TEXT_FILES);
	assert_int_equal(control_file_named(""), TEXT_FILES);
}

static void test_help_tells_of_every_file(void **state)
{
	char *help = control_help();
	int file;

	assert_non_null(help);
	for (file = 0; file < TEXT_FILES; file++) {
		assert_non_null(strstr(help, control_file(file)->name));
		assert_non_null(strstr(help, control_file(file)->purpose));
		if (file < TEXT_CONTROLS)
			assert_non_null(strstr(help,
					       control_file(file)->usage));
	}
	free(help);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_and_json_say_the_same),
		cmocka_unit_test(test_nothing_is_a_request_too),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_what_a_file_does_not_take),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_a_word_may_look_like_anything),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_help_tells_of_every_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
