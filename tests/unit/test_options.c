/*
 * Goal: options of ours are taken, those of mount(8) and fstab too, what is no
 * number is refused, and libfuse hears what is its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "options.h"

enum { ARGS_MAX = 8 };

/* Parse "program option... store mountpoint". */
static int parse(const char *program, const char *words, struct options *ret)
{
	struct rvs_error err = RVS_ERROR_INIT;
	char *argv[ARGS_MAX] = { (char *)program };
	char text[512], *rest = NULL, *word;
	int argc = 1, r;

	strcpy(text, words);
	for (word = strtok_r(text, " ", &rest); word;
	     word = strtok_r(NULL, " ", &rest))
		argv[argc++] = word;
	r = options_parse(argc, argv, ret, &err);
	assert_int_equal(r, err.status);
	return r;
}

static void assert_taken(const char *words, struct options *ret)
{
	if (parse("ruvsnapfs", words, ret) < 0)
		fail_msg("refused: %s", words);
}

static void assert_refused(const char *words)
{
	struct options options;

	if (parse("ruvsnapfs", words, &options) != RVS_ERR_USAGE)
		fail_msg("taken: %s", words);
	options_done(&options);
}

/* Whether libfuse gets the option @word. */
static bool is_passed(const struct options *options, const char *word)
{
	int i;

	for (i = 1; i < options->libfuse.argc; i++)
		if (strstr(options->libfuse.argv[i], word))
			return true;
	return false;
}

static void test_defaults(void **state)
{
	struct options options;

	assert_taken("store mnt", &options);
	assert_string_equal(options.store, "store");
	assert_string_equal(options.mountpoint, "mnt");
	assert_false(options.read_only);
	assert_int_equal(options.idle_timeout_s, 0);
	assert_true(is_passed(&options, "auto_unmount"));
	assert_true(is_passed(&options, "subtype=ruvsnapfs"));
	assert_false(is_passed(&options, "default_permissions"));
	options_done(&options);
}

static void test_our_own(void **state)
{
	struct options options;

	assert_taken("-o ro,noauto_unmount,idle_timeout=60,noverify store mnt",
		     &options);
	assert_true(options.read_only);
	assert_true(options.crc_only);
	assert_int_equal(options.idle_timeout_s, 60);
	assert_true(is_passed(&options, "ro"));
	assert_false(is_passed(&options, "auto_unmount"));
	assert_false(is_passed(&options, "idle_timeout"));
	options_done(&options);
	assert_taken("--idle-timeout=5 -o ro -o rw store mnt", &options);
	assert_int_equal(options.idle_timeout_s, 5);
	assert_false(options.read_only);
	options_done(&options);
}

static void test_owners_and_permissions(void **state)
{
	struct options options;

	assert_taken("-o uid=0,gid=1001,umask=027 store mnt", &options);
	assert_true(options.override.has_uid && options.override.has_gid &&
		    options.override.has_umask);
	assert_int_equal(options.override.uid, 0);
	assert_int_equal(options.override.gid, 1001);
	assert_int_equal(options.override.umask, 027);
	assert_true(is_passed(&options, "default_permissions"));
	options_done(&options);
	assert_taken("-o allow_other store mnt", &options);
	assert_true(is_passed(&options, "allow_other"));
	assert_true(is_passed(&options, "default_permissions"));
	options_done(&options);
}

static void test_what_is_refused(void **state)
{
	static const char *const refused[] = {
		"store", "store mnt more", "--what store mnt",
		"-o uid=root store mnt", "-o uid= store mnt",
		"-o uid=-1 store mnt", "-o gid=4294967295 store mnt",
		"-o umask=8 store mnt", "-o umask=1000 store mnt",
		"-o idle_timeout=1x store mnt",
		"--idle-timeout=99999999999999999999 store mnt",
	};
	size_t i;

	for (i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		assert_refused(refused[i]);
}

static void test_as_mount_helper(void **state)
{
	struct options options;

	assert_int_equal(parse("/sbin/mount.fuse.ruvsnapfs",
			       "store mnt -s -n -v -o rw,noauto,nofail,x-a.b=1",
			       &options), 0);
	assert_false(options.foreground);
	assert_false(is_passed(&options, "nofail"));
	assert_false(is_passed(&options, "x-a.b"));
	options_done(&options);
	assert_int_equal(parse("mount.fuse.ruvsnapfs", "store mnt -f",
			       &options), 0);
	assert_true(options.fake);
	options_done(&options);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_our_own),
		cmocka_unit_test(test_owners_and_permissions),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_as_mount_helper),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
