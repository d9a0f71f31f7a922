#include "errors.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

struct meaning {
	int status;
	const char *word;
	int code;
	const char *code_name;
	int exit_code;
};

/* The first row also serves statuses that are not in the table. */
static const struct meaning meanings[] = {
	{ RVS_ERR_FAILED, "failed", EIO, "EIO", 1 },
	{ RVS_OK, "ok", 0, "", 0 },
	{ RVS_ERR_USAGE, "usage", EINVAL, "EINVAL", 2 },
	{ RVS_ERR_NOT_FOUND, "not found", ENOENT, "ENOENT", 3 },
	{ RVS_ERR_EXISTS, "exists", EEXIST, "EEXIST", 4 },
	{ RVS_ERR_BUSY, "busy", EBUSY, "EBUSY", 5 },
	{ RVS_ERR_CORRUPT, "corrupt", EIO, "EIO", 6 },
	{ RVS_ERR_MISSING, "missing", EIO, "EIO", 6 },
	{ RVS_ERR_NO_SPACE, "no space", ENOSPC, "ENOSPC", 7 },
	{ RVS_ERR_INTERRUPTED, "interrupted", EINTR, "EINTR", 130 },
	{ RVS_ERR_NO_MEMORY, "out of memory", ENOMEM, "ENOMEM", 1 },
	{ RVS_ERR_REFUSED, "refused", EPERM, "EPERM", 1 },
};

static const struct meaning *meaning_of(int status)
{
	size_t i;

	for (i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (meanings[i].status == status)
			return &meanings[i];
	return &meanings[0];
}

int error_set(struct rvs_error *err, int status, const char *format, ...)
{
	va_list args;

	err->status = status;
	err->os_error = 0;
	va_start(args, format);
	(void)vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	return status;
}

int error_errno(int status)
{
	return meaning_of(status)->code;
}

const char *error_errno_name(int status)
{
	return meaning_of(status)->code_name;
}

const char *error_word(int status)
{
	return meaning_of(status)->word;
}

int error_exit_code(int status)
{
	return meaning_of(status)->exit_code;
}
