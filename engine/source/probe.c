#include "probe.h"

#include <stdarg.h>
#include <stdio.h>

struct rvs_probe rvs_probe_of(const struct rvs_input *input, const char *name)
{
	struct rvs_probe probe = { .input = input, .name = name };
	size_t len = sizeof(probe.head);
	ssize_t n;

	if (input->size < len)
		len = (size_t)input->size;
	n = input->read(input, probe.head, len, 0);
	probe.head_len = n > 0 ? (size_t)n : 0;
	return probe;
}

bool rvs_probe_fetch(const struct rvs_probe *probe, void *buf, size_t len,
		     uint64_t offset, struct rvs_vectors *ret)
{
	struct rvs_error err = RVS_ERROR_INIT;
	int r = rvs_input_read(probe->input, buf, len, offset, &err);

	if (r < 0)
		return !rvs_probe_damaged(ret, "%.200s", err.text);
	if (r == RVS_INPUT_SHORT)
		return !rvs_probe_damaged(ret, "ends before byte %llu",
					  (unsigned long long)(offset + len));
	return true;
}

bool rvs_probe_counted(const struct rvs_probe *probe, struct rvs_vectors *ret,
		       uint64_t count)
{
	uint64_t size = probe->input->size;

	/* Every encoding takes at least a byte a vector. */
	if (count > size)
		return rvs_probe_damaged(ret, "%llu vectors in %llu bytes",
					 (unsigned long long)count,
					 (unsigned long long)size);
	ret->vectors.known = true;
	ret->vectors.count = count;
	return true;
}

bool rvs_probe_no_vectors(struct rvs_vectors *ret)
{
	ret->vectors.kind = RVS_VECTORS_NONE;
	return true;
}

bool rvs_probe_damaged(struct rvs_vectors *ret, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(ret->note, sizeof(ret->note), format, args);
	va_end(args);
	return true;
}
