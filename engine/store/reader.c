#include "reader.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "volume.h"

enum {
	BUCKETS = 4096,
	SCRATCH_MAX = 32,
	DONE_BYTES_MAX = 16 << 20, /* kept of what was read to its end: a part
				      of it may be asked for late */
	SPARE_CLASSES = 21,        /* 2^20 bytes is the longest member */
	SPARE_MAX = 256,           /* buffers kept of one class */
	SPARE_BYTES_MAX = 32 << 20, /* and of all */
};

struct failure {
	struct rvs_error err;
	struct rvs_damage damage;
};

/* Of a slot that is neither good (0) nor failed (negative). */
enum {
	LOADING = 1,
	PROMISED = 2, /* to be loaded, by whom it was promised, or by its first
			 user, who may come sooner */
};

/* A cached member. */
struct rvs_slot {
	struct rvs_slot *chain;         /* in its bucket */
	struct rvs_slot *older, *newer; /* in its queue, when idle */
	uint64_t key;
	unsigned users;
	int status;
	pthread_cond_t loaded; /* LOADING no more */
	bool done;             /* read to its end, from front to back */
	struct rvs_buf plain;
	struct failure *failure; /* of a failed load; NULL: no memory for it */
};

/* Idle slots in the order of their last use. */
struct queue {
	struct rvs_slot *oldest, *newest;
	uint64_t bytes;
};

/* Buffers to be used again, of 2^class bytes: fresh memory costs more than the
 * decompression into it.  */
struct spares {
	struct rvs_buf bufs[SPARE_MAX];
	unsigned count;
};

struct rvs_reader {
	struct rvs_volumes *volumes;
	uint64_t max_bytes;
	bool crc_only;
	pthread_mutex_t mutex;
	/* Protected by mutex, as all below. */
	struct rvs_slot *buckets[BUCKETS];
	struct queue idle; /* may be wanted again */
	struct queue done; /* are hardly */
	uint64_t bytes;    /* of all slots that are loaded */
	struct rvs_buf scratch[SCRATCH_MAX];
	unsigned scratch_count;
	struct spares spares[SPARE_CLASSES];
	size_t spare_bytes; /* in all of them */
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
	*ret = reader;
	return 0;
}

/* ---- buffers ---- */

/* The class of a buffer that holds @len bytes. */
static unsigned class_of(size_t len)
{
	unsigned class = 0;

	while (((size_t)1 << class) < len)
		class++;
	return class;
}

/* A buffer of @len bytes or more, if there is one; call with the mutex held. */
static struct rvs_buf take_spare(struct rvs_reader *reader, size_t len)
{
	struct rvs_buf none = RVS_BUF_INIT;
	unsigned class = class_of(len);

	if (class >= SPARE_CLASSES || reader->spares[class].count == 0)
		return none;
	reader->spare_bytes -= (size_t)1 << class;
	return reader->spares[class].bufs[--reader->spares[class].count];
}

/* Takes @buf over; call with the mutex held. */
static void put_spare(struct rvs_reader *reader, struct rvs_buf *buf)
{
	unsigned class = class_of(buf->capacity);
	struct spares *spares;

	if (class >= SPARE_CLASSES || buf->capacity != (size_t)1 << class ||
	    buf->failed || reader->spares[class].count == SPARE_MAX ||
	    reader->spare_bytes + buf->capacity > SPARE_BYTES_MAX) {
		rvs_buf_done(buf);
		return;
	}
	spares = &reader->spares[class];
	reader->spare_bytes += buf->capacity;
	spares->bufs[spares->count++] = *buf;
	*buf = (struct rvs_buf)RVS_BUF_INIT;
}

struct rvs_buf rvs_reader_lend(struct rvs_reader *reader, size_t len)
{
	struct rvs_buf buf;

	(void)pthread_mutex_lock(&reader->mutex);
	buf = take_spare(reader, len);
	(void)pthread_mutex_unlock(&reader->mutex);
	buf.len = 0;
	return buf;
}

void rvs_reader_take_back(struct rvs_reader *reader, struct rvs_buf *buf)
{
	(void)pthread_mutex_lock(&reader->mutex);
	put_spare(reader, buf);
	(void)pthread_mutex_unlock(&reader->mutex);
}

static void free_spares(struct rvs_reader *reader)
{
	unsigned class;

	for (class = 0; class < SPARE_CLASSES; class++) {
		struct spares *spares = &reader->spares[class];

		while (spares->count > 0)
			rvs_buf_done(&spares->bufs[--spares->count]);
	}
	reader->spare_bytes = 0;
}

static void free_slot(struct rvs_slot *slot)
{
	rvs_buf_done(&slot->plain);
	free(slot->failure);
	(void)pthread_cond_destroy(&slot->loaded);
	free(slot);
}

void rvs_reader_free(struct rvs_reader *reader)
{
	size_t i;

	if (!reader)
		return;
	for (i = 0; i < BUCKETS; i++)
		while (reader->buckets[i]) {
			struct rvs_slot *slot = reader->buckets[i];

			reader->buckets[i] = slot->chain;
			free_slot(slot);
		}
	while (reader->scratch_count > 0)
		rvs_buf_done(&reader->scratch[--reader->scratch_count]);
	free_spares(reader);
	(void)pthread_mutex_destroy(&reader->mutex);
	free(reader);
}

static struct rvs_slot **bucket_of(struct rvs_reader *reader, uint64_t key)
{
	return &reader->buckets[key * 0x9e3779b97f4a7c15u >> 52];
}

/* ---- the order of use; call with the mutex held ---- */

static struct queue *queue_of(struct rvs_reader *reader,
			      const struct rvs_slot *slot)
{
	return slot->done ? &reader->done : &reader->idle;
}

static void leave_queue(struct rvs_reader *reader, struct rvs_slot *slot)
{
	struct queue *queue = queue_of(reader, slot);

	*(slot->older ? &slot->older->newer : &queue->oldest) = slot->newer;
	*(slot->newer ? &slot->newer->older : &queue->newest) = slot->older;
	slot->older = slot->newer = NULL;
	queue->bytes -= slot->plain.capacity;
}

static void enter_queue(struct rvs_reader *reader, struct rvs_slot *slot)
{
	struct queue *queue = queue_of(reader, slot);

	slot->older = queue->newest;
	slot->newer = NULL;
	*(slot->older ? &slot->older->newer : &queue->oldest) = slot;
	queue->newest = slot;
	queue->bytes += slot->plain.capacity;
}

static void remove_slot(struct rvs_reader *reader, struct rvs_slot *slot)
{
	struct rvs_slot **link = bucket_of(reader, slot->key);

	while (*link != slot)
		link = &(*link)->chain;
	*link = slot->chain;
	reader->bytes -= slot->plain.capacity;
	put_spare(reader, &slot->plain);
	free_slot(slot);
}

static void evict_oldest(struct rvs_reader *reader, struct queue *queue)
{
	struct rvs_slot *slot = queue->oldest;

	leave_queue(reader, slot);
	remove_slot(reader, slot);
}

static void evict(struct rvs_reader *reader, uint64_t max_bytes)
{
	while (reader->done.oldest && (reader->bytes > max_bytes ||
				       reader->done.bytes > DONE_BYTES_MAX))
		evict_oldest(reader, &reader->done);
	while (reader->idle.oldest && reader->bytes > max_bytes)
		evict_oldest(reader, &reader->idle);
}

/* ---- using a slot ---- */

static uint64_t key_of(uint32_t volume, uint32_t number)
{
	return (uint64_t)volume << 32 | number;
}

/* Call with the mutex held, as the two below. */
static struct rvs_slot *find_slot(struct rvs_reader *reader, uint64_t key)
{
	struct rvs_slot *slot = *bucket_of(reader, key);

	while (slot && slot->key != key)
		slot = slot->chain;
	return slot;
}

/* With one user. */
static struct rvs_slot *add_slot(struct rvs_reader *reader, uint64_t key)
{
	struct rvs_slot *slot = calloc(1, sizeof(*slot));

	if (!slot)
		return NULL;
	(void)pthread_cond_init(&slot->loaded, NULL);
	slot->key = key;
	slot->status = PROMISED;
	slot->users = 1;
	slot->chain = *bucket_of(reader, key);
	*bucket_of(reader, key) = slot;
	return slot;
}

/* The slot of @key with a user added. */
static struct rvs_slot *take_slot(struct rvs_reader *reader, uint64_t key)
{
	struct rvs_slot *slot = find_slot(reader, key);

	if (!slot)
		return add_slot(reader, key);
	if (slot->users++ == 0)
		leave_queue(reader, slot);
	return slot;
}

/* Whether a promised slot falls to the caller to be loaded; with the mutex
 * held. */
static bool claim(struct rvs_slot *slot)
{
	if (slot->status != PROMISED)
		return false;
	slot->status = LOADING;
	return true;
}

/* A failed load is forgotten with its last user: the next one tries anew. */
static void release_slot(struct rvs_reader *reader, struct rvs_slot *slot,
			 enum rvs_use use)
{
	(void)pthread_mutex_lock(&reader->mutex);
	if (use != RVS_USE_PART)
		slot->done = use == RVS_USE_LAST;
	if (--slot->users == 0) {
		if (slot->status < 0)
			remove_slot(reader, slot);
		else
			enter_queue(reader, slot);
	}
	evict(reader, reader->max_bytes);
	(void)pthread_mutex_unlock(&reader->mutex);
}

static void take_buffers(struct rvs_reader *reader, size_t len,
			 struct rvs_buf *ret_scratch, struct rvs_buf *ret_plain)
{
	(void)pthread_mutex_lock(&reader->mutex);
	if (reader->scratch_count > 0)
		*ret_scratch = reader->scratch[--reader->scratch_count];
	*ret_plain = take_spare(reader, len);
	(void)pthread_mutex_unlock(&reader->mutex);
}

/* Call with the mutex held. */
static void put_scratch(struct rvs_reader *reader, struct rvs_buf *scratch)
{
	scratch->failed = false;
	if (reader->scratch_count < SCRATCH_MAX)
		reader->scratch[reader->scratch_count++] = *scratch;
	else
		rvs_buf_done(scratch);
}

static void load_slot(struct rvs_reader *reader, const char *id,
		      uint32_t number, struct rvs_slot *slot)
{
	struct rvs_buf scratch = RVS_BUF_INIT, plain = RVS_BUF_INIT;
	struct failure failure = { .err = RVS_ERROR_INIT };
	int r;

	take_buffers(reader, rvs_volume_member_len(reader->volumes, id, number),
		     &scratch, &plain);
	r = rvs_volume_load(reader->volumes, id, number, reader->crc_only,
			    &scratch, &plain, &failure.damage, &failure.err);
	if (r < 0)
		slot->failure = malloc(sizeof(failure));
	if (slot->failure)
		*slot->failure = failure;
	(void)pthread_mutex_lock(&reader->mutex);
	slot->plain = plain;
	slot->status = r;
	reader->bytes += slot->plain.capacity;
	put_scratch(reader, &scratch);
	if (slot->users > 1)
		(void)pthread_cond_broadcast(&slot->loaded);
	(void)pthread_mutex_unlock(&reader->mutex);
}

static struct rvs_slot *get_slot(struct rvs_reader *reader, const char *id,
				 uint64_t key)
{
	struct rvs_slot *slot;
	bool load;

	(void)pthread_mutex_lock(&reader->mutex);
	slot = take_slot(reader, key);
	load = slot && claim(slot);
	while (slot && !load && slot->status == LOADING)
		(void)pthread_cond_wait(&slot->loaded, &reader->mutex);
	(void)pthread_mutex_unlock(&reader->mutex);
	if (slot && load)
		load_slot(reader, id, (uint32_t)key, slot);
	return slot;
}

void rvs_reader_forget(struct rvs_reader *reader)
{
	(void)pthread_mutex_lock(&reader->mutex);
	evict(reader, 0);
	free_spares(reader);
	(void)pthread_mutex_unlock(&reader->mutex);
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

static int explain(const struct rvs_slot *slot, struct rvs_damage *damage,
		   struct rvs_error *err)
{
	if (!slot->failure)
		return rvs_error_no_memory(err);
	if (damage)
		*damage = slot->failure->damage;
	if (err)
		*err = slot->failure->err;
	return slot->status;
}

int rvs_reader_hold(struct rvs_reader *reader, const char *id, uint32_t volume,
		    uint32_t number, struct rvs_held *ret,
		    struct rvs_damage *damage, struct rvs_error *err)
{
	struct rvs_slot *slot = get_slot(reader, id, key_of(volume, number));
	int r = 0;

	if (!slot)
		return rvs_error_no_memory(err);
	if (slot->status < 0) {
		r = explain(slot, damage, err);
		release_slot(reader, slot, RVS_USE_PART);
		return r;
	}
	*ret = (struct rvs_held){ .bytes = slot->plain.bytes,
				  .len = slot->plain.len,
				  .slot = slot,
				  .id = id,
				  .volume = volume,
				  .number = number };
	return 0;
}

int rvs_held_check(const struct rvs_held *held, size_t len, uint32_t offset,
		   struct rvs_damage *damage, struct rvs_error *err)
{
	if (offset > held->len || len > held->len - offset)
		return beyond_member(held->id, held->number, damage, err);
	return 0;
}

void rvs_reader_release(struct rvs_reader *reader, struct rvs_held *held,
			enum rvs_use use)
{
	if (held->slot)
		release_slot(reader, held->slot, use);
	held->slot = NULL;
}

struct rvs_slot *rvs_reader_promise(struct rvs_reader *reader, uint32_t volume,
				    uint32_t number)
{
	uint64_t key = key_of(volume, number);
	struct rvs_slot *slot;

	(void)pthread_mutex_lock(&reader->mutex);
	slot = find_slot(reader, key) ? NULL : add_slot(reader, key);
	(void)pthread_mutex_unlock(&reader->mutex);
	return slot;
}

void rvs_reader_fulfil(struct rvs_reader *reader, const char *id,
		       struct rvs_slot *promised)
{
	bool load;

	(void)pthread_mutex_lock(&reader->mutex);
	load = claim(promised);
	(void)pthread_mutex_unlock(&reader->mutex);
	/* A failure shows when the member is really read. */
	if (load)
		load_slot(reader, id, (uint32_t)promised->key, promised);
	release_slot(reader, promised, RVS_USE_PART);
}
