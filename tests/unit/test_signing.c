/*
 * Goal: chunks in pieces are signed, and stay so for as long as a snapshot's
 * files have them; the next snapshot then needs nothing of the base; what is
 * lost or damaged costs no more than reading it.
 */
#include "sandbox.h"

#include "job/signing.h"
#include "store/store.h"

enum { MIB = 1 << 20, PAGE = 4096 };

/* Other bytes in the middle of the file's page @page. */
static void change_page(const char *path, unsigned page)
{
	write_at(path, "changed", 7, (size_t)page * PAGE + 1000);
}

/* How many files have signatures. */
static size_t signed_files(struct rvs_store *store)
{
	RVS_CLEANUP(rvs_signatures_done)
	struct rvs_signatures found = RVS_SIGNATURES_INIT;

	rvs_signatures_load(store, &found);
	return found.files.len / sizeof(struct rvs_signed_file);
}

/* A new snapshot's increment, bytes. */
static uint64_t bytes_of_snap(struct rvs_store *store, const char *name)
{
	RVS_CLEANUP(rvs_snapshot_done)
	struct rvs_snapshot record = snap(store, name);

	return record.size_bytes;
}

static void test_what_is_in_pieces_is_signed(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();

	write_random("source/a", MIB, 1);
	write_random("source/b", MIB, 2);
	snap_only(store, "full");
	assert_int_equal(signed_files(store), 0);
	change_page("source/a", 100);
	snap_only(store, "one");
	assert_int_equal(signed_files(store), 1);
	change_page("source/b", 100);
	snap_only(store, "both"); /* a's stay, though it was not read */
	assert_int_equal(signed_files(store), 2);
	snap_only(store, "same"); /* nothing was read */
	assert_int_equal(signed_files(store), 2);
	assert_int_equal(unlink("source/a"), 0);
	change_page("source/b", 200);
	snap_only(store, "left");
	assert_int_equal(signed_files(store), 1);
}

/* Of a file in pieces a page is changed while none of the base's data can be
 * read: what is signed need not be. */
static uint64_t bytes_without_data(bool with_signatures)
{
	const struct rvs_store_options options = { .threads = 2 };
	RVS_CLEANUP(close_store) struct rvs_store *store = NULL;
	RVS_CLEANUP(rvs_snapshot_list_done)
	struct rvs_snapshot_list list = { NULL, 0 };
	struct rvs_error err = RVS_ERROR_INIT;
	size_t i;

	if (!with_signatures)
		assert_int_equal(unlink("store/.signatures"), 0);
	expect_ok(rvs_store_open("store", &options, &store, &err), err);
	expect_ok(rvs_snapshot_list(store, &list, NULL, NULL, &err), err);
	for (i = 0; i < list.count; i++) {
		RVS_CLEANUP(rvs_cleanup_free) char *path = NULL;

		assert_true(asprintf(&path, "store/snapshot-%s/a.gz",
				     list.items[i].id) > 0);
		assert_int_equal(truncate(path, 0), 0);
	}
	return bytes_of_snap(store, "later");
}

static void make_pieces(unsigned pages)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	unsigned i;

	write_random("source/a", MIB, 1);
	snap_only(store, "full");
	/* In every chunk one at least, which would change its digest. */
	for (i = 0; i < pages; i += 8)
		change_page("source/a", i);
	snap_only(store, "pieces");
	write_random("source/tail", 1000, 3);
	assert_int_equal(system("cat source/tail >>source/a && "
				"rm source/tail"), 0);
}

static void test_signed_chunks_are_not_read(void **state)
{
	make_pieces(MIB / PAGE);
	/* The last chunk grew, and is the only one. */
	assert_true(bytes_without_data(true) < 300000);
}

static void test_without_signatures_they_are_stored_again(void **state)
{
	make_pieces(MIB / PAGE);
	assert_true(bytes_without_data(false) > MIB);
}

static void test_damaged_ones_are_none(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();

	write_random("source/a", MIB, 1);
	snap_only(store, "full");
	change_page("source/a", 100);
	snap_only(store, "one");
	assert_int_equal(signed_files(store), 1);
	write_at("store/.signatures", "x", 1, 50);
	assert_int_equal(signed_files(store), 0);
	change_page("source/a", 150);
	assert_true(bytes_of_snap(store, "two") < 20000); /* it was read */
	assert_int_equal(signed_files(store), 1);
	assert_int_equal(unlink("store/.signatures"), 0);
	assert_int_equal(mkdir("store/.signatures", 0700), 0);
	change_page("source/a", 160);
	assert_true(bytes_of_snap(store, "three") < 20000);
	assert_int_equal(signed_files(store), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_what_is_in_pieces_is_signed),
		sandbox_test(test_signed_chunks_are_not_read),
		sandbox_test(test_without_signatures_they_are_stored_again),
		sandbox_test(test_damaged_ones_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
