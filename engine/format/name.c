#include "name.h"

#include <string.h>

bool rvs_component_is_safe(const char *name, size_t len)
{
	if (len == 0 || len > RVS_FILE_NAME_MAX || memchr(name, '/', len))
		return false;
	return !(name[0] == '.' &&
		 (len == 1 || (len == 2 && name[1] == '.')));
}

bool rvs_name_is_safe(const char *name)
{
	return rvs_component_is_safe(name, strlen(name));
}

bool rvs_path_is_safe(const char *path)
{
	for (;;) {
		size_t len = strcspn(path, "/");

		if (!rvs_component_is_safe(path, len))
			return false;
		if (path[len] == '\0')
			return true;
		path += len + 1;
	}
}

bool rvs_id_is_valid(const char *id)
{
	/* d: a decimal digit, x: a hexadecimal one, others: themselves. */
	static const char form[] = "ddddddddTddddddZ-xxxx";
	const char *f;

	for (f = form; *f; f++, id++) {
		const char *allowed = *f == 'd' ? "0123456789" :
				      *f == 'x' ? "0123456789abcdef" :
						  NULL;

		if (*id == '\0' || (allowed ? !strchr(allowed, *id) : *id != *f))
			return false;
	}
	return *id == '\0';
}
