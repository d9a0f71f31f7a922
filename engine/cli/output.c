#include "output.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rvs/printable.h>

#include "command.h"

void print_escaped(FILE *to, const char *text)
{
	char *printable = rvs_printable(text);

	(void)fputs(printable ? printable : "?", to);
	free(printable);
}

const char *format_size(uint64_t bytes, char ret[SIZE_TEXT])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB",
					     "PiB", "EiB" };
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1024 && unit + 1 < sizeof(units) / sizeof(*units)) {
		value /= 1024;
		unit++;
	}
	(void)snprintf(ret, SIZE_TEXT, unit ? "%.1f %s" : "%.0f %s", value,
		       units[unit]);
	return ret;
}

const char *format_count(uint64_t count, const char *one, const char *many,
			 char ret[COUNT_TEXT])
{
	(void)snprintf(ret, COUNT_TEXT, "%" PRIu64 " %s", count,
		       count == 1 ? one : many);
	return ret;
}

static bool shows_colours(FILE *to)
{
	const char *none = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fileno(to)) && !(none && *none) && term &&
	       strcmp(term, "dumb") != 0;
}

const char *colour(FILE *to, enum colour colour)
{
	static const char *const codes[] = { "\033[m", "\033[31m", "\033[32m",
					     "\033[33m" };

	return shows_colours(to) ? codes[colour] : "";
}

json_t *json_bytes(const char *text)
{
	size_t len = strlen(text);
	char *escaped = malloc(4 * len + 1), *to = escaped;
	json_t *json = NULL;

	if (!escaped)
		return NULL;
	while (*text) {
		size_t n = 1;

		/* The shortest run that is UTF-8 by itself. */
		while (n <= 4 && strnlen(text, n) == n &&
		       !(json = json_stringn(text, n)))
			n++;
		if (n > 4 || strnlen(text, n) < n) {
			to += sprintf(to, "\\x%02x", (unsigned char)*text++);
			continue;
		}
		json_decref(json);
		if (*text == '\\')
			*to++ = '\\';
		memcpy(to, text, n);
		to += n;
		text += n;
	}
	json = json_stringn(escaped, (size_t)(to - escaped));
	free(escaped);
	return json;
}

/* What rvs_printable() would escape and JSON holds as it is: DEL, C1 controls,
 * and the characters from U+2028 to U+2069 that turn the direction of writing
 * or end a line.  Only strings have them.  Length in bytes, 0: it is none. */
static size_t raw_control(const char *at, unsigned *ret)
{
	const unsigned char *c = (const unsigned char *)at;

	*ret = c[0];
	if (c[0] == 0x7f)
		return 1;
	if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f) {
		*ret = c[1];
		return 2;
	}
	if (c[0] != 0xe2 || (c[1] != 0x80 && c[1] != 0x81))
		return 0;
	*ret = 0x2000u | (c[1] & 0x3fu) << 6 | (c[2] & 0x3fu);
	return (*ret >= 0x2028 && *ret <= 0x202e) ||
			       (*ret >= 0x2066 && *ret <= 0x2069) ?
		       3 :
		       0;
}

static void put_json(const char *text)
{
	unsigned character;
	size_t len;

	while (*text) {
		len = raw_control(text, &character);
		if (len)
			(void)printf("\\u%04x", character);
		else
			(void)putchar(*text);
		text += len ? len : 1;
	}
	(void)putchar('\n');
}

void print_json_text(const char *text)
{
	put_json(text ? text : "null");
}

/* -1: out of memory. */
static int print_and_free(json_t *json, size_t flags)
{
	char *text = json ? json_dumps(json, flags) : NULL;

	json_decref(json);
	if (!text)
		return -1;
	put_json(text);
	free(text);
	return 0;
}

int print_json(json_t *json, size_t flags)
{
	if (print_and_free(json, prints_lines() ? 0 : flags) < 0) {
		(void)fputs("ruvsnap: cannot print JSON\n", stderr);
		return EXIT_FAILED;
	}
	return finish_output();
}

void print_json_line(json_t *json)
{
	(void)print_and_free(json, 0); /* the job goes on without the line */
	(void)fflush(stdout);          /* a failure shows at the end */
}

int finish_output(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return EXIT_DONE;
	perror("ruvsnap: standard output");
	return EXIT_FAILED;
}
