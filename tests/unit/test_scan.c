/*
 * Goal: one walk sees all of a source, in order, as raw bytes, however deep,
 * and nothing that is not part of it.
 */
#include "sandbox.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "source/scan.h"
#include "source/source.h"

struct looked {
	struct rvs_source *source;
	struct rvs_scan scan;
	unsigned warnings;
};

static void looked_done(struct looked *looked)
{
	rvs_scan_done(&looked->scan);
	rvs_source_free(looked->source);
}

static void count_warning(void *arg, const char *text)
{
	++*(unsigned *)arg;
}

static int look(struct looked *ret, const char *path, const char *store,
		struct rvs_error *err)
{
	const struct rvs_scan_options options = { .store_path = store,
						  .arg = &ret->warnings,
						  .warning = count_warning };
	int r;

	*ret = (struct looked){ .scan = RVS_SCAN_INIT };
	r = rvs_source_open(path, &ret->source, err);
	return r < 0 ? r : rvs_scan_run(ret->source, &options, &ret->scan, err);
}

static struct looked look_well(const char *path)
{
	struct rvs_error err = RVS_ERROR_INIT;
	struct looked ret;

	expect_ok(look(&ret, path, NULL, &err), err);
	return ret;
}

static const struct rvs_item *item_at(const struct looked *looked,
				      const char *path)
{
	uint32_t i;

	for (i = 0; i < looked->scan.count; i++) {
		RVS_CLEANUP(rvs_cleanup_free)
		char *found = rvs_scan_path(&looked->scan, i);

		if (!strcmp(found, path))
			return &looked->scan.items[i];
	}
	fail_msg("no %s", path);
	return NULL;
}

static void test_items_are_depth_first_in_byte_order(void **state)
{
	static const char *const paths[] = { ".",  "B",	 "a",	   "a/x",
					     "a.b", "b",  "\xc3\xa4", "\xff\n" };
	RVS_CLEANUP(looked_done) struct looked looked = { 0 };
	uint32_t i;

	assert_int_equal(mkdir("s", 0755), 0);
	assert_int_equal(mkdir("s/a", 0755), 0);
	write_text("s/b", "1");
	write_text("s/\xff\n", "1");
	write_text("s/\xc3\xa4", "1");
	write_text("s/B", "1");
	write_text("s/a.b", "1");
	write_text("s/a/x", "1");
	looked = look_well("s");
	assert_int_equal(looked.scan.count, 8);
	for (i = 0; i < 8; i++) {
		RVS_CLEANUP(rvs_cleanup_free)
		char *path = rvs_scan_path(&looked.scan, i);

		assert_string_equal(path, paths[i]);
	}
	assert_int_equal(looked.warnings, 0);
}

static void test_every_type_is_seen_but_sockets(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX,
				       .sun_path = "s/socket" };
	RVS_CLEANUP(rvs_cleanup_fd) int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	RVS_CLEANUP(looked_done) struct looked looked = { 0 };

	assert_int_equal(mkdir("s", 0750), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address,
			      sizeof(address)), 0);
	assert_int_equal(mkfifo("s/fifo", 0640), 0);
	assert_int_equal(symlink("/no\nwhere", "s/link"), 0);
	write_text("s/file", "12345");
	looked = look_well("s");
	assert_int_equal(looked.scan.count, 4);
	assert_int_equal(looked.warnings, 1);
	assert_int_equal(looked.scan.items[0].mode, S_IFDIR | 0750);
	assert_int_equal(item_at(&looked, "fifo")->mode, S_IFIFO | 0640);
	assert_string_equal(item_at(&looked, "link")->target, "/no\nwhere");
	assert_int_equal(item_at(&looked, "file")->size, 5);
}

static void test_hard_links_lead_to_the_first(void **state)
{
	RVS_CLEANUP(looked_done) struct looked looked = { 0 };
	char name[32];
	uint32_t i;

	assert_int_equal(mkdir("s", 0755), 0);
	for (i = 0; i < 200; i++) {
		(void)snprintf(name, sizeof(name), "s/a%03u", i);
		write_text(name, "x");
	}
	for (i = 0; i < 200; i++) {
		char second[32];

		(void)snprintf(name, sizeof(name), "s/a%03u", i);
		(void)snprintf(second, sizeof(second), "s/b%03u", 199 - i);
		assert_int_equal(link(name, second), 0);
	}
	looked = look_well("s");
	assert_int_equal(looked.scan.count, 401);
	for (i = 1; i <= 200; i++) {
		assert_int_equal(looked.scan.items[i].link, i);
		assert_int_equal(looked.scan.items[401 - i].link, i);
	}
}

static void test_a_file_is_a_source_of_one_entry(void **state)
{
	RVS_CLEANUP(looked_done) struct looked looked = { 0 };
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_xattr *xattrs = NULL;
	uint32_t count = 7;

	write_text("file", "12345");
	assert_int_equal(link("file", "other"), 0);
	/* An attribute of the folder that it happens to lie in. */
	(void)setxattr(".", "user.secret", "x", 1, 0);
	looked = look_well("file");
	assert_int_equal(looked.scan.count, 2);
	assert_int_equal(looked.scan.items[0].mode, S_IFDIR | 0755);
	assert_string_equal(looked.scan.items[1].name, "file");
	assert_int_equal(looked.scan.items[1].size, 5);
	assert_int_equal(looked.scan.items[1].link, 1);
	expect_ok(rvs_source_xattrs(looked.source, ".", &xattrs, &count, &err),
		  err);
	free(xattrs);
	assert_int_equal(count, 0);
}

static void test_the_store_inside_is_refused(void **state)
{
	struct rvs_error err = RVS_ERROR_INIT;
	struct looked looked;

	assert_int_equal(mkdir("s", 0755), 0);
	assert_int_equal(mkdir("s/d", 0755), 0);
	assert_int_equal(mkdir("s/d/store", 0755), 0);
	expect_status(look(&looked, "s", "s/d/store", &err), RVS_ERR_USAGE,
		      err);
	looked_done(&looked);
	expect_status(look(&looked, "s/d/store", "s/d/store", &err),
		      RVS_ERR_USAGE, err);
	looked_done(&looked);
	expect_ok(look(&looked, "s/d/store", "s", &err), err);
	looked_done(&looked);
}

/* In a mount namespace of its own, which ends with the process. */
static int look_at_mount(void)
{
	struct looked looked;
	bool good;

	if (unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", "s/mnt", "tmpfs", 0, NULL) < 0)
		return 77; /* not allowed here */
	write_text("s/mnt/hidden", "x");
	looked = look_well("s");
	good = looked.scan.count == 2 && looked.warnings == 1;
	looked_done(&looked);
	return !good;
}

static void test_another_filesystem_is_not_entered(void **state)
{
	int status;
	pid_t child;

	assert_int_equal(mkdir("s", 0755), 0);
	assert_int_equal(mkdir("s/mnt", 0755), 0);
	child = fork();
	if (child == 0)
		_exit(look_at_mount());
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
}

/* Make @depth directories @name within each other below "s", a file at last. */
static void make_deep(const char *name, int depth)
{
	int fd = open("s", O_PATH | O_DIRECTORY), file, i;

	for (i = 0; i < depth; i++) {
		int next;

		assert_int_equal(mkdirat(fd, name, 0755), 0);
		next = openat(fd, name, O_PATH | O_DIRECTORY);
		assert_true(next >= 0);
		(void)close(fd);
		fd = next;
	}
	file = openat(fd, "file", O_CREAT | O_WRONLY, 0644);
	assert_true(file >= 0);
	assert_int_equal(write(file, "deep", 4), 4);
	(void)close(file);
	(void)close(fd);
}

static void test_paths_longer_than_the_kernels_are_reached(void **state)
{
	RVS_CLEANUP(looked_done) struct looked looked = { 0 };
	RVS_CLEANUP(rvs_cleanup_free) char *path = NULL;
	RVS_CLEANUP(rvs_cleanup_fd) int fd = -1;
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_xattr *xattrs = NULL;
	char name[256], bytes[8];
	uint32_t count;

	memset(name, 'n', 255);
	name[255] = '\0';
	assert_int_equal(mkdir("s", 0755), 0);
	make_deep(name, 40);
	looked = look_well("s");
	assert_int_equal(looked.scan.count, 42);
	path = rvs_scan_path(&looked.scan, 41);
	assert_int_equal(strlen(path), 40 * 256 + 4);
	expect_ok(rvs_source_open_file(looked.source, path, &fd, &err), err);
	assert_int_equal(read(fd, bytes, 8), 4);
	expect_ok(rvs_source_xattrs(looked.source, path, &xattrs, &count, &err),
		  err);
	free(xattrs);
}

/*
 * What the format can hold is walked, what it cannot is refused; in neither
 * case does the stack give way.
 */
static void test_the_deepest_tree(void **state)
{
	static const int depths[] = { RVS_PATH_DEPTH_MAX - 1, /* and the root */
				      RVS_PATH_DEPTH_MAX + 10 };
	const struct rlimit many = { 20000, 20000 };
	size_t i;

	if (setrlimit(RLIMIT_NOFILE, &many) < 0)
		skip();
	for (i = 0; i < 2; i++) {
		struct rvs_error err = RVS_ERROR_INIT;
		struct looked looked;
		int r;

		assert_int_equal(mkdir("s", 0755), 0);
		make_deep("d", depths[i]);
		r = look(&looked, "s", NULL, &err);
		if (i == 0)
			expect_ok(r, err);
		else
			assert_true(r < 0);
		looked_done(&looked);
		expect_ok(rvs_io_remove_all(AT_FDCWD, "s", &err), err);
	}
}

static bool give_up(void *arg)
{
	return true;
}

static void test_a_walk_is_cancelled(void **state)
{
	const struct rvs_scan_options options = { .cancelled = give_up };
	RVS_CLEANUP(looked_done) struct looked looked = { 0 };
	struct rvs_error err = RVS_ERROR_INIT;
	char name[32];
	int i;

	assert_int_equal(mkdir("s", 0755), 0);
	for (i = 0; i < 1100; i++) {
		(void)snprintf(name, sizeof(name), "s/%d", i);
		write_text(name, "");
	}
	expect_ok(rvs_source_open("s", &looked.source, &err), err);
	expect_status(rvs_scan_run(looked.source, &options, &looked.scan, &err),
		      RVS_ERR_INTERRUPTED, err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_items_are_depth_first_in_byte_order),
		sandbox_test(test_every_type_is_seen_but_sockets),
		sandbox_test(test_hard_links_lead_to_the_first),
		sandbox_test(test_a_file_is_a_source_of_one_entry),
		sandbox_test(test_the_store_inside_is_refused),
		sandbox_test(test_another_filesystem_is_not_entered),
		sandbox_test(test_paths_longer_than_the_kernels_are_reached),
		sandbox_test(test_a_walk_is_cancelled),
		sandbox_test(test_the_deepest_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
