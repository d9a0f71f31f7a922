#include "records.h"

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "base/cleanup.h"
#include "format/name.h"
#include "json.h"
#include "labels.h"
#include "record.h"
#include "store.h"

struct rvs_records {
	struct rvs_backend *backend;
	pthread_mutex_t mutex;
	struct rvs_snapshot_list known; /* as their metadata.json says, in the
					   order of ids; protected by mutex */
};

int rvs_records_new(struct rvs_backend *backend, struct rvs_records **ret,
		    struct rvs_error *err)
{
	struct rvs_records *records = calloc(1, sizeof(*records));

	if (!records)
		return rvs_error_no_memory(err);
	records->backend = backend;
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

/* ---- one listing ---- */

struct listing {
	struct rvs_records *records;
	struct rvs_snapshot_list *ret;
	struct rvs_snapshot_list fresh; /* records read for the first time */
	void (*damaged)(void *arg, const char *directory, const char *reason);
	void *arg;
	struct rvs_error *err;
};

static int read_record(struct rvs_records *records, const char *directory,
		       struct rvs_snapshot *ret, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf text = RVS_BUF_INIT;
	const char *id = directory + strlen(RVS_SNAPSHOT_PREFIX);
	char key[RVS_KEY_SIZE];
	int r;

	(void)snprintf(key, sizeof(key), "%s/" RVS_METADATA_NAME, directory);
	r = rvs_backend_read_object(records->backend, key, RVS_RECORD_MAX,
				    &text, err);
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

static int read_fresh(struct listing *listing, const char *directory,
		      struct rvs_snapshot *ret)
{
	struct rvs_snapshot *place;
	struct rvs_error why = RVS_ERROR_INIT;
	int r = read_record(listing->records, directory, ret, &why);

	/* Without metadata.json it was deleted and serves others. */
	if (r == RVS_ERR_NOT_FOUND)
		return 1;
	if (r < 0) {
		if (listing->damaged)
			listing->damaged(listing->arg, directory, why.text);
		return 1;
	}
	place = list_grow(&listing->fresh);
	if (!place || rvs_snapshot_copy(ret, place, NULL) < 0) {
		rvs_snapshot_done(ret);
		return rvs_error_no_memory(listing->err);
	}
	listing->fresh.count++;
	return 0;
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
	if (r > 0) {
		r = read_fresh(listing, directory, place);
		listing->ret->count += r == 0;
		return r < 0 ? r : 0;
	}
	listing->ret->count++; /* owned by the list from here on */
	(void)snprintf(key, sizeof(key), "%s/" RVS_METADATA_NAME, directory);
	r = backend->ops->probe(backend, key, listing->err);
	if (r != 0)
		rvs_snapshot_done(&listing->ret->items[--listing->ret->count]);
	return r < 0 ? r : 0;
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
		r = remember(records, &listing.fresh, err);
	if (r == 0)
		r = load_labels(records, &labels, err);
	rvs_snapshot_list_done(&listing.fresh);
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
