#include "access.h"

#include <stdbool.h>
#include <sys/stat.h>

enum { READ_ENTER = 05 };

/* What all classes of users may. */
static uint32_t common(uint32_t mode)
{
	return mode >> 6 & mode >> 3 & mode & READ_ENTER;
}

/*
 * Where owner and group never change, each class is the same people in all of
 * them.  Otherwise anyone may be of any class in one of them.
 */
struct rvs_access access_to_all(const struct rvs_access *accesses, size_t count,
				const struct attr_owner *owner)
{
	uint32_t mode = accesses[0].mode;
	bool same_people = true;
	size_t i;

	for (i = 1; i < count; i++) {
		mode &= accesses[i].mode;
		same_people &= accesses[i].uid == accesses[0].uid &&
			       accesses[i].gid == accesses[0].gid;
	}
	if (same_people)
		return (struct rvs_access){ S_IFDIR | (mode & 0555),
					    accesses[0].uid, accesses[0].gid };
	mode = common(mode);
	return (struct rvs_access){ S_IFDIR | 0500 | mode << 3 | mode,
				    owner->uid, owner->gid };
}
