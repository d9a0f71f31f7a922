/*
 * Snapshots of an open store: finding one, naming one.
 */
#include <rvs/snapshot.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "format/name.h"
#include "records.h"
#include "snapshot.h"
#include "store.h"

#define NAME_ALPHANUMERIC \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

enum { PREFIX_MIN = 4 };

int rvs_snapshot_check_name(const char *name, struct rvs_error *err)
{
	size_t len = strlen(name);

	if (len == 0 || len >= RVS_NAME_SIZE ||
	    !strchr(NAME_ALPHANUMERIC, name[0]) ||
	    strspn(name, NAME_ALPHANUMERIC "._:@+-") != len)
		return rvs_error_set(err, RVS_ERR_USAGE,
				     "\"%.200s\" is no name for a snapshot: a "
				     "letter or digit, then up to 127 letters, "
				     "digits or ._:@+-", name);
	if (!strcmp(name, "latest") || rvs_id_is_valid(name))
		return rvs_error_set(err, RVS_ERR_USAGE,
				     "\"%s\" is reserved: \"latest\" and ids "
				     "name snapshots already", name);
	return 0;
}

int rvs_snapshot_list(struct rvs_store *store, struct rvs_snapshot_list *ret,
		      void (*damaged)(void *arg, const char *directory,
				      const char *reason),
		      void *arg, struct rvs_error *err)
{
	return rvs_records_list(store->records, ret, damaged, arg, err);
}

static int not_found(const char *reference, struct rvs_error *err)
{
	return rvs_error_set(err, RVS_ERR_NOT_FOUND,
			     "there is no snapshot \"%.200s\"", reference);
}

ssize_t rvs_snapshot_find_in(const struct rvs_snapshot_list *list,
			     const char *reference, struct rvs_error *err)
{
	size_t len = strlen(reference), i;
	ssize_t found = -1;

	if (!strcmp(reference, "latest") && list->count > 0)
		return (ssize_t)list->count - 1;
	for (i = 0; i < list->count; i++)
		if (!strcmp(list->items[i].name, reference) ||
		    !strcmp(list->items[i].id, reference))
			return (ssize_t)i;
	for (i = 0; i < list->count && len >= PREFIX_MIN; i++) {
		if (strncmp(list->items[i].id, reference, len) != 0)
			continue;
		if (found >= 0)
			return rvs_error_set(err, RVS_ERR_USAGE,
					     "\"%s\" begins several ids: %s, "
					     "%s; give more of it", reference,
					     list->items[found].id,
					     list->items[i].id);
		found = (ssize_t)i;
	}
	return found >= 0 ? found : not_found(reference, err);
}

bool rvs_snapshot_name_taken(const struct rvs_snapshot_list *list,
			     const char *name)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		if (!strcmp(list->items[i].name, name))
			return true;
	return false;
}

int rvs_snapshot_find(struct rvs_store *store, const char *reference,
		      struct rvs_snapshot *ret, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_snapshot_list_done)
	struct rvs_snapshot_list list = { NULL, 0 };
	ssize_t place;
	int r = rvs_records_list(store->records, &list, NULL, NULL, err);

	if (r < 0)
		return r;
	place = rvs_snapshot_find_in(&list, reference, err);
	if (place < 0)
		return (int)place;
	return rvs_snapshot_copy(&list.items[place], ret, err);
}

/* What rvs_snapshot_rename() and rvs_snapshot_pin() change. */
struct label {
	const char *name; /* NULL: stays */
	const bool *pinned; /* NULL: stays */
};

/* Call with the list locked. */
static int change_label(struct rvs_store *store, const char *reference,
			const struct label *label, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_snapshot_list_done)
	struct rvs_snapshot_list list = { NULL, 0 };
	struct rvs_snapshot *snapshot;
	ssize_t place;
	int r = rvs_records_list(store->records, &list, NULL, NULL, err);

	if (r < 0)
		return r;
	place = rvs_snapshot_find_in(&list, reference, err);
	if (place < 0)
		return (int)place;
	snapshot = &list.items[place];
	if (label->pinned)
		snapshot->pinned = *label->pinned;
	if (label->name && strcmp(label->name, snapshot->name) != 0) {
		if (rvs_snapshot_name_taken(&list, label->name))
			return rvs_error_set(err, RVS_ERR_EXISTS,
					     "there is a snapshot \"%s\" "
					     "already", label->name);
		(void)snprintf(snapshot->name, sizeof(snapshot->name), "%s",
			       label->name);
	}
	return rvs_records_save(store->records, &list, err);
}

static int lock_and_change(struct rvs_store *store, const char *reference,
			   const struct label *label, struct rvs_error *err)
{
	struct rvs_lock *lock;
	int r = rvs_store_lock_list(store, &lock, err);

	if (r < 0)
		return r;
	r = change_label(store, reference, label, err);
	rvs_store_unlock(store, lock);
	return r;
}

int rvs_snapshot_rename(struct rvs_store *store, const char *reference,
			const char *name, struct rvs_error *err)
{
	const struct label label = { .name = name };
	int r = rvs_snapshot_check_name(name, err);

	return r < 0 ? r : lock_and_change(store, reference, &label, err);
}

int rvs_snapshot_pin(struct rvs_store *store, const char *reference,
		     bool pinned, struct rvs_error *err)
{
	const struct label label = { .pinned = &pinned };

	return lock_and_change(store, reference, &label, err);
}

/* 0: a snapshot has this id, or had it; 1: none. */
static int probe_id(struct rvs_store *store, const char *id,
		    struct rvs_error *err)
{
	char key[RVS_KEY_SIZE];

	(void)snprintf(key, sizeof(key),
		       RVS_SNAPSHOT_PREFIX "%s/" RVS_MANIFEST_NAME, id);
	return store->backend->ops->probe(store->backend, key, err);
}

int rvs_snapshot_new_id(struct rvs_store *store, time_t now, uint16_t salt,
			char ret[RVS_ID_SIZE], struct rvs_error *err)
{
	struct tm tm;
	char time[32];
	unsigned tries;
	int r;

	if (!gmtime_r(&now, &tm) || tm.tm_year > 9999 - 1900 ||
	    strftime(time, sizeof(time), "%Y%m%dT%H%M%SZ", &tm) != 16)
		return rvs_error_set(err, RVS_ERR_FAILED,
				     "the clock shows no usable time");
	for (tries = 0; tries <= UINT16_MAX; tries++, salt++) {
		(void)snprintf(ret, RVS_ID_SIZE, "%.16s-%04" PRIx16, time,
			       salt);
		r = probe_id(store, ret, err);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	return rvs_error_set(err, RVS_ERR_EXISTS,
			     "no id is left for a snapshot of %s", time);
}
