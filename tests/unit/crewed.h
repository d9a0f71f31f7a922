/*
 * Crewed: a crew for a snapshot of the sandbox's store.
 */
#ifndef CREWED_H
#define CREWED_H

#include "sandbox.h"

#include "job/crew.h"
#include "store/tree.h"

struct crewed {
	struct rvs_crew crew;
	struct rvs_restore_options options;
	struct rvs_error err;
};

/* Of a snapshot of the source as it is. */
static inline void crewed_start(struct crewed *ret, struct rvs_store *store)
{
	RVS_CLEANUP(rvs_snapshot_done)
	struct rvs_snapshot record = snap(store, NULL);

	*ret = (struct crewed){ .crew = { .store = store } };
	ret->crew.options = &ret->options;
	ret->crew.err = &ret->err;
	expect_ok(rvs_tree_open(store, record.id, &ret->crew.tree, &ret->err),
		  ret->err);
	expect_ok(rvs_crew_start(&ret->crew), ret->err);
}

static inline void crewed_done(struct crewed *crewed)
{
	rvs_crew_done(&crewed->crew);
	rvs_tree_release(crewed->crew.tree);
}

static inline uint32_t crewed_find(const struct crewed *crewed,
				   const char *path)
{
	uint32_t index = rvs_tree_find(crewed->crew.tree, path);

	assert_true(index != RVS_NO_ENTRY);
	return index;
}

#endif
