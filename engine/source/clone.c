#include "clone.h"

#include <errno.h>
#include <fcntl.h>

#include "base/cleanup.h"
#include "source.h"
#include "sparse.h"

static int open_scratch(const struct rvs_cloner *cloner)
{
	return cloner->beside ? rvs_source_scratch(cloner->source) :
				open(cloner->scratch,
				     O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

/* Whether @code says what every other file would meet as well. */
static bool is_refusal(int code)
{
	return code == EXDEV || code == EOPNOTSUPP || code == ENOTTY ||
	       code == EROFS || code == EACCES || code == EPERM;
}

static int try_clone(const struct rvs_cloner *cloner, int fd)
{
	RVS_CLEANUP(rvs_cleanup_fd) int scratch = open_scratch(cloner);
	int ret = scratch;

	if (scratch < 0 || rvs_sparse_clone(fd, scratch) != 0)
		return RVS_CLONE_NONE;
	scratch = -1;
	return ret;
}

int rvs_cloner_clone(struct rvs_cloner *cloner, int fd)
{
	int clone = RVS_CLONE_NONE;

	if (cloner->refused)
		return RVS_CLONE_NONE;
	clone = try_clone(cloner, fd);
	if (clone == RVS_CLONE_NONE && is_refusal(errno) && !cloner->beside) {
		cloner->beside = true;
		clone = try_clone(cloner, fd);
	}
	if (clone == RVS_CLONE_NONE)
		cloner->refused = is_refusal(errno);
	return clone;
}
