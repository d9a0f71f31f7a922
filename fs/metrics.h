/*
 * Metrics: numbers in the text format of Prometheus.
 *
 * https://prometheus.io/docs/instrumenting/exposition_formats/ (version 0.0.4).
 * Pure.
 */
#ifndef METRICS_H
#define METRICS_H

#include <stdint.h>
#include <stdio.h>

enum metric_type { METRIC_GAUGE, METRIC_COUNTER };

/* Begin the metric @name, which samples follow; of a counter it ends in
 * _total. */
void metrics_begin(FILE *out, const char *name, enum metric_type type,
		   const char *help);

struct metric_label {
	const char *name;
	const char *value; /* any bytes */
};

/* One sample of the metric @name; @labels end with a NULL name, or are NULL. */
void metrics_add(FILE *out, const char *name,
		 const struct metric_label *labels, double value);

/* A metric of one sample without labels. */
void metrics_one(FILE *out, const char *name, enum metric_type type,
		 const char *help, double value);

#endif
