#include "backend.h"

int rvs_backend_read_object(struct rvs_backend *backend, const char *key,
			    uint64_t max, struct rvs_buf *ret,
			    struct rvs_error *err)
{
	struct rvs_object *object;
	uint64_t size;
	uint8_t *end;
	ssize_t n;
	int r;

	r = backend->ops->open(backend, key, &object, &size, err);
	if (r < 0)
		return r;
	if (size > max) {
		backend->ops->close(object);
		return rvs_error_set(err, RVS_ERR_REFUSED,
				     "%s: longer than %llu bytes", key,
				     (unsigned long long)max);
	}
	end = rvs_buf_reserve(ret, (size_t)size);
	n = end ? backend->ops->read(object, end, (size_t)size, 0, err) :
		  rvs_error_no_memory(err);
	backend->ops->close(object);
	if (n < 0)
		return (int)n;
	ret->len += (size_t)n;
	return 0;
}

int rvs_backend_write_object(struct rvs_backend *backend, const char *key,
			     const void *bytes, size_t len,
			     struct rvs_error *err)
{
	struct rvs_upload *upload;
	int r;

	r = backend->ops->create(backend, key, &upload, err);
	if (r < 0)
		return r;
	r = backend->ops->append(upload, bytes, len, err);
	if (r < 0) {
		backend->ops->abandon(upload);
		return r;
	}
	return backend->ops->finish(upload, err);
}
