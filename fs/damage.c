#include "damage.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rvs/snapshot.h>
#include <rvs/tree.h>

#include "cleanup.h"
#include "log.h"
#include "printable.h"

struct finding {
	char *snapshot;
	char *path; /* "" for no file in particular */
	struct rvs_damage damage;
	struct timespec first_at;
	uint64_t times;
};

struct damage_log {
	const struct log *log;
	pthread_mutex_t lock;
	/* A ring; protected by lock. */
	struct finding kept[DAMAGE_KEPT];
	uint64_t count; /* ever added, the next goes to count % KEPT */
	uint64_t met;   /* ever noted */
};

struct damage_log *damage_new(const struct log *log)
{
	struct damage_log *damages = calloc(1, sizeof(*damages));

	if (!damages)
		return NULL;
	damages->log = log;
	pthread_mutex_init(&damages->lock, NULL);
	return damages;
}

static void clear(struct finding *finding)
{
	free(finding->snapshot);
	free(finding->path);
	*finding = (struct finding){ 0 };
}

void damage_free(struct damage_log *damages)
{
	size_t i;

	if (!damages)
		return;
	for (i = 0; i < DAMAGE_KEPT; i++)
		clear(&damages->kept[i]);
	pthread_mutex_destroy(&damages->lock);
	free(damages);
}

static bool is_same(const struct finding *finding, const char *snapshot,
		    const char *path, const struct rvs_damage *damage)
{
	return finding->snapshot && strcmp(finding->snapshot, snapshot) == 0 &&
	       strcmp(finding->path, path) == 0 &&
	       finding->damage.member == damage->member &&
	       strcmp(finding->damage.snapshot, damage->snapshot) == 0 &&
	       strcmp(finding->damage.stream, damage->stream) == 0;
}

/* Whether it is known; then it is counted. */
static bool count_again(struct damage_log *damages, const char *snapshot,
			const char *path, const struct rvs_damage *damage)
{
	size_t i;

	for (i = 0; i < DAMAGE_KEPT; i++) {
		if (!is_same(&damages->kept[i], snapshot, path, damage))
			continue;
		damages->kept[i].times++;
		return true;
	}
	return false;
}

/* Out of memory loses the note, not the log line. */
static void add(struct damage_log *damages, const char *snapshot,
		const char *path, const struct rvs_damage *damage)
{
	struct finding *finding = &damages->kept[damages->count % DAMAGE_KEPT];

	clear(finding);
	finding->snapshot = strdup(snapshot);
	finding->path = strdup(path);
	if (!finding->snapshot || !finding->path) {
		clear(finding);
		return;
	}
	finding->damage = *damage;
	finding->times = 1;
	clock_gettime(CLOCK_REALTIME, &finding->first_at);
	damages->count++;
}

static bool note_once(struct damage_log *damages, const char *snapshot,
		      const char *path, const struct rvs_damage *damage)
{
	LOCKED(&damages->lock);

	damages->met++;
	if (count_again(damages, snapshot, path, damage))
		return false;
	add(damages, snapshot, path, damage);
	return true;
}

void damage_note(struct damage_log *damages, const char *snapshot,
		 const char *path, const struct rvs_damage *damage)
{
	if (!note_once(damages, snapshot, path ? path : "", damage))
		return;
	log_warning(damages->log,
		    "damaged: snapshot %s, path %s, stream %s/%s, "
		    "member %lld: %s",
		    snapshot, path ? path : "-", damage->snapshot,
		    *damage->stream ? damage->stream : "-",
		    (long long)damage->member, damage->reason);
}

static json_t *digest_json(const struct rvs_digest *digest)
{
	static const struct rvs_digest none;
	char hex[RVS_DIGEST_HEX_SIZE];

	if (memcmp(digest, &none, sizeof(none)) == 0)
		return json_null();
	return json_string(rvs_digest_hex(digest, hex));
}

json_t *damage_one_json(const char *snapshot, const char *path,
			const struct rvs_damage *damage)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o}",
			 "snapshot", printable_json(snapshot),
			 "path", printable_json(path ? path : ""),
			 "stored_in", printable_json(damage->snapshot),
			 "stream", printable_json(damage->stream),
			 "member", (json_int_t)damage->member,
			 "expected", digest_json(&damage->expected),
			 "found", digest_json(&damage->found),
			 "reason", printable_json(damage->reason));
}

static json_t *finding_json(const struct finding *finding)
{
	json_t *object = damage_one_json(finding->snapshot, finding->path,
					 &finding->damage);
	char at[RVS_TIME_SIZE];

	(void)json_object_set_new(
		object, "at",
		json_string(rvs_time_format(finding->first_at, at)));
	(void)json_object_set_new(object, "times",
				  json_integer((json_int_t)finding->times));
	return object;
}

json_t *damage_json(struct damage_log *damages)
{
	json_t *array = json_array();
	const struct finding *finding;
	size_t i;
	LOCKED(&damages->lock);

	for (i = 0; i < DAMAGE_KEPT; i++) {
		finding = &damages->kept[(damages->count + i) % DAMAGE_KEPT];
		if (finding->snapshot)
			(void)json_array_append_new(array,
						    finding_json(finding));
	}
	return array;
}

uint64_t damage_count(struct damage_log *damages)
{
	LOCKED(&damages->lock);

	return damages->met;
}
