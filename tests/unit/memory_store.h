/*
 * Memory store: an open store on a memory backend, and snapshots forged in it.
 */
#ifndef MEMORY_STORE_H
#define MEMORY_STORE_H

#include "memory_backend.h"

#include "format/digest.h"
#include "format/gzip.h"
#include "store/ahead.h"
#include "store/reader.h"
#include "store/records.h"
#include "store/store.h"
#include "store/volume.h"
#include "store/writer.h"

#define memory_ok(expr, err)                                                 \
	do {                                                                 \
		int status_ = (expr);                                        \
		if (status_ < 0)                                             \
			fail_msg("%s: %d: %s", #expr, status_, (err).text);  \
	} while (0)

struct memory_store {
	struct rvs_store store; /* first: hand its address to the engine */
	struct memory_backend *memory;
};

static inline void memory_store_open_parts(struct memory_store *s,
					   uint64_t cache_bytes)
{
	struct rvs_error err = RVS_ERROR_INIT;

	memory_ok(rvs_volumes_new(s->store.backend, &s->store.volumes, &err),
		  err);
	memory_ok(rvs_records_new(s->store.backend, s->store.options.threads,
				  &s->store.records, &err), err);
	memory_ok(rvs_reader_new(s->store.volumes, cache_bytes, false,
				 &s->store.reader, &err), err);
	memory_ok(rvs_ahead_new(s->store.reader, 2, &s->store.ahead, &err),
		  err);
}

static inline struct memory_store *memory_store_new(uint64_t cache_bytes)
{
	struct memory_store *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->memory = memory_new();
	s->store.backend = &s->memory->backend;
	s->store.config.level = 1;
	s->store.options.threads = 2;
	memory_store_open_parts(s, cache_bytes);
	return s;
}

static inline void memory_store_close_parts(struct memory_store *s)
{
	rvs_ahead_free(s->store.ahead);
	rvs_reader_free(s->store.reader);
	rvs_records_free(s->store.records);
	rvs_volumes_free(s->store.volumes);
}

/* As another process would see it: nothing cached. */
static inline void memory_store_reopen(struct memory_store *s)
{
	memory_store_close_parts(s);
	memory_store_open_parts(s, 128 << 20);
}

static inline void memory_store_cleanup(struct memory_store **s)
{
	memory_store_close_parts(*s);
	(*s)->store.backend->ops->free((*s)->store.backend);
	free(*s);
}

/* ---- writing by hand ---- */

/* Pack the bytes as the next member of @output. */
static inline uint32_t put_member(struct rvs_writer *writer,
				  struct rvs_output *output, const void *plain,
				  size_t len)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf packed = RVS_BUF_INIT;
	RVS_CLEANUP(rvs_codec_cleanup) struct rvs_codec *codec = NULL;
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_digest digest;
	uint32_t number;

	memory_ok(rvs_codec_new(1, &codec, &err), err);
	memory_ok(rvs_digest_of(plain, len, &digest, &err), err);
	memory_ok(rvs_writer_reserve(writer, &number, &err), err);
	memory_ok(rvs_gzip_pack(codec, number, plain, len, &digest, &packed,
				&err), err);
	rvs_writer_place(writer, number, output, packed.len, len, &digest);
	memory_ok(rvs_output_append(output, packed.bytes, packed.len, &err),
		  err);
	return number;
}

/* A record that commits; for rvs_snapshot_done(). */
static inline struct rvs_snapshot plain_record(const char *id)
{
	struct rvs_snapshot record = { .created_at = { 1795342500, 5 },
				       .consistency = "settled" };

	(void)snprintf(record.id, sizeof(record.id), "%s", id);
	(void)snprintf(record.name, sizeof(record.name), "%s", id);
	record.source = strdup("/source");
	record.tool_version = strdup("0");
	assert_true(record.source && record.tool_version);
	return record;
}

static inline void commit_record(struct rvs_writer *writer, const char *id)
{
	struct rvs_snapshot record = plain_record(id);
	struct rvs_error err = RVS_ERROR_INIT;

	memory_ok(rvs_writer_commit(writer, &record, &err), err);
	rvs_snapshot_done(&record);
}

/* The snapshot @id with one stream @name of members of @lens bytes: member i is
 * filled with the byte i. */
static inline void put_snapshot(struct memory_store *s, const char *id,
				const char *name, const size_t *lens,
				size_t count)
{
	RVS_CLEANUP(rvs_writer_cleanup) struct rvs_writer *writer = NULL;
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_output *output;
	size_t i;

	memory_ok(rvs_writer_new(&s->store, id, &writer, &err), err);
	memory_ok(rvs_writer_open(writer, name, &output, &err), err);
	for (i = 0; i < count; i++) {
		uint8_t *plain = malloc(lens[i] + 1);

		assert_non_null(plain);
		memset(plain, (int)i, lens[i]);
		(void)put_member(writer, output, plain, lens[i]);
		free(plain);
	}
	memory_ok(rvs_writer_close(writer, output, &err), err);
	commit_record(writer, id);
}

/* Copy a part of a member, as readers do. */
static inline int copy_member(struct memory_store *s, const char *id,
			      uint32_t number, void *bytes, size_t len,
			      uint32_t offset, struct rvs_damage *damage,
			      struct rvs_error *err)
{
	struct rvs_held held = { .slot = NULL };
	uint32_t volume;
	int r = rvs_volumes_slot(s->store.volumes, id, &volume, err);

	if (r == 0)
		r = rvs_reader_hold(s->store.reader, id, volume, number, &held,
				    damage, err);
	if (r < 0)
		return r;
	r = rvs_held_check(&held, len, offset, damage, err);
	if (r == 0 && len > 0)
		memcpy(bytes, held.bytes + offset, len);
	rvs_reader_release(s->store.reader, &held, RVS_USE_AGAIN);
	return r;
}

#endif
