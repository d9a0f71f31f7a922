#include "records.h"

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "base/cleanup.h"
#include "base/pool.h"
#include "format/name.h"
#include "json.h"
#include "labels.h"
#include "record.h"
#include "store.h"

enum {
	FEW = 64,   /* records are read sooner than threads start */
	BATCH = 32, /* records that one job reads */
};

struct rvs_records {
	struct rvs_backend *backend;
	unsigned threads;
	pthread_mutex_t mutex;
	struct rvs_snapshot_list known; /* as their metadata.json says, in the
					   order of ids; protected by mutex */
};

int rvs_records_new(struct rvs_backend *backend, unsigned threads,
		    struct rvs_records **ret, struct rvs_error *err)
{
	struct rvs_records *records = calloc(1, sizeof(*records));

	if (!records)
		return rvs_error_no_memory(err);
	records->backend = backend;
	records->threads = threads;
	(void)pthread_mutex_init(&records->mutex, NULL);
	*ret = records;
	return 0;
}

void rvs_snapshot_list_done(struct rvs_snapshot_list *list)
{
	while (list->count > 0)
		rvs_snapshot_done(&list->items[--list->count]);
	free(list->items);
	list->items = NULL;
}

void rvs_records_free(struct rvs_records *records)
{
	if (!records)
		return;
	rvs_snapshot_list_done(&records->known);
	(void)pthread_mutex_destroy(&records->mutex);
	free(records);
}

/* Make room for one more and give its place. */
static struct rvs_snapshot *list_grow(struct rvs_snapshot_list *list)
{
	struct rvs_snapshot *items;

	/* Powers of two are when it is full. */
	if ((list->count & (list->count - 1)) == 0) {
		items = reallocarray(list->items,
				     list->count ? 2 * list->count : 1,
				     sizeof(*items));
		if (!items)
			return NULL;
		list->items = items;
	}
	return &list->items[list->count];
}

static int compare_ids(const void *a, const void *b)
{
	const struct rvs_snapshot *x = a, *y = b;

	return strcmp(x->id, y->id);
}

static int compare_times(const void *a, const void *b)
{
	const struct rvs_snapshot *x = a, *y = b;

	if (x->created_at.tv_sec != y->created_at.tv_sec)
		return x->created_at.tv_sec < y->created_at.tv_sec ? -1 : 1;
	if (x->created_at.tv_nsec != y->created_at.tv_nsec)
		return x->created_at.tv_nsec < y->created_at.tv_nsec ? -1 : 1;
	return strcmp(x->id, y->id);
}

/* ---- reading records, many of them side by side ---- */

/* A directory whose record is read, and what came of it. */
struct unread {
	char directory[sizeof(RVS_SNAPSHOT_PREFIX) + RVS_ID_SIZE];
	int status;
	char *reason; /* of a failure; NULL: no memory for it */
	struct rvs_snapshot record;
};

struct unread_list {
	struct unread *items;
	size_t count;
};

struct batch {
	struct rvs_job job;
	struct rvs_backend *backend;
	struct unread *items;
	size_t count;
};

static void unread_done(struct unread_list *list)
{
	while (list->count > 0) {
		struct unread *last = &list->items[--list->count];

		rvs_snapshot_done(&last->record);
		free(last->reason);
	}
	free(list->items);
}

static int add_unread(struct unread_list *list, const char *directory,
		      struct rvs_error *err)
{
	struct unread *items = list->items;

	/* Powers of two are when it is full. */
	if ((list->count & (list->count - 1)) == 0) {
		items = reallocarray(items, list->count ? 2 * list->count : 1,
				     sizeof(*items));
		if (!items)
			return rvs_error_no_memory(err);
		list->items = items;
	}
	items[list->count] = (struct unread){ .status = 0 };
	(void)snprintf(items[list->count].directory,
		       sizeof(items->directory), "%s", directory);
	list->count++;
	return 0;
}

static int read_record(struct rvs_backend *backend, const char *directory,
		       struct rvs_snapshot *ret, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf text = RVS_BUF_INIT;
	const char *id = directory + strlen(RVS_SNAPSHOT_PREFIX);
	char key[RVS_KEY_SIZE];
	int r;

	(void)snprintf(key, sizeof(key), "%s/" RVS_METADATA_NAME, directory);
	r = rvs_backend_read_object(backend, key, RVS_RECORD_MAX, &text, err);
	if (r == 0)
		r = rvs_record_parse((char *)text.bytes, text.len, ret, err);
	if (r < 0)
		return r;
	if (!strcmp(ret->id, id))
		return 0;
	rvs_snapshot_done(ret);
	return rvs_error_set(err, RVS_ERR_CORRUPT,
			     RVS_METADATA_NAME ": names another snapshot");
}

static void read_batch(struct rvs_job *job, unsigned worker)
{
	const struct batch *batch = (struct batch *)job;
	struct rvs_error why = RVS_ERROR_INIT;
	size_t i;

	(void)worker;
	for (i = 0; i < batch->count; i++) {
		struct unread *item = &batch->items[i];

		item->status = read_record(batch->backend, item->directory,
					   &item->record, &why);
		if (item->status < 0)
			item->reason = strdup(why.text);
	}
}

static int read_side_by_side(struct rvs_records *records,
			     const struct unread_list *list)
{
	size_t count = (list->count + BATCH - 1) / BATCH, i;
	RVS_CLEANUP(rvs_cleanup_free)
	struct batch *batches = calloc(count, sizeof(*batches));
	struct rvs_pool *pool = NULL;
	struct rvs_lane *lane = NULL;
	int r = batches ? rvs_pool_new(records->threads, &pool, NULL) : -1;

	if (r == 0)
		r = rvs_lane_new(pool, false, &lane, NULL);
	for (i = 0; i < count && r == 0; i++) {
		size_t left = list->count - i * BATCH;

		batches[i] = (struct batch){ .job.run = read_batch,
					     .backend = records->backend,
					     .items = list->items + i * BATCH,
					     .count = left < BATCH ? left :
								     BATCH };
		rvs_lane_submit(lane, &batches[i].job);
	}
	rvs_lane_free(lane); /* waits for them */
	rvs_pool_free(pool);
	return r;
}

static void read_all(struct rvs_records *records,
		     const struct unread_list *list)
{
	struct batch all = { .backend = records->backend,
			     .items = list->items,
			     .count = list->count };

	/* Without threads this one reads them. */
	if (list->count <= FEW || read_side_by_side(records, list) < 0)
		read_batch(&all.job, 0);
}

/* ---- one listing ---- */

struct listing {
	struct rvs_records *records;
	struct rvs_snapshot_list *ret;
	struct unread_list unread;
	struct rvs_snapshot_list fresh; /* records read for the first time */
	void (*damaged)(void *arg, const char *directory, const char *reason);
	void *arg;
	struct rvs_error *err;
};

/* Copy a record that is known; 1 when it is not. */
static int copy_known(struct listing *listing, const char *id,
		      struct rvs_snapshot *ret)
{
	struct rvs_records *records = listing->records;
	struct rvs_snapshot key, *known = NULL;
	int r = 1;

	(void)snprintf(key.id, sizeof(key.id), "%s", id);
	(void)pthread_mutex_lock(&records->mutex);
	if (records->known.count > 0)
		known = bsearch(&key, records->known.items,
				records->known.count, sizeof(key), compare_ids);
	if (known)
		r = rvs_snapshot_copy(known, ret, listing->err);
	(void)pthread_mutex_unlock(&records->mutex);
	return r;
}

static int list_one(void *arg, const char *directory)
{
	struct listing *listing = arg;
	struct rvs_backend *backend = listing->records->backend;
	const char *id = rvs_store_id_of(directory);
	struct rvs_snapshot *place;
	char key[RVS_KEY_SIZE];
	int r;

	if (!id)
		return 0;
	place = list_grow(listing->ret);
	if (!place)
		return rvs_error_no_memory(listing->err);
	r = copy_known(listing, id, place);
	if (r < 0)
		return r;
	if (r > 0)
		return add_unread(&listing->unread, directory, listing->err);
	listing->ret->count++; /* owned by the list from here on */
	(void)snprintf(key, sizeof(key), "%s/" RVS_METADATA_NAME, directory);
	r = backend->ops->probe(backend, key, listing->err);
	if (r != 0)
		rvs_snapshot_done(&listing->ret->items[--listing->ret->count]);
	return r < 0 ? r : 0;
}

static int list_read(struct listing *listing, struct unread *item)
{
	struct rvs_snapshot *fresh = list_grow(&listing->fresh);
	struct rvs_snapshot *place = list_grow(listing->ret);

	if (!fresh || !place ||
	    rvs_snapshot_copy(&item->record, fresh, NULL) < 0)
		return rvs_error_no_memory(listing->err);
	listing->fresh.count++;
	*place = item->record;
	item->record = (struct rvs_snapshot){ .name = "" };
	listing->ret->count++;
	return 0;
}

/* List those that were not known. */
static int list_unread(struct listing *listing)
{
	size_t i;
	int r = 0;

	read_all(listing->records, &listing->unread);
	for (i = 0; i < listing->unread.count && r == 0; i++) {
		struct unread *item = &listing->unread.items[i];

		if (item->status == 0)
			r = list_read(listing, item);
		/* Without metadata.json it was deleted and serves others. */
		else if (item->status != RVS_ERR_NOT_FOUND && listing->damaged)
			listing->damaged(listing->arg, item->directory,
					 item->reason ? item->reason :
							"out of memory");
	}
	return r;
}

/* What this listing read is known to the next. */
static int remember(struct rvs_records *records,
		    struct rvs_snapshot_list *fresh, struct rvs_error *err)
{
	struct rvs_snapshot *place = NULL;
	int r = 0;

	(void)pthread_mutex_lock(&records->mutex);
	while (fresh->count > 0 && r == 0) {
		place = list_grow(&records->known);
		if (!place) {
			r = rvs_error_no_memory(err);
			break;
		}
		*place = fresh->items[--fresh->count];
		records->known.count++;
	}
	/* Two listings at once may both have read one: no harm. */
	if (place)
		qsort(records->known.items, records->known.count,
		      sizeof(*records->known.items), compare_ids);
	(void)pthread_mutex_unlock(&records->mutex);
	return r;
}

/* ---- labels ---- */

/* The caller drops *ret, also when it is not what it should be. */
static int load_labels(struct rvs_records *records, json_t **ret,
		       struct rvs_error *err)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf text = RVS_BUF_INIT;
	int r = rvs_backend_read_object(records->backend, RVS_LABELS_NAME,
					RVS_LABELS_MAX, &text, err);

	if (r == RVS_ERR_NOT_FOUND) {
		*ret = json_object();
		return *ret ? 0 : rvs_error_no_memory(err);
	}
	if (r < 0)
		return r;
	return rvs_labels_parse((char *)text.bytes, text.len, ret, err);
}

int rvs_records_list(struct rvs_records *records,
		     struct rvs_snapshot_list *ret,
		     void (*damaged)(void *arg, const char *directory,
				     const char *reason),
		     void *arg, struct rvs_error *err)
{
	struct listing listing = { .records = records,
				   .ret = ret,
				   .damaged = damaged,
				   .arg = arg,
				   .err = err };
	RVS_CLEANUP(rvs_json_cleanup) json_t *labels = NULL;
	size_t i;
	int r;

	*ret = (struct rvs_snapshot_list){ NULL, 0 };
	r = records->backend->ops->list(records->backend, "", list_one,
					&listing, err);
	if (r == 0)
		r = list_unread(&listing);
	if (r == 0)
		r = remember(records, &listing.fresh, err);
	if (r == 0)
		r = load_labels(records, &labels, err);
	rvs_snapshot_list_done(&listing.fresh);
	unread_done(&listing.unread);
	if (r < 0) {
		rvs_snapshot_list_done(ret);
		return r;
	}
	for (i = 0; i < ret->count; i++)
		rvs_labels_apply(labels, &ret->items[i]);
	if (ret->count > 1)
		qsort(ret->items, ret->count, sizeof(*ret->items),
		      compare_times);
	return 0;
}

/* A snapshot that cannot be read at present is not in the list, and keeps its
 * label all the same. */
static int keep_unlisted(struct rvs_records *records, json_t *labels,
			 struct rvs_error *err)
{
	RVS_CLEANUP(rvs_json_cleanup) json_t *old = NULL;
	const char *id;
	json_t *label;
	int r = load_labels(records, &old, err);

	if (r < 0)
		return r;
	json_object_foreach (old, id, label) {
		char key[RVS_KEY_SIZE];

		if (json_object_get(labels, id) || !rvs_id_is_valid(id))
			continue;
		(void)snprintf(key, sizeof(key),
			       RVS_SNAPSHOT_PREFIX "%s/" RVS_METADATA_NAME, id);
		r = records->backend->ops->probe(records->backend, key, err);
		if (r < 0)
			return r;
		if (r == 0 && json_object_set(labels, id, label) < 0)
			return rvs_error_no_memory(err);
	}
	return 0;
}

int rvs_records_save(struct rvs_records *records,
		     const struct rvs_snapshot_list *list,
		     struct rvs_error *err)
{
	RVS_CLEANUP(rvs_json_cleanup) json_t *labels = json_object();
	RVS_CLEANUP(rvs_cleanup_free) char *text = NULL;
	size_t i;
	int r = 0;

	for (i = 0; i < list->count && r == 0; i++)
		r = rvs_labels_put(labels, &list->items[i], err);
	if (r == 0)
		r = keep_unlisted(records, labels, err);
	if (r < 0)
		return r;
	text = json_dumps(labels, JSON_INDENT(1));
	if (!text)
		return rvs_error_no_memory(err);
	return records->backend->ops->replace(records->backend, RVS_LABELS_NAME,
					      text, strlen(text), err);
}
