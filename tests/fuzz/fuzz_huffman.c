/*
 * Fuzz: bytes to be coded, and the room for them.
 *
 * What is coded comes back; what is said not to fit would not have.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format/deflate.h"
#include "format/huffman.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *allocate(size_t len)
{
	uint8_t *bytes = malloc(len ? len : 1);

	if (!bytes)
		abort();
	return bytes;
}

/* Into a block of exactly @max, for a sanitizer to guard. */
static size_t round_trip(const uint8_t *plain, size_t len, size_t max)
{
	uint8_t *packed = allocate(max), *again = allocate(len);
	size_t packed_len = rvs_huffman_deflate(plain, len, packed, max);

	assert(packed_len <= max);
	if (packed_len) {
		assert(rvs_inflate(packed, packed_len, again, len, NULL) == 0);
		assert(!memcmp(again, plain, len));
	}
	free(again);
	free(packed);
	return packed_len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t max, need;

	if (size < 2) /* of these the room is made */
		return 0;
	max = (size_t)data[0] << 8 | data[1];
	data += 2;
	size -= 2;
	need = round_trip(data, size, size + size / 8 + 400);
	assert(need > 0);
	assert(round_trip(data, size, need) == need);
	assert(round_trip(data, size, max) == (max < need ? 0 : need));
	return 0;
}
