/*
 * Fuzz target: an ignore file of any bytes, and a path of any bytes: what lies
 * before the first NUL, and what follows it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "source/match.h"

enum { PATH_LEN_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static char *path_of(const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, '\0', size);
	size_t len = end ? size - (size_t)(end + 1 - data) : 0;

	return strndup(end ? (const char *)end + 1 : "",
		       len < PATH_LEN_MAX ? len : PATH_LEN_MAX);
}

static struct rvs_match *match_of(const char *base, const uint8_t *data,
				  size_t size)
{
	struct rvs_match *match = NULL;
	struct rvs_error err = RVS_ERROR_INIT;
	int r;

	must(rvs_match_new(&match, NULL) == 0);
	r = rvs_match_add_text(match, base, (const char *)data, size, &err);
	must(r == 0 || (r == RVS_ERR_REFUSED && err.text[0]));
	return match;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	RVS_CLEANUP(rvs_cleanup_free) char *path = path_of(data, size);
	const uint8_t *nul = memchr(data, '\0', size);
	size_t len = nul ? (size_t)(nul - data) : size;
	RVS_CLEANUP(rvs_match_cleanup)
	struct rvs_match *match = match_of("", data, len);
	RVS_CLEANUP(rvs_match_cleanup)
	struct rvs_match *below = match_of("base", data, len);
	char moved[sizeof("base/") + PATH_LEN_MAX];
	bool excluded;

	must(path != NULL);
	excluded = rvs_match_excludes(match, path, true);
	(void)rvs_match_excludes(match, path, false);

	/* The same rules say the same in a directory, and nothing beside it. */
	(void)strcpy(stpcpy(moved, "base/"), path);
	must(rvs_match_excludes(below, moved, true) == excluded);
	(void)strcpy(stpcpy(moved, "bass/"), path);
	must(!rvs_match_excludes(below, moved, true));

	rvs_match_release(match, 0);
	must(!rvs_match_excludes(match, path, true));
	return 0;
}
