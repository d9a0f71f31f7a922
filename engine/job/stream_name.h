/*
 * Stream name: which files get a stream of their own, and under what name.
 *
 * FORMAT.md, "Layout", has the rules.  Pure.
 */
#ifndef RVS_STREAM_NAME_H
#define RVS_STREAM_NAME_H

#include <stdbool.h>

#define RVS_BUNDLE_FILES 256u       /* with more new files than this ... */
#define RVS_STREAM_BYTES (1u << 20) /* ... only those so long get a stream */
#define RVS_HOLES_MAX    (1u << 30) /* bytes of zeros a stream may hold */

/* "PATH.gz" may be an object: its name fits, and no other stream could be, or
 * lie below, one of its folders. */
bool rvs_stream_name_fits(const char *path);

#endif
