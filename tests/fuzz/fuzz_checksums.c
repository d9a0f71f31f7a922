/*
 * Fuzz: checksum.sha256.
 *
 * A line that is read can be written, and is then read again.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "format/checksums.h"
#include "format/digest.h"
#include "format/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct line {
	const char *name;
	const struct rvs_digest *digest;
};

static int same_line(void *arg, const char *name,
		     const struct rvs_digest *digest)
{
	const struct line *line = arg;

	assert(!strcmp(name, line->name));
	assert(rvs_digest_equal(digest, line->digest));
	return 1;
}

static int write_again(void *arg, const char *name,
		       const struct rvs_digest *digest)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf text = RVS_BUF_INIT;
	struct line line = { name, digest };

	(void)arg;
	assert(rvs_path_is_safe(name));
	rvs_checksums_put(&text, digest, name);
	rvs_buf_put_u8(&text, 0);
	if (text.failed || rvs_checksums_read((char *)text.bytes, same_line,
					      &line, NULL) != 1)
		abort();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	RVS_CLEANUP(rvs_cleanup_free) char *text = calloc(1, size + 1);

	if (!text)
		abort();
	memcpy(text, data, size);
	(void)rvs_checksums_read(text, write_again, NULL, NULL);
	return 0;
}
