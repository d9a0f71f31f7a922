/*
 * Verify: read and prove everything that snapshots need.
 *
 * First the directories: each object against checksum.sha256, and where one
 * differs, each of its members.  Then the files: each is read to its end and
 * compared with its SHA-256; one that another snapshot has just so, of the same
 * extents, is read once.
 */
#include <rvs/job.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/pool.h"
#include "format/checksums.h"
#include "format/digest.h"
#include "store/ahead.h"
#include "store/known.h"
#include "store/reader.h"
#include "store/snapshot.h"
#include "store/store.h"
#include "store/tree.h"
#include "store/volume.h"

enum { BLOCK = 1 << 20, IN_FLIGHT = 4 };

/* An index of 16 million members, of 1.5 TiB of data. */
#define INDEX_MAX ((uint64_t)1 << 30)

struct verifying {
	struct rvs_store *store;
	const struct rvs_monitor *monitor;
	void (*found)(void *arg, const struct rvs_finding *finding);
	void *arg;
	struct rvs_verify_result *result;
	struct rvs_pool *pool;
	struct rvs_lane *lane;
	const struct rvs_snapshot_list *listed;
	struct rvs_known good_files; /* by a digest of digest and extents */
	struct rvs_digest *good;     /* the whole of these digests */
	uint32_t good_count;
	char (*volumes)[RVS_ID_SIZE]; /* that were proved */
	size_t volume_count;
	uint64_t done_bytes; /* of the streams and of the files, for progress */
	uint64_t total_bytes;
	struct rvs_error *err;
};

static void report(struct verifying *v, const char *snapshot, const char *path,
		   const struct rvs_damage *damage)
{
	const struct rvs_finding finding = { snapshot, path, damage };

	v->result->findings++;
	if (v->found)
		v->found(v->arg, &finding);
}

static void report_text(struct verifying *v, const char *snapshot,
			const char *stream, const char *reason)
{
	struct rvs_damage damage = { .member = -1 };

	(void)snprintf(damage.snapshot, sizeof(damage.snapshot), "%s",
		       snapshot);
	(void)snprintf(damage.stream, sizeof(damage.stream), "%.255s", stream);
	(void)snprintf(damage.reason, sizeof(damage.reason), "%.255s", reason);
	report(v, snapshot, NULL, &damage);
}

static int advance(struct verifying *v, uint64_t bytes)
{
	const struct rvs_monitor *m = v->monitor;

	v->done_bytes += bytes;
	if (m->progress)
		m->progress(m->arg, v->done_bytes, v->total_bytes);
	if (m->cancelled && m->cancelled(m->arg))
		return rvs_error_set(v->err, RVS_ERR_INTERRUPTED,
				     "interrupted");
	return 0;
}

/* Damage is a finding; anything else ends the work. */
static bool is_damage(int status)
{
	return status == RVS_ERR_CORRUPT || status == RVS_ERR_MISSING ||
	       status == RVS_ERR_NOT_FOUND || status == RVS_ERR_REFUSED;
}

/* ---- a directory ---- */

static bool is_listed(const struct verifying *v, const char *id)
{
	size_t i;

	for (i = 0; i < v->listed->count; i++)
		if (!strcmp(v->listed->items[i].id, id))
			return true;
	return false;
}

struct directory {
	struct verifying *v;
	const char *id;
	struct rvs_volume *volume; /* NULL: its index is damaged */
	uint64_t lines;            /* metadata.json's left out */
	bool has_record;
};

/* The longest that the object @name can be, by the index: so much is read, not
 * what a forged file pretends. */
static uint64_t longest(const struct directory *directory, const char *name)
{
	const struct rvs_members *members;
	uint64_t end = INDEX_MAX;
	uint32_t i;

	if (!directory->volume || !strcmp(name, RVS_METADATA_NAME) ||
	    !strcmp(name, RVS_MEMBERS_NAME))
		return end;
	members = rvs_volume_members(directory->volume);
	for (end = i = 0; i < members->count; i++) {
		const struct rvs_member *m = &members->items[i];

		if (m->offset + m->stored_len > end &&
		    !strcmp(members->streams[m->stream], name))
			end = m->offset + m->stored_len;
	}
	return end;
}

static int hash_object(struct verifying *v, const char *key, uint64_t max,
		       struct rvs_digest *ret)
{
	const struct rvs_backend_ops *ops = v->store->backend->ops;
	RVS_CLEANUP(rvs_hasher_cleanup) struct rvs_hasher *hasher = NULL;
	RVS_CLEANUP(rvs_cleanup_free) uint8_t *block = malloc(BLOCK);
	struct rvs_object *object;
	uint64_t size, at = 0;
	ssize_t n = 0;
	int r;

	if (!block)
		return rvs_error_no_memory(v->err);
	r = rvs_hasher_new(&hasher, v->err);
	if (r == 0)
		r = ops->open(v->store->backend, key, &object, &size, v->err);
	if (r < 0)
		return r;
	if (size > max)
		r = rvs_error_set(v->err, RVS_ERR_CORRUPT,
				  "longer than the index says");
	while (r == 0 && at < size) {
		n = ops->read(object, block, BLOCK, at, v->err);
		if (n <= 0)
			break;
		rvs_hasher_add(hasher, block, (size_t)n);
		at += (uint64_t)n;
		r = advance(v, (uint64_t)n);
	}
	ops->close(object);
	if (n < 0 || r < 0)
		return n < 0 ? (int)n : r;
	return rvs_hasher_finish(hasher, ret, v->err);
}

/* Which members of a damaged stream are damaged. */
static int prove_members(struct verifying *v, const char *id,
			 const char *stream)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf scratch = RVS_BUF_INIT;
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf plain = RVS_BUF_INIT;
	RVS_CLEANUP(rvs_volume_cleanup) struct rvs_volume *volume = NULL;
	const struct rvs_members *members;
	uint64_t before = v->result->findings;
	uint32_t i;
	int r = rvs_volume_get(v->store->volumes, id, &volume, NULL, v->err);

	if (r < 0)
		return is_damage(r) ? 0 : r; /* the index is told of itself */
	members = rvs_volume_members(volume);
	for (i = 0; i < members->count; i++) {
		const struct rvs_member *m = &members->items[i];
		struct rvs_damage damage;

		if (m->stored_len == 0 ||
		    strcmp(members->streams[m->stream], stream) != 0)
			continue;
		r = rvs_volume_load(v->store->volumes, id, i, false, &scratch,
				    &plain, &damage, v->err);
		v->result->members++;
		if (r < 0 && !is_damage(r))
			return r;
		if (r < 0)
			report(v, id, NULL, &damage);
	}
	if (v->result->findings == before)
		report_text(v, id, stream,
			    "does not match checksum.sha256, though all its "
			    "members are good");
	return 0;
}

static int prove_object(const struct directory *directory, const char *name,
			const struct rvs_digest *expected)
{
	struct verifying *v = directory->v;
	const char *id = directory->id;
	struct rvs_digest found;
	char key[RVS_KEY_SIZE];
	int r;

	(void)snprintf(key, sizeof(key), RVS_SNAPSHOT_PREFIX "%s/%s", id, name);
	r = hash_object(v, key, longest(directory, name), &found);
	if (r == RVS_ERR_NOT_FOUND && !strcmp(name, RVS_METADATA_NAME))
		return 0; /* deleted, and its data serves others */
	if (r < 0 && !is_damage(r))
		return r;
	if (r < 0) {
		report_text(v, id, name, r == RVS_ERR_NOT_FOUND ?
						 "is missing" :
						 v->err->text);
		return 0;
	}
	if (rvs_digest_equal(&found, expected))
		return 0;
	if (!strcmp(name, RVS_METADATA_NAME) ||
	    !strcmp(name, RVS_MEMBERS_NAME)) {
		report_text(v, id, name, "does not match checksum.sha256");
		return 0;
	}
	return prove_members(v, id, name);
}

static int prove_line(void *arg, const char *name,
		      const struct rvs_digest *digest)
{
	struct directory *directory = arg;
	bool record = !strcmp(name, RVS_METADATA_NAME);

	directory->has_record |= record;
	directory->lines += !record;
	return prove_object(directory, name, digest);
}

/* A checksum file that lacks lines proves less than it should. */
static int check_complete(const struct directory *directory)
{
	struct verifying *v = directory->v;
	RVS_CLEANUP(rvs_cleanup_free) bool *used = NULL;
	const struct rvs_members *members;
	uint64_t expected = 1; /* the index */
	uint32_t i;

	if (!directory->volume)
		return 0; /* the index is told of itself */
	members = rvs_volume_members(directory->volume);
	used = calloc((size_t)members->stream_count + 1, sizeof(*used));
	if (!used)
		return rvs_error_no_memory(v->err);
	for (i = 0; i < members->count; i++)
		if (members->items[i].stored_len > 0)
			used[members->items[i].stream] = true;
	for (i = 0; i < members->stream_count; i++)
		expected += used[i];
	if (directory->lines != expected ||
	    (!directory->has_record && is_listed(v, directory->id)))
		report_text(v, directory->id, RVS_CHECKSUM_NAME,
			    "lacks lines, or has too many");
	return 0;
}

static int prove_lines(struct directory *directory)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf text = RVS_BUF_INIT;
	struct verifying *v = directory->v;
	char key[RVS_KEY_SIZE];
	int r;

	(void)snprintf(key, sizeof(key),
		       RVS_SNAPSHOT_PREFIX "%s/" RVS_CHECKSUM_NAME,
		       directory->id);
	r = rvs_backend_read_object(v->store->backend, key, RVS_CHECKSUM_MAX,
				    &text, v->err);
	rvs_buf_put_u8(&text, 0);
	if (r == 0)
		r = rvs_buf_check(&text, v->err);
	if (r == 0)
		r = rvs_checksums_read((char *)text.bytes, prove_line,
				       directory, v->err);
	if (r == 0)
		return check_complete(directory);
	if (!is_damage(r))
		return r;
	report_text(v, directory->id, RVS_CHECKSUM_NAME, v->err->text);
	return 0;
}

static int prove_directory(struct verifying *v, const char *id)
{
	struct directory directory = { .v = v, .id = id };
	int r = rvs_volume_get(v->store->volumes, id, &directory.volume, NULL,
			       v->err);

	if (r < 0 && !is_damage(r))
		return r;
	r = prove_lines(&directory);
	rvs_volume_put(directory.volume);
	return r;
}

/* Prove the directory of @id, once. */
static int prove_volume(struct verifying *v, const char *id)
{
	char(*volumes)[RVS_ID_SIZE];
	size_t i;

	for (i = 0; i < v->volume_count; i++)
		if (!strcmp(v->volumes[i], id))
			return 0;
	volumes = reallocarray(v->volumes, v->volume_count + 1,
			       sizeof(*volumes));
	if (!volumes)
		return rvs_error_no_memory(v->err);
	v->volumes = volumes;
	(void)snprintf(volumes[v->volume_count++], RVS_ID_SIZE, "%s", id);
	return prove_directory(v, id);
}

/* ---- a file ---- */

struct reading {
	struct rvs_job job;
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
		size_t len = end - at < BLOCK ? (size_t)(end - at) : BLOCK;
		struct rvs_damage damage;
		ssize_t n = rvs_tree_read(reading->tree, file, block, len, at,
					  &damage, &reading->err);
		int r = 0;

		if (n < 0 && !is_damage((int)n))
			return (int)n;
		if (n < 0)
			r = add_damage(reading, &damage);
		if (r < 0)
			return r;
		if (n > 0) {
			rvs_hasher_add(hasher, block, (size_t)n);
			reading->bytes += (uint64_t)n;
		}
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
	RVS_CLEANUP(rvs_cleanup_free) uint8_t *block = malloc(BLOCK);
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
		report(v, rvs_tree_id(reading->tree), path,
		       &reading->damages[i]);
	if (reading->damage_count == 0)
		r = remember_good(v, &reading->key);
	v->result->bytes += reading->bytes;
	return r < 0 ? r : advance(v, file->size);
}

static int collect(struct verifying *v, size_t limit)
{
	int r = 0;

	while (rvs_lane_depth(v->lane) > limit) {
		struct reading *reading =
			(struct reading *)rvs_lane_collect(v->lane);

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
		return advance(v, file->size);
	}
	reading = calloc(1, sizeof(*reading));
	if (!reading)
		return rvs_error_no_memory(v->err);
	reading->job.run = run_reading;
	reading->tree = tree;
	reading->index = index;
	reading->key = key;
	rvs_lane_submit(v->lane, &reading->job);
	return collect(v, (size_t)IN_FLIGHT * rvs_pool_threads(v->pool));
}

/* ---- a snapshot ---- */

static int prove_files(struct verifying *v, struct rvs_tree *tree)
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

static int prove_tree(struct verifying *v, const struct rvs_snapshot *snapshot,
		      struct rvs_tree *tree)
{
	uint32_t i;
	int r = 0;

	if (!rvs_digest_equal(rvs_tree_checksum(tree), &snapshot->checksum))
		report_text(v, snapshot->id, RVS_METADATA_NAME,
			    "the tree does not match the checksum");
	for (i = 0; i < rvs_tree_volume_count(tree) && r == 0; i++)
		r = prove_volume(v, rvs_tree_volume(tree, i));
	return r < 0 ? r : prove_files(v, tree);
}

static int prove_snapshot(struct verifying *v,
			  const struct rvs_snapshot *snapshot)
{
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *tree = NULL;
	struct rvs_damage damage;
	uint64_t before;
	int r;

	v->result->snapshots++;
	r = prove_volume(v, snapshot->id);
	if (r < 0)
		return r;
	before = v->result->findings;
	r = rvs_tree_load(v->store, snapshot->id, &tree, &damage, v->err);
	if (r == 0)
		return prove_tree(v, snapshot, tree);
	if (!is_damage(r))
		return r;
	if (damage.reason[0])
		report(v, snapshot->id, NULL, &damage);
	else if (v->result->findings == before)
		report_text(v, snapshot->id, RVS_MANIFEST_NAME, v->err->text);
	return 0;
}

static int prove_list(struct verifying *v, const struct rvs_snapshot_list *list)
{
	size_t i;
	int r = 0;

	for (i = 0; i < list->count; i++)
		v->total_bytes += list->items[i].total_bytes +
				  list->items[i].size_bytes;
	for (i = 0; i < list->count && r == 0; i++)
		r = prove_snapshot(v, &list->items[i]);
	return r;
}

static void report_record(void *arg, const char *directory, const char *reason)
{
	report_text(arg, directory + strlen(RVS_SNAPSHOT_PREFIX),
		    RVS_METADATA_NAME, reason);
}

static int prove_named(struct verifying *v, const char *const *references,
		       size_t count)
{
	RVS_CLEANUP(rvs_snapshot_list_done)
	struct rvs_snapshot_list all = { NULL, 0 };
	RVS_CLEANUP(rvs_cleanup_free) struct rvs_snapshot *items = NULL;
	struct rvs_snapshot_list named = { NULL, 0 };
	int r = rvs_snapshot_list(v->store, &all,
				  count == 0 ? report_record : NULL, v, v->err);

	v->listed = &all;
	if (r < 0 || count == 0)
		return r < 0 ? r : prove_list(v, &all);
	named.items = items = calloc(count, sizeof(*items));
	if (!items)
		return rvs_error_no_memory(v->err);
	while (named.count < count) {
		ssize_t place = rvs_snapshot_find_in(
			&all, references[named.count], v->err);

		if (place < 0)
			return (int)place;
		items[named.count++] = all.items[place];
	}
	return prove_list(v, &named);
}

static int run(struct verifying *v, const char *const *references, size_t count)
{
	int r = rvs_pool_new(v->store->options.threads, &v->pool, v->err);

	if (r == 0)
		r = rvs_lane_new(v->pool, false, &v->lane, v->err);
	if (r == 0)
		r = prove_named(v, references, count);
	if (r == 0 && v->result->findings > 0)
		r = rvs_error_set(v->err, RVS_ERR_CORRUPT,
				  "%" PRIu64 " damaged places found",
				  v->result->findings);
	return r;
}

int rvs_verify(struct rvs_store *store, const char *const *references,
	       size_t count, const struct rvs_monitor *monitor,
	       void (*found)(void *arg, const struct rvs_finding *finding),
	       void *arg, struct rvs_verify_result *ret, struct rvs_error *err)
{
	static const struct rvs_monitor nobody;
	struct rvs_verify_result result = { 0 };
	struct rvs_error own = RVS_ERROR_INIT;
	struct verifying v = { .store = store,
			       .monitor = monitor ? monitor : &nobody,
			       .found = found,
			       .arg = arg,
			       .result = &result,
			       .err = err ? err : &own };
	int r;

	/* What is in memory would hide what the disk lost. */
	rvs_ahead_wait(store->ahead);
	rvs_reader_forget(store->reader);
	rvs_volumes_forget(store->volumes);
	r = run(&v, references, count);
	rvs_ahead_wait(store->ahead); /* the caller may change the store */

	rvs_lane_free(v.lane);
	rvs_pool_free(v.pool);
	rvs_known_done(&v.good_files);
	free(v.good);
	free(v.volumes);
	if (ret)
		*ret = result;
	return r;
}
