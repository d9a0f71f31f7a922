/*
 * Assembly: the bytes of a layout's streams, made as they are read.
 *
 * Every member is proved before a byte of it is handed out, and the bytes are
 * the same each time.  Threads may read side by side; one proves.
 */
#ifndef RVS_ASSEMBLY_H
#define RVS_ASSEMBLY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct rvs_damage;
struct rvs_layout;
struct rvs_layout_stream;
struct rvs_monitor;

/*
 * Read the @len bytes of @stream from @offset, all of which must be in it.
 * Returns @len, or a negative status: RVS_ERR_CORRUPT when a member or file
 * fails its proof; @damage (may be NULL) is then set.
 */
ssize_t rvs_assembly_read(const struct rvs_layout *layout,
			  const struct rvs_layout_stream *stream, void *bytes,
			  size_t len, uint64_t offset,
			  struct rvs_damage *damage, struct rvs_error *err);

/*
 * Read all streams, on all threads of the store, and fill in the digests that
 * the layout leaves open.  @monitor may be NULL; only its cancelled() is
 * called.
 */
int rvs_assembly_prove(struct rvs_layout *layout,
		       const struct rvs_monitor *monitor,
		       struct rvs_damage *damage, struct rvs_error *err);

#endif
