#include "json.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"

/* The length of the UTF-8 sequence at @s as jansson accepts it, or 0. */
static size_t utf8_len(const char *s)
{
	size_t len = (uint8_t)*s < 0x80 ? 1 : (uint8_t)*s < 0xe0 ? 2 :
		     (uint8_t)*s < 0xf0 ? 3 : 4;
	json_t *trial;

	if (strnlen(s, len) < len)
		return 0;
	trial = json_stringn(s, len);
	json_decref(trial);
	return trial ? len : 0;
}

json_t *rvs_json_text(const char *bytes)
{
	static const char digits[] = "0123456789abcdef";
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf text = RVS_BUF_INIT;

	while (*bytes) {
		size_t len = utf8_len(bytes);
		uint8_t byte = (uint8_t)*bytes;

		if (*bytes == '\\') {
			rvs_buf_put(&text, "\\\\", 2);
		} else if (len > 0) {
			rvs_buf_put(&text, bytes, len);
		} else {
			const char escape[4] = { '\\', 'x', digits[byte >> 4],
						 digits[byte & 15] };

			rvs_buf_put(&text, escape, sizeof(escape));
		}
		bytes += len ? len : 1;
	}
	return text.failed ? NULL :
			     json_stringn(text.bytes ? (char *)text.bytes : "",
					  text.len);
}

int rvs_json_get_text(const json_t *object, const char *key, char **ret)
{
	const char *at = json_string_value(json_object_get(object, key));
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf text = RVS_BUF_INIT;

	if (!at)
		return -1;
	for (; *at; at++) {
		char hex[3] = "";
		char *end;

		if (*at != '\\') {
			rvs_buf_put(&text, at, 1);
			continue;
		}
		at++;
		if (*at == '\\') {
			rvs_buf_put_u8(&text, '\\');
			continue;
		}
		if (*at != 'x' || !at[1] || !at[2])
			return -1;
		memcpy(hex, at + 1, 2);
		rvs_buf_put_u8(&text, (uint8_t)strtoul(hex, &end, 16));
		if (*end)
			return -1;
		at += 2;
	}
	rvs_buf_put_u8(&text, 0);
	if (text.failed)
		return -1;
	*ret = (char *)rvs_take(text.bytes);
	return 0;
}
