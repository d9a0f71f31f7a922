/*
 * The plan: what store.json says that may change while the store is open.
 */
#include <rvs/schedule.h>

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/config.h"
#include "store/store.h"
#include "tick.h"

#define SCHEDULE_KEY "schedule"
#define POLICY_KEY   "policy"

static int read_config(struct rvs_store *store, struct rvs_buf *ret,
		       struct rvs_error *err)
{
	return rvs_backend_read_object(store->backend, RVS_CONFIG_NAME,
				       RVS_CONFIG_MAX, ret, err);
}

int rvs_plan_read(struct rvs_store *store, struct rvs_plan *ret,
		  struct rvs_error *err)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf text = RVS_BUF_INIT;
	int r;

	*ret = (struct rvs_plan){ NULL, NULL };
	r = read_config(store, &text, err);
	if (r == 0)
		r = rvs_config_get((char *)text.bytes, text.len, SCHEDULE_KEY,
				   &ret->schedule, err);
	if (r == 0)
		r = rvs_config_get((char *)text.bytes, text.len, POLICY_KEY,
				   &ret->policy, err);
	if (r < 0)
		rvs_plan_done(ret);
	return r;
}

void rvs_plan_done(struct rvs_plan *plan)
{
	free(plan->schedule);
	free(plan->policy);
	*plan = (struct rvs_plan){ NULL, NULL };
}

/* ---- changing it ---- */

/* Call with the list's lock held, under which drafts of the top are safe. */
static int change(struct rvs_store *store, const char *key, const char *value,
		  struct rvs_error *err)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf before = RVS_BUF_INIT;
	RVS_CLEANUP(rvs_cleanup_free) char *after = NULL;
	int r = read_config(store, &before, err);

	if (r == 0)
		r = rvs_config_set((char *)before.bytes, before.len, key, value,
				   &after, err);
	if (r < 0)
		return r;
	return store->backend->ops->replace(store->backend, RVS_CONFIG_NAME,
					    after, strlen(after), err);
}

static int change_locked(struct rvs_store *store, const char *key,
			 const char *value, struct rvs_error *err)
{
	struct rvs_lock *lock;
	int r = rvs_store_lock_list(store, &lock, err);

	if (r < 0)
		return r;
	r = change(store, key, value, err);
	rvs_store_unlock(store, lock);
	return r;
}

/* The words of @text, one blank between them; NULL: out of memory. */
static char *tidy(const char *text)
{
	static const char blanks[] = " \t\n";
	char *ret = malloc(strlen(text) + 1), *to = ret;
	const char *at;

	if (!ret)
		return NULL;
	for (at = text + strspn(text, blanks); *at; at += strspn(at, blanks)) {
		size_t len = strcspn(at, blanks);

		if (to > ret)
			*to++ = ' ';
		to = mempcpy(to, at, len);
		at += len;
	}
	*to = '\0';
	return ret;
}

static bool is_none(const char *tidied)
{
	return !*tidied || !strcasecmp(tidied, "none");
}

int rvs_plan_set_schedule(struct rvs_store *store, const char *text, time_t now,
			  struct rvs_error *err)
{
	RVS_CLEANUP(rvs_cleanup_free) char *tidied = tidy(text ? text : "");
	struct rvs_schedule schedule;
	int r;

	if (!tidied)
		return rvs_error_no_memory(err);
	if (is_none(tidied))
		return change_locked(store, SCHEDULE_KEY, NULL, err);
	r = rvs_schedule_parse(tidied, &schedule, err);
	/* First the time from which runs count: none of the new schedule's were
	 * missed. */
	if (r == 0)
		r = rvs_tick_begin(store, now, err);
	return r < 0 ? r : change_locked(store, SCHEDULE_KEY, tidied, err);
}

int rvs_plan_set_policy(struct rvs_store *store, const char *text,
			struct rvs_error *err)
{
	RVS_CLEANUP(rvs_cleanup_free) char *tidied = tidy(text ? text : "");
	RVS_CLEANUP(rvs_policy_done) struct rvs_policy policy = { .last = 0 };
	int r;

	if (!tidied)
		return rvs_error_no_memory(err);
	if (is_none(tidied))
		return change_locked(store, POLICY_KEY, NULL, err);
	r = rvs_policy_parse(tidied, &policy, err);
	return r < 0 ? r : change_locked(store, POLICY_KEY, tidied, err);
}
