#include "snapshots.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <rvs/store.h>

#include "cleanup.h"
#include "errors.h"
#include "inode.h"

struct slot {
	char id[RVS_ID_SIZE];
	char name[RVS_NAME_SIZE];
	struct timespec created_at;
	struct rvs_root root;
	bool present;
};

struct snapshots {
	struct rvs_store *store;
	struct snapshots_observer observer;
	pthread_mutex_t lock;
	pthread_cond_t read; /* a thread ended its reading of the list */

	/* All below: protected by lock. */
	bool reading;     /* a thread reads the list; no other begins to */
	bool is_known;    /* generation is that of the slots */
	uint64_t generation;
	struct timespec changed_at;
	struct slot *slots;
	uint32_t slot_count;
	uint32_t *by_id;    /* all slots */
	uint32_t *by_name;  /* those present */
	uint32_t present_count;
	uint32_t newest;    /* a slot, when present_count is not 0 */
};

/* What a new list took from names. */
struct departures {
	struct departure {
		struct snapshot was;
		bool deleted;
	} *items;
	size_t count;
};

struct snapshots *snapshots_new(struct rvs_store *store,
				const struct snapshots_observer *observer)
{
	struct snapshots *snapshots = calloc(1, sizeof(*snapshots));

	if (!snapshots)
		return NULL;
	snapshots->store = store;
	snapshots->observer = *observer;
	pthread_mutex_init(&snapshots->lock, NULL);
	pthread_cond_init(&snapshots->read, NULL);
	return snapshots;
}

void snapshots_free(struct snapshots *snapshots)
{
	if (!snapshots)
		return;
	free(snapshots->slots);
	free(snapshots->by_id);
	free(snapshots->by_name);
	pthread_cond_destroy(&snapshots->read);
	pthread_mutex_destroy(&snapshots->lock);
	free(snapshots);
}

static int compare_ids(const void *a, const void *b, void *slots_arg)
{
	const struct slot *slots = slots_arg;

	return strcmp(slots[*(const uint32_t *)a].id,
		      slots[*(const uint32_t *)b].id);
}

static int compare_names(const void *a, const void *b, void *slots_arg)
{
	const struct slot *slots = slots_arg;

	return strcmp(slots[*(const uint32_t *)a].name,
		      slots[*(const uint32_t *)b].name);
}

typedef const char *(*slot_key)(const struct slot *slot);

static const char *id_of(const struct slot *slot)
{
	return slot->id;
}

static const char *name_of(const struct slot *slot)
{
	return slot->name;
}

/* Which of the @count slots in @order, which are sorted by @key, has @text for
 * its key; false when none does. */
static bool search(const struct slot *slots, const uint32_t *order,
		   uint32_t count, slot_key key, const char *text,
		   uint32_t *ret)
{
	uint32_t low = 0, high = count, middle;
	int side;

	while (low < high) {
		middle = low + (high - low) / 2;
		side = strcmp(text, key(&slots[order[middle]]));
		if (side == 0) {
			*ret = order[middle];
			return true;
		}
		if (side < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return false;
}

/* Among the first @known slots, which are in by_id. */
static bool find_id(const struct snapshots *snapshots, uint32_t known,
		    const char *id, uint32_t *ret)
{
	return search(snapshots->slots, snapshots->by_id, known, id_of, id,
		      ret);
}

static bool find_name(const struct snapshots *snapshots, const char *name,
		      uint32_t *ret)
{
	return search(snapshots->slots, snapshots->by_name,
		      snapshots->present_count, name_of, name, ret);
}

/* Room for @more slots; after this a list can be adopted without failing. */
static int reserve(struct snapshots *snapshots, size_t more)
{
	size_t room = snapshots->slot_count + more + 1; /* + 1: never 0 bytes */
	struct slot *slots;
	uint32_t *order;

	if (room > INODE_SLOT_MAX)
		return -1;
	slots = reallocarray(snapshots->slots, room, sizeof(*slots));
	if (!slots)
		return -1;
	snapshots->slots = slots;
	order = reallocarray(snapshots->by_id, room, sizeof(*order));
	if (!order)
		return -1;
	snapshots->by_id = order;
	order = reallocarray(snapshots->by_name, room, sizeof(*order));
	if (!order)
		return -1;
	snapshots->by_name = order;
	return 0;
}

static uint32_t add_slot(struct snapshots *snapshots,
			 const struct rvs_snapshot *from)
{
	uint32_t number = snapshots->slot_count++;
	struct slot *slot = &snapshots->slots[number];

	memcpy(slot->id, from->id, sizeof(slot->id));
	slot->created_at = from->created_at;
	slot->root = from->root;
	snapshots->by_id[number] = number;
	return number;
}

/* Put the snapshots of @list in their slots, new ones in new slots. */
static void fill_slots(struct snapshots *snapshots,
		       const struct rvs_snapshot_list *list)
{
	uint32_t known = snapshots->slot_count, number;
	size_t i;

	for (number = 0; number < known; number++)
		snapshots->slots[number].present = false;
	for (i = 0; i < list->count; i++) {
		if (!find_id(snapshots, known, list->items[i].id, &number))
			number = add_slot(snapshots, &list->items[i]);
		snapshots->slots[number].present = true;
		memcpy(snapshots->slots[number].name, list->items[i].name,
		       sizeof(snapshots->slots[number].name));
		snapshots->newest = number; /* the list is oldest first */
	}
	qsort_r(snapshots->by_id, snapshots->slot_count,
		sizeof(*snapshots->by_id), compare_ids, snapshots->slots);
}

static void order_by_name(struct snapshots *snapshots)
{
	uint32_t number;

	snapshots->present_count = 0;
	for (number = 0; number < snapshots->slot_count; number++)
		if (snapshots->slots[number].present)
			snapshots->by_name[snapshots->present_count++] = number;
	qsort_r(snapshots->by_name, snapshots->present_count,
		sizeof(*snapshots->by_name), compare_names, snapshots->slots);
}

static bool is_after(struct timespec a, struct timespec b)
{
	if (a.tv_sec != b.tv_sec)
		return a.tv_sec > b.tv_sec;
	return a.tv_nsec > b.tv_nsec;
}

/*
 * The kernel keeps a listing of the root for as long as its mtime is the same,
 * so that no two lists may share one, however coarse the clock is.
 */
static struct timespec next_change(struct timespec last)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (is_after(now, last))
		return now;
	last.tv_nsec++;
	if (last.tv_nsec == 1000000000L)
		last = (struct timespec){ last.tv_sec + 1, 0 };
	return last;
}

static void copy_slot(const struct snapshots *snapshots, uint32_t number,
		      struct snapshot *ret)
{
	const struct slot *slot = &snapshots->slots[number];

	ret->slot = number;
	memcpy(ret->id, slot->id, sizeof(ret->id));
	memcpy(ret->name, slot->name, sizeof(ret->name));
	ret->created_at = slot->created_at;
	ret->root = slot->root;
}

/* Keep the slots as they are in @ret, those with a name. */
static int note_present(const struct snapshots *snapshots,
			struct departures *ret)
{
	uint32_t i;

	ret->items = calloc((size_t)snapshots->present_count + 1,
			    sizeof(*ret->items));
	if (!ret->items)
		return -1;
	for (i = 0; i < snapshots->present_count; i++)
		copy_slot(snapshots, snapshots->by_name[i],
			  &ret->items[ret->count++].was);
	return 0;
}

/* Leave those that have their name no more. */
static void keep_departed(const struct snapshots *snapshots,
			  struct departures *departures)
{
	size_t i, count = 0;

	for (i = 0; i < departures->count; i++) {
		struct departure *d = &departures->items[i];
		const struct slot *now = &snapshots->slots[d->was.slot];

		d->deleted = !now->present;
		if (d->deleted || strcmp(now->name, d->was.name) != 0)
			departures->items[count++] = *d;
	}
	departures->count = count;
}

static int adopt(struct snapshots *snapshots,
		 const struct rvs_snapshot_list *list, uint64_t generation,
		 struct departures *departures, struct rvs_error *err)
{
	if (reserve(snapshots, list->count) < 0 ||
	    note_present(snapshots, departures) < 0)
		return error_set(err, RVS_ERR_NO_MEMORY, "out of memory");
	fill_slots(snapshots, list);
	order_by_name(snapshots);
	keep_departed(snapshots, departures);
	snapshots->changed_at = next_change(snapshots->changed_at);
	snapshots->generation = generation;
	snapshots->is_known = true;
	return 0;
}

/*
 * Take the right to read the list, waiting for the thread that has it.  Returns
 * false when the list is that of the store's present @ret_generation already.
 * The generation is read before the list, so that a change between the two is
 * seen by the next refresh.
 */
static int begin_reading(struct snapshots *snapshots, uint64_t *ret_generation,
			 struct rvs_error *err)
{
	int r;

	for (;;) {
		r = rvs_store_generation(snapshots->store, ret_generation, err);
		if (r < 0)
			return r;
		LOCKED(&snapshots->lock);
		if (snapshots->is_known &&
		    snapshots->generation == *ret_generation)
			return 0;
		if (!snapshots->reading) {
			snapshots->reading = true;
			return 1;
		}
		pthread_cond_wait(&snapshots->read, &snapshots->lock);
	}
}

static int end_reading(struct snapshots *snapshots,
		       const struct rvs_snapshot_list *list,
		       uint64_t generation, struct departures *departures,
		       struct rvs_error *err)
{
	LOCKED(&snapshots->lock);

	snapshots->reading = false;
	pthread_cond_broadcast(&snapshots->read);
	return list ? adopt(snapshots, list, generation, departures, err) : 0;
}

static void tell(const struct snapshots *snapshots,
		 const struct departures *departures)
{
	const struct snapshots_observer *observer = &snapshots->observer;
	size_t i;

	for (i = 0; i < departures->count; i++)
		observer->left(observer->arg, &departures->items[i].was,
			       departures->items[i].deleted);
	observer->changed(observer->arg);
}

static void departures_done(struct departures *departures)
{
	free(departures->items);
}

int snapshots_refresh(struct snapshots *snapshots, struct rvs_error *err)
{
	CLEANUP(rvs_snapshot_list_done) struct rvs_snapshot_list list = { 0 };
	CLEANUP(departures_done) struct departures departures = { NULL, 0 };
	uint64_t generation;
	int r;

	r = begin_reading(snapshots, &generation, err);
	if (r <= 0)
		return r;
	r = rvs_snapshot_list(snapshots->store, &list,
			      snapshots->observer.damaged,
			      snapshots->observer.arg, err);
	if (r < 0) {
		/* r tells it */
		(void)end_reading(snapshots, NULL, 0, NULL, NULL);
		return r;
	}
	r = end_reading(snapshots, &list, generation, &departures, err);
	if (r == 0)
		tell(snapshots, &departures);
	return r;
}

bool snapshots_find(struct snapshots *snapshots, const char *name,
		    struct snapshot *ret)
{
	uint32_t number;
	LOCKED(&snapshots->lock);

	if (!find_name(snapshots, name, &number))
		return false;
	copy_slot(snapshots, number, ret);
	return true;
}

bool snapshots_find_id(struct snapshots *snapshots, const char *id,
		       struct snapshot *ret)
{
	uint32_t number;
	LOCKED(&snapshots->lock);

	if (!find_id(snapshots, snapshots->slot_count, id, &number) ||
	    !snapshots->slots[number].present)
		return false;
	copy_slot(snapshots, number, ret);
	return true;
}

static bool is_newer(const struct slot *a, const struct slot *b)
{
	return is_after(a->created_at, b->created_at) ||
	       (!is_after(b->created_at, a->created_at) &&
		strcmp(a->id, b->id) > 0);
}

/* The newest snapshot that was made in [@from, @to]. */
static bool find_between(struct snapshots *snapshots, struct timespec from,
			 struct timespec to, struct snapshot *ret)
{
	const struct slot *newest = NULL, *slot;
	uint32_t i;
	LOCKED(&snapshots->lock);

	for (i = 0; i < snapshots->slot_count; i++) {
		slot = &snapshots->slots[i];
		if (!slot->present || is_after(from, slot->created_at) ||
		    is_after(slot->created_at, to))
			continue;
		if (!newest || is_newer(slot, newest))
			newest = slot;
	}
	if (!newest)
		return false;
	copy_slot(snapshots, (uint32_t)(newest - snapshots->slots), ret);
	return true;
}

bool snapshots_find_moment(struct snapshots *snapshots, struct timespec moment,
			   struct snapshot *ret)
{
	return find_between(snapshots, moment, moment, ret);
}

bool snapshots_find_second(struct snapshots *snapshots, time_t second,
			   struct snapshot *ret)
{
	struct timespec first = { second, 0 }, last = { second, 999999999 };

	return find_between(snapshots, first, last, ret);
}

bool snapshots_get(struct snapshots *snapshots, uint32_t slot,
		   struct snapshot *ret)
{
	LOCKED(&snapshots->lock);

	if (slot >= snapshots->slot_count)
		return false;
	copy_slot(snapshots, slot, ret);
	return true;
}

bool snapshots_next(struct snapshots *snapshots, uint32_t slot,
		    struct snapshot *ret)
{
	LOCKED(&snapshots->lock);

	while (slot < snapshots->slot_count && !snapshots->slots[slot].present)
		slot++;
	if (slot >= snapshots->slot_count)
		return false;
	copy_slot(snapshots, slot, ret);
	return true;
}

bool snapshots_newest(struct snapshots *snapshots, struct snapshot *ret)
{
	LOCKED(&snapshots->lock);

	if (!snapshots->present_count)
		return false;
	copy_slot(snapshots, snapshots->newest, ret);
	return true;
}

size_t snapshots_count(struct snapshots *snapshots)
{
	LOCKED(&snapshots->lock);

	return snapshots->present_count;
}

struct timespec snapshots_changed_at(struct snapshots *snapshots)
{
	LOCKED(&snapshots->lock);

	return snapshots->changed_at;
}
