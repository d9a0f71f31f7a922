/*
 * Memory backend: a store's objects in memory, which fail when told to.
 *
 * Objects that are open keep their bytes, as files do.  Threads may share it.
 */
#ifndef MEMORY_BACKEND_H
#define MEMORY_BACKEND_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "store/backend.h"

struct memory_bytes {
	unsigned users; /* protected by the backend's mutex */
	struct rvs_buf buf;
};

struct memory_object {
	char key[512];
	struct memory_bytes *bytes;
};

struct memory_backend {
	struct rvs_backend backend;
	pthread_mutex_t mutex; /* protects all below */
	struct memory_object objects[512];
	size_t count;
	uint64_t generation;
	char locks[4][32]; /* names; "": free */
	unsigned calls; /* of operations that may fail */
	unsigned fail_at; /* the call that does; 0: none */
	int fail_status;
	unsigned opens;
	unsigned reads;
};

struct rvs_object {
	struct memory_backend *memory;
	struct memory_bytes *bytes;
};

struct rvs_lock {
	struct memory_backend *memory;
	char *name; /* in its locks */
};

struct rvs_upload {
	struct memory_backend *memory;
	struct memory_bytes *bytes;
	char key[512];
};

static inline struct memory_backend *memory_of(struct rvs_backend *backend)
{
	return (struct memory_backend *)backend;
}

/* ---- with the mutex held ---- */

static inline void memory_put_bytes(struct memory_bytes *bytes)
{
	if (--bytes->users > 0)
		return;
	rvs_buf_done(&bytes->buf);
	free(bytes);
}

static inline struct memory_object *memory_find(struct memory_backend *memory,
						const char *key)
{
	size_t i;

	for (i = 0; i < memory->count; i++)
		if (!strcmp(memory->objects[i].key, key))
			return &memory->objects[i];
	return NULL;
}

static inline void memory_drop(struct memory_backend *memory,
			       struct memory_object *object)
{
	memory_put_bytes(object->bytes);
	*object = memory->objects[--memory->count];
}

static inline void memory_set(struct memory_backend *memory, const char *key,
			      struct memory_bytes *bytes)
{
	struct memory_object *object = memory_find(memory, key);

	if (object)
		memory_drop(memory, object);
	object = &memory->objects[memory->count++];
	assert_true(memory->count <= 512);
	(void)snprintf(object->key, sizeof(object->key), "%s", key);
	object->bytes = bytes;
}

static inline bool memory_is_below(const char *key, const char *folder)
{
	size_t len = strlen(folder);

	return len == 0 || (!strncmp(key, folder, len) && key[len] == '/');
}

/* "FROM/x" becomes "TO/x". */
static inline void memory_move(struct memory_backend *memory, const char *from,
			       const char *to)
{
	size_t i;

	for (i = 0; i < memory->count; i++) {
		char *key = memory->objects[i].key;
		char rest[512];

		if (!memory_is_below(key, from))
			continue;
		strcpy(rest, key + strlen(from));
		(void)snprintf(key, 512, "%.200s%.300s", to, rest);
	}
}

static inline bool memory_has_folder(struct memory_backend *memory,
				     const char *folder)
{
	size_t i;

	for (i = 0; i < memory->count; i++)
		if (memory_is_below(memory->objects[i].key, folder))
			return true;
	return false;
}

/* ---- the operations ---- */

static inline int memory_enter(struct memory_backend *memory,
			       struct rvs_error *err)
{
	int r = 0;

	(void)pthread_mutex_lock(&memory->mutex);
	if (++memory->calls == memory->fail_at)
		r = rvs_error_set(err, memory->fail_status, "as the test said");
	return r;
}

static inline int memory_leave(struct memory_backend *memory, int r)
{
	(void)pthread_mutex_unlock(&memory->mutex);
	return r;
}

static inline int memory_list(struct rvs_backend *backend, const char *folder,
			      int (*each)(void *arg, const char *name),
			      void *arg, struct rvs_error *err)
{
	struct memory_backend *memory = memory_of(backend);
	char names[512][256];
	size_t count = 0, i, j;
	int r = memory_enter(memory, err);

	for (i = 0; i < memory->count && r == 0; i++) {
		const char *rest = memory->objects[i].key;

		if (!memory_is_below(rest, folder))
			continue;
		rest += strlen(folder) + (*folder != '\0');
		(void)snprintf(names[count], sizeof(names[0]), "%.*s",
			       (int)strcspn(rest, "/"), rest);
		for (j = 0; j < count && strcmp(names[j], names[count]); j++)
			continue;
		count += j == count;
	}
	(void)memory_leave(memory, r);
	if (r == 0 && *folder && count == 0)
		return rvs_error_set(err, RVS_ERR_NOT_FOUND, "%s", folder);
	for (i = 0; i < count && r == 0; i++)
		r = each(arg, names[i]);
	return r;
}

static inline int memory_open(struct rvs_backend *backend, const char *key,
			      struct rvs_object **ret, uint64_t *ret_size,
			      struct rvs_error *err)
{
	struct memory_backend *memory = memory_of(backend);
	int r = memory_enter(memory, err);
	struct memory_object *object = memory_find(memory, key);

	memory->opens++;
	if (r == 0 && !object)
		r = rvs_error_set(err, RVS_ERR_NOT_FOUND, "%s: none", key);
	if (r == 0) {
		*ret = malloc(sizeof(**ret));
		**ret = (struct rvs_object){ memory, object->bytes };
		object->bytes->users++;
		*ret_size = object->bytes->buf.len;
	}
	return memory_leave(memory, r);
}

static inline ssize_t memory_read(struct rvs_object *object, void *bytes,
				  size_t len, uint64_t offset,
				  struct rvs_error *err)
{
	const struct rvs_buf *buf = &object->bytes->buf;
	int r = memory_enter(object->memory, err);

	object->memory->reads++;
	if (r < 0 || offset >= buf->len)
		return memory_leave(object->memory, r);
	if (len > buf->len - offset)
		len = buf->len - offset;
	memcpy(bytes, buf->bytes + offset, len);
	return memory_leave(object->memory, (int)len);
}

static inline void memory_close(struct rvs_object *object)
{
	if (!object)
		return;
	(void)pthread_mutex_lock(&object->memory->mutex);
	memory_put_bytes(object->bytes);
	(void)pthread_mutex_unlock(&object->memory->mutex);
	free(object);
}

static inline int memory_probe(struct rvs_backend *backend, const char *key,
			       struct rvs_error *err)
{
	struct memory_backend *memory = memory_of(backend);
	int r = memory_enter(memory, err);

	return memory_leave(memory, r < 0 ? r : !memory_find(memory, key));
}

static inline struct memory_bytes *memory_new_bytes(void)
{
	struct memory_bytes *bytes = calloc(1, sizeof(*bytes));

	assert_non_null(bytes);
	bytes->users = 1;
	return bytes;
}

static inline int memory_create(struct rvs_backend *backend, const char *key,
				struct rvs_upload **ret, struct rvs_error *err)
{
	struct memory_backend *memory = memory_of(backend);
	int r = memory_enter(memory, err);

	if (r == 0) {
		*ret = calloc(1, sizeof(**ret));
		(*ret)->memory = memory;
		(*ret)->bytes = memory_new_bytes();
		(*ret)->bytes->users++;
		(void)snprintf((*ret)->key, sizeof((*ret)->key), "%s", key);
		memory_set(memory, key, (*ret)->bytes);
	}
	return memory_leave(memory, r);
}

static inline int memory_append(struct rvs_upload *upload, const void *bytes,
				size_t len, struct rvs_error *err)
{
	int r = memory_enter(upload->memory, err);

	if (r == 0)
		rvs_buf_put(&upload->bytes->buf, bytes, len);
	return memory_leave(upload->memory, r);
}

static inline void memory_abandon(struct rvs_upload *upload)
{
	if (!upload)
		return;
	(void)pthread_mutex_lock(&upload->memory->mutex);
	memory_put_bytes(upload->bytes);
	(void)pthread_mutex_unlock(&upload->memory->mutex);
	free(upload);
}

static inline int memory_finish(struct rvs_upload *upload,
				struct rvs_error *err)
{
	int r = memory_enter(upload->memory, err);

	(void)memory_leave(upload->memory, r);
	memory_abandon(upload);
	return r;
}

static inline int memory_publish(struct rvs_backend *backend, const char *from,
				 const char *to, struct rvs_error *err)
{
	struct memory_backend *memory = memory_of(backend);
	int r = memory_enter(memory, err);

	if (r == 0 && memory_has_folder(memory, to))
		r = rvs_error_set(err, RVS_ERR_EXISTS, "%s: there", to);
	if (r == 0) {
		memory_move(memory, from, to);
		memory->generation++;
	}
	return memory_leave(memory, r);
}

static inline int memory_exchange(struct rvs_backend *backend, const char *from,
				  const char *to, struct rvs_error *err)
{
	struct memory_backend *memory = memory_of(backend);
	int r = memory_enter(memory, err);

	if (r == 0) {
		memory_move(memory, to, "exchanged");
		memory_move(memory, from, to);
		memory_move(memory, "exchanged", from);
		memory->generation++;
	}
	return memory_leave(memory, r);
}

static inline int memory_replace(struct rvs_backend *backend, const char *key,
				 const void *text, size_t len,
				 struct rvs_error *err)
{
	struct memory_backend *memory = memory_of(backend);
	int r = memory_enter(memory, err);

	if (r == 0) {
		struct memory_bytes *bytes = memory_new_bytes();

		rvs_buf_put(&bytes->buf, text, len);
		memory_set(memory, key, bytes);
		memory->generation++;
	}
	return memory_leave(memory, r);
}

static inline int memory_remove(struct rvs_backend *backend, const char *key,
				struct rvs_error *err)
{
	struct memory_backend *memory = memory_of(backend);
	int r = memory_enter(memory, err);
	struct memory_object *object = memory_find(memory, key);

	if (r == 0 && object) {
		memory_drop(memory, object);
		memory->generation++;
	}
	return memory_leave(memory, r);
}

static inline int memory_remove_folder(struct rvs_backend *backend,
				       const char *folder,
				       struct rvs_error *err)
{
	struct memory_backend *memory = memory_of(backend);
	int r = memory_enter(memory, err);
	size_t i = 0;

	while (r == 0 && i < memory->count) {
		struct memory_object *object = &memory->objects[i];

		if (memory_is_below(object->key, folder))
			memory_drop(memory, object);
		else
			i++;
	}
	memory->generation++;
	return memory_leave(memory, r);
}

static inline int memory_generation(struct rvs_backend *backend, uint64_t *ret,
				    struct rvs_error *err)
{
	struct memory_backend *memory = memory_of(backend);
	int r = memory_enter(memory, err);

	*ret = memory->generation;
	return memory_leave(memory, r);
}

static inline int memory_copy(struct rvs_backend *backend, const char *from,
			      const char *to, struct rvs_error *err)
{
	struct memory_backend *memory = memory_of(backend);
	int r = memory_enter(memory, err);
	struct memory_object *object = memory_find(memory, from);

	if (r == 0 && !object)
		r = rvs_error_set(err, RVS_ERR_NOT_FOUND, "%s: none", from);
	if (r == 0) {
		object->bytes->users++;
		memory_set(memory, to, object->bytes);
	}
	return memory_leave(memory, r);
}

/* Waits for nobody. */
static inline int memory_lock(struct rvs_backend *backend, const char *name,
			      bool wait, bool (*cancelled)(void *arg),
			      void *arg, struct rvs_lock **ret,
			      struct rvs_error *err)
{
	struct memory_backend *memory = memory_of(backend);
	int r = memory_enter(memory, err);
	char *place = NULL;
	size_t i;

	(void)wait, (void)cancelled, (void)arg;
	for (i = 0; i < 4 && r == 0; i++) {
		if (!strcmp(memory->locks[i], name))
			r = rvs_error_set(err, RVS_ERR_BUSY, "locked");
		if (!*memory->locks[i])
			place = memory->locks[i];
	}
	if (r == 0) {
		*ret = malloc(sizeof(**ret));
		**ret = (struct rvs_lock){ memory, strcpy(place, name) };
	}
	return memory_leave(memory, r);
}

static inline void memory_unlock(struct rvs_lock *lock)
{
	if (!lock)
		return;
	(void)pthread_mutex_lock(&lock->memory->mutex);
	*lock->name = '\0';
	(void)pthread_mutex_unlock(&lock->memory->mutex);
	free(lock);
}

static inline void memory_free(struct rvs_backend *backend)
{
	struct memory_backend *memory = memory_of(backend);

	while (memory->count > 0)
		memory_drop(memory, &memory->objects[0]);
	(void)pthread_mutex_destroy(&memory->mutex);
	free(memory);
}

static const struct rvs_backend_ops memory_ops = {
	.list = memory_list,
	.open = memory_open,
	.read = memory_read,
	.close = memory_close,
	.probe = memory_probe,
	.create = memory_create,
	.append = memory_append,
	.finish = memory_finish,
	.abandon = memory_abandon,
	.copy = memory_copy,
	.publish = memory_publish,
	.exchange = memory_exchange,
	.replace = memory_replace,
	.remove = memory_remove,
	.remove_folder = memory_remove_folder,
	.generation = memory_generation,
	.lock = memory_lock,
	.unlock = memory_unlock,
	.free = memory_free,
};

static inline struct memory_backend *memory_new(void)
{
	struct memory_backend *memory = calloc(1, sizeof(*memory));

	assert_non_null(memory);
	memory->backend.ops = &memory_ops;
	(void)pthread_mutex_init(&memory->mutex, NULL);
	return memory;
}

/* From now on, the call number @nth fails. */
static inline void memory_fail(struct memory_backend *memory, unsigned nth,
			       int status)
{
	(void)pthread_mutex_lock(&memory->mutex);
	memory->calls = 0;
	memory->fail_at = nth;
	memory->fail_status = status;
	(void)pthread_mutex_unlock(&memory->mutex);
}

/* The bytes of an object, to look at or to spoil. */
static inline struct rvs_buf *memory_buf(struct memory_backend *memory,
					 const char *key)
{
	struct memory_object *object = memory_find(memory, key);

	if (!object)
		fail_msg("there is no object %s", key);
	return &object->bytes->buf;
}

#endif
