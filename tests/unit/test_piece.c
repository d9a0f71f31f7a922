/*
 * Goal: pieces are a file's chunks and holes in order, bounded and each within
 * one window; summing them gives the file's digest, looking those of the
 * chunks; a piece that nobody uses any more is used again.
 */
#include "deduped.h"

#include "format/digest.h"
#include "job/chunker.h"
#include "job/content.h"
#include "job/piece.h"

enum { MIB = 1 << 20, SIZE = 9 * MIB + 77, PIECES_MAX = 1000 };

/* A file as pieces, all of them held. */
struct cut_up {
	struct rvs_pieces *pieces;
	struct rvs_content content;
	struct rvs_dedup_file file;
	struct rvs_piece *items[PIECES_MAX];
	size_t count;
};

static struct rvs_piece *next_piece(struct cut_up *o, enum rvs_piece_kind kind)
{
	struct rvs_piece *p = rvs_piece_new(o->pieces, kind, &o->content);

	assert_non_null(p);
	assert_true(o->count < PIECES_MAX);
	o->items[o->count++] = p;
	return p;
}

static int take_chunk(void *arg, struct rvs_window *window,
		      const uint8_t *bytes, size_t len, bool whole,
		      struct rvs_error *err)
{
	struct cut_up *o = arg;

	(void)whole;
	(void)err;
	if (o->count == 0 || o->items[o->count - 1]->kind != RVS_PIECE_DATA ||
	    !rvs_piece_add(o->items[o->count - 1], &o->file, window, bytes,
			   len))
		assert_true(rvs_piece_add(next_piece(o, RVS_PIECE_DATA),
					  &o->file, window, bytes, len));
	o->content.size += len;
	return 0;
}

static int take_hole(void *arg, uint64_t len, struct rvs_error *err)
{
	struct cut_up *o = arg;

	(void)err;
	next_piece(o, RVS_PIECE_HOLE)->len = len;
	o->content.size += len;
	return 0;
}

static void cut_up(struct cut_up *o, struct rvs_chunker *chunker,
		   const char *path)
{
	const struct rvs_chunker_sink sink = { o, take_chunk, take_hole };
	struct rvs_error err = RVS_ERROR_INIT;
	RVS_CLEANUP(rvs_cleanup_fd)
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	expect_ok(rvs_chunker_read(chunker, fd, SIZE, &o->content, &sink, &err),
		  err);
	(void)next_piece(o, RVS_PIECE_END);
}

static void expect_looked(struct rvs_piece *p)
{
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_digest wanted;
	uint64_t at = p->at;
	size_t i;

	p->look.run(&p->look, 0);
	assert_int_equal(p->status, 0);
	for (i = 0; i < p->count; i++) {
		const struct rvs_dedup_chunk *chunk = &p->chunks[i];

		assert_int_equal(chunk->at, at);
		at += chunk->len;
		expect_ok(rvs_digest_of(chunk->bytes, chunk->len, &wanted,
					&err), err);
		assert_true(rvs_digest_equal(&chunk->digest, &wanted));
	}
	if (p->kind == RVS_PIECE_DATA)
		assert_int_equal(at, p->at + p->len);
}

static void test_pieces_are_the_file(void **state)
{
	static const uint8_t zeros[3 * MIB];
	RVS_CLEANUP(deduped_done) struct deduped deduped;
	struct rvs_error err = RVS_ERROR_INIT;
	struct cut_up o = { 0 };
	struct rvs_chunker *chunker = NULL;
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf whole = RVS_BUF_INIT;
	struct rvs_digest wanted;
	uint64_t at = 0;
	size_t i;

	write_random("file", SIZE, 1);
	write_at("file", zeros, sizeof(zeros), 5 * MIB); /* of several members */
	deduped_begin(&deduped, NULL);
	expect_ok(rvs_pieces_new(deduped.pool, deduped.dedup, &o.pieces, &err),
		  err);
	expect_ok(rvs_chunker_new(&chunker, &err), err);
	cut_up(&o, chunker, "file");
	for (i = 0; i < o.count; i++) {
		struct rvs_piece *p = o.items[i];

		assert_int_equal(p->at, at);
		assert_true(p->kind != RVS_PIECE_DATA ||
			    (p->count > 0 && p->len <= RVS_PIECE_BYTES_MAX));
		at += p->len;
		expect_looked(p);
		p->sum.run(&p->sum, 0);
	}
	assert_int_equal(at, SIZE);
	expect_ok(rvs_pieces_check(o.pieces, &err), err);
	whole = read_whole("file");
	expect_ok(rvs_digest_of(whole.bytes, whole.len, &wanted, &err), err);
	assert_true(rvs_digest_equal(&o.content.digest, &wanted));
	for (i = 0; i < o.count; i++)
		rvs_piece_drop(o.items[i]);
	rvs_pieces_free(o.pieces);
	rvs_chunker_free(chunker);
	rvs_content_done(&o.content);
}

static void test_a_piece_is_bounded(void **state)
{
	static uint8_t bytes[RVS_PIECE_BYTES_MAX + 1];
	struct rvs_window *window = (struct rvs_window *)bytes; /* not held */
	struct rvs_window *other = (struct rvs_window *)(bytes + 1);
	RVS_CLEANUP(deduped_done) struct deduped deduped;
	const struct rvs_dedup_file file = { .complete = true };
	struct rvs_content content = { .size = 5 };
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_pieces *pieces = NULL;
	struct rvs_piece *p;
	size_t i;

	deduped_begin(&deduped, NULL);
	expect_ok(rvs_pieces_new(deduped.pool, deduped.dedup, &pieces, &err),
		  err);
	p = rvs_piece_new(pieces, RVS_PIECE_DATA, &content);
	p->window = window;
	assert_true(rvs_piece_add(p, &file, window, bytes, 1));
	assert_false(rvs_piece_add(p, &file, other, bytes + 1, 1));
	assert_false(rvs_piece_add(p, &file, window, bytes + 1,
				   RVS_PIECE_BYTES_MAX));
	assert_true(rvs_piece_add(p, &file, window, bytes + 1,
				  RVS_PIECE_BYTES_MAX - RVS_PIECE_CHUNKS_MAX));
	for (i = 2; i < RVS_PIECE_CHUNKS_MAX; i++)
		assert_true(rvs_piece_add(p, &file, window, bytes, 1));
	assert_false(rvs_piece_add(p, &file, window, bytes, 1));
	assert_int_equal(p->len, RVS_PIECE_BYTES_MAX - 1);
	assert_int_equal(p->chunks[2].at,
			 5 + 1 + RVS_PIECE_BYTES_MAX - RVS_PIECE_CHUNKS_MAX);
	p->window = NULL;
	rvs_piece_drop(p);
	rvs_pieces_free(pieces);
}

static void test_the_last_user_frees_it(void **state)
{
	RVS_CLEANUP(deduped_done) struct deduped deduped;
	struct rvs_content content = { .size = 0 };
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_pieces *pieces = NULL;
	struct rvs_piece *p, *q;

	deduped_begin(&deduped, NULL);
	expect_ok(rvs_pieces_new(deduped.pool, deduped.dedup, &pieces, &err),
		  err);
	p = rvs_piece_new(pieces, RVS_PIECE_HOLE, &content);
	p->users++;
	rvs_piece_drop(p);
	q = rvs_piece_new(pieces, RVS_PIECE_END, &content);
	assert_ptr_not_equal(q, p);
	rvs_piece_drop(p);
	assert_ptr_equal(rvs_piece_new(pieces, RVS_PIECE_DATA, &content), p);
	assert_int_equal(p->users, 1);
	assert_int_equal(p->count, 0);
	rvs_pieces_free(pieces); /* what is used goes, too */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_pieces_are_the_file),
		sandbox_test(test_a_piece_is_bounded),
		sandbox_test(test_the_last_user_frees_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
