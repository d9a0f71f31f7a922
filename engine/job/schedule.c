/*
 * When a schedule runs.
 *
 * Looks neither at the clock nor at the disk; the time zone is the process's.
 * A day is its number since 1970-01-01, whatever the zone; a wall time is what
 * the clock on the wall shows, as seconds since 1970-01-01 00:00 on that wall.
 */
#include <rvs/schedule.h>

#include "schedule.h"

enum {
	DAY = 86400,
	HOUR = 3600,
	MINUTE = 60,
	YEARS_AHEAD = 40, /* 29 February may be a Monday after so many */
};

#define EVERY_HOUR ((1u << 24) - 1)
#define TIME_MAX   ((time_t)253402214400) /* 9999-12-31 */

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* ---- days ---- */

bool rvs_schedule_on_day(const struct rvs_schedule *s, int64_t day)
{
	time_t midnight = (time_t)day * DAY;
	bool in_days, in_weekdays;
	struct tm tm;

	if (!gmtime_r(&midnight, &tm) || !(s->months >> (tm.tm_mon + 1) & 1))
		return false;
	in_days = s->days >> tm.tm_mday & 1;
	in_weekdays = s->weekdays >> tm.tm_wday & 1;
	return s->either_day ? in_days || in_weekdays : in_days && in_weekdays;
}

bool rvs_schedule_find_day(const struct rvs_schedule *s, int64_t from,
			   int64_t *ret)
{
	int64_t day;

	for (day = from; day < from + YEARS_AHEAD * 366; day++) {
		if (!rvs_schedule_on_day(s, day))
			continue;
		*ret = day;
		return true;
	}
	return false;
}

/* ---- the clock on the wall ---- */

/* Seconds east of Greenwich. */
static int64_t offset_at(time_t time)
{
	struct tm tm;

	return localtime_r(&time, &tm) ? tm.tm_gmtoff : 0;
}

/* When the offset becomes @after, which it is at @high and not at @low. */
static time_t transition(time_t low, time_t high, int64_t after)
{
	while (high - low > 1) {
		time_t middle = low + (high - low) / 2;

		if (offset_at(middle) == after)
			high = middle;
		else
			low = middle;
	}
	return high;
}

/* The first time at which the wall shows @wall, or has skipped it.  No zone is
 * a day away from Greenwich, or changes twice in two days. */
static time_t time_of_wall(int64_t wall)
{
	time_t low = (time_t)wall - DAY, high = (time_t)wall + DAY, changed;
	int64_t before = offset_at(low), after = offset_at(high);

	if (before == after)
		return (time_t)(wall - after);
	changed = transition(low, high, after);
	if (wall - before < changed)
		return (time_t)(wall - before);
	return wall - after > changed ? (time_t)(wall - after) : changed;
}

/* ---- runs of one day ---- */

/* At given hours: each of them once, whatever the clock does. */
static time_t next_at_hours(const struct rvs_schedule *s, int64_t day,
			    time_t after)
{
	int hour, minute;
	time_t time;

	/* The last of the day tells whether any can be. */
	if (time_of_wall((day + 1) * DAY) <= after)
		return -1;
	for (hour = 0; hour < 24; hour++) {
		if (!(s->hours >> hour & 1))
			continue;
		for (minute = 0; minute < 60; minute++) {
			if (!(s->minutes >> minute & 1))
				continue;
			time = time_of_wall(day * DAY + hour * HOUR +
					    minute * MINUTE);
			if (time > after)
				return time;
		}
	}
	return -1;
}

/* The next whole minute of the wall. */
static time_t next_minute(time_t after)
{
	int64_t wall = after + offset_at(after);

	return after + (time_t)((floor_div(wall, MINUTE) + 1) * MINUTE - wall);
}

/* At every hour: whenever the wall shows one of the minutes, in an hour that
 * comes twice as well. */
static time_t next_of_any_hour(const struct rvs_schedule *s, int64_t day,
			       time_t after)
{
	time_t end = time_of_wall((day + 1) * DAY);
	time_t time = time_of_wall(day * DAY);
	struct tm tm;

	if (time <= after)
		time = next_minute(after);
	for (; time < end && localtime_r(&time, &tm); time += MINUTE)
		if (s->minutes >> tm.tm_min & 1)
			return time;
	return -1;
}

static time_t next_of_day(const struct rvs_schedule *s, int64_t day,
			  time_t after)
{
	return s->hours == EVERY_HOUR ? next_of_any_hour(s, day, after) :
					next_at_hours(s, day, after);
}

/* ---- all of them ---- */

static time_t next_by_calendar(const struct rvs_schedule *s, time_t after)
{
	/* What a day's clock skipped comes early on the day that follows. */
	int64_t day = floor_div(after + offset_at(after), DAY) - 1;
	time_t next;

	for (; rvs_schedule_find_day(s, day, &day); day++) {
		next = next_of_day(s, day, after);
		if (next != -1)
			return next;
	}
	return -1;
}

time_t rvs_schedule_next(const struct rvs_schedule *schedule, time_t after)
{
	time_t next;

	if (after < 0)
		after = 0;
	if (after > TIME_MAX)
		return -1;
	next = schedule->every_s > 0 ?
		       (time_t)((after / schedule->every_s + 1) *
				schedule->every_s) :
		       next_by_calendar(schedule, after);
	return next > TIME_MAX ? -1 : next;
}

/* Whether a run comes after @from and not after @now. */
static bool comes(const struct rvs_schedule *s, time_t from, time_t now,
		  time_t *ret)
{
	*ret = rvs_schedule_next(s, from);
	return *ret != -1 && *ret <= now;
}

bool rvs_schedule_due(const struct rvs_schedule *schedule, time_t last,
		      time_t now, time_t *ret)
{
	time_t back, from, found, later;

	if (last < 0)
		last = 0;
	/* Look back further and further, so that years cost no more steps than
	 * the schedule has runs in the last of these spans. */
	for (back = MINUTE;; back *= 2) {
		from = now - back > last ? now - back : last;
		if (comes(schedule, from, now, &found))
			break;
		if (from == last)
			return false;
	}
	while (comes(schedule, found, now, &later))
		found = later;
	if (ret)
		*ret = found;
	return true;
}
