/*
 * Goal: the vectors of every known format are counted, by few reads whatever
 * the size; a damaged file has no count and a note why; no other file is taken
 * for one that holds vectors.  The sum counts indexes only without files.
 *
 * `test_vectors --corpus DIR` writes the files of the tables below, from which
 * the corpus of fuzz_vectors comes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "redb_samples.h"
#include "source/vectors.h"

enum { BYTES_MAX = 1 << 15 };

struct file {
	uint8_t bytes[BYTES_MAX];
	size_t len;
};

static void put(struct file *file, const void *bytes, size_t len)
{
	assert_true(file->len + len <= BYTES_MAX);
	memcpy(file->bytes + file->len, bytes, len);
	file->len += len;
}

static void put_zeros(struct file *file, size_t len)
{
	assert_true(file->len + len <= BYTES_MAX);
	memset(file->bytes + file->len, 0, len);
	file->len += len;
}

static void put_u32(struct file *file, uint32_t value)
{
	value = htole32(value);
	put(file, &value, sizeof(value));
}

static void put_u64(struct file *file, uint64_t value)
{
	value = htole64(value);
	put(file, &value, sizeof(value));
}

static void put_redb(struct file *file)
{
	RVS_CLEANUP(rvs_cleanup_free) struct image *image = new_database();

	put(file, image->bytes, image->len);
}

static void put_redb_damaged(struct file *file)
{
	put_redb(file);
	for (size_t slot = 0; slot < 2; slot++)
		file->bytes[IMAGE_SLOTS_AT + slot * IMAGE_SLOT_LEN + 8] ^= 1;
}

static void put_redb_without_vectors(struct file *file)
{
	RVS_CLEANUP(rvs_cleanup_free) struct image *image = new_database();

	image_init(image, 8);
	image_commit_table(image, 0, 1, "settings", "a", 3);
	put(file, image->bytes, image->len);
}

enum { RVF_VECTORS = 1, RVF_MANIFEST = 5 };

static void put_segment(struct file *file, uint8_t type, uint64_t payload_len)
{
	const uint8_t magic[] = { 'S', 'F', 'V', 'R', 1, type, 0, 0 };

	put(file, magic, sizeof(magic));
	put_u64(file, 1);
	put_u64(file, payload_len);
	put_zeros(file, 40);
}

static void put_manifest(struct file *file, uint64_t total, uint32_t segments,
			 uint32_t deleted)
{
	put_segment(file, RVF_MANIFEST, 22 + 25 * segments + 4);
	put_zeros(file, 6);
	put_u64(file, total);
	put_u32(file, segments);
	put_zeros(file, 4 + 25 * segments);
	put_u32(file, deleted);
}

static void put_rvf(struct file *file)
{
	put_manifest(file, 0, 0, 0);
	put_segment(file, RVF_VECTORS, 101);
	put_zeros(file, 101);
	put_manifest(file, 20, 2, 3);
}

static void put_rvf_cut(struct file *file)
{
	put_rvf(file);
	put_segment(file, RVF_VECTORS, 1000);
	put_zeros(file, 999);
}

static void put_rvf_broken_chain(struct file *file)
{
	put_rvf(file);
	put_zeros(file, 100);
}

static void put_rvf_without_manifest(struct file *file)
{
	put_segment(file, RVF_VECTORS, 8);
	put_zeros(file, 8);
}

static void put_rvf_short_manifest(struct file *file)
{
	put_segment(file, RVF_MANIFEST, 22);
	put_zeros(file, 18);
	put_u32(file, UINT32_MAX);
}

static void put_rvf_too_many_deleted(struct file *file)
{
	put_manifest(file, 2, 1, 3);
}

static void put_rvf_payload_overflows(struct file *file)
{
	put_segment(file, RVF_VECTORS, UINT64_MAX - 32);
	put_zeros(file, 100);
}

static void put_npy_header(struct file *file, uint8_t major, const char *header)
{
	const uint8_t magic[] = { 0x93, 'N', 'U', 'M', 'P', 'Y', major, 0 };
	uint16_t len = htole16((uint16_t)strlen(header));

	put(file, magic, sizeof(magic));
	put(file, &len, sizeof(len));
	if (major > 1)
		put_zeros(file, 2);
	put(file, header, strlen(header));
}

static void put_npy(struct file *file)
{
	put_npy_header(file, 1,
		       "{'descr': '<f4', 'fortran_order': False, "
		       "'shape': (30, 4), }\n");
	put_zeros(file, 30 * 4 * 4);
}

static void put_npy_version_2(struct file *file)
{
	put_npy_header(file, 2,
		       "{'descr': '|u1', 'fortran_order': True, "
		       "'shape': (31L, 2L, 2L), }\n");
	put_zeros(file, 31 * 4);
}

static void put_npy_labels(struct file *file)
{
	put_npy_header(file, 1,
		       "{'descr': '<i8', 'fortran_order': False, "
		       "'shape': (30,), }\n");
	put_zeros(file, 30 * 8);
}

static void put_npy_short(struct file *file)
{
	put_npy(file);
	file->len--;
}

static void put_npy_overflow(struct file *file)
{
	put_npy_header(file, 1,
		       "{'descr': '<f4', 'fortran_order': False, 'shape': "
		       "(4294967296, 4294967296), }\n");
}

static void put_npy_without_shape(struct file *file)
{
	put_npy_header(file, 1, "{'descr': '<f4', 'shape': nothing}");
}

static void put_npy_header_beyond_the_file(struct file *file)
{
	put_npy_header(file, 1, "{'descr': '<f4'");
	file->bytes[9] = 0xff;
}

static void put_faiss_header(struct file *file, uint64_t count)
{
	put(file, "IxF2", 4);
	put_u32(file, 16);
	put_u64(file, count);
	put_u64(file, 1 << 20);
	put_u64(file, 1 << 20);
	put_zeros(file, 5);
}

static void put_faiss(struct file *file)
{
	put_faiss_header(file, 9);
	put_zeros(file, 9 * 16 * 4);
}

static void put_faiss_short(struct file *file)
{
	put_faiss_header(file, 1000);
}

static void put_usearch_head(struct file *file, uint64_t count)
{
	put(file, "usearch", 7);
	put_zeros(file, 10);
	put_u64(file, count);
	put_zeros(file, 30);
}

static void put_usearch(struct file *file)
{
	put_u32(file, 12);
	put_u32(file, 7);
	put_zeros(file, 12 * 7);
	put_usearch_head(file, 11);
}

static void put_usearch_without_vectors(struct file *file)
{
	put_usearch_head(file, 13);
}

static void put_hnswlib_header(struct file *file, uint64_t capacity,
			       uint64_t count, uint64_t m)
{
	uint64_t vector_at = 4 * (2 * m + 1);

	put_u64(file, 0);
	put_u64(file, capacity);
	put_u64(file, count);
	put_u64(file, vector_at + 32 + 8);
	put_u64(file, vector_at + 32);
	put_u64(file, vector_at);
	put_u64(file, 0);
	put_u64(file, m);
	put_u64(file, 2 * m);
	put_u64(file, m);
	put_zeros(file, 16);
}

static void put_hnswlib(struct file *file)
{
	put_hnswlib_header(file, 10, 6, 16);
	put_zeros(file, 6 * (4 * 33 + 40));
}

static void put_hnswlib_over_capacity(struct file *file)
{
	put_hnswlib_header(file, 5, 6, 16);
	put_zeros(file, 6 * (4 * 33 + 40));
}

static void put_hnswlib_short(struct file *file)
{
	put_hnswlib_header(file, 10, 6, 16);
	put_zeros(file, 5 * (4 * 33 + 40));
}

static void put_vecs(struct file *file, unsigned count, unsigned width)
{
	for (unsigned i = 0; i < count; i++) {
		put_u32(file, 8);
		put_zeros(file, 8 * width);
	}
}

static void put_fvecs(struct file *file)
{
	put_vecs(file, 15, 4);
}

static void put_bvecs(struct file *file)
{
	put_vecs(file, 16, 1);
}

static void put_vecs_cut(struct file *file)
{
	put_vecs(file, 15, 4);
	file->len -= 2;
}

static void put_vecs_of_unlike_length(struct file *file)
{
	put_vecs(file, 15, 4);
	file->bytes[file->len - 36] = 7;
}

static void put_vecs_of_no_length(struct file *file)
{
	put_zeros(file, 64);
}

static void put_nothing(struct file *file)
{
}

static void put_text(struct file *file)
{
	put(file, "SFVR is how some files begin", 28);
}

struct sample {
	const char *what; /* names the file in the corpus */
	const char *name;
	void (*put)(struct file *file);
	enum rvs_vectors_kind kind;
	uint64_t count;
};

static const struct sample whole[] = {
	{ "redb", "x.db", put_redb, RVS_VECTORS_FILE, 42 },
	{ "rvf", "x.rvf", put_rvf, RVS_VECTORS_FILE, 17 },
	{ "npy", "x.npy", put_npy, RVS_VECTORS_FILE, 30 },
	{ "npy-version-2", "x", put_npy_version_2, RVS_VECTORS_FILE, 31 },
	{ "faiss", "x.index", put_faiss, RVS_VECTORS_INDEX, 9 },
	{ "usearch", "x", put_usearch, RVS_VECTORS_INDEX, 11 },
	{ "usearch-without-vectors", "x", put_usearch_without_vectors,
	  RVS_VECTORS_INDEX, 13 },
	{ "hnswlib", "index.bin", put_hnswlib, RVS_VECTORS_INDEX, 6 },
	{ "fvecs", "base.fvecs", put_fvecs, RVS_VECTORS_FILE, 15 },
	{ "ivecs", "base.ivecs", put_fvecs, RVS_VECTORS_FILE, 15 },
	{ "bvecs", "base.bvecs", put_bvecs, RVS_VECTORS_FILE, 16 },
	{ "fvecs-empty", "empty.fvecs", put_nothing, RVS_VECTORS_FILE, 0 },
};

static const struct sample damaged[] = {
	{ "redb-slots-fail-checksum", "x", put_redb_damaged, RVS_VECTORS_FILE,
	  0 },
	{ "rvf-cut-in-a-segment", "x", put_rvf_cut, RVS_VECTORS_FILE, 0 },
	{ "rvf-segment-without-magic", "x", put_rvf_broken_chain,
	  RVS_VECTORS_FILE, 0 },
	{ "rvf-without-manifest", "x", put_rvf_without_manifest,
	  RVS_VECTORS_FILE, 0 },
	{ "rvf-manifest-too-short", "x", put_rvf_short_manifest,
	  RVS_VECTORS_FILE, 0 },
	{ "rvf-more-deleted-than-there-are", "x", put_rvf_too_many_deleted,
	  RVS_VECTORS_FILE, 0 },
	{ "rvf-payload-length-overflows", "x", put_rvf_payload_overflows,
	  RVS_VECTORS_FILE, 0 },
	{ "npy-shorter-than-shape", "x", put_npy_short, RVS_VECTORS_FILE, 0 },
	{ "npy-shape-overflows", "x", put_npy_overflow, RVS_VECTORS_FILE, 0 },
	{ "npy-without-shape", "x", put_npy_without_shape, RVS_VECTORS_FILE,
	  0 },
	{ "npy-header-beyond-the-file", "x", put_npy_header_beyond_the_file,
	  RVS_VECTORS_FILE, 0 },
	{ "faiss-count-beyond-the-file", "x", put_faiss_short,
	  RVS_VECTORS_INDEX, 0 },
	{ "hnswlib-over-capacity", "x", put_hnswlib_over_capacity,
	  RVS_VECTORS_INDEX, 0 },
	{ "hnswlib-shorter-than-count", "x", put_hnswlib_short,
	  RVS_VECTORS_INDEX, 0 },
	{ "fvecs-cut-in-a-vector", "x.fvecs", put_vecs_cut, RVS_VECTORS_FILE,
	  0 },
	{ "fvecs-of-unlike-length", "x.fvecs", put_vecs_of_unlike_length,
	  RVS_VECTORS_FILE, 0 },
	{ "fvecs-of-no-length", "x.fvecs", put_vecs_of_no_length,
	  RVS_VECTORS_FILE, 0 },
};

static const struct sample without[] = {
	{ "empty", "x", put_nothing, RVS_VECTORS_NONE, 0 },
	{ "text", "SFVR.txt", put_text, RVS_VECTORS_NONE, 0 },
	{ "npy-of-one-dimension", "labels.npy", put_npy_labels,
	  RVS_VECTORS_NONE, 0 },
	{ "redb-without-vectors", "x", put_redb_without_vectors,
	  RVS_VECTORS_NONE, 0 },
	{ "zeros", "x", put_vecs_of_no_length, RVS_VECTORS_NONE, 0 },
	{ "fvecs-by-another-name", "fvecs", put_fvecs, RVS_VECTORS_NONE, 0 },
};

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

static struct file *new_file(void (*put_content)(struct file *file))
{
	struct file *file = calloc(1, sizeof(*file));

	assert_non_null(file);
	put_content(file);
	return file;
}

static void count(const struct sample *sample, struct rvs_vectors *ret)
{
	RVS_CLEANUP(rvs_cleanup_free) struct file *file = new_file(sample->put);
	const struct rvs_input input =
		rvs_input_of_memory(file->bytes, file->len);

	rvs_vectors_count(&input, sample->name, ret);
}

static void test_whole_files_are_counted(void **state)
{
	for (size_t i = 0; i < LENGTH(whole); i++) {
		struct rvs_vectors found;

		count(&whole[i], &found);
		if (found.vectors.kind != whole[i].kind || !found.vectors.known ||
		    found.vectors.count != whole[i].count || found.note[0])
			fail_msg("%s: kind %d, %llu, \"%s\"", whole[i].what,
				 (int)found.vectors.kind,
				 (unsigned long long)found.vectors.count, found.note);
		assert_memory_equal(found.format, whole[i].what,
				    strlen(found.format));
	}
}

static void test_damaged_files_have_a_note_instead(void **state)
{
	for (size_t i = 0; i < LENGTH(damaged); i++) {
		struct rvs_vectors found;

		count(&damaged[i], &found);
		if (found.vectors.kind != damaged[i].kind || found.vectors.known ||
		    !found.note[0])
			fail_msg("%s: kind %d, known %d", damaged[i].what,
				 (int)found.vectors.kind, found.vectors.known);
	}
}

static void test_other_files_are_left_alone(void **state)
{
	for (size_t i = 0; i < LENGTH(without); i++) {
		struct rvs_vectors found;

		count(&without[i], &found);
		if (found.vectors.kind != RVS_VECTORS_NONE || found.note[0])
			fail_msg("%s: kind %d, \"%s\"", without[i].what,
				 (int)found.vectors.kind, found.note);
	}
}

/* An input that counts its reads, of a file with a large hole at its end. */
struct counter {
	const struct file *file;
	unsigned reads;
};

static ssize_t counting_read(const struct rvs_input *input, void *buf,
			     size_t len, uint64_t offset)
{
	struct counter *counter = *(struct counter *const *)input->bytes;
	const struct file *file = counter->file;

	counter->reads++;
	memset(buf, 0, len);
	if (offset < file->len)
		memcpy(buf, file->bytes + offset,
		       len < file->len - offset ? len : file->len - offset);
	return (ssize_t)len;
}

static void test_counting_costs_a_few_reads(void **state)
{
	for (size_t i = 0; i < LENGTH(whole); i++) {
		RVS_CLEANUP(rvs_cleanup_free)
		struct file *file = new_file(whole[i].put);
		struct counter counter = { file, 0 };
		struct counter *pointer = &counter;
		const struct rvs_input input = { .read = counting_read,
						 .bytes = &pointer,
						 .size = UINT64_C(1) << 40 };
		struct rvs_vectors found;

		rvs_vectors_count(&input, whole[i].name, &found);
		assert_in_range(counter.reads, 1, 6);
	}
}

static ssize_t failing_read(const struct rvs_input *input, void *buf,
			    size_t len, uint64_t offset)
{
	if (offset == 0) {
		memset(buf, 0, len);
		memcpy(buf, "SFVR", 4);
		((uint8_t *)buf)[16] = 8;
		return (ssize_t)len;
	}
	errno = EIO;
	return -1;
}

static void test_a_failing_disk_is_a_note_too(void **state)
{
	const struct rvs_input input = { .read = failing_read, .size = 1000 };
	struct rvs_vectors found;

	rvs_vectors_count(&input, "x", &found);
	assert_int_equal(found.vectors.kind, RVS_VECTORS_FILE);
	assert_false(found.vectors.known);
	assert_non_null(strstr(found.note, strerror(EIO)));
}

static ssize_t endless_read(const struct rvs_input *input, void *buf,
			    size_t len, uint64_t offset)
{
	memset(buf, 0, len);
	memcpy(buf, "SFVR", 4);
	return (ssize_t)len;
}

static void test_segments_are_read_up_to_a_limit(void **state)
{
	const struct rvs_input input = { .read = endless_read,
					 .size = UINT64_C(1) << 40 };
	struct rvs_vectors found;

	rvs_vectors_count(&input, "x", &found);
	assert_false(found.vectors.known);
	assert_non_null(strstr(found.note, "segments"));
}

static void add(struct rvs_vectors_sum *sum, enum rvs_vectors_kind kind,
		bool known, uint64_t number)
{
	const struct rvs_vector_note vectors = { .kind = kind,
					     .known = known,
					     .count = number };

	rvs_vectors_sum_add(sum, &vectors);
}

static void test_sum_counts_indexes_only_without_files(void **state)
{
	struct rvs_vectors_sum sum = { .files = 0 };
	uint64_t total;

	add(&sum, RVS_VECTORS_NONE, false, 0);
	assert_false(rvs_vectors_sum_get(&sum, &total));
	add(&sum, RVS_VECTORS_INDEX, true, 5);
	add(&sum, RVS_VECTORS_INDEX, true, 6);
	assert_true(rvs_vectors_sum_get(&sum, &total));
	assert_int_equal(total, 11);

	add(&sum, RVS_VECTORS_FILE, true, 3);
	add(&sum, RVS_VECTORS_INDEX, false, 0);
	add(&sum, RVS_VECTORS_FILE, true, 4);
	assert_true(rvs_vectors_sum_get(&sum, &total));
	assert_int_equal(total, 7);

	add(&sum, RVS_VECTORS_FILE, false, 0);
	assert_false(rvs_vectors_sum_get(&sum, &total));
}

static int write_sample(const char *directory, const struct sample *sample)
{
	RVS_CLEANUP(rvs_cleanup_free) struct file *file = new_file(sample->put);
	char path[512];
	FILE *stream;
	bool good;

	(void)snprintf(path, sizeof(path), "%s/%s", directory, sample->what);
	stream = fopen(path, "wb");
	good = stream && fwrite(file->bytes, 1, file->len, stream) == file->len;
	if (stream && fclose(stream) != 0)
		good = false;
	if (!good)
		perror(path);
	return good ? 0 : -1;
}

static int write_corpus(const char *directory)
{
	int r = 0;

	for (size_t i = 0; i < LENGTH(whole); i++)
		r |= write_sample(directory, &whole[i]);
	for (size_t i = 0; i < LENGTH(damaged); i++)
		r |= write_sample(directory, &damaged[i]);
	for (size_t i = 0; i < LENGTH(without); i++)
		r |= write_sample(directory, &without[i]);
	return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_files_are_counted),
		cmocka_unit_test(test_damaged_files_have_a_note_instead),
		cmocka_unit_test(test_other_files_are_left_alone),
		cmocka_unit_test(test_counting_costs_a_few_reads),
		cmocka_unit_test(test_a_failing_disk_is_a_note_too),
		cmocka_unit_test(test_segments_are_read_up_to_a_limit),
		cmocka_unit_test(test_sum_counts_indexes_only_without_files),
	};

	if (argc == 3 && strcmp(argv[1], "--corpus") == 0)
		return write_corpus(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
