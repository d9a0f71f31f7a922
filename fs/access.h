/*
 * Access: who may enter a directory that stands for many of them.  Pure.
 */
#ifndef ACCESS_H
#define ACCESS_H

#include <stddef.h>

#include <rvs/history.h>

#include "attr.h"

/*
 * Owner, group and permissions under which nobody reaches more than all of
 * @accesses, one by one, let him, but for the mounting user @owner, to whom the
 * store is open.  Nobody may write.  @count must not be 0.
 */
struct rvs_access access_to_all(const struct rvs_access *accesses, size_t count,
				const struct attr_owner *owner);

#endif
