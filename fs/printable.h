/*
 * Printable: raw bytes, such as file names, as JSON that any reader takes.  Pure.
 */
#ifndef PRINTABLE_H
#define PRINTABLE_H

#include <jansson.h>

/* @bytes as rvs_printable() gives them; null for NULL, and when out of memory. */
json_t *printable_json(const char *bytes);

#endif
