#include "xattr.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <rvs/tree.h>

/* A caller's buffer that may be absent (size 0) or too small. */
struct output {
	char *bytes;
	size_t size;
	size_t len; /* wanted so far */
};

static void put(struct output *out, const void *bytes, size_t len)
{
	if (out->len + len <= out->size)
		memcpy(out->bytes + out->len, bytes, len);
	out->len += len;
}

static ssize_t finish(const struct output *out)
{
	if (out->size && out->len > out->size)
		return -ERANGE;
	return (ssize_t)out->len;
}

static ssize_t put_value(void *ret, size_t size, const void *value, size_t len)
{
	struct output out = { ret, size, 0 };

	put(&out, value, len);
	return finish(&out);
}

static ssize_t get_sha256(const struct rvs_entry *entry, void *ret,
			  size_t size)
{
	char hex[RVS_DIGEST_HEX_SIZE];

	rvs_digest_hex(&entry->digest, hex);
	return put_value(ret, size, hex, strlen(hex));
}

static bool is_hidden(const struct rvs_entry *entry, const char *name)
{
	return S_ISREG(entry->mode) && strcmp(name, XATTR_SHA256) == 0;
}

static bool begins_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

bool xattr_is_of_system(const char *name)
{
	return begins_with(name, "system.") || begins_with(name, "security.");
}

ssize_t xattr_get(const struct rvs_entry *entry, const char *name, void *ret,
		  size_t size)
{
	const struct rvs_xattr *xattr = entry->xattrs;
	uint32_t i;

	if (is_hidden(entry, name))
		return get_sha256(entry, ret, size);
	for (i = 0; i < entry->xattr_count; i++, xattr++)
		if (strcmp(xattr->name, name) == 0)
			return put_value(ret, size, xattr->value,
					 xattr->value_len);
	return -ENODATA;
}

ssize_t xattr_list(const struct rvs_entry *entry, char *ret, size_t size)
{
	struct output out = { ret, size, 0 };
	const struct rvs_xattr *xattr = entry->xattrs;
	uint32_t i;

	if (S_ISREG(entry->mode))
		put(&out, XATTR_SHA256, sizeof(XATTR_SHA256));
	for (i = 0; i < entry->xattr_count; i++, xattr++)
		if (!is_hidden(entry, xattr->name))
			put(&out, xattr->name, strlen(xattr->name) + 1);
	return finish(&out);
}

ssize_t xattr_root_get(const char *uuid, const char *name, void *ret,
		       size_t size)
{
	if (strcmp(name, XATTR_STORE) != 0)
		return -ENODATA;
	return put_value(ret, size, uuid, strlen(uuid));
}

ssize_t xattr_root_list(char *ret, size_t size)
{
	return put_value(ret, size, XATTR_STORE, sizeof(XATTR_STORE));
}
