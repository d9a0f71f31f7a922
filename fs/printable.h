/*
 * Printable: raw bytes, such as file names, as text that harms no terminal, no
 * log and no JSON.  Pure.
 */
#ifndef PRINTABLE_H
#define PRINTABLE_H

#include <jansson.h>

/*
 * @bytes with control characters, and bytes that are not part of UTF-8,
 * replaced by \xNN; malloc'ed, NULL when out of memory.
 */
char *printable(const char *bytes);

/* The same as a JSON string; null for NULL, and when out of memory. */
json_t *printable_json(const char *bytes);

#endif
