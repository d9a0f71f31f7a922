#include "batch.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "capture.h"
#include "content.h"
#include "dedup.h"
#include "format/digest.h"
#include "press.h"
#include "source/input.h"

enum { FILES_MAX = 64, BYTES_MAX = RVS_GATHER_MAX };

struct rvs_batch {
	struct rvs_job job; /* first: the lane gives this address back */
	const struct rvs_capture *capture;
	size_t count;
	uint64_t planned; /* bytes */
	struct file {
		char *path;
		struct rvs_content *content;
		uint64_t size;
		size_t start; /* in bytes */
	} files[FILES_MAX];
	struct rvs_buf bytes;
	int status;
	struct rvs_error err;
};

/* ---- the job ---- */

static int read_file(struct rvs_batch *batch, const struct file *file, int fd)
{
	struct rvs_content *content = file->content;
	uint8_t *end = rvs_buf_reserve(&batch->bytes, file->size);
	struct rvs_input input;
	ssize_t n;

	if (!end)
		return rvs_error_no_memory(&batch->err);
	n = rvs_io_pread(fd, end, file->size, 0);
	if (n < 0)
		return rvs_content_cannot_read(content, &batch->err) < 0 &&
				       !content->unreadable ?
			       batch->err.status :
			       0;
	batch->bytes.len += (size_t)n;
	content->size = (uint64_t)n;
	input = rvs_input_of_memory(end, (size_t)n);
	rvs_content_count(content, &input, file->path);
	return rvs_digest_of(end, (size_t)n, &content->digest, &batch->err);
}

static void run(struct rvs_job *job, unsigned worker)
{
	struct rvs_batch *batch = (struct rvs_batch *)job;
	size_t i;

	(void)worker;
	for (i = 0; i < batch->count && batch->status >= 0; i++) {
		struct file *file = &batch->files[i];
		RVS_CLEANUP(rvs_cleanup_fd) int fd = -1;

		file->start = batch->bytes.len;
		batch->status = rvs_capture_open(batch->capture, file->path,
						 file->content, &fd,
						 &batch->err);
		if (batch->status == 0)
			batch->status = read_file(batch, file, fd);
	}
}

struct rvs_job *rvs_batch_job(struct rvs_batch *batch)
{
	return &batch->job;
}

struct rvs_batch *rvs_batch_of(struct rvs_job *job)
{
	return job->run == run ? (struct rvs_batch *)job : NULL;
}

/* ---- filling and storing ---- */

int rvs_batch_new(const struct rvs_capture *capture, struct rvs_batch **ret,
		  struct rvs_error *err)
{
	struct rvs_batch *batch = calloc(1, sizeof(*batch));

	if (!batch)
		return rvs_error_no_memory(err);
	batch->job.run = run;
	batch->capture = capture;
	*ret = batch;
	return 0;
}

void rvs_batch_free(struct rvs_batch *batch)
{
	size_t i;

	if (!batch)
		return;
	for (i = 0; i < batch->count; i++)
		free(batch->files[i].path);
	rvs_buf_done(&batch->bytes);
	free(batch);
}

bool rvs_batch_has_room(const struct rvs_batch *batch, uint64_t size)
{
	return batch->count < FILES_MAX && batch->planned + size <= BYTES_MAX;
}

int rvs_batch_add(struct rvs_batch *batch, const char *path, uint64_t size,
		  struct rvs_content *content, struct rvs_error *err)
{
	struct file *file = &batch->files[batch->count];

	*file = (struct file){ .path = strdup(path),
			       .content = content,
			       .size = size };
	if (!file->path)
		return rvs_error_no_memory(err);
	batch->count++;
	batch->planned += size;
	return 0;
}

uint64_t rvs_batch_bytes(const struct rvs_batch *batch)
{
	return batch->planned;
}

int rvs_batch_store(struct rvs_batch *batch, struct rvs_dedup *dedup,
		    struct rvs_strand *strand, struct rvs_error *err)
{
	int r = batch->status < 0 ? batch->status : 0;
	size_t i;

	if (r < 0 && err)
		*err = batch->err;
	for (i = 0; i < batch->count && r == 0; i++) {
		const struct file *file = &batch->files[i];
		struct rvs_content *content = file->content;

		if (content->missing || content->unreadable ||
		    content->size == 0)
			continue;
		r = rvs_dedup_small(dedup, strand,
				    batch->bytes.bytes + file->start, content,
				    err);
	}
	return r;
}
