#include "writer.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "format/checksums.h"
#include "format/digest.h"
#include "snapshot.h"
#include "store.h"

struct rvs_output {
	struct rvs_output *next; /* in the writer's list of open ones */
	struct rvs_backend *backend;
	struct rvs_upload *upload;
	struct rvs_hasher *hasher;
	uint64_t offset; /* where the next member will lie */
	uint32_t stream;
	char name[];
};

/* A finished object. */
struct object {
	struct rvs_digest digest;
	uint64_t bytes;
	char *name; /* NULL: dropped again */
};

struct rvs_writer {
	struct rvs_store *store;
	struct rvs_output *open;
	struct rvs_members members;
	struct object *objects;
	size_t object_count;
	bool has_dropped; /* streams that may come again */
	bool published;
	char id[RVS_ID_SIZE];
};

static void draft_key(const struct rvs_writer *writer, const char *name,
		      char ret[RVS_KEY_SIZE])
{
	(void)snprintf(ret, RVS_KEY_SIZE, RVS_DRAFT_PREFIX "%s%s%s",
		       writer->id, *name ? "/" : "", name);
}

/* ---- beginning and giving up ---- */

struct sweep {
	struct rvs_backend *backend;
	struct rvs_error *err;
};

static int sweep_one(void *arg, const char *name)
{
	const struct sweep *sweep = arg;

	if (strncmp(name, RVS_DRAFT_PREFIX, strlen(RVS_DRAFT_PREFIX)) != 0)
		return 0;
	return sweep->backend->ops->remove_folder(sweep->backend, name,
						  sweep->err);
}

int rvs_writer_sweep(struct rvs_store *store, struct rvs_error *err)
{
	struct sweep sweep = { store->backend, err };
	struct rvs_lock *lock;
	/* Labels are replaced through a draft, too. */
	int r = rvs_store_lock_list(store, &lock, err);

	if (r < 0)
		return r;
	r = store->backend->ops->list(store->backend, "", sweep_one, &sweep,
				      err);
	rvs_store_unlock(store, lock);
	return r;
}

int rvs_writer_new(struct rvs_store *store, const char *id,
		   struct rvs_writer **ret, struct rvs_error *err)
{
	struct rvs_writer *writer = calloc(1, sizeof(*writer));

	if (!writer)
		return rvs_error_no_memory(err);
	writer->store = store;
	(void)snprintf(writer->id, sizeof(writer->id), "%s", id);
	*ret = writer;
	return 0;
}

static void free_output(struct rvs_writer *writer, struct rvs_output *output)
{
	struct rvs_output **link = &writer->open;

	while (*link != output)
		link = &(*link)->next;
	*link = output->next;
	rvs_hasher_free(output->hasher);
	free(output);
}

void rvs_writer_free(struct rvs_writer *writer)
{
	struct rvs_backend *backend;
	char key[RVS_KEY_SIZE];

	if (!writer)
		return;
	backend = writer->store->backend;
	while (writer->open) {
		backend->ops->abandon(writer->open->upload);
		free_output(writer, writer->open);
	}
	draft_key(writer, "", key);
	if (!writer->published) /* what stays, the next writer sweeps */
		(void)backend->ops->remove_folder(backend, key, NULL);
	rvs_members_done(&writer->members);
	while (writer->object_count > 0)
		free(writer->objects[--writer->object_count].name);
	free(writer->objects);
	free(writer);
}

void rvs_writer_cleanup(struct rvs_writer **writer)
{
	rvs_writer_free(*writer);
}

/* ---- streams ---- */

/* A stream that is begun anew keeps its place in the index. */
static int stream_number(struct rvs_writer *writer, const char *name,
			 uint32_t *ret, struct rvs_error *err)
{
	struct rvs_members *members = &writer->members;

	if (writer->has_dropped)
		for (*ret = 0; *ret < members->stream_count; (*ret)++)
			if (!strcmp(members->streams[*ret], name))
				return 0;
	return rvs_members_add_stream(members, name, ret, err);
}

int rvs_writer_open(struct rvs_writer *writer, const char *name,
		    struct rvs_output **ret, struct rvs_error *err)
{
	struct rvs_backend *backend = writer->store->backend;
	struct rvs_output *output = calloc(1, sizeof(*output) + strlen(name) +
						      1);
	char key[RVS_KEY_SIZE];
	int r;

	if (!output)
		return rvs_error_no_memory(err);
	strcpy(output->name, name);
	output->backend = backend;
	draft_key(writer, name, key);
	r = stream_number(writer, name, &output->stream, err);
	if (r == 0)
		r = rvs_hasher_new(&output->hasher, err);
	if (r == 0)
		r = backend->ops->create(backend, key, &output->upload, err);
	if (r < 0) {
		rvs_hasher_free(output->hasher);
		free(output);
		return r;
	}
	output->next = writer->open;
	writer->open = output;
	*ret = output;
	return 0;
}

int rvs_writer_reserve(struct rvs_writer *writer, uint32_t *ret_number,
		       struct rvs_error *err)
{
	const struct rvs_member blank = { .stored_len = 0 };

	return rvs_members_add(&writer->members, &blank, ret_number, err);
}

void rvs_writer_place(struct rvs_writer *writer, uint32_t number,
		      struct rvs_output *output, size_t stored_len,
		      size_t plain_len, const struct rvs_digest *digest)
{
	writer->members.items[number] =
		(struct rvs_member){ .offset = output->offset,
				     .stream = output->stream,
				     .stored_len = (uint32_t)stored_len,
				     .plain_len = (uint32_t)plain_len,
				     .digest = *digest };
	output->offset += stored_len;
}

void rvs_output_sum(struct rvs_output *output, const void *bytes, size_t len)
{
	rvs_hasher_add(output->hasher, bytes, len);
}

int rvs_output_write(struct rvs_output *output, const void *bytes, size_t len,
		     struct rvs_error *err)
{
	return output->backend->ops->append(output->upload, bytes, len, err);
}

int rvs_output_append(struct rvs_output *output, const void *bytes, size_t len,
		      struct rvs_error *err)
{
	rvs_output_sum(output, bytes, len);
	return rvs_output_write(output, bytes, len, err);
}

static int add_object(struct rvs_writer *writer, const char *name,
		      const struct rvs_digest *digest, uint64_t bytes,
		      struct rvs_error *err)
{
	struct object *objects = reallocarray(writer->objects,
					      writer->object_count + 1,
					      sizeof(*objects));
	char *copy;

	if (!objects)
		return rvs_error_no_memory(err);
	writer->objects = objects;
	copy = strdup(name);
	if (!copy)
		return rvs_error_no_memory(err);
	objects[writer->object_count++] =
		(struct object){ *digest, bytes, copy };
	return 0;
}

int rvs_writer_close(struct rvs_writer *writer, struct rvs_output *output,
		     struct rvs_error *err)
{
	struct rvs_digest digest;
	int r = rvs_hasher_finish(output->hasher, &digest, err);

	if (r == 0)
		r = output->backend->ops->finish(output->upload, err);
	else
		output->backend->ops->abandon(output->upload);
	if (r == 0)
		r = add_object(writer, output->name, &digest, output->offset,
			       err);
	free_output(writer, output);
	return r;
}

static void drop_members(struct rvs_members *members, const char *stream)
{
	uint32_t i;

	for (i = 0; i < members->count; i++) {
		struct rvs_member *m = &members->items[i];

		if (m->stored_len > 0 &&
		    !strcmp(members->streams[m->stream], stream))
			*m = (struct rvs_member){ .stream = m->stream };
	}
}

int rvs_writer_drop(struct rvs_writer *writer, const char *name,
		    struct rvs_error *err)
{
	struct rvs_backend *backend = writer->store->backend;
	char key[RVS_KEY_SIZE];
	size_t i = 0;

	while (i < writer->object_count &&
	       (!writer->objects[i].name ||
		strcmp(writer->objects[i].name, name) != 0))
		i++;
	if (i == writer->object_count)
		return 0;
	free(rvs_take(writer->objects[i].name));
	writer->has_dropped = true;
	drop_members(&writer->members, name);
	draft_key(writer, name, key);
	return backend->ops->remove(backend, key, err);
}

/* ---- a directory made anew ---- */

int rvs_writer_follow(struct rvs_writer *writer, const struct rvs_members *old,
		      struct rvs_error *err)
{
	uint32_t i, number;
	int r = 0;

	for (i = 0; i < old->stream_count && r == 0; i++)
		r = rvs_members_add_stream(&writer->members, old->streams[i],
					   &number, err);
	for (i = 0; i < old->count && r == 0; i++) {
		const struct rvs_member dropped = { .stream =
							    old->items[i].stream };

		r = rvs_members_add(&writer->members, &dropped, &number, err);
	}
	writer->has_dropped = true;
	return r;
}

int rvs_writer_keep(struct rvs_writer *writer, const struct rvs_members *old,
		    uint32_t stream, const struct rvs_digest *digest,
		    struct rvs_error *err)
{
	struct rvs_backend *backend = writer->store->backend;
	const char *name = old->streams[stream];
	char from[RVS_KEY_SIZE], to[RVS_KEY_SIZE];
	uint64_t bytes = 0;
	uint32_t i;
	int r;

	for (i = 0; i < old->count; i++)
		if (old->items[i].stream == stream) {
			writer->members.items[i] = old->items[i];
			bytes += old->items[i].stored_len;
		}
	(void)snprintf(from, sizeof(from), RVS_SNAPSHOT_PREFIX "%s/%s",
		       writer->id, name);
	draft_key(writer, name, to);
	r = backend->ops->copy(backend, from, to, err);
	return r < 0 ? r : add_object(writer, name, digest, bytes, err);
}

/* ---- committing ---- */

static int write_object(struct rvs_writer *writer, const char *name,
			const void *bytes, size_t len, struct rvs_error *err)
{
	struct rvs_digest digest;
	char key[RVS_KEY_SIZE];
	int r;

	draft_key(writer, name, key);
	r = rvs_backend_write_object(writer->store->backend, key, bytes, len,
				     err);
	if (r == 0)
		r = rvs_digest_of(bytes, len, &digest, err);
	return r < 0 ? r : add_object(writer, name, &digest, len, err);
}

static int write_members(struct rvs_writer *writer, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf index = RVS_BUF_INIT;
	int r = rvs_members_encode(&writer->members, &index, err);

	return r < 0 ? r : write_object(writer, RVS_MEMBERS_NAME, index.bytes,
					index.len, err);
}

static int write_metadata(struct rvs_writer *writer,
			  const struct rvs_snapshot *snapshot,
			  struct rvs_error *err)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf text = RVS_BUF_INIT;
	RVS_CLEANUP(rvs_cleanup_free)
	char *json = rvs_snapshot_json(snapshot, 2);

	if (!json)
		return rvs_error_no_memory(err);
	rvs_buf_put(&text, json, strlen(json));
	rvs_buf_put(&text, "\n", 1);
	return write_object(writer, RVS_METADATA_NAME, text.bytes, text.len,
			    err);
}

static int write_checksums(struct rvs_writer *writer, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf text = RVS_BUF_INIT;
	char key[RVS_KEY_SIZE];
	size_t i;
	int r;

	for (i = 0; i < writer->object_count; i++)
		if (writer->objects[i].name)
			rvs_checksums_put(&text, &writer->objects[i].digest,
					  writer->objects[i].name);
	r = rvs_buf_check(&text, err);
	draft_key(writer, RVS_CHECKSUM_NAME, key);
	return r < 0 ? r :
		       rvs_backend_write_object(writer->store->backend, key,
						text.bytes, text.len, err);
}

static uint64_t object_bytes(const struct rvs_writer *writer)
{
	uint64_t bytes = 0;
	size_t i;

	for (i = 0; i < writer->object_count; i++)
		if (writer->objects[i].name)
			bytes += writer->objects[i].bytes;
	return bytes;
}

/* Somebody may have taken the name since the snapshot was begun. */
static int publish_named(struct rvs_writer *writer,
			 const struct rvs_snapshot *snapshot,
			 struct rvs_error *err)
{
	RVS_CLEANUP(rvs_snapshot_list_done)
	struct rvs_snapshot_list list = { NULL, 0 };
	struct rvs_backend *backend = writer->store->backend;
	char draft[RVS_KEY_SIZE], final[RVS_KEY_SIZE];
	int r = rvs_snapshot_list(writer->store, &list, NULL, NULL, err);

	if (r < 0)
		return r;
	if (rvs_snapshot_name_taken(&list, snapshot->name))
		return rvs_error_set(err, RVS_ERR_EXISTS,
				     "there is a snapshot \"%s\" already",
				     snapshot->name);
	draft_key(writer, "", draft);
	(void)snprintf(final, sizeof(final), RVS_SNAPSHOT_PREFIX "%s",
		       writer->id);
	return backend->ops->publish(backend, draft, final, err);
}

int rvs_writer_commit(struct rvs_writer *writer, struct rvs_snapshot *snapshot,
		      struct rvs_error *err)
{
	struct rvs_lock *lock;
	int r;

	assert(!writer->open); /* every stream was closed */
	r = write_members(writer, err);
	snapshot->size_bytes = object_bytes(writer);
	if (r == 0)
		r = write_metadata(writer, snapshot, err);
	if (r == 0)
		r = write_checksums(writer, err);
	if (r == 0)
		r = rvs_store_lock_list(writer->store, &lock, err);
	if (r < 0)
		return r;
	r = publish_named(writer, snapshot, err);
	rvs_store_unlock(writer->store, lock);
	writer->published = r == 0;
	return r;
}

int rvs_writer_replace(struct rvs_writer *writer, struct rvs_error *err)
{
	struct rvs_backend *backend = writer->store->backend;
	char draft[RVS_KEY_SIZE], final[RVS_KEY_SIZE];
	int r;

	assert(!writer->open); /* every stream was closed */
	r = write_members(writer, err);
	if (r == 0)
		r = write_checksums(writer, err);
	if (r < 0)
		return r;
	draft_key(writer, "", draft);
	(void)snprintf(final, sizeof(final), RVS_SNAPSHOT_PREFIX "%s",
		       writer->id);
	/* What was there is the draft then, and goes with the writer. */
	return backend->ops->exchange(backend, draft, final, err);
}
