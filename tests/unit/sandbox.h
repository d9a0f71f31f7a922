/*
 * Sandbox: each test runs in an empty folder of its own, which goes with it, and
 * with the process when that dies.
 *
 * Use sandbox_test(f) in place of cmocka_unit_test(f); paths are then relative.
 */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rvs/job.h>
#include <rvs/store.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "random.h"

#define sandbox_test(f) \
	cmocka_unit_test_setup_teardown(f, sandbox_enter, sandbox_leave)

#define expect_status(expr, wanted, err)                                     \
	do {                                                                 \
		int found_ = (int)(expr), wanted_ = (wanted);                \
		if (found_ != wanted_)                                       \
			fail_msg("%s: %d, not %d: %s", #expr, found_,        \
				 wanted_, (err).text);                       \
	} while (0)
#define expect_ok(expr, err) expect_status(expr, 0, err)

/*
 * Removes @top once this process is gone, however it ended: the pipe's other end
 * closes with it.  Nobody's child, and in no group that a time limit kills.
 */
static inline void sandbox_guard(const char *top, const int ends[2])
{
	struct rvs_error err = RVS_ERROR_INIT;
	char byte;

	(void)close(ends[1]);
	if (setsid() < 0 || fork() != 0)
		_exit(0);
	while (read(ends[0], &byte, 1) > 0)
		;
	_exit(rvs_io_remove_all(AT_FDCWD, top, &err) < 0);
}

/* The folder of this process; NULL when there is none to be had. */
static inline const char *sandbox_top(void)
{
	static char *top;
	const char *parent = getenv("TMPDIR");
	int ends[2];
	pid_t guard;

	if (top)
		return top;
	if (asprintf(&top, "%s/ruvsnap-test-XXXXXX",
		     parent ? parent : "/tmp") < 0 ||
	    !mkdtemp(top) || pipe2(ends, O_CLOEXEC) < 0)
		return NULL;
	guard = fork();
	if (guard == 0)
		sandbox_guard(top, ends);
	(void)close(ends[0]);
	return guard > 0 && waitpid(guard, NULL, 0) == guard ? top : NULL;
}

static inline int sandbox_enter(void **state)
{
	const char *top = sandbox_top();
	static unsigned number;
	char *path;

	if (!top || asprintf(&path, "%s/%u", top, number++) < 0 ||
	    mkdir(path, 0700) < 0 || chdir(path) < 0)
		return -1;
	*state = path;
	return 0;
}

static inline int sandbox_leave(void **state)
{
	struct rvs_error err = RVS_ERROR_INIT;

	if (chdir("/") < 0 || rvs_io_remove_all(AT_FDCWD, *state, &err) < 0)
		return -1;
	free(*state);
	return 0;
}

/* Bytes that do not shrink, the same for the same seed. */
static inline void fill_random(void *bytes, size_t len, uint64_t seed)
{
	uint8_t *at = bytes;
	size_t i;

	for (i = 0; i < len; i += 8) {
		uint64_t z = next_random(&seed);

		memcpy(at + i, &z, len - i < 8 ? len - i : 8);
	}
}

static inline void write_at(const char *path, const void *bytes, size_t len,
			    uint64_t offset)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(rvs_io_pwrite(fd, bytes, len, offset), 0);
	assert_int_equal(close(fd), 0);
}

static inline void write_file(const char *path, const void *bytes, size_t len)
{
	(void)unlink(path); /* a new inode, as an editor would */
	write_at(path, bytes, len, 0);
}

static inline void write_text(const char *path, const char *text)
{
	write_file(path, text, strlen(text));
}

static inline void write_random(const char *path, size_t len, uint64_t seed)
{
	RVS_CLEANUP(rvs_cleanup_free) uint8_t *bytes = malloc(len + 1);

	assert_non_null(bytes);
	fill_random(bytes, len, seed);
	write_file(path, bytes, len);
}

static inline struct rvs_buf read_whole(const char *path)
{
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_buf ret = RVS_BUF_INIT;

	expect_ok(rvs_io_read_file(AT_FDCWD, path, 1 << 30, &ret, &err), err);
	return ret;
}

static inline void expect_same_file(const char *a, const char *b)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf x = read_whole(a);
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf y = read_whole(b);

	assert_int_equal(x.len, y.len);
	assert_int_equal(memcmp(x.bytes, y.bytes, x.len), 0);
}

/* ---- stores ---- */

static inline struct rvs_store *open_store(void)
{
	const struct rvs_store_options options = { .threads = 2 };
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_store *store = NULL;

	expect_ok(rvs_store_open("store", &options, &store, &err), err);
	return store;
}

/* The store "store" of the directory "source", both new. */
static inline struct rvs_store *new_store(void)
{
	const struct rvs_store_config config = { .source = "source",
						 .level = 1 };
	struct rvs_error err = RVS_ERROR_INIT;

	assert_int_equal(mkdir("source", 0755), 0);
	expect_ok(rvs_store_init("store", &config, &err), err);
	return open_store();
}

static inline void close_store(struct rvs_store **store)
{
	rvs_store_close(*store);
}

/* Make a snapshot; its record is for rvs_snapshot_done(). */
static inline struct rvs_snapshot snap(struct rvs_store *store,
				       const char *name)
{
	const struct rvs_create_options options = { .name = name };
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_snapshot ret = { 0 };

	expect_ok(rvs_create(store, &options, &ret, &err), err);
	return ret;
}

/* A snapshot whose record is of no interest. */
static inline void snap_only(struct rvs_store *store, const char *name)
{
	struct rvs_snapshot record = snap(store, name);

	rvs_snapshot_done(&record);
}

#endif
