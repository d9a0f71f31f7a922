#include "prior.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "format/digest.h"
#include "signing.h"
#include "store/known.h"
#include "store/store.h"
#include "store/volume.h"

enum {
	/* Coarser than the tick of any kernel. */
	GRAIN_NS = 20 * 1000 * 1000,
	/* Filesystems that keep no fractions keep whole or even seconds. */
	COARSE_GRAIN_S = 2,
};

struct rvs_prior {
	struct rvs_store *store;
	struct rvs_tree *tree;
	struct rvs_volume **volumes; /* the tree's, in its order */
	uint32_t volume_count;
	struct rvs_known members;  /* to (volume, member) */
	struct rvs_known files;    /* to (entry, 0) */
	struct rvs_known segments; /* to (place in the tree's list, 0) */
	struct rvs_digest *segment_digests;
	struct rvs_signatures signatures;
	uint64_t *sizes; /* of regular files, ascending */
	size_t size_count;
};

void rvs_prior_free(struct rvs_prior *prior)
{
	uint32_t i;

	if (!prior)
		return;
	for (i = 0; i < prior->volume_count; i++)
		rvs_volume_put(prior->volumes[i]);
	free(prior->volumes);
	free(prior->segment_digests);
	free(prior->sizes);
	rvs_known_done(&prior->members);
	rvs_known_done(&prior->files);
	rvs_known_done(&prior->segments);
	rvs_signatures_done(&prior->signatures);
	rvs_tree_release(prior->tree);
	free(prior);
}

/* Segments with what their members' index says of their bytes. */
static int index_segments(struct rvs_prior *prior, struct rvs_error *err)
{
	size_t count, i;
	const struct rvs_segment *segments =
		rvs_tree_segments(prior->tree, &count);
	int r = 0;

	prior->segment_digests = calloc(count, sizeof(struct rvs_digest));
	if (!prior->segment_digests)
		return rvs_error_no_memory(err);
	for (i = 0; i < count && r == 0; i++) {
		RVS_CLEANUP(rvs_volume_cleanup)
		struct rvs_volume *volume = NULL;
		const struct rvs_members *members;

		r = rvs_volume_get(prior->store->volumes, segments[i].id,
				   &volume, NULL, err);
		if (r < 0)
			break;
		members = rvs_volume_members(volume);
		/* The tree was loaded from it, but it may have been swept. */
		if (segments[i].member >= members->count)
			continue;
		prior->segment_digests[i] =
			members->items[segments[i].member].digest;
		r = rvs_known_add(&prior->segments, &prior->segment_digests[i],
				  (uint32_t)i, 0, err);
	}
	return r;
}

int rvs_prior_new(struct rvs_store *store, const struct rvs_snapshot *base,
		  struct rvs_prior **ret, struct rvs_error *err)
{
	struct rvs_prior *prior = calloc(1, sizeof(*prior));
	int r;

	if (!prior)
		return rvs_error_no_memory(err);
	prior->store = store;
	r = rvs_tree_load(store, base->id, &prior->tree, NULL, err);
	if (r == 0)
		r = index_segments(prior, err);
	if (r < 0) {
		rvs_prior_free(prior);
		return rvs_error_context(err, "base %s", base->name);
	}
	*ret = prior;
	return 0;
}

struct rvs_tree *rvs_prior_tree(const struct rvs_prior *prior)
{
	return prior->tree;
}

/* Hold every volume that the tree leads to; *ret_count is of their members. */
static int hold_volumes(struct rvs_prior *prior, size_t *ret_count,
			struct rvs_error *err)
{
	uint32_t count = rvs_tree_volume_count(prior->tree), v;
	int r = 0;

	*ret_count = 0;
	prior->volumes = calloc(count + 1, sizeof(struct rvs_volume *));
	if (!prior->volumes)
		return rvs_error_no_memory(err);
	for (v = 0; v < count && r == 0; v++) {
		r = rvs_volume_get(prior->store->volumes,
				   rvs_tree_volume(prior->tree, v),
				   &prior->volumes[v], NULL, err);
		if (r < 0)
			return r;
		prior->volume_count++;
		*ret_count += rvs_volume_members(prior->volumes[v])->count;
	}
	return r;
}

static int index_members(struct rvs_prior *prior, struct rvs_error *err)
{
	size_t count;
	uint32_t v, i;
	int r = hold_volumes(prior, &count, err);

	if (r == 0)
		r = rvs_known_reserve(&prior->members, count, err);
	for (v = 0; v < prior->volume_count && r == 0; v++) {
		const struct rvs_members *members =
			rvs_volume_members(prior->volumes[v]);

		for (i = 0; i < members->count && r == 0; i++)
			if (members->items[i].stored_len > 0)
				r = rvs_known_add(&prior->members,
						  &members->items[i].digest, v,
						  i, err);
	}
	return r;
}

static int compare_sizes(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static int index_files(struct rvs_prior *prior, struct rvs_error *err)
{
	uint32_t count = rvs_tree_count(prior->tree), i;
	int r = 0;

	prior->sizes = calloc(count, sizeof(*prior->sizes));
	if (!prior->sizes)
		return rvs_error_no_memory(err);
	for (i = 0; i < count && r == 0; i++) {
		const struct rvs_entry *e = rvs_tree_entry(prior->tree, i);

		if (!S_ISREG(e->mode) || e->link != i || e->size == 0)
			continue;
		prior->sizes[prior->size_count++] = e->size;
		r = rvs_known_add(&prior->files, &e->digest, i, 0, err);
	}
	if (prior->size_count > 1)
		qsort(prior->sizes, prior->size_count, sizeof(*prior->sizes),
		      compare_sizes);
	return r;
}

int rvs_prior_index(struct rvs_prior *prior, struct rvs_error *err)
{
	int r;

	if (prior->volumes)
		return 0; /* indexed before */
	rvs_signatures_load(prior->store, &prior->signatures);
	r = index_members(prior, err);
	return r < 0 ? r : index_files(prior, err);
}

bool rvs_prior_find_member(const struct rvs_prior *prior,
			   const struct rvs_digest *digest, size_t plain_len,
			   uint32_t *ret_volume, uint32_t *ret_member)
{
	const struct rvs_member *m;

	if (!rvs_known_find(&prior->members, digest, ret_volume, ret_member))
		return false;
	m = &rvs_volume_members(prior->volumes[*ret_volume])
		     ->items[*ret_member];
	return m->plain_len == plain_len &&
	       rvs_digest_equal(&m->digest, digest);
}

const struct rvs_entry *rvs_prior_find_file(const struct rvs_prior *prior,
					    const struct rvs_digest *digest,
					    uint64_t size)
{
	const struct rvs_entry *e;
	uint32_t index, unused;

	if (!rvs_known_find(&prior->files, digest, &index, &unused))
		return NULL;
	e = rvs_tree_entry(prior->tree, index);
	return e->size == size && rvs_digest_equal(&e->digest, digest) ? e :
									 NULL;
}

bool rvs_prior_has_chunk(const struct rvs_prior *prior,
			 const struct rvs_entry *old,
			 const struct rvs_signature *chunk)
{
	size_t count;
	const struct rvs_signature *items = rvs_signatures_of(
		&prior->signatures, &old->digest, &count);

	return rvs_signature_is_in(items, count, chunk);
}

const struct rvs_signatures *rvs_prior_signatures(const struct rvs_prior *prior)
{
	return &prior->signatures;
}

bool rvs_prior_has_size(const struct rvs_prior *prior, uint64_t size)
{
	return prior->size_count > 0 &&
	       bsearch(&size, prior->sizes, prior->size_count, sizeof(size),
		       compare_sizes);
}

bool rvs_prior_find_segment(const struct rvs_prior *prior,
			    const struct rvs_digest *digest,
			    struct rvs_segment *ret)
{
	uint32_t index, unused;
	size_t count;

	if (!rvs_known_find(&prior->segments, digest, &index, &unused) ||
	    !rvs_digest_equal(&prior->segment_digests[index], digest))
		return false;
	*ret = rvs_tree_segments(prior->tree, &count)[index];
	return true;
}

uint32_t rvs_prior_child(const struct rvs_prior *prior, uint32_t parent,
			 const char *name)
{
	if (parent == RVS_NO_ENTRY ||
	    !S_ISDIR(rvs_tree_entry(prior->tree, parent)->mode))
		return RVS_NO_ENTRY;
	return rvs_tree_lookup(prior->tree, parent, name);
}

bool rvs_time_is_settled(struct timespec changed, struct timespec scan)
{
	/* Any 64 bits may be a time; their difference fits when unsigned. */
	uint64_t seconds = (uint64_t)scan.tv_sec - (uint64_t)changed.tv_sec;

	if (changed.tv_sec > scan.tv_sec)
		return false;
	if (changed.tv_nsec == 0)
		return seconds > COARSE_GRAIN_S;
	if (seconds > 1)
		return true;
	return (int64_t)seconds * 1000000000 + scan.tv_nsec - changed.tv_nsec >
	       GRAIN_NS;
}
