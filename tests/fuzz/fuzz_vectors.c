/*
 * Fuzz target: a file of vectors of any format, whose bytes are anything, under
 * a name of each kind.
 */
#include <stdlib.h>

#include "source/vectors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "db", "a.fvecs", "b.bvecs" };
	const struct rvs_input input = rvs_input_of_memory(data, size);

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct rvs_vectors_sum sum = { .files = 0 };
		struct rvs_vectors vectors;
		uint64_t count;

		rvs_vectors_count(&input, names[i], &vectors);
		rvs_vectors_sum_add(&sum, &vectors.vectors);
		/* A count, or the reason why there is none. */
		if (vectors.vectors.known != rvs_vectors_sum_get(&sum, &count))
			abort();
		if (vectors.vectors.kind != RVS_VECTORS_NONE &&
		    vectors.vectors.known == (vectors.note[0] != '\0'))
			abort();
	}
	return 0;
}
