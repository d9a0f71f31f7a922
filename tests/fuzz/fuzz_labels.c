/*
 * Fuzz: labels.json.
 *
 * Whatever it says of a snapshot, its name is one that a snapshot may have, and
 * what is written for it is read again.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/json.h"
#include "store/labels.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rvs_snapshot labelled(const json_t *labels, const char *id)
{
	struct rvs_snapshot snapshot = { .name = "as-made" };

	(void)strncpy(snapshot.id, id, sizeof(snapshot.id) - 1);
	rvs_labels_apply(labels, &snapshot);
	assert(rvs_snapshot_check_name(snapshot.name, NULL) == 0);
	return snapshot;
}

static json_t *written(const struct rvs_snapshot *snapshot)
{
	RVS_CLEANUP(rvs_json_cleanup) json_t *labels = json_object();
	RVS_CLEANUP(rvs_cleanup_free) char *text = NULL;
	json_t *ret;

	assert(rvs_labels_put(labels, snapshot, NULL) == 0);
	text = json_dumps(labels, 0);
	assert(text);
	assert(rvs_labels_parse(text, strlen(text), &ret, NULL) == 0);
	return ret;
}

static void check(const json_t *labels, const char *id)
{
	const struct rvs_snapshot found = labelled(labels, id);
	RVS_CLEANUP(rvs_json_cleanup) json_t *again = written(&found);
	const struct rvs_snapshot same = labelled(again, id);

	assert(!strcmp(same.name, found.name));
	assert(same.pinned == found.pinned);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	RVS_CLEANUP(rvs_json_cleanup) json_t *labels = NULL;
	struct rvs_error err = RVS_ERROR_INIT;
	const char *key;
	json_t *unused;

	if (rvs_labels_parse((const char *)data, size, &labels, &err) < 0) {
		assert(err.status == RVS_ERR_CORRUPT && err.text[0]);
		return 0;
	}
	json_object_foreach (labels, key, unused) {
		if (strlen(key) < RVS_ID_SIZE) /* else no snapshot has it */
			check(labels, key);
	}
	return 0;
}
