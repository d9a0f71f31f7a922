#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "ahead.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "config.h"
#include "format/name.h"
#include "reader.h"
#include "records.h"
#include "volume.h"

#define CACHE_BYTES_DEFAULT ((uint64_t)128 << 20)

static void close_store(struct rvs_store **store)
{
	rvs_store_close(*store);
}

/* ---- making one ---- */

/* A random UUID, RFC 9562 version 4. */
static int make_uuid(char ret[RVS_UUID_SIZE], struct rvs_error *err)
{
	uint8_t b[16];

	if (getrandom(b, sizeof(b), 0) != sizeof(b))
		return rvs_error_errno(err, "cannot get random bytes");
	b[6] = (b[6] & 0x0f) | 0x40;
	b[8] = (b[8] & 0x3f) | 0x80;
	(void)snprintf(ret, RVS_UUID_SIZE,
		       "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
		       "%02x%02x%02x%02x%02x%02x",
		       b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8],
		       b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
	return 0;
}

static int refuse_content(void *arg, const char *name)
{
	return !strcmp(name, RVS_CONFIG_NAME) ?
		       rvs_error_set(arg, RVS_ERR_EXISTS,
				     "there is a store already") :
		       rvs_error_set(arg, RVS_ERR_EXISTS,
				     "the directory is not empty: it holds "
				     "\"%.200s\"", name);
}

static int make_directory(const char *path, struct rvs_backend **ret,
			  struct rvs_error *err)
{
	int r;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return rvs_error_errno(err, "%s", path);
	r = rvs_directory_open(path, ret, err);
	if (r < 0)
		return r;
	r = (*ret)->ops->list(*ret, "", refuse_content, err, err);
	if (r < 0) {
		(*ret)->ops->free(*ret);
		return rvs_error_context(err, "%s", path);
	}
	return 0;
}

/* The new directory's own name is durable only when its parent is. */
static int sync_parent(const char *path, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_cleanup_free) char *parent = NULL;

	if (asprintf(&parent, "%s/..", path) < 0)
		return rvs_error_no_memory(err);
	return rvs_io_sync_dir(AT_FDCWD, parent, err);
}

int rvs_store_init(const char *path, const struct rvs_store_config *wanted,
		   struct rvs_error *err)
{
	RVS_CLEANUP(rvs_cleanup_free) char *absolute = NULL, *text = NULL;
	struct rvs_store_config config = *wanted;
	struct rvs_backend *backend;
	int r;

	if (config.level < 0 || config.level > RVS_LEVEL_MAX)
		return rvs_error_set(err, RVS_ERR_USAGE,
				     "level %d is not from 0 to %d",
				     config.level, RVS_LEVEL_MAX);
	if (config.source) {
		config.source = absolute = realpath(wanted->source, NULL);
		if (!absolute)
			return rvs_error_errno(err, "source %s",
					       wanted->source);
	}
	r = make_uuid(config.uuid, err);
	if (r < 0)
		return r;
	text = rvs_config_format(&config);
	if (!text)
		return rvs_error_no_memory(err);
	r = make_directory(path, &backend, err);
	if (r < 0)
		return r;
	r = backend->ops->replace(backend, RVS_CONFIG_NAME, text, strlen(text),
				  err);
	backend->ops->free(backend);
	return r < 0 ? r : sync_parent(path, err);
}

/* ---- opening one ---- */

static int read_config(struct rvs_store *store, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf text = RVS_BUF_INIT;
	int r = rvs_backend_read_object(store->backend, RVS_CONFIG_NAME,
					RVS_CONFIG_MAX, &text, err);

	if (r == RVS_ERR_NOT_FOUND)
		return rvs_error_set(err, r,
				     "not a store: it holds no "
				     RVS_CONFIG_NAME);
	if (r < 0)
		return r;
	return rvs_config_parse((char *)text.bytes, text.len, &store->config,
				err);
}

static int open_parts(struct rvs_store *store, struct rvs_error *err)
{
	const struct rvs_store_options *options = &store->options;
	int r = rvs_directory_open(store->path, &store->backend, err);

	if (r < 0)
		return r;
	r = read_config(store, err);
	if (r < 0)
		return rvs_error_context(err, "%s", store->path);
	r = rvs_volumes_new(store->backend, &store->volumes, err);
	if (r == 0)
		r = rvs_records_new(store->backend, options->threads,
				    &store->records, err);
	if (r == 0)
		r = rvs_reader_new(store->volumes, options->cache_bytes,
				   options->crc_only, &store->reader, err);
	if (r == 0)
		r = rvs_ahead_new(store->reader, options->threads,
				  &store->ahead, err);
	return r;
}

int rvs_store_open(const char *path, const struct rvs_store_options *options,
		   struct rvs_store **ret, struct rvs_error *err)
{
	RVS_CLEANUP(close_store)
	struct rvs_store *store = calloc(1, sizeof(*store));
	struct rvs_error own = RVS_ERROR_INIT;
	int r;

	err = err ? err : &own;
	if (!store)
		return rvs_error_no_memory(err);
	if (options)
		store->options = *options;
	if (store->options.cache_bytes == 0)
		store->options.cache_bytes = CACHE_BYTES_DEFAULT;
	store->path = realpath(path, NULL);
	if (!store->path)
		return rvs_error_errno(err, "store %s", path);
	r = open_parts(store, err);
	if (r < 0)
		return r;
	*ret = rvs_take(store);
	return 0;
}

void rvs_store_close(struct rvs_store *store)
{
	if (!store)
		return;
	rvs_ahead_free(store->ahead);
	rvs_reader_free(store->reader);
	rvs_records_free(store->records);
	rvs_volumes_free(store->volumes);
	if (store->backend)
		store->backend->ops->free(store->backend);
	rvs_config_done(&store->config);
	free(store->path);
	free(store);
}

const struct rvs_store_config *rvs_store_config(const struct rvs_store *store)
{
	return &store->config;
}

const char *rvs_store_path(const struct rvs_store *store)
{
	return store->path;
}

int rvs_store_generation(struct rvs_store *store, uint64_t *ret,
			 struct rvs_error *err)
{
	return store->backend->ops->generation(store->backend, ret, err);
}

const char *rvs_store_id_of(const char *name)
{
	const size_t len = strlen(RVS_SNAPSHOT_PREFIX);

	return !strncmp(name, RVS_SNAPSHOT_PREFIX, len) &&
			       rvs_id_is_valid(name + len) ?
		       name + len :
		       NULL;
}

int rvs_store_lock_list(struct rvs_store *store, struct rvs_lock **ret,
			struct rvs_error *err)
{
	return store->backend->ops->lock(store->backend, RVS_LIST_LOCK, true,
					 NULL, NULL, ret, err);
}

void rvs_store_unlock(struct rvs_store *store, struct rvs_lock *lock)
{
	store->backend->ops->unlock(lock);
}
