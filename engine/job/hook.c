#include "hook.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>

#include <rvs/job.h>

#include "base/cleanup.h"

/*
 * posix_spawn(3) is what starts a command in a program with threads: between
 * fork and exec, no code of ours runs.
 */

enum {
	LOOK_EVERY_MS = 100, /* whether to stop */
	GRACE_MS = 5000,     /* between SIGTERM and SIGKILL */
	LINE_MAX_LEN = 1024, /* longer lines are told in parts */
	LINES_MAX = 1000,    /* told to the monitor */
	FIRST_INHERITED = 3, /* descriptor that the command must not have */
};

/* ---- the environment ---- */

enum { OWN_MAX = 5 };

static const char *const own_names[OWN_MAX] = {
	"RUVSNAP_STORE", "RUVSNAP_SNAPSHOT_ID", "RUVSNAP_SNAPSHOT_NAME",
	"RUVSNAP_PHASE", "RUVSNAP_RESULT",
};

struct environment {
	char *own[OWN_MAX];
	char **all; /* what we inherited, then our own; ends in NULL */
};

static void environment_done(struct environment *environment)
{
	for (size_t i = 0; i < OWN_MAX; i++)
		free(environment->own[i]);
	free(environment->all);
}

static bool is_own(const char *variable)
{
	for (size_t i = 0; i < OWN_MAX; i++) {
		size_t len = strlen(own_names[i]);

		if (!strncmp(variable, own_names[i], len) &&
		    variable[len] == '=')
			return true;
	}
	return false;
}

static const char *phase_name(const struct rvs_hook_env *env)
{
	return env->phase == RVS_HOOK_BEFORE ? "before" : "after";
}

static int make_environment(const struct rvs_hook_env *env,
			    struct environment *ret)
{
	const char *const values[OWN_MAX] = { env->store, env->snapshot_id,
					      env->snapshot_name,
					      phase_name(env), env->result };
	size_t inherited = 0, count = 0, i;

	while (environ && environ[inherited])
		inherited++;
	ret->all = calloc(inherited + OWN_MAX + 1, sizeof(*ret->all));
	if (!ret->all)
		return -1;
	for (i = 0; i < inherited; i++)
		if (!is_own(environ[i]))
			ret->all[count++] = environ[i];
	for (i = 0; i < OWN_MAX; i++) {
		if (!values[i])
			continue;
		if (asprintf(&ret->own[i], "%s=%s", own_names[i], values[i]) <
		    0) {
			ret->own[i] = NULL; /* asprintf leaves it undefined */
			return -1;
		}
		ret->all[count++] = ret->own[i];
	}
	return 0;
}

/* ---- what the command prints ---- */

struct lines {
	const struct rvs_monitor *monitor; /* may be NULL */
	const char *phase;
	unsigned told;
	size_t len;
	char text[LINE_MAX_LEN + 1]; /* of the line that has not ended */
	char last[LINE_MAX_LEN + 1]; /* the last one that was not empty */
};

static void tell(struct lines *lines, const char *text)
{
	const struct rvs_monitor *monitor = lines->monitor;
	char full[LINE_MAX_LEN + 32];

	if (!monitor || !monitor->warning || lines->told > LINES_MAX)
		return;
	if (lines->told++ == LINES_MAX)
		text = "(it prints more)";
	(void)snprintf(full, sizeof(full), "%s hook: %s", lines->phase, text);
	monitor->warning(monitor->arg, full);
}

static void end_line(struct lines *lines)
{
	if (lines->len == 0)
		return;
	lines->text[lines->len] = '\0';
	memcpy(lines->last, lines->text, lines->len + 1);
	lines->len = 0;
	tell(lines, lines->last);
}

static void add_output(struct lines *lines, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] == '\n') {
			end_line(lines);
			continue;
		}
		if (lines->len == LINE_MAX_LEN)
			end_line(lines);
		/* A NUL would hide the rest of the line. */
		lines->text[lines->len++] = bytes[i] ? bytes[i] : '?';
	}
}

/* ---- the process ---- */

struct run {
	pid_t pid; /* 0: not started, or waited for */
	int pidfd; /* readable once it has ended */
	int output;     /* what it prints; -1 once it closed that */
	int stopped;    /* why it was told to end: a status, or 0 */
	bool killed;    /* SIGKILL was sent */
	int64_t end_ms; /* when it is told, or killed */
	struct lines lines;
};

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* While the command has not been waited for, its number is its own, and so is
 * that of its group.  Failure: none of them is left. */
static void signal_group(const struct run *run, int number)
{
	(void)kill(-run->pid, number);
}

static int reap(struct run *run, siginfo_t *ret)
{
	int r;

	do {
		r = waitid(P_PID, (id_t)run->pid, ret, WEXITED);
	} while (r < 0 && errno == EINTR);
	run->pid = 0;
	return r;
}

static void run_done(struct run *run)
{
	siginfo_t info;

	if (run->pid) {
		signal_group(run, SIGKILL);
		(void)reap(run, &info); /* we already report a failure */
	}
	rvs_cleanup_fd(&run->pidfd);
	rvs_cleanup_fd(&run->output);
}

/*
 * Standard input last: @output may be any descriptor, 0 too, when we were
 * started without some of the first three.
 */
static int add_files(posix_spawn_file_actions_t *files, int output)
{
	int r = posix_spawn_file_actions_adddup2(files, output, STDOUT_FILENO);

	if (r == 0)
		r = posix_spawn_file_actions_adddup2(files, output,
						     STDERR_FILENO);
	if (r == 0)
		r = posix_spawn_file_actions_addopen(files, STDIN_FILENO,
						     "/dev/null", O_RDONLY, 0);
	if (r == 0)
		r = posix_spawn_file_actions_addclosefrom_np(files,
							     FIRST_INHERITED);
	return r;
}

static int set_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, all;
	int r;

	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	r = posix_spawnattr_setflags(attributes,
				     POSIX_SPAWN_SETPGROUP |
					     POSIX_SPAWN_SETSIGMASK |
					     POSIX_SPAWN_SETSIGDEF);
	if (r == 0)
		r = posix_spawnattr_setpgroup(attributes, 0);
	if (r == 0)
		r = posix_spawnattr_setsigmask(attributes, &none);
	if (r == 0)
		r = posix_spawnattr_setsigdefault(attributes, &all);
	return r;
}

/* Returns 0 or an error number, as posix_spawn(3) does. */
static int spawn(char **argv, char **environment, int output, pid_t *ret)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	int r = posix_spawn_file_actions_init(&files);

	if (r != 0)
		return r;
	r = posix_spawnattr_init(&attributes);
	if (r == 0) {
		r = add_files(&files, output);
		if (r == 0)
			r = set_attributes(&attributes);
		if (r == 0)
			r = posix_spawnp(ret, argv[0], &files, &attributes,
					 argv, environment);
		(void)posix_spawnattr_destroy(&attributes);
	}
	(void)posix_spawn_file_actions_destroy(&files);
	return r;
}

/* Not RVS_ERR_NOT_FOUND, which speaks of the store. */
static int cannot_start(struct rvs_error *err, int code)
{
	(void)rvs_error_set(err, RVS_ERR_FAILED, "cannot start it: %s",
			    code == ENOENT ? "there is no such command" :
					     strerror(code));
	if (err)
		err->os_error = code;
	return RVS_ERR_FAILED;
}

static int start(struct run *run, const struct rvs_hook *hook,
		 const struct rvs_hook_env *env, struct rvs_error *err)
{
	RVS_CLEANUP(environment_done)
	struct environment environment = { { NULL }, NULL };
	RVS_CLEANUP(rvs_cleanup_fd) int theirs = -1;
	int ends[2], r;

	if (make_environment(env, &environment) < 0)
		return rvs_error_no_memory(err);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return rvs_error_errno(err, "cannot make a pipe");
	run->output = ends[0];
	theirs = ends[1];
	if (fcntl(run->output, F_SETFL, O_NONBLOCK) < 0)
		return rvs_error_errno(err, "cannot set up a pipe");
	r = spawn(hook->argv, environment.all, theirs, &run->pid);
	if (r != 0) {
		run->pid = 0; /* undefined after a failure */
		return cannot_start(err, r);
	}
	run->pidfd = pidfd_open(run->pid, 0);
	if (run->pidfd < 0)
		return rvs_error_errno(err, "cannot watch it");
	return 0;
}

/* ---- watching it ---- */

/* Read what is there, a few pipes full at most: others may print on. */
static void read_output(struct run *run)
{
	char bytes[16 << 10];
	ssize_t n = 1;

	for (int i = 0; i < 16 && n > 0; i++) {
		n = read(run->output, bytes, sizeof(bytes));
		if (n > 0)
			add_output(&run->lines, bytes, (size_t)n);
	}
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		(void)close(run->output);
		run->output = -1;
	}
}

/* Returns 1 when the command has ended, 0 when it has not yet. */
static int watch(struct run *run, struct rvs_error *err)
{
	struct pollfd polled[] = { { run->pidfd, POLLIN, 0 },
				   { run->output, POLLIN, 0 } };

	if (poll(polled, 2, LOOK_EVERY_MS) < 0 && errno != EINTR)
		return rvs_error_errno(err, "cannot watch it");
	if (polled[1].revents)
		read_output(run);
	return polled[0].revents != 0;
}

static bool is_cancelled(const struct rvs_hook_env *env,
			 const struct rvs_monitor *monitor)
{
	return env->phase == RVS_HOOK_BEFORE && monitor && monitor->cancelled &&
	       monitor->cancelled(monitor->arg);
}

/* SIGTERM when there is a reason to stop, SIGKILL when that did not help. */
static void stop_if_due(struct run *run, bool cancelled)
{
	bool late = now_ms() >= run->end_ms;

	if (run->stopped && late && !run->killed) {
		signal_group(run, SIGKILL);
		run->killed = true;
	}
	if (run->stopped || (!late && !cancelled))
		return;
	run->stopped = cancelled ? RVS_ERR_INTERRUPTED : RVS_ERR_FAILED;
	run->end_ms = now_ms() + GRACE_MS;
	signal_group(run, SIGTERM);
}

static int run_to_end(struct run *run, const struct rvs_hook_env *env,
		      const struct rvs_monitor *monitor, siginfo_t *ret,
		      struct rvs_error *err)
{
	int r;

	while ((r = watch(run, err)) == 0)
		stop_if_due(run, is_cancelled(env, monitor));
	if (r < 0)
		return r;
	if (run->output >= 0)
		read_output(run);
	end_line(&run->lines);
	/* The rest of the group may have been deaf to SIGTERM. */
	if (run->stopped)
		signal_group(run, SIGKILL);
	if (reap(run, ret) < 0)
		return rvs_error_errno(err, "cannot wait for it");
	return 0;
}

static int judge(const struct run *run, unsigned timeout_s,
		 const siginfo_t *info, struct rvs_error *err)
{
	const char *last = run->lines.last;
	const char *colon = *last ? ": " : "";

	if (run->stopped == RVS_ERR_INTERRUPTED)
		return rvs_error_set(err, RVS_ERR_INTERRUPTED, "interrupted");
	if (run->stopped)
		return rvs_error_set(err, run->stopped,
				     "stopped at its time limit of %u s%s%s",
				     timeout_s, colon, last);
	if (info->si_code != CLD_EXITED)
		return rvs_error_set(err, RVS_ERR_FAILED,
				     "killed by signal %d (%s)%s%s",
				     info->si_status,
				     strsignal(info->si_status), colon, last);
	if (info->si_status != 0)
		return rvs_error_set(err, RVS_ERR_FAILED,
				     "ended with status %d%s%s",
				     info->si_status, colon, last);
	return 0;
}

int rvs_hook_run(const struct rvs_hook *hook, const struct rvs_hook_env *env,
		 const struct rvs_monitor *monitor, struct rvs_error *err)
{
	unsigned timeout_s = hook->timeout_s ? hook->timeout_s :
					       RVS_HOOK_TIMEOUT_S;
	RVS_CLEANUP(run_done) struct run run = {
		.pidfd = -1,
		.output = -1,
		.end_ms = now_ms() + (int64_t)timeout_s * 1000,
		.lines = { .monitor = monitor, .phase = phase_name(env) },
	};
	siginfo_t info;
	int r;

	if (!hook->argv || !hook->argv[0] || !*hook->argv[0])
		return rvs_error_set(err, RVS_ERR_USAGE,
				     "the %s hook names no command",
				     phase_name(env));
	r = start(&run, hook, env, err);
	if (r == 0)
		r = run_to_end(&run, env, monitor, &info, err);
	if (r == 0)
		r = judge(&run, timeout_s, &info, err);
	if (r < 0) /* whose status counts, @err being NULL or not */
		(void)rvs_error_context(err, "%s hook \"%s\"", phase_name(env),
					hook->argv[0]);
	return r;
}
