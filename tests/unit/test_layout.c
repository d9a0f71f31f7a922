/*
 * Goal: a layout says, before any data is read, of which members a full
 * snapshot would consist: whole ones where files hold them whole, new ones for
 * the rest, zeros for holes; none twice.
 */
#include "laid_out.h"

#include "format/members.h"
#include "store/volume.h"

#define STORE \
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store()
#define LAID RVS_CLEANUP(laid_out_done) struct laid_out

/* Pieces follow each other in the stream, and so do the file's extents. */
static void expect_seamless(const struct laid_out *laid,
			    const struct rvs_layout_stream *stream,
			    const char *path)
{
	const struct rvs_layout *layout = &laid->layout;
	uint32_t index = rvs_tree_find(laid->tree, path);
	uint64_t place = 0, at = 0;
	size_t count, i, e = 0;
	const struct rvs_extent *extents =
		rvs_layout_extents(layout, index, &count);

	for (i = stream->first; i < stream->first + stream->count; i++) {
		const struct rvs_piece *piece = &layout->pieces[i];

		assert_int_equal(piece->place, place);
		place += piece->stored_len;
		if (piece->kind != RVS_PIECE_ZEROS) {
			while (e < count && extents[e].volume == RVS_HOLE)
				e++;
			assert_true(e < count);
			assert_int_equal(extents[e].at, at);
			assert_int_equal(extents[e].member, i);
			assert_int_equal(extents[e].offset, 0);
			e++;
		}
		at += piece->plain_len;
	}
	assert_int_equal(place, stream->size);
	assert_int_equal(at, rvs_tree_entry(laid->tree, index)->size);
}

static void test_a_full_snapshot_is_copied(void **state)
{
	STORE;
	struct rvs_snapshot full;
	const struct rvs_layout_stream *stream;

	write_random("source/a", 500000, 1);
	full = snap(store, NULL);
	LAID laid;
	lay_out(store, full.id, &laid);
	assert_int_equal(laid.layout.stream_count, 1);
	stream = laid_stream(&laid, "a.gz");
	assert_int_equal(count_kind(&laid, stream, RVS_PIECE_WHOLE),
			 laid.layout.piece_count);
	expect_seamless(&laid, stream, "a");
	assert_true(rvs_layout_memory(&laid.layout) > 0);
	rvs_snapshot_done(&full);
}

static void test_changed_pages_are_parts(void **state)
{
	enum { LEN = 3000000 };
	STORE;
	struct rvs_snapshot last;
	const struct rvs_layout_stream *stream;
	uint8_t page[4096];
	unsigned i;

	write_random("source/a", LEN, 1);
	snap_only(store, NULL);
	for (i = 0; i < 3; i++) {
		fill_random(page, sizeof(page), 100 + i);
		write_at("source/a", page, sizeof(page), (100 + i) * 4096);
	}
	last = snap(store, NULL);
	LAID laid;
	lay_out(store, last.id, &laid);
	stream = laid_stream(&laid, "a.gz");
	assert_true(count_kind(&laid, stream, RVS_PIECE_WHOLE) > 10);
	assert_true(count_kind(&laid, stream, RVS_PIECE_PART) > 0);
	expect_seamless(&laid, stream, "a");
	rvs_snapshot_done(&last);
}

/* Every length of zeros is packed once, however often it is used. */
static void test_holes_are_zeros(void **state)
{
	STORE;
	struct rvs_snapshot full;
	const struct rvs_layout_stream *stream;
	size_t count;

	write_text("source/a", "begin");
	assert_int_equal(truncate("source/a", 5 << 20), 0);
	write_text("source/empty", "");
	full = snap(store, NULL);
	LAID laid;
	lay_out(store, full.id, &laid);
	stream = laid_stream(&laid, "a.gz");
	assert_int_equal(count_kind(&laid, stream, RVS_PIECE_PART), 0);
	assert_true(count_kind(&laid, stream, RVS_PIECE_ZEROS) >= 5);
	expect_seamless(&laid, stream, "a");
	assert_true(laid.layout.zeros[RVS_ZEROS_LOG_MAX].len > 0);
	/* No gzip is no bytes, so an empty file is a member of none. */
	stream = laid_stream(&laid, "empty.gz");
	assert_int_equal(stream->count, 1);
	assert_int_equal(laid.layout.pieces[stream->first].plain_len, 0);
	(void)rvs_layout_extents(&laid.layout,
				 rvs_tree_find(laid.tree, "empty"), &count);
	assert_int_equal(count, 0);
	rvs_snapshot_done(&full);
}

/* Small files share members, which the bundle copies whole, once. */
static void test_the_bundle_has_no_member_twice(void **state)
{
	enum { FILES = 300 };
	STORE;
	struct rvs_snapshot full;
	const struct rvs_layout_stream *stream;
	char path[100];
	size_t plain = 0, count;
	unsigned i;

	for (i = 0; i < FILES; i++) {
		(void)snprintf(path, sizeof(path), "source/file-%03u", i);
		write_random(path, 2000, i);
	}
	write_random("source/large", 1500000, 5);
	full = snap(store, NULL);
	LAID laid;
	lay_out(store, full.id, &laid);
	assert_int_equal(laid.layout.stream_count, 2);
	stream = &laid.layout.streams[1];
	assert_string_equal(stream->name, RVS_BUNDLE_NAME);
	assert_int_equal(count_kind(&laid, stream, RVS_PIECE_WHOLE),
			 stream->count);
	for (i = 0; i < stream->count; i++)
		plain += laid.layout.pieces[stream->first + i].plain_len;
	assert_int_equal(plain, FILES * 2000);
	for (i = 0; i < FILES; i++) {
		const struct rvs_extent *e;

		(void)snprintf(path, sizeof(path), "file-%03u", i);
		e = rvs_layout_extents(&laid.layout,
				       rvs_tree_find(laid.tree, path), &count);
		assert_true(count >= 1);
		assert_true(e->member >= stream->first);
		assert_true(e->member < stream->first + stream->count);
	}
	rvs_snapshot_done(&full);
}

static void test_a_missing_volume_is_told(void **state)
{
	STORE;
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_snapshot full;
	RVS_CLEANUP(laid_out_done) struct laid_out laid = { .tree = NULL };
	char path[100];

	write_random("source/a", 5000, 1);
	full = snap(store, NULL);
	expect_ok(rvs_tree_open(store, full.id, &laid.tree, &err), err);
	(void)snprintf(path, sizeof(path), "store/snapshot-%s", full.id);
	assert_int_equal(rename(path, "elsewhere"), 0);
	rvs_volumes_forget(store->volumes);
	expect_status(rvs_layout_init(&laid.layout, store, laid.tree, &err),
		      RVS_ERR_MISSING, err);
	rvs_snapshot_done(&full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_a_full_snapshot_is_copied),
		sandbox_test(test_changed_pages_are_parts),
		sandbox_test(test_holes_are_zeros),
		sandbox_test(test_the_bundle_has_no_member_twice),
		sandbox_test(test_a_missing_volume_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
