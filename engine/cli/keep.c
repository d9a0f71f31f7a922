#include "keep.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "command.h"

bool add_keep(struct keep *keep, int c, const char *value)
{
	static const struct option options[] = { KEEP_OPTIONS };
	const size_t count = sizeof(options) / sizeof(*options);
	size_t len = strlen(keep->text), left = sizeof(keep->text) - len;

	if (c < KEEP || (size_t)(c - KEEP) >= count)
		return false;
	/* A blank would begin another rule. */
	if (value[strcspn(value, " \t\n")])
		usage_error("--%s: no name and no number has blanks",
			    options[c - KEEP].name);
	if ((size_t)snprintf(keep->text + len, left, "%s%s=%s",
			     len ? " " : "", options[c - KEEP].name,
			     value) >= left)
		usage_error("these are too many rules");
	return true;
}
