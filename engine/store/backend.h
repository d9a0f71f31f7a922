/*
 * Backend: where a store's objects lie.
 *
 * An object is a run of bytes under a key, "FOLDER/NAME" or "NAME"; once
 * finished it never changes.  A folder appears, and is exchanged, whole.  The
 * operations are those that a directory and a bucket can both give: nothing
 * above this interface assumes a local disk.  Threads may share a backend, its
 * open objects and distinct uploads.
 */
#ifndef RVS_BACKEND_H
#define RVS_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"

struct rvs_object; /* open for reading */
struct rvs_upload; /* being written */
struct rvs_lock;

struct rvs_backend {
	const struct rvs_backend_ops *ops;
};

struct rvs_backend_ops {
	/* Call @each for every name in @folder ("" for the top), in no order.
	 * Stops at a non-zero return, and returns it.  RVS_ERR_NOT_FOUND when
	 * there is no such folder. */
	int (*list)(struct rvs_backend *backend, const char *folder,
		    int (*each)(void *arg, const char *name), void *arg,
		    struct rvs_error *err);

	/* RVS_ERR_NOT_FOUND when there is no such object. */
	int (*open)(struct rvs_backend *backend, const char *key,
		    struct rvs_object **ret, uint64_t *ret_size,
		    struct rvs_error *err);
	/* Up to @len bytes, fewer only at the object's end; or a negative
	 * status. */
	ssize_t (*read)(struct rvs_object *object, void *bytes, size_t len,
			uint64_t offset, struct rvs_error *err);
	void (*close)(struct rvs_object *object); /* accepts NULL */
	/* 0: there is such an object; 1: there is none. */
	int (*probe)(struct rvs_backend *backend, const char *key,
		     struct rvs_error *err);

	/* A new object; what was there under the key is replaced at once. */
	int (*create)(struct rvs_backend *backend, const char *key,
		      struct rvs_upload **ret, struct rvs_error *err);
	int (*append)(struct rvs_upload *upload, const void *bytes, size_t len,
		      struct rvs_error *err);
	/* Both end the upload, whatever they return. */
	int (*finish)(struct rvs_upload *upload, struct rvs_error *err);
	void (*abandon)(struct rvs_upload *upload); /* accepts NULL */

	/* Make the folder @from, with all its objects, durable and then
	 * visible as @to.  RVS_ERR_EXISTS when there is one. */
	int (*publish)(struct rvs_backend *backend, const char *from,
		       const char *to, struct rvs_error *err);
	/* The same where @to exists: they change places. */
	int (*exchange)(struct rvs_backend *backend, const char *from,
			const char *to, struct rvs_error *err);
	/* Replace a small object durably: readers see the old or the new. */
	int (*replace)(struct rvs_backend *backend, const char *key,
		       const void *bytes, size_t len, struct rvs_error *err);
	/* Durably remove an object; no error when there is none. */
	int (*remove)(struct rvs_backend *backend, const char *key,
		      struct rvs_error *err);
	/* Remove a folder and all in it; no error when there is none. */
	int (*remove_folder)(struct rvs_backend *backend, const char *folder,
			     struct rvs_error *err);

	/* A number that changes whenever a folder is published, exchanged or
	 * removed or an object of the top replaced or removed. */
	int (*generation)(struct rvs_backend *backend, uint64_t *ret,
			  struct rvs_error *err);
	/* The same object under another key, sharing its bytes where the
	 * backend can. */
	int (*copy)(struct rvs_backend *backend, const char *from,
		    const char *to, struct rvs_error *err);
	/* Take the lock @name, which ends with the process at the latest, or
	 * RVS_ERR_BUSY; with @wait, wait for it until @cancelled (may be NULL)
	 * says otherwise. */
	int (*lock)(struct rvs_backend *backend, const char *name, bool wait,
		    bool (*cancelled)(void *arg), void *arg,
		    struct rvs_lock **ret, struct rvs_error *err);
	void (*unlock)(struct rvs_lock *lock); /* accepts NULL */

	void (*free)(struct rvs_backend *backend);
};

/* Append the whole object to @ret; RVS_ERR_REFUSED beyond @max bytes. */
int rvs_backend_read_object(struct rvs_backend *backend, const char *key,
			    uint64_t max, struct rvs_buf *ret,
			    struct rvs_error *err);

/* Create, append and finish. */
int rvs_backend_write_object(struct rvs_backend *backend, const char *key,
			     const void *bytes, size_t len,
			     struct rvs_error *err);

/* The backend of the directory @path, which must exist. */
int rvs_directory_open(const char *path, struct rvs_backend **ret,
		       struct rvs_error *err);

#endif
