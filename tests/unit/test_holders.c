/*
 * Goal: whoever uses a file of a tree is found and named, however it does so;
 * who does not, and we ourselves, are not.
 */
#include "sandbox.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "source/holders.h"

static void start_open(void)
{
	assert_true(open("tree/sub/file", O_RDONLY) >= 0);
}

static void start_map(void)
{
	int fd = open("tree/sub/file", O_RDONLY);

	assert_true(mmap(NULL, 1, PROT_READ, MAP_PRIVATE, fd, 0) != MAP_FAILED);
	assert_int_equal(close(fd), 0);
}

static void start_cwd(void)
{
	assert_int_equal(chdir("tree/sub"), 0);
}

static void start_directory(void)
{
	assert_true(open("tree/sub", O_RDONLY | O_DIRECTORY) >= 0);
}

static void start_unlinked(void)
{
	assert_true(open("tree/gone", O_RDWR | O_CREAT, 0600) >= 0);
	assert_int_equal(link("tree/gone", "elsewhere"), 0);
	assert_int_equal(rename("elsewhere", "tree/moved"), 0);
}

static void start_nothing(void)
{
	assert_true(open("beside", O_RDONLY) >= 0);
}

/* What is found while another process did @start. */
static int check_while(void (*start)(void), struct rvs_error *err)
{
	RVS_CLEANUP(rvs_cleanup_free) char *path = realpath("tree", NULL);
	int ready[2], status;
	size_t unseen = 0;
	pid_t child;
	char byte, name[32];

	assert_int_equal(pipe(ready), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		start();
		(void)!write(ready[1], "", 1);
		for (;;)
			(void)pause();
	}
	assert_int_equal(close(ready[1]), 0);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	status = rvs_holders_check(path, &unseen, err);
	assert_int_equal(close(ready[0]), 0);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	(void)snprintf(name, sizeof(name), "by %d (test_holders)", (int)child);
	if (status < 0 && !strstr(err->text, name))
		fail_msg("%s: no %s", err->text, name);
	return status;
}

static void make_tree(void)
{
	assert_int_equal(mkdir("tree", 0755), 0);
	assert_int_equal(mkdir("tree/sub", 0755), 0);
	write_text("tree/sub/file", "x");
	write_text("beside", "x");
}

static void test_every_kind_of_use_is_found(void **state)
{
	void (*const starts[])(void) = { start_open, start_map, start_cwd,
					 start_directory, start_unlinked };
	struct rvs_error err = RVS_ERROR_INIT;
	size_t i;

	make_tree();
	for (i = 0; i < sizeof(starts) / sizeof(*starts); i++)
		expect_status(check_while(starts[i], &err), RVS_ERR_BUSY, err);
}

static void test_who_uses_nothing_of_it_is_not(void **state)
{
	struct rvs_error err = RVS_ERROR_INIT;

	make_tree();
	expect_ok(check_while(start_nothing, &err), err);
}

static void test_we_are_not(void **state)
{
	RVS_CLEANUP(rvs_cleanup_fd) int fd = -1;
	RVS_CLEANUP(rvs_cleanup_free) char *path = NULL;
	struct rvs_error err = RVS_ERROR_INIT;
	size_t unseen;

	make_tree();
	path = realpath("tree", NULL);
	fd = open("tree/sub/file", O_RDONLY);
	expect_ok(rvs_holders_check(path, &unseen, &err), err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_every_kind_of_use_is_found),
		sandbox_test(test_who_uses_nothing_of_it_is_not),
		sandbox_test(test_we_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
