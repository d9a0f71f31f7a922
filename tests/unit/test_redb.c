/*
 * Goal: what is captured of a redb file is one whole commit, or nothing.  A
 * writer that moves is caught up with or called busy; damage is told apart from
 * it, and nothing hangs the capture.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "random.h"
#include "redb_samples.h"

static void test_count_finds_the_table_of_vectors(void **state)
{
	RVS_CLEANUP(rvs_cleanup_free) struct image *image = new_database();
	const struct rvs_input input =
		rvs_input_of_memory(image->bytes, image->len);
	uint64_t count;

	assert_int_equal(count_image(image), 42);
	put_two_commits(image);
	assert_int_equal(count_image(image), 8);
	spoil_slot(image, 1);
	assert_int_equal(count_image(image), 7);

	image_init(image, PAGES);
	image_commit_table(image, 0, 1, "nodes", "graph", 5);
	assert_int_equal(count_image(image), 5);
	image_init(image, PAGES);
	image_commit_table(image, 0, 1, "other", "thing", 5);
	assert_int_equal(rvs_redb_count(&input, &count, NULL),
			 RVS_REDB_NO_VECTORS);
}

/* A tree of tables three levels high, each level a page to read. */
static void test_count_descends_by_name(void **state)
{
	static const char *const names[] = { "alpha", "nodes", "vectors", "w" };
	const struct rvs_redb_span keys[] = { image_text("b"),
					      image_text("nodes"),
					      image_text("vectors") };
	RVS_CLEANUP(rvs_cleanup_free) struct image *image = new_database();
	struct rvs_redb_ref leaves[4], user;
	const struct image_roots roots = { { [RVS_REDB_USER] = &user } };

	image_init(image, PAGES);
	for (uint64_t i = 0; i < 4; i++) {
		uint8_t definition[IMAGE_TABLE_LEN];
		const struct image_pair pair = {
			image_text(names[i]),
			image_table(definition, false, 100 + i, NULL,
				    image_varying),
		};

		leaves[i] = image_leaf(image, image_varying, &pair, 1);
	}
	user = image_branch(image, keys, leaves, 3);
	image_commit(image, 0, 1, &roots);
	assert_int_equal(count_image(image), 102);
}

/*
 * A live file that changes while it is captured.  The capture calls cancelled()
 * before it copies, before every round and in walks, and sleeps in between:
 * places where the script of a test may act.
 */
struct live {
	int fd;
	struct image *image;
	struct image *next; /* what the writer will have written */
	unsigned checks;    /* calls of cancelled() */
	unsigned act_at;    /* which of them acts */
	bool cancel;
	uint64_t now_ms;
	void (*act)(struct live *live);
	void (*asleep)(struct live *live);
};

static bool live_cancelled(void *arg)
{
	struct live *live = arg;

	if (++live->checks == live->act_at && live->act)
		live->act(live);
	return live->cancel;
}

static uint64_t live_now_ms(void *arg)
{
	return ((struct live *)arg)->now_ms;
}

static void live_sleep_ms(void *arg, unsigned ms)
{
	struct live *live = arg;

	live->now_ms += ms;
	if (live->asleep)
		live->asleep(live);
}

static void live_write(const struct live *live, size_t at, const void *bytes,
		       size_t len)
{
	assert_int_equal(pwrite(live->fd, bytes, len, (off_t)at), len);
}

static void live_write_all(const struct live *live, const struct image *image)
{
	live_write(live, 0, image->bytes, image->len);
	assert_int_equal(ftruncate(live->fd, (off_t)image->len), 0);
}

struct result {
	struct rvs_redb_capture capture;
	struct rvs_error err;
	struct image copy;
	struct stat st;
};

/* Capture @live; the copy's bytes are in @ret. */
static int capture(struct live *live, unsigned rounds, struct result *ret)
{
	RVS_CLEANUP(rvs_cleanup_fd) int copy_fd = memfd_create("copy", 0);
	const struct rvs_monitor monitor = { .arg = live,
					     .cancelled = live_cancelled };
	const struct rvs_redb_clock clock = { live_now_ms, live_sleep_ms,
					      live };
	const struct rvs_redb_limits limits = { .rounds = rounds,
						.timeout_ms = 5000,
						.still_ms = 100,
						.proved_bytes = PROVED_BYTES,
						.clock = &clock,
						.monitor = &monitor };
	ssize_t len;
	int r;

	memset(ret, 0, sizeof(*ret));
	r = rvs_redb_capture(live->fd, copy_fd, &limits, &ret->capture,
			     &ret->err);
	assert_int_equal(fstat(copy_fd, &ret->st), 0);
	len = pread(copy_fd, ret->copy.bytes, sizeof(ret->copy.bytes), 0);
	assert_true(len >= 0);
	ret->copy.len = (size_t)len;
	if (r == 0) {
		assert_int_equal(ret->capture.length, len);
		assert_int_equal(prove_image(&ret->copy, 0, NULL), 0);
	}
	return r;
}

static struct live *new_live(struct result **ret)
{
	struct live *live = calloc(1, sizeof(*live));

	assert_non_null(live);
	live->fd = memfd_create("live", 0);
	assert_true(live->fd >= 0);
	live->image = new_database();
	live->next = new_database();
	*ret = malloc(sizeof(**ret));
	assert_non_null(*ret);
	return live;
}

static void live_free(struct live **live)
{
	(void)close((*live)->fd);
	free((*live)->image);
	free((*live)->next);
	free(*live);
}

#define LIVE(live, result)                                                     \
	RVS_CLEANUP(rvs_cleanup_free) struct result *result = NULL;            \
	RVS_CLEANUP(live_free) struct live *live = new_live(&result)

static void test_capture_of_a_quiet_file_is_the_file(void **state)
{
	LIVE(live, result);

	live_write_all(live, live->image);
	assert_int_equal(capture(live, 10, result), 0);
	assert_int_equal(result->copy.len, live->image->len);
	assert_memory_equal(result->copy.bytes, live->image->bytes,
			    live->image->len);
	assert_int_equal(result->capture.rounds, 1);
	assert_int_equal(result->capture.mended_pages, 0);
	assert_int_equal(result->capture.transaction, 7);

	/* The same after an orderly close. */
	live->image->bytes[IMAGE_FLAGS_AT] = 0;
	live_write_all(live, live->image);
	assert_int_equal(capture(live, 10, result), 0);
	assert_memory_equal(result->copy.bytes, live->image->bytes,
			    live->image->len);
}

/* A writer that died while it grew the file left it longer than its layout. */
static void test_capture_keeps_a_length_that_redb_accepts(void **state)
{
	LIVE(live, result);
	size_t len = live->image->len;

	live_write_all(live, live->image);
	assert_int_equal(ftruncate(live->fd, (off_t)(len + 4 * 512)), 0);
	assert_int_equal(capture(live, 10, result), 0);
	assert_int_equal(result->copy.len, len + 4 * 512);

	assert_int_equal(ftruncate(live->fd, (off_t)(len + 100)), 0);
	assert_int_equal(capture(live, 10, result), 0);
	assert_int_equal(result->copy.len, len);
}

static void commit_next(struct live *live)
{
	live_write_all(live, live->next);
}

/* The live file gets another commit, in pages that the copy has not seen. */
static void test_capture_mends_what_changed_since_the_copy(void **state)
{
	LIVE(live, result);

	put_two_commits(live->next);
	live->next->bytes[IMAGE_FLAGS_AT] = IMAGE_SECOND_PRIMARY;
	*live->image = *live->next;
	live->image->bytes[IMAGE_FLAGS_AT] = 0;
	memset(image_page(live->image, 4), 0, 4 * IMAGE_PAGE_LEN);
	spoil_slot(live->image, 1);
	live_write_all(live, live->image);
	live->act = commit_next;
	live->act_at = 2; /* the first look is before the copy */

	assert_int_equal(capture(live, 10, result), 0);
	assert_int_equal(result->capture.transaction, 8);
	assert_int_equal(result->capture.mended_pages, 4);
	assert_int_equal(count_image(&result->copy), 8);
	assert_true(result->copy.bytes[IMAGE_FLAGS_AT] &
		    IMAGE_RECOVERY_REQUIRED);
}

static void test_capture_follows_a_file_that_grew(void **state)
{
	LIVE(live, result);

	image_init(live->image, PAGES);
	image_commit_table(live->image, 0, 7, "vectors", "old", 7);
	*live->next = *live->image;
	image_set_pages(live->next, 2 * PAGES);
	live->next->pages = PAGES + 5;
	image_commit_table(live->next, 1, 8, "vectors", "new", 8);
	live_write_all(live, live->image);
	live->act = commit_next;
	live->act_at = 2;

	assert_int_equal(capture(live, 10, result), 0);
	assert_int_equal(result->capture.transaction, 8);
	assert_int_equal(result->copy.len, live->next->len);
}

static void test_capture_falls_back_to_the_commit_before(void **state)
{
	const size_t slots = IMAGE_SLOTS_AT;
	LIVE(live, result);

	put_half_commit(live->image);
	live_write_all(live, live->image);
	assert_int_equal(capture(live, 10, result), 0);
	assert_int_equal(result->capture.transaction, 7);
	assert_true(result->capture.rolled_back);
	assert_int_equal(count_image(&result->copy), 7);
	/* redb must not have a choice. */
	assert_memory_equal(result->copy.bytes + slots,
			    result->copy.bytes + slots + IMAGE_SLOT_LEN,
			    IMAGE_SLOT_LEN);
	assert_memory_equal(result->copy.bytes + slots,
			    live->image->bytes + slots, IMAGE_SLOT_LEN);
}

/* The last check is of the walk that verifies the copy. */
static void test_a_writer_that_goes_on_is_no_damage(void **state)
{
	unsigned checks;
	LIVE(live, result);

	put_half_commit(live->image);
	put_two_commits(live->next);
	image_commit_table(live->next, 0, 9, "vectors", "newer", 9);
	live_write_all(live, live->image);
	assert_int_equal(capture(live, 10, result), 0);
	checks = live->checks;

	live_write_all(live, live->image);
	live->checks = 0;
	live->act_at = checks;
	live->act = commit_next;
	assert_int_equal(capture(live, 10, result), 0);
	assert_int_equal(live->checks, checks);
	assert_int_equal(result->capture.transaction, 7);
	assert_false(result->capture.rolled_back);
}

/* A clone is proved where it lies, and written only where its newest commit is
 * not whole. */
static void test_a_clone_is_proved_in_place(void **state)
{
	struct rvs_error err = RVS_ERROR_INIT;
	uint8_t bytes[IMAGE_SLOTS_AT + 2 * IMAGE_SLOT_LEN];
	LIVE(live, result);

	live_write_all(live, live->image);
	assert_int_equal(rvs_redb_prove(live->fd, NULL, &result->capture, &err),
			 0);
	assert_int_equal(result->capture.transaction, 7);
	assert_false(result->capture.rolled_back);
	assert_int_equal(pread(live->fd, bytes, sizeof(bytes), 0),
			 sizeof(bytes));
	assert_memory_equal(bytes, live->image->bytes, sizeof(bytes));

	put_half_commit(live->image);
	live_write_all(live, live->image);
	assert_int_equal(rvs_redb_prove(live->fd, NULL, &result->capture, &err),
			 0);
	assert_int_equal(result->capture.transaction, 7);
	assert_true(result->capture.rolled_back);
	assert_int_equal(pread(live->fd, bytes, sizeof(bytes), 0),
			 sizeof(bytes));
	assert_memory_equal(bytes + IMAGE_SLOTS_AT,
			    bytes + IMAGE_SLOTS_AT + IMAGE_SLOT_LEN,
			    IMAGE_SLOT_LEN);

	put_database(live->image);
	image_page(live->image, 2)[2] ^= 1;
	live_write_all(live, live->image);
	assert_int_equal(rvs_redb_prove(live->fd, NULL, &result->capture, &err),
			 RVS_ERR_CORRUPT);
}

/* A reader that trusts two-phase commits would not look at the other slot. */
static void test_capture_waits_for_a_commit_in_the_making(void **state)
{
	LIVE(live, result);

	put_two_commits(live->next);
	live->next->bytes[IMAGE_FLAGS_AT] |= IMAGE_TWO_PHASE;
	put_half_commit(live->image);
	live->image->bytes[IMAGE_FLAGS_AT] |= IMAGE_TWO_PHASE;
	live_write_all(live, live->image);
	live->asleep = commit_next;

	assert_int_equal(capture(live, 10, result), 0);
	assert_int_equal(result->capture.transaction, 8);
	assert_false(result->capture.rolled_back);
	assert_true(result->capture.rounds > 1);
}

/* Once the header moved on, the commit before is older than what the writer's
 * user was told is safe. */
static void replace_with_newer(struct live *live)
{
	put_half_commit(live->image);
	live->image->bytes[IMAGE_SLOTS_AT + 104] = 9;
	image_seal_slot(live->image, 0);
	live->image->bytes[IMAGE_FLAGS_AT] |= IMAGE_TWO_PHASE;
	live->image->bytes[IMAGE_FLAGS_AT] &= (uint8_t)~IMAGE_SECOND_PRIMARY;
	live_write_all(live, live->image);
}

static void test_capture_does_not_go_back_once_the_header_moved(void **state)
{
	LIVE(live, result);

	put_half_commit(live->image);
	live_write_all(live, live->image);
	live->act = replace_with_newer;
	live->act_at = 3; /* inside the first walk */

	assert_int_equal(capture(live, 10, result), 0);
	assert_int_equal(result->capture.transaction, 9);
	assert_int_equal(result->capture.rounds, 2);
}

static void test_capture_of_a_damaged_file_says_so(void **state)
{
	LIVE(live, result);

	image_page(live->image, 2)[2] ^= 1;
	live_write_all(live, live->image);
	assert_int_equal(capture(live, 1000, result), RVS_ERR_CORRUPT);
	assert_non_null(strstr(result->err.text, "checksum"));
	assert_in_range(live->now_ms, 100, 200);
}

static void test_capture_refuses_a_layout_beyond_the_file(void **state)
{
	LIVE(live, result);

	image_put_u32(live->image->bytes + 28, 1000);
	live_write_all(live, live->image);
	assert_int_equal(capture(live, 1000, result), RVS_ERR_CORRUPT);
	assert_in_range(result->st.st_size, 0, live->image->len);
}

/*
 * A page that was found whole, then mended for a later commit, then needed
 * again as it was: what the capture remembers of it is wrong.  No fallback, and
 * a page missing in the first two commits, lead there.
 */
enum { RESTORED_PAGE = 1, MISSING_PAGE = 0 };

static void put_restored(struct image *image, uint64_t transaction,
			 const char *salt, bool whole)
{
	image_init(image, PAGES);
	image_commit_table(image, 0, transaction, "vectors", salt, 7);
	image->bytes[IMAGE_FLAGS_AT] |= IMAGE_TWO_PHASE;
	if (!whole)
		image_page(image, MISSING_PAGE)[2] ^= 1;
}

static void write_third(struct live *live)
{
	put_restored(live->next, 3, "one", true);
	live_write_all(live, live->next);
}

static void write_second(struct live *live)
{
	put_restored(live->next, 2, "two", false);
	live_write_all(live, live->next);
	live->act = write_third;
	live->act_at += 2;
}

static void test_capture_notices_what_it_remembers_wrongly(void **state)
{
	LIVE(live, result);

	put_restored(live->image, 1, "one", false);
	live_write_all(live, live->image);
	live->act = write_second;
	live->act_at = 4; /* at the start of the second round */

	assert_int_equal(capture(live, 10, result), 0);
	assert_int_equal(result->capture.transaction, 3);
	assert_int_equal(result->capture.rounds, 4);
	assert_memory_equal(image_page(&result->copy, RESTORED_PAGE),
			    image_page(live->next, RESTORED_PAGE),
			    IMAGE_PAGE_LEN);
}

static void keep_writing(struct live *live)
{
	live_write(live, live->image->len - 1, "x", 1);
}

/* Its pages never match, but somebody writes: that is no damage. */
static void test_capture_of_a_restless_file_is_busy(void **state)
{
	LIVE(live, result);

	image_page(live->image, 2)[2] ^= 1;
	live_write_all(live, live->image);
	live->asleep = keep_writing;
	assert_int_equal(capture(live, 20, result), RVS_ERR_BUSY);
	assert_int_equal(capture(live, 1000000, result), RVS_ERR_BUSY);
	assert_in_range(live->now_ms, 5000, 5100);
}

static void cancel(struct live *live)
{
	live->cancel = true;
}

static void test_capture_can_be_cancelled(void **state)
{
	for (unsigned at = 1; at <= 4; at++) {
		LIVE(live, result);

		live_write_all(live, live->image);
		live->act = cancel;
		live->act_at = at;
		assert_int_equal(capture(live, 10, result),
				 RVS_ERR_INTERRUPTED);
	}
}

static void test_capture_keeps_holes(void **state)
{
	LIVE(live, result);

	image_init(live->image, IMAGE_PAGES_MAX);
	image_commit_table(live->image, 0, 7, "vectors", "old", 7);
	live_write(live, 0, live->image->bytes, 4096);
	assert_int_equal(ftruncate(live->fd, (off_t)live->image->len), 0);
	assert_int_equal(capture(live, 10, result), 0);
	assert_int_equal(result->copy.len, live->image->len);
	assert_in_range(result->st.st_blocks, 8, 16);
}

static void test_damage_at_200_places_is_survived(void **state)
{
	uint64_t seed = 4;
	unsigned fine = 0;
	LIVE(live, result);

	for (unsigned i = 0; i < 200; i++) {
		size_t at = next_random(&seed) % RVS_REDB_HEADER_LEN;
		int r;

		put_database(live->image);
		if (i % 2) /* at the beginning of a page, which all fill */
			at = IMAGE_DATA_AT + next_random(&seed) % 24 +
			     next_random(&seed) % live->image->pages *
				     IMAGE_PAGE_LEN;
		live->image->bytes[at] ^=
			(uint8_t)(1 + next_random(&seed) % 255);
		live_write_all(live, live->image);
		r = capture(live, 100, result);
		assert_true(r == 0 || r == RVS_ERR_CORRUPT ||
			    r == RVS_ERR_BUSY || r == RVS_ERR_REFUSED);
		fine += r == 0;
	}
	/* Where nothing is said, or nobody looks, damage does no harm. */
	assert_in_range(fine, 20, 180);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_count_finds_the_table_of_vectors),
		cmocka_unit_test(test_count_descends_by_name),
		cmocka_unit_test(test_capture_of_a_quiet_file_is_the_file),
		cmocka_unit_test(test_capture_keeps_a_length_that_redb_accepts),
		cmocka_unit_test(
			test_capture_mends_what_changed_since_the_copy),
		cmocka_unit_test(test_capture_follows_a_file_that_grew),
		cmocka_unit_test(test_capture_falls_back_to_the_commit_before),
		cmocka_unit_test(test_a_writer_that_goes_on_is_no_damage),
		cmocka_unit_test(test_a_clone_is_proved_in_place),
		cmocka_unit_test(test_capture_waits_for_a_commit_in_the_making),
		cmocka_unit_test(
			test_capture_does_not_go_back_once_the_header_moved),
		cmocka_unit_test(test_capture_of_a_damaged_file_says_so),
		cmocka_unit_test(test_capture_refuses_a_layout_beyond_the_file),
		cmocka_unit_test(
			test_capture_notices_what_it_remembers_wrongly),
		cmocka_unit_test(test_capture_of_a_restless_file_is_busy),
		cmocka_unit_test(test_capture_can_be_cancelled),
		cmocka_unit_test(test_capture_keeps_holes),
		cmocka_unit_test(test_damage_at_200_places_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
