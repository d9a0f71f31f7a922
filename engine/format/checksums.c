#include "checksums.h"

#include <stdbool.h>
#include <string.h>

#include "digest.h"
#include "name.h"

enum { HEX_LEN = 2 * RVS_DIGEST_LEN };

/* A name with a backslash, newline or carriage return is escaped, and its line
 * then begins with a backslash. */
void rvs_checksums_put(struct rvs_buf *ret, const struct rvs_digest *digest,
		       const char *name)
{
	char hex[RVS_DIGEST_HEX_SIZE];

	if (strpbrk(name, "\\\n\r"))
		rvs_buf_put(ret, "\\", 1);
	rvs_buf_put(ret, rvs_digest_hex(digest, hex), HEX_LEN);
	rvs_buf_put(ret, "  ", 2);
	for (; *name; name++) {
		if (*name == '\n')
			rvs_buf_put(ret, "\\n", 2);
		else if (*name == '\r')
			rvs_buf_put(ret, "\\r", 2);
		else if (*name == '\\')
			rvs_buf_put(ret, "\\\\", 2);
		else
			rvs_buf_put(ret, name, 1);
	}
	rvs_buf_put(ret, "\n", 1);
}

static void unescape(char *name)
{
	char *to = name;

	for (; *name; name++) {
		if (*name == '\\' && name[1]) {
			name++;
			*to++ = *name == 'n' ? '\n' :
				*name == 'r' ? '\r' : *name;
		} else {
			*to++ = *name;
		}
	}
	*to = '\0';
}

/* Take a line apart in place; false: it is malformed. */
static bool parse_line(char *line, struct rvs_digest *ret, char **ret_name)
{
	bool escaped = line[0] == '\\';
	char *hex = line + escaped;

	if (strlen(hex) < HEX_LEN + 3 || memcmp(hex + HEX_LEN, "  ", 2))
		return false;
	hex[HEX_LEN] = '\0';
	*ret_name = hex + HEX_LEN + 2;
	if (escaped)
		unescape(*ret_name);
	return rvs_path_is_safe(*ret_name) &&
	       rvs_digest_parse(hex, ret, NULL) == 0;
}

int rvs_checksums_read(char *text,
		       int (*each)(void *arg, const char *name,
				   const struct rvs_digest *digest),
		       void *arg, struct rvs_error *err)
{
	char *next, *name;
	int r = 0;

	for (; r == 0 && *text; text = next) {
		struct rvs_digest digest;

		next = strchr(text, '\n');
		if (next)
			*next++ = '\0';
		if (!next || !parse_line(text, &digest, &name))
			return rvs_error_set(err, RVS_ERR_CORRUPT,
					     "checksum.sha256: a line is "
					     "malformed");
		r = each(arg, name, &digest);
	}
	return r;
}
