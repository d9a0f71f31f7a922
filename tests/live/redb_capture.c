/*
 * Captures one redb database, for the live test: redb_capture LIVE COPY
 *
 * Prints the capture as a line of JSON.  Exit code 0, or 1 with the error.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/cleanup.h"
#include "source/redb.h"

static double seconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	RVS_CLEANUP(rvs_cleanup_fd) int live_fd = -1;
	RVS_CLEANUP(rvs_cleanup_fd) int copy_fd = -1;
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_redb_capture capture;
	uint64_t vectors = 0;
	struct rvs_input copy;
	double start = seconds();

	if (argc != 3) {
		fprintf(stderr, "usage: redb_capture LIVE COPY\n");
		return 2;
	}
	live_fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	copy_fd = open(argv[2], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (live_fd < 0 || copy_fd < 0) {
		perror(argv[live_fd < 0 ? 1 : 2]);
		return EXIT_FAILURE;
	}
	if (rvs_redb_capture(live_fd, copy_fd, NULL, &capture, &err) < 0) {
		fprintf(stderr, "%s: %s\n", argv[1], err.text);
		return EXIT_FAILURE;
	}
	copy = rvs_input_of_fd(copy_fd, capture.length);
	if (rvs_redb_count(&copy, &vectors, &err) < 0) {
		fprintf(stderr, "%s: %s\n", argv[2], err.text);
		return EXIT_FAILURE;
	}
	printf("{\"seconds\":%.3f,\"rounds\":%u,\"mended\":%" PRIu64
	       ",\"cloned\":%s,\"vectors\":%" PRIu64 "}\n",
	       seconds() - start, capture.rounds, capture.mended_pages,
	       capture.cloned ? "true" : "false", vectors);
	return EXIT_SUCCESS;
}
