/*
 * Progress: what a long operation shows while it runs, and how it is stopped.
 *
 * On a terminal a bar on standard error, with --json=lines objects on standard
 * output, in a pipe nothing.
 */
#ifndef RUVSNAP_PROGRESS_H
#define RUVSNAP_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include <rvs/job.h>

struct progress {
	const char *what;    /* "create" */
	bool shown;          /* standard error is a terminal */
	bool lines;          /* one JSON object each time */
	bool drawn;          /* a bar is there to be wiped */
	int64_t told_ms;     /* when it was last told; 0: never */
	uint64_t told_bytes; /* done by then */
	double each_s;       /* bytes, of the last seconds more than of those
				before */
};

/* A monitor that tells of progress, prints warnings, and stops the job at
 * SIGINT, SIGTERM or SIGHUP.  @progress stays until end_progress(). */
struct rvs_monitor begin_progress(struct progress *progress, const char *what);
void end_progress(struct progress *progress);

/* Take the bar away, before anything else is printed; it comes back. */
void wipe_progress(struct progress *progress);

#endif
