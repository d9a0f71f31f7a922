/*
 * Names: which names and paths may come out of a store.
 */
#ifndef RVS_NAME_H
#define RVS_NAME_H

#include <stdbool.h>
#include <stddef.h>

#define RVS_FILE_NAME_MAX 255u

/* One component: not empty, not "." or "..", no '/', at most 255 bytes. */
bool rvs_name_is_safe(const char *name);

/* The same for @len bytes that hold no NUL. */
bool rvs_component_is_safe(const char *name, size_t len);

/* Components joined by single slashes, each safe; relative. */
bool rvs_path_is_safe(const char *path);

/* "20261122T101500Z-9f2c": a UTC time and four hexadecimal digits. */
bool rvs_id_is_valid(const char *id);

#endif
