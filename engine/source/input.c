#include "input.h"

#include <string.h>

#include "base/io.h"

static ssize_t read_fd(const struct rvs_input *input, void *buf, size_t len,
		       uint64_t offset)
{
	/* Beyond what lseek can reach there is nothing. */
	if (offset > INT64_MAX - len)
		return 0;
	return rvs_io_pread(input->fd, buf, len, offset);
}

static ssize_t read_memory(const struct rvs_input *input, void *buf, size_t len,
			   uint64_t offset)
{
	if (offset >= input->size)
		return 0;
	if (len > input->size - offset)
		len = (size_t)(input->size - offset);
	memcpy(buf, (const char *)input->bytes + offset, len);
	return (ssize_t)len;
}

struct rvs_input rvs_input_of_fd(int fd, uint64_t size)
{
	return (struct rvs_input){ .read = read_fd, .fd = fd, .size = size };
}

struct rvs_input rvs_input_of_memory(const void *bytes, size_t size)
{
	return (struct rvs_input){
		.read = read_memory, .bytes = bytes, .fd = -1, .size = size
	};
}

int rvs_input_read(const struct rvs_input *input, void *buf, size_t len,
		   uint64_t offset, struct rvs_error *err)
{
	ssize_t n = input->read(input, buf, len, offset);

	if (n < 0)
		return rvs_error_errno(err, "cannot read at %llu",
				       (unsigned long long)offset);
	return (size_t)n < len ? RVS_INPUT_SHORT : 0;
}
