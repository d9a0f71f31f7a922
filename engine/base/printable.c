#include <rvs/printable.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ESCAPE_LEN = 4 }; /* \xNN */

/* Length of the UTF-8 sequence that @lead begins, 0 when it begins none. */
static size_t sequence_len(unsigned char lead)
{
	if (lead < 0x80)
		return 1;
	if (lead >= 0xc2 && lead <= 0xdf)
		return 2;
	if (lead >= 0xe0 && lead <= 0xef)
		return 3;
	if (lead >= 0xf0 && lead <= 0xf4)
		return 4;
	return 0;
}

static bool is_control(const unsigned char *at)
{
	/* C1 controls are U+0080 to U+009F. */
	return at[0] < 0x20 || at[0] == 0x7f ||
	       (at[0] == 0xc2 && at[1] < 0xa0);
}

/* U+2028 to U+202E, line ends and overrides of direction, and U+2066 to U+2069,
 * isolates: what follows one is shown in an order that it does not have. */
static bool is_misleading(const unsigned char *at)
{
	return at[0] == 0xe2 &&
	       ((at[1] == 0x80 && at[2] >= 0xa8 && at[2] <= 0xae) ||
		(at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9));
}

/* Overlong forms, surrogates and what lies above U+10FFFF. */
static bool is_forbidden(const unsigned char *at)
{
	return (at[0] == 0xe0 && at[1] < 0xa0) ||
	       (at[0] == 0xed && at[1] > 0x9f) ||
	       (at[0] == 0xf0 && at[1] < 0x90) ||
	       (at[0] == 0xf4 && at[1] > 0x8f);
}

/* Bytes of the printable character at @at, 0 when the byte must be escaped. */
static size_t character_len(const unsigned char *at)
{
	size_t len = sequence_len(at[0]), i;

	for (i = 1; i < len; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	if (!len || is_control(at) || is_misleading(at) || is_forbidden(at))
		return 0;
	return len;
}

/* Write @byte escaped at @to; returns where to go on. */
static char *escape(unsigned char byte, char *to)
{
	if (byte == '\n')
		return mempcpy(to, "\\n", 2);
	if (byte == '\t')
		return mempcpy(to, "\\t", 2);
	return to + sprintf(to, "\\x%02x", byte);
}

char *rvs_printable(const char *bytes)
{
	const unsigned char *from = (const unsigned char *)bytes;
	char *text, *to;
	size_t len;

	to = text = malloc(strlen(bytes) * ESCAPE_LEN + 1);
	if (!text)
		return NULL;
	while (*from) {
		len = character_len(from);
		if (len) {
			to = mempcpy(to, from, len);
			from += len;
		} else {
			to = escape(*from++, to);
		}
	}
	*to = '\0';
	return text;
}
