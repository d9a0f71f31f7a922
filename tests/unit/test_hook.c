/*
 * Goal: a hook gets what it is promised and nothing else, its failure is told
 * in words, and neither a deaf, a noisy nor a stuck one holds a snapshot up.
 */
#include "sandbox.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "job/hook.h"

/* What the monitor was told, and what it answers. */
struct listener {
	char lines[16][1100]; /* the first of them */
	unsigned count;
	bool cancelled;
};

static void hear(void *arg, const char *text)
{
	struct listener *listener = arg;

	if (listener->count < 16)
		(void)snprintf(listener->lines[listener->count],
			       sizeof(*listener->lines), "%s", text);
	listener->count++;
}

static bool answer(void *arg)
{
	return ((struct listener *)arg)->cancelled;
}

static const struct rvs_hook_env before = {
	.phase = RVS_HOOK_BEFORE,
	.store = "/the/store",
	.snapshot_id = "20261122T101500Z-9f2c",
	.snapshot_name = "nightly",
};

/* Run @script with sh(1). */
static int run(const char *script, unsigned timeout_s,
	       const struct rvs_hook_env *env, struct listener *listener,
	       struct rvs_error *err)
{
	const struct rvs_monitor monitor = { .arg = listener,
					     .cancelled = answer,
					     .warning = hear };
	char *argv[] = { (char[]){ "sh" }, (char[]){ "-c" }, strdup(script),
			 NULL };
	const struct rvs_hook hook = { argv, timeout_s };
	int r;

	assert_non_null(argv[2]);
	r = rvs_hook_run(&hook, env, listener ? &monitor : NULL, err);
	free(argv[2]);
	return r;
}

#define run_ok(script, env, err) \
	expect_ok(run(script, 0, env, NULL, &(err)), err)

static double seconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void expect_file(const char *path, const char *wanted)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf found = read_whole(path);

	rvs_buf_put_u8(&found, '\0');
	assert_string_equal((char *)found.bytes, wanted);
}

/* ---- what it gets ---- */

static void test_it_is_told_which_snapshot(void **state)
{
	/* RUVSNAP_TEST_* are who runs this test. */
	static const char script[] = "env | grep ^RUVSNAP_ | "
				     "grep -v ^RUVSNAP_TEST_ | sort >env";
	struct rvs_hook_env env = before;
	struct rvs_error err = RVS_ERROR_INIT;

	assert_int_equal(setenv("RUVSNAP_RESULT", "stale", 1), 0);
	run_ok(script, &env, err);
	expect_file("env", "RUVSNAP_PHASE=before\n"
			   "RUVSNAP_SNAPSHOT_ID=20261122T101500Z-9f2c\n"
			   "RUVSNAP_SNAPSHOT_NAME=nightly\n"
			   "RUVSNAP_STORE=/the/store\n");
	env.phase = RVS_HOOK_AFTER;
	env.result = "failed";
	run_ok(script, &env, err);
	expect_file("env", "RUVSNAP_PHASE=after\n"
			   "RUVSNAP_RESULT=failed\n"
			   "RUVSNAP_SNAPSHOT_ID=20261122T101500Z-9f2c\n"
			   "RUVSNAP_SNAPSHOT_NAME=nightly\n"
			   "RUVSNAP_STORE=/the/store\n");
	assert_int_equal(unsetenv("RUVSNAP_RESULT"), 0);
}

static void test_arguments_pass_unread_by_a_shell(void **state)
{
	char *argv[] = { (char[]){ "touch" }, (char[]){ "$HOME; a *" }, NULL };
	const struct rvs_hook hook = { argv, 0 };
	struct rvs_error err = RVS_ERROR_INIT;

	expect_ok(rvs_hook_run(&hook, &before, NULL, &err), err);
	assert_int_equal(access("$HOME; a *", F_OK), 0);
}

static void test_it_inherits_three_descriptors(void **state)
{
	struct rvs_error err = RVS_ERROR_INIT;
	int input = dup(STDIN_FILENO);
	int leak = open(".", O_RDONLY);

	assert_true(input >= 3 && leak >= 3);
	assert_int_equal(dup2(leak, STDIN_FILENO), STDIN_FILENO);
	/* The listing itself has one. */
	run_ok("readlink /proc/self/fd/0 >fds; ls /proc/self/fd | wc -l >>fds",
	       &before, err);
	expect_file("fds", "/dev/null\n4\n");
	assert_int_equal(dup2(input, STDIN_FILENO), STDIN_FILENO);
	assert_int_equal(close(input), 0);
	assert_int_equal(close(leak), 0);
}

/* The mask of signals of that name in what the hook saw of itself; 32 and 33
 * are the C library's own. */
static uint64_t signals_of(const char *name)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf status = read_whole("status");
	const char *line;

	rvs_buf_put_u8(&status, '\0');
	line = strstr((char *)status.bytes, name);
	assert_non_null(line);
	return strtoull(line + strlen(name), NULL, 16) & ~((uint64_t)3 << 31);
}

static void test_signals_are_fresh(void **state)
{
	/* A shell would unblock them by itself. */
	char *argv[] = { (char[]){ "cp" }, (char[]){ "/proc/self/status" },
			 (char[]){ "status" }, NULL };
	const struct rvs_hook hook = { argv, 0 };
	struct rvs_error err = RVS_ERROR_INIT;
	sigset_t set, old;

	assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	assert_int_equal(sigemptyset(&set), 0);
	assert_int_equal(sigaddset(&set, SIGTERM), 0);
	assert_int_equal(sigprocmask(SIG_BLOCK, &set, &old), 0);
	expect_ok(rvs_hook_run(&hook, &before, NULL, &err), err);
	assert_int_equal(signals_of("SigBlk:"), 0);
	assert_int_equal(signals_of("SigIgn:"), 0);
	assert_int_equal(sigprocmask(SIG_SETMASK, &old, NULL), 0);
	assert_true(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
}

static void test_it_leads_a_group_of_its_own(void **state)
{
	struct rvs_error err = RVS_ERROR_INIT;

	run_ok("test $(cut -d' ' -f5 </proc/$$/stat) = $$", &before, err);
}

static void test_a_caller_may_lack_standard_descriptors(void **state)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		struct listener listener = { .count = 0 };

		for (int fd = 0; fd < 3; fd++)
			(void)close(fd);
		if (run("echo out; echo err >&2; read x || echo eof", 0,
			&before, &listener, NULL) < 0 ||
		    listener.count != 3)
			_exit(1);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* ---- how it fails ---- */

static void test_failures_are_told_in_words(void **state)
{
	static const struct {
		const char *script, *text;
	} failures[] = {
		{ "echo one; echo two >&2; exit 3",
		  "before hook \"sh\": ended with status 3: two" },
		{ "printf 'no\\nnewline'; exit 1",
		  "before hook \"sh\": ended with status 1: newline" },
		{ "exit 9", "before hook \"sh\": ended with status 9" },
		{ "kill -9 $$",
		  "before hook \"sh\": killed by signal 9 (Killed)" },
	};

	for (size_t i = 0; i < sizeof(failures) / sizeof(*failures); i++) {
		struct rvs_error err = RVS_ERROR_INIT;

		expect_status(run(failures[i].script, 0, &before, NULL, &err),
			      RVS_ERR_FAILED, err);
		assert_string_equal(err.text, failures[i].text);
	}
	assert_int_equal(run("exit 3", 0, &before, NULL, NULL), RVS_ERR_FAILED);
}

static void test_what_cannot_start_is_named(void **state)
{
	char name[] = "no-such-command", plain[] = "./plain", empty[] = "";
	char *argv[] = { name, NULL };
	const struct rvs_hook hook = { argv, 0 };
	struct rvs_error err = RVS_ERROR_INIT;

	expect_status(rvs_hook_run(&hook, &before, NULL, &err), RVS_ERR_FAILED,
		      err);
	assert_string_equal(err.text, "before hook \"no-such-command\": cannot "
				      "start it: there is no such command");
	write_text(plain, "");
	argv[0] = plain;
	expect_status(rvs_hook_run(&hook, &before, NULL, &err), RVS_ERR_FAILED,
		      err);
	assert_non_null(strstr(err.text, "Permission denied"));
	argv[0] = empty;
	expect_status(rvs_hook_run(&hook, &before, NULL, &err), RVS_ERR_USAGE,
		      err);
	argv[0] = NULL;
	expect_status(rvs_hook_run(&hook, &before, NULL, &err), RVS_ERR_USAGE,
		      err);
}

/* ---- what it prints ---- */

static void test_output_reaches_the_monitor(void **state)
{
	struct listener listener = { .count = 0 };
	struct rvs_error err = RVS_ERROR_INIT;

	expect_ok(run("echo one; echo; printf 'tw\\0o\\n' >&2; printf three", 0,
		      &before, &listener, &err), err);
	assert_int_equal(listener.count, 3);
	assert_string_equal(listener.lines[0], "before hook: one");
	assert_string_equal(listener.lines[1], "before hook: tw?o");
	assert_string_equal(listener.lines[2], "before hook: three");
}

static void test_noise_is_bounded(void **state)
{
	struct listener listener = { .count = 0 };
	struct rvs_error err = RVS_ERROR_INIT;

	expect_ok(run("head -c 3000 /dev/zero | tr '\\0' x", 0, &before,
		      &listener, &err), err);
	assert_int_equal(listener.count, 3);
	assert_int_equal(strlen(listener.lines[0]), 13 + 1024);
	listener.count = 0;
	expect_status(run("yes | head -n 1000000; echo end; exit 1", 0, &before,
			  &listener, &err), RVS_ERR_FAILED, err);
	assert_int_equal(listener.count, 1001);
	assert_non_null(strstr(err.text, "status 1: end"));
}

static void test_what_it_left_running_holds_nobody_up(void **state)
{
	struct rvs_error err = RVS_ERROR_INIT;
	double start = seconds();

	run_ok("{ sleep 2; echo >late; } & echo started", &before, err);
	assert_true(seconds() - start < 1.5);
	while (access("late", F_OK) < 0 && seconds() - start < 20)
		(void)usleep(10000);
	assert_int_equal(access("late", F_OK), 0);
}

/* ---- how it is stopped ---- */

/* Whether the process whose number @path holds has ended. */
static bool is_gone(const char *path)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf number = read_whole(path);
	char name[64], state;
	bool zombie;
	FILE *file;

	rvs_buf_put_u8(&number, '\0');
	(void)snprintf(name, sizeof(name), "/proc/%d/stat",
		       atoi((char *)number.bytes));
	file = fopen(name, "r");
	if (!file)
		return true;
	/* A container's first process may be slow to wait for it. */
	zombie = fscanf(file, "%*d (%*[^)]) %c", &state) == 1 && state == 'Z';
	(void)fclose(file);
	return zombie;
}

static void test_a_time_limit_stops_the_whole_group(void **state)
{
	struct rvs_error err = RVS_ERROR_INIT;
	double start = seconds();

	expect_status(run("(trap '' TERM; sleep 100) & echo $! >pid;"
			  "echo busy; wait", 1, &before, NULL, &err),
		      RVS_ERR_FAILED, err);
	assert_true(seconds() - start < 4);
	assert_string_equal(err.text, "before hook \"sh\": stopped at its time "
				      "limit of 1 s: busy");
	while (!is_gone("pid") && seconds() - start < 20)
		(void)usleep(10000);
	assert_true(is_gone("pid"));
}

static void test_a_deaf_one_is_killed(void **state)
{
	struct rvs_error err = RVS_ERROR_INIT;
	double start = seconds();

	expect_status(run("trap '' TERM; while :; do sleep 1; done", 1, &before,
			  NULL, &err), RVS_ERR_FAILED, err);
	assert_true(seconds() - start > 5);
	assert_true(seconds() - start < 12);
}

static void test_before_is_cancelled_and_after_is_not(void **state)
{
	struct listener listener = { .cancelled = true };
	struct rvs_hook_env env = before;
	struct rvs_error err = RVS_ERROR_INIT;
	double start = seconds();

	expect_status(run("sleep 100", 0, &env, &listener, &err),
		      RVS_ERR_INTERRUPTED, err);
	assert_true(seconds() - start < 4);
	env.phase = RVS_HOOK_AFTER;
	env.result = "failed";
	expect_ok(run("sleep 0.5; echo >thawed", 0, &env, &listener, &err),
		  err);
	assert_int_equal(access("thawed", F_OK), 0);
}

/* ---- side by side ---- */

static void *run_many(void *arg)
{
	struct rvs_error err = RVS_ERROR_INIT;
	int *wrong = arg;

	for (int i = 0; i < 20; i++) {
		struct listener listener = { .count = 0 };

		if (run("echo line; exit 3", 0, &before, &listener, &err) !=
			    RVS_ERR_FAILED ||
		    listener.count != 1 || !strstr(err.text, "3: line"))
			++*wrong;
	}
	return NULL;
}

static void test_threads_run_hooks_side_by_side(void **state)
{
	pthread_t threads[6];
	int wrong[6] = { 0 };

	for (size_t i = 0; i < 6; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run_many,
						&wrong[i]), 0);
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(wrong[i], 0);
	}
}

/* No test may leave a descriptor open or a child that was not waited for. */
static int leave_nothing(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	bool child = waitpid(-1, NULL, WNOHANG) != -1;
	static int first;

	(void)close(fd);
	if (!first)
		first = fd;
	return fd != first || child ? -1 : sandbox_leave(state);
}

#define hook_test(f) \
	cmocka_unit_test_setup_teardown(f, sandbox_enter, leave_nothing)

int main(void)
{
	const struct CMUnitTest tests[] = {
		hook_test(test_it_is_told_which_snapshot),
		hook_test(test_arguments_pass_unread_by_a_shell),
		hook_test(test_it_inherits_three_descriptors),
		hook_test(test_signals_are_fresh),
		hook_test(test_it_leads_a_group_of_its_own),
		hook_test(test_a_caller_may_lack_standard_descriptors),
		hook_test(test_failures_are_told_in_words),
		hook_test(test_what_cannot_start_is_named),
		hook_test(test_output_reaches_the_monitor),
		hook_test(test_noise_is_bounded),
		hook_test(test_what_it_left_running_holds_nobody_up),
		hook_test(test_a_time_limit_stops_the_whole_group),
		hook_test(test_a_deaf_one_is_killed),
		hook_test(test_before_is_cancelled_and_after_is_not),
		hook_test(test_threads_run_hooks_side_by_side),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
