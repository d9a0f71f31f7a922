/*
 * Goal: whatever bytes a name has, what is printed of it is UTF-8, on one line,
 * and moves no cursor; and text that does no harm stays as it is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rvs/printable.h>

static void assert_becomes(const char *bytes, const char *expected)
{
	char *text = rvs_printable(bytes);

	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
}

static void test_text_stays(void **state)
{
	assert_becomes("", "");
	assert_becomes("plain ~ \\ text", "plain ~ \\ text");
	assert_becomes("ünïcödé 日本語 😀", "ünïcödé 日本語 😀");
	assert_becomes("\u00a0\ud7ff\ue000\U0010ffff",
		       "\u00a0\ud7ff\ue000\U0010ffff");
}

static void test_control_characters_are_escaped(void **state)
{
	char byte[2] = "", expected[8];
	int c;

	assert_becomes("a\nb\tc", "a\\nb\\tc");
	assert_becomes("\033[2J\r\a\x7f", "\\x1b[2J\\x0d\\x07\\x7f");
	for (c = 1; c < 0x20; c++) {
		if (c == '\n' || c == '\t')
			continue;
		byte[0] = (char)c;
		(void)snprintf(expected, sizeof(expected), "\\x%02x", c);
		assert_becomes(byte, expected);
	}
	/* CSI of the C1 set, which some terminals obey. */
	assert_becomes("\xc2\x9b" "2J", "\\xc2\\x9b2J");
}

static void test_bytes_that_are_no_utf8_are_escaped(void **state)
{
	assert_becomes("\xff\xfe", "\\xff\\xfe");
	assert_becomes("latin1-\xe9", "latin1-\\xe9");
	assert_becomes("cut \xe6\x97", "cut \\xe6\\x97");
	assert_becomes("\xc0\xaf", "\\xc0\\xaf");             /* overlong */
	assert_becomes("\xe0\x80\xaf", "\\xe0\\x80\\xaf");
	assert_becomes("\xed\xa0\x80", "\\xed\\xa0\\x80");     /* surrogate */
	assert_becomes("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80");
	assert_becomes("\x80", "\\x80");
}

static void test_what_turns_the_direction_is_escaped(void **state)
{
	assert_becomes("txt.\u202egnp", "txt.\\xe2\\x80\\xaegnp");
	assert_becomes("a\u2028b", "a\\xe2\\x80\\xa8b");
	assert_becomes("\u2066\u2069", "\\xe2\\x81\\xa6\\xe2\\x81\\xa9");
	assert_becomes("\u2027\u202f\u2065\u206a", "\u2027\u202f\u2065\u206a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_stays),
		cmocka_unit_test(test_control_characters_are_escaped),
		cmocka_unit_test(test_bytes_that_are_no_utf8_are_escaped),
		cmocka_unit_test(test_what_turns_the_direction_is_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
