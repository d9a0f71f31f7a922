#include "settings.h"

#include <time.h>

#include <rvs/schedule.h>
#include <rvs/snapshot.h>

#include "cleanup.h"
#include "printable.h"

json_t *settings_time_json(time_t time)
{
	char text[RVS_TIME_SIZE];

	if (!time)
		return json_null();
	return json_string(
		rvs_time_format((struct timespec){ .tv_sec = time }, text));
}

json_t *settings_schedule_json(struct rvs_store *store)
{
	const struct rvs_tick_options options = { .look = true };
	CLEANUP(rvs_plan_done) struct rvs_plan plan = { NULL, NULL };
	CLEANUP(rvs_tick_done) struct rvs_tick_result tick = { 0 };
	struct rvs_error err = RVS_ERROR_INIT;
	const char *failure;
	int r;

	r = rvs_plan_read(store, &plan, &err);
	if (r == 0)
		r = rvs_tick(store, time(NULL), &options, &tick, &err);
	failure = r < 0 ? err.text : tick.failure;
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "schedule",
			 printable_json(plan.schedule), "last_at",
			 settings_time_json(tick.last), "next_at",
			 settings_time_json(tick.next), "failed_at",
			 settings_time_json(tick.failed_at), "failure",
			 printable_json(failure));
}

json_t *settings_policy_json(struct rvs_store *store)
{
	CLEANUP(rvs_plan_done) struct rvs_plan plan = { NULL, NULL };
	struct rvs_error err = RVS_ERROR_INIT;
	int r;

	r = rvs_plan_read(store, &plan, &err);
	return json_pack("{s:o, s:o}", "policy", printable_json(plan.policy),
			 "failure", r < 0 ? printable_json(err.text) :
					    json_null());
}
