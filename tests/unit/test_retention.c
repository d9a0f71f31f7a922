/*
 * Goal: each rule of a policy keeps what it says and no more, at a fixed time,
 * and every verdict tells its reasons.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "job/retention.h"

enum { MAX = 64 };

struct fixture {
	struct rvs_snapshot items[MAX];
	struct rvs_snapshot_list list;
	struct rvs_keep verdicts[MAX];
	struct timespec now;
};

/* "2026-11-22 10:15:00", UTC. */
static time_t at(const char *text)
{
	struct tm tm = { 0 };

	assert_int_equal(sscanf(text, "%d-%d-%d %d:%d:%d", &tm.tm_year,
				&tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
				&tm.tm_min, &tm.tm_sec), 6);
	tm.tm_year -= 1900;
	tm.tm_mon--;
	return timegm(&tm);
}

/* Snapshots at @times, oldest first, named s0, s1, ...; @now is the last. */
static void set_up(struct fixture *f, const char *const *times)
{
	size_t i;

	memset(f, 0, sizeof(*f));
	memset(f->verdicts, 0xff, sizeof(f->verdicts));
	f->list.items = f->items;
	for (i = 0; times[i]; i++) {
		struct rvs_snapshot *s = &f->items[f->list.count++];

		assert_true(f->list.count < MAX);
		s->created_at.tv_sec = at(times[i]);
		(void)snprintf(s->name, sizeof(s->name), "s%zu", i);
		f->now = s->created_at;
	}
}

/* "s0 s3": the names of those kept, in order. */
static void assert_kept(struct fixture *f, const struct rvs_policy *policy,
			const char *expected)
{
	char kept[1024] = "";
	size_t i;

	rvs_retention_judge(policy, &f->list, f->now, f->verdicts);
	for (i = 0; i < f->list.count; i++) {
		const struct rvs_keep *v = &f->verdicts[i];

		/* A reason is what keeps, and nothing else. */
		assert_int_equal(v->keep, *v->reasons != '\0');
		if (!v->keep)
			continue;
		if (*kept)
			strcat(kept, " ");
		strcat(kept, f->items[i].name);
	}
	assert_string_equal(kept, expected);
}

static const char *const quarter_days[] = {
	"2026-11-20 00:00:00", "2026-11-20 06:00:00", "2026-11-20 12:00:00",
	"2026-11-20 18:00:00", "2026-11-21 00:00:00", "2026-11-21 06:00:00",
	"2026-11-21 12:00:00", "2026-11-21 18:00:00", "2026-11-22 00:00:00",
	"2026-11-22 06:00:00", NULL
};

static void test_last(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, quarter_days);
	assert_kept(&f, &(struct rvs_policy){ .last = 1 }, "s9");
	assert_kept(&f, &(struct rvs_policy){ .last = 3 }, "s7 s8 s9");
	assert_kept(&f, &(struct rvs_policy){ .last = 10 },
		    "s0 s1 s2 s3 s4 s5 s6 s7 s8 s9");
	assert_kept(&f, &(struct rvs_policy){ .last = 1000000 },
		    "s0 s1 s2 s3 s4 s5 s6 s7 s8 s9");
}

static void test_no_rule_keeps_nothing(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, quarter_days);
	assert_kept(&f, &(struct rvs_policy){ 0 }, "");
}

static void test_no_snapshot(void **state)
{
	static const char *const none[] = { NULL };
	struct fixture f;

	(void)state;
	set_up(&f, none);
	assert_kept(&f, &(struct rvs_policy){ .last = 3, .daily = 2 }, "");
}

static void test_daily_keeps_the_newest_of_each_day(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, quarter_days);
	assert_kept(&f, &(struct rvs_policy){ .daily = 1 }, "s9");
	assert_kept(&f, &(struct rvs_policy){ .daily = 2 }, "s7 s9");
	assert_kept(&f, &(struct rvs_policy){ .daily = 3 }, "s3 s7 s9");
	assert_kept(&f, &(struct rvs_policy){ .daily = 100 }, "s3 s7 s9");
}

static void test_days_without_a_snapshot_do_not_count(void **state)
{
	static const char *const times[] = { "2026-01-01 12:00:00",
					     "2026-03-05 12:00:00",
					     "2026-03-05 13:00:00",
					     "2026-11-22 00:00:00", NULL };
	struct fixture f;

	(void)state;
	set_up(&f, times);
	assert_kept(&f, &(struct rvs_policy){ .daily = 2 }, "s2 s3");
	assert_kept(&f, &(struct rvs_policy){ .daily = 3 }, "s0 s2 s3");
}

static void test_hourly(void **state)
{
	static const char *const times[] = { "2026-11-22 08:59:59",
					     "2026-11-22 09:00:00",
					     "2026-11-22 09:59:59",
					     "2026-11-22 10:00:00",
					     "2026-11-22 10:00:01", NULL };
	struct fixture f;

	(void)state;
	set_up(&f, times);
	assert_kept(&f, &(struct rvs_policy){ .hourly = 1 }, "s4");
	assert_kept(&f, &(struct rvs_policy){ .hourly = 2 }, "s2 s4");
	assert_kept(&f, &(struct rvs_policy){ .hourly = 3 }, "s0 s2 s4");
}

static void test_weeks_begin_on_monday(void **state)
{
	/* 2026-11-22 is a Sunday. */
	static const char *const times[] = { "2026-11-15 23:59:59",
					     "2026-11-16 00:00:00",
					     "2026-11-22 23:59:59",
					     "2026-11-23 00:00:00", NULL };
	struct fixture f;

	(void)state;
	set_up(&f, times);
	assert_kept(&f, &(struct rvs_policy){ .weekly = 1 }, "s3");
	assert_kept(&f, &(struct rvs_policy){ .weekly = 2 }, "s2 s3");
	assert_kept(&f, &(struct rvs_policy){ .weekly = 3 }, "s0 s2 s3");
}

static void test_weeks_over_the_turn_of_a_year(void **state)
{
	/* Monday 2025-12-29 to Sunday 2026-01-04 are one week. */
	static const char *const times[] = { "2025-12-28 12:00:00",
					     "2025-12-29 12:00:00",
					     "2026-01-04 12:00:00", NULL };
	struct fixture f;

	(void)state;
	set_up(&f, times);
	assert_kept(&f, &(struct rvs_policy){ .weekly = 9 }, "s0 s2");
	assert_kept(&f, &(struct rvs_policy){ .yearly = 9 }, "s1 s2");
}

static void test_monthly_and_yearly(void **state)
{
	static const char *const times[] = {
		"2024-02-28 23:59:59", "2024-02-29 23:59:59",
		"2024-03-01 00:00:00", "2024-12-31 23:59:59",
		"2025-01-01 00:00:00", "2025-11-22 00:00:00",
		"2026-11-21 00:00:00", "2026-11-22 00:00:00", NULL
	};
	struct fixture f;

	(void)state;
	set_up(&f, times);
	assert_kept(&f, &(struct rvs_policy){ .monthly = 2 }, "s5 s7");
	assert_kept(&f, &(struct rvs_policy){ .monthly = 99 },
		    "s1 s2 s3 s4 s5 s7");
	assert_kept(&f, &(struct rvs_policy){ .yearly = 2 }, "s5 s7");
	assert_kept(&f, &(struct rvs_policy){ .yearly = 99 }, "s3 s5 s7");
}

static void test_within(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, quarter_days);
	assert_kept(&f, &(struct rvs_policy){ .within_s = 1 }, "s9");
	/* Younger than: one of exactly that age goes. */
	assert_kept(&f, &(struct rvs_policy){ .within_s = 6 * 3600 }, "s9");
	assert_kept(&f, &(struct rvs_policy){ .within_s = 6 * 3600 + 1 },
		    "s8 s9");
	f.now.tv_sec += 3600;
	assert_kept(&f, &(struct rvs_policy){ .within_s = 3600 }, "");
	/* A clock that was set back: what is of the future is young. */
	f.now.tv_sec -= 10 * 3600;
	assert_kept(&f, &(struct rvs_policy){ .within_s = 1 }, "s8 s9");
}

static void test_names_are_globs(void **state)
{
	static const char *const rules[] = { "release-*", "s[13]", "*.keep" };
	struct fixture f;

	(void)state;
	set_up(&f, quarter_days);
	(void)snprintf(f.items[5].name, sizeof(f.items[5].name), "release-1");
	(void)snprintf(f.items[6].name, sizeof(f.items[6].name), "prerelease-");
	(void)snprintf(f.items[7].name, sizeof(f.items[7].name), ".keep");
	assert_kept(&f, &(struct rvs_policy){ .names = rules, .name_count = 3 },
		    "s1 s3 release-1 .keep");
	/* So many of them count, whatever follows. */
	assert_kept(&f, &(struct rvs_policy){ .names = rules, .name_count = 1 },
		    "release-1");
}

static void test_pinned_ones_always_stay(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, quarter_days);
	f.items[2].pinned = true;
	assert_kept(&f, &(struct rvs_policy){ 0 }, "s2");
	assert_kept(&f, &(struct rvs_policy){ .last = 1 }, "s2 s9");
	assert_string_equal(f.verdicts[2].reasons, "pinned");
}

static void test_rules_add_up_and_reasons_name_them_all(void **state)
{
	static const char *const rules[] = { "s9" };
	const struct rvs_policy policy = { .last = 2,
					   .hourly = 1,
					   .daily = 2,
					   .weekly = 1,
					   .monthly = 1,
					   .yearly = 1,
					   .within_s = 1,
					   .names = rules,
					   .name_count = 1 };
	struct fixture f;

	(void)state;
	set_up(&f, quarter_days);
	f.items[9].pinned = true;
	assert_kept(&f, &policy, "s7 s8 s9");
	assert_string_equal(f.verdicts[7].reasons, "daily");
	assert_string_equal(f.verdicts[8].reasons, "last");
	assert_string_equal(f.verdicts[9].reasons,
			    "pinned, last, within, name, hourly, daily, "
			    "weekly, monthly, yearly");
	/* Judging anew forgets the verdicts before. */
	f.items[9].pinned = false;
	assert_kept(&f, &(struct rvs_policy){ .last = 1 }, "s9");
	assert_string_equal(f.verdicts[9].reasons, "last");
}

static void test_times_before_the_epoch(void **state)
{
	static const char *const times[] = { "1969-12-30 23:59:59",
					     "1969-12-31 00:00:00",
					     "1969-12-31 23:59:59",
					     "1970-01-01 00:00:00", NULL };
	struct fixture f;

	(void)state;
	set_up(&f, times);
	assert_kept(&f, &(struct rvs_policy){ .daily = 9 }, "s0 s2 s3");
	assert_kept(&f, &(struct rvs_policy){ .hourly = 9 }, "s0 s1 s2 s3");
	assert_kept(&f, &(struct rvs_policy){ .weekly = 9 }, "s3");
	assert_kept(&f, &(struct rvs_policy){ .yearly = 9 }, "s2 s3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_last),
		cmocka_unit_test(test_no_rule_keeps_nothing),
		cmocka_unit_test(test_no_snapshot),
		cmocka_unit_test(test_daily_keeps_the_newest_of_each_day),
		cmocka_unit_test(test_days_without_a_snapshot_do_not_count),
		cmocka_unit_test(test_hourly),
		cmocka_unit_test(test_weeks_begin_on_monday),
		cmocka_unit_test(test_weeks_over_the_turn_of_a_year),
		cmocka_unit_test(test_monthly_and_yearly),
		cmocka_unit_test(test_within),
		cmocka_unit_test(test_names_are_globs),
		cmocka_unit_test(test_pinned_ones_always_stay),
		cmocka_unit_test(test_rules_add_up_and_reasons_name_them_all),
		cmocka_unit_test(test_times_before_the_epoch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
