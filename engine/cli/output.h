/*
 * Output: names and sizes as people read them.
 */
#ifndef RUVSNAP_OUTPUT_H
#define RUVSNAP_OUTPUT_H

#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

/* Control characters become \n, \t, \\ or \xHH, so that no name can play
 * tricks on a terminal.  Bytes from 0x80 on stay. */
void print_escaped(FILE *to, const char *text);

/* "17.3 MiB"; returns @ret. */
#define SIZE_TEXT 16
const char *format_size(uint64_t bytes, char ret[SIZE_TEXT]);

/* A string of any bytes: those that are no UTF-8 become "\xHH", a backslash is
 * doubled. */
json_t *json_bytes(const char *text);

/* Print and free @json, with a newline; an exit code. */
int print_json(json_t *json, size_t flags);

/* An exit code: whether all that was printed arrived. */
int finish_output(void);

#endif
