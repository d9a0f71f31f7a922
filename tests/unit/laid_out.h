/*
 * Laid out: a snapshot of the sandbox's store with its tree and its layout.
 */
#ifndef LAID_OUT_H
#define LAID_OUT_H

#include "sandbox.h"

#include "job/layout.h"
#include "store/store.h"
#include "store/tree.h"

struct laid_out {
	struct rvs_tree *tree;
	struct rvs_layout layout;
};

static inline void lay_out(struct rvs_store *store, const char *id,
			   struct laid_out *ret)
{
	struct rvs_error err = RVS_ERROR_INIT;

	*ret = (struct laid_out){ .tree = NULL };
	expect_ok(rvs_tree_open(store, id, &ret->tree, &err), err);
	expect_ok(rvs_layout_init(&ret->layout, store, ret->tree, &err), err);
}

static inline void laid_out_done(struct laid_out *laid)
{
	rvs_layout_done(&laid->layout);
	rvs_tree_release(laid->tree);
}

static inline struct rvs_layout_stream *laid_stream(struct laid_out *laid,
						    const char *name)
{
	size_t i;

	for (i = 0; i < laid->layout.stream_count; i++)
		if (!strcmp(laid->layout.streams[i].name, name))
			return &laid->layout.streams[i];
	fail_msg("no stream %s", name);
	return NULL;
}

static inline size_t count_kind(const struct laid_out *laid,
				const struct rvs_layout_stream *stream,
				enum rvs_piece_kind kind)
{
	size_t i, count = 0;

	for (i = 0; i < stream->count; i++)
		count += laid->layout.pieces[stream->first + i].kind == kind;
	return count;
}

#endif
