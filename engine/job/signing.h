/*
 * Signing: the store's signatures, in `.signatures`, are read before a snapshot
 * is made and renewed behind it.
 *
 * They save reading the base, and nothing hangs on them: what is missing or
 * damaged counts as none, and what cannot be written is not.
 */
#ifndef RVS_SIGNING_H
#define RVS_SIGNING_H

#include "format/signature.h"

struct rvs_prior;
struct rvs_store;
struct rvs_survey;

void rvs_signatures_load(struct rvs_store *store, struct rvs_signatures *ret);

/* Keep those of the files of @survey, which is stored on top of @prior, and no
 * others.  Call with the writer's lock held. */
void rvs_signatures_renew(struct rvs_store *store,
			  const struct rvs_survey *survey,
			  const struct rvs_prior *prior);

/* Nothing has any. */
int rvs_signatures_remove(struct rvs_store *store, struct rvs_error *err);

#endif
