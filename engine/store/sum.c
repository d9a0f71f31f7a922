#include "sum.h"

#include <stdlib.h>
#include <string.h>

#include "base/pool.h"
#include "format/digest.h"

enum { BLOCK_BYTES = 64 << 10, BLOCKS = 4 };

struct block {
	struct rvs_job job;
	struct rvs_hasher *hasher;
	size_t len;
	uint8_t bytes[BLOCK_BYTES];
};

struct rvs_sum {
	struct rvs_hasher *hasher; /* the jobs', while one is under way */
	struct rvs_lane *lane;     /* serial; NULL without a pool */
	unsigned at;               /* the block being filled */
	struct block blocks[BLOCKS];
};

static void hash_block(struct rvs_job *job, unsigned worker)
{
	struct block *block = (struct block *)job;

	(void)worker;
	rvs_hasher_add(block->hasher, block->bytes, block->len);
}

int rvs_sum_new(struct rvs_pool *pool, struct rvs_sum **ret,
		struct rvs_error *err)
{
	struct rvs_sum *sum = malloc(sizeof(*sum));
	unsigned i;
	int r;

	if (!sum)
		return rvs_error_no_memory(err);
	sum->hasher = NULL;
	sum->lane = NULL;
	sum->at = 0;
	r = rvs_hasher_new(&sum->hasher, err);
	if (r == 0 && pool)
		r = rvs_lane_new(pool, true, &sum->lane, err);
	if (r < 0) {
		rvs_sum_free(sum);
		return r;
	}
	for (i = 0; i < BLOCKS; i++) {
		sum->blocks[i].job.run = hash_block;
		sum->blocks[i].hasher = sum->hasher;
		sum->blocks[i].len = 0;
	}
	*ret = sum;
	return 0;
}

void rvs_sum_free(struct rvs_sum *sum)
{
	if (!sum)
		return;
	rvs_lane_free(sum->lane);
	rvs_hasher_free(sum->hasher);
	free(sum);
}

void rvs_sum_cleanup(struct rvs_sum **sum)
{
	rvs_sum_free(*sum);
}

/* Have the block hashed and take the next one, which must be through. */
static void turn(struct rvs_sum *sum)
{
	struct block *block = &sum->blocks[sum->at];

	if (sum->lane)
		rvs_lane_submit(sum->lane, &block->job);
	else
		hash_block(&block->job, 0);
	sum->at = (sum->at + 1) % BLOCKS;
	if (sum->lane && rvs_lane_depth(sum->lane) == BLOCKS)
		(void)rvs_lane_collect(sum->lane);
	sum->blocks[sum->at].len = 0;
}

void rvs_sum_add(struct rvs_sum *sum, const void *bytes, size_t len)
{
	while (len > 0) {
		struct block *block = &sum->blocks[sum->at];
		size_t room = BLOCK_BYTES - block->len;
		size_t n = len < room ? len : room;

		memcpy(block->bytes + block->len, bytes, n);
		block->len += n;
		bytes = (const uint8_t *)bytes + n;
		len -= n;
		if (block->len == BLOCK_BYTES)
			turn(sum);
	}
}

int rvs_sum_finish(struct rvs_sum *sum, struct rvs_digest *ret,
		   struct rvs_error *err)
{
	turn(sum);
	while (sum->lane && rvs_lane_collect(sum->lane))
		continue;
	return rvs_hasher_finish(sum->hasher, ret, err);
}
