/*
 * The text of a schedule.
 */
#include <rvs/schedule.h>

#include <ctype.h>
#include <string.h>

#include "base/error.h"
#include "schedule.h"

enum { WORDS_MAX = 6, MINUTE = 60, HOUR = 3600, DAY = 86400 };

#define ALL_MINUTES  ((UINT64_C(1) << 60) - 1)
#define ALL_HOURS    ((1u << 24) - 1)
#define ALL_DAYS     0xfffffffeu
#define ALL_MONTHS   0x1ffeu
#define ALL_WEEKDAYS 0x7fu

#define EVERY_MAX_S (366 * (int64_t)DAY)
#define MONTHLY_MAX 28 /* which every month has */

/* The words of a text, in small letters. */
struct words {
	char text[RVS_SCHEDULE_MAX];
	const char *at[WORDS_MAX];
	size_t count;
	size_t next; /* the first that is not read yet */
	struct rvs_error *err;
};

static int no_schedule(struct rvs_error *err)
{
	return rvs_error_set(err, RVS_ERR_USAGE,
			     "a schedule is \"every 15m\", \"hourly\", \"daily "
			     "at 03:00\", \"weekly on sun at 03:00\", \"monthly "
			     "on 1 at 03:00\" or five fields of crontab(5)");
}

static int split(struct words *w, const char *text)
{
	char *rest = NULL, *word, *c;

	if (strlen(text) >= sizeof(w->text))
		return rvs_error_set(w->err, RVS_ERR_USAGE,
				     "a schedule has less than %d bytes",
				     RVS_SCHEDULE_MAX);
	strcpy(w->text, text);
	for (c = w->text; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	for (word = strtok_r(w->text, " \t\n", &rest); word;
	     word = strtok_r(NULL, " \t\n", &rest)) {
		if (w->count == WORDS_MAX)
			return no_schedule(w->err);
		w->at[w->count++] = word;
	}
	return w->count > 0 ? 0 : no_schedule(w->err);
}

/* ---- numbers and names ---- */

/* The decimal digits at *at, five at most, which it moves behind; -1: none. */
static int take_number(const char **at)
{
	const char *start = *at;
	int value = 0;

	while (isdigit((unsigned char)**at) && *at - start < 5)
		value = value * 10 + *(*at)++ - '0';
	return *at == start || isdigit((unsigned char)**at) ? -1 : value;
}

static const char *const month_names[] = { "jan", "feb", "mar", "apr",
					   "may", "jun", "jul", "aug",
					   "sep", "oct", "nov", "dec", NULL };
static const char *const weekday_names[] = { "sun", "mon", "tue", "wed",
					     "thu", "fri", "sat", NULL };

/* The place of the name at *at in @names, which may be NULL; -1: none. */
static int take_name(const char **at, const char *const *names)
{
	int i;

	for (i = 0; names && names[i]; i++) {
		if (strncmp(*at, names[i], 3) != 0)
			continue;
		*at += 3;
		return i;
	}
	return -1;
}

/* ---- a field of a cron line ---- */

struct field {
	const char *what;
	int min, max;
	const char *const *names; /* the first is min; or NULL */
};

static const struct field field_minute = { "minute", 0, 59, NULL };
static const struct field field_hour = { "hour", 0, 23, NULL };
static const struct field field_day = { "day", 1, 31, NULL };
static const struct field field_month = { "month", 1, 12, month_names };
/* 7 is Sunday, too. */
static const struct field field_weekday = { "weekday", 0, 7, weekday_names };

static int bad_field(const struct field *f, const char *word,
		     struct rvs_error *err)
{
	return rvs_error_set(err, RVS_ERR_USAGE,
			     "\"%.64s\" is no %s: give *, or numbers from %d "
			     "to %d as in 1,5 or 1-5, or either with a step "
			     "as in */2", word, f->what, f->min, f->max);
}

/* A number or name; -1: neither, or out of bounds. */
static int take_value(const struct field *f, const char **at)
{
	int value = take_name(at, f->names);

	value = value >= 0 ? value + f->min : take_number(at);
	return value >= f->min && value <= f->max ? value : -1;
}

/* "*", "A" or "A-B"; *ret_range: a step may follow. */
static bool take_range(const struct field *f, const char **at, int *ret_low,
		       int *ret_high, bool *ret_range)
{
	*ret_range = true;
	*ret_low = f->min;
	*ret_high = f->max;
	if (**at == '*') {
		(*at)++;
		return true;
	}
	*ret_low = *ret_high = take_value(f, at);
	*ret_range = **at == '-';
	if (*ret_range) {
		(*at)++;
		*ret_high = take_value(f, at);
		if (*ret_high == 0 && f->names == weekday_names)
			*ret_high = 7; /* fri-sun */
	}
	return *ret_low >= 0 && *ret_high >= *ret_low;
}

/* One item of a list, into *ret. */
static bool take_item(const struct field *f, const char **at, uint64_t *ret)
{
	int low, high, step = 1, i;
	bool range;

	if (!take_range(f, at, &low, &high, &range))
		return false;
	if (**at == '/') {
		(*at)++;
		step = take_number(at);
		if (!range || step < 1 || step > f->max)
			return false;
	}
	for (i = low; i <= high; i += step)
		*ret |= UINT64_C(1) << i;
	return true;
}

static int parse_field(struct words *w, const struct field *f, uint64_t *ret)
{
	const char *word = w->at[w->next++], *at = word;

	*ret = 0;
	while (take_item(f, &at, ret)) {
		if (*at == '\0')
			return 0;
		if (*at++ != ',')
			break;
	}
	return bad_field(f, word, w->err);
}

/* ---- the kinds of schedules ---- */

static int parse_every(struct words *w, struct rvs_schedule *ret)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = { { 's', 1 }, { 'm', MINUTE }, { 'h', HOUR },
		      { 'd', DAY }, { 'w', 7 * (int64_t)DAY } };
	const char *at = w->next < w->count ? w->at[w->next++] : "";
	int value = take_number(&at);
	size_t i;

	for (i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (*at == units[i].unit && at[1] == '\0')
			ret->every_s = value * units[i].seconds;
	if (ret->every_s < 1 || ret->every_s > EVERY_MAX_S)
		return rvs_error_set(w->err, RVS_ERR_USAGE,
				     "\"every\" takes a number and s, m, h, d "
				     "or w, up to 366d, as in \"every 15m\"");
	return 0;
}

/* Whether the next word is @word; then it is read. */
static bool take_word(struct words *w, const char *word)
{
	if (w->next == w->count || strcmp(w->at[w->next], word) != 0)
		return false;
	w->next++;
	return true;
}

/* "[at HH:MM]". */
static int parse_at(struct words *w, struct rvs_schedule *ret)
{
	const char *at;
	int hour = 0, minute = 0;

	if (take_word(w, "at")) {
		at = w->next < w->count ? w->at[w->next++] : "";
		hour = take_number(&at);
		minute = *at == ':' && strlen(at) == strlen(":MM") ?
				 (at++, take_number(&at)) :
				 -1;
		if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || *at)
			return rvs_error_set(w->err, RVS_ERR_USAGE,
					     "\"at\" takes a time from 00:00 "
					     "to 23:59");
	}
	ret->hours = 1u << hour;
	ret->minutes = UINT64_C(1) << minute;
	return 0;
}

/* "[on VALUE]", one of @f's up to @max; *ret stays when it is not there. */
static int parse_on(struct words *w, const struct field *f, int max, int *ret)
{
	const char *at;

	if (!take_word(w, "on"))
		return 0;
	at = w->next < w->count ? w->at[w->next++] : "";
	*ret = take_value(f, &at);
	if (*ret < 0 || *ret > max || *at)
		return rvs_error_set(w->err, RVS_ERR_USAGE,
				     "\"on\" takes a %s from %s", f->what,
				     f->names ? "sun to sat" : "1 to 28");
	return 0;
}

static int parse_weekly(struct words *w, struct rvs_schedule *ret)
{
	int weekday = 1; /* where weeks begin for the retention, too */

	if (parse_on(w, &field_weekday, 7, &weekday) < 0)
		return RVS_ERR_USAGE;
	ret->weekdays = (uint8_t)(1u << weekday % 7);
	return parse_at(w, ret);
}

static int parse_monthly(struct words *w, struct rvs_schedule *ret)
{
	int day = 1;

	if (parse_on(w, &field_day, MONTHLY_MAX, &day) < 0)
		return RVS_ERR_USAGE;
	ret->days = 1u << day;
	return parse_at(w, ret);
}

/* As crontab(5): days and weekdays that are both restricted add up, and one
 * that begins with a star is not. */
static int parse_cron(struct words *w, struct rvs_schedule *ret)
{
	uint64_t minutes, hours, days, months, weekdays;

	if (w->count != 5)
		return no_schedule(w->err);
	if (parse_field(w, &field_minute, &minutes) < 0 ||
	    parse_field(w, &field_hour, &hours) < 0 ||
	    parse_field(w, &field_day, &days) < 0 ||
	    parse_field(w, &field_month, &months) < 0 ||
	    parse_field(w, &field_weekday, &weekdays) < 0)
		return RVS_ERR_USAGE;
	ret->minutes = minutes;
	ret->hours = (uint32_t)hours;
	ret->days = (uint32_t)days;
	ret->months = (uint16_t)months;
	ret->weekdays = (uint8_t)((weekdays | weekdays >> 7) & ALL_WEEKDAYS);
	ret->either_day = *w->at[2] != '*' && *w->at[4] != '*';
	return 0;
}

static int parse_words(struct words *w, struct rvs_schedule *ret)
{
	if (take_word(w, "every"))
		return parse_every(w, ret);
	if (take_word(w, "hourly")) {
		ret->minutes = 1;
		return 0;
	}
	if (take_word(w, "daily"))
		return parse_at(w, ret);
	if (take_word(w, "weekly"))
		return parse_weekly(w, ret);
	if (take_word(w, "monthly"))
		return parse_monthly(w, ret);
	return parse_cron(w, ret);
}

int rvs_schedule_parse(const char *text, struct rvs_schedule *ret,
		       struct rvs_error *err)
{
	struct words words = { .err = err };
	int64_t day;
	int r = split(&words, text);

	*ret = (struct rvs_schedule){ .minutes = ALL_MINUTES,
				      .hours = ALL_HOURS,
				      .days = ALL_DAYS,
				      .months = ALL_MONTHS,
				      .weekdays = ALL_WEEKDAYS };
	if (r == 0)
		r = parse_words(&words, ret);
	if (r < 0)
		return r;
	if (words.next < words.count)
		return rvs_error_set(err, RVS_ERR_USAGE,
				     "nothing known begins with \"%.64s\" "
				     "there", words.at[words.next]);
	if (ret->every_s == 0 && !rvs_schedule_find_day(ret, 0, &day))
		return rvs_error_set(err, RVS_ERR_USAGE,
				     "no month has that day: it would never "
				     "run");
	return 0;
}
