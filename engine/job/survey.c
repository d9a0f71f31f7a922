#include "survey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/pool.h"
#include "format/members.h"
#include "format/name.h"
#include "press.h"
#include "prior.h"
#include "store/store.h"

enum {
	BUNDLE_FILES = 256,      /* with more new files than this ... */
	STREAM_BYTES = 1 << 20,  /* ... only those so long get a stream */
	HOLES_MAX = 1 << 30,     /* bytes of zeros a stream may hold */
	SETTLE_MS = 30 * 1000,   /* after the first pass */
	PAUSE_NS = 25 * 1000 * 1000, /* longer than a clock's grain */
	NAMED_MAX = 5,           /* files named in an error */
};

struct run {
	const struct rvs_survey_options *options;
	struct rvs_ingest *ingest;
	uint64_t new_files;  /* of this round */
	uint64_t new_bytes;
	bool first;          /* round */
};

void rvs_survey_done(struct rvs_survey *survey)
{
	uint32_t i;

	for (i = 0; survey->entries && i < survey->scan.count; i++) {
		rvs_content_done(&survey->entries[i].content);
		free(survey->entries[i].xattrs);
	}
	free(survey->entries);
	rvs_scan_done(&survey->scan);
	*survey = (struct rvs_survey){ .scan = RVS_SCAN_INIT };
}

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void pause_for_grain(void)
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
	pause_for_grain();
	return scan_source(options, ret, err);
}

/* Whether a change after the look would have left another time: one that is of
 * the moment of the look may hide it, one of before, or yet to come, not. */
static bool is_telling(const struct rvs_scan *scan, struct timespec changed)
{
	return rvs_time_is_settled(changed, scan->start) ||
	       rvs_time_is_settled(scan->end, changed);
}

static bool is_file(const struct rvs_scan *scan, uint32_t index)
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

/* ---- taking in ---- */

static bool bundles(const struct run *run)
{
	return run->new_files > BUNDLE_FILES;
}

/* Names of objects that a source's directory of that name would meet. */
static bool is_reserved(const char *path)
{
	static const char *const names[] = { RVS_METADATA_NAME,
					     RVS_MANIFEST_NAME,
					     RVS_MEMBERS_NAME, RVS_BUNDLE_NAME,
					     RVS_CHECKSUM_NAME };
	size_t len = strcspn(path, "/"), i;

	for (i = 0; path[len] && i < sizeof(names) / sizeof(*names); i++)
		if (strlen(names[i]) == len && !strncmp(path, names[i], len))
			return true;
	return false;
}

/* "PATH.gz" may be an object: its name fits, and no other stream could be, or
 * lie below, one of its folders. */
static bool has_stream_name(const char *path)
{
	const char *last = strrchr(path, '/');

	last = last ? last + 1 : path;
	return strlen(path) + 3 <= RVS_STREAM_NAME_MAX &&
	       strlen(last) + 3 <= RVS_FILE_NAME_MAX && !is_reserved(path) &&
	       !strstr(path, ".gz/");
}

/* The stream of a file's own, malloc'ed, or NULL: it goes to the bundle. */
static char *stream_of(const struct run *run, const struct rvs_item *item,
		       uint64_t allocated, const char *path)
{
	char *name = NULL;

	if ((bundles(run) && item->size < STREAM_BYTES) ||
	    !has_stream_name(path))
		return NULL;
	if (!run->options->prior && item->size > allocated + HOLES_MAX)
		return NULL;
	/* A stream with members that others share cannot begin anew. */
	if (!run->first && run->options->prior)
		return NULL;
	return asprintf(&name, "%s.gz", path) < 0 ? NULL : name;
}

/* The entry that a changed file most likely was: at its path, or its inode. */
static const struct rvs_entry *old_version(const struct run *run,
					   const struct rvs_surveyed *entry)
{
	const struct rvs_entry *old;

	if (!run->options->prior || entry->old == RVS_NO_ENTRY)
		return NULL;
	old = rvs_tree_entry(rvs_prior_tree(run->options->prior), entry->old);
	return S_ISREG(old->mode) && old->size > 0 ? old : NULL;
}

static int take_in_file(struct run *run, const struct rvs_item *item,
			struct rvs_surveyed *entry, const char *path,
			struct rvs_error *err)
{
	const struct rvs_entry *old = old_version(run, entry);
	RVS_CLEANUP(rvs_cleanup_free) char *stream = NULL;

	if (bundles(run) && item->size <= RVS_SMALL_MAX &&
	    (!old || item->size <= RVS_PAGE_LEN))
		return rvs_ingest_small(run->ingest, path, item->size,
					&entry->content, err);
	stream = stream_of(run, item, item->blocks * 512, path);
	return rvs_ingest_file(run->ingest, path, stream, old, &entry->content,
			       err);
}

static int take_in(struct run *run, struct rvs_survey *survey, uint32_t index,
		   struct rvs_error *err)
{
	struct rvs_surveyed *entry = &survey->entries[index];
	RVS_CLEANUP(rvs_cleanup_free)
	char *path = rvs_scan_path(&survey->scan, index);
	int r;

	if (!path)
		return rvs_error_no_memory(err);
	r = rvs_source_xattrs(run->options->source, path, &entry->xattrs,
			      &entry->xattr_count, err);
	if (r == 0 && is_file(&survey->scan, index))
		r = take_in_file(run, &survey->scan.items[index], entry, path,
				 err);
	return r;
}

/* What this round has to do: @done says which entries have all they need. */
static void count_new(struct run *run, const struct rvs_survey *survey,
		      const bool *done)
{
	uint32_t i;

	run->new_files = run->new_bytes = 0;
	for (i = 0; i < survey->scan.count; i++)
		if (is_file(&survey->scan, i) && !done[i]) {
			run->new_files++;
			run->new_bytes += survey->scan.items[i].size;
		}
}

static int take_in_all(struct run *run, struct rvs_survey *survey,
		       const bool *done, struct rvs_error *err)
{
	uint32_t i;
	int r = 0;

	count_new(run, survey, done);
	rvs_ingest_expect(run->ingest, run->new_bytes);
	if (run->options->prior && run->new_files > 0)
		r = rvs_prior_index(run->options->prior, err);
	for (i = 0; i < survey->scan.count && r == 0; i++)
		if (!done[i] && survey->scan.items[i].link == i)
			r = take_in(run, survey, i, err);
	return r < 0 ? r : rvs_ingest_finish(run->ingest, err);
}

/* ---- one round after another ---- */

static int new_entries(struct rvs_survey *survey, bool **ret_done,
		       struct rvs_error *err)
{
	survey->entries = calloc(survey->scan.count, sizeof(*survey->entries));
	*ret_done = calloc(survey->scan.count, sizeof(**ret_done));
	return survey->entries && *ret_done ? 0 : rvs_error_no_memory(err);
}

static int first_round(struct run *run, struct rvs_survey *survey,
		       struct rvs_error *err)
{
	RVS_CLEANUP(rvs_cleanup_free) bool *done = NULL;
	uint32_t i;
	int r = scan_first(run->options, &survey->scan, err);

	if (r == 0)
		r = new_entries(survey, &done, err);
	if (r < 0)
		return r;
	survey->moment = survey->scan.start;
	match_prior(run->options, survey);
	for (i = 0; i < survey->scan.count; i++)
		done[i] = survey->entries[i].unchanged;
	return take_in_all(run, survey, done, err);
}

/*
 * Whether item @now of the second look is what item @then of the first was.  A
 * database that was captured is one moment by itself, and may move: it keeps
 * what the first look saw, so that the next snapshot sees that it moved.
 */
static bool stood_still(const struct rvs_survey *before, uint32_t then,
			struct rvs_survey *survey, uint32_t now)
{
	const struct rvs_item *old = &before->scan.items[then];
	struct rvs_item *item = &survey->scan.items[now];

	/* It must be the one whose bytes were taken in. */
	if (is_file(&survey->scan, now) && !is_file(&before->scan, then))
		return false;
	if (before->entries[then].content.captured && item->ino == old->ino &&
	    item->mode == old->mode) {
		item->size = old->size;
		item->mtime = old->mtime;
		item->ctime = old->ctime;
		return true;
	}
	return rvs_item_same(old, item) &&
	       is_telling(&before->scan, item->ctime);
}

/* Move over what the round before has of entries that stood still. */
static uint32_t keep_settled(struct rvs_survey *before,
			     struct rvs_survey *survey, const uint32_t *match,
			     bool *done)
{
	uint32_t moved = 0, i;

	for (i = 0; i < survey->scan.count; i++) {
		struct rvs_surveyed *old;

		done[i] = match[i] != UINT32_MAX &&
			  stood_still(before, match[i], survey, i);
		if (!done[i]) {
			moved++;
			done[i] = survey->entries[i].unchanged;
			continue;
		}
		old = &before->entries[match[i]];
		old->kept = true;
		survey->entries[i].unchanged = old->unchanged;
		survey->entries[i].content = old->content;
		survey->entries[i].xattrs = old->xattrs;
		survey->entries[i].xattr_count = old->xattr_count;
		old->content = (struct rvs_content){ 0 };
		old->xattrs = NULL;
	}
	return moved;
}

/* A complete stream whose file moved, or went, is none any more. */
static int drop_streams(struct run *run, const struct rvs_survey *before,
			struct rvs_error *err)
{
	uint32_t i;
	int r = 0;

	if (run->options->prior)
		return 0;
	for (i = 0; i < before->scan.count && r == 0; i++) {
		RVS_CLEANUP(rvs_cleanup_free) char *path = NULL;
		RVS_CLEANUP(rvs_cleanup_free) char *stream = NULL;

		if (!is_file(&before->scan, i) || before->entries[i].kept)
			continue;
		path = rvs_scan_path(&before->scan, i);
		if (!path || asprintf(&stream, "%s.gz", path) < 0)
			return rvs_error_no_memory(err);
		r = rvs_writer_drop(run->options->writer, stream, err);
	}
	return r;
}

static int no_longer_there(const struct rvs_scan *before,
			   const struct rvs_scan *scan, const uint32_t *match)
{
	uint32_t matched = 0, i;

	for (i = 0; i < scan->count; i++)
		matched += match[i] != UINT32_MAX;
	return matched != before->count;
}

/*
 * Look again.  0: the source stood still, and @survey has all it needs; 1: it
 * moved, and what moved was taken in again.  *ret_done then tells what had
 * stood still.
 */
static int next_round(struct run *run, struct rvs_survey *survey,
		      bool **ret_done, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_survey_done) struct rvs_survey before = *survey;
	RVS_CLEANUP(rvs_cleanup_free) uint32_t *match = NULL;
	uint32_t moved;
	int r;

	*survey = (struct rvs_survey){ .scan = RVS_SCAN_INIT,
				       .moment = before.moment };
	r = scan_source(run->options, &survey->scan, err);
	if (r == 0)
		r = new_entries(survey, ret_done, err);
	if (r == 0)
		r = match_scans(&before.scan, &survey->scan, &match, err);
	if (r < 0)
		return r;
	match_prior(run->options, survey);
	moved = keep_settled(&before, survey, match, *ret_done);
	if (moved == 0 && !no_longer_there(&before.scan, &survey->scan, match))
		return 0;
	run->first = false;
	r = drop_streams(run, &before, err);
	if (r < 0)
		return r;
	r = take_in_all(run, survey, *ret_done, err);
	return r < 0 ? r : 1;
}

/* RVS_ERR_BUSY, naming what was not @done. */
static int name_movers(const struct rvs_survey *survey, const bool *done,
		       struct rvs_error *err)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf names = RVS_BUF_INIT;
	uint32_t i, count = 0;

	for (i = 0; i < survey->scan.count; i++) {
		RVS_CLEANUP(rvs_cleanup_free) char *path = NULL;

		if (done[i] || count++ >= NAMED_MAX)
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

static int settle(struct run *run, struct rvs_survey *survey,
		  struct rvs_error *err)
{
	int64_t deadline = now_ms() + SETTLE_MS;

	for (;;) {
		RVS_CLEANUP(rvs_cleanup_free) bool *done = NULL;
		int r = next_round(run, survey, &done, err);

		if (r < 0)
			return r;
		survey->settled = r == 0;
		if (r == 0 || run->options->best_effort)
			return 0;
		if (now_ms() >= deadline)
			return name_movers(survey, done, err);
		pause_for_grain();
	}
}

static int run_rounds(struct run *run, struct rvs_survey *survey,
		      struct rvs_error *err)
{
	const struct rvs_survey_options *options = run->options;
	const struct rvs_ingest_options ingest = {
		.source = options->source,
		.pool = options->pool,
		.press = options->press,
		.prior = options->prior,
		.volume = options->volume,
		.monitor = options->monitor,
		.scratch = rvs_store_path(options->store),
	};
	int r = rvs_ingest_new(&ingest, &run->ingest, err);

	if (r == 0)
		r = first_round(run, survey, err);
	if (r == 0)
		r = settle(run, survey, err);
	if (r == 0)
		r = rvs_ingest_end(run->ingest, err);
	return r;
}

int rvs_survey_run(const struct rvs_survey_options *options,
		   struct rvs_survey *ret, struct rvs_error *err)
{
	struct run run = { .options = options, .first = true };
	int r;

	*ret = (struct rvs_survey){ .scan = RVS_SCAN_INIT };
	r = run_rounds(&run, ret, err);
	/* Packing may still use the ingest's memory. */
	if (rvs_press_drain(options->press, NULL) < 0 && r == 0)
		r = rvs_press_drain(options->press, err);
	rvs_ingest_free(run.ingest);
	if (r < 0)
		rvs_survey_done(ret);
	return r;
}
