#include "stream.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/cleanup.h"

/* Well below the 1,024 descriptors that a process may commonly have; a file of
 * a long chain of increments is read from a stream of each. */
enum { OPEN_MAX = 384, BUCKETS = 512 };

struct rvs_stream {
	struct rvs_object *object; /* NULL: a free place */
	struct rvs_stream *chain;  /* in its bucket, unless free */
	uint64_t owner;
	uint64_t used; /* when: a count of uses */
	uint32_t index;
	unsigned readers;
};

struct rvs_streams {
	struct rvs_backend *backend;
	pthread_mutex_t mutex;
	uint64_t clock;                   /* protected by mutex */
	struct rvs_stream open[OPEN_MAX]; /* protected by mutex */
	struct rvs_stream *buckets[BUCKETS]; /* protected by mutex */
};

static struct rvs_stream **bucket_of(struct rvs_streams *streams,
				     uint64_t owner, uint32_t index)
{
	return &streams->buckets[(owner * 31 + index) % BUCKETS];
}

/* Take what is in @place out; call with the mutex held. */
static struct rvs_object *empty(struct rvs_streams *streams,
				struct rvs_stream *place)
{
	struct rvs_object *object = place->object;
	struct rvs_stream **link;

	if (!object)
		return NULL;
	link = bucket_of(streams, place->owner, place->index);
	while (*link != place)
		link = &(*link)->chain;
	*link = place->chain;
	place->object = NULL;
	return object;
}

int rvs_streams_new(struct rvs_backend *backend, struct rvs_streams **ret,
		    struct rvs_error *err)
{
	struct rvs_streams *streams = calloc(1, sizeof(*streams));

	if (!streams)
		return rvs_error_no_memory(err);
	streams->backend = backend;
	(void)pthread_mutex_init(&streams->mutex, NULL);
	*ret = streams;
	return 0;
}

void rvs_streams_free(struct rvs_streams *streams)
{
	size_t i;

	if (!streams)
		return;
	for (i = 0; i < OPEN_MAX; i++)
		streams->backend->ops->close(streams->open[i].object);
	(void)pthread_mutex_destroy(&streams->mutex);
	free(streams);
}

/* The open object, with a reader added, or NULL. */
static struct rvs_stream *find(struct rvs_streams *streams, uint64_t owner,
			       uint32_t index)
{
	struct rvs_stream *s;

	(void)pthread_mutex_lock(&streams->mutex);
	s = *bucket_of(streams, owner, index);
	while (s && (s->owner != owner || s->index != index))
		s = s->chain;
	if (s) {
		s->readers++;
		s->used = ++streams->clock;
	}
	(void)pthread_mutex_unlock(&streams->mutex);
	return s;
}

/* A free place, or that of the object unused for longest; NULL when all are
 * being read.  Call with the mutex held. */
static struct rvs_stream *find_place(struct rvs_streams *streams)
{
	struct rvs_stream *place = NULL;
	size_t i;

	for (i = 0; i < OPEN_MAX; i++) {
		struct rvs_stream *s = &streams->open[i];

		if (!s->object)
			return s;
		if (s->readers == 0 && (!place || s->used < place->used))
			place = s;
	}
	return place;
}

/* Keep @object for the next reader.  Returns the object to close: the one
 * replaced, @object itself when there is no place, or NULL. */
static struct rvs_object *keep(struct rvs_streams *streams, uint64_t owner,
			       uint32_t index, struct rvs_object *object)
{
	struct rvs_object *replaced = object;
	struct rvs_stream **bucket, *place;

	(void)pthread_mutex_lock(&streams->mutex);
	place = find_place(streams);
	if (place) {
		replaced = empty(streams, place);
		bucket = bucket_of(streams, owner, index);
		*place = (struct rvs_stream){ .object = object,
					      .chain = *bucket,
					      .owner = owner,
					      .used = ++streams->clock,
					      .index = index };
		*bucket = place;
	}
	(void)pthread_mutex_unlock(&streams->mutex);
	return replaced;
}

ssize_t rvs_stream_read(struct rvs_streams *streams, uint64_t owner,
			uint32_t index, const char *key, void *bytes,
			size_t len, uint64_t offset, struct rvs_error *err)
{
	const struct rvs_backend_ops *ops = streams->backend->ops;
	struct rvs_stream *stream = find(streams, owner, index);
	struct rvs_object *object;
	uint64_t size;
	ssize_t n;

	if (stream) {
		n = ops->read(stream->object, bytes, len, offset, err);
		(void)pthread_mutex_lock(&streams->mutex);
		stream->readers--;
		(void)pthread_mutex_unlock(&streams->mutex);
		return n;
	}
	n = ops->open(streams->backend, key, &object, &size, err);
	if (n < 0)
		return n;
	n = ops->read(object, bytes, len, offset, err);
	ops->close(keep(streams, owner, index, object));
	return n;
}

void rvs_streams_forget(struct rvs_streams *streams, uint64_t owner)
{
	size_t i;

	(void)pthread_mutex_lock(&streams->mutex);
	for (i = 0; i < OPEN_MAX; i++) {
		struct rvs_stream *s = &streams->open[i];

		if (s->object && s->owner == owner)
			streams->backend->ops->close(empty(streams, s));
	}
	(void)pthread_mutex_unlock(&streams->mutex);
}
