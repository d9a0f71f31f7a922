/*
 * History: a path looked up in every manifest at once.
 *
 * A segment says nothing of where it lies.  What it means for a search depends
 * on the segment and on how far the search had come when it began, so each such
 * pair is read once and its outcome kept: from then on a manifest that shares
 * the segment costs a look into a table.
 */
#include <rvs/history.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/pool.h"
#include "format/digest.h"
#include "format/manifest.h"
#include "format/name.h"
#include "store/store.h"
#include "store/tree.h"
#include "store/volume.h"

enum {
	BUCKETS = 4096,
	KIN_MAX = 1 << 16, /* sightings kept for children, of some 200 bytes */
};

/* How far a search came: directories open that lead to the path, the root being
 * the first, and those open inside the last of them that do not. */
struct place {
	uint32_t matched;
	uint32_t aside;
};

/* The path as one segment has it. */
struct sighting {
	struct rvs_version version; /* but for the snapshot */
	struct rvs_access access;
	char *first; /* of a hard link: the path of the first one, or NULL */
	uint32_t nth; /* node of the segment */
};

struct child {
	char *name;
	struct sighting *seen; /* NULL: there are too many */
	uint32_t nth;
};

/* What a segment means for a search that is at @from when it begins. */
struct outcome {
	struct outcome *chain;
	struct rvs_segment segment;
	struct place from;
	struct place to;
	bool over;      /* nothing more can come of it */
	uint32_t nodes; /* in the segment; those read, when it is over */
	struct sighting *found;
	struct child *children;
	size_t child_count;
	bool told; /* its children are in the history */
};

/* The search for one path. */
struct search {
	struct search *next; /* for the first link of a hard link */
	struct rvs_store *store;
	char *name; /* of what it is after */
	char *path; /* the same, cut into parts */
	char **parts;
	uint32_t depth; /* how many parts */
	bool wants_names;
	size_t sightings; /* of children; beyond KIN_MAX none is kept */
	struct outcome *buckets[BUCKETS];
	struct rvs_buf scratch;
	struct rvs_buf plain;
};

/* Reading a segment. */
struct reading {
	struct search *search;
	struct outcome *outcome;
};

/* Where a snapshot has the path. */
struct hit {
	const struct sighting *found; /* NULL: nowhere */
	uint32_t index;
	uint32_t first; /* the same, or that of the first hard link */
};

/* A segment with children, in a snapshot. */
struct span {
	const struct outcome *outcome;
	uint32_t before; /* nodes of the snapshot before it */
};

/* The children of a directory as one snapshot has them. */
struct brood {
	struct span *spans; /* in the order of names */
	size_t count;
	bool unreadable;
};

/* What a search for names met, kept to answer for each of them. */
struct rvs_history_kin {
	struct search *searches;
	struct rvs_snapshot_list list;
	struct brood *broods; /* one for each snapshot of the list */
};

/* ---- searches ---- */

static void free_sighting(struct sighting *sighting)
{
	if (sighting)
		free(sighting->first);
	free(sighting);
}

static void free_outcome(struct outcome *outcome)
{
	size_t i;

	free_sighting(outcome->found);
	for (i = 0; i < outcome->child_count; i++) {
		free(outcome->children[i].name);
		free_sighting(outcome->children[i].seen);
	}
	free(outcome->children);
	free(outcome);
}

static void search_free(struct search *search)
{
	size_t i;

	if (!search)
		return;
	for (i = 0; i < BUCKETS; i++)
		while (search->buckets[i]) {
			struct outcome *outcome = search->buckets[i];

			search->buckets[i] = outcome->chain;
			free_outcome(outcome);
		}
	rvs_buf_done(&search->scratch);
	rvs_buf_done(&search->plain);
	free(search->parts);
	free(search->path);
	free(search->name);
	free(search);
}

static void searches_free(struct search **first)
{
	while (*first) {
		struct search *search = *first;

		*first = search->next;
		search_free(search);
	}
}

/* Cut the path at its slashes; "." and nothing are no parts. */
static int cut(struct search *search)
{
	char *at = search->path, *part;

	search->parts = calloc(strlen(at) / 2 + 1, sizeof(*search->parts));
	if (!search->parts)
		return -1;
	while ((part = strsep(&at, "/")))
		if (*part && strcmp(part, ".") != 0)
			search->parts[search->depth++] = part;
	return 0;
}

static int search_new(struct rvs_store *store, const char *path,
		      bool wants_names, struct search **ret,
		      struct rvs_error *err)
{
	struct search *search = calloc(1, sizeof(*search));

	if (!search)
		return rvs_error_no_memory(err);
	search->store = store;
	search->wants_names = wants_names;
	search->name = strdup(path);
	search->path = strdup(path);
	if (!search->name || !search->path || cut(search) < 0) {
		search_free(search);
		return rvs_error_no_memory(err);
	}
	*ret = search;
	return 0;
}

/* ---- a segment ---- */

/* The number that stands for what no file is told by its bytes. */
static int digest_of_node(const struct rvs_node *node, struct rvs_digest *ret,
			  struct rvs_error *err)
{
	const uint32_t device[2] = { node->rdev_major, node->rdev_minor };

	*ret = node->digest;
	if (S_ISREG(node->mode))
		return 0;
	if (node->target)
		return rvs_digest_of(node->target, strlen(node->target), ret,
				     err);
	return rvs_digest_of(device, sizeof(device), ret, err);
}

/* *@ret is the caller's, on failure too. */
static int see(const struct rvs_node *node, uint32_t nth, struct sighting **ret,
	       struct rvs_error *err)
{
	struct sighting *found = calloc(1, sizeof(*found));

	*ret = found;
	if (!found)
		return rvs_error_no_memory(err);
	found->nth = nth;
	found->access = (struct rvs_access){ node->mode, node->uid, node->gid };
	found->version.mode = node->mode;
	found->version.size = node->size;
	found->version.mtime = node->mtime;
	if (!node->hard_link)
		return digest_of_node(node, &found->version.digest, err);
	found->first = strdup(node->target);
	return found->first ? 0 : rvs_error_no_memory(err);
}

static int add_child(struct search *search, struct outcome *outcome,
		     const struct rvs_node *node, struct rvs_error *err)
{
	size_t n = outcome->child_count;
	struct child *children;

	if (!rvs_name_is_safe(node->name))
		return rvs_error_set(err, RVS_ERR_CORRUPT,
				     "manifest: a name is unsafe");
	/* Powers of two are when it is full. */
	if ((n & (n - 1)) == 0) {
		children = reallocarray(outcome->children, n ? 2 * n : 1,
					sizeof(*children));
		if (!children)
			return rvs_error_no_memory(err);
		outcome->children = children;
	}
	outcome->children[n] = (struct child){ .name = strdup(node->name),
					       .nth = outcome->nodes };
	if (!outcome->children[n].name)
		return rvs_error_no_memory(err);
	outcome->child_count++;
	return ++search->sightings > KIN_MAX ?
		       0 :
		       see(node, outcome->nodes, &outcome->children[n].seen,
			   err);
}

/* The path itself: the search goes on only for the names in it. */
static int meet(struct reading *reading, const struct rvs_node *node,
		struct rvs_error *err)
{
	struct outcome *outcome = reading->outcome;
	int r = see(node, outcome->nodes, &outcome->found, err);

	if (r < 0)
		return r;
	outcome->over = !reading->search->wants_names || node->hard_link ||
			!S_ISDIR(node->mode);
	outcome->to.matched++;
	return 0;
}

/* A node right inside the last directory that leads to the path. */
static int step(struct reading *reading, const struct rvs_node *node,
		struct rvs_error *err)
{
	struct search *search = reading->search;
	struct outcome *outcome = reading->outcome;
	struct place *at = &outcome->to;
	bool is_directory = !node->hard_link && S_ISDIR(node->mode);
	int order;

	if (at->matched == search->depth + 1) {
		at->aside += is_directory;
		return add_child(search, outcome, node, err);
	}
	/* The root has no name, and no brother. */
	order = at->matched == 0 ?
			0 :
			strcmp(node->name, search->parts[at->matched - 1]);
	if (order == 0 && at->matched == search->depth)
		return meet(reading, node, err);
	outcome->over = order > 0 || (order == 0 && !is_directory);
	if (order == 0)
		at->matched++;
	else
		at->aside += is_directory;
	return 0;
}

/* What ends a reading that is over: nobody is told. */
static int go_on(const struct outcome *outcome)
{
	return outcome->over ? RVS_ERR_INTERRUPTED : 0;
}

static int on_node(void *arg, const struct rvs_node *node,
		   struct rvs_error *err)
{
	struct reading *reading = arg;
	struct outcome *outcome = reading->outcome;
	int r = 0;

	if (outcome->to.aside == 0)
		r = step(reading, node, err);
	else
		outcome->to.aside += !node->hard_link && S_ISDIR(node->mode);
	outcome->nodes++;
	return r < 0 ? r : go_on(outcome);
}

static int on_extents(void *arg, const struct rvs_extent *items, size_t count,
		      uint64_t end, struct rvs_error *err)
{
	(void)arg;
	(void)items;
	(void)count;
	(void)end;
	(void)err;
	return 0;
}

/* The end of the last directory that leads to the path ends the search. */
static int on_end(void *arg, struct rvs_error *err)
{
	const struct reading *reading = arg;
	struct outcome *outcome = reading->outcome;

	(void)err;
	if (outcome->to.aside > 0)
		outcome->to.aside--;
	else
		outcome->over = true;
	return go_on(outcome);
}

static int on_volume(void *arg, const char *id, uint32_t *ret,
		     struct rvs_error *err)
{
	(void)arg;
	(void)id;
	(void)err;
	*ret = 0; /* where files lie is of no interest */
	return 0;
}

static int read_segment(struct search *search, struct outcome *outcome,
			struct rvs_error *err)
{
	struct reading reading = { search, outcome };
	const struct rvs_manifest_input input = { .arg = &reading,
						  .node = on_node,
						  .extents = on_extents,
						  .end = on_end,
						  .volume = on_volume };
	int r = rvs_volume_load(search->store->volumes, outcome->segment.id,
				outcome->segment.member, false,
				&search->scratch, &search->plain, NULL, err);

	if (r < 0)
		return r;
	r = rvs_manifest_read_alone(&input, search->plain.bytes,
				    search->plain.len, err);
	return outcome->over && r == RVS_ERR_INTERRUPTED ? 0 : r;
}

static struct outcome **bucket_of(struct search *search,
				  const struct rvs_segment *segment,
				  struct place from)
{
	uint64_t hash = 0xcbf29ce484222325u;
	const char *c;

	for (c = segment->id; *c; c++)
		hash = (hash ^ (uint8_t)*c) * 0x100000001b3u;
	hash = (hash ^ segment->member) * 0x9e3779b97f4a7c15u;
	hash = (hash ^ from.matched ^ (uint64_t)from.aside << 32) *
	       0x9e3779b97f4a7c15u;
	return &search->buckets[hash >> 52];
}

/* The outcome of the segment, which stays the search's. */
static int outcome_of(struct search *search, const struct rvs_segment *segment,
		      struct place from, struct outcome **ret,
		      struct rvs_error *err)
{
	struct outcome **bucket = bucket_of(search, segment, from);
	struct outcome *outcome;
	int r;

	for (outcome = *bucket; outcome; outcome = outcome->chain)
		if (outcome->segment.member == segment->member &&
		    outcome->from.matched == from.matched &&
		    outcome->from.aside == from.aside &&
		    !strcmp(outcome->segment.id, segment->id)) {
			*ret = outcome;
			return 0;
		}
	outcome = calloc(1, sizeof(*outcome));
	if (!outcome)
		return rvs_error_no_memory(err);
	outcome->segment = *segment;
	outcome->from = outcome->to = from;
	r = read_segment(search, outcome, err);
	if (r < 0) {
		free_outcome(outcome);
		return r;
	}
	outcome->chain = *bucket;
	*bucket = *ret = outcome;
	return 0;
}

/* ---- a snapshot ---- */

static int add_names(struct rvs_history *history, const char *id,
		     uint32_t before, struct outcome *outcome,
		     struct rvs_error *err)
{
	struct rvs_past_name *names;
	size_t i;

	if (outcome->told || outcome->child_count == 0)
		return 0;
	names = reallocarray(history->names,
			     history->name_count + outcome->child_count,
			     sizeof(*names));
	if (!names)
		return rvs_error_no_memory(err);
	history->names = names;
	for (i = 0; i < outcome->child_count; i++) {
		struct rvs_past_name *name = &names[history->name_count++];

		memcpy(name->id, id, sizeof(name->id));
		name->index = before + outcome->children[i].nth;
		name->name = strdup(outcome->children[i].name);
		if (!name->name) {
			history->name_count--;
			return rvs_error_no_memory(err);
		}
	}
	outcome->told = true;
	return 0;
}

static int add_span(struct brood *brood, const struct outcome *outcome,
		    uint32_t before, struct rvs_error *err)
{
	struct span *spans;

	if (outcome->child_count == 0)
		return 0;
	spans = reallocarray(brood->spans, brood->count + 1, sizeof(*spans));
	if (!spans)
		return rvs_error_no_memory(err);
	brood->spans = spans;
	spans[brood->count++] = (struct span){ outcome, before };
	return 0;
}

/* Walk the manifest of the snapshot @id for as long as something may come.
 * @history gets the names, @brood where they are; both may be NULL. */
static int walk(struct search *search, const char *id,
		struct rvs_history *history, struct brood *brood,
		struct hit *ret, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_cleanup_free) struct rvs_segment *segments = NULL;
	struct place at = { 0, 0 };
	struct outcome *outcome = NULL;
	uint32_t nodes = 0;
	size_t count, i;
	int r = rvs_tree_read_root(search->store, id, &segments, &count, NULL,
				   err);

	*ret = (struct hit){ NULL, 0, 0 };
	for (i = 0; r == 0 && i < count; i++) {
		r = outcome_of(search, &segments[i], at, &outcome, err);
		if (r == 0 && history)
			r = add_names(history, id, nodes, outcome, err);
		if (r == 0 && brood)
			r = add_span(brood, outcome, nodes, err);
		if (r < 0)
			return r;
		if (outcome->found)
			*ret = (struct hit){ outcome->found,
					     nodes + outcome->found->nth,
					     nodes + outcome->found->nth };
		if (outcome->over)
			break;
		at = outcome->to;
		nodes += outcome->nodes;
	}
	return r;
}

/* The search for @path among those behind @first, made when there is none. */
static int search_of(struct search *first, const char *path,
		     struct search **ret, struct rvs_error *err)
{
	struct search *search;
	int r;

	for (search = first->next; search; search = search->next)
		if (!strcmp(search->name, path)) {
			*ret = search;
			return 0;
		}
	r = search_new(first->store, path, false, ret, err);
	if (r < 0)
		return r;
	(*ret)->next = first->next;
	first->next = *ret;
	return 0;
}

/* The node that a hard link is another name of. */
static int follow(struct search *search, const char *id, struct hit *hit,
		  struct rvs_error *err)
{
	struct search *other;
	struct hit first;
	int r = search_of(search, hit->found->first, &other, err);

	if (r == 0)
		r = walk(other, id, NULL, NULL, &first, err);
	if (r < 0)
		return r;
	if (!first.found || first.found->first)
		return rvs_error_set(err, RVS_ERR_CORRUPT,
				     "manifest: a hard link leads nowhere");
	hit->found = first.found;
	hit->first = first.index;
	return 0;
}

/* ---- the history ---- */

/* The last version of each source. */
struct lasts {
	struct last {
		const char *source;
		bool present; /* in its last snapshot */
		struct rvs_version version;
	} *items;
	size_t count;
};

static struct last *last_of(struct lasts *lasts, const char *source)
{
	struct last *items;
	size_t i;

	for (i = 0; i < lasts->count; i++)
		if (!strcmp(lasts->items[i].source, source))
			return &lasts->items[i];
	items = reallocarray(lasts->items, lasts->count + 1, sizeof(*items));
	if (!items)
		return NULL;
	lasts->items = items;
	items[lasts->count] = (struct last){ .source = source };
	return &items[lasts->count++];
}

static bool is_same(const struct rvs_version *a, const struct rvs_version *b)
{
	return (a->mode & S_IFMT) == (b->mode & S_IFMT) && a->size == b->size &&
	       rvs_digest_equal(&a->digest, &b->digest);
}

static int add_version(struct rvs_history *history, struct last *last,
		       const struct rvs_snapshot *snapshot,
		       const struct hit *hit, struct rvs_error *err)
{
	const struct rvs_version *version = &hit->found->version;
	struct rvs_version *versions;
	bool is_old = last->present && is_same(&last->version, version);

	last->present = true;
	if (is_old)
		return 0;
	versions = reallocarray(history->versions, history->version_count + 1,
				sizeof(*versions));
	if (!versions)
		return rvs_error_no_memory(err);
	history->versions = versions;
	last->version = *version;
	memcpy(last->version.id, snapshot->id, sizeof(last->version.id));
	last->version.created_at = snapshot->created_at;
	last->version.index = hit->first;
	versions[history->version_count++] = last->version;
	return 0;
}

static int add_access(struct rvs_history *history,
		      const struct rvs_access *access, struct rvs_error *err)
{
	struct rvs_access *accesses = history->accesses;
	size_t i;

	for (i = 0; i < history->access_count; i++)
		if (accesses[i].mode == access->mode &&
		    accesses[i].uid == access->uid &&
		    accesses[i].gid == access->gid)
			return 0;
	accesses = reallocarray(accesses, history->access_count + 1,
				sizeof(*accesses));
	if (!accesses)
		return rvs_error_no_memory(err);
	history->accesses = accesses;
	accesses[history->access_count++] = *access;
	return 0;
}

static int add_hit(struct rvs_history *history, struct last *last,
		   const struct rvs_snapshot *snapshot, const struct hit *hit,
		   struct rvs_error *err)
{
	const struct sighting *found = hit->found;

	if (!found) {
		last->present = false;
		return 0;
	}
	if (!history->id[0]) {
		memcpy(history->id, snapshot->id, sizeof(history->id));
		history->index = hit->index;
	}
	if (!S_ISDIR(found->version.mode))
		return add_version(history, last, snapshot, hit, err);
	last->present = false;
	return add_access(history, &found->access, err);
}

/* What is damaged, or was deleted meanwhile, is left out. */
static bool is_unreadable(int status)
{
	return status == RVS_ERR_CORRUPT || status == RVS_ERR_MISSING ||
	       status == RVS_ERR_NOT_FOUND;
}

static int look_into(struct search *search, struct lasts *lasts,
		     const struct rvs_snapshot *snapshot, struct brood *brood,
		     struct rvs_history *history, struct rvs_error *err)
{
	struct last *last = last_of(lasts, snapshot->source);
	struct hit hit;
	int r;

	if (!last)
		return rvs_error_no_memory(err);
	r = walk(search, snapshot->id, history, brood, &hit, err);
	if (r == 0 && hit.found && hit.found->first)
		r = follow(search, snapshot->id, &hit, err);
	if (is_unreadable(r)) {
		history->unreadable++;
		brood->unreadable = true;
		return 0;
	}
	return r < 0 ? r : add_hit(history, last, snapshot, &hit, err);
}

/* Records tell of the root directory what a history without names needs. */
static int look_at_root(const struct rvs_snapshot *snapshot,
			struct rvs_history *history, struct rvs_error *err)
{
	const struct rvs_root *root = &snapshot->root;
	const struct rvs_access access = { root->mode, root->uid, root->gid };

	if (!history->id[0])
		memcpy(history->id, snapshot->id, sizeof(history->id));
	return add_access(history, &access, err);
}

/* Of the same names the first stays, which is the oldest. */
static int compare_names(const void *a, const void *b)
{
	const struct rvs_past_name *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : strcmp(x->id, y->id);
}

static void order_names(struct rvs_history *history)
{
	struct rvs_past_name *names = history->names;
	size_t i, count = 0;

	if (history->name_count == 0)
		return;
	qsort(names, history->name_count, sizeof(*names), compare_names);
	for (i = 0; i < history->name_count; i++)
		if (count > 0 && !strcmp(names[count - 1].name, names[i].name))
			free(names[i].name);
		else
			names[count++] = names[i];
	history->name_count = count;
}

/* ---- reading ahead ---- */

enum { AHEAD_THREADS = 16 }; /* what is cold waits for the disk, not for a core */

/* One manifest that will be wanted. */
struct wanted {
	struct rvs_job job;
	struct rvs_store *store;
	const char *id;
};

/* Load a snapshot's index, and have its root and its own segments in the page
 * cache.  Whoever needs them says what is wrong with them. */
static void want(struct rvs_job *job, unsigned worker)
{
	const struct wanted *wanted = (const struct wanted *)job;
	RVS_CLEANUP(rvs_cleanup_free) struct rvs_segment *segments = NULL;
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf scratch = RVS_BUF_INIT;
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf plain = RVS_BUF_INIT;
	size_t count, i;

	(void)worker;
	if (rvs_tree_read_root(wanted->store, wanted->id, &segments, &count,
			       NULL, NULL) < 0)
		return;
	for (i = 0; i < count; i++)
		if (!strcmp(segments[i].id, wanted->id))
			(void)rvs_volume_load(wanted->store->volumes,
					      wanted->id, segments[i].member,
					      false, &scratch, &plain, NULL,
					      NULL);
}

/* Without threads nobody reads ahead. */
static void want_all(struct wanted *wanted, size_t count)
{
	struct rvs_pool *pool = NULL;
	struct rvs_lane *lane = NULL;
	size_t i;

	if (rvs_pool_new(AHEAD_THREADS, &pool, NULL) == 0 &&
	    rvs_lane_new(pool, false, &lane, NULL) == 0)
		for (i = 0; i < count; i++)
			rvs_lane_submit(lane, &wanted[i].job);
	rvs_lane_free(lane);
	rvs_pool_free(pool);
}

/* Read the manifests side by side of which nothing was read yet: the others are
 * in the page cache, where the search finds them sooner by itself. */
static void read_ahead(struct rvs_store *store,
		       const struct rvs_snapshot_list *list)
{
	RVS_CLEANUP(rvs_cleanup_free)
	struct wanted *wanted = calloc(list->count + 1, sizeof(*wanted));
	size_t count = 0, i;

	for (i = 0; wanted && i < list->count; i++)
		if (!rvs_volume_is_loaded(store->volumes, list->items[i].id))
			wanted[count++] = (struct wanted){
				.job.run = want,
				.store = store,
				.id = list->items[i].id,
			};
	if (count > 0)
		want_all(wanted, count);
}

/* ---- all snapshots ---- */

static void kin_free(struct rvs_history_kin *kin)
{
	size_t i;

	if (!kin)
		return;
	searches_free(&kin->searches);
	for (i = 0; kin->broods && i < kin->list.count; i++)
		free(kin->broods[i].spans);
	free(kin->broods);
	rvs_snapshot_list_done(&kin->list);
	free(kin);
}

static void kin_cleanup(struct rvs_history_kin **kin)
{
	kin_free(*kin);
}

static int look_into_all(struct rvs_history_kin *kin,
			 struct rvs_history *history, struct rvs_error *err)
{
	struct search *search = kin->searches;
	struct lasts lasts = { NULL, 0 };
	size_t i;
	int r = 0;

	read_ahead(search->store, &kin->list);
	for (i = 0; i < kin->list.count && r == 0; i++) {
		const struct rvs_snapshot *snapshot = &kin->list.items[i];

		if (search->depth == 0 && !search->wants_names &&
		    S_ISDIR(snapshot->root.mode))
			r = look_at_root(snapshot, history, err);
		else
			r = look_into(search, &lasts, snapshot, &kin->broods[i],
				      history, err);
	}
	free(lasts.items);
	return r;
}

void rvs_history_done(struct rvs_history *history)
{
	free(history->versions);
	free(history->accesses);
	while (history->name_count > 0)
		free(history->names[--history->name_count].name);
	free(history->names);
	kin_free(history->kin);
	*history = (struct rvs_history){ .index = 0 };
}

/* What is kept needs no memory to read with any more. */
static struct rvs_history_kin *settle(struct rvs_history_kin *kin)
{
	struct search *search;

	for (search = kin->searches; search; search = search->next) {
		rvs_buf_done(&search->scratch);
		rvs_buf_done(&search->plain);
	}
	return kin;
}

static int find(struct rvs_store *store, const char *path, bool wants_names,
		struct rvs_history *ret, struct rvs_error *err)
{
	RVS_CLEANUP(kin_cleanup)
	struct rvs_history_kin *kin = calloc(1, sizeof(*kin));
	int r;

	*ret = (struct rvs_history){ .index = 0 };
	if (!kin)
		return rvs_error_no_memory(err);
	r = search_new(store, path, wants_names, &kin->searches, err);
	if (r == 0)
		r = rvs_snapshot_list(store, &kin->list, NULL, NULL, err);
	if (r < 0)
		return r;
	kin->broods = calloc(kin->list.count + 1, sizeof(*kin->broods));
	r = kin->broods ? look_into_all(kin, ret, err) :
			  rvs_error_no_memory(err);
	order_names(ret);
	if (r < 0)
		rvs_history_done(ret);
	else if (wants_names && kin->searches->sightings <= KIN_MAX)
		ret->kin = settle(rvs_take(kin));
	return r;
}

/* ---- children ---- */

static int compare_to_child(const void *name, const void *child)
{
	return strcmp(name, ((const struct child *)child)->name);
}

/* The child @name of a snapshot; an empty hit: it has none. */
static struct hit find_child(const struct brood *brood, const char *name)
{
	struct hit hit = { NULL, 0, 0 };
	size_t i;

	for (i = 0; i < brood->count && !hit.found; i++) {
		const struct span *span = &brood->spans[i];
		const struct outcome *outcome = span->outcome;
		const struct child *child = outcome->children;

		if (strcmp(name, child->name) < 0)
			break; /* and before all that come */
		child = bsearch(name, child, outcome->child_count,
				sizeof(*child), compare_to_child);
		if (child)
			hit = (struct hit){ child->seen,
					    span->before + child->nth,
					    span->before + child->nth };
	}
	return hit;
}

static int find_in_broods(const struct rvs_history_kin *kin, const char *name,
			  struct lasts *lasts, struct rvs_history *ret,
			  struct rvs_error *err)
{
	size_t i;
	int r = 0;

	for (i = 0; i < kin->list.count && r == 0; i++) {
		const struct rvs_snapshot *snapshot = &kin->list.items[i];
		const struct hit hit = find_child(&kin->broods[i], name);
		struct last *last = last_of(lasts, snapshot->source);

		if (hit.found && hit.found->first)
			return 1;
		if (kin->broods[i].unreadable)
			ret->unreadable++;
		else
			r = last ? add_hit(ret, last, snapshot, &hit, err) :
				   rvs_error_no_memory(err);
	}
	return r;
}

int rvs_history_child(const struct rvs_history *directory, const char *name,
		      struct rvs_history *ret, struct rvs_error *err)
{
	struct lasts lasts = { NULL, 0 };
	int r;

	*ret = (struct rvs_history){ .index = 0 };
	if (!directory->kin)
		return 1;
	r = find_in_broods(directory->kin, name, &lasts, ret, err);
	free(lasts.items);
	if (r != 0)
		rvs_history_done(ret);
	return r;
}

int rvs_history_find(struct rvs_store *store, const char *path,
		     struct rvs_history *ret, struct rvs_error *err)
{
	return find(store, path, false, ret, err);
}

int rvs_history_list(struct rvs_store *store, const char *path,
		     struct rvs_history *ret, struct rvs_error *err)
{
	return find(store, path, true, ret, err);
}
