/*
 * Goal: a directory gives what the interface promises: objects under nested
 * keys, folders that appear and change places whole, one holder of a lock.
 */
#include "sandbox.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "store/backend.h"

static struct rvs_backend *open_here(void)
{
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_backend *backend = NULL;

	expect_ok(rvs_directory_open(".", &backend, &err), err);
	return backend;
}

static void put(struct rvs_backend *backend, const char *key, const char *text)
{
	struct rvs_error err = RVS_ERROR_INIT;

	expect_ok(rvs_backend_write_object(backend, key, text, strlen(text),
					   &err), err);
}

static void expect_text(struct rvs_backend *backend, const char *key,
			const char *text)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf found = RVS_BUF_INIT;
	struct rvs_error err = RVS_ERROR_INIT;

	expect_ok(rvs_backend_read_object(backend, key, 1 << 20, &found, &err),
		  err);
	rvs_buf_put_u8(&found, 0);
	assert_string_equal((char *)found.bytes, text);
}

static int add_name(void *arg, const char *name)
{
	char *names = arg;

	(void)strcat(strcat(names, name), " ");
	return 0;
}

static int stop(void *arg, const char *name)
{
	return 7;
}

static void test_objects_come_back_under_nested_keys(void **state)
{
	struct rvs_backend *b = open_here();
	char names[256] = "";
	struct rvs_error err = RVS_ERROR_INIT;

	put(b, "folder/a/b/c", "deep");
	put(b, "folder/x", "flat");
	expect_text(b, "folder/a/b/c", "deep");
	expect_text(b, "folder/x", "flat");
	put(b, "folder/x", "new");
	expect_text(b, "folder/x", "new");
	expect_ok(b->ops->list(b, "folder/a", add_name, names, &err), err);
	assert_string_equal(names, "b ");
	assert_int_equal(b->ops->list(b, "", stop, NULL, &err), 7);
	expect_status(b->ops->list(b, "none", stop, NULL, &err),
		      RVS_ERR_NOT_FOUND, err);
	b->ops->free(b);
}

static void test_what_is_not_there_is_not_found(void **state)
{
	struct rvs_backend *b = open_here();
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_object *object;
	uint64_t size;

	put(b, "folder/x", "");
	expect_status(b->ops->open(b, "folder/y", &object, &size, &err),
		      RVS_ERR_NOT_FOUND, err);
	assert_int_equal(b->ops->probe(b, "folder/x", &err), 0);
	assert_int_equal(b->ops->probe(b, "folder/y", &err), 1);
	assert_int_equal(b->ops->probe(b, "folder/x/z", &err), 1);
	expect_ok(b->ops->remove(b, "folder/y", &err), err);
	expect_ok(b->ops->remove_folder(b, "none", &err), err);
	b->ops->free(b);
}

/* A store may hold anything: a link or a fifo is no object. */
static void test_only_regular_files_are_objects(void **state)
{
	struct rvs_backend *b = open_here();
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_object *object;
	uint64_t size;

	write_text("real", "x");
	assert_int_equal(symlink("real", "link"), 0);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(mkdir("dir", 0700), 0);
	assert_true(b->ops->open(b, "link", &object, &size, &err) < 0);
	assert_true(b->ops->open(b, "fifo", &object, &size, &err) < 0);
	assert_true(b->ops->open(b, "dir", &object, &size, &err) < 0);
	b->ops->free(b);
}

static void test_reads_are_short_only_at_the_end(void **state)
{
	struct rvs_backend *b = open_here();
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_object *object;
	char bytes[8];
	uint64_t size;

	put(b, "x", "12345");
	expect_ok(b->ops->open(b, "x", &object, &size, &err), err);
	assert_int_equal(size, 5);
	assert_int_equal(b->ops->read(object, bytes, 4, 3, &err), 2);
	assert_memory_equal(bytes, "45", 2);
	assert_int_equal(b->ops->read(object, bytes, 4, 9, &err), 0);
	b->ops->close(object);
	b->ops->close(NULL);
	b->ops->free(b);
}

static void test_an_object_longer_than_wanted_is_refused(void **state)
{
	struct rvs_backend *b = open_here();
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf found = RVS_BUF_INIT;
	struct rvs_error err = RVS_ERROR_INIT;

	put(b, "x", "12345");
	expect_status(rvs_backend_read_object(b, "x", 4, &found, &err),
		      RVS_ERR_REFUSED, err);
	b->ops->free(b);
}

static void test_an_abandoned_upload_leaves_no_handle(void **state)
{
	struct rvs_backend *b = open_here();
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_upload *upload;

	expect_ok(b->ops->create(b, "f/x", &upload, &err), err);
	expect_ok(b->ops->append(upload, "12", 2, &err), err);
	b->ops->abandon(upload);
	b->ops->abandon(NULL);
	b->ops->free(b);
}

static void test_publish_refuses_a_folder_that_is_there(void **state)
{
	struct rvs_backend *b = open_here();
	struct rvs_error err = RVS_ERROR_INIT;

	put(b, "draft/sub/x", "1");
	expect_ok(b->ops->publish(b, "draft", "final", &err), err);
	expect_text(b, "final/sub/x", "1");
	assert_int_equal(b->ops->probe(b, "draft", &err), 1);
	put(b, "draft/x", "2");
	expect_status(b->ops->publish(b, "draft", "final", &err),
		      RVS_ERR_EXISTS, err);
	expect_text(b, "final/sub/x", "1");
	expect_text(b, "draft/x", "2");
	expect_status(b->ops->publish(b, "none", "new", &err),
		      RVS_ERR_NOT_FOUND, err);
	b->ops->free(b);
}

static void test_exchange_swaps_folders(void **state)
{
	struct rvs_backend *b = open_here();
	struct rvs_error err = RVS_ERROR_INIT;

	put(b, "one/x", "1");
	put(b, "two/x", "2");
	expect_ok(b->ops->exchange(b, "one", "two", &err), err);
	expect_text(b, "one/x", "2");
	expect_text(b, "two/x", "1");
	b->ops->free(b);
}

static void test_a_copy_stays_when_the_first_goes(void **state)
{
	struct rvs_backend *b = open_here();
	struct rvs_error err = RVS_ERROR_INIT;

	put(b, "one/sub/x", "1");
	expect_ok(b->ops->copy(b, "one/sub/x", "two/sub/x", &err), err);
	expect_ok(b->ops->remove_folder(b, "one", &err), err);
	expect_text(b, "two/sub/x", "1");
	expect_status(b->ops->copy(b, "none/x", "two/y", &err),
		      RVS_ERR_NOT_FOUND, err);
	b->ops->free(b);
}

static void test_replace_and_remove(void **state)
{
	struct rvs_backend *b = open_here();
	struct rvs_error err = RVS_ERROR_INIT;

	expect_ok(b->ops->replace(b, "labels", "1", 1, &err), err);
	expect_ok(b->ops->replace(b, "labels", "22", 2, &err), err);
	expect_text(b, "labels", "22");
	put(b, "folder/x", "1");
	expect_ok(b->ops->remove(b, "folder/x", &err), err);
	expect_ok(b->ops->remove(b, "labels", &err), err);
	assert_int_equal(b->ops->probe(b, "folder/x", &err), 1);
	assert_int_equal(b->ops->probe(b, "labels", &err), 1);
	b->ops->free(b);
}

/* Whatever happens between two calls that give one number, happened not. */
static void test_the_generation_changes_with_the_list(void **state)
{
	struct rvs_backend *b = open_here();
	struct rvs_error err = RVS_ERROR_INIT;
	uint64_t before, after, i;
	char name[32];

	for (i = 0; i < 50; i++) {
		(void)snprintf(name, sizeof(name), "final-%d", (int)i);
		put(b, "draft/x", "1");
		expect_ok(b->ops->generation(b, &before, &err), err);
		expect_ok(b->ops->publish(b, "draft", name, &err), err);
		expect_ok(b->ops->generation(b, &after, &err), err);
		assert_int_not_equal(before, after);
		expect_ok(b->ops->generation(b, &before, &err), err);
		expect_ok(b->ops->replace(b, "labels", "1", 1, &err), err);
		expect_ok(b->ops->generation(b, &after, &err), err);
		assert_int_not_equal(before, after);
	}
	b->ops->free(b);
}

static bool give_up(void *arg)
{
	unsigned *asked = arg;

	return ++*asked == 3;
}

static void test_a_lock_has_one_holder_in_a_process(void **state)
{
	struct rvs_backend *a = open_here(), *b = open_here();
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_lock *lock, *other;
	unsigned asked = 0;
	char pid[32];

	expect_ok(a->ops->lock(a, ".lock", false, NULL, NULL, &lock, &err),
		  err);
	expect_status(b->ops->lock(b, ".lock", false, NULL, NULL, &other, &err),
		      RVS_ERR_BUSY, err);
	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	assert_non_null(strstr(err.text, pid));
	expect_status(b->ops->lock(b, ".lock", true, give_up, &asked, &other,
				   &err), RVS_ERR_INTERRUPTED, err);
	assert_int_equal(asked, 3);
	/* Another name is another lock. */
	expect_ok(b->ops->lock(b, ".other", false, NULL, NULL, &other, &err),
		  err);
	b->ops->unlock(other);
	a->ops->unlock(lock);
	expect_ok(b->ops->lock(b, ".lock", true, NULL, NULL, &lock, &err), err);
	b->ops->unlock(lock);
	b->ops->unlock(NULL);
	a->ops->free(a);
	b->ops->free(b);
}

static void hold_lock_until_killed(int ready)
{
	struct rvs_backend *b = open_here();
	struct rvs_lock *lock;

	if (b->ops->lock(b, ".lock", false, NULL, NULL, &lock, NULL) == 0 &&
	    write(ready, "x", 1) == 1)
		(void)pause();
	_exit(1);
}

static void test_a_lock_ends_with_its_process(void **state)
{
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_backend *b = open_here();
	struct rvs_lock *lock;
	int ready[2];
	char byte;
	pid_t child;

	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0)
		hold_lock_until_killed(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	expect_status(b->ops->lock(b, ".lock", false, NULL, NULL, &lock, &err),
		      RVS_ERR_BUSY, err);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	expect_ok(b->ops->lock(b, ".lock", true, NULL, NULL, &lock, &err), err);
	b->ops->unlock(lock);
	b->ops->free(b);
	(void)close(ready[0]);
	(void)close(ready[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_objects_come_back_under_nested_keys),
		sandbox_test(test_what_is_not_there_is_not_found),
		sandbox_test(test_only_regular_files_are_objects),
		sandbox_test(test_reads_are_short_only_at_the_end),
		sandbox_test(test_an_object_longer_than_wanted_is_refused),
		sandbox_test(test_an_abandoned_upload_leaves_no_handle),
		sandbox_test(test_publish_refuses_a_folder_that_is_there),
		sandbox_test(test_exchange_swaps_folders),
		sandbox_test(test_a_copy_stays_when_the_first_goes),
		sandbox_test(test_replace_and_remove),
		sandbox_test(test_the_generation_changes_with_the_list),
		sandbox_test(test_a_lock_has_one_holder_in_a_process),
		sandbox_test(test_a_lock_ends_with_its_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
