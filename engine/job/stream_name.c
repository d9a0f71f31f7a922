#include "stream_name.h"

#include <string.h>

#include "format/members.h"
#include "format/name.h"
#include "store/store.h"

/* Names of objects that a source's directory of that name would meet. */
static bool is_reserved(const char *path)
{
	static const char *const names[] = { RVS_METADATA_NAME,
					     RVS_MANIFEST_NAME,
					     RVS_MEMBERS_NAME, RVS_BUNDLE_NAME,
					     RVS_CHECKSUM_NAME };
	size_t len = strcspn(path, "/"), i;

	for (i = 0; path[len] && i < sizeof(names) / sizeof(*names); i++)
		if (strlen(names[i]) == len && !strncmp(path, names[i], len))
			return true;
	return false;
}

bool rvs_stream_name_fits(const char *path)
{
	const char *last = strrchr(path, '/');

	last = last ? last + 1 : path;
	return strlen(path) + 3 <= RVS_STREAM_NAME_MAX &&
	       strlen(last) + 3 <= RVS_FILE_NAME_MAX && !is_reserved(path) &&
	       !strstr(path, ".gz/");
}
