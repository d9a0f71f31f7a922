#include "repack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "format/checksums.h"
#include "format/digest.h"
#include "format/gzip.h"
#include "store/store.h"
#include "store/volume.h"
#include "store/writer.h"

struct repacking {
	struct rvs_store *store;
	const struct rvs_usage *usage;
	const struct rvs_members *old;
	struct rvs_writer *writer;
	struct rvs_codec *codec;
	struct rvs_digest *digests; /* of the old streams */
	bool *has_digest;
	struct rvs_buf scratch, plain, packed;
	int (*step)(void *arg, uint64_t bytes);
	void *arg;
	struct rvs_error *err;
};

/* A member packed again is worth it from a quarter of dead units on. */
static bool is_thin(uint64_t used, uint64_t all)
{
	return 4 * used <= 3 * all;
}

void rvs_repack_estimate(const struct rvs_usage *usage, uint64_t *ret_dead,
			 uint64_t *ret_all)
{
	const struct rvs_members *members = rvs_volume_members(usage->volume);
	uint32_t i;

	*ret_dead = *ret_all = 0;
	for (i = 0; i < members->count; i++) {
		const struct rvs_member *m = &members->items[i];
		uint64_t all, used = rvs_usage_of(usage, i, &all);

		*ret_all += m->stored_len;
		if (used == 0)
			*ret_dead += m->stored_len;
		/* What was zeroed before is small by now, and stays so. */
		else if (is_thin(used, all) &&
			 m->stored_len > used * RVS_USAGE_UNIT)
			*ret_dead += m->stored_len * (all - used) / all;
	}
}

uint64_t rvs_repack_kept(const struct rvs_usage *usage)
{
	const struct rvs_members *members = rvs_volume_members(usage->volume);
	uint64_t bytes = 0, all;
	uint32_t i;

	for (i = 0; i < members->count; i++)
		if (rvs_usage_of(usage, i, &all) > 0)
			bytes += members->items[i].stored_len;
	return bytes;
}

/* ---- members ---- */

static void zero_dead(struct repacking *r, uint32_t number)
{
	uint64_t units, unit;

	(void)rvs_usage_of(r->usage, number, &units);
	for (unit = 0; unit < units; unit++) {
		size_t at = unit * RVS_USAGE_UNIT;
		size_t left = r->plain.len - at;

		if (!rvs_usage_unit(r->usage, number, unit))
			memset(r->plain.bytes + at, 0,
			       left < RVS_USAGE_UNIT ? left : RVS_USAGE_UNIT);
	}
}

/* Proved when it is read, so no damage is packed as if it were good. */
static int write_member(struct repacking *r, uint32_t number,
			struct rvs_output *output)
{
	uint64_t all, used = rvs_usage_of(r->usage, number, &all);
	struct rvs_digest digest = r->old->items[number].digest;
	int status;

	status = rvs_volume_load(r->store->volumes, r->usage->id, number, false,
				 &r->scratch, &r->plain, NULL, r->err);
	if (status < 0)
		return status;
	if (is_thin(used, all)) {
		zero_dead(r, number);
		status = rvs_digest_of(r->plain.bytes, r->plain.len, &digest,
				       r->err);
		r->packed.len = 0;
		if (status == 0)
			status = rvs_gzip_pack(r->codec, number,
					       r->plain.bytes, r->plain.len,
					       &digest, &r->packed, r->err);
	} else {
		r->packed.len = 0;
		rvs_buf_put(&r->packed, r->scratch.bytes, r->scratch.len);
		status = rvs_buf_check(&r->packed, r->err);
	}
	if (status < 0)
		return status;
	rvs_writer_place(r->writer, number, output, r->packed.len,
			 r->plain.len, &digest);
	return rvs_output_append(output, r->packed.bytes, r->packed.len,
				 r->err);
}

/* ---- streams ---- */

enum state { DEAD, USED, MIXED };

static enum state state_of(const struct repacking *r, uint32_t stream)
{
	bool dead = false, used = false;
	uint32_t i;

	for (i = 0; i < r->old->count; i++) {
		const struct rvs_member *m = &r->old->items[i];
		uint64_t all, units;

		if (m->stream != stream || m->stored_len == 0)
			continue;
		units = rvs_usage_of(r->usage, i, &all);
		used |= units > 0;
		dead |= units == 0 || is_thin(units, all);
	}
	return !used ? DEAD : dead ? MIXED : USED;
}

static bool is_kept(const struct repacking *r, uint32_t number, uint32_t stream)
{
	const struct rvs_member *m = &r->old->items[number];
	uint64_t all;

	return m->stream == stream && m->stored_len > 0 &&
	       rvs_usage_of(r->usage, number, &all) > 0;
}

static int write_stream(struct repacking *r, uint32_t stream)
{
	struct rvs_output *output;
	uint32_t i;
	int status = rvs_writer_open(r->writer, r->old->streams[stream],
				     &output, r->err);

	for (i = 0; i < r->old->count && status == 0; i++) {
		if (!is_kept(r, i, stream))
			continue;
		status = write_member(r, i, output);
		if (status == 0)
			status = r->step(r->arg, r->old->items[i].stored_len);
	}
	return status < 0 ? status :
			    rvs_writer_close(r->writer, output, r->err);
}

static int keep_stream(struct repacking *r, uint32_t stream)
{
	uint64_t bytes = 0;
	uint32_t i;
	int status = rvs_writer_keep(r->writer, r->old, stream,
				     &r->digests[stream], r->err);

	for (i = 0; i < r->old->count; i++)
		if (is_kept(r, i, stream))
			bytes += r->old->items[i].stored_len;
	return status < 0 ? status : r->step(r->arg, bytes);
}

static int take_digest(void *arg, const char *name,
		       const struct rvs_digest *digest)
{
	struct repacking *r = arg;
	uint32_t i;

	for (i = 0; i < r->old->stream_count; i++)
		if (!strcmp(r->old->streams[i], name)) {
			r->digests[i] = *digest;
			r->has_digest[i] = true;
		}
	return 0;
}

static int read_checksums(struct repacking *r)
{
	char key[RVS_KEY_SIZE];
	int status;

	(void)snprintf(key, sizeof(key),
		       RVS_SNAPSHOT_PREFIX "%s/" RVS_CHECKSUM_NAME,
		       r->usage->id);
	r->plain.len = 0;
	status = rvs_backend_read_object(r->store->backend, key, RVS_CHECKSUM_MAX,
					 &r->plain, r->err);
	rvs_buf_put_u8(&r->plain, 0);
	if (status == 0)
		status = rvs_buf_check(&r->plain, r->err);
	return status < 0 ? status :
			    rvs_checksums_read((char *)r->plain.bytes,
					       take_digest, r, r->err);
}

static int repack(struct repacking *r)
{
	uint32_t i;
	int status = rvs_writer_new(r->store, r->usage->id, &r->writer, r->err);

	if (status == 0)
		status = rvs_codec_new(r->store->config.level, &r->codec,
				       r->err);
	if (status == 0)
		status = read_checksums(r);
	if (status == 0)
		status = rvs_writer_follow(r->writer, r->old, r->err);
	for (i = 0; i < r->old->stream_count && status == 0; i++) {
		enum state state = state_of(r, i);

		if (state == USED && r->has_digest[i])
			status = keep_stream(r, i);
		else if (state != DEAD)
			status = write_stream(r, i);
	}
	return status < 0 ? status : rvs_writer_replace(r->writer, r->err);
}

int rvs_repack_run(struct rvs_store *store, const struct rvs_usage *usage,
		   int (*step)(void *arg, uint64_t bytes), void *arg,
		   struct rvs_error *err)
{
	struct repacking r = { .store = store,
			       .usage = usage,
			       .old = rvs_volume_members(usage->volume),
			       .step = step,
			       .arg = arg,
			       .err = err };
	int status;

	r.digests = calloc((size_t)r.old->stream_count + 1,
			   sizeof(*r.digests));
	r.has_digest = calloc((size_t)r.old->stream_count + 1,
			      sizeof(*r.has_digest));
	status = r.digests && r.has_digest ? repack(&r) :
					     rvs_error_no_memory(err);
	rvs_writer_free(r.writer);
	rvs_codec_free(r.codec);
	rvs_buf_done(&r.scratch);
	rvs_buf_done(&r.plain);
	rvs_buf_done(&r.packed);
	free(r.digests);
	free(r.has_digest);
	return status;
}
