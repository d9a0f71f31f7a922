#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>

#define FUSE_USE_VERSION 314
#include <fuse_log.h>
#include <rvs/printable.h>

#include "cleanup.h"

/* Fit to be shown, malloc'ed; NULL when out of memory. */
__attribute__((format(printf, 1, 0))) static char *
format_line(const char *format, va_list args)
{
	CLEANUP(cleanup_free) char *raw = NULL;
	int len = vasprintf(&raw, format, args);

	if (len < 0) {
		raw = NULL; /* which a failed vasprintf leaves undefined */
		return NULL;
	}
	if (len > 0 && raw[len - 1] == '\n')
		raw[len - 1] = '\0';
	return rvs_printable(raw);
}

/* Its own writes names as they are. */
__attribute__((format(printf, 2, 0))) static void
libfuse_to_stderr(enum fuse_log_level level, const char *format, va_list args)
{
	CLEANUP(cleanup_free) char *line = format_line(format, args);

	(void)level;
	if (line)
		(void)fprintf(stderr, "%s\n", line);
}

__attribute__((format(printf, 2, 0))) static void
libfuse_to_syslog(enum fuse_log_level level, const char *format, va_list args)
{
	vsyslog((int)level, format, args); /* the levels are syslog's */
}

void log_begin(void)
{
	fuse_set_log_func(libfuse_to_stderr);
}

void log_to_syslog(struct log *log)
{
	log->to_syslog = true;
	openlog("ruvsnapfs", LOG_PID, LOG_DAEMON);
	fuse_set_log_func(libfuse_to_syslog);
}

void log_warning(const struct log *log, const char *format, ...)
{
	CLEANUP(cleanup_free) char *line = NULL;
	va_list args;

	va_start(args, format);
	line = format_line(format, args);
	va_end(args);
	if (!line)
		return;
	if (log->to_syslog)
		syslog(LOG_WARNING, "%s", line);
	else
		(void)fprintf(stderr, "ruvsnapfs: %s\n", line);
}
