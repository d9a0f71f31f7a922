/*
 * Create: make a snapshot.
 */
#include <rvs/job.h>

#include <rvs/revert.h>

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/pool.h"
#include "collect.h"
#include "describe.h"
#include "hook.h"
#include "press.h"
#include "prior.h"
#include "signing.h"
#include "skipped.h"
#include "source/scan.h"
#include "source/source.h"
#include "store/json.h"
#include "store/record.h"
#include "store/snapshot.h"
#include "store/store.h"
#include "store/tree.h"
#include "store/writer.h"
#include "survey.h"

enum { METADATA_MAX = 64 << 10 }; /* bytes */

/* What a snapshot is made with; freed from the last to the first. */
struct making {
	struct rvs_store *store;
	const struct rvs_create_options *options;
	struct rvs_source *source;
	struct rvs_snapshot base; /* id empty: none */
	struct rvs_prior *prior;
	struct rvs_pool *pool;
	struct rvs_writer *writer;
	struct rvs_press *press;
	struct rvs_survey survey;
	struct rvs_snapshot record;
};

static void making_done(struct making *m)
{
	rvs_snapshot_done(&m->record);
	rvs_survey_done(&m->survey);
	rvs_press_free(m->press);
	rvs_writer_free(m->writer);
	rvs_pool_free(m->pool);
	rvs_prior_free(m->prior);
	rvs_snapshot_done(&m->base);
	rvs_source_free(m->source);
}

static void warn_user(const struct rvs_create_options *options,
		      const char *text)
{
	if (options->monitor.warning)
		options->monitor.warning(options->monitor.arg, text);
}

/* ---- what was asked for ---- */

/* Keys are JSON's, so they are text, each once; and the record they go into must
 * not grow beyond what a listing reads. */
static int check_metadata(const struct rvs_create_options *options,
			  struct rvs_error *err)
{
	RVS_CLEANUP(rvs_json_cleanup) json_t *keys = json_object();
	size_t bytes = 0, i;

	for (i = 0; i < options->metadata_count; i++) {
		const struct rvs_metadata *m = &options->metadata[i];

		if (!*m->key || json_object_get(keys, m->key) ||
		    json_object_set_new(keys, m->key, json_true()) < 0)
			return rvs_error_set(err, RVS_ERR_USAGE,
					     "metadata key \"%.200s\" is "
					     "empty, given twice or no UTF-8",
					     m->key);
		bytes += strlen(m->key) + strlen(m->value);
	}
	if (bytes > METADATA_MAX)
		return rvs_error_set(err, RVS_ERR_USAGE,
				     "metadata of more than %d bytes",
				     METADATA_MAX);
	return 0;
}

static int check_options(const struct rvs_store *store,
			 const struct rvs_create_options *options,
			 struct rvs_error *err)
{
	if (options->name && *options->name &&
	    rvs_snapshot_check_name(options->name, err) < 0)
		return RVS_ERR_USAGE;
	if (options->settle_s > RVS_SETTLE_MAX_S)
		return rvs_error_set(err, RVS_ERR_USAGE,
				     "more than %d seconds to settle",
				     RVS_SETTLE_MAX_S);
	if (options->full && options->base)
		return rvs_error_set(err, RVS_ERR_USAGE,
				     "a full snapshot has no base");
	if (!options->source && !store->config.source)
		return rvs_error_set(err, RVS_ERR_USAGE,
				     "the store names no source: give one");
	return check_metadata(options, err);
}

/* The newest snapshot of this source, else the newest of all; -1: none. */
static ssize_t newest(const struct rvs_snapshot_list *list, const char *source)
{
	ssize_t place = (ssize_t)list->count - 1, i;

	for (i = place; i >= 0; i--)
		if (!strcmp(list->items[i].source, source))
			return i;
	return place;
}

/* Whether the source's root is what it was when the snapshot was taken. */
static bool has_root_of(const struct making *m, const char *id)
{
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *tree = NULL;
	struct stat st;

	return rvs_tree_open_with_origins(m->store, id, &tree,
					  NULL) == 0 &&
	       stat(rvs_source_path(m->source), &st) == 0 &&
	       rvs_tree_origin(tree, 0)->ino == st.st_ino;
}

/*
 * Like the newest, but for what a revert kept: the source is the snapshot that
 * took its place, unless that never happened, and may have nothing in common
 * with the state before.  -1: none.
 */
static ssize_t nearest(const struct making *m,
		       const struct rvs_snapshot_list *list)
{
	const char *source = rvs_source_path(m->source), *id;
	ssize_t place = newest(list, source), reverted_to;

	if (place < 0 || strcmp(list->items[place].source, source) != 0)
		return place;
	id = rvs_record_metadata(&list->items[place], RVS_META_BEFORE_REVERT);
	reverted_to = id ? rvs_snapshot_find_in(list, id, NULL) : -1;
	if (reverted_to < 0 || has_root_of(m, list->items[place].id))
		return place;
	return reverted_to;
}

static int find_base(struct making *m, const struct rvs_snapshot_list *list,
		     struct rvs_error *err)
{
	ssize_t place;

	if (m->options->full || (list->count == 0 && !m->options->base))
		return 0;
	place = m->options->base ?
			rvs_snapshot_find_in(list, m->options->base, err) :
			nearest(m, list);
	if (place < 0)
		return (int)place;
	return rvs_snapshot_copy(&list->items[place], &m->base, err);
}

/* A base that was not asked for by name may be damaged: then the snapshot is
 * full, since it must not fail night after night. */
static int load_prior(struct making *m, struct rvs_error *err)
{
	struct rvs_error why = RVS_ERROR_INIT;
	char text[RVS_ERROR_TEXT_MAX + 64];
	int r;

	if (!m->base.id[0])
		return 0;
	r = rvs_prior_new(m->store, &m->base, &m->prior, &why);
	if (r == 0)
		return 0;
	if (m->options->base ||
	    (r != RVS_ERR_CORRUPT && r != RVS_ERR_MISSING)) {
		if (err)
			*err = why;
		return r;
	}
	(void)snprintf(text, sizeof(text), "%s; making a full snapshot instead",
		       why.text);
	warn_user(m->options, text);
	rvs_snapshot_done(&m->base);
	return 0;
}

static int resolve(struct making *m, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_snapshot_list_done)
	struct rvs_snapshot_list list = { NULL, 0 };
	const char *name = m->options->name;
	const char *source = m->options->source;
	int r = rvs_snapshot_list(m->store, &list, NULL, NULL, err);

	if (r < 0)
		return r;
	if (name && *name && rvs_snapshot_name_taken(&list, name))
		return rvs_error_set(err, RVS_ERR_EXISTS,
				     "there is a snapshot \"%s\" already",
				     name);
	r = rvs_source_open(source ? source : m->store->config.source,
			    &m->source, err);
	if (r == 0)
		r = find_base(m, &list, err);
	return r < 0 ? r : load_prior(m, err);
}

/* ---- the record ---- */

static int copy_metadata(const struct rvs_create_options *options,
			 struct rvs_snapshot *record)
{
	size_t i;

	record->metadata = calloc(options->metadata_count + 1,
				  sizeof(*record->metadata));
	if (!record->metadata)
		return -1;
	for (i = 0; i < options->metadata_count; i++) {
		struct rvs_metadata *m =
			&record->metadata[record->metadata_count++];

		m->key = strdup(options->metadata[i].key);
		m->value = strdup(options->metadata[i].value);
		if (!m->key || !m->value)
			return -1;
	}
	return 0;
}

static int begin_record(struct making *m, struct rvs_error *err)
{
	struct rvs_snapshot *record = &m->record;
	const char *name = m->options->name;
	struct timespec now;
	uint16_t salt;
	int r;

	if (getrandom(&salt, sizeof(salt), 0) != sizeof(salt))
		return rvs_error_errno(err, "cannot get random bytes");
	(void)clock_gettime(CLOCK_REALTIME, &now);
	r = rvs_snapshot_new_id(m->store, now.tv_sec, salt, record->id, err);
	if (r < 0)
		return r;
	(void)snprintf(record->name, sizeof(record->name), "%s",
		       name && *name ? name : record->id);
	record->incremental = m->prior != NULL;
	memcpy(record->base_id, m->base.id, sizeof(record->base_id));
	record->source = strdup(rvs_source_path(m->source));
	record->tool_version = strdup(RVS_VERSION);
	if (!record->source || !record->tool_version ||
	    copy_metadata(m->options, record) < 0)
		return rvs_error_no_memory(err);
	return 0;
}

/* ---- making it ---- */

static int open_parts(struct making *m, struct rvs_error *err)
{
	int r = rvs_pool_new(m->store->options.threads, &m->pool, err);

	if (r == 0)
		r = rvs_writer_new(m->store, m->record.id, &m->writer, err);
	if (r == 0)
		r = rvs_press_new(m->writer, m->pool, m->store->config.level,
				  &m->press, err);
	return r;
}

/* How the snapshot is known to be one moment; see FORMAT.md. */
static const char *consistency_of(const struct making *m)
{
	bool frozen = m->store->config.before_hook != NULL;

	switch (m->survey.proof) {
	case RVS_PROOF_NONE:
		return "best-effort";
	case RVS_PROOF_REDB:
		return "redb";
	case RVS_PROOF_REFLINK:
		return frozen ? "hook" : "reflink";
	default:
		return frozen ? "hook" : "settled";
	}
}

static bool crosses_filesystems(const struct making *m)
{
	switch (m->options->filesystems) {
	case RVS_FILESYSTEMS_ONE:
		return false;
	case RVS_FILESYSTEMS_ALL:
		return true;
	default:
		return m->store->config.cross_filesystems;
	}
}

static unsigned settle_s(const struct making *m)
{
	return m->options->settle_s	  ? m->options->settle_s :
	       m->store->config.settle_s ? m->store->config.settle_s :
					    RVS_SETTLE_DEFAULT_S;
}

/* A file of vectors that is damaged fails nothing, but is told. */
static void tell_uncounted(const struct making *m)
{
	const struct rvs_survey *survey = &m->survey;
	uint32_t i;

	for (i = 0; i < survey->scan.count; i++) {
		const char *why = survey->entries[i].content.uncounted;
		RVS_CLEANUP(rvs_cleanup_free) char *path = NULL;
		RVS_CLEANUP(rvs_cleanup_free) char *text = NULL;

		if (!why)
			continue;
		path = rvs_scan_path(&survey->scan, i);
		if (path && asprintf(&text, "%s: its vectors are not counted: "
				     "%s", path, why) >= 0)
			warn_user(m->options, text);
	}
}

/* What the snapshot goes without is in its record, and told. */
static int note_skipped(struct making *m, struct rvs_error *err)
{
	struct rvs_skipped *skipped = &m->record.skipped;
	RVS_CLEANUP(rvs_cleanup_free) char *names = NULL;
	char text[RVS_ERROR_TEXT_MAX];
	int r = rvs_survey_skipped(&m->survey, skipped, err);

	if (r < 0 || skipped->count == 0)
		return r;
	names = rvs_skipped_text(skipped, sizeof(text) / 2);
	if (!names)
		return rvs_error_no_memory(err);
	(void)snprintf(text, sizeof(text), "left out, since unreadable: %s",
		       names);
	warn_user(m->options, text);
	return 0;
}

static int survey(struct making *m, struct rvs_error *err)
{
	const struct rvs_survey_options options = {
		.store = m->store,
		.source = m->source,
		.pool = m->pool,
		.writer = m->writer,
		.press = m->press,
		.prior = m->prior,
		.prior_scan = m->base.created_at,
		.volume = m->prior ? rvs_tree_volume_count(
					     rvs_prior_tree(m->prior)) :
				     0,
		.rehash = m->options->rehash,
		.best_effort = m->options->best_effort,
		.skip_unreadable = m->options->skip_unreadable,
		.cross_filesystems = crosses_filesystems(m),
		.settle_ms = settle_s(m) * 1000,
		.monitor = &m->options->monitor,
	};
	int r = rvs_survey_run(&options, &m->survey, err);

	m->record.created_at = m->survey.moment;
	if (r < 0)
		return r;
	(void)snprintf(m->record.consistency, sizeof(m->record.consistency),
		       "%s", consistency_of(m));
	return note_skipped(m, err);
}

/* Once the snapshot is seen it stays: this is the last place to stop. */
static int check_cancelled(const struct making *m, struct rvs_error *err)
{
	const struct rvs_monitor *monitor = &m->options->monitor;

	if (monitor->cancelled && monitor->cancelled(monitor->arg))
		return rvs_error_set(err, RVS_ERR_INTERRUPTED, "interrupted");
	return 0;
}

/* ---- hooks ---- */

static int run_hook(struct making *m, const char *const *command,
		    enum rvs_hook_phase phase, const char *result,
		    struct rvs_error *err)
{
	const struct rvs_hook hook = {
		.argv = (char **)(uintptr_t)command,
		.timeout_s = m->store->config.hook_timeout_s
	};
	const struct rvs_hook_env env = { .phase = phase,
					  .store = m->store->path,
					  .snapshot_id = m->record.id,
					  .snapshot_name = m->record.name,
					  .result = result };

	return rvs_hook_run(&hook, &env, &m->options->monitor, err);
}

/*
 * Read the source between the hooks.  What the one before froze the one after
 * must thaw, whatever came of the reading; if it cannot, the user is told, and
 * what was read is still good.
 */
static int survey_hooked(struct making *m, struct rvs_error *err)
{
	const struct rvs_store_config *config = &m->store->config;
	struct rvs_error why = RVS_ERROR_INIT;
	int r = 0;

	if (config->before_hook)
		r = run_hook(m, config->before_hook, RVS_HOOK_BEFORE, NULL,
			     err);
	if (r == 0)
		r = survey(m, err);
	if (config->after_hook &&
	    run_hook(m, config->after_hook, RVS_HOOK_AFTER,
		     r == 0 ? "ok" : "failed", &why) < 0)
		warn_user(m->options, why.text);
	return r;
}

static int make(struct making *m, struct rvs_error *err)
{
	int r = rvs_writer_sweep(m->store, err);

	if (r == 0)
		r = resolve(m, err);
	if (r == 0)
		r = begin_record(m, err);
	if (r == 0)
		r = open_parts(m, err);
	if (r == 0)
		r = survey_hooked(m, err);
	if (r == 0)
		r = rvs_describe(&m->survey, m->prior, m->press, &m->record,
				 err);
	if (r < 0)
		return r;
	tell_uncounted(m);
	r = check_cancelled(m, err);
	if (r == 0)
		r = rvs_writer_commit(m->writer, &m->record, err);
	if (r == 0 && m->prior)
		rvs_signatures_renew(m->store, &m->survey, m->prior);
	return r;
}

int rvs_create(struct rvs_store *store,
	       const struct rvs_create_options *options,
	       struct rvs_snapshot *ret, struct rvs_error *err)
{
	const struct rvs_backend_ops *ops = store->backend->ops;
	struct making m = { .store = store, .options = options };
	struct rvs_lock *lock;
	int r = check_options(store, options, err);

	if (r < 0)
		return r;
	r = ops->lock(store->backend, RVS_WRITER_LOCK, options->wait,
		      options->monitor.cancelled, options->monitor.arg, &lock,
		      err);
	if (r < 0)
		return r;
	r = make(&m, err);
	if (r == 0 && ret) {
		*ret = m.record;
		m.record = (struct rvs_snapshot){ 0 };
	}
	making_done(&m);
	/* Who deletes meanwhile leaves the freeing to this writer; should it
	 * fail, the word stays for the next one. */
	(void)rvs_collect_if_asked(store, NULL);
	ops->unlock(lock);
	return r;
}
