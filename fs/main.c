/*
 * ruvsnapfs: a store of snapshots as a filesystem.
 *
 * What can go wrong goes wrong before the program leaves its terminal: the
 * options, then the store, then the mount, each with an exit status of its own.
 */
#define FUSE_USE_VERSION 314

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>
#include <unistd.h>

#include <fuse_lowlevel.h>
#include <rvs/store.h>

#include "background.h"
#include "cleanup.h"
#include "connection.h"
#include "errors.h"
#include "fill.h"
#include "idle.h"
#include "jobs.h"
#include "log.h"
#include "notify.h"
#include "ops.h"
#include "options.h"
#include "places.h"
#include "turn.h"
#include "view.h"
#include "watch.h"

enum {
	READ_AHEAD_KIB = 4096,
	MIB = 1024 * 1024,
};

/* Everything that lives as long as the mount, in the order it is made. */
struct program {
	struct options *options;
	char *mountpoint; /* absolute */
	char *source;     /* absolute, or NULL */
	struct log log;
	struct mount mount;
	struct rvs_store *store;
	struct watch *watch;
	bool is_mounted;
};

static void program_done(struct program *program)
{
	idle_free(program->mount.idle);
	fill_free(program->mount.fill);
	watch_free(program->watch);
	notify_end(program->mount.notify);
	if (program->is_mounted)
		fuse_session_unmount(program->mount.session);
	if (program->mount.session)
		fuse_session_destroy(program->mount.session);
	view_free(program->mount.view);
	notify_free(program->mount.notify);
	turn_free(program->mount.turn);
	rvs_store_close(program->store);
	free(program->mountpoint);
	free(program->source);
}

static int fail_errno(struct rvs_error *err, const char *what,
		      const char *path)
{
	int status = errno == ENOENT ? RVS_ERR_NOT_FOUND : RVS_ERR_FAILED;

	return error_set(err, status, "%s %s: %s", what, path,
			 strerror(errno));
}

static int resolve(const char *what, const char *path, char **ret,
		   struct rvs_error *err)
{
	*ret = realpath(path, NULL);
	if (*ret)
		return 0;
	if (errno == ENOTCONN)
		return error_set(err, RVS_ERR_FAILED,
				 "%s %s: a mount whose server died; "
				 "fusermount3 -u it first",
				 what, path);
	return fail_errno(err, what, path);
}

/* Before anything is made for a mount that cannot be. */
static int resolve_paths(struct program *program, struct rvs_error *err)
{
	const struct options *options = program->options;
	struct stat st;
	int r;

	r = resolve("mount point", options->mountpoint, &program->mountpoint,
		    err);
	if (r < 0)
		return r;
	if (stat(program->mountpoint, &st) < 0)
		return fail_errno(err, "mount point", options->mountpoint);
	if (!S_ISDIR(st.st_mode))
		return error_set(err, RVS_ERR_USAGE,
				 "mount point %s: not a directory",
				 options->mountpoint);
	if (!options->source)
		return 0;
	return resolve("source", options->source, &program->source, err);
}

/* Before the store is made, which may be for nothing then. */
static int check_places(const struct program *program, struct rvs_error *err)
{
	int r;

	r = places_check_free(program->mountpoint, err);
	if (r == 0)
		r = places_check_apart(program->mountpoint, "store",
				       program->options->store, err);
	if (r == 0 && program->source)
		r = places_check_apart(program->mountpoint, "source",
				       program->source, err);
	return r;
}

/* What only the store itself can tell. */
static int check_store(const struct program *program, struct rvs_error *err)
{
	const char *source = rvs_store_config(program->store)->source;

	if (program->options->read_only)
		return 0;
	if (source && places_check_apart(program->mountpoint, "source", source,
					 err) < 0)
		return err->status;
	return places_check_owner(rvs_store_path(program->store), err);
}

static int new_session(struct program *program, struct rvs_error *err)
{
	program->mount.session = fuse_session_new(&program->options->libfuse,
						  &ops, sizeof(ops),
						  &program->mount);
	if (program->mount.session)
		return 0;
	/* libfuse said which on standard error. */
	return error_set(err, RVS_ERR_USAGE, "an option was not understood");
}

static int open_or_init(const char *path, const char *source,
			const struct rvs_store_options *options,
			struct rvs_store **ret, struct rvs_error *err)
{
	const struct rvs_store_config config = { .source = source,
						 .level = RVS_LEVEL_DEFAULT };
	struct rvs_error again;
	int r;

	r = rvs_store_open(path, options, ret, err);
	if (r != RVS_ERR_NOT_FOUND || !source)
		return r;
	r = rvs_store_init(path, &config, err);
	/* It exists when another mount made it meanwhile. */
	if (r == RVS_ERR_EXISTS)
		return rvs_store_open(path, options, ret, &again) < 0 ? r : 0;
	return r < 0 ? r : rvs_store_open(path, options, ret, err);
}

static int open_store(struct program *program, struct rvs_error *err)
{
	const struct options *options = program->options;
	struct rvs_store_options store_options = {
		.threads = options->threads,
		.cache_bytes = (uint64_t)options->cache_mib * MIB,
		.crc_only = options->crc_only,
	};
	struct view_options view_options = {
		.listener = { &program->mount, ops_forget },
		.log = &program->log,
		.source = program->source,
		.owner = { geteuid(), getegid() },
		.tree_cache_bytes = (size_t)options->tree_cache_mib * MIB,
		.crc_only = options->crc_only,
		.read_only = options->read_only,
	};
	int r;

	program->mount.notify = notify_new();
	if (!program->mount.notify)
		return error_set(err, RVS_ERR_NO_MEMORY, "out of memory");
	r = open_or_init(options->store,
			 options->read_only ? NULL : program->source,
			 &store_options, &program->store, err);
	if (r < 0)
		return r;
	r = check_store(program, err);
	if (r < 0)
		return r;
	program->mount.view = view_new(program->store, &view_options);
	if (!program->mount.view)
		return error_set(err, RVS_ERR_NO_MEMORY, "out of memory");
	return 0;
}

/* The first request, which the kernel sent with the mount: from its answer on,
 * everything works, and can be set. */
static int answer_init(struct fuse_session *session)
{
	struct fuse_buf request = { .mem = NULL };
	int r;

	do
		r = fuse_session_receive_buf(session, &request);
	while (r == -EINTR && !fuse_session_exited(session));
	if (r > 0)
		fuse_session_process_buf(session, &request);
	free(request.mem);
	return r > 0 ? 0 : -1;
}

static int begin_mount(struct program *program, struct rvs_error *err)
{
	struct fuse_session *session = program->mount.session;

	/* libfuse says why on standard error. */
	if (fuse_session_mount(session, program->mountpoint) < 0)
		return error_set(err, RVS_ERR_FAILED, "cannot mount at %s",
				 program->mountpoint);
	program->is_mounted = true;
	if (fuse_set_signal_handlers(session) < 0 || answer_init(session) < 0)
		return error_set(err, RVS_ERR_FAILED,
				 "the kernel did not begin at %s",
				 program->mountpoint);
	return 0;
}

static ssize_t read_request(int fd, void *ret, size_t size, void *mount_arg)
{
	const struct mount *mount = mount_arg;

	return turn_read(mount->turn, fd, ret, size);
}

static ssize_t write_answer(int fd, struct iovec *parts, int count, void *mount)
{
	return writev(fd, parts, count);
}

static int take_turns(struct program *program, struct rvs_error *err)
{
	static const struct fuse_custom_io io = { .read = read_request,
						  .writev = write_answer };
	struct fuse_session *session = program->mount.session;

	program->mount.turn = turn_new();
	if (program->mount.turn &&
	    fuse_session_custom_io(session, &io, fuse_session_fd(session)) == 0)
		return 0;
	return error_set(err, RVS_ERR_NO_MEMORY, "out of memory");
}

static bool is_busy(void *arg)
{
	return view_is_busy(arg);
}

static int watch_idleness(struct program *program, struct rvs_error *err)
{
	const struct idle_options options = {
		.mountpoint = program->mountpoint,
		.timeout_s = program->options->idle_timeout_s,
		.is_busy = is_busy,
		.arg = program->mount.view,
	};

	if (!options.timeout_s)
		return 0;
	program->mount.idle = idle_new(&options);
	if (!program->mount.idle)
		return error_set(err, RVS_ERR_NO_MEMORY, "out of memory");
	return 0;
}

static int tune_mount(struct program *program, struct rvs_error *err)
{
	dev_t device;

	if (connection_device(program->mountpoint, &device) < 0)
		return fail_errno(err, "mount point", program->mountpoint);
	/* Slower without, as for users who are not root. */
	(void)connection_read_ahead(device, READ_AHEAD_KIB);
	if (notify_begin(program->mount.notify, program->mount.session,
			 device) < 0)
		return error_set(err, RVS_ERR_NO_MEMORY, "out of threads");
	program->watch = watch_new(program->mount.view);
	program->mount.fill = fill_new(program->mount.session, device,
				       program->mount.view);
	if (!program->watch || !program->mount.fill)
		return error_set(err, RVS_ERR_NO_MEMORY, "out of memory");
	return watch_idleness(program, err);
}

/* Last, as it may have a run to make up for at once. */
static int begin_schedule(struct program *program, struct rvs_error *err)
{
	if (program->options->read_only ||
	    view_begin_schedule(program->mount.view) == 0)
		return 0;
	return error_set(err, RVS_ERR_NO_MEMORY, "out of memory");
}

static int make_parts(struct program *program, struct rvs_error *err)
{
	int r;

	r = new_session(program, err);
	if (r < 0)
		return r;
	r = resolve_paths(program, err);
	if (r < 0)
		return r;
	r = check_places(program, err);
	if (r < 0)
		return r;
	r = open_store(program, err);
	if (r < 0)
		return r;
	r = begin_mount(program, err);
	if (r < 0)
		return r;
	r = take_turns(program, err);
	if (r < 0)
		return r;
	r = tune_mount(program, err);
	if (r < 0)
		return r;
	return begin_schedule(program, err);
}

/* Signals that end the mount are for the main thread, which waits for them in
 * libfuse; the threads made here must not take them away. */
static int set_up(struct program *program, struct rvs_error *err)
{
	sigset_t ends, before;
	int r;

	sigemptyset(&ends);
	sigaddset(&ends, SIGHUP);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &ends, &before);
	r = make_parts(program, err);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

static void cleanup_loop_config(struct fuse_loop_config **config)
{
	if (*config)
		fuse_loop_cfg_destroy(*config);
}

/* Threads for readers beside as many commands as may wait for the store. */
static unsigned thread_limit(void)
{
	return JOBS_MAX + 2 * (unsigned)get_nprocs();
}

static int loop(struct program *program, struct rvs_error *err)
{
	struct fuse_session *session = program->mount.session;
	CLEANUP(cleanup_loop_config) struct fuse_loop_config *config = NULL;
	int r;

	config = fuse_loop_cfg_create();
	if (!config)
		return error_set(err, RVS_ERR_NO_MEMORY, "out of memory");
	fuse_loop_cfg_set_max_threads(config, thread_limit());
	r = fuse_session_loop_mt(session, config);
	fuse_remove_signal_handlers(session);
	/* A positive result is the signal that ended it. */
	if (r < 0)
		return error_set(err, RVS_ERR_FAILED, "the mount ended: %s",
				 strerror(-r));
	return 0;
}

static int serve(struct program *program, struct rvs_error *err)
{
	CLEANUP(cleanup_fd) int starter = -1;
	int r;

	if (!program->options->foreground) {
		starter = background_begin();
		if (starter < 0)
			return fail_errno(err, "cannot start", "a process");
	}
	r = set_up(program, err);
	if (r < 0)
		return r;
	if (!program->options->foreground) {
		log_to_syslog(&program->log);
		if (background_ready(take_fd(&starter)) < 0)
			return fail_errno(err, "cannot leave", "the terminal");
	}
	return loop(program, err);
}

static int run(struct options *options)
{
	CLEANUP(program_done) struct program program = {
		.options = options,
		.mount.override = options->override,
	};
	struct rvs_error err = RVS_ERROR_INIT;
	int r;

	r = serve(&program, &err);
	if (r < 0)
		log_warning(&program.log, "%s", err.text);
	return error_exit_code(r);
}

static int print_version(void)
{
	(void)printf("ruvsnapfs %s (libfuse %s)\n", RVS_VERSION,
		     fuse_pkgversion());
	return EXIT_SUCCESS;
}

static int print_help(void)
{
	(void)fputs(options_help, stdout);
	return EXIT_SUCCESS;
}

static int print_usage_error(const struct rvs_error *err)
{
	static const struct log log;

	log_warning(&log, "%s", err->text);
	(void)fputs("Try 'ruvsnapfs --help'.\n", stderr);
	return error_exit_code(err->status);
}

/* A freed member's memory goes back to the system, instead of lying between
 * others' in the heap of the thread that loaded it. */
static void bound_heap(void)
{
	(void)mallopt(M_MMAP_THRESHOLD, 128 << 10); /* else as by default */
}

int main(int argc, char **argv)
{
	CLEANUP(options_done) struct options options = { 0 };
	struct rvs_error err = RVS_ERROR_INIT;

	bound_heap();
	log_begin();
	if (options_parse(argc, argv, &options, &err) < 0)
		return print_usage_error(&err);
	if (options.help)
		return print_help();
	if (options.version)
		return print_version();
	if (options.fake)
		return EXIT_SUCCESS;
	return run(&options);
}
