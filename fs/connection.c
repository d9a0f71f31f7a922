#include "connection.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "cleanup.h"

enum { PATH_LEN_MAX = 128, PATIENCE_SECONDS = 1 };

int connection_device(const char *mountpoint, dev_t *ret)
{
	struct statx root;

	/* With no attribute asked for, the kernel needs to ask nobody. */
	if (statx(AT_FDCWD, mountpoint, AT_STATX_DONT_SYNC, 0, &root) < 0)
		return -1;
	*ret = makedev(root.stx_dev_major, root.stx_dev_minor);
	return 0;
}

static int set(const char *path, unsigned value)
{
	CLEANUP(cleanup_fd) int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	return dprintf(fd, "%u\n", value) < 0 ? -1 : 0;
}

int connection_read_ahead(dev_t device, unsigned kib)
{
	char path[PATH_LEN_MAX];

	(void)snprintf(path, sizeof(path),
		       "/sys/class/bdi/%u:%u/read_ahead_kb", major(device),
		       minor(device));
	return set(path, kib);
}

int connection_abort(dev_t device)
{
	char path[PATH_LEN_MAX];

	(void)snprintf(path, sizeof(path), "/sys/fs/fuse/connections/%u/abort",
		       minor(device));
	return set(path, 1);
}

void connection_join(pthread_t thread, dev_t device)
{
	struct timespec limit;

	clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += PATIENCE_SECONDS;
	if (pthread_timedjoin_np(thread, NULL, &limit) == 0)
		return;
	(void)connection_abort(device); /* nothing else is left */
	(void)pthread_join(thread, NULL);
}
