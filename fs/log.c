#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>

#define FUSE_USE_VERSION 314
#include <fuse_log.h>
#include <rvs/printable.h>

#include "cleanup.h"

__attribute__((format(printf, 2, 0))) static void
libfuse_to_syslog(enum fuse_log_level level, const char *format, va_list args)
{
	vsyslog((int)level, format, args); /* the levels are syslog's */
}

void log_to_syslog(struct log *log)
{
	log->to_syslog = true;
	openlog("ruvsnapfs", LOG_PID, LOG_DAEMON);
	fuse_set_log_func(libfuse_to_syslog);
}

void log_warning(const struct log *log, const char *format, ...)
{
	CLEANUP(cleanup_free) char *raw = NULL;
	CLEANUP(cleanup_free) char *line = NULL;
	va_list args;
	int len;

	va_start(args, format);
	len = vasprintf(&raw, format, args);
	va_end(args);
	if (len < 0) {
		raw = NULL; /* which a failed vasprintf leaves undefined */
		return;
	}
	line = rvs_printable(raw);
	if (!line)
		return;
	if (log->to_syslog)
		syslog(LOG_WARNING, "%s", line);
	else
		(void)fprintf(stderr, "ruvsnapfs: %s\n", line);
}
