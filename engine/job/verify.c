/*
 * Verify: read and prove everything that snapshots need.
 *
 * First the directories: each object against checksum.sha256, and where one
 * differs, each of its members.  Then the files: each is read to its end and
 * compared with its SHA-256.  Both go on side by side; what is found is told in
 * that order.
 */
#include "verify_inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "format/digest.h"
#include "store/ahead.h"
#include "store/reader.h"
#include "store/store.h"
#include "store/volume.h"

enum { TICK_MS = 100 }; /* how often the user is told and listened to */

void verify_report(struct verifying *v, const char *snapshot, const char *path,
		   const struct rvs_damage *damage)
{
	const struct rvs_finding finding = { snapshot, path, damage };

	v->result->findings++;
	if (v->found)
		v->found(v->arg, &finding);
}

void verify_report_text(struct verifying *v, const char *snapshot,
			const char *stream, const char *reason)
{
	struct rvs_damage damage = { .member = -1 };

	(void)snprintf(damage.snapshot, sizeof(damage.snapshot), "%s",
		       snapshot);
	(void)snprintf(damage.stream, sizeof(damage.stream), "%.255s", stream);
	(void)snprintf(damage.reason, sizeof(damage.reason), "%.255s", reason);
	verify_report(v, snapshot, NULL, &damage);
}

int verify_advance(struct verifying *v, uint64_t bytes)
{
	const struct rvs_monitor *m = v->monitor;

	v->done_bytes += bytes + atomic_exchange(&v->moved_bytes, 0);
	if (m->progress) /* records and the like are not in the total */
		m->progress(m->arg,
			    v->done_bytes < v->total_bytes ? v->done_bytes :
							     v->total_bytes,
			    v->total_bytes);
	if (m->cancelled && m->cancelled(m->arg))
		atomic_store(&v->stop, true);
	return atomic_load(&v->stop) ?
		       rvs_error_set(v->err, RVS_ERR_INTERRUPTED,
				     "interrupted") :
		       0;
}

int verify_moved(struct verifying *v, uint64_t bytes, struct rvs_error *err)
{
	(void)atomic_fetch_add(&v->moved_bytes, bytes);
	return atomic_load(&v->stop) ?
		       rvs_error_set(err, RVS_ERR_INTERRUPTED, "interrupted") :
		       0;
}

struct rvs_job *verify_await(struct verifying *v, struct rvs_lane *lane)
{
	while (!rvs_lane_wait(lane, TICK_MS))
		(void)verify_advance(v, 0); /* an interrupted job says so */
	return rvs_lane_collect(lane);
}

bool verify_is_damage(int status)
{
	return status == RVS_ERR_CORRUPT || status == RVS_ERR_MISSING ||
	       status == RVS_ERR_NOT_FOUND || status == RVS_ERR_REFUSED;
}

/* ---- a snapshot ---- */

static int prove_tree(struct verifying *v, const struct rvs_snapshot *snapshot,
		      struct rvs_tree *tree)
{
	uint32_t i;
	int r = 0;

	if (!rvs_digest_equal(rvs_tree_checksum(tree), &snapshot->checksum)) {
		r = verify_settle(v);
		verify_report_text(v, snapshot->id, RVS_METADATA_NAME,
				   "the tree does not match the checksum");
	}
	for (i = 0; i < rvs_tree_volume_count(tree) && r == 0; i++)
		r = verify_volume(v, rvs_tree_volume(tree, i));
	return r < 0 ? r : verify_files(v, tree);
}

/* The tree cannot be loaded, since @status. */
static int note_no_tree(struct verifying *v,
			const struct rvs_snapshot *snapshot, int status,
			const struct rvs_damage *damage)
{
	const struct rvs_error why = *v->err;
	int r;

	if (!verify_is_damage(status))
		return status;
	r = verify_settle(v);
	if (r < 0)
		return r;
	if (damage->reason[0])
		verify_report(v, snapshot->id, NULL, damage);
	else
		verify_report_text(v, snapshot->id, RVS_MANIFEST_NAME,
				   why.text);
	return 0;
}

static int prove_snapshot(struct verifying *v,
			  const struct rvs_snapshot *snapshot)
{
	RVS_CLEANUP(rvs_tree_cleanup) struct rvs_tree *tree = NULL;
	struct rvs_damage damage;
	int r;

	v->result->snapshots++;
	r = verify_volume(v, snapshot->id);
	if (r < 0)
		return r;
	r = rvs_tree_load(v->store, snapshot->id, &tree, &damage, v->err);
	return r == 0 ? prove_tree(v, snapshot, tree) :
			note_no_tree(v, snapshot, r, &damage);
}

static int prove_list(struct verifying *v, const struct rvs_snapshot_list *list)
{
	size_t i;
	int r = 0;

	for (i = 0; i < list->count; i++)
		v->total_bytes += list->items[i].total_bytes +
				  list->items[i].size_bytes;
	for (i = 0; i < list->count && r == 0; i++)
		r = prove_snapshot(v, &list->items[i]);
	return r < 0 ? r : verify_settle(v);
}

static void report_record(void *arg, const char *directory, const char *reason)
{
	verify_report_text(arg, directory + strlen(RVS_SNAPSHOT_PREFIX),
			   RVS_METADATA_NAME, reason);
}

static int prove_named(struct verifying *v, const char *const *references,
		       size_t count)
{
	RVS_CLEANUP(rvs_snapshot_list_done)
	struct rvs_snapshot_list all = { NULL, 0 };
	RVS_CLEANUP(rvs_cleanup_free) struct rvs_snapshot *items = NULL;
	struct rvs_snapshot_list named = { NULL, 0 };
	int r = rvs_snapshot_list(v->store, &all,
				  count == 0 ? report_record : NULL, v, v->err);

	v->listed = &all;
	if (r < 0 || count == 0)
		return r < 0 ? r : prove_list(v, &all);
	named.items = items = calloc(count, sizeof(*items));
	if (!items)
		return rvs_error_no_memory(v->err);
	while (named.count < count) {
		ssize_t place = rvs_snapshot_find_in(
			&all, references[named.count], v->err);

		if (place < 0)
			return (int)place;
		items[named.count++] = all.items[place];
	}
	return prove_list(v, &named);
}

static int run(struct verifying *v, const char *const *references, size_t count)
{
	int r = rvs_pool_new(v->store->options.threads, &v->pool, v->err);

	if (r == 0)
		r = rvs_lane_new(v->pool, false, &v->objects, v->err);
	if (r == 0)
		r = rvs_lane_new(v->pool, false, &v->files, v->err);
	if (r == 0)
		r = prove_named(v, references, count);
	if (r == 0 && v->result->findings > 0)
		r = rvs_error_set(v->err, RVS_ERR_CORRUPT,
				  "%" PRIu64 " damaged places found",
				  v->result->findings);
	return r;
}

int rvs_verify(struct rvs_store *store, const char *const *references,
	       size_t count, const struct rvs_monitor *monitor,
	       void (*found)(void *arg, const struct rvs_finding *finding),
	       void *arg, struct rvs_verify_result *ret, struct rvs_error *err)
{
	static const struct rvs_monitor nobody;
	struct rvs_verify_result result = { 0 };
	struct rvs_error own = RVS_ERROR_INIT;
	struct verifying v = { .store = store,
			       .monitor = monitor ? monitor : &nobody,
			       .found = found,
			       .arg = arg,
			       .result = &result,
			       .err = err ? err : &own };
	int r;

	/* What is in memory would hide what the disk lost. */
	rvs_ahead_wait(store->ahead);
	rvs_reader_forget(store->reader);
	rvs_volumes_forget(store->volumes);
	r = run(&v, references, count);
	rvs_ahead_wait(store->ahead); /* the caller may change the store */

	verify_drop(&v);
	rvs_lane_free(v.objects);
	rvs_lane_free(v.files);
	rvs_pool_free(v.pool);
	rvs_known_done(&v.good_files);
	free(v.good);
	free(v.volumes);
	if (ret)
		*ret = result;
	return r;
}
