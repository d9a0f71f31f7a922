/*
 * Goal: the text is what Prometheus parses, whatever bytes a label holds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "metrics.h"

struct text {
	FILE *out;
	char *bytes;
	size_t len;
};

static int begin(void **state)
{
	struct text *text = calloc(1, sizeof(*text));

	text->out = open_memstream(&text->bytes, &text->len);
	*state = text;
	return 0;
}

static int end(void **state)
{
	struct text *text = *state;

	fclose(text->out);
	free(text->bytes);
	free(text);
	return 0;
}

static const char *written(void **state)
{
	struct text *text = *state;

	fflush(text->out);
	return text->bytes;
}

static FILE *out(void **state)
{
	struct text *text = *state;

	return text->out;
}

static void test_one_number(void **state)
{
	metrics_one(out(state), "a_bytes", METRIC_GAUGE, "How many.", 42);
	assert_string_equal(written(state), "# HELP a_bytes How many.\n"
					    "# TYPE a_bytes gauge\n"
					    "a_bytes 42\n");
}

static void test_a_counter_with_labels(void **state)
{
	const struct metric_label labels[] = {
		{ "verb", "create" }, { "result", "done" }, { NULL, NULL },
	};

	metrics_begin(out(state), "a_total", METRIC_COUNTER, "Count.");
	metrics_add(out(state), "a_total", labels, 7);
	assert_string_equal(written(state),
			    "# HELP a_total Count.\n"
			    "# TYPE a_total counter\n"
			    "a_total{verb=\"create\",result=\"done\"} 7\n");
}

static void test_labels_of_any_bytes(void **state)
{
	const struct metric_label labels[] = {
		{ "path", "a\"b\\c\nd\xff" }, { NULL, NULL },
	};

	metrics_add(out(state), "a", labels, 1);
	assert_string_equal(written(state),
			    "a{path=\"a\\\"b\\\\c\\\\nd\\\\xff\"} 1\n");
}

static void test_numbers(void **state)
{
	metrics_add(out(state), "a", NULL, 0);
	metrics_add(out(state), "a", NULL, 270553174016.0);
	metrics_add(out(state), "a", NULL, 0.5);
	metrics_add(out(state), "a", NULL, 1e30);
	assert_string_equal(written(state), "a 0\na 270553174016\na 0.5\n"
					    "a 1e+30\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_number, begin, end),
		cmocka_unit_test_setup_teardown(test_a_counter_with_labels,
						begin, end),
		cmocka_unit_test_setup_teardown(test_labels_of_any_bytes,
						begin, end),
		cmocka_unit_test_setup_teardown(test_numbers, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
