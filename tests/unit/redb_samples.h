/*
 * Redb samples: databases that tests take apart.
 */
#ifndef REDB_SAMPLES_H
#define REDB_SAMPLES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/cleanup.h"
#include "redb_image.h"
#include "source/redb.h"
#include "source/redb_proved.h"
#include "source/redb_tree.h"

enum { PAGES = 24, PROVED_BYTES = 1 << 20 };

/* A database with a tree of every kind; each page that it takes is needed. */

static inline struct rvs_redb_ref put_multimap(struct image *image)
{
	static const uint8_t inline_value[] = { 1, 1, 0, 0, 0 };
	const struct rvs_redb_widths inner = { 8, 0 };
	const struct image_pair value = {
		{ (const uint8_t *)"12345678", 8 }, image_text("")
	};
	struct rvs_redb_ref tree = image_leaf(image, inner, &value, 1);
	uint8_t collection[33] = { 3 };
	const struct image_pair pairs[] = {
		{ image_text("few"), { inline_value, sizeof(inline_value) } },
		{ image_text("many"), { collection, sizeof(collection) } },
	};

	image_put_root(collection + 1, &tree);
	return image_leaf(image, image_varying, pairs, 2);
}

static const struct rvs_redb_widths freed_widths = { 16, RVS_REDB_VARIES };

static inline struct rvs_redb_ref put_freed(struct image *image)
{
	const struct image_pair pair = {
		{ (const uint8_t *)"0123456789abcdef", 16 }, image_text("pages")
	};

	return image_leaf(image, freed_widths, &pair, 1);
}

static inline struct rvs_redb_ref put_tables(struct image *image,
						    const char *salt)
{
	struct rvs_redb_ref graph = put_multimap(image);
	struct rvs_redb_ref vectors = image_two_leaves(image, salt);
	const struct rvs_redb_widths graph_widths = { RVS_REDB_VARIES, 8 };
	uint8_t definitions[3][IMAGE_TABLE_LEN];
	const struct image_pair pairs[] = {
		{ image_text("empty"),
		  image_table(definitions[0], false, 0, NULL, image_varying) },
		{ image_text("graph"),
		  image_table(definitions[1], true, 9, &graph, graph_widths) },
		{ image_text("vectors"),
		  image_table(definitions[2], false, 42, &vectors,
			      image_varying) },
	};

	return image_leaf(image, image_varying, pairs, 3);
}

static inline struct rvs_redb_ref put_system(struct image *image)
{
	const struct rvs_redb_widths widths = { 8, RVS_REDB_VARIES };
	struct rvs_redb_ref user = put_tables(image, "before");
	struct rvs_redb_ref freed = put_freed(image);
	uint8_t savepoint[124] = { 2 }, definition[IMAGE_TABLE_LEN];
	const struct image_pair kept = { { (const uint8_t *)"savept00", 8 },
					 { savepoint, sizeof(savepoint) } };
	struct rvs_redb_ref table;
	struct image_pair pair = { .key = image_text("persistent_savepoints") };

	savepoint[17] = 1;
	image_put_root(savepoint + 18, &user);
	savepoint[83] = 1;
	image_put_root(savepoint + 84, &freed);
	table = image_leaf(image, widths, &kept, 1);
	pair.value = image_table(definition, false, 1, &table, widths);
	return image_leaf(image, image_varying, &pair, 1);
}

static inline void put_database(struct image *image)
{
	struct rvs_redb_ref user, system, freed;
	const struct image_roots roots = { { &user, &system, &freed } };

	image_init(image, PAGES);
	user = put_tables(image, "now");
	system = put_system(image);
	freed = put_freed(image);
	/* A commit that changed nothing: both slots need the same pages. */
	image_commit(image, 1, 6, &roots);
	image_commit(image, 0, 7, &roots);
}

static inline struct image *new_database(void)
{
	struct image *image = malloc(sizeof(*image));

	assert_non_null(image);
	put_database(image);
	return image;
}

/* Prove the newest commit of an image as it lies in memory. */
static inline int prove_image(const struct image *image,
			      size_t proved_bytes, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_redb_proved_done)
	struct rvs_redb_proved proved = rvs_redb_proved_of(proved_bytes);
	const struct rvs_input input =
		rvs_input_of_memory(image->bytes, image->len);
	struct rvs_redb_header header;
	struct rvs_redb_walk walk = { .header = &header,
				      .input = &input,
				      .proved = &proved };
	unsigned order[RVS_REDB_SLOTS];
	int r = rvs_redb_header_decode(image->bytes, &header, err);

	if (r < 0)
		return r;
	if (rvs_redb_header_candidates(&header, order) == 0)
		return RVS_ERR_CORRUPT;
	return rvs_redb_tree_prove(&walk, &header.slots[order[0]], err);
}

/* Two commits; the newer is in slot 1. */
static inline void put_two_commits(struct image *image)
{
	image_init(image, PAGES);
	image_commit_table(image, 0, 7, "vectors", "old", 7);
	image_commit_table(image, 1, 8, "vectors", "new", 8);
}

static inline void spoil_slot(struct image *image, unsigned slot)
{
	image->bytes[IMAGE_SLOTS_AT + slot * IMAGE_SLOT_LEN + 104] ^= 0xff;
}

/* The writer died in the middle of a commit: its header is there, a page of it
 * is not. */
static inline void put_half_commit(struct image *image)
{
	put_two_commits(image);
	image_page(image, image->pages - 1)[10] ^= 1;
}

/* A tree of branches whose children are all one: 2^@levels paths. */
static inline void put_fan(struct image *image, unsigned levels)
{
	const struct rvs_redb_span key = image_text("m");
	const struct image_pair pair = { image_text("a"), image_text("b") };
	struct rvs_redb_ref top, user;
	uint8_t definition[IMAGE_TABLE_LEN];
	struct image_pair table = { .key = image_text("vectors") };
	const struct image_roots roots = { { [RVS_REDB_USER] = &user } };

	image_init(image, levels + 2);
	top = image_leaf(image, image_varying, &pair, 1);
	for (unsigned i = 0; i < levels; i++) {
		const struct rvs_redb_ref children[] = { top, top };

		top = image_branch(image, &key, children, 1);
	}
	table.value = image_table(definition, false, 1, &top, image_varying);
	user = image_leaf(image, image_varying, &table, 1);
	image_commit(image, 0, 1, &roots);
}

static inline uint64_t count_image(const struct image *image)
{
	const struct rvs_input input =
		rvs_input_of_memory(image->bytes, image->len);
	struct rvs_error err = RVS_ERROR_INIT;
	uint64_t count = 0;

	assert_int_equal(rvs_redb_count(&input, &count, &err), 0);
	return count;
}

#endif
