/*
 * Cut: boundaries that follow the content, so that an insertion shifts no more
 * than the chunk it falls into.
 *
 * FastCDC with normalised chunking (Xia et al., "FastCDC: a Fast and Efficient
 * Content-Defined Chunking Approach for Data Deduplication", USENIX ATC 2016).
 * The gear table is the first 256 outputs of SplitMix64 from seed 0, so that
 * every build of every version cuts alike.
 */
#ifndef RVS_CUT_H
#define RVS_CUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RVS_CUT_MIN (32u << 10)
#define RVS_CUT_MAX (256u << 10)

struct rvs_cut {
	uint64_t gear[256];
};

void rvs_cut_init(struct rvs_cut *cut);

/*
 * The length of the first chunk of the @len bytes at @bytes: from RVS_CUT_MIN
 * to RVS_CUT_MAX, or all of them when they are fewer.  Unless @bytes ends where
 * the data ends, it must hold RVS_CUT_MAX bytes.
 */
size_t rvs_cut_next(const struct rvs_cut *cut, const uint8_t *bytes,
		    size_t len);

#endif
