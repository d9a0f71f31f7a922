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

static int hex_digit(char c)
{
	const char *digits = "0123456789abcdef";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* The byte behind a backslash; moves *at to its last character; -1: there is no
 * such escape. */
static int unescape(const char **at)
{
	const char *s = *at;

	if (s[0] == '\\')
		return '\\';
	if (s[0] != 'x' || hex_digit(s[1]) < 0 || hex_digit(s[2]) < 0)
		return -1;
	*at += 2;
	return hex_digit(s[1]) << 4 | hex_digit(s[2]);
}

int rvs_json_to_text(const json_t *json, char **ret)
{
	const char *at = json_string_value(json);
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf text = RVS_BUF_INIT;

	if (!at)
		return -1;
	for (; *at; at++) {
		int byte = *at;

		if (byte == '\\') {
			at++;
			byte = unescape(&at);
			if (byte <= 0)
				return -1;
		}
		rvs_buf_put_u8(&text, (uint8_t)byte);
	}
	rvs_buf_put_u8(&text, 0);
	if (text.failed)
		return -1;
	*ret = (char *)rvs_take(text.bytes);
	return 0;
}

int rvs_json_get_text(const json_t *object, const char *key, char **ret)
{
	return rvs_json_to_text(json_object_get(object, key), ret);
}
