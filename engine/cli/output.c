#include "output.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

void print_escaped(FILE *to, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '\n')
			(void)fputs("\\n", to);
		else if (c == '\t')
			(void)fputs("\\t", to);
		else if (c < 0x20 || c == 0x7f)
			(void)fprintf(to, "\\x%02x", c);
		else
			(void)fputc(c, to);
	}
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

int print_json(json_t *json, size_t flags)
{
	int r = json ? json_dumpf(json, stdout, flags) : -1;

	json_decref(json);
	(void)putchar('\n');
	if (r < 0) {
		(void)fputs("ruvsnap: cannot print JSON\n", stderr);
		return EXIT_FAILED;
	}
	return finish_output();
}

int finish_output(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return EXIT_DONE;
	perror("ruvsnap: standard output");
	return EXIT_FAILED;
}
