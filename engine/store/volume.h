/*
 * Volume: the data of one snapshot's directory: its members and the streams
 * that hold them.
 *
 * A volume never changes once loaded.  Collect may exchange the directory
 * underneath; then a member is not where the index says, which its header
 * shows, and the volume is loaded anew: rvs_volume_load() does so by itself.
 * Deleted snapshots whose data serves others are volumes like any.
 */
#ifndef RVS_VOLUME_H
#define RVS_VOLUME_H

#include <stdbool.h>
#include <stdint.h>

#include <rvs/tree.h>

#include "base/buf.h"
#include "base/error.h"
#include "format/members.h"

struct rvs_backend;
struct rvs_volume;
struct rvs_volumes; /* all of a store; threads share it */

int rvs_volumes_new(struct rvs_backend *backend, struct rvs_volumes **ret,
		    struct rvs_error *err);
void rvs_volumes_free(struct rvs_volumes *volumes); /* accepts NULL */

/* Load every volume anew that is asked for from now on. */
void rvs_volumes_forget(struct rvs_volumes *volumes);

/* A small number that belongs to @id as long as the store is open, whether or
 * not there is such a snapshot. */
int rvs_volumes_slot(struct rvs_volumes *volumes, const char *id,
		     uint32_t *ret, struct rvs_error *err);

/*
 * The volume of the snapshot @id, loaded when it is not yet.  Give it back with
 * rvs_volume_put().  RVS_ERR_MISSING when its directory or index is gone,
 * RVS_ERR_CORRUPT when the index is damaged; @damage (may be NULL) is then set.
 */
int rvs_volume_get(struct rvs_volumes *volumes, const char *id,
		   struct rvs_volume **ret, struct rvs_damage *damage,
		   struct rvs_error *err);
void rvs_volume_put(struct rvs_volume *volume); /* accepts NULL */
void rvs_volume_cleanup(struct rvs_volume **volume);

const char *rvs_volume_id(const struct rvs_volume *volume);
const struct rvs_members *rvs_volume_members(const struct rvs_volume *volume);

/* Whether the volume of @id is loaded, so that its use reads no index. */
bool rvs_volume_is_loaded(struct rvs_volumes *volumes, const char *id);

/* How many plain bytes the member @number of @id has by the index, if that is
 * loaded; else 0. */
uint32_t rvs_volume_member_len(struct rvs_volumes *volumes, const char *id,
			       uint32_t number);

/*
 * Load the member @number of the snapshot @id: its plain bytes replace what is
 * in @plain.  Unless @crc_only, they matched their SHA-256.  @scratch is memory
 * to be used again by the next call.
 */
int rvs_volume_load(struct rvs_volumes *volumes, const char *id,
		    uint32_t number, bool crc_only, struct rvs_buf *scratch,
		    struct rvs_buf *plain, struct rvs_damage *damage,
		    struct rvs_error *err);

#endif
