#include "look.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "prior.h"
#include "store/store.h"
#include "store/writer.h"

enum {
	PAUSE_NS = 25 * 1000 * 1000, /* longer than a clock's grain */
	NAMED_MAX = 5,               /* files named in an error */
};

int64_t rvs_look_now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void rvs_look_pause(void)
{
	const struct timespec pause = { 0, PAUSE_NS };

	(void)nanosleep(&pause, NULL);
}

/* ---- looking ---- */

static int scan_source(const struct rvs_survey_options *options,
		       struct rvs_scan *ret, struct rvs_error *err)
{
	const struct rvs_scan_options scan = {
		.store_path = rvs_store_path(options->store),
		.store_uuid = rvs_store_config(options->store)->uuid,
		.excludes = rvs_store_config(options->store)->excludes,
		.cross_filesystems = options->cross_filesystems,
		.arg = options->monitor->arg,
		.warning = options->monitor->warning,
		.cancelled = options->monitor->cancelled,
	};

	return rvs_scan_run(options->source, &scan, ret, err);
}

/* A source written a moment ago cannot prove that it stands still: the clock's
 * grain later it can. */
static int scan_first(const struct rvs_survey_options *options,
		      struct rvs_scan *ret, struct rvs_error *err)
{
	int r = scan_source(options, ret, err);

	if (r < 0 || rvs_time_is_settled(ret->newest, ret->start))
		return r;
	rvs_scan_done(ret);
	rvs_look_pause();
	return scan_source(options, ret, err);
}

/* Whether a change after the look would have left another time: one that is of
 * the moment of the look may hide it, one of before, or yet to come, not. */
static bool is_telling(const struct rvs_scan *scan, struct timespec changed)
{
	return rvs_time_is_settled(changed, scan->start) ||
	       rvs_time_is_settled(scan->end, changed);
}

bool rvs_look_is_file(const struct rvs_scan *scan, uint32_t index)
{
	const struct rvs_item *item = &scan->items[index];

	return S_ISREG(item->mode) && item->link == index;
}

/* ---- against the prior ---- */

static bool equals_entry(const struct rvs_tree *tree, uint32_t index,
			 const struct rvs_item *item)
{
	const struct rvs_entry *entry = rvs_tree_entry(tree, index);
	const struct rvs_origin *origin = rvs_tree_origin(tree, index);

	return entry->mode == item->mode && origin->ino == item->ino &&
	       entry->size == item->size &&
	       entry->mtime.tv_sec == item->mtime.tv_sec &&
	       entry->mtime.tv_nsec == item->mtime.tv_nsec &&
	       origin->ctime.tv_sec == item->ctime.tv_sec &&
	       origin->ctime.tv_nsec == item->ctime.tv_nsec;
}

/* Find each item's entry in the prior, and which did not change. */
static void match_prior(const struct rvs_survey_options *options,
			struct rvs_survey *survey)
{
	const struct rvs_scan *scan = &survey->scan;
	uint32_t i;

	for (i = 0; i < scan->count; i++) {
		const struct rvs_item *item = &scan->items[i];
		struct rvs_surveyed *entry = &survey->entries[i];

		entry->old = RVS_NO_ENTRY;
		if (!options->prior)
			continue;
		entry->old = i == 0 ? 0 :
				      rvs_prior_child(
					      options->prior,
					      survey->entries[item->parent].old,
					      item->name);
		entry->unchanged =
			entry->old != RVS_NO_ENTRY && item->link == i &&
			!(options->rehash && S_ISREG(item->mode)) &&
			rvs_time_is_settled(item->ctime, options->prior_scan) &&
			equals_entry(rvs_prior_tree(options->prior), entry->old,
				     item);
	}
}

/* ---- against the look before ---- */

/* For each item, where the next begins that is not below it. */
static uint32_t *skip_table(const struct rvs_scan *scan)
{
	uint32_t *skip = calloc(scan->count, sizeof(*skip)), i;

	for (i = scan->count; skip && i-- > 0;) {
		if (skip[i] == 0)
			skip[i] = i + 1; /* nothing below it */
		if (i > 0 && skip[scan->items[i].parent] < skip[i])
			skip[scan->items[i].parent] = skip[i];
	}
	return skip;
}

/*
 * For each item of @scan the one of @before at the same path, or UINT32_MAX.
 * Both are in the same order, so each directory of @before is passed once.
 */
static int match_scans(const struct rvs_scan *before,
		       const struct rvs_scan *scan, uint32_t **ret,
		       struct rvs_error *err)
{
	RVS_CLEANUP(rvs_cleanup_free) uint32_t *skip = skip_table(before);
	RVS_CLEANUP(rvs_cleanup_free)
	uint32_t *next = calloc(before->count, sizeof(*next));
	uint32_t *match = calloc(scan->count, sizeof(*match));
	uint32_t i;

	if (!skip || !next || !match) {
		free(match);
		return rvs_error_no_memory(err);
	}
	for (i = 0; i < before->count; i++)
		next[i] = i + 1; /* a directory's first child */
	for (i = 1; i < scan->count; i++) {
		uint32_t dir = match[scan->items[i].parent];
		int order = -1;

		match[i] = UINT32_MAX;
		while (dir != UINT32_MAX && next[dir] < skip[dir]) {
			uint32_t at = next[dir];

			order = strcmp(before->items[at].name,
				       scan->items[i].name);
			if (order > 0)
				break;
			next[dir] = skip[at];
			if (order < 0)
				continue;
			match[i] = at;
			break;
		}
	}
	*ret = match;
	return 0;
}

/* ---- one look after another ---- */

static int new_entries(struct rvs_survey *survey, struct rvs_error *err)
{
	uint32_t i;

	survey->entries = calloc(survey->scan.count, sizeof(*survey->entries));
	if (!survey->entries)
		return rvs_error_no_memory(err);
	for (i = 0; i < survey->scan.count; i++)
		survey->entries[i].clone = -1;
	return 0;
}

int rvs_look_first(const struct rvs_survey_options *options,
		   struct rvs_survey *survey, struct rvs_error *err)
{
	int r = scan_first(options, &survey->scan, err);

	if (r == 0)
		r = new_entries(survey, err);
	if (r < 0)
		return r;
	survey->moment = survey->scan.start;
	match_prior(options, survey);
	return 0;
}

/* What is one moment by itself keeps what the first look saw, so that the next
 * snapshot sees that it moved. */
static void keep_old_times(const struct rvs_item *old, struct rvs_item *item)
{
	item->size = old->size;
	item->mtime = old->mtime;
	item->ctime = old->ctime;
}

/* Whether item @now of the second look is what item @then of the first was. */
static bool stood_still(const struct rvs_survey *before, uint32_t then,
			struct rvs_survey *survey, uint32_t now)
{
	const struct rvs_item *old = &before->scan.items[then];
	const struct rvs_surveyed *entry = &before->entries[old->link];
	struct rvs_item *item = &survey->scan.items[now];

	/* It must be the one whose bytes were taken in. */
	if (rvs_look_is_file(&survey->scan, now) &&
	    !rvs_look_is_file(&before->scan, then))
		return false;
	if ((entry->content.captured || entry->pinned) &&
	    item->ino == old->ino && item->mode == old->mode) {
		keep_old_times(old, item);
		return true;
	}
	return rvs_item_same(old, item) &&
	       is_telling(&before->scan, item->ctime);
}

/* What the look before has of an entry that stood still is its own now. */
static void keep(struct rvs_surveyed *old, struct rvs_surveyed *entry)
{
	uint32_t in_prior = entry->old;

	*entry = *old;
	entry->old = in_prior;
	*old = (struct rvs_surveyed){ .clone = -1, .kept = true };
}

/* Returns how many entries moved. */
static uint32_t keep_settled(struct rvs_survey *before,
			     struct rvs_survey *survey, const uint32_t *match)
{
	uint32_t moved = 0, i;

	for (i = 0; i < survey->scan.count; i++) {
		struct rvs_surveyed *entry = &survey->entries[i];

		entry->moved = match[i] == UINT32_MAX ||
			       !stood_still(before, match[i], survey, i);
		moved += entry->moved;
		if (!entry->moved) {
			keep(&before->entries[match[i]], entry);
			entry->moved = false;
		}
	}
	return moved;
}

int rvs_look_drop(const struct rvs_survey_options *options, const char *path,
		  struct rvs_error *err)
{
	RVS_CLEANUP(rvs_cleanup_free) char *stream = NULL;

	if (asprintf(&stream, "%s.gz", path) < 0)
		return rvs_error_no_memory(err);
	return rvs_writer_drop(options->writer, stream, err);
}

/* A complete stream whose file moved, or went, is none any more. */
static int drop_streams(const struct rvs_survey_options *options,
			const struct rvs_survey *before, struct rvs_error *err)
{
	uint32_t i;
	int r = 0;

	if (options->prior)
		return 0;
	for (i = 0; i < before->scan.count && r == 0; i++) {
		RVS_CLEANUP(rvs_cleanup_free) char *path = NULL;

		if (!before->entries[i].taken ||
		    !rvs_look_is_file(&before->scan, i))
			continue;
		path = rvs_scan_path(&before->scan, i);
		r = path ? rvs_look_drop(options, path, err) :
			   rvs_error_no_memory(err);
	}
	return r;
}

static bool went(const struct rvs_scan *before, const struct rvs_scan *scan,
		 const uint32_t *match)
{
	uint32_t matched = 0, i;

	for (i = 0; i < scan->count; i++)
		matched += match[i] != UINT32_MAX;
	return matched != before->count;
}

int rvs_look_again(const struct rvs_survey_options *options,
		   struct rvs_survey *survey, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_survey_done) struct rvs_survey before = *survey;
	RVS_CLEANUP(rvs_cleanup_free) uint32_t *match = NULL;
	bool moved;
	int r;

	*survey = (struct rvs_survey){ .scan = RVS_SCAN_INIT,
				       .moment = before.moment };
	r = scan_source(options, &survey->scan, err);
	if (r == 0)
		r = new_entries(survey, err);
	if (r == 0)
		r = match_scans(&before.scan, &survey->scan, &match, err);
	if (r < 0)
		return r;
	match_prior(options, survey);
	moved = keep_settled(&before, survey, match) > 0;
	moved |= went(&before.scan, &survey->scan, match);
	r = moved ? drop_streams(options, &before, err) : 0;
	return r < 0 ? r : moved;
}

int rvs_look_busy(const struct rvs_survey *survey, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf names = RVS_BUF_INIT;
	uint32_t i, count = 0;

	for (i = 0; i < survey->scan.count; i++) {
		RVS_CLEANUP(rvs_cleanup_free) char *path = NULL;

		if (!survey->entries[i].moved || count++ >= NAMED_MAX)
			continue;
		path = rvs_scan_path(&survey->scan, i);
		if (names.len > 0)
			rvs_buf_put(&names, ", ", 2);
		if (path)
			rvs_buf_put(&names, path, strlen(path));
	}
	rvs_buf_put_u8(&names, 0);
	return rvs_error_set(err, RVS_ERR_BUSY,
			     "the source does not stand still: %s%s kept "
			     "changing; try when it rests, or accept it with "
			     "--best-effort",
			     names.failed ? "" : (const char *)names.bytes,
			     count > NAMED_MAX ? " and others" : "");
}
