#include "press.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "format/digest.h"
#include "format/gzip.h"

/* Members being packed, and being written, for each worker, so that none waits
 * for the owner, who is slow to wake; and for however many. */
enum { IN_FLIGHT = 16, IN_FLIGHT_MAX = 128 };

struct rvs_strand {
	struct rvs_press *press;
	struct rvs_strand *next; /* in the press's list */
	struct rvs_output *output;
	struct rvs_buf gathered; /* of the member being gathered */
	uint32_t gathered_number;
	size_t unwritten; /* members put and not yet written */
	bool put;
	bool ended;
	char name[];
};

/* A member on its way; first it is packed, then summed and written at once. */
struct member {
	struct rvs_job job; /* packing, then writing */
	struct {
		struct rvs_job job;
		struct member *member;
	} sum;
	struct rvs_press *press;
	struct rvs_strand *strand;
	const void *bytes;
	size_t len;
	struct rvs_buf own; /* @bytes, when they were gathered */
	void (*release)(void *owner);
	void *owner;
	uint32_t number;
	bool has_digest;
	struct rvs_digest digest;
	struct rvs_buf packed;
	int status;
	struct rvs_error err;
	struct member *spare; /* in the list of members to use again */
};

struct rvs_press {
	struct rvs_writer *writer;
	struct rvs_lane *packing;
	/* Serial, and in step: a member is in both or in none.  One core can do
	 * either for a large file, and not both. */
	struct rvs_lane *summing, *writing;
	struct rvs_codec **codecs; /* one for each worker */
	unsigned workers;
	unsigned limit; /* members in flight in a lane */
	struct rvs_strand *strands;
	struct member *spare;
	int status; /* of the first failure */
	struct rvs_error err;
};

/* ---- the jobs ---- */

static void pack_member(struct rvs_job *job, unsigned worker)
{
	struct member *m = (struct member *)job;
	int r = 0;

	if (!m->has_digest)
		r = rvs_digest_of(m->bytes, m->len, &m->digest, &m->err);
	if (r == 0)
		r = rvs_gzip_pack(m->press->codecs[worker], m->number, m->bytes,
				  m->len, &m->digest, &m->packed, &m->err);
	m->status = r;
}

static void write_member(struct rvs_job *job, unsigned worker)
{
	struct member *m = (struct member *)job;

	(void)worker;
	m->status = rvs_output_write(m->strand->output, m->packed.bytes,
				     m->packed.len, &m->err);
}

static void sum_member(struct rvs_job *job, unsigned worker)
{
	const struct member *m =
		((__typeof__(m->sum) *)(void *)job)->member;

	(void)worker;
	rvs_output_sum(m->strand->output, m->packed.bytes, m->packed.len);
}

/* ---- members ---- */

static struct member *new_member(struct rvs_press *press)
{
	struct member *m = press->spare;
	struct rvs_buf packed;

	if (!m)
		return calloc(1, sizeof(*m));
	press->spare = m->spare;
	packed = m->packed;
	packed.len = 0;
	memset(m, 0, offsetof(struct member, err));
	m->packed = packed;
	return m;
}

static void retire_member(struct rvs_press *press, struct member *m)
{
	if (m->release)
		m->release(m->owner);
	rvs_buf_done(&m->own);
	m->spare = press->spare;
	press->spare = m;
}

static void free_spares(struct rvs_press *press)
{
	while (press->spare) {
		struct member *m = press->spare;

		press->spare = m->spare;
		rvs_buf_done(&m->packed);
		free(m);
	}
}

static int fail(struct rvs_press *press, int status,
		const struct rvs_error *err)
{
	if (press->status == 0) {
		press->status = status;
		press->err = *err;
	}
	return status;
}

static int check(const struct rvs_press *press, struct rvs_error *err)
{
	if (press->status < 0 && err)
		*err = press->err;
	return press->status;
}

/* ---- moving them on ---- */

static void free_strand(struct rvs_strand *strand)
{
	struct rvs_strand **link = &strand->press->strands;

	while (*link != strand)
		link = &(*link)->next;
	*link = strand->next;
	rvs_buf_done(&strand->gathered);
	free(strand);
}

static void close_if_complete(struct rvs_strand *strand)
{
	struct rvs_press *press = strand->press;
	struct rvs_error err;
	int r = 0;

	if (!strand->ended || strand->unwritten > 0)
		return;
	if (strand->output)
		r = rvs_writer_close(press->writer, strand->output, &err);
	if (r < 0)
		(void)fail(press, r, &err);
	free_strand(strand);
}

/* Collect written members until at most @limit are left. */
static void collect_written(struct rvs_press *press, size_t limit)
{
	while (rvs_lane_depth(press->writing) > limit) {
		struct member *m =
			(struct member *)rvs_lane_collect(press->writing);
		struct rvs_strand *strand = m->strand;

		(void)rvs_lane_collect(press->summing); /* the same one's */
		if (m->status < 0)
			(void)fail(press, m->status, &m->err);
		strand->unwritten--;
		retire_member(press, m);
		close_if_complete(strand);
	}
}

static int place_member(struct rvs_press *press, struct member *m)
{
	struct rvs_strand *strand = m->strand;
	int r = m->status;

	if (r == 0 && !strand->output)
		r = rvs_writer_open(press->writer, strand->name,
				    &strand->output, &m->err);
	if (r < 0)
		return fail(press, r, &m->err);
	rvs_writer_place(press->writer, m->number, strand->output,
			 m->packed.len, m->len, &m->digest);
	m->sum.job.run = sum_member;
	m->sum.member = m;
	m->job.run = write_member;
	rvs_lane_submit(press->summing, &m->sum.job);
	rvs_lane_submit(press->writing, &m->job);
	return 0;
}

/* Collect packed members until at most @limit are left, and have them
 * written.  Behind a failure nothing more is written. */
static void collect_packed(struct rvs_press *press, size_t limit)
{
	while (rvs_lane_depth(press->packing) > limit) {
		struct member *m =
			(struct member *)rvs_lane_collect(press->packing);

		if (press->status == 0 && place_member(press, m) == 0)
			continue;
		m->strand->unwritten--;
		retire_member(press, m);
	}
}

static int pump(struct rvs_press *press, size_t limit, struct rvs_error *err)
{
	collect_packed(press, limit);
	collect_written(press, limit);
	return check(press, err);
}

/* ---- the interface ---- */

static int new_codecs(struct rvs_press *press, int level, struct rvs_error *err)
{
	unsigned i;

	press->codecs = calloc(press->workers, sizeof(*press->codecs));
	if (!press->codecs)
		return rvs_error_no_memory(err);
	for (i = 0; i < press->workers; i++) {
		int r = rvs_codec_new(level, &press->codecs[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

int rvs_press_new(struct rvs_writer *writer, struct rvs_pool *pool, int level,
		  struct rvs_press **ret, struct rvs_error *err)
{
	struct rvs_press *press = calloc(1, sizeof(*press));
	int r;

	if (!press)
		return rvs_error_no_memory(err);
	press->writer = writer;
	press->workers = rvs_pool_threads(pool);
	press->limit = IN_FLIGHT * press->workers;
	if (press->limit > IN_FLIGHT_MAX)
		press->limit = IN_FLIGHT_MAX;
	r = new_codecs(press, level, err);
	if (r == 0)
		r = rvs_lane_new(pool, false, &press->packing, err);
	if (r == 0)
		r = rvs_lane_new(pool, true, &press->summing, err);
	if (r == 0)
		r = rvs_lane_new(pool, true, &press->writing, err);
	if (r < 0) {
		rvs_press_free(press);
		return r;
	}
	*ret = press;
	return 0;
}

void rvs_press_free(struct rvs_press *press)
{
	unsigned i;

	if (!press)
		return;
	if (press->packing) {
		if (press->status == 0)
			press->status = RVS_ERR_INTERRUPTED;
		collect_packed(press, 0);
	}
	if (press->writing)
		collect_written(press, 0);
	while (press->strands)
		free_strand(press->strands);
	rvs_lane_free(press->packing);
	rvs_lane_free(press->summing);
	rvs_lane_free(press->writing);
	for (i = 0; press->codecs && i < press->workers; i++)
		rvs_codec_free(press->codecs[i]);
	free(press->codecs);
	free_spares(press);
	free(press);
}

int rvs_press_begin(struct rvs_press *press, const char *name,
		    struct rvs_strand **ret, struct rvs_error *err)
{
	struct rvs_strand *strand = calloc(1, sizeof(*strand) + strlen(name) +
						      1);

	if (!strand)
		return rvs_error_no_memory(err);
	strcpy(strand->name, name);
	strand->press = press;
	strand->next = press->strands;
	press->strands = strand;
	*ret = strand;
	return 0;
}

static int submit(struct rvs_press *press, struct rvs_strand *strand,
		  struct member *m, struct rvs_error *err)
{
	m->press = press;
	m->strand = strand;
	m->job.run = pack_member;
	strand->unwritten++;
	strand->put = true;
	rvs_lane_submit(press->packing, &m->job);
	return pump(press, press->limit, err);
}

int rvs_press_put(struct rvs_press *press, struct rvs_strand *strand,
		  const void *bytes, size_t len,
		  const struct rvs_digest *digest, void (*release)(void *owner),
		  void *owner, uint32_t *ret_number, struct rvs_error *err)
{
	struct member *m = new_member(press);
	int r = m ? rvs_writer_reserve(press->writer, ret_number, err) :
		    rvs_error_no_memory(err);

	if (r < 0) {
		free(m);
		if (release)
			release(owner);
		return r;
	}
	m->bytes = bytes;
	m->len = len;
	m->release = release;
	m->owner = owner;
	m->number = *ret_number;
	m->has_digest = digest != NULL;
	if (digest)
		m->digest = *digest;
	return submit(press, strand, m, err);
}

static int flush_gathered(struct rvs_press *press, struct rvs_strand *strand,
			  struct rvs_error *err)
{
	struct member *m;

	if (strand->gathered.len == 0)
		return 0;
	m = new_member(press);
	if (!m)
		return rvs_error_no_memory(err);
	m->own = strand->gathered;
	strand->gathered = (struct rvs_buf)RVS_BUF_INIT;
	m->bytes = m->own.bytes;
	m->len = m->own.len;
	m->number = strand->gathered_number;
	return submit(press, strand, m, err);
}

int rvs_press_gather(struct rvs_press *press, struct rvs_strand *strand,
		     const void *bytes, size_t len, uint32_t *ret_number,
		     uint32_t *ret_offset, struct rvs_error *err)
{
	int r = 0;

	if (strand->gathered.len + len > RVS_GATHER_MAX)
		r = flush_gathered(press, strand, err);
	if (r == 0 && strand->gathered.len == 0)
		r = rvs_writer_reserve(press->writer, &strand->gathered_number,
				       err);
	if (r < 0)
		return r;
	*ret_number = strand->gathered_number;
	*ret_offset = (uint32_t)strand->gathered.len;
	rvs_buf_put(&strand->gathered, bytes, len);
	strand->put = true;
	return rvs_buf_check(&strand->gathered, err);
}

bool rvs_strand_is_empty(const struct rvs_strand *strand)
{
	return !strand->put;
}

int rvs_press_end(struct rvs_press *press, struct rvs_strand *strand,
		  struct rvs_error *err)
{
	int r = flush_gathered(press, strand, err);

	strand->ended = true;
	close_if_complete(strand);
	return r < 0 ? r : check(press, err);
}

int rvs_press_drain(struct rvs_press *press, struct rvs_error *err)
{
	return pump(press, 0, err);
}
