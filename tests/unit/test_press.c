/*
 * Goal: members lie in a stream in the order they were put, whoever packed
 * them; what was handed over is released once; the first failure is kept.
 */
#include "memory_store.h"
#include "sandbox.h"

#include "job/press.h"

#define ID  "20261122T101500Z-0001"
#define KEY "snapshot-" ID

enum { MEMBERS = 200, LEN = 3000 };

struct pressing {
	struct rvs_pool *pool;
	struct rvs_writer *writer;
	struct rvs_press *press;
};

static struct pressing begin(struct memory_store *s)
{
	struct rvs_error err = RVS_ERROR_INIT;
	struct pressing ret;

	expect_ok(rvs_pool_new(4, &ret.pool, &err), err);
	expect_ok(rvs_writer_new(&s->store, ID, &ret.writer, &err), err);
	expect_ok(rvs_press_new(ret.writer, ret.pool, 1, &ret.press, &err),
		  err);
	return ret;
}

static void done(struct pressing *p)
{
	rvs_press_free(p->press);
	rvs_writer_free(p->writer);
	rvs_pool_free(p->pool);
}

static struct rvs_strand *begin_strand(struct pressing *p, const char *name)
{
	struct rvs_strand *strand = NULL;
	struct rvs_error err = RVS_ERROR_INIT;

	expect_ok(rvs_press_begin(p->press, name, &strand, &err), err);
	return strand;
}

/* A block whose release is counted in its own first bytes. */
struct block {
	unsigned *released;
	uint8_t bytes[LEN];
};

static void release(void *owner)
{
	struct block *block = owner;

	++*block->released;
	free(block);
}

static int put(struct pressing *p, struct rvs_strand *strand, unsigned number,
	       unsigned *released, uint32_t *ret, struct rvs_error *err)
{
	struct block *block = malloc(sizeof(*block));

	block->released = released;
	fill_random(block->bytes, LEN, number);
	memset(block->bytes, (int)number, number % 2 ? LEN : 10);
	return rvs_press_put(p->press, strand, block->bytes, LEN, NULL,
			     release, block, ret, err);
}

static void expect_member(struct memory_store *s, uint32_t number,
			  unsigned wanted)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf scratch = RVS_BUF_INIT;
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf plain = RVS_BUF_INIT;
	struct rvs_error err = RVS_ERROR_INIT;

	expect_ok(rvs_volume_load(s->store.volumes, ID, number, false, &scratch,
				  &plain, NULL, &err), err);
	assert_int_equal(plain.len, LEN);
	assert_int_equal(plain.bytes[5], (uint8_t)wanted);
}

static void test_members_lie_in_the_order_they_were_put(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = memory_store_new(1 << 20);
	struct pressing p = begin(s);
	struct rvs_strand *a = begin_strand(&p, "a.gz");
	struct rvs_strand *b = begin_strand(&p, "b.gz");
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_volume *volume;
	uint32_t numbers[MEMBERS], i;
	uint64_t ends[2] = { 0, 0 };
	unsigned released = 0;

	assert_true(rvs_strand_is_empty(a));
	for (i = 0; i < MEMBERS; i++)
		expect_ok(put(&p, i % 3 ? a : b, i, &released, &numbers[i],
			      &err), err);
	assert_false(rvs_strand_is_empty(a));
	expect_ok(rvs_press_end(p.press, a, &err), err);
	expect_ok(rvs_press_end(p.press, b, &err), err);
	expect_ok(rvs_press_drain(p.press, &err), err);
	assert_int_equal(released, MEMBERS);
	commit_record(p.writer, ID);
	done(&p);
	expect_ok(rvs_volume_get(s->store.volumes, ID, &volume, NULL, &err),
		  err);
	for (i = 0; i < MEMBERS; i++) {
		const struct rvs_member *m =
			&rvs_volume_members(volume)->items[numbers[i]];

		assert_int_equal(m->offset, ends[m->stream]);
		ends[m->stream] += m->stored_len;
		expect_member(s, numbers[i], i);
	}
	rvs_volume_put(volume);
}

static void test_gathered_bytes_are_found_where_it_says(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = memory_store_new(1 << 20);
	struct pressing p = begin(s);
	struct rvs_strand *strand = begin_strand(&p, "0.bundle");
	struct rvs_error err = RVS_ERROR_INIT;
	uint32_t numbers[MEMBERS], offsets[MEMBERS], i;
	uint8_t bytes[LEN], found[LEN];

	for (i = 0; i < MEMBERS; i++) {
		fill_random(bytes, LEN, i);
		expect_ok(rvs_press_gather(p.press, strand, bytes, LEN - i,
					   &numbers[i], &offsets[i], &err),
			  err);
		if (i == 100) /* one of its own in between */
			expect_ok(rvs_press_put(p.press, strand, "own", 3,
						NULL, NULL, NULL, &numbers[i],
						&err), err);
	}
	expect_ok(rvs_press_end(p.press, strand, &err), err);
	expect_ok(rvs_press_drain(p.press, &err), err);
	commit_record(p.writer, ID);
	done(&p);
	for (i = 0; i < MEMBERS; i++) {
		if (i == 100)
			continue;
		fill_random(bytes, LEN, i);
		expect_ok(copy_member(s, ID, numbers[i], found, LEN - i,
				      offsets[i], NULL, &err), err);
		assert_memory_equal(bytes, found, LEN - i);
	}
	assert_true(numbers[MEMBERS - 1] < 10);
}

static void test_an_empty_strand_makes_no_object(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = memory_store_new(1 << 20);
	struct pressing p = begin(s);
	struct rvs_error err = RVS_ERROR_INIT;

	expect_ok(rvs_press_end(p.press, begin_strand(&p, "a.gz"), &err), err);
	expect_ok(rvs_press_drain(p.press, &err), err);
	commit_record(p.writer, ID);
	done(&p);
	assert_null(memory_find(s->memory, KEY "/a.gz"));
}

/* Whichever append fails: that is told, and all blocks come back. */
static void test_the_first_failure_is_kept(void **state)
{
	unsigned nth;

	for (nth = 1; nth < 60; nth += 7) {
		RVS_CLEANUP(memory_store_cleanup)
		struct memory_store *s = memory_store_new(1 << 20);
		struct pressing p = begin(s);
		struct rvs_strand *strand = begin_strand(&p, "a.gz");
		struct rvs_error err = RVS_ERROR_INIT;
		unsigned released = 0, i;
		uint32_t number;
		int r = 0;

		memory_fail(s->memory, nth, RVS_ERR_NO_SPACE);
		for (i = 0; i < MEMBERS && r == 0; i++)
			r = put(&p, strand, i, &released, &number, &err);
		if (r == 0)
			r = rvs_press_drain(p.press, &err);
		expect_status(r, RVS_ERR_NO_SPACE, err);
		memory_fail(s->memory, 0, 0);
		expect_status(rvs_press_drain(p.press, &err), RVS_ERR_NO_SPACE,
			      err);
		done(&p);
		assert_int_equal(released, i);
		assert_int_equal(s->memory->count, 0);
	}
}

static void test_one_given_up_releases_all(void **state)
{
	RVS_CLEANUP(memory_store_cleanup)
	struct memory_store *s = memory_store_new(1 << 20);
	struct pressing p = begin(s);
	struct rvs_strand *strand = begin_strand(&p, "a.gz");
	struct rvs_error err = RVS_ERROR_INIT;
	unsigned released = 0, i;
	uint32_t number, offset;

	for (i = 0; i < 10; i++)
		expect_ok(put(&p, strand, i, &released, &number, &err), err);
	expect_ok(rvs_press_gather(p.press, strand, "x", 1, &number, &offset,
				   &err), err);
	done(&p);
	rvs_press_free(NULL);
	assert_int_equal(released, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members_lie_in_the_order_they_were_put),
		cmocka_unit_test(test_gathered_bytes_are_found_where_it_says),
		cmocka_unit_test(test_an_empty_strand_makes_no_object),
		cmocka_unit_test(test_the_first_failure_is_kept),
		cmocka_unit_test(test_one_given_up_releases_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
