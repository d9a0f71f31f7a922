#include "digest.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

struct rvs_hasher {
	EVP_MD_CTX *context;
	bool failed;
};

static int hash_failed(struct rvs_error *err)
{
	return rvs_error_set(err, RVS_ERR_FAILED,
			     "OpenSSL cannot compute SHA-256");
}

int rvs_digest_of(const void *bytes, size_t len, struct rvs_digest *ret,
		  struct rvs_error *err)
{
	if (!EVP_Digest(bytes, len, ret->bytes, NULL, EVP_sha256(), NULL))
		return hash_failed(err);
	return 0;
}

bool rvs_digest_equal(const struct rvs_digest *a, const struct rvs_digest *b)
{
	return memcmp(a->bytes, b->bytes, RVS_DIGEST_LEN) == 0;
}

const char *rvs_digest_hex(const struct rvs_digest *digest,
			   char ret[RVS_DIGEST_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < RVS_DIGEST_LEN; i++) {
		ret[2 * i] = digits[digest->bytes[i] >> 4];
		ret[2 * i + 1] = digits[digest->bytes[i] & 15];
	}
	ret[2 * RVS_DIGEST_LEN] = '\0';
	return ret;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

int rvs_digest_parse(const char *hex, struct rvs_digest *ret,
		     struct rvs_error *err)
{
	size_t i;

	if (strlen(hex) != 2 * RVS_DIGEST_LEN)
		return rvs_error_set(err, RVS_ERR_CORRUPT,
				     "a digest has not 64 digits");
	for (i = 0; i < RVS_DIGEST_LEN; i++) {
		int high = hex_digit(hex[2 * i]);
		int low = hex_digit(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return rvs_error_set(err, RVS_ERR_CORRUPT,
					     "a digest is not hexadecimal");
		ret->bytes[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

int rvs_hasher_new(struct rvs_hasher **ret, struct rvs_error *err)
{
	struct rvs_hasher *hasher = calloc(1, sizeof(*hasher));

	if (hasher)
		hasher->context = EVP_MD_CTX_new();
	if (!hasher || !hasher->context) {
		free(hasher);
		return rvs_error_no_memory(err);
	}
	hasher->failed = !EVP_DigestInit_ex(hasher->context, EVP_sha256(),
					    NULL);
	*ret = hasher;
	return 0;
}

void rvs_hasher_free(struct rvs_hasher *hasher)
{
	if (!hasher)
		return;
	EVP_MD_CTX_free(hasher->context);
	free(hasher);
}

void rvs_hasher_cleanup(struct rvs_hasher **hasher)
{
	rvs_hasher_free(*hasher);
}

void rvs_hasher_add(struct rvs_hasher *hasher, const void *bytes, size_t len)
{
	if (!EVP_DigestUpdate(hasher->context, bytes, len))
		hasher->failed = true;
}

int rvs_hasher_finish(struct rvs_hasher *hasher, struct rvs_digest *ret,
		      struct rvs_error *err)
{
	bool failed = hasher->failed ||
		      !EVP_DigestFinal_ex(hasher->context, ret->bytes, NULL);

	hasher->failed = !EVP_DigestInit_ex(hasher->context, NULL, NULL);
	return failed ? hash_failed(err) : 0;
}
