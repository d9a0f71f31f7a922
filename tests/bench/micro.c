/*
 * Micro-benchmarks: how fast one core cuts, digests, packs and unpacks.
 *
 *   micro [FILE]     the first 64 MiB of FILE, or made-up floats
 *
 * Prints MB/s of processor time, the best of a few rounds; for packing also the ratio.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "format/cut.h"
#include "format/deflate.h"
#include "format/digest.h"
#include "format/gzip.h"

enum { DATA_MAX = 64 << 20, MEMBER = 96 << 10, ROUNDS = 3 };

struct data {
	uint8_t *bytes;
	size_t len;
};

struct work {
	const struct data *data;
	struct rvs_codec *codec;
	struct rvs_buf packed; /* all members, one behind the other */
};

static double now_s(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static size_t piece_at(const struct data *data, size_t at)
{
	return data->len - at < MEMBER ? data->len - at : MEMBER;
}

static int cut(struct work *work)
{
	const struct data *data = work->data;
	struct rvs_cut cutter;
	size_t at = 0;

	rvs_cut_init(&cutter);
	while (at < data->len)
		at += rvs_cut_next(&cutter, data->bytes + at, data->len - at);
	return 0;
}

static int digest(struct work *work)
{
	const struct data *data = work->data;
	struct rvs_digest found;
	size_t at;
	int r = 0;

	for (at = 0; at < data->len && r == 0; at += MEMBER)
		r = rvs_digest_of(data->bytes + at, piece_at(data, at), &found,
				  NULL);
	return r;
}

static int crc(struct work *work)
{
	const struct data *data = work->data;
	size_t at;

	for (at = 0; at < data->len; at += MEMBER)
		(void)rvs_crc32(data->bytes + at, piece_at(data, at));
	return 0;
}

static int pack(struct work *work)
{
	const struct data *data = work->data;
	const struct rvs_digest none = { { 0 } };
	size_t at;
	int r = 0;

	work->packed.len = 0;
	for (at = 0; at < data->len && r == 0; at += MEMBER)
		r = rvs_gzip_pack(work->codec, 0, data->bytes + at,
				  piece_at(data, at), &none, &work->packed,
				  NULL);
	return r;
}

static int unpack(struct work *work)
{
	static uint8_t plain[MEMBER];
	size_t at = 0;
	int r = 0;

	while (at < work->packed.len && r == 0) {
		const uint8_t *member = work->packed.bytes + at;
		struct rvs_gzip_header header;

		r = rvs_gzip_parse(member, work->packed.len - at, &header,
				   NULL);
		if (r == 0)
			r = rvs_gzip_unpack(member, header.stored_len, plain,
					    header.plain_len, NULL);
		at += header.stored_len;
	}
	return r;
}

/* MB/s of plain bytes; ends the program when @run fails. */
static double measure(struct work *work, int (*run)(struct work *work))
{
	double best = 0;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		double begun = now_s(), took;

		if (run(work) < 0)
			exit(1);
		took = now_s() - begun;
		if (best == 0 || took < best)
			best = took;
	}
	return (double)work->data->len / best / 1e6;
}

static void measure_level(struct work *work, int level)
{
	double packing, unpacking;

	if (rvs_codec_new(level, &work->codec, NULL) < 0)
		exit(1);
	packing = measure(work, pack);
	unpacking = measure(work, unpack);
	printf("pack, level %d  %8.0f   unpack %8.0f   ratio %.3f\n", level,
	       packing, unpacking,
	       (double)work->data->len / (double)work->packed.len);
	rvs_codec_free(rvs_take(work->codec));
}

/* Floats of embeddings: random mantissas, few exponents. */
static void make_up(struct data *data)
{
	uint64_t state = 1;
	size_t i;

	for (i = 0; i < DATA_MAX / sizeof(float); i++) {
		float value;

		state = state * 6364136223846793005u + 1442695040888963407u;
		value = (float)((int64_t)state >> 40) / (float)(1 << 27);
		memcpy(data->bytes + i * sizeof(value), &value, sizeof(value));
	}
	data->len = DATA_MAX;
}

static int read_file(const char *path, struct data *data)
{
	FILE *file = fopen(path, "rb");

	if (!file) {
		perror(path);
		return -1;
	}
	data->len = fread(data->bytes, 1, DATA_MAX, file);
	(void)fclose(file);
	return data->len > 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
	RVS_CLEANUP(rvs_cleanup_free) uint8_t *bytes = malloc(DATA_MAX);
	struct data data = { bytes, 0 };
	struct work work = { .data = &data, .packed = RVS_BUF_INIT };
	int level;

	if (!bytes)
		return 1;
	if (argc < 2)
		make_up(&data);
	else if (read_file(argv[1], &data) < 0)
		return 1;
	printf("MB/s, one core, %zu bytes\n", data.len);
	printf("cut            %8.0f\n", measure(&work, cut));
	printf("digest         %8.0f\n", measure(&work, digest));
	printf("crc-32         %8.0f\n", measure(&work, crc));
	for (level = 0; level <= 9; level++)
		measure_level(&work, level);
	rvs_buf_done(&work.packed);
	return 0;
}
