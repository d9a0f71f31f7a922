#include "crew.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/store.h"
#include "store/tree.h"

struct rvs_remark {
	uint32_t index;
	int code;
	const char *what; /* lives as long as the tree */
};

/* ---- what the user hears ---- */

void rvs_hand_warn(struct rvs_hand *hand, uint32_t index, const char *what)
{
	int code = errno;
	struct rvs_remark *remarks = reallocarray(hand->remarks,
						  hand->remark_count + 1,
						  sizeof(*remarks));

	hand->result.warnings++;
	if (!remarks) /* it is counted still */
		return;
	hand->remarks = remarks;
	remarks[hand->remark_count++] =
		(struct rvs_remark){ index, code, what };
}

static void tell(const struct rvs_crew *crew, const struct rvs_remark *remark)
{
	const struct rvs_monitor *m = &crew->options->monitor;
	RVS_CLEANUP(rvs_cleanup_free)
	char *path = rvs_tree_path(crew->tree, remark->index);
	char text[RVS_ERROR_TEXT_MAX];

	if (!m->warning)
		return;
	(void)snprintf(text, sizeof(text), "%.1500s: cannot set %s: %s",
		       path ? path : "?", remark->what,
		       strerror(remark->code));
	m->warning(m->arg, text);
}

void rvs_hand_settle(struct rvs_hand *hand)
{
	struct rvs_crew *crew = hand->crew;
	size_t i;

	for (i = 0; i < hand->remark_count; i++)
		tell(crew, &hand->remarks[i]);
	free(hand->remarks);
	hand->remarks = NULL;
	hand->remark_count = 0;
	crew->result.files += hand->result.files;
	crew->result.bytes += hand->result.bytes;
	crew->result.warnings += hand->result.warnings;
	hand->result = (struct rvs_restore_result){ 0 };
}

int rvs_crew_fail(struct rvs_crew *crew, uint32_t index,
		  const struct rvs_error *err)
{
	if (atomic_load(&crew->stopped))
		return crew->err->status;
	*crew->err = *err;
	atomic_store(&crew->stopped, true);
	while (index != 0 &&
	       (index = rvs_tree_entry(crew->tree, index)->parent) != 0)
		(void)rvs_error_context(
			crew->err, "in %s",
			rvs_tree_entry(crew->tree, index)->name);
	return crew->err->status;
}

static void watch(struct rvs_crew *crew)
{
	const struct rvs_monitor *m = &crew->options->monitor;
	struct rvs_error err = RVS_ERROR_INIT;

	if (m->progress)
		m->progress(m->arg, crew->result.bytes, crew->total_bytes);
	if (!m->cancelled || !m->cancelled(m->arg))
		return;
	(void)rvs_error_set(&err, RVS_ERR_INTERRUPTED, "interrupted");
	(void)rvs_crew_fail(crew, 0, &err);
}

/* ---- tasks ---- */

int rvs_crew_collect(struct rvs_crew *crew, size_t limit)
{
	while (rvs_lane_depth(crew->lane) > limit) {
		struct rvs_task *task =
			(struct rvs_task *)rvs_lane_collect(crew->lane);

		if (task->finish)
			task->finish(task);
		rvs_hand_settle(&task->hand);
		if (task->status < 0)
			(void)rvs_crew_fail(crew, task->index, &task->error);
		free(task);
		watch(crew);
	}
	return atomic_load(&crew->stopped) ? crew->err->status : 0;
}

static void run_nothing(struct rvs_job *job, unsigned worker)
{
	(void)job;
	(void)worker;
}

void rvs_crew_init_task(struct rvs_crew *crew, struct rvs_task *task,
			uint32_t index)
{
	task->job.run = run_nothing;
	task->hand.crew = crew;
	task->hand.err = &task->error;
	task->index = index;
}

int rvs_crew_submit(struct rvs_crew *crew, struct rvs_task *task, size_t limit)
{
	rvs_lane_submit(crew->lane, &task->job);
	return rvs_crew_collect(crew, limit);
}

/* ---- the whole ---- */

int rvs_crew_start(struct rvs_crew *crew)
{
	int status = rvs_pool_new(crew->store->options.threads, &crew->pool,
				  crew->err);

	crew->own = (struct rvs_hand){ .crew = crew, .err = &crew->own_error };
	crew->pid = getpid();
	crew->uid = geteuid();
	crew->made = calloc(rvs_tree_count(crew->tree), sizeof(*crew->made));
	if (!crew->made)
		return rvs_error_no_memory(crew->err);
	return status < 0 ? status :
			    rvs_lane_new(crew->pool, false, &crew->lane,
					 crew->err);
}

void rvs_crew_done(struct rvs_crew *crew)
{
	rvs_lane_free(crew->lane);
	rvs_pool_free(crew->pool);
	free(crew->made);
}
