/*
 * Goal: the bytes of a composed stream are the same however they are read, and
 * gunzip to the file; proving fills in the digests of just those bytes; damage
 * is told, and harms what it is in alone.
 */
#include "laid_out.h"

#include "format/digest.h"
#include "job/assembly.h"

#define STORE \
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store()
#define LAID RVS_CLEANUP(laid_out_done) struct laid_out

/* A file of whole members and parts, and one with a hole. */
static struct rvs_snapshot snap_changed(struct rvs_store *store)
{
	uint8_t page[5000];

	write_random("source/a", 1500000, 1);
	write_text("source/sparse", "begin");
	assert_int_equal(truncate("source/sparse", 300000), 0);
	snap_only(store, NULL);
	fill_random(page, sizeof(page), 2);
	write_at("source/a", page, sizeof(page), 700000);
	return snap(store, NULL);
}

static void read_in_steps(const struct laid_out *laid,
			  const struct rvs_layout_stream *stream, size_t step,
			  struct rvs_buf *ret)
{
	struct rvs_error err = RVS_ERROR_INIT;
	uint64_t at;

	for (at = 0; at < stream->size; at += step) {
		size_t n = stream->size - at < step ?
				   (size_t)(stream->size - at) :
				   step;
		uint8_t *bytes = rvs_buf_reserve(ret, n);

		assert_non_null(bytes);
		expect_status(rvs_assembly_read(&laid->layout, stream, bytes, n,
						at, NULL, &err), (int)n, err);
		ret->len += n;
	}
}

static void test_any_step_reads_the_same(void **state)
{
	STORE;
	struct rvs_snapshot last = snap_changed(store);
	LAID laid;
	size_t i;

	lay_out(store, last.id, &laid);
	for (i = 0; i < laid.layout.stream_count; i++) {
		const struct rvs_layout_stream *stream =
			&laid.layout.streams[i];
		RVS_CLEANUP(rvs_buf_done) struct rvs_buf x = RVS_BUF_INIT;
		RVS_CLEANUP(rvs_buf_done) struct rvs_buf y = RVS_BUF_INIT;

		read_in_steps(&laid, stream, 77777, &x);
		read_in_steps(&laid, stream, (size_t)stream->size, &y);
		assert_int_equal(x.len, y.len);
		assert_memory_equal(x.bytes, y.bytes, x.len);
		write_file("stream.gz", x.bytes, x.len);
		assert_int_equal(system(i == 0 ?
			"gunzip -c stream.gz | cmp - source/a" :
			"gunzip -c stream.gz | cmp - source/sparse"), 0);
	}
	rvs_snapshot_done(&last);
}

static void test_proving_fills_in_digests(void **state)
{
	static const struct rvs_digest none;
	STORE;
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_snapshot last = snap_changed(store);
	struct rvs_digest digest;
	LAID laid;
	size_t i;

	lay_out(store, last.id, &laid);
	assert_true(count_kind(&laid, laid_stream(&laid, "a.gz"),
			       RVS_PIECE_PART) > 0);
	expect_ok(rvs_assembly_prove(&laid.layout, NULL, NULL, &err), err);
	for (i = 0; i < laid.layout.piece_count; i++)
		assert_false(rvs_digest_equal(&laid.layout.pieces[i].digest,
					      &none));
	for (i = 0; i < laid.layout.stream_count; i++) {
		const struct rvs_layout_stream *stream =
			&laid.layout.streams[i];
		RVS_CLEANUP(rvs_buf_done) struct rvs_buf all = RVS_BUF_INIT;

		read_in_steps(&laid, stream, (size_t)stream->size, &all);
		expect_ok(rvs_digest_of(all.bytes, all.len, &digest, &err),
			  err);
		assert_true(rvs_digest_equal(&digest, &stream->digest));
	}
	rvs_snapshot_done(&last);
}

static bool stop(void *arg)
{
	return true;
}

static void test_proving_can_be_stopped(void **state)
{
	const struct rvs_monitor monitor = { .cancelled = stop };
	STORE;
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_snapshot last = snap_changed(store);
	LAID laid;

	lay_out(store, last.id, &laid);
	expect_status(rvs_assembly_prove(&laid.layout, &monitor, NULL, &err),
		      RVS_ERR_INTERRUPTED, err);
	rvs_snapshot_done(&last);
}

static void test_damage_is_told(void **state)
{
	STORE;
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_damage damage = { .member = -1 };
	struct rvs_snapshot full;
	struct rvs_layout_stream *a, *b;
	uint8_t byte;
	char path[100];
	LAID laid;

	write_random("source/a", 500000, 1);
	write_random("source/b", 5000, 2);
	full = snap(store, NULL);
	(void)snprintf(path, sizeof(path), "store/snapshot-%s/a.gz", full.id);
	assert_int_equal(chmod(path, 0600), 0);
	write_at(path, "damage", 6, 300000);
	lay_out(store, full.id, &laid);
	a = laid_stream(&laid, "a.gz");
	b = laid_stream(&laid, "b.gz");
	expect_status(rvs_assembly_read(&laid.layout, a, &byte, 1, 300000,
					&damage, &err), RVS_ERR_CORRUPT, err);
	assert_string_equal(damage.stream, "a.gz");
	damage = (struct rvs_damage){ .member = -1 };
	expect_status(rvs_assembly_prove(&laid.layout, NULL, &damage, &err),
		      RVS_ERR_CORRUPT, err);
	assert_string_equal(damage.stream, "a.gz");
	assert_int_equal(rvs_assembly_read(&laid.layout, b, &byte, 1, 0, NULL,
					   &err), 1);
	rvs_snapshot_done(&full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_any_step_reads_the_same),
		sandbox_test(test_proving_fills_in_digests),
		sandbox_test(test_proving_can_be_stopped),
		sandbox_test(test_damage_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
