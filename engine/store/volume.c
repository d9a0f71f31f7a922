#include "volume.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "base/cleanup.h"
#include "format/digest.h"
#include "format/gzip.h"
#include "store.h"
#include "stream.h"

/* Of volumes kept loaded that nobody uses: their members, of 56 bytes each. */
enum { IDLE_MEMBERS_MAX = 1 << 20, BUCKETS = 256 };

struct rvs_volume {
	struct rvs_volumes *volumes;
	struct rvs_volume *next;  /* in the list of all; protected by
				     volumes->mutex */
	struct rvs_volume *chain; /* in its bucket; likewise */
	unsigned users;           /* likewise; the table is one of them */
	uint64_t used;            /* likewise; when: a count of uses */
	uint64_t serial;          /* of this loading: the streams' owner */
	char id[RVS_ID_SIZE];
	struct rvs_members members;
};

struct rvs_volumes {
	struct rvs_backend *backend;
	struct rvs_streams *streams;
	pthread_mutex_t mutex;
	struct rvs_volume *first;  /* protected by mutex, as all below */
	struct rvs_volume *buckets[BUCKETS]; /* the same, by id */
	uint64_t members; /* of all in the table, and one for each */
	uint64_t clock;
	char (*ids)[RVS_ID_SIZE];  /* the slots */
	uint32_t id_count;
};

int rvs_volumes_new(struct rvs_backend *backend, struct rvs_volumes **ret,
		    struct rvs_error *err)
{
	struct rvs_volumes *volumes = calloc(1, sizeof(*volumes));
	int r;

	if (!volumes)
		return rvs_error_no_memory(err);
	volumes->backend = backend;
	r = rvs_streams_new(backend, &volumes->streams, err);
	if (r < 0) {
		free(volumes);
		return r;
	}
	(void)pthread_mutex_init(&volumes->mutex, NULL);
	*ret = volumes;
	return 0;
}

static void free_volume(struct rvs_volume *volume)
{
	rvs_streams_forget(volume->volumes->streams, volume->serial);
	rvs_members_done(&volume->members);
	free(volume);
}

void rvs_volumes_free(struct rvs_volumes *volumes)
{
	if (!volumes)
		return;
	while (volumes->first) {
		struct rvs_volume *volume = volumes->first;

		volumes->first = volume->next;
		free_volume(volume);
	}
	rvs_streams_free(volumes->streams);
	(void)pthread_mutex_destroy(&volumes->mutex);
	free(volumes->ids);
	free(volumes);
}

const char *rvs_volume_id(const struct rvs_volume *volume)
{
	return volume->id;
}

const struct rvs_members *rvs_volume_members(const struct rvs_volume *volume)
{
	return &volume->members;
}

static void note_damage(struct rvs_damage *damage, const char *id,
			const char *stream, int64_t member,
			const struct rvs_error *err)
{
	if (!damage)
		return;
	*damage = (struct rvs_damage){ .member = member };
	(void)snprintf(damage->snapshot, sizeof(damage->snapshot), "%s", id);
	(void)snprintf(damage->stream, sizeof(damage->stream), "%s", stream);
	(void)snprintf(damage->reason, sizeof(damage->reason), "%.255s",
		       err->text);
}

/* ---- the table ---- */

/* Call with the mutex held. */
static int slot_of(struct rvs_volumes *volumes, const char *id, uint32_t *ret,
		   struct rvs_error *err)
{
	char(*ids)[RVS_ID_SIZE];
	uint32_t i;

	for (i = 0; i < volumes->id_count; i++)
		if (!strcmp(volumes->ids[i], id)) {
			*ret = i;
			return 0;
		}
	ids = reallocarray(volumes->ids, (size_t)volumes->id_count + 1,
			   sizeof(*ids));
	if (!ids)
		return rvs_error_no_memory(err);
	volumes->ids = ids;
	memcpy(ids[volumes->id_count], id, RVS_ID_SIZE);
	*ret = volumes->id_count++;
	return 0;
}

int rvs_volumes_slot(struct rvs_volumes *volumes, const char *id,
		     uint32_t *ret, struct rvs_error *err)
{
	int r;

	(void)pthread_mutex_lock(&volumes->mutex);
	r = slot_of(volumes, id, ret, err);
	(void)pthread_mutex_unlock(&volumes->mutex);
	return r;
}

static struct rvs_volume **bucket_of(struct rvs_volumes *volumes,
				     const char *id)
{
	uint32_t hash = 0;

	while (*id)
		hash = hash * 31 + (uint8_t)*id++;
	return &volumes->buckets[hash % BUCKETS];
}

/* Call with the mutex held. */
static struct rvs_volume *find_loaded(struct rvs_volumes *volumes,
				      const char *id)
{
	struct rvs_volume *volume = *bucket_of(volumes, id);

	while (volume && strcmp(volume->id, id) != 0)
		volume = volume->chain;
	return volume;
}

static struct rvs_volume *find(struct rvs_volumes *volumes, const char *id)
{
	struct rvs_volume *volume;

	(void)pthread_mutex_lock(&volumes->mutex);
	volume = find_loaded(volumes, id);
	if (volume) {
		volume->users++;
		volume->used = ++volumes->clock;
	}
	(void)pthread_mutex_unlock(&volumes->mutex);
	return volume;
}

/* Take @volume off the table; call with the mutex held.  Returns it when the
 * table was its last user, and the caller must free it. */
static struct rvs_volume *drop(struct rvs_volumes *volumes,
			       struct rvs_volume *volume)
{
	struct rvs_volume **link = &volumes->first;

	while (*link && *link != volume)
		link = &(*link)->next;
	if (!*link)
		return NULL; /* dropped before */
	*link = volume->next;
	link = bucket_of(volumes, volume->id);
	while (*link != volume)
		link = &(*link)->chain;
	*link = volume->chain;
	volumes->members -= (uint64_t)volume->members.count + 1;
	return --volume->users == 0 ? volume : NULL;
}

/* The volume idle for longest, when too many are; call with the mutex held. */
static struct rvs_volume *excess(struct rvs_volumes *volumes)
{
	struct rvs_volume *volume, *oldest = NULL;
	uint64_t idle = 0;

	if (volumes->members <= IDLE_MEMBERS_MAX)
		return NULL; /* nor can it be of those that are idle */
	for (volume = volumes->first; volume; volume = volume->next) {
		if (volume->users > 1)
			continue;
		idle += volume->members.count + 1;
		if (!oldest || volume->used < oldest->used)
			oldest = volume;
	}
	return idle > IDLE_MEMBERS_MAX ? oldest : NULL;
}

static void add(struct rvs_volumes *volumes, struct rvs_volume *volume)
{
	struct rvs_volume *victim;

	(void)pthread_mutex_lock(&volumes->mutex);
	volume->users = 2; /* the table and the caller */
	volume->serial = volume->used = ++volumes->clock;
	volume->next = volumes->first;
	volumes->first = volume;
	volume->chain = *bucket_of(volumes, volume->id);
	*bucket_of(volumes, volume->id) = volume;
	volumes->members += (uint64_t)volume->members.count + 1;
	victim = excess(volumes);
	if (victim)
		victim = drop(volumes, victim);
	(void)pthread_mutex_unlock(&volumes->mutex);
	if (victim)
		free_volume(victim);
}

void rvs_volume_put(struct rvs_volume *volume)
{
	bool last;

	if (!volume)
		return;
	(void)pthread_mutex_lock(&volume->volumes->mutex);
	last = --volume->users == 0;
	(void)pthread_mutex_unlock(&volume->volumes->mutex);
	if (last)
		free_volume(volume);
}

void rvs_volume_cleanup(struct rvs_volume **volume)
{
	rvs_volume_put(*volume);
}

void rvs_volumes_forget(struct rvs_volumes *volumes)
{
	struct rvs_volume *volume;

	for (;;) {
		(void)pthread_mutex_lock(&volumes->mutex);
		volume = volumes->first;
		if (volume)
			volume->users++; /* to drop it outside the lock */
		if (volume)
			(void)drop(volumes, volume);
		(void)pthread_mutex_unlock(&volumes->mutex);
		if (!volume)
			return;
		rvs_volume_put(volume);
	}
}

/* Forget what was loaded for @volume's id, and give @volume back. */
static void forget(struct rvs_volume *volume)
{
	struct rvs_volumes *volumes = volume->volumes;

	(void)pthread_mutex_lock(&volumes->mutex);
	(void)drop(volumes, volume); /* the caller's use keeps it */
	(void)pthread_mutex_unlock(&volumes->mutex);
	rvs_volume_put(volume);
}

static ssize_t read_whole(const struct rvs_backend_ops *ops,
			  struct rvs_object *object, uint64_t size,
			  struct rvs_buf *ret, struct rvs_error *err)
{
	uint8_t *bytes = rvs_buf_reserve(ret, size);
	ssize_t n;

	if (!bytes)
		return rvs_error_no_memory(err);
	n = ops->read(object, bytes, size, 0, err);
	if (n > 0)
		ret->len += (size_t)n;
	return n;
}

/* The index's bytes, unless its first ones show that it is none. */
static int read_index(struct rvs_volumes *volumes, const char *key,
		      struct rvs_buf *ret, struct rvs_error *err)
{
	const struct rvs_backend_ops *ops = volumes->backend->ops;
	uint8_t head[RVS_MEMBERS_HEAD_LEN] = { 0 };
	struct rvs_object *object;
	uint64_t size;
	ssize_t n;
	int r = ops->open(volumes->backend, key, &object, &size, err);

	if (r < 0)
		return r;
	n = ops->read(object, head, sizeof(head), 0, err);
	if (n >= 0 && !rvs_members_plausible(head, size))
		n = rvs_error_set(err, RVS_ERR_CORRUPT,
				  RVS_MEMBERS_NAME
				  ": not an index, or cut short");
	if (n >= 0)
		n = read_whole(ops, object, size, ret, err);
	ops->close(object);
	return n < 0 ? (int)n : 0;
}

static int read_members(struct rvs_volumes *volumes, const char *id,
			struct rvs_members *ret, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf bytes = RVS_BUF_INIT;
	char key[RVS_KEY_SIZE];
	int r;

	(void)snprintf(key, sizeof(key), RVS_SNAPSHOT_PREFIX "%s/%s", id,
		       RVS_MEMBERS_NAME);
	r = read_index(volumes, key, &bytes, err);
	if (r == RVS_ERR_NOT_FOUND)
		return rvs_error_set(err, RVS_ERR_MISSING, "%s is missing",
				     key);
	if (r < 0)
		return r;
	return rvs_members_decode(bytes.bytes, bytes.len, ret, err);
}

int rvs_volume_get(struct rvs_volumes *volumes, const char *id,
		   struct rvs_volume **ret, struct rvs_damage *damage,
		   struct rvs_error *err)
{
	struct rvs_volume *volume = find(volumes, id);
	struct rvs_error own = RVS_ERROR_INIT;
	int r;

	if (volume) {
		*ret = volume;
		return 0;
	}
	err = err ? err : &own; /* damage is told in its words */
	volume = calloc(1, sizeof(*volume));
	if (!volume)
		return rvs_error_no_memory(err);
	volume->volumes = volumes;
	(void)snprintf(volume->id, sizeof(volume->id), "%s", id);
	r = read_members(volumes, id, &volume->members, err);
	if (r < 0) {
		note_damage(damage, id, RVS_MEMBERS_NAME, -1, err);
		free(volume);
		return rvs_error_context(err, "snapshot %s", id);
	}
	add(volumes, volume);
	*ret = volume;
	return 0;
}

/* ---- members ---- */

bool rvs_volume_is_loaded(struct rvs_volumes *volumes, const char *id)
{
	bool loaded;

	(void)pthread_mutex_lock(&volumes->mutex);
	loaded = find_loaded(volumes, id) != NULL;
	(void)pthread_mutex_unlock(&volumes->mutex);
	return loaded;
}

uint32_t rvs_volume_member_len(struct rvs_volumes *volumes, const char *id,
			       uint32_t number)
{
	const struct rvs_volume *volume;
	uint32_t len = 0;

	(void)pthread_mutex_lock(&volumes->mutex);
	volume = find_loaded(volumes, id);
	if (volume && number < volume->members.count)
		len = volume->members.items[number].plain_len;
	(void)pthread_mutex_unlock(&volumes->mutex);
	return len;
}

/* The stored bytes of the member, whose header must be what the index says. */
static int read_stored(struct rvs_volume *volume, uint32_t number,
		       struct rvs_buf *stored, struct rvs_error *err)
{
	const struct rvs_member *m = &volume->members.items[number];
	const char *stream = volume->members.streams[m->stream];
	struct rvs_gzip_header header;
	char key[RVS_KEY_SIZE];
	uint8_t *bytes;
	ssize_t n;
	int r;

	(void)snprintf(key, sizeof(key), RVS_SNAPSHOT_PREFIX "%s/%s",
		       volume->id, stream);
	stored->len = 0;
	bytes = rvs_buf_reserve(stored, m->stored_len);
	if (!bytes)
		return rvs_error_no_memory(err);
	n = rvs_stream_read(volume->volumes->streams, volume->serial,
			    m->stream, key, bytes, m->stored_len, m->offset,
			    err);
	if (n == RVS_ERR_NOT_FOUND)
		return rvs_error_set(err, RVS_ERR_MISSING, "%s is missing",
				     key);
	if (n < 0)
		return (int)n;
	if ((size_t)n < m->stored_len)
		return rvs_error_set(err, RVS_ERR_CORRUPT,
				     "%s is cut short at %" PRIu64, key,
				     m->offset + (uint64_t)n);
	stored->len = (size_t)n;
	r = rvs_gzip_parse(bytes, m->stored_len, &header, err);
	if (r < 0)
		return r;
	if (header.number != number || header.stored_len != m->stored_len ||
	    header.plain_len != m->plain_len ||
	    !rvs_digest_equal(&header.digest, &m->digest))
		return rvs_error_set(err, RVS_ERR_CORRUPT,
				     "member %" PRIu32 " is not what the index "
				     "says", number);
	return 0;
}

static int prove(const struct rvs_member *m, const struct rvs_buf *plain,
		 struct rvs_digest *found, struct rvs_error *err)
{
	int r = rvs_digest_of(plain->bytes, plain->len, found, err);

	if (r < 0)
		return r;
	if (!rvs_digest_equal(found, &m->digest))
		return rvs_error_set(err, RVS_ERR_CORRUPT,
				     "a member does not match its SHA-256");
	return 0;
}

static int load_from(struct rvs_volume *volume, uint32_t number, bool crc_only,
		     struct rvs_buf *scratch, struct rvs_buf *plain,
		     struct rvs_damage *damage, struct rvs_error *err)
{
	const struct rvs_member *m;
	struct rvs_digest found = { { 0 } };
	int r;

	if (number >= volume->members.count ||
	    volume->members.items[number].stored_len == 0) {
		r = rvs_error_set(err, RVS_ERR_MISSING,
				  "the store holds no member %" PRIu32
				  " of snapshot %s", number, volume->id);
		note_damage(damage, volume->id, RVS_MEMBERS_NAME, number, err);
		return r;
	}
	m = &volume->members.items[number];
	plain->len = 0;
	if (!rvs_buf_reserve(plain, m->plain_len ? m->plain_len : 1))
		return rvs_error_no_memory(err);
	plain->len = m->plain_len;
	r = read_stored(volume, number, scratch, err);
	if (r == 0)
		r = rvs_gzip_unpack(scratch->bytes, scratch->len, plain->bytes,
				    plain->len, err);
	if (r == 0 && !crc_only)
		r = prove(m, plain, &found, err);
	if (r == 0)
		return 0;
	note_damage(damage, volume->id, volume->members.streams[m->stream],
		    number, err);
	if (damage) {
		damage->expected = m->digest;
		damage->found = found;
	}
	return rvs_error_context(err, "snapshot %s, stream %s, member %" PRIu32,
				 volume->id,
				 volume->members.streams[m->stream], number);
}

int rvs_volume_load(struct rvs_volumes *volumes, const char *id,
		    uint32_t number, bool crc_only, struct rvs_buf *scratch,
		    struct rvs_buf *plain, struct rvs_damage *damage,
		    struct rvs_error *err)
{
	struct rvs_volume *volume;
	struct rvs_error own = RVS_ERROR_INIT;
	int tries, r;

	err = err ? err : &own; /* damage is told in its words */
	/* Twice: the directory may have been exchanged since it was loaded. */
	for (tries = 0; tries < 2; tries++) {
		r = rvs_volume_get(volumes, id, &volume, damage, err);
		if (r < 0)
			return r;
		r = load_from(volume, number, crc_only, scratch, plain, damage,
			      err);
		if (r == 0 || (r != RVS_ERR_CORRUPT && r != RVS_ERR_MISSING)) {
			rvs_volume_put(volume);
			return r;
		}
		forget(volume);
	}
	return r;
}
