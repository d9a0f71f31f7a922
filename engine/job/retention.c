#include "retention.h"

#include <fnmatch.h>
#include <stdint.h>
#include <string.h>

/* The number of the hour, day, ... that a time lies in. */
typedef int64_t (*period_fn)(time_t time);

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static int64_t hour_of(time_t time)
{
	return floor_div(time, 3600);
}

static int64_t day_of(time_t time)
{
	return floor_div(time, 86400);
}

/* The epoch was a Thursday. */
static int64_t week_of(time_t time)
{
	return floor_div(day_of(time) + 3, 7);
}

static int64_t month_of(time_t time)
{
	struct tm tm = { 0 };

	(void)gmtime_r(&time, &tm);
	return (int64_t)tm.tm_year * 12 + tm.tm_mon;
}

static int64_t year_of(time_t time)
{
	struct tm tm = { 0 };

	(void)gmtime_r(&time, &tm);
	return tm.tm_year;
}

static void keep(struct rvs_keep *verdict, const char *reason)
{
	verdict->keep = true;
	if (*verdict->reasons)
		(void)strncat(verdict->reasons, ", ",
			      RVS_REASONS_SIZE - strlen(verdict->reasons) - 1);
	(void)strncat(verdict->reasons, reason,
		      RVS_REASONS_SIZE - strlen(verdict->reasons) - 1);
}

/* The newest of each of the last @count periods that have one. */
static void keep_periods(const struct rvs_snapshot_list *list, unsigned count,
			 period_fn period, const char *reason,
			 struct rvs_keep *ret)
{
	int64_t last = INT64_MIN;
	size_t i = list->count;

	while (i-- > 0 && count > 0) {
		int64_t now = period(list->items[i].created_at.tv_sec);

		if (now == last)
			continue;
		last = now;
		count--;
		keep(&ret[i], reason);
	}
}

static bool matches_any(const struct rvs_policy *policy, const char *name)
{
	size_t i;

	for (i = 0; i < policy->name_count; i++)
		if (fnmatch(policy->names[i], name, 0) == 0)
			return true;
	return false;
}

void rvs_retention_judge(const struct rvs_policy *policy,
			 const struct rvs_snapshot_list *list,
			 struct timespec now, struct rvs_keep *ret)
{
	size_t i;

	memset(ret, 0, list->count * sizeof(*ret));
	for (i = 0; i < list->count; i++) {
		const struct rvs_snapshot *s = &list->items[i];

		if (s->pinned)
			keep(&ret[i], "pinned");
		if (list->count - i <= policy->last)
			keep(&ret[i], "last");
		if (policy->within_s > 0 &&
		    now.tv_sec - s->created_at.tv_sec < policy->within_s)
			keep(&ret[i], "within");
		if (matches_any(policy, s->name))
			keep(&ret[i], "name");
	}
	keep_periods(list, policy->hourly, hour_of, "hourly", ret);
	keep_periods(list, policy->daily, day_of, "daily", ret);
	keep_periods(list, policy->weekly, week_of, "weekly", ret);
	keep_periods(list, policy->monthly, month_of, "monthly", ret);
	keep_periods(list, policy->yearly, year_of, "yearly", ret);
}
