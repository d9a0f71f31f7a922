/*
 * Retire: delete a snapshot and leave its data to collect.
 */
#ifndef RVS_RETIRE_H
#define RVS_RETIRE_H

#include "base/error.h"

struct rvs_store;

int rvs_retire(struct rvs_store *store, const char *reference,
	       struct rvs_error *err);

#endif
