/*
 * Haul: entries of a tree put down in their directories, many by one job.
 *
 * A job for each file costs more in waking workers than in writing it, and
 * workers that make files in one directory wait for each other.  So what is
 * added, in the order of the tree, goes to the crew in hauls.  A worker puts
 * down a haul's files; what must come after files that are under way - a link
 * to one, the attributes of their directory - the owner of the crew does when
 * it collects the haul, in the order in which all was added.  A crew has one
 * user of this, its owner.
 */
#ifndef RVS_HAUL_H
#define RVS_HAUL_H

#include <stdint.h>

struct rvs_crew;
struct rvs_haul;

struct rvs_hauls {
	struct rvs_crew *crew;
	int root;              /* the target */
	char **restored;       /* for each entry with links: where its first
				  name is restored, relative to the target */
	struct rvs_haul *open; /* being filled; NULL: none */
	unsigned ends;         /* directories open until their end */
};

/*
 * Add a file or special, or a name more of the entry that @index is a link of,
 * or the end of a directory, whose descriptor @fd is taken over.  @dirfd must
 * be of a directory whose end comes later, or stay open until
 * rvs_hauls_collect().  These return the status of all that was collected.
 */
int rvs_hauls_add(struct rvs_hauls *hauls, uint32_t index, int dirfd);
int rvs_hauls_link(struct rvs_hauls *hauls, uint32_t index, int dirfd);
int rvs_hauls_end(struct rvs_hauls *hauls, uint32_t index, int fd);

/* Hand over what was added so far. */
int rvs_hauls_submit(struct rvs_hauls *hauls);

/* Wait for all that was added; the status of all so far. */
int rvs_hauls_collect(struct rvs_hauls *hauls);

#endif
