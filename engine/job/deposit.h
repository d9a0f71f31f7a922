/*
 * Deposit: one entry of a tree, put down in a directory with all that it has.
 *
 * The directory may hold anything, and others may be at work in it.  So an
 * entry is made under a name of its own, whole, with its attributes, and takes
 * its name last; nothing is followed, and nothing that was there is replaced
 * unless the restore's options say so.  Any thread may deposit, with its own
 * hand; errors go to the hand's.  What the user may not set, such as another's
 * ownership, is warned about, not failed.
 */
#ifndef RVS_DEPOSIT_H
#define RVS_DEPOSIT_H

#include <stdbool.h>
#include <stdint.h>

struct rvs_entry;
struct rvs_hand;

/* Whether the file is so long that the owner should deposit it: its blocks are
 * then shared out among the crew. */
bool rvs_deposit_is_long(const struct rvs_entry *file);

/* Anything but a directory. */
int rvs_deposit_entry(struct rvs_hand *hand, uint32_t index, int dirfd);

/*
 * A name more of the file that was deposited at the path @first below the
 * directory @root.  Returns 1 when it cannot be a link, and must become a file
 * of its own.
 */
int rvs_deposit_link(struct rvs_hand *hand, uint32_t index, int root,
		     const char *first, int dirfd);

/* Set owner, permissions, attributes and time of what @fd is open on. */
void rvs_deposit_attributes(struct rvs_hand *hand, uint32_t index, int fd);

#endif
