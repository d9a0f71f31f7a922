#include "proof.h"

#include <string.h>

#include "digest.h"

int rvs_proof_put(struct rvs_buf *bytes, size_t start, struct rvs_error *err)
{
	struct rvs_digest digest;
	int r = rvs_buf_check(bytes, err);

	if (r == 0)
		r = rvs_digest_of(bytes->bytes + start, bytes->len - start,
				  &digest, err);
	if (r < 0)
		return r;
	rvs_buf_put(bytes, digest.bytes, RVS_DIGEST_LEN);
	return rvs_buf_check(bytes, err);
}

int rvs_proof_check(const void *bytes, size_t *len, struct rvs_error *err)
{
	struct rvs_digest digest;
	int r;

	if (*len < RVS_DIGEST_LEN)
		return rvs_error_set(err, RVS_ERR_CORRUPT, "cut short");
	r = rvs_digest_of(bytes, *len - RVS_DIGEST_LEN, &digest, err);
	if (r < 0)
		return r;
	*len -= RVS_DIGEST_LEN;
	if (memcmp(digest.bytes, (const uint8_t *)bytes + *len, RVS_DIGEST_LEN))
		return rvs_error_set(err, RVS_ERR_CORRUPT,
				     "does not match the SHA-256 at its end");
	return 0;
}
