/*
 * Keep: the options that make a retention policy, of prune and of policy.
 */
#ifndef RUVSNAP_KEEP_H
#define RUVSNAP_KEEP_H

#include <stdbool.h>

#include <rvs/job.h>

enum { KEEP = 1024 }; /* the first of their vals */

#define KEEP_OPTIONS                                                           \
	{ "keep-last", required_argument, NULL, KEEP },                        \
	{ "keep-hourly", required_argument, NULL, KEEP + 1 },                  \
	{ "keep-daily", required_argument, NULL, KEEP + 2 },                   \
	{ "keep-weekly", required_argument, NULL, KEEP + 3 },                  \
	{ "keep-monthly", required_argument, NULL, KEEP + 4 },                 \
	{ "keep-yearly", required_argument, NULL, KEEP + 5 },                  \
	{ "keep-within", required_argument, NULL, KEEP + 6 },                  \
	{ "keep-name", required_argument, NULL, KEEP + 7 }

#define KEEP_ARGUMENTS                                                         \
	"[--keep-last N] [--keep-hourly N] [--keep-daily N] "                  \
	"[--keep-weekly N] [--keep-monthly N] [--keep-yearly N] "              \
	"[--keep-within DURATION] [--keep-name GLOB]..."

#define KEEP_HELP                                                              \
	"  --keep-last N            the newest N\n"                            \
	"  --keep-hourly N          the newest of each of the last N hours "   \
	"that have one;\n"                                                     \
	"                           so -daily, -weekly, -monthly, -yearly "    \
	"(UTC)\n"                                                              \
	"  --keep-within DURATION   all younger than 90m, 36h, 7d, 4w, 6M, "   \
	"2y\n"                                                                 \
	"  --keep-name GLOB         those so named; may be repeated\n"

/* The rules so far, as rvs_policy_parse() takes them. */
struct keep {
	char text[RVS_POLICY_MAX];
};

/* Whether @c is one of these options; then its rule is added. */
bool add_keep(struct keep *keep, int c, const char *value);

#endif
