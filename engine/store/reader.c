#include "reader.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "volume.h"

enum { BUCKETS = 4096, SCRATCH_MAX = 32 };

/* A cached member: loading (status 1), good (0), or failed (negative). */
struct slot {
	struct slot *chain;         /* in its bucket */
	struct slot *older, *newer; /* in the order of use, when idle */
	uint64_t key;
	unsigned users;
	int status;
	struct rvs_buf plain;
	struct rvs_error err;     /* of a failed load */
	struct rvs_damage damage; /* likewise */
};

struct rvs_reader {
	struct rvs_volumes *volumes;
	uint64_t max_bytes;
	bool crc_only;
	pthread_mutex_t mutex;
	pthread_cond_t loaded;         /* some slot left the state "loading" */
	struct slot *buckets[BUCKETS]; /* protected by mutex, as all below */
	struct slot *oldest, *newest;  /* idle ones */
	uint64_t bytes;                /* of all slots that are loaded */
	struct rvs_buf scratch[SCRATCH_MAX];
	unsigned scratch_count;
};

int rvs_reader_new(struct rvs_volumes *volumes, uint64_t cache_bytes,
		   bool crc_only, struct rvs_reader **ret,
		   struct rvs_error *err)
{
	struct rvs_reader *reader = calloc(1, sizeof(*reader));

	if (!reader)
		return rvs_error_no_memory(err);
	reader->volumes = volumes;
	reader->max_bytes = cache_bytes;
	reader->crc_only = crc_only;
	(void)pthread_mutex_init(&reader->mutex, NULL);
	(void)pthread_cond_init(&reader->loaded, NULL);
	*ret = reader;
	return 0;
}

static void free_slot(struct slot *slot)
{
	rvs_buf_done(&slot->plain);
	free(slot);
}

void rvs_reader_free(struct rvs_reader *reader)
{
	size_t i;

	if (!reader)
		return;
	for (i = 0; i < BUCKETS; i++)
		while (reader->buckets[i]) {
			struct slot *slot = reader->buckets[i];

			reader->buckets[i] = slot->chain;
			free_slot(slot);
		}
	while (reader->scratch_count > 0)
		rvs_buf_done(&reader->scratch[--reader->scratch_count]);
	(void)pthread_cond_destroy(&reader->loaded);
	(void)pthread_mutex_destroy(&reader->mutex);
	free(reader);
}

static struct slot **bucket_of(struct rvs_reader *reader, uint64_t key)
{
	return &reader->buckets[key * 0x9e3779b97f4a7c15u >> 52];
}

/* ---- the order of use; call with the mutex held ---- */

static void leave_idle(struct rvs_reader *reader, struct slot *slot)
{
	*(slot->older ? &slot->older->newer : &reader->oldest) = slot->newer;
	*(slot->newer ? &slot->newer->older : &reader->newest) = slot->older;
	slot->older = slot->newer = NULL;
}

static void enter_idle(struct rvs_reader *reader, struct slot *slot)
{
	slot->older = reader->newest;
	slot->newer = NULL;
	*(slot->older ? &slot->older->newer : &reader->oldest) = slot;
	reader->newest = slot;
}

static void remove_slot(struct rvs_reader *reader, struct slot *slot)
{
	struct slot **link = bucket_of(reader, slot->key);

	while (*link != slot)
		link = &(*link)->chain;
	*link = slot->chain;
	reader->bytes -= slot->plain.capacity;
	free_slot(slot);
}

static void evict(struct rvs_reader *reader, uint64_t max_bytes)
{
	while (reader->bytes > max_bytes && reader->oldest) {
		struct slot *slot = reader->oldest;

		leave_idle(reader, slot);
		remove_slot(reader, slot);
	}
}

/* ---- using a slot ---- */

/* The slot of @key with a user added; one that was made for this caller, who
 * must load it, has *ret_load set. */
static struct slot *take_slot(struct rvs_reader *reader, uint64_t key,
			      bool *ret_load)
{
	struct slot *slot = *bucket_of(reader, key);

	*ret_load = false;
	while (slot && slot->key != key)
		slot = slot->chain;
	if (!slot) {
		slot = calloc(1, sizeof(*slot));
		if (!slot)
			return NULL;
		slot->key = key;
		slot->status = 1;
		slot->chain = *bucket_of(reader, key);
		*bucket_of(reader, key) = slot;
		*ret_load = true;
	} else if (slot->users == 0) {
		leave_idle(reader, slot);
	}
	slot->users++;
	return slot;
}

/* A failed load is forgotten with its last user: the next one tries anew. */
static void release_slot(struct rvs_reader *reader, struct slot *slot)
{
	(void)pthread_mutex_lock(&reader->mutex);
	if (--slot->users == 0) {
		if (slot->status < 0)
			remove_slot(reader, slot);
		else
			enter_idle(reader, slot);
	}
	evict(reader, reader->max_bytes);
	(void)pthread_mutex_unlock(&reader->mutex);
}

static struct rvs_buf take_scratch(struct rvs_reader *reader)
{
	struct rvs_buf scratch = RVS_BUF_INIT;

	(void)pthread_mutex_lock(&reader->mutex);
	if (reader->scratch_count > 0)
		scratch = reader->scratch[--reader->scratch_count];
	(void)pthread_mutex_unlock(&reader->mutex);
	return scratch;
}

static void load_slot(struct rvs_reader *reader, const char *id,
		      uint32_t number, struct slot *slot)
{
	struct rvs_buf scratch = take_scratch(reader);
	int r = rvs_volume_load(reader->volumes, id, number, reader->crc_only,
				&scratch, &slot->plain, &slot->damage,
				&slot->err);

	(void)pthread_mutex_lock(&reader->mutex);
	slot->status = r;
	reader->bytes += slot->plain.capacity;
	scratch.failed = false;
	if (reader->scratch_count < SCRATCH_MAX)
		reader->scratch[reader->scratch_count++] = scratch;
	else
		rvs_buf_done(&scratch);
	(void)pthread_cond_broadcast(&reader->loaded);
	(void)pthread_mutex_unlock(&reader->mutex);
}

static struct slot *get_slot(struct rvs_reader *reader, const char *id,
			     uint64_t key)
{
	struct slot *slot;
	bool load;

	(void)pthread_mutex_lock(&reader->mutex);
	slot = take_slot(reader, key, &load);
	while (slot && !load && slot->status > 0)
		(void)pthread_cond_wait(&reader->loaded, &reader->mutex);
	(void)pthread_mutex_unlock(&reader->mutex);
	if (slot && load)
		load_slot(reader, id, (uint32_t)key, slot);
	return slot;
}

void rvs_reader_forget(struct rvs_reader *reader)
{
	(void)pthread_mutex_lock(&reader->mutex);
	evict(reader, 0);
	(void)pthread_mutex_unlock(&reader->mutex);
}

bool rvs_reader_has(struct rvs_reader *reader, uint32_t volume, uint32_t number)
{
	uint64_t key = (uint64_t)volume << 32 | number;
	struct slot *slot;

	(void)pthread_mutex_lock(&reader->mutex);
	slot = *bucket_of(reader, key);
	while (slot && slot->key != key)
		slot = slot->chain;
	(void)pthread_mutex_unlock(&reader->mutex);
	return slot != NULL;
}

static int beyond_member(const char *id, uint32_t number,
			 struct rvs_damage *damage, struct rvs_error *err)
{
	static const char reason[] = "an extent reaches beyond its member";

	if (damage) {
		*damage = (struct rvs_damage){ .member = number };
		(void)snprintf(damage->snapshot, sizeof(damage->snapshot),
			       "%s", id);
		(void)snprintf(damage->reason, sizeof(damage->reason), "%s",
			       reason);
	}
	return rvs_error_set(err, RVS_ERR_CORRUPT,
			     "snapshot %s, member %" PRIu32 ": %s", id, number,
			     reason);
}

static int copy_out(const struct slot *slot, const char *id, void *bytes,
		    size_t len, uint32_t offset, struct rvs_damage *damage,
		    struct rvs_error *err)
{
	if (slot->status < 0) {
		if (damage)
			*damage = slot->damage;
		if (err)
			*err = slot->err;
		return slot->status;
	}
	if (offset > slot->plain.len || len > slot->plain.len - offset)
		return beyond_member(id, (uint32_t)slot->key, damage, err);
	if (len > 0)
		memcpy(bytes, slot->plain.bytes + offset, len);
	return 0;
}

int rvs_reader_copy(struct rvs_reader *reader, const char *id, uint32_t volume,
		    uint32_t number, void *bytes, size_t len, uint32_t offset,
		    struct rvs_damage *damage, struct rvs_error *err)
{
	struct slot *slot =
		get_slot(reader, id, (uint64_t)volume << 32 | number);
	int r;

	if (!slot)
		return rvs_error_no_memory(err);
	r = copy_out(slot, id, bytes, len, offset, damage, err);
	release_slot(reader, slot);
	return r;
}
