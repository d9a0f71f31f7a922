/*
 * Each file is read to its end and compared with its SHA-256; one that another
 * snapshot has just so, of the same extents, is read once.
 */
#include "verify_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "format/digest.h"
#include "store/store.h"

struct reading {
	struct rvs_job job;
	struct verifying *v;
	struct rvs_tree *tree;
	uint32_t index;
	struct rvs_digest key; /* of its digest and extents */
	uint64_t bytes;        /* read and proved */
	struct rvs_damage *damages;
	size_t damage_count;
	int status;
	struct rvs_error err;
};

static int add_damage(struct reading *reading, const struct rvs_damage *damage)
{
	struct rvs_damage *damages = reallocarray(
		reading->damages, reading->damage_count + 1, sizeof(*damages));

	if (!damages)
		return rvs_error_no_memory(&reading->err);
	reading->damages = damages;
	damages[reading->damage_count++] = *damage;
	return 0;
}

/* Where to go on behind damage at @at: the next extent. */
static uint64_t next_extent(const struct rvs_tree *tree,
			    const struct rvs_entry *file, uint64_t at)
{
	size_t count, i;
	const struct rvs_extent *items = rvs_tree_extents(tree, file, &count);

	i = rvs_extent_find(items, count, at);
	return rvs_extent_end(items, count, i, file->size);
}

/* Read extent by extent, so that each damaged one is found. */
static int read_file(struct reading *reading, struct rvs_hasher *hasher,
		     uint8_t *block)
{
	const struct rvs_entry *file =
		rvs_tree_entry(reading->tree, reading->index);
	uint64_t at = 0;

	while (at < file->size) {
		uint64_t end = next_extent(reading->tree, file, at);
		size_t len = end - at < VERIFY_BLOCK ? (size_t)(end - at) :
						       VERIFY_BLOCK;
		struct rvs_damage damage;
		ssize_t n = rvs_tree_read(reading->tree, file, block, len, at,
					  &damage, &reading->err);
		int r = 0;

		if (n < 0 && !verify_is_damage((int)n))
			return (int)n;
		if (n < 0)
			r = add_damage(reading, &damage);
		if (n > 0) {
			rvs_hasher_add(hasher, block, (size_t)n);
			reading->bytes += (uint64_t)n;
			r = verify_moved(reading->v, (uint64_t)n,
					 &reading->err);
		}
		if (r < 0)
			return r;
		at = n < 0 ? end : at + (uint64_t)n;
	}
	return 0;
}

static int check_file(struct reading *reading, struct rvs_hasher *hasher)
{
	const struct rvs_entry *file =
		rvs_tree_entry(reading->tree, reading->index);
	struct rvs_damage damage = { .member = -1,
				     .expected = file->digest };
	int r = rvs_hasher_finish(hasher, &damage.found, &reading->err);

	if (r < 0 || reading->damage_count > 0 ||
	    rvs_digest_equal(&damage.found, &file->digest))
		return r;
	(void)snprintf(damage.snapshot, sizeof(damage.snapshot), "%s",
		       rvs_tree_id(reading->tree));
	(void)snprintf(damage.stream, sizeof(damage.stream), "%s",
		       RVS_MANIFEST_NAME);
	(void)snprintf(damage.reason, sizeof(damage.reason),
		       "the file does not match its SHA-256, though its "
		       "members are good");
	return add_damage(reading, &damage);
}

static void run_reading(struct rvs_job *job, unsigned worker)
{
	struct reading *reading = (struct reading *)job;
	RVS_CLEANUP(rvs_hasher_cleanup) struct rvs_hasher *hasher = NULL;
	RVS_CLEANUP(rvs_cleanup_free) uint8_t *block = malloc(VERIFY_BLOCK);
	int r = block ? rvs_hasher_new(&hasher, &reading->err) :
			rvs_error_no_memory(&reading->err);

	(void)worker;
	if (r == 0)
		r = read_file(reading, hasher, block);
	if (r == 0)
		r = check_file(reading, hasher);
	reading->status = r;
}

static int key_of(const struct rvs_tree *tree, const struct rvs_entry *file,
		  struct rvs_digest *ret, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_hasher_cleanup) struct rvs_hasher *hasher = NULL;
	size_t count, i;
	const struct rvs_extent *items = rvs_tree_extents(tree, file, &count);
	int r = rvs_hasher_new(&hasher, err);

	if (r < 0)
		return r;
	rvs_hasher_add(hasher, file->digest.bytes, RVS_DIGEST_LEN);
	for (i = 0; i < count; i++) {
		const struct rvs_extent *e = &items[i];

		rvs_hasher_add(hasher, &e->at, sizeof(e->at));
		if (e->volume == RVS_HOLE)
			continue;
		rvs_hasher_add(hasher, rvs_tree_volume(tree, e->volume),
			       RVS_ID_SIZE);
		rvs_hasher_add(hasher, &e->member, sizeof(e->member));
		rvs_hasher_add(hasher, &e->offset, sizeof(e->offset));
	}
	return rvs_hasher_finish(hasher, ret, err);
}

static bool is_known_good(const struct verifying *v,
			  const struct rvs_digest *key)
{
	uint32_t place, unused;

	return rvs_known_find(&v->good_files, key, &place, &unused) &&
	       rvs_digest_equal(&v->good[place], key);
}

static int remember_good(struct verifying *v, const struct rvs_digest *key)
{
	uint32_t n = v->good_count;

	/* Powers of two are when it is full. */
	if ((n & (n - 1)) == 0) {
		struct rvs_digest *good = reallocarray(
			v->good, n ? 2 * (size_t)n : 1, sizeof(*good));

		if (!good)
			return rvs_error_no_memory(v->err);
		v->good = good;
	}
	v->good[v->good_count++] = *key;
	return rvs_known_add(&v->good_files, key, n, 0, v->err);
}

static int judge(struct verifying *v, struct reading *reading)
{
	const struct rvs_entry *file =
		rvs_tree_entry(reading->tree, reading->index);
	RVS_CLEANUP(rvs_cleanup_free)
	char *path = rvs_tree_path(reading->tree, reading->index);
	int r = reading->status;
	size_t i;

	if (r < 0) {
		*v->err = reading->err;
		return r;
	}
	v->result->files++;
	for (i = 0; i < reading->damage_count; i++)
		verify_report(v, rvs_tree_id(reading->tree), path,
			      &reading->damages[i]);
	if (reading->damage_count == 0)
		r = remember_good(v, &reading->key);
	v->result->bytes += reading->bytes;
	/* What could not be read is done, too. */
	return r < 0 ? r : verify_advance(v, file->size - reading->bytes);
}

static int collect(struct verifying *v, size_t limit)
{
	int r = rvs_lane_depth(v->files) > limit ? verify_settle(v) : 0;

	while (rvs_lane_depth(v->files) > limit) {
		struct reading *reading =
			(struct reading *)verify_await(v, v->files);

		if (r == 0)
			r = judge(v, reading);
		free(reading->damages);
		free(reading);
	}
	return r;
}

static int submit(struct verifying *v, struct rvs_tree *tree, uint32_t index)
{
	const struct rvs_entry *file = rvs_tree_entry(tree, index);
	struct reading *reading;
	struct rvs_digest key;
	int r = key_of(tree, file, &key, v->err);

	if (r < 0)
		return r;
	if (is_known_good(v, &key)) {
		v->result->files++;
		return verify_advance(v, file->size);
	}
	reading = calloc(1, sizeof(*reading));
	if (!reading)
		return rvs_error_no_memory(v->err);
	reading->job.run = run_reading;
	reading->v = v;
	reading->tree = tree;
	reading->index = index;
	reading->key = key;
	rvs_lane_submit(v->files, &reading->job);
	return collect(v, (size_t)VERIFY_IN_FLIGHT * rvs_pool_threads(v->pool));
}

int verify_files(struct verifying *v, struct rvs_tree *tree)
{
	uint32_t i;
	int r = 0, collected;

	for (i = 0; i < rvs_tree_count(tree) && r == 0; i++) {
		const struct rvs_entry *e = rvs_tree_entry(tree, i);

		if (S_ISREG(e->mode) && e->link == i)
			r = submit(v, tree, i);
	}
	/* They read the tree, which goes next. */
	collected = collect(v, 0);
	return r < 0 ? r : collected;
}
