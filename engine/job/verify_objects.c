/*
 * Each object of a directory against checksum.sha256, and where one differs,
 * each of its members.
 */
#include "verify_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "format/checksums.h"
#include "format/digest.h"
#include "store/store.h"
#include "store/volume.h"

/* An index of 16 million members, of 1.5 TiB of data. */
#define INDEX_MAX ((uint64_t)1 << 30)

struct directory {
	struct verifying *v;
	char id[RVS_ID_SIZE];
	struct rvs_volume *volume; /* NULL: its index is damaged */
	uint64_t lines;            /* metadata.json's left out */
	bool has_record;
	bool broken; /* its checksum file cannot be read to its end, */
	struct rvs_error why; /* since */
};

/* An object to be hashed; or, the last of a directory, its end. */
struct hashing {
	struct rvs_job job;
	struct directory *directory;
	uint64_t max; /* bytes that it may have */
	struct rvs_digest expected, found;
	int status;
	struct rvs_error err;
	char name[];
};

/* ---- the job ---- */

static int hash_blocks(struct hashing *h, struct rvs_object *object,
		       uint64_t size, struct rvs_hasher *hasher)
{
	struct verifying *v = h->directory->v;
	RVS_CLEANUP(rvs_cleanup_free) uint8_t *block = malloc(VERIFY_BLOCK);
	uint64_t at = 0;
	int r = block ? 0 : rvs_error_no_memory(&h->err);

	while (r == 0 && at < size) {
		ssize_t n = v->store->backend->ops->read(
			object, block, VERIFY_BLOCK, at, &h->err);

		if (n <= 0)
			return (int)n;
		rvs_hasher_add(hasher, block, (size_t)n);
		at += (uint64_t)n;
		r = verify_moved(v, (uint64_t)n, &h->err);
	}
	return r;
}

static int hash_object(struct hashing *h)
{
	struct rvs_backend *backend = h->directory->v->store->backend;
	RVS_CLEANUP(rvs_hasher_cleanup) struct rvs_hasher *hasher = NULL;
	struct rvs_object *object;
	char key[RVS_KEY_SIZE];
	uint64_t size;
	int r = rvs_hasher_new(&hasher, &h->err);

	(void)snprintf(key, sizeof(key), RVS_SNAPSHOT_PREFIX "%s/%s",
		       h->directory->id, h->name);
	if (r == 0)
		r = backend->ops->open(backend, key, &object, &size, &h->err);
	if (r < 0)
		return r;
	if (size > h->max)
		r = rvs_error_set(&h->err, RVS_ERR_CORRUPT,
				  "longer than the index says");
	else
		r = hash_blocks(h, object, size, hasher);
	backend->ops->close(object);
	return r < 0 ? r : rvs_hasher_finish(hasher, &h->found, &h->err);
}

static void hash(struct rvs_job *job, unsigned worker)
{
	struct hashing *h = (struct hashing *)job;

	(void)worker;
	h->status = hash_object(h);
}

/* It only has its place, behind the objects. */
static void end(struct rvs_job *job, unsigned worker)
{
	(void)job;
	(void)worker;
}

/* ---- judging ---- */

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

	if (r < 0) /* the index is told of itself */
		return verify_is_damage(r) ? 0 : r;
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
		if (r < 0 && !verify_is_damage(r))
			return r;
		if (r < 0)
			verify_report(v, id, NULL, &damage);
	}
	if (v->result->findings == before)
		verify_report_text(v, id, stream,
				   "does not match checksum.sha256, though all "
				   "its members are good");
	return 0;
}

static int judge_object(struct hashing *h)
{
	struct verifying *v = h->directory->v;
	const char *id = h->directory->id, *name = h->name;
	int r = h->status;

	if (r == RVS_ERR_NOT_FOUND && !strcmp(name, RVS_METADATA_NAME))
		return 0; /* deleted, and its data serves others */
	if (r < 0 && !verify_is_damage(r)) {
		*v->err = h->err;
		return r;
	}
	if (r < 0) {
		verify_report_text(v, id, name, r == RVS_ERR_NOT_FOUND ?
							"is missing" :
							h->err.text);
		return 0;
	}
	if (rvs_digest_equal(&h->found, &h->expected))
		return 0;
	if (!strcmp(name, RVS_METADATA_NAME) ||
	    !strcmp(name, RVS_MEMBERS_NAME)) {
		verify_report_text(v, id, name,
				   "does not match checksum.sha256");
		return 0;
	}
	return prove_members(v, id, name);
}

static bool is_listed(const struct verifying *v, const char *id)
{
	size_t i;

	for (i = 0; i < v->listed->count; i++)
		if (!strcmp(v->listed->items[i].id, id))
			return true;
	return false;
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
		verify_report_text(v, directory->id, RVS_CHECKSUM_NAME,
			    "lacks lines, or has too many");
	return 0;
}

static int judge_end(const struct directory *directory)
{
	if (!directory->broken)
		return check_complete(directory);
	verify_report_text(directory->v, directory->id, RVS_CHECKSUM_NAME,
			   directory->why.text);
	return 0;
}

static void free_directory(struct directory *directory)
{
	rvs_volume_put(directory->volume);
	free(directory);
}

/* Judge the oldest until @limit are left; behind a failure, which @r may be,
 * they are only freed. */
static int collect(struct verifying *v, size_t limit, int r)
{
	while (rvs_lane_depth(v->objects) > limit) {
		struct hashing *h =
			(struct hashing *)verify_await(v, v->objects);
		bool ends = h->job.run == end;

		if (r == 0)
			r = ends ? judge_end(h->directory) : judge_object(h);
		if (r == 0)
			r = verify_advance(v, 0);
		if (ends)
			free_directory(h->directory);
		free(h);
	}
	return r;
}

int verify_settle(struct verifying *v)
{
	return collect(v, 0, 0);
}

void verify_drop(struct verifying *v)
{
	if (v->objects)
		(void)collect(v, 0, RVS_ERR_INTERRUPTED);
}

/* ---- handing out ---- */

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

static struct hashing *new_hashing(struct directory *directory,
				   void (*run)(struct rvs_job *job,
					       unsigned worker),
				   const char *name)
{
	struct hashing *h = calloc(1, sizeof(*h) + strlen(name) + 1);

	if (!h)
		return NULL;
	h->job.run = run;
	h->directory = directory;
	strcpy(h->name, name);
	return h;
}

static int submit(void *arg, const char *name, const struct rvs_digest *digest)
{
	struct directory *directory = arg;
	struct verifying *v = directory->v;
	struct hashing *h = new_hashing(directory, hash, name);
	bool record = !strcmp(name, RVS_METADATA_NAME);

	if (!h)
		return rvs_error_no_memory(v->err);
	directory->has_record |= record;
	directory->lines += !record;
	h->expected = *digest;
	h->max = longest(directory, name);
	rvs_lane_submit(v->objects, &h->job);
	return collect(v, (size_t)VERIFY_IN_FLIGHT * rvs_pool_threads(v->pool),
		       0);
}

static int read_checksums(const struct verifying *v, const char *id,
			  struct rvs_buf *ret)
{
	char key[RVS_KEY_SIZE];
	int r;

	(void)snprintf(key, sizeof(key),
		       RVS_SNAPSHOT_PREFIX "%s/" RVS_CHECKSUM_NAME, id);
	r = rvs_backend_read_object(v->store->backend, key, RVS_CHECKSUM_MAX,
				    ret, v->err);
	rvs_buf_put_u8(ret, 0);
	return r < 0 ? r : rvs_buf_check(ret, v->err);
}

static int submit_lines(struct directory *directory)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf text = RVS_BUF_INIT;
	struct verifying *v = directory->v;
	int r = read_checksums(v, directory->id, &text);

	if (r == 0)
		r = rvs_checksums_read((char *)text.bytes, submit, directory,
				       v->err);
	if (r == 0 || !verify_is_damage(r))
		return r;
	directory->broken = true;
	directory->why = *v->err;
	return 0;
}

static int prove_directory(struct verifying *v, const char *id)
{
	struct directory *directory = calloc(1, sizeof(*directory));
	struct hashing *last = directory ? new_hashing(directory, end, "") :
					   NULL;
	int r;

	if (!last) {
		free(directory);
		return rvs_error_no_memory(v->err);
	}
	directory->v = v;
	(void)snprintf(directory->id, sizeof(directory->id), "%s", id);
	r = rvs_volume_get(v->store->volumes, id, &directory->volume, NULL,
			   v->err);
	if (r == 0 || verify_is_damage(r))
		r = submit_lines(directory);
	rvs_lane_submit(v->objects, &last->job); /* which frees it */
	return r;
}

int verify_volume(struct verifying *v, const char *id)
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
