#include "haul.h"

#include <stdlib.h>
#include <unistd.h>

#include "crew.h"
#include "deposit.h"
#include "store/tree.h"

enum {
	ITEMS_MAX = 128,
	BYTES_MAX = 2 << 20, /* and one file that may be longer */
	AHEAD = 4,           /* hauls under way for each worker */
	ENDS_MAX = 128,      /* each has a descriptor */
};

enum kind { FILE_OR_SPECIAL, LINK, END };

struct item {
	enum kind kind;
	uint32_t index;
	int dirfd; /* of the directory it is in; an end's own */
};

struct rvs_haul {
	struct rvs_task task;
	struct rvs_hauls *hauls;
	unsigned count;
	uint64_t bytes;
	struct item items[ITEMS_MAX];
};

/* ---- what becomes of a haul ---- */

static bool is_over(const struct rvs_haul *haul)
{
	return haul->task.status < 0 ||
	       atomic_load(&haul->task.hand.crew->stopped);
}

static void note_status(struct rvs_haul *haul, const struct item *item,
			int status)
{
	haul->task.status = status;
	haul->task.index = item->index;
}

static void run_haul(struct rvs_job *job, unsigned worker)
{
	struct rvs_haul *haul = (struct rvs_haul *)job;
	unsigned i;

	(void)worker;
	for (i = 0; i < haul->count && !is_over(haul); i++) {
		const struct item *item = &haul->items[i];

		if (item->kind == FILE_OR_SPECIAL)
			note_status(haul, item,
				    rvs_deposit_entry(&haul->task.hand,
						      item->index,
						      item->dirfd));
	}
}

/* The first name is there by now. */
static void finish_link(struct rvs_haul *haul, const struct item *item)
{
	const struct rvs_hauls *hauls = haul->hauls;
	struct rvs_hand *hand = &haul->task.hand;
	uint32_t first = rvs_tree_entry(hauls->crew->tree, item->index)->link;
	int status = rvs_deposit_link(hand, item->index, hauls->root,
				      hauls->restored[first], item->dirfd);

	if (status == 1)
		status = rvs_deposit_entry(hand, item->index, item->dirfd);
	note_status(haul, item, status);
}

/* Children change the time, and may need permissions it has not. */
static void finish_directory(struct rvs_haul *haul, const struct item *item)
{
	if (!is_over(haul))
		rvs_deposit_attributes(&haul->task.hand, item->index,
				       item->dirfd);
	(void)close(item->dirfd); /* nothing was written through it */
	haul->hauls->ends--;
}

static void finish_haul(struct rvs_task *task)
{
	struct rvs_haul *haul = (struct rvs_haul *)task;
	unsigned i;

	for (i = 0; i < haul->count; i++) {
		const struct item *item = &haul->items[i];

		if (item->kind == END)
			finish_directory(haul, item);
		else if (item->kind == LINK && !is_over(haul))
			finish_link(haul, item);
	}
}

/* ---- filling hauls ---- */

static struct rvs_haul *open_haul(struct rvs_hauls *hauls)
{
	struct rvs_haul *haul = hauls->open;

	if (haul)
		return haul;
	haul = calloc(1, sizeof(*haul));
	if (!haul)
		return NULL;
	rvs_crew_init_task(hauls->crew, &haul->task, 0);
	haul->task.job.run = run_haul;
	haul->task.finish = finish_haul;
	haul->hauls = hauls;
	hauls->open = haul;
	return haul;
}

int rvs_hauls_submit(struct rvs_hauls *hauls)
{
	struct rvs_haul *haul = hauls->open;
	size_t limit = (size_t)AHEAD * rvs_pool_threads(hauls->crew->pool);

	hauls->open = NULL;
	if (haul)
		return rvs_crew_submit(hauls->crew, &haul->task, limit);
	return rvs_crew_collect(hauls->crew, limit);
}

int rvs_hauls_collect(struct rvs_hauls *hauls)
{
	(void)rvs_hauls_submit(hauls);
	return rvs_crew_collect(hauls->crew, 0);
}

static int add(struct rvs_hauls *hauls, enum kind kind, uint32_t index,
	       int dirfd, uint64_t bytes)
{
	struct rvs_crew *crew = hauls->crew;
	struct rvs_haul *haul = open_haul(hauls);

	if (!haul) {
		(void)rvs_error_no_memory(crew->own.err);
		return rvs_crew_fail(crew, index, crew->own.err);
	}
	haul->items[haul->count++] = (struct item){ kind, index, dirfd };
	haul->bytes += bytes;
	if (haul->count == ITEMS_MAX || haul->bytes >= BYTES_MAX)
		return rvs_hauls_submit(hauls);
	return atomic_load(&crew->stopped) ? crew->err->status : 0;
}

int rvs_hauls_add(struct rvs_hauls *hauls, uint32_t index, int dirfd)
{
	return add(hauls, FILE_OR_SPECIAL, index, dirfd,
		   rvs_tree_entry(hauls->crew->tree, index)->size);
}

int rvs_hauls_link(struct rvs_hauls *hauls, uint32_t index, int dirfd)
{
	return add(hauls, LINK, index, dirfd, 0);
}

/* Until the oldest is finished that has one. */
static void limit_ends(struct rvs_hauls *hauls)
{
	if (hauls->ends < ENDS_MAX)
		return;
	(void)rvs_hauls_submit(hauls);
	while (hauls->ends >= ENDS_MAX)
		(void)rvs_crew_collect(hauls->crew,
				       rvs_lane_depth(hauls->crew->lane) - 1);
}

int rvs_hauls_end(struct rvs_hauls *hauls, uint32_t index, int fd)
{
	limit_ends(hauls);
	if (!open_haul(hauls)) {
		/* Files that are under way need it. */
		(void)rvs_hauls_collect(hauls);
		(void)close(fd); /* nothing was written through it */
		(void)rvs_error_no_memory(hauls->crew->own.err);
		return rvs_crew_fail(hauls->crew, index, hauls->crew->own.err);
	}
	hauls->ends++;
	return add(hauls, END, index, fd, 0);
}
