/*
 * Goal: a schedule means what crontab(5) and its words say, at the clock's
 * changes too: a time that the clock skips is not lost, one that it shows twice
 * does not come twice; and what is no schedule is refused with a reason.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rvs/schedule.h>

/* Rules of POSIX, which need no files of zones. */
#define BERLIN    "CET-1CEST,M3.5.0,M10.5.0/3"
#define NEW_YORK  "EST5EDT,M3.2.0,M11.1.0"
#define LORD_HOWE "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0" /* by half an hour */
#define MIDNIGHT  "XXX3YYY,M10.3.0/0,M2.3.0/0"           /* at midnight */
#define KATHMANDU "<+0545>-5:45"

static void set_zone(const char *zone)
{
	assert_int_equal(setenv("TZ", zone, 1), 0);
	tzset();
}

static struct rvs_schedule parse(const char *text)
{
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_schedule schedule;

	if (rvs_schedule_parse(text, &schedule, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	return schedule;
}

/* "2026-11-22 10:15", of UTC. */
static time_t utc(const char *text)
{
	struct tm tm = { 0 };

	assert_int_equal(sscanf(text, "%d-%d-%d %d:%d", &tm.tm_year,
				&tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
				&tm.tm_min), 5);
	tm.tm_year -= 1900;
	tm.tm_mon--;
	return timegm(&tm);
}

static void format_utc(time_t time, char ret[32])
{
	struct tm tm;

	assert_non_null(gmtime_r(&time, &tm));
	(void)strftime(ret, 32, "%Y-%m-%d %H:%M", &tm);
}

/* The runs after @start are @expected, "TIME, TIME, ..." in UTC. */
static void expect_runs(const char *text, const char *start,
			const char *expected)
{
	struct rvs_schedule schedule = parse(text);
	char found[512] = "", one[32];
	time_t time = utc(start);
	size_t count = 1;
	const char *c;

	for (c = expected; *c; c++)
		count += *c == ',';
	while (count-- > 0) {
		time = rvs_schedule_next(&schedule, time);
		assert_true(time != -1);
		format_utc(time, one);
		if (*found)
			strcat(found, ", ");
		strcat(found, one);
	}
	if (strcmp(found, expected) != 0)
		fail_msg("%s after %s:\ngot  %s\nwant %s", text, start, found,
			 expected);
}

/* ---- words and fields, where the clock never changes ---- */

static void test_words(void **state)
{
	set_zone("UTC0");
	expect_runs("every 15m", "2026-11-22 10:15",
		    "2026-11-22 10:30, 2026-11-22 10:45, 2026-11-22 11:00");
	expect_runs("every 2h", "2026-11-22 10:15",
		    "2026-11-22 12:00, 2026-11-22 14:00");
	expect_runs("every 1d", "2026-11-22 10:15", "2026-11-23 00:00");
	expect_runs("every 90s", "2026-11-22 10:15", "2026-11-22 10:16");
	expect_runs("hourly", "2026-11-22 10:00",
		    "2026-11-22 11:00, 2026-11-22 12:00");
	expect_runs("daily", "2026-11-22 00:00", "2026-11-23 00:00");
	expect_runs("Daily AT 3:05", "2026-11-22 03:04",
		    "2026-11-22 03:05, 2026-11-23 03:05");
	/* 22 November 2026 is a Sunday. */
	expect_runs("weekly", "2026-11-22 12:00",
		    "2026-11-23 00:00, 2026-11-30 00:00");
	expect_runs("weekly on sun at 03:00", "2026-11-22 03:00",
		    "2026-11-29 03:00");
	expect_runs("weekly on sat", "2026-11-22 03:00", "2026-11-28 00:00");
	expect_runs("monthly", "2026-11-22 03:00",
		    "2026-12-01 00:00, 2027-01-01 00:00");
	expect_runs(" monthly  on 28 at 23:59\n", "2027-02-01 00:00",
		    "2027-02-28 23:59, 2027-03-28 23:59");
}

static void test_cron_lines(void **state)
{
	set_zone("UTC0");
	expect_runs("*/20 * * * *", "2026-11-22 10:15",
		    "2026-11-22 10:20, 2026-11-22 10:40, 2026-11-22 11:00");
	expect_runs("5-10/5,50 22,4 * * *", "2026-11-22 10:15",
		    "2026-11-22 22:05, 2026-11-22 22:10, 2026-11-22 22:50, "
		    "2026-11-23 04:05");
	expect_runs("0 3 * * mon-fri", "2026-11-20 04:00",
		    "2026-11-23 03:00, 2026-11-24 03:00");
	expect_runs("0 3 * * Fri-Sun", "2026-11-22 04:00",
		    "2026-11-27 03:00, 2026-11-28 03:00, 2026-11-29 03:00, "
		    "2026-12-04 03:00");
	expect_runs("0 3 * * 7", "2026-11-22 03:00", "2026-11-29 03:00");
	expect_runs("0 0 1 JAN,jul *", "2026-11-22 03:00",
		    "2027-01-01 00:00, 2027-07-01 00:00");
	expect_runs("0 0 31 * *", "2026-11-22 03:00",
		    "2026-12-31 00:00, 2027-01-31 00:00, 2027-03-31 00:00");
	expect_runs("0 0 29 2 *", "2026-11-22 03:00",
		    "2028-02-29 00:00, 2032-02-29 00:00");
	/* Over the year 2100, which has no such day. */
	expect_runs("0 0 29 2 *", "2096-03-01 00:00", "2104-02-29 00:00");
}

/* Both restricted: either will do.  One that begins with a star does not
 * restrict, and both must hold. */
static void test_days_and_weekdays(void **state)
{
	set_zone("UTC0");
	expect_runs("0 0 13 * fri", "2026-11-01 00:00",
		    "2026-11-06 00:00, 2026-11-13 00:00, 2026-11-20 00:00, "
		    "2026-11-27 00:00, 2026-12-04 00:00, 2026-12-11 00:00, "
		    "2026-12-13 00:00");
	expect_runs("0 0 */2 * fri", "2026-11-01 00:00",
		    "2026-11-13 00:00, 2026-11-27 00:00");
	expect_runs("0 0 13 * */5", "2026-11-01 00:00",
		    "2026-11-13 00:00, 2026-12-13 00:00");
	/* 29 February as a Sunday. */
	expect_runs("0 0 29 2 */7", "2026-11-22 03:00", "2032-02-29 00:00");
}

static void test_seconds_within_a_minute(void **state)
{
	struct rvs_schedule minutely = parse("* * * * *");
	struct rvs_schedule daily = parse("daily at 03:00");
	time_t three = utc("2026-11-22 03:00");

	set_zone("UTC0");
	assert_int_equal(rvs_schedule_next(&minutely, three - 1), three);
	assert_int_equal(rvs_schedule_next(&minutely, three), three + 60);
	assert_int_equal(rvs_schedule_next(&minutely, three + 59), three + 60);
	assert_int_equal(rvs_schedule_next(&daily, three - 1), three);
	assert_int_equal(rvs_schedule_next(&daily, three), three + 86400);
}

/* ---- the clock's changes ---- */

static void test_spring_loses_no_run(void **state)
{
	/* 29 March 2026: 02:00 becomes 03:00, at 01:00 UTC. */
	set_zone(BERLIN);
	expect_runs("daily at 02:30", "2026-03-27 12:00",
		    "2026-03-28 01:30, 2026-03-29 01:00, 2026-03-30 00:30");
	/* Two that fall together are one. */
	expect_runs("0,30 2,3 * * *", "2026-03-28 12:00",
		    "2026-03-29 01:00, 2026-03-29 01:30, 2026-03-30 00:00");
	expect_runs("hourly", "2026-03-28 23:30",
		    "2026-03-29 00:00, 2026-03-29 01:00, 2026-03-29 02:00");
	expect_runs("30 */2 * * *", "2026-03-28 22:00",
		    "2026-03-28 23:30, 2026-03-29 01:00, 2026-03-29 02:30");
	/* At midnight: the 18th of October 2026 begins at 01:00. */
	set_zone(MIDNIGHT);
	expect_runs("daily", "2026-10-16 12:00",
		    "2026-10-17 03:00, 2026-10-18 03:00, 2026-10-19 02:00");
}

static void test_autumn_repeats_no_run(void **state)
{
	/* 25 October 2026: 03:00 becomes 02:00, at 01:00 UTC. */
	set_zone(BERLIN);
	expect_runs("daily at 02:30", "2026-10-23 12:00",
		    "2026-10-24 00:30, 2026-10-25 00:30, 2026-10-26 01:30");
	expect_runs("daily at 03:00", "2026-10-23 12:00",
		    "2026-10-24 01:00, 2026-10-25 02:00, 2026-10-26 02:00");
	/* Each hour comes, the one that is shown twice, too. */
	expect_runs("hourly", "2026-10-24 23:30",
		    "2026-10-25 00:00, 2026-10-25 01:00, 2026-10-25 02:00");
	expect_runs("*/30 * * * *", "2026-10-25 00:00",
		    "2026-10-25 00:30, 2026-10-25 01:00, 2026-10-25 01:30, "
		    "2026-10-25 02:00");
	set_zone(NEW_YORK);
	expect_runs("daily at 01:30", "2026-10-31 12:00",
		    "2026-11-01 05:30, 2026-11-02 06:30");
	/* At midnight: 15 February 2026 begins an hour after it was near. */
	set_zone(MIDNIGHT);
	expect_runs("daily", "2026-02-13 12:00",
		    "2026-02-14 02:00, 2026-02-15 03:00, 2026-02-16 03:00");
	expect_runs("daily at 23:30", "2026-02-13 12:00",
		    "2026-02-14 01:30, 2026-02-15 01:30, 2026-02-16 02:30");
}

static void test_every_goes_by_real_time(void **state)
{
	set_zone(BERLIN);
	expect_runs("every 1h", "2026-10-24 23:30",
		    "2026-10-25 00:00, 2026-10-25 01:00, 2026-10-25 02:00");
	expect_runs("every 1d", "2026-10-24 23:30",
		    "2026-10-25 00:00, 2026-10-26 00:00");
}

static int64_t wall_minute(time_t time)
{
	struct tm tm;

	assert_non_null(localtime_r(&time, &tm));
	return (time + tm.tm_gmtoff) / 60;
}

/* Whether the wall's minute is one of the schedule's, by crontab(5). */
static bool is_on(const struct rvs_schedule *s, int64_t minute)
{
	time_t wall = (time_t)minute * 60;
	bool day, weekday;
	struct tm tm;

	assert_non_null(gmtime_r(&wall, &tm));
	day = s->days >> tm.tm_mday & 1;
	weekday = s->weekdays >> tm.tm_wday & 1;
	return s->minutes >> tm.tm_min & 1 && s->hours >> tm.tm_hour & 1 &&
	       s->months >> (tm.tm_mon + 1) & 1 &&
	       (s->either_day ? day || weekday : day && weekday);
}

/* Watch a clock on the wall, minute by minute: a schedule of every hour runs
 * whenever the wall shows its minute; any other when it shows, or skips, what it
 * never showed before. */
static void watch(const char *zone, const char *text, time_t from, time_t to)
{
	struct rvs_schedule s = parse(text);
	bool any_hour = s.hours == (1u << 24) - 1;
	time_t time, next = rvs_schedule_next(&s, from);
	int64_t seen = wall_minute(from), minute;
	char at[32];

	for (time = from + 60; time <= to; time += 60) {
		int64_t now = wall_minute(time);
		bool runs = any_hour && is_on(&s, now);

		for (minute = seen + 1; minute <= now && !any_hour; minute++)
			runs |= is_on(&s, minute);
		seen = now > seen ? now : seen;
		format_utc(time, at);
		if (runs != (next == time))
			fail_msg("%s, %s: %s at %s UTC", zone, text,
				 runs ? "does not run" : "runs", at);
		if (runs)
			next = rvs_schedule_next(&s, time);
	}
}

static void test_every_change_of_a_clock(void **state)
{
	static const char *const spans[][2] = {
		{ "2026-02-13 00:00", "2026-02-17 00:00" },
		{ "2026-03-06 00:00", "2026-03-10 00:00" },
		{ "2026-03-27 00:00", "2026-04-07 00:00" },
		{ "2026-10-02 00:00", "2026-10-06 00:00" },
		{ "2026-10-16 00:00", "2026-10-20 00:00" },
		{ "2026-10-23 00:00", "2026-11-03 00:00" },
	};
	static const char *const zones[] = { BERLIN, NEW_YORK, LORD_HOWE,
					     MIDNIGHT, KATHMANDU, "UTC0" };
	static const char *const texts[] = {
		"hourly", "7 * * * *", "0 */2 * * *", "15,45 1-3 * * *",
		"daily at 23:45", "daily at 00:10", "59 23 * * sun",
		"0 0 1 * mon", "*/7 2 * 3,4,10,11 *",
	};
	size_t z, t, i;

	for (z = 0; z < sizeof(zones) / sizeof(*zones); z++) {
		set_zone(zones[z]);
		for (t = 0; t < sizeof(texts) / sizeof(*texts); t++)
			for (i = 0; i < sizeof(spans) / sizeof(*spans); i++)
				watch(zones[z], texts[t], utc(spans[i][0]),
				      utc(spans[i][1]));
	}
}

/* ---- missed runs ---- */

static void expect_due(const char *text, const char *last, const char *now,
		       const char *expected)
{
	struct rvs_schedule schedule = parse(text);
	char found[32] = "";
	time_t due;

	if (rvs_schedule_due(&schedule, utc(last), utc(now), &due))
		format_utc(due, found);
	if (strcmp(found, expected) != 0)
		fail_msg("%s, %s to %s: got \"%s\", want \"%s\"", text, last,
			 now, found, expected);
}

static void test_missed_runs_are_one(void **state)
{
	set_zone("UTC0");
	expect_due("hourly", "2026-11-22 10:00", "2026-11-22 10:59", "");
	expect_due("hourly", "2026-11-22 10:00", "2026-11-22 11:00",
		   "2026-11-22 11:00");
	expect_due("hourly", "2026-11-22 10:00", "2026-11-22 23:30",
		   "2026-11-22 23:00");
	expect_due("* * * * *", "2019-01-01 00:00", "2026-11-22 23:30",
		   "2026-11-22 23:30");
	expect_due("every 1s", "1970-01-01 00:00", "2026-11-22 23:30",
		   "2026-11-22 23:30");
	expect_due("monthly", "2026-01-15 00:00", "2026-11-22 23:30",
		   "2026-11-01 00:00");
	expect_due("0 0 29 2 *", "2019-01-01 00:00", "2026-11-22 23:30",
		   "2024-02-29 00:00");
	expect_due("0 0 29 2 *", "2024-02-29 00:00", "2026-11-22 23:30", "");
	/* The clock went back. */
	expect_due("hourly", "2026-11-22 10:00", "2026-11-22 09:00", "");
	expect_due("hourly", "2026-11-22 10:00", "2026-11-22 10:00", "");
}

static void test_times_at_the_ends(void **state)
{
	static const char *const texts[] = { "every 1w", "hourly", "monthly",
					     "0 0 29 2 *" };
	size_t i;

	set_zone(BERLIN);
	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct rvs_schedule s = parse(texts[i]);

		assert_true(rvs_schedule_next(&s, INT64_MIN) > 0);
		assert_int_equal(rvs_schedule_next(&s, INT64_MAX), -1);
		assert_int_equal(rvs_schedule_next(&s, 253402300799), -1);
		assert_true(rvs_schedule_due(&s, INT64_MIN,
					     utc("2026-11-22 23:30"), NULL));
	}
}

/* ---- what is refused ---- */

static void test_what_is_no_schedule(void **state)
{
	static const char *const texts[] = {
		"", " ", "often", "every", "every 15", "every m", "every 0m",
		"every -5m", "every 5 m", "every 15mm", "every 1.5h",
		"every 367d", "every 99999999999999999999s", "every 5m 5m",
		"hourly at 5", "daily 03:00", "daily at", "daily at 3",
		"daily at 24:00", "daily at 03:60", "daily at 03:5",
		"daily at 03:000", "daily at 03:00 more", "daily on mon",
		"daily at -3:00", "daily at 03:-1", "daily at 03:00x",
		"weekly on", "weekly on noday", "weekly on 8", "weekly sun",
		"weekly on sunday", "monthly on 0", "monthly on 29",
		"monthly on mon", "at 03:00",
		/* cron */
		"* * * *", "* * * * * *", "60 * * * *", "* 24 * * *",
		"* * 0 * *", "* * 32 * *", "* * * 0 *", "* * * 13 *",
		"* * * * 8", "-1 * * * *", "5- * * * *", "-5 * * * *",
		"5-1 * * * *", "1,,2 * * * *", ",1 * * * *", "1, * * * *",
		"*/0 * * * *", "*/60 * * * *", "*/ * * * *", "1/5 * * * *",
		"** * * * *", "*5 * * * *", "1-5-9 * * * *", "a * * * *",
		"* * * * m", "* * * ja *", "mon * * * *", "* * * mon *",
		"0 0 31 2 *", "0 0 30 feb *", "0 0 31 4,6,9,11 *",
		"1;2 * * * *", "1 2 3 4 5;", "000001 * * * *", "@daily",
		"\xff * * * *",
	};
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_schedule schedule;
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		err.text[0] = '\0';
		if (rvs_schedule_parse(texts[i], &schedule, &err) !=
		    RVS_ERR_USAGE)
			fail_msg("\"%s\" is accepted", texts[i]);
		assert_true(*err.text);
	}
}

static void test_texts_that_are_too_long(void **state)
{
	char text[2 * RVS_SCHEDULE_MAX];
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_schedule schedule;

	memset(text, ' ', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "hourly", strlen("hourly"));
	assert_int_equal(rvs_schedule_parse(text, &schedule, &err),
			 RVS_ERR_USAGE);
	text[RVS_SCHEDULE_MAX - 1] = '\0';
	assert_int_equal(rvs_schedule_parse(text, &schedule, &err), 0);
}

static void test_reasons_name_the_fault(void **state)
{
	static const char *const pairs[][2] = {
		{ "0 25 * * *", "\"25\" is no hour" },
		{ "0 3 * * noday", "\"noday\" is no weekday" },
		{ "daily at 25:00", "23:59" },
		{ "0 0 31 2 *", "never" },
		{ "every 15x", "every 15m" },
		{ "sometimes", "crontab(5)" },
		{ "daily at 03:00 sharp", "\"sharp\"" },
	};
	struct rvs_schedule schedule;
	struct rvs_error err;
	size_t i;

	for (i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		(void)rvs_schedule_parse(pairs[i][0], &schedule, &err);
		if (!strstr(err.text, pairs[i][1]))
			fail_msg("%s: %s", pairs[i][0], err.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_cron_lines),
		cmocka_unit_test(test_days_and_weekdays),
		cmocka_unit_test(test_seconds_within_a_minute),
		cmocka_unit_test(test_spring_loses_no_run),
		cmocka_unit_test(test_autumn_repeats_no_run),
		cmocka_unit_test(test_every_goes_by_real_time),
		cmocka_unit_test(test_every_change_of_a_clock),
		cmocka_unit_test(test_missed_runs_are_one),
		cmocka_unit_test(test_times_at_the_ends),
		cmocka_unit_test(test_what_is_no_schedule),
		cmocka_unit_test(test_texts_that_are_too_long),
		cmocka_unit_test(test_reasons_name_the_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
