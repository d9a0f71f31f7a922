#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { CONTEXT_MAX = RVS_ERROR_TEXT_MAX / 2 };

static int status_of_errno(int code)
{
	switch (code) {
	case ENOENT:
		return RVS_ERR_NOT_FOUND;
	case EEXIST:
		return RVS_ERR_EXISTS;
	case ENOSPC:
	case EDQUOT:
		return RVS_ERR_NO_SPACE;
	case EINTR:
		return RVS_ERR_INTERRUPTED;
	case ENOMEM:
		return RVS_ERR_NO_MEMORY;
	default:
		return RVS_ERR_FAILED;
	}
}

int rvs_error_set(struct rvs_error *err, int status, const char *format, ...)
{
	va_list args;

	if (!err)
		return status;
	err->status = status;
	err->os_error = 0;
	va_start(args, format);
	(void)vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	return status;
}

int rvs_error_errno(struct rvs_error *err, const char *format, ...)
{
	int code = errno;
	char context[CONTEXT_MAX];
	va_list args;

	if (!err)
		return status_of_errno(code);
	va_start(args, format);
	(void)vsnprintf(context, sizeof(context), format, args);
	va_end(args);
	(void)snprintf(err->text, sizeof(err->text), "%s: %s", context,
		       strerror(code));
	err->status = status_of_errno(code);
	err->os_error = code;
	return err->status;
}

int rvs_error_context(struct rvs_error *err, const char *format, ...)
{
	char context[RVS_ERROR_TEXT_MAX], cause[RVS_ERROR_TEXT_MAX];
	const char *tail = context;
	va_list args;
	int len, n;

	if (!err)
		return RVS_ERR_FAILED;
	va_start(args, format);
	(void)vsnprintf(context, sizeof(context), format, args);
	va_end(args);
	len = (int)strlen(context);
	if (len > CONTEXT_MAX)
		tail += len - CONTEXT_MAX;
	memcpy(cause, err->text, sizeof(cause));
	n = snprintf(err->text, sizeof(err->text), "%s%s: %s",
		     tail == context ? "" : "...", tail, cause);
	if (n >= (int)sizeof(err->text)) /* what was cut is not missed */
		memcpy(err->text + sizeof(err->text) - 4, "...", 4);
	return err->status;
}

int rvs_error_no_memory(struct rvs_error *err)
{
	return rvs_error_set(err, RVS_ERR_NO_MEMORY, "out of memory");
}
