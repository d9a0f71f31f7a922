#include "survey.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "dedup.h"
#include "format/members.h"
#include "format/name.h"
#include "hold.h"
#include "look.h"
#include "press.h"
#include "prior.h"
#include "skipped.h"
#include "source/source.h"
#include "store/store.h"
#include "stream_name.h"

enum { NAMED_BYTES_MAX = 1500 }; /* of names in an error */

struct run {
	const struct rvs_survey_options *options;
	struct rvs_ingest *ingest;
	struct rvs_hold hold;
	uint64_t new_files;  /* of this round */
	uint64_t new_bytes;
	bool first;          /* round */
};

void rvs_survey_done(struct rvs_survey *survey)
{
	uint32_t i;

	for (i = 0; survey->entries && i < survey->scan.count; i++) {
		rvs_content_done(&survey->entries[i].content);
		rvs_hold_release(&survey->entries[i]);
		free(survey->entries[i].xattrs);
	}
	free(survey->entries);
	rvs_scan_done(&survey->scan);
	*survey = (struct rvs_survey){ .scan = RVS_SCAN_INIT };
}

/* ---- taking in ---- */

static bool bundles(const struct run *run)
{
	return run->new_files > RVS_BUNDLE_FILES;
}

/* The stream of a file's own, malloc'ed, or NULL: it goes to the bundle. */
static char *stream_of(const struct run *run, const struct rvs_item *item,
		       uint64_t allocated, const char *path)
{
	char *name = NULL;

	if ((bundles(run) && item->size < RVS_STREAM_BYTES) ||
	    !rvs_stream_name_fits(path))
		return NULL;
	if (!run->options->prior && item->size > allocated + RVS_HOLES_MAX)
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
	struct rvs_ingest_file file = { .path = path,
					.clone = entry->clone,
					.old = old };
	int r;

	if (bundles(run) && item->size <= RVS_SMALL_MAX &&
	    (!old || item->size <= RVS_PAGE_LEN))
		return rvs_ingest_small(run->ingest, path, item->size,
					&entry->content, err);
	file.stream = stream = stream_of(run, item, item->blocks * 512, path);
	r = rvs_ingest_file(run->ingest, &file, &entry->content, err);
	entry->cloned = entry->clone >= 0;
	rvs_hold_release(entry);
	return r;
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
	r = rvs_hold_describe(run->options, entry, path, err);
	if (r == 0 && !entry->content.unreadable &&
	    rvs_look_is_file(&survey->scan, index))
		r = take_in_file(run, &survey->scan.items[index], entry, path,
				 err);
	entry->taken = r == 0;
	return r;
}

static bool is_done(const struct rvs_survey *survey, uint32_t index)
{
	const struct rvs_surveyed *entry = &survey->entries[index];

	return entry->unchanged || entry->taken ||
	       survey->scan.items[index].link != index;
}

/* ---- what cannot be read ---- */

/* The stream of a file that could not be read to its end is none. */
static int drop_unreadable(const struct run *run,
			   const struct rvs_survey *survey,
			   struct rvs_error *err)
{
	uint32_t i;
	int r = 0;

	for (i = 0; i < survey->scan.count && r == 0; i++) {
		RVS_CLEANUP(rvs_cleanup_free) char *path = NULL;

		if (!survey->entries[i].content.unreadable)
			continue;
		path = rvs_scan_path(&survey->scan, i);
		r = path ? rvs_look_drop(run->options, path, err) :
			   rvs_error_no_memory(err);
	}
	return r;
}

/* Name the others that cannot be opened either. */
static void try_others(const struct run *run, struct rvs_survey *survey)
{
	uint32_t i;

	for (i = 0; i < survey->scan.count; i++) {
		RVS_CLEANUP(rvs_cleanup_free) char *path = NULL;
		RVS_CLEANUP(rvs_cleanup_fd) int fd = -1;
		struct rvs_error why = RVS_ERROR_INIT;

		if (is_done(survey, i) || !rvs_look_is_file(&survey->scan, i))
			continue;
		path = rvs_scan_path(&survey->scan, i);
		if (path &&
		    rvs_source_open_file(run->options->source, path, &fd,
					 &why) < 0 &&
		    rvs_source_is_unreadable(why.os_error))
			survey->entries[i].content.unreadable = why.os_error;
	}
}

/* Unless the snapshot may go on without it, RVS_ERR_FAILED for what could not be
 * read so far. */
static int check_unreadable(const struct run *run, struct rvs_survey *survey,
			    struct rvs_error *err)
{
	RVS_CLEANUP(rvs_skipped_done) struct rvs_skipped skipped = { .names = NULL };
	RVS_CLEANUP(rvs_cleanup_free) char *names = NULL;
	int r;

	if (run->options->skip_unreadable)
		return 0;
	r = rvs_survey_skipped(survey, &skipped, err);
	if (r < 0 || skipped.count == 0)
		return r;
	rvs_skipped_done(&skipped);
	try_others(run, survey);
	r = rvs_survey_skipped(survey, &skipped, err);
	names = r < 0 ? NULL : rvs_skipped_text(&skipped, NAMED_BYTES_MAX);
	if (!names)
		return rvs_error_no_memory(err);
	return rvs_error_set(err, RVS_ERR_FAILED,
			     "cannot read %" PRIu64 " of the source's files "
			     "and directories; go on without them with "
			     "--skip-unreadable: %s",
			     skipped.count, names);
}

/* What this round has to do. */
static void count_new(struct run *run, const struct rvs_survey *survey)
{
	uint32_t i;

	run->new_files = run->new_bytes = 0;
	for (i = 0; i < survey->scan.count; i++)
		if (rvs_look_is_file(&survey->scan, i) && !is_done(survey, i)) {
			run->new_files++;
			run->new_bytes += survey->scan.items[i].size;
		}
}

static int take_in_all(struct run *run, struct rvs_survey *survey,
		       struct rvs_error *err)
{
	uint32_t i;
	int r = 0;

	count_new(run, survey);
	rvs_ingest_expect(run->ingest, run->new_bytes);
	if (run->options->prior && run->new_files > 0)
		r = rvs_prior_index(run->options->prior, err);
	for (i = 0; i < survey->scan.count && r == 0; i++) {
		if (is_done(survey, i))
			continue;
		r = take_in(run, survey, i, err);
		if (r == 0 && survey->entries[i].content.unreadable)
			r = check_unreadable(run, survey, err);
	}
	run->first = false;
	if (r == 0)
		r = rvs_ingest_finish(run->ingest, err);
	if (r == 0)
		r = check_unreadable(run, survey, err);
	return r < 0 || run->options->prior ?
		       r :
		       drop_unreadable(run, survey, err);
}

/* ---- one round after another ---- */

/* Whether each database that is of an instant of its own proved to be whole. */
static bool is_proved(const struct rvs_survey *survey)
{
	uint32_t i;

	for (i = 0; i < survey->scan.count; i++)
		if (survey->entries[i].apart &&
		    !survey->entries[i].content.captured)
			return false;
	return true;
}

static enum rvs_proof proof_of(const struct rvs_survey *survey)
{
	enum rvs_proof proof = RVS_PROOF_SETTLED;
	uint32_t i;

	for (i = 0; i < survey->scan.count; i++) {
		const struct rvs_surveyed *entry = &survey->entries[i];

		if (entry->apart || (entry->content.captured && !entry->cloned))
			return RVS_PROOF_REDB;
		if (entry->cloned)
			proof = RVS_PROOF_REFLINK;
	}
	return proof;
}

/*
 * Take in what is new, then look again.  0: what is taken in is one moment; 1:
 * something moved meanwhile.
 */
static int round_of(struct run *run, struct rvs_survey *survey,
		    struct rvs_error *err)
{
	int held = rvs_hold(&run->hold, survey, err), r;

	if (held < 0)
		return held;
	r = check_unreadable(run, survey, err);
	if (r < 0)
		return r;
	r = take_in_all(run, survey, err);
	if (r < 0)
		return r;
	if (run->hold.deadline_ms == 0)
		run->hold.deadline_ms =
			rvs_look_now_ms() + run->options->settle_ms;
	if (held == RVS_HELD_LOOSE)
		return 1;
	if (held == RVS_HELD_MOMENT && is_proved(survey))
		return 0;
	rvs_hold_unpin(survey);
	return rvs_look_again(run->options, survey, err);
}

static int settle(struct run *run, struct rvs_survey *survey,
		  struct rvs_error *err)
{
	int r;

	for (;;) {
		r = round_of(run, survey, err);
		if (r < 0)
			return r;
		if (r == 0) {
			survey->proof = proof_of(survey);
			return 0;
		}
		if (run->options->best_effort)
			return take_in_all(run, survey, err);
		if (rvs_look_now_ms() >= run->hold.deadline_ms)
			return rvs_look_busy(survey, err);
		rvs_look_pause();
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
		r = rvs_look_first(options, survey, err);
	if (r == 0)
		r = settle(run, survey, err);
	if (r == 0)
		r = rvs_ingest_end(run->ingest, err);
	return r;
}

int rvs_survey_run(const struct rvs_survey_options *options,
		   struct rvs_survey *ret, struct rvs_error *err)
{
	struct run run = {
		.options = options,
		.hold = { .options = options,
			  .cloner = { .source = options->source,
				      .scratch = rvs_store_path(
					      options->store) } },
		.first = true,
	};
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
