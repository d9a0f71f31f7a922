/*
 * The text of a retention policy.
 */
#include <rvs/job.h>

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "retention.h"

enum { NAMES_MAX = 64, COUNT_MAX = 1000000 };

#define DAY_S INT64_C(86400)

static const struct {
	char unit;
	int64_t seconds;
} units[] = {
	{ 's', 1 },	    { 'm', 60 },	 { 'h', 3600 },
	{ 'd', DAY_S },	    { 'w', 7 * DAY_S },	 { 'M', 30 * DAY_S },
	{ 'y', 365 * DAY_S },
};

enum { UNITS = sizeof(units) / sizeof(*units), COUNTS = 6 };

static const char *const count_names[COUNTS] = { "last",   "hourly",  "daily",
						 "weekly", "monthly", "yearly" };

static unsigned *count_of(struct rvs_policy *p, size_t i)
{
	unsigned *const counts[COUNTS] = { &p->last,   &p->hourly,
					   &p->daily,  &p->weekly,
					   &p->monthly, &p->yearly };

	return counts[i];
}

bool rvs_retention_has_rule(const struct rvs_policy *p)
{
	return p->last || p->hourly || p->daily || p->weekly || p->monthly ||
	       p->yearly || p->within_s > 0 || p->name_count;
}

/* ---- reading ---- */

/* From 0 to COUNT_MAX, and what follows it; -1: no such number. */
static int64_t take_count(const char *text, const char **ret_end)
{
	char *end;
	long value = isdigit((unsigned char)*text) ? strtol(text, &end, 10) :
						     -1;

	if (value < 0 || value > COUNT_MAX)
		return -1;
	*ret_end = end;
	return value;
}

static int set_count(unsigned *count, const char *rule, const char *value,
		     struct rvs_error *err)
{
	const char *end;
	int64_t number = take_count(value, &end);

	if (number < 0 || *end)
		return rvs_error_set(err, RVS_ERR_USAGE,
				     "keep-%s takes a whole number from 0 to "
				     "%d, not \"%.64s\"", rule, COUNT_MAX,
				     value);
	*count = (unsigned)number;
	return 0;
}

static int set_within(struct rvs_policy *policy, const char *value,
		      struct rvs_error *err)
{
	const char *end;
	int64_t number = take_count(value, &end);
	size_t i;

	for (i = 0; i < UNITS && number > 0; i++) {
		if (end[0] != units[i].unit || end[1] != '\0')
			continue;
		policy->within_s = number * units[i].seconds;
		return 0;
	}
	return rvs_error_set(err, RVS_ERR_USAGE,
			     "keep-within takes a number and s, m, h, d, w, M "
			     "or y, not \"%.64s\"", value);
}

static int add_name(struct rvs_policy *policy, const char *value,
		    struct rvs_error *err)
{
	const char **names = (const char **)(uintptr_t)policy->names;

	if (!*value || policy->name_count == NAMES_MAX)
		return rvs_error_set(err, RVS_ERR_USAGE,
				     "keep-name takes a pattern, and comes up "
				     "to %d times", NAMES_MAX);
	if (!names)
		names = calloc(NAMES_MAX, sizeof(*names));
	policy->names = names;
	if (!names || !(names[policy->name_count] = strdup(value)))
		return rvs_error_no_memory(err);
	policy->name_count++;
	return 0;
}

/* "keep-RULE=VALUE". */
static int add_rule(struct rvs_policy *policy, char *text,
		    struct rvs_error *err)
{
	char *value = strchr(text, '='), *rule = text + strlen("keep-");
	size_t i;

	if (!value || strncmp(text, "keep-", strlen("keep-")) != 0)
		return rvs_error_set(err, RVS_ERR_USAGE,
				     "\"%.64s\" is no rule: they are as in "
				     "keep-last=8 keep-daily=14", text);
	*value++ = '\0';
	for (i = 0; i < COUNTS; i++)
		if (!strcmp(rule, count_names[i]))
			return set_count(count_of(policy, i), rule, value, err);
	if (!strcmp(rule, "within"))
		return set_within(policy, value, err);
	if (!strcmp(rule, "name"))
		return add_name(policy, value, err);
	return rvs_error_set(err, RVS_ERR_USAGE,
			     "there is no rule \"%.64s\": only keep-last, "
			     "-hourly, -daily, -weekly, -monthly, -yearly, "
			     "-within, -name", text);
}

static int add_rules(struct rvs_policy *policy, char *text,
		     struct rvs_error *err)
{
	char *rest = NULL, *rule;
	int r = 0;

	for (rule = strtok_r(text, " \t\n", &rest); rule && r == 0;
	     rule = strtok_r(NULL, " \t\n", &rest))
		r = add_rule(policy, rule, err);
	if (r == 0 && !rvs_retention_has_rule(policy))
		r = rvs_error_set(err, RVS_ERR_USAGE,
				  "no rule says what to keep: everything "
				  "would go");
	return r;
}

int rvs_policy_parse(const char *text, struct rvs_policy *ret,
		     struct rvs_error *err)
{
	RVS_CLEANUP(rvs_cleanup_free) char *copy = NULL;
	int r;

	*ret = (struct rvs_policy){ .last = 0 };
	if (strlen(text) >= RVS_POLICY_MAX)
		return rvs_error_set(err, RVS_ERR_USAGE,
				     "a policy has less than %d bytes",
				     RVS_POLICY_MAX);
	copy = strdup(text);
	if (!copy)
		return rvs_error_no_memory(err);
	r = add_rules(ret, copy, err);
	if (r < 0)
		rvs_policy_done(ret);
	return r;
}

void rvs_policy_done(struct rvs_policy *policy)
{
	size_t i;

	for (i = 0; i < policy->name_count; i++)
		free((char *)(uintptr_t)policy->names[i]);
	free((void *)(uintptr_t)policy->names);
	*policy = (struct rvs_policy){ .last = 0 };
}

/* ---- writing ---- */

static void put_rule(struct rvs_buf *text, const char *rule, const char *value)
{
	const char *const parts[] = { text->len ? " " : "", "keep-", rule, "=",
				      value };
	size_t i;

	for (i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		rvs_buf_put(text, parts[i], strlen(parts[i]));
}

/* In the largest unit that it is a whole number of. */
static void put_within(struct rvs_buf *text, int64_t seconds)
{
	char value[32];
	size_t i, best = 0;

	for (i = 0; i < UNITS; i++)
		if (seconds % units[i].seconds == 0)
			best = i;
	(void)snprintf(value, sizeof(value), "%" PRId64 "%c",
		       seconds / units[best].seconds, units[best].unit);
	put_rule(text, "within", value);
}

char *rvs_policy_format(const struct rvs_policy *policy)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf text = RVS_BUF_INIT;
	struct rvs_policy copy = *policy;
	char value[16];
	size_t i;

	for (i = 0; i < COUNTS; i++) {
		if (!*count_of(&copy, i))
			continue;
		(void)snprintf(value, sizeof(value), "%u", *count_of(&copy, i));
		put_rule(&text, count_names[i], value);
	}
	if (policy->within_s > 0)
		put_within(&text, policy->within_s);
	for (i = 0; i < policy->name_count; i++)
		put_rule(&text, "name", policy->names[i]);
	rvs_buf_put_u8(&text, 0);
	return text.failed ? NULL : (char *)rvs_take(text.bytes);
}
