#include "skipped.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "survey.h"

enum { NAMES_BYTES_MAX = 64 << 10 }; /* in a record */

/* @text becomes the list's. */
static int add(struct rvs_skipped *list, char *text, size_t *bytes,
	       struct rvs_error *err)
{
	char **names;

	if (!text)
		return rvs_error_no_memory(err);
	*bytes += strlen(text);
	list->count++;
	if (list->named == RVS_UNREADABLE_MAX || *bytes > NAMES_BYTES_MAX) {
		free(text);
		return 0;
	}
	names = reallocarray(list->names, list->named + 1, sizeof(*names));
	if (!names) {
		free(text);
		return rvs_error_no_memory(err);
	}
	list->names = names;
	names[list->named++] = text;
	return 0;
}

static char *entry_text(const struct rvs_survey *survey, uint32_t index)
{
	RVS_CLEANUP(rvs_cleanup_free)
	char *path = rvs_scan_path(&survey->scan, index);
	char *text = NULL;

	if (!path ||
	    asprintf(&text, "%s: %s", path,
		     strerror(survey->entries[index].content.unreadable)) < 0)
		return NULL;
	return text;
}

int rvs_survey_skipped(const struct rvs_survey *survey,
		       struct rvs_skipped *ret, struct rvs_error *err)
{
	const struct rvs_scan *scan = &survey->scan;
	size_t bytes = 0;
	uint32_t i;
	int r = 0;

	for (i = 0; i < scan->unreadable_count && r == 0; i++) {
		if (i < RVS_UNREADABLE_MAX)
			r = add(ret, strdup(scan->unreadable[i]), &bytes, err);
		else
			ret->count++;
	}
	for (i = 0; i < scan->count && r == 0; i++)
		if (survey->entries[i].content.unreadable)
			r = add(ret, entry_text(survey, i), &bytes, err);
	return r;
}

char *rvs_skipped_text(const struct rvs_skipped *skipped, size_t max)
{
	struct rvs_buf text = RVS_BUF_INIT;
	char more[48];
	size_t i;

	for (i = 0; i < skipped->named; i++) {
		size_t len = strlen(skipped->names[i]);

		if (i > 0 && text.len + len > max)
			break;
		if (i > 0)
			rvs_buf_put(&text, ", ", 2);
		rvs_buf_put(&text, skipped->names[i], len);
	}
	if (i < skipped->count) {
		(void)snprintf(more, sizeof(more), " and %llu more",
			       (unsigned long long)(skipped->count - i));
		rvs_buf_put(&text, more, strlen(more));
	}
	rvs_buf_put_u8(&text, 0);
	if (text.failed) {
		rvs_buf_done(&text);
		return NULL;
	}
	return (char *)text.bytes;
}
