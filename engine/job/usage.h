/*
 * Usage: which bytes of a snapshot's members serve a snapshot that is listed.
 *
 * Kept for deleted snapshots alone; a listed one uses all that is its own.
 * Bytes are counted in units of 1 KiB: one bit each, 12 bytes for a member of
 * 96 KiB.
 */
#ifndef RVS_USAGE_H
#define RVS_USAGE_H

#include <stdbool.h>
#include <stdint.h>

#include <rvs/snapshot.h>

#include "base/error.h"

struct rvs_store;
struct rvs_volume;

#define RVS_USAGE_UNIT 1024u

struct rvs_usage {
	char id[RVS_ID_SIZE];
	struct rvs_volume *volume; /* NULL: nothing leads to it, or @unknown */
	uint64_t *starts;          /* of a member's bits; one more at the end */
	uint8_t *bits;
	bool unknown;              /* its index cannot be read: hands off */
};

struct rvs_usages {
	struct rvs_usage *items; /* the deleted snapshots that have data */
	size_t count;
};

/* RVS_ERR_CORRUPT or RVS_ERR_MISSING when a listed snapshot cannot be read:
 * nobody knows what it uses. */
int rvs_usages_find(struct rvs_store *store, struct rvs_usages *ret,
		    struct rvs_error *err);
void rvs_usages_done(struct rvs_usages *usages);

/* Used units of the member @number, and all of them. */
uint64_t rvs_usage_of(const struct rvs_usage *usage, uint32_t number,
		      uint64_t *ret_all);
bool rvs_usage_unit(const struct rvs_usage *usage, uint32_t number,
		    uint64_t unit);

#endif
