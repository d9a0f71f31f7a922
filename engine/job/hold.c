#include "hold.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "look.h"
#include "prior.h"
#include "source/redb.h"
#include "source/source.h"

enum {
	TRIES = 8,          /* to pin the movers, between two looks at all */
	TRIES_TOGETHER = 4, /* before databases may be apart */
	LOOKS_BEST_EFFORT = 2,
};

/* A file that moved, while it is being pinned. */
struct mover {
	struct rvs_item *item;
	struct rvs_surveyed *entry;
	char *path;
	bool database;
	bool moved; /* between its stats, or perhaps */
};

struct movers {
	struct mover *items;
	size_t count;
};

static void movers_done(struct movers *movers)
{
	while (movers->count > 0)
		free(movers->items[--movers->count].path);
	free(movers->items);
}

/* ---- one entry ---- */

void rvs_hold_release(struct rvs_surveyed *entry)
{
	if (entry->clone >= 0)
		(void)close(entry->clone);
	entry->clone = -1;
}

static void forget(struct rvs_surveyed *entry)
{
	rvs_hold_release(entry);
	free(entry->xattrs);
	entry->xattrs = NULL;
	entry->xattr_count = 0;
	entry->described = false;
	entry->content.unreadable = 0;
}

int rvs_hold_describe(const struct rvs_survey_options *options,
		      struct rvs_surveyed *entry, const char *path,
		      struct rvs_error *err)
{
	struct rvs_error why = RVS_ERROR_INIT;
	int r;

	if (entry->described)
		return 0;
	r = rvs_source_xattrs(options->source, path, &entry->xattrs,
			      &entry->xattr_count, &why);
	entry->described = r == 0;
	if (r < 0 && rvs_source_is_unreadable(why.os_error)) {
		entry->content.unreadable = why.os_error;
		return 0;
	}
	if (r < 0 && err)
		*err = why;
	return r;
}

/* 1: it cannot be cloned.  One that went has none: the next look sees it. */
static int clone_file(struct rvs_hold *hold, struct rvs_surveyed *entry,
		      const char *path)
{
	RVS_CLEANUP(rvs_cleanup_fd) int fd = -1;
	struct rvs_error why = RVS_ERROR_INIT;
	int r = rvs_source_open_file(hold->options->source, path, &fd, &why);

	if (r < 0 && rvs_source_is_unreadable(why.os_error)) {
		entry->content.unreadable = why.os_error;
		return 0;
	}
	if (r < 0)
		return r != RVS_ERR_NOT_FOUND && r != RVS_ERR_BUSY;
	entry->clone = rvs_cloner_clone(&hold->cloner, fd);
	return entry->clone < 0;
}

static bool wants_clone(const struct rvs_survey *survey, uint32_t index)
{
	const struct rvs_surveyed *entry = &survey->entries[index];

	return !entry->unchanged && !entry->taken && entry->clone < 0 &&
	       !entry->content.unreadable &&
	       rvs_look_is_file(&survey->scan, index);
}

/* 1: it cannot be cloned. */
static int hold_entry(struct rvs_hold *hold, struct rvs_survey *survey,
		      uint32_t index, struct rvs_error *err)
{
	struct rvs_surveyed *entry = &survey->entries[index];
	RVS_CLEANUP(rvs_cleanup_free) char *path = NULL;
	int r;

	if (entry->unchanged || survey->scan.items[index].link != index ||
	    (entry->described && !wants_clone(survey, index)))
		return 0;
	path = rvs_scan_path(&survey->scan, index);
	if (!path)
		return rvs_error_no_memory(err);
	r = rvs_hold_describe(hold->options, entry, path, err);
	if (r == 0 && wants_clone(survey, index))
		r = clone_file(hold, entry, path);
	return r;
}

/* ---- all of them ---- */

static bool is_cancelled(const struct rvs_hold *hold)
{
	const struct rvs_monitor *m = hold->options->monitor;

	return m->cancelled && m->cancelled(m->arg);
}

/* 1: not all can be cloned. */
static int hold_all(struct rvs_hold *hold, struct rvs_survey *survey,
		    struct rvs_error *err)
{
	uint32_t i;
	int r = 0;

	for (i = 0; i < survey->scan.count && r == 0; i++) {
		r = hold_entry(hold, survey, i, err);
		if (r == 0 && is_cancelled(hold))
			r = rvs_error_set(err, RVS_ERR_INTERRUPTED,
					  "interrupted");
	}
	return r;
}

/* Whether one is to be taken in that has none, since it went and came back. */
static bool lacks_clone(const struct rvs_survey *survey)
{
	uint32_t i;

	for (i = 0; i < survey->scan.count; i++)
		if (wants_clone(survey, i))
			return true;
	return false;
}

static size_t count_wanted(const struct rvs_survey *survey)
{
	size_t count = 0;
	uint32_t i;

	for (i = 0; i < survey->scan.count; i++)
		count += rvs_look_is_file(&survey->scan, i) &&
			 !survey->entries[i].unchanged &&
			 !survey->entries[i].taken;
	return count;
}

/* ---- pinning what moves ---- */

static int compare_movers(const void *a, const void *b)
{
	const struct timespec x = ((const struct mover *)a)->item->ctime;
	const struct timespec y = ((const struct mover *)b)->item->ctime;

	if (x.tv_sec != y.tv_sec)
		return x.tv_sec < y.tv_sec ? -1 : 1;
	return (x.tv_nsec > y.tv_nsec) - (x.tv_nsec < y.tv_nsec);
}

/* Those without a clone, the one last written at the end. */
static int find_movers(struct rvs_survey *survey, size_t wanted,
		       struct movers *ret, struct rvs_error *err)
{
	uint32_t i;

	ret->items = calloc(wanted + 1, sizeof(*ret->items));
	if (!ret->items)
		return rvs_error_no_memory(err);
	for (i = 0; i < survey->scan.count; i++) {
		struct mover *mover = &ret->items[ret->count];

		if (!wants_clone(survey, i))
			continue;
		mover->item = &survey->scan.items[i];
		mover->entry = &survey->entries[i];
		mover->path = rvs_scan_path(&survey->scan, i);
		if (!mover->path)
			return rvs_error_no_memory(err);
		ret->count++;
	}
	qsort(ret->items, ret->count, sizeof(*ret->items), compare_movers);
	return 0;
}

static bool is_database(int fd)
{
	uint8_t head[16];
	ssize_t n = rvs_io_pread(fd, head, sizeof(head), 0);

	return n > 0 && rvs_redb_detect(head, (size_t)n);
}

/* 1: it is not there, or no file, or not the one it was. */
static int look_at(const struct rvs_hold *hold, const struct mover *mover,
		   struct rvs_item *ret)
{
	struct stat st;

	if (rvs_source_stat(hold->options->source, mover->path, &st) < 0 ||
	    st.st_ino != mover->item->ino || st.st_mode != mover->item->mode)
		return 1;
	*ret = *mover->item;
	rvs_item_set(ret, &st);
	return 0;
}

/* Stat them all, clone them all, stat them all.  1: one is gone. */
static int clone_movers(struct rvs_hold *hold, struct movers *movers,
			struct rvs_error *err)
{
	struct timespec start;
	struct rvs_item after;
	size_t i;
	int r = 0;

	(void)clock_gettime(CLOCK_REALTIME, &start);
	for (i = 0; i < movers->count && r == 0; i++) {
		struct mover *mover = &movers->items[i];

		forget(mover->entry);
		r = look_at(hold, mover, mover->item);
		mover->moved =
			!rvs_time_is_settled(mover->item->ctime, start);
	}
	for (i = 0; i < movers->count && r == 0; i++) {
		struct mover *mover = &movers->items[i];

		r = rvs_hold_describe(hold->options, mover->entry, mover->path,
				      err);
		if (r == 0)
			r = clone_file(hold, mover->entry, mover->path);
	}
	for (i = 0; i < movers->count && r == 0; i++) {
		struct mover *mover = &movers->items[i];

		r = look_at(hold, mover, &after);
		mover->moved |= r == 0 && !rvs_item_same(mover->item, &after);
		mover->database = mover->entry->clone >= 0 &&
				  is_database(mover->entry->clone);
	}
	return r;
}

/* Whether the clones just made are of one instant; with @apart but for
 * databases.  A single mover must have been cloned last: it will be. */
static bool is_moment(struct movers *movers, bool apart)
{
	size_t count = 0, place = 0, i;
	struct mover last;

	for (i = 0; i < movers->count; i++)
		if (movers->items[i].moved &&
		    !(apart && movers->items[i].database)) {
			count++;
			place = i;
		}
	if (count == 0 || (count == 1 && place == movers->count - 1))
		return true;
	last = movers->items[place];
	movers->items[place] = movers->items[movers->count - 1];
	movers->items[movers->count - 1] = last;
	return false;
}

static void set_pinned(struct movers *movers, bool apart)
{
	size_t i;

	for (i = 0; i < movers->count; i++) {
		const struct mover *mover = &movers->items[i];

		mover->entry->pinned = true;
		mover->entry->apart = apart && mover->moved && mover->database;
	}
}

/* Clone what moved as one moment, if that can be had now; else some of them, or
 * none, for the next look to find wanting. */
static int pin(struct rvs_hold *hold, struct rvs_survey *survey, size_t wanted,
	       struct rvs_error *err)
{
	RVS_CLEANUP(movers_done) struct movers movers = { NULL, 0 };
	int r = find_movers(survey, wanted, &movers, err), i;

	for (i = 0; i < TRIES && r == 0 && movers.count > 0; i++) {
		bool apart = i >= TRIES_TOGETHER;

		if (i > 0)
			rvs_look_pause();
		if (is_cancelled(hold))
			return rvs_error_set(err, RVS_ERR_INTERRUPTED,
					     "interrupted");
		r = clone_movers(hold, &movers, err);
		if (r != 0)
			return r < 0 ? r : 0;
		if (is_moment(&movers, apart)) {
			set_pinned(&movers, apart);
			return 0;
		}
	}
	return r;
}

void rvs_hold_unpin(struct rvs_survey *survey)
{
	uint32_t i;

	for (i = 0; i < survey->scan.count; i++) {
		struct rvs_surveyed *entry = &survey->entries[i];

		if (!entry->pinned)
			continue;
		if (!entry->taken)
			forget(entry);
		entry->pinned = entry->apart = false;
		entry->moved = true;
	}
}

/* ---- the whole ---- */

/* Give each entry that is to be taken in a clone.  1: that cannot be. */
static int hold_once(struct rvs_hold *hold, struct rvs_survey *survey,
		     bool again, struct rvs_error *err)
{
	size_t wanted = count_wanted(survey);
	int r = 0;

	if (wanted == 0 || wanted > RVS_HOLD_MAX || hold->cloner.refused)
		return 1;
	if (again) {
		rvs_look_pause();
		r = pin(hold, survey, wanted, err);
	}
	return r < 0 ? r : hold_all(hold, survey, err);
}

static int hold_until_still(struct rvs_hold *hold, struct rvs_survey *survey,
			    struct rvs_error *err)
{
	const struct rvs_survey_options *options = hold->options;
	unsigned looks;
	int r;

	for (looks = 0;; looks++) {
		r = hold_once(hold, survey, looks > 0, err);
		if (r != 0)
			return r < 0 ? r : RVS_HELD_NONE;
		if (options->best_effort && looks == LOOKS_BEST_EFFORT)
			return RVS_HELD_LOOSE;
		if (hold->deadline_ms == 0)
			hold->deadline_ms =
				rvs_look_now_ms() + options->settle_ms;
		r = rvs_look_again(options, survey, err);
		if (r < 0)
			return r;
		if (r == 0)
			return lacks_clone(survey) ? RVS_HELD_NONE :
						     RVS_HELD_MOMENT;
		rvs_hold_unpin(survey);
		if (!options->best_effort &&
		    rvs_look_now_ms() >= hold->deadline_ms)
			return rvs_look_busy(survey, err);
	}
}

int rvs_hold(struct rvs_hold *hold, struct rvs_survey *survey,
	     struct rvs_error *err)
{
	int r = hold_until_still(hold, survey, err);
	uint32_t i;

	for (i = 0; r == RVS_HELD_NONE && i < survey->scan.count; i++)
		rvs_hold_release(&survey->entries[i]);
	return r;
}
