/*
 * Log: one line for each thing that an administrator should know, on standard
 * error in the foreground and in the system log in the background.
 */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>

/* Changes to to_syslog come before the threads that log. */
struct log {
	bool to_syslog;
};

/* Have libfuse's own messages escaped, too. */
void log_begin(void);

/* Begin to write to the system log instead of standard error, for libfuse's
 * own messages too. */
void log_to_syslog(struct log *log);

/* Control characters are escaped, so that it stays one line. */
void log_warning(const struct log *log, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
