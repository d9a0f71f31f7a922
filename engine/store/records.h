/*
 * Records: the snapshots of a store, and the labels that may change.
 *
 * metadata.json of a snapshot never changes, so it is read once; labels.json
 * holds its present name and its pin.
 */
#ifndef RVS_RECORDS_H
#define RVS_RECORDS_H

#include <stdbool.h>

#include <rvs/snapshot.h>

struct rvs_backend;
struct rvs_records;

/* @threads read records when there are many of them; 0: one a core. */
int rvs_records_new(struct rvs_backend *backend, unsigned threads,
		    struct rvs_records **ret, struct rvs_error *err);
void rvs_records_free(struct rvs_records *records); /* accepts NULL */

/* See rvs_snapshot_list(). */
int rvs_records_list(struct rvs_records *records,
		     struct rvs_snapshot_list *ret,
		     void (*damaged)(void *arg, const char *directory,
				     const char *reason),
		     void *arg, struct rvs_error *err);

/*
 * Keep the names and pins that @list says, and no others, durably.  The caller
 * holds the list's lock, under which it made @list.
 */
int rvs_records_save(struct rvs_records *records,
		     const struct rvs_snapshot_list *list,
		     struct rvs_error *err);

#endif
