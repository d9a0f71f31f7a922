/*
 * Compose: an incremental snapshot as the full one that it amounts to.
 *
 * Its streams are laid out from manifest and indexes alone (layout.h), so that
 * sizes are known before any data is read; their bytes are made as they are
 * read (assembly.h), each member proved, and are the same each time.  What is
 * made here stands behind the streams: manifest, index, record, checksums.
 * FORMAT.md, "Composed snapshots", says what goes where.  Threads may share a
 * composition.
 */
#ifndef RVS_COMPOSE_H
#define RVS_COMPOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <rvs/snapshot.h>

#include "base/error.h"

struct rvs_composition;
struct rvs_damage;
struct rvs_monitor;
struct rvs_store;

/* @record is the snapshot's own, as its directory has it. */
int rvs_composition_new(struct rvs_store *store,
			const struct rvs_snapshot *record,
			struct rvs_composition **ret, struct rvs_error *err);
void rvs_composition_free(struct rvs_composition *composition);

/* Its objects. */
size_t rvs_composition_count(const struct rvs_composition *composition);
const char *rvs_composition_name(const struct rvs_composition *composition,
				 size_t object);
uint64_t rvs_composition_size(const struct rvs_composition *composition,
			      size_t object);

/* Bytes it occupies in memory. */
size_t rvs_composition_memory(const struct rvs_composition *composition);

/* As rvs_raw_read(). */
ssize_t rvs_composition_read(struct rvs_composition *composition,
			     size_t object, void *bytes, size_t len,
			     uint64_t offset, const struct rvs_monitor *monitor,
			     struct rvs_damage *damage, struct rvs_error *err);

#endif
