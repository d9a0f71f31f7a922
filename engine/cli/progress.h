/*
 * Progress: what a long operation shows on a terminal, and how it is stopped.
 */
#ifndef RUVSNAP_PROGRESS_H
#define RUVSNAP_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include <rvs/job.h>

struct progress {
	const char *what;   /* "create" */
	bool shown;         /* standard error is a terminal */
	bool drawn;         /* a line is there to be wiped */
	int64_t start_ms;
	int64_t drawn_ms;
};

/* A monitor that draws on a terminal, prints warnings, and stops the job at
 * SIGINT, SIGTERM or SIGHUP.  @progress stays until end_progress(). */
struct rvs_monitor begin_progress(struct progress *progress, const char *what);
void end_progress(struct progress *progress);

#endif
