/*
 * Hook: the user's command before or after a snapshot.
 *
 * It is an argument list that no shell sees.  It runs in a process group of its
 * own, with nothing to read and none of our descriptors.  What it prints, on
 * either stream, goes line by line to the monitor, as a warning.
 *
 * However a run ends, the command has ended and was waited for; when it was
 * stopped, so was its whole group.  What it left in the background by itself
 * lives on, but nobody reads what that prints.
 */
#ifndef RVS_HOOK_H
#define RVS_HOOK_H

#include "base/error.h"

struct rvs_monitor;

#define RVS_HOOK_TIMEOUT_S 60 /* where none is given */

enum rvs_hook_phase {
	RVS_HOOK_BEFORE,
	RVS_HOOK_AFTER,
};

struct rvs_hook {
	char **argv;        /* ends in NULL; argv[0] is looked up in PATH */
	unsigned timeout_s; /* 0: the default */
};

/* What the command is told, beside our own environment. */
struct rvs_hook_env {
	enum rvs_hook_phase phase; /* RUVSNAP_PHASE: "before" or "after" */
	const char *store;         /* RUVSNAP_STORE: its path */
	const char *snapshot_id;   /* RUVSNAP_SNAPSHOT_ID */
	const char *snapshot_name; /* RUVSNAP_SNAPSHOT_NAME */
	const char *result;        /* RUVSNAP_RESULT: "ok", "failed"; or NULL */
};

/*
 * Run the command and wait for it.  RVS_ERR_FAILED when it cannot be started,
 * ends with another status than 0, or is stopped at its time limit; the text
 * names the phase, the command, and the last line it printed.
 * RVS_ERR_INTERRUPTED when the monitor asks to stop, which only a before hook
 * heeds: what it froze, the after hook must be able to thaw.
 *
 * A command is stopped with SIGTERM and, 5 s later, SIGKILL.  Threads may run
 * hooks side by side, as long as nobody changes the environment.  @monitor may
 * be NULL.
 */
int rvs_hook_run(const struct rvs_hook *hook, const struct rvs_hook_env *env,
		 const struct rvs_monitor *monitor, struct rvs_error *err);

#endif
