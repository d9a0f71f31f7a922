/*
 * Output: names, sizes and counts as people read them, JSON as programs do.
 *
 * Whatever comes from outside, a name, a path or a message that holds one, is
 * printed by print_escaped() or as JSON, never by printf's %s.
 */
#ifndef RUVSNAP_OUTPUT_H
#define RUVSNAP_OUTPUT_H

#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

/* What harms a terminal escaped, see rvs_printable(). */
void print_escaped(FILE *to, const char *text);

/* "17.3 MiB"; returns @ret. */
#define SIZE_TEXT 16
const char *format_size(uint64_t bytes, char ret[SIZE_TEXT]);

/* "1 file", "3 files"; returns @ret. */
#define COUNT_TEXT 48
const char *format_count(uint64_t count, const char *one, const char *many,
			 char ret[COUNT_TEXT]);

/* What begins and ends a colour; empty unless @to is a terminal that shows
 * colours and $NO_COLOR is empty. */
enum colour { PLAIN, RED, GREEN, YELLOW };
const char *colour(FILE *to, enum colour colour);

/* A string of any bytes: those that are no UTF-8 become "\xHH", a backslash is
 * doubled. */
json_t *json_bytes(const char *text);

/* Print JSON that came as text, with a newline; NULL is "null".  What JSON may
 * hold and a terminal may not is written as \uXXXX. */
void print_json_text(const char *text);

/* Print and free @json, with a newline; an exit code.  One line with
 * --json=lines, else as @flags say. */
int print_json(json_t *json, size_t flags);

/* The same as a line of its own among others, sent at once. */
void print_json_line(json_t *json);

/* An exit code: whether all that was printed arrived. */
int finish_output(void);

#endif
