#include "metrics.h"

#include <math.h>
#include <stdlib.h>

#include <rvs/printable.h>

#include "cleanup.h"

void metrics_begin(FILE *out, const char *name, enum metric_type type,
		   const char *help)
{
	(void)fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
		      type == METRIC_COUNTER ? "counter" : "gauge");
}

/* What is no UTF-8 would spoil the whole for its readers. */
static void print_value(FILE *out, const char *value)
{
	CLEANUP(cleanup_free) char *text = rvs_printable(value);
	const char *c;

	for (c = text ? text : ""; *c; c++) {
		if (*c == '\\' || *c == '"')
			(void)fputc('\\', out);
		(void)fputc(*c, out);
	}
}

static void print_labels(FILE *out, const struct metric_label *label)
{
	const char *before = "{";

	for (; label->name; label++, before = ",") {
		(void)fprintf(out, "%s%s=\"", before, label->name);
		print_value(out, label->value);
		(void)fputc('"', out);
	}
	(void)fputc('}', out);
}

void metrics_add(FILE *out, const char *name,
		 const struct metric_label *labels, double value)
{
	(void)fputs(name, out);
	if (labels)
		print_labels(out, labels);
	/* Whole numbers as such: 17 digits of a float are hard to read. */
	if (value == floor(value) && fabs(value) < 1e15)
		(void)fprintf(out, " %.0f\n", value);
	else
		(void)fprintf(out, " %.17g\n", value);
}

void metrics_one(FILE *out, const char *name, enum metric_type type,
		 const char *help, double value)
{
	metrics_begin(out, name, type, help);
	metrics_add(out, name, NULL, value);
}
