/*
 * Schedule: what a store does by itself, and when.
 *
 * A schedule is one line of text, kept in store.json with the retention policy:
 *
 *	every 15m                   a number and s, m, h, d or w; counted from
 *	                            1970 (UTC), so every 15m is at :00 :15 ...
 *	hourly
 *	daily [at 03:00]
 *	weekly [on sun] [at 03:00]  else on Monday
 *	monthly [on 15] [at 03:00]  else on the 1st; up to the 28th
 *	0 3 * * mon-fri             five fields of crontab(5)
 *
 * All but the first go by local time.  A time that the clock skips in spring
 * comes when it has skipped it; one that it shows twice in autumn comes the
 * first time.  Runs of every hour come each hour.
 */
#ifndef RVS_SCHEDULE_H
#define RVS_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include <rvs/error.h>
#include <rvs/job.h>
#include <rvs/snapshot.h>

struct rvs_store;

#define RVS_SCHEDULE_MAX 256 /* bytes of its text */

/* When something runs; bit n of a field stands for the value n. */
struct rvs_schedule {
	int64_t every_s;  /* > 0: so often, and the rest does not count */
	uint64_t minutes;
	uint32_t hours;
	uint32_t days;    /* of the month, from 1 */
	uint16_t months;  /* from 1 */
	uint8_t weekdays; /* Sunday is 0 */
	bool either_day;  /* days or weekdays: one of them suffices */
};

/*
 * RVS_ERR_USAGE, with a text that says what is wrong, for what is no schedule
 * or never comes.  Letters may be of either case.
 */
int rvs_schedule_parse(const char *text, struct rvs_schedule *ret,
		       struct rvs_error *err);

/* The first run after @after, or -1: there is none before the year 9999.  Who
 * changes the time zone calls tzset(3) first; threads may call this. */
time_t rvs_schedule_next(const struct rvs_schedule *schedule, time_t after);

/* Whether a run came after @last, and not after @now; *ret (may be NULL) is the
 * newest such, so that several that were missed are made up for once. */
bool rvs_schedule_due(const struct rvs_schedule *schedule, time_t last,
		      time_t now, time_t *ret);

/* ---- what store.json says ---- */

/* What the store does by itself. */
struct rvs_plan {
	char *schedule; /* text, or NULL */
	char *policy;   /* text of rvs_policy_parse(), or NULL */
};

/* What is in force now, whoever changed it since the store was opened.  A change
 * changes the store's generation, too.  @ret is for rvs_plan_done(). */
int rvs_plan_read(struct rvs_store *store, struct rvs_plan *ret,
		  struct rvs_error *err);
void rvs_plan_done(struct rvs_plan *plan);

/*
 * Change one of them, in store.json, at once.  NULL, "" and "none" take it
 * away.  A text that cannot be is RVS_ERR_USAGE, and changes nothing.  Runs of a
 * new schedule count from @now on.
 */
int rvs_plan_set_schedule(struct rvs_store *store, const char *text, time_t now,
			  struct rvs_error *err);
int rvs_plan_set_policy(struct rvs_store *store, const char *text,
			struct rvs_error *err);

/* ---- doing it ---- */

struct rvs_tick_options {
	const char *source; /* of the snapshot; NULL: the store's */
	bool look;          /* only tell: nothing is made or written */
	struct rvs_monitor monitor;
	/* Pruned snapshots, as with rvs_prune(); may be NULL. */
	void (*judged)(void *arg, const struct rvs_verdict *verdict);
	void *arg;
};

/* Times are 0 where there is none. */
struct rvs_tick_result {
	bool scheduled; /* the store has a schedule */
	bool due;       /* a run had come that was not made yet */
	bool made;      /* a snapshot, which the caller owns */
	bool others;    /* another process is at it: nothing was done */
	struct rvs_snapshot snapshot; /* for rvs_snapshot_done() */
	uint64_t pruned;
	time_t due_at;  /* when the run that was due should have come */
	time_t last;    /* the run that was made last, or since when they count */
	time_t next;    /* when to call again */
	time_t failed_at;    /* when a run failed that was not made up yet */
	char *failure;       /* and why; or NULL; for rvs_tick_done() */
};

/*
 * Do what is due at @now: make one snapshot, however many runs were missed; when
 * that succeeded, delete what the policy does not keep, and free what that
 * frees.  The snapshot is named by its id; its metadata has "schedule" and
 * "scheduled_at".  Returns 0 when nothing is due; RVS_ERR_USAGE when the
 * schedule or the policy in store.json cannot be read, or what rvs_create() and
 * rvs_prune() return.  A run that failed is due until it succeeds or the next
 * one comes; @ret is filled in any case, and is for rvs_tick_done().
 *
 * Any number of processes may call this: of those at the same time one does the
 * work.
 */
int rvs_tick(struct rvs_store *store, time_t now,
	     const struct rvs_tick_options *options,
	     struct rvs_tick_result *ret, struct rvs_error *err);
void rvs_tick_done(struct rvs_tick_result *result);

#endif
