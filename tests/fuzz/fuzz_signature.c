/*
 * Fuzz: .signatures.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "format/signature.h"
#include "proved.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_files(const struct rvs_signatures *signatures)
{
	const struct rvs_signed_file *files =
		(const struct rvs_signed_file *)(void *)signatures->files.bytes;
	size_t i, k, count, all = signatures->files.len / sizeof(*files);

	for (i = 0; i < all; i++) {
		const struct rvs_signature *items = rvs_signatures_of(
			signatures, &files[i].digest, &count);

		assert(items && count == files[i].count);
		for (k = 0; k < count; k++)
			assert(rvs_signature_is_in(items, count, &items[k]));
	}
}

static void decode(const uint8_t *bytes, size_t len)
{
	RVS_CLEANUP(rvs_signatures_done)
	struct rvs_signatures signatures = RVS_SIGNATURES_INIT;
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf again = RVS_BUF_INIT;

	if (rvs_signatures_decode(bytes, len, &signatures, NULL) < 0) {
		assert(!signatures.files.bytes && !signatures.items.bytes);
		return;
	}
	check_files(&signatures);
	if (rvs_signatures_encode(&signatures, &again, NULL) < 0)
		abort();
	assert(again.len == len && !memcmp(again.bytes, bytes, len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	decode_proved(data, size, decode);
	return 0;
}
