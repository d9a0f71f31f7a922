/*
 * mount: hand over to ruvsnapfs.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "output.h"

#define DRIVER "ruvsnapfs"

/* Whether this was built, and installed, as one is decided by where it lies:
 * beside this program, else wherever $PATH says. */
static void run_driver(char **argv)
{
	char path[4096];
	ssize_t len = readlink("/proc/self/exe", path,
			       sizeof(path) - sizeof(DRIVER));
	char *slash;

	if (len > 0) {
		path[len] = '\0';
		slash = strrchr(path, '/');
		memcpy(slash + 1, DRIVER, sizeof(DRIVER));
		(void)execv(path, argv);
	}
	(void)execvp(DRIVER, argv); /* returns only when it failed */
}

/* A path that no parser takes for an option, malloc'ed. */
static char *as_path(const char *argument)
{
	char *path = NULL;

	return asprintf(&path, "%s%s", *argument == '-' ? "./" : "",
			argument) < 0 ? NULL : path;
}

static int mount(char **driver, size_t count, const char *store,
		 const char *mountpoint)
{
	char threads[32];

	if (thread_count()) {
		(void)snprintf(threads, sizeof(threads), "-othreads=%u",
			       thread_count());
		driver[count++] = threads;
	}
	driver[count++] = as_path(store);
	driver[count++] = as_path(mountpoint);
	if (driver[count - 1] && driver[count - 2])
		run_driver(driver);
	(void)fprintf(stderr, "ruvsnap: cannot run " DRIVER ": %s; it belongs "
		      "beside ruvsnap, or on $PATH\n", strerror(errno));
	free(driver[count - 2]);
	free(driver[count - 1]);
	return EXIT_FAILED;
}

static int run(int argc, char **argv)
{
	enum { SOURCE = 256 };
	static const struct option options[] = {
		{ "option", required_argument, NULL, 'o' },
		{ "source", required_argument, NULL, SOURCE },
		{ 0 },
	};
	static char name[] = DRIVER, option[] = "-o", source[] = "--source";
	/* Each argument becomes two at most; then the threads, and NULL. */
	char **driver = calloc(2 * (size_t)argc + 4, sizeof(*driver));
	size_t count = 0;
	bool json = false;
	int c;

	if (!driver)
		return EXIT_FAILED;
	driver[count++] = name;
	while ((c = next_option(argc, argv, options, &json)) != -1) {
		driver[count++] = c == 'o' ? option : source;
		driver[count++] = optarg;
	}
	c = mount(driver, count, argv[optind], argv[optind + 1]);
	free(driver);
	return c;
}

const struct command command_mount = {
	.name = "mount",
	.arguments = "STORE MOUNTPOINT [-o OPTION]... [--source PATH]",
	.summary = "show the snapshots as directories; `fusermount3 -u "
		   "MOUNTPOINT` ends it",
	.options = "  -o, --option OPTION  of mount(8) or ruvsnapfs(8); may be "
		   "repeated\n"
		   "  --source PATH        snapshot PATH; make the store when "
		   "there is none\n",
	.min_arguments = 2,
	.max_arguments = 2,
	.run = run,
};
