/*
 * Replay: a fuzz target's main() where there is no fuzzer.
 *
 *	fuzz_NAME FILE-OR-FOLDER...
 *
 * Runs every file, then its near neighbours: each beginning of it, and it with
 * each byte damaged in turn.  A fault kills the process; the last line of its
 * output then names the input.  Prints TAP.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Neighbours cost the square of the length: long inputs have fewer of them. */
#define NEIGHBOURS_MAX 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The target gets a block of exactly @len bytes, so that a sanitizer sees the
 * first one read beyond it. */
static void run_copy(const uint8_t *bytes, size_t len, size_t damaged)
{
	uint8_t *copy = malloc(len ? len : 1);

	if (!copy)
		abort();
	if (len)
		memcpy(copy, bytes, len);
	if (damaged < len)
		copy[damaged] ^= (uint8_t)(1U << (damaged % 8));
	(void)LLVMFuzzerTestOneInput(copy, len);
	free(copy);
}

static void run_input(const char *path, const uint8_t *bytes, size_t len)
{
	size_t step = 1 + len / NEIGHBOURS_MAX;

	printf("# %s\n", path);
	fflush(stdout);
	run_copy(bytes, len, SIZE_MAX);

	printf("# %s, cut or damaged\n", path);
	fflush(stdout);
	for (size_t at = 0; at < len; at += step) {
		run_copy(bytes, at, SIZE_MAX);
		run_copy(bytes, len, at);
	}
}

static int complain(const char *path)
{
	fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
	return -1;
}

static int run_file(const char *path, size_t len)
{
	FILE *file = fopen(path, "rb");
	uint8_t *bytes = malloc(len ? len : 1);
	bool whole = file && bytes && fread(bytes, 1, len, file) == len;

	if (whole)
		run_input(path, bytes, len);
	free(bytes);
	if (file)
		(void)fclose(file); /* only read from */
	return whole ? 1 : complain(path);
}

static int visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* Returns the number of files run, or -1. */
static int run_path(const char *path)
{
	struct dirent **names = NULL;
	struct stat st;
	int count, total = 0;

	if (stat(path, &st) < 0)
		return complain(path);
	if (!S_ISDIR(st.st_mode))
		return run_file(path, (size_t)st.st_size);

	count = scandir(path, &names, visible, alphasort);
	if (count < 0)
		return complain(path);
	for (int i = 0; i < count; i++) {
		char inner[PATH_MAX];
		int ran;

		(void)snprintf(inner, sizeof(inner), "%s/%s", path,
			       names[i]->d_name);
		ran = run_path(inner);
		total = ran < 0 || total < 0 ? -1 : total + ran;
		free(names[i]);
	}
	free(names);
	return total;
}

int main(int argc, char **argv)
{
	int total = 0;

	printf("1..1\n");
	for (int i = 1; i < argc; i++) {
		int ran = run_path(argv[i]);

		if (ran < 0)
			return EXIT_FAILURE;
		total += ran;
	}
	if (total == 0) {
		printf("not ok 1 - no input was found\n");
		return EXIT_FAILURE;
	}
	printf("ok 1 - %d inputs and their neighbours\n", total);
	return EXIT_SUCCESS;
}
