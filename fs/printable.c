#include "printable.h"

#include <rvs/printable.h>

#include "cleanup.h"

json_t *printable_json(const char *bytes)
{
	CLEANUP(cleanup_free) char *text = NULL;
	json_t *value = NULL;

	if (bytes)
		text = rvs_printable(bytes);
	if (text)
		value = json_string(text);
	return value ? value : json_null();
}
