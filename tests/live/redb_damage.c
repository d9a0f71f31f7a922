/*
 * Damages a real redb database at random places and captures it each time.
 *
 *	redb_damage DATABASE PLACES FOLDER
 *
 * Every capture must end, as a proved copy or with a reason; the copies go into
 * FOLDER, for the database's own program to open.  Half of the places lie in the
 * header.  Prints what became of the captures as a line of JSON.  Exit code 0,
 * or 1 when a capture failed otherwise.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "source/redb.h"
#include "source/redb_header.h"
#include "source/sparse.h"
#include "unit/random.h"

/* What a capture waits is not waited. */
struct time {
	uint64_t now_ms;
};

static uint64_t now_ms(void *arg)
{
	return ((struct time *)arg)->now_ms;
}

static void sleep_ms(void *arg, unsigned ms)
{
	((struct time *)arg)->now_ms += ms;
}

/* One byte of the copy of @database in @live_fd differs. */
static int damage(int database, int live_fd, uint64_t size, bool header,
		  uint64_t *seed, struct rvs_error *err)
{
	uint64_t at = next_random(seed) %
		      (header ? RVS_REDB_HEADER_LEN : size);
	uint8_t byte;
	int r = rvs_sparse_copy(database, live_fd, size, NULL, err);

	if (r < 0)
		return r;
	if (rvs_io_pread(live_fd, &byte, 1, at) != 1)
		return rvs_error_errno(err, "cannot read");
	byte ^= (uint8_t)(1 + next_random(seed) % 255);
	return rvs_io_pwrite(live_fd, &byte, 1, at) < 0 ?
		       rvs_error_errno(err, "cannot write") :
		       0;
}

static int capture(int live_fd, const char *path, struct rvs_error *err)
{
	RVS_CLEANUP(rvs_cleanup_fd)
	int copy_fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct rvs_redb_limits limits = RVS_REDB_LIMITS_DEFAULT;
	struct time time = { 0 };
	const struct rvs_redb_clock clock = { now_ms, sleep_ms, &time };
	struct rvs_redb_capture captured;
	int r;

	if (copy_fd < 0)
		return rvs_error_errno(err, "%s", path);
	limits.clock = &clock;
	r = rvs_redb_capture(live_fd, copy_fd, &limits, &captured, err);
	if (r < 0)
		(void)unlink(path); /* it holds nothing of use */
	return r;
}

int main(int argc, char **argv)
{
	RVS_CLEANUP(rvs_cleanup_fd) int database = -1;
	unsigned places = argc == 4 ? (unsigned)atoi(argv[2]) : 0;
	unsigned whole = 0, corrupt = 0, busy = 0, refused = 0;
	uint64_t seed = 4;
	struct stat st;

	if (places == 0) {
		fprintf(stderr, "usage: redb_damage DATABASE PLACES FOLDER\n");
		return 2;
	}
	database = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (database < 0 || fstat(database, &st) < 0) {
		perror(argv[1]);
		return EXIT_FAILURE;
	}
	for (unsigned i = 0; i < places; i++) {
		RVS_CLEANUP(rvs_cleanup_fd)
		int live_fd = memfd_create("live", MFD_CLOEXEC);
		RVS_CLEANUP(rvs_cleanup_free) char *path = NULL;
		struct rvs_error err = RVS_ERROR_INIT;
		int r;

		if (live_fd < 0 ||
		    asprintf(&path, "%s/%u.db", argv[3], i) < 0)
			return EXIT_FAILURE;
		r = damage(database, live_fd, (uint64_t)st.st_size, i % 2 == 0,
			   &seed, &err);
		if (r == 0)
			r = capture(live_fd, path, &err);
		whole += r == 0;
		corrupt += r == RVS_ERR_CORRUPT;
		busy += r == RVS_ERR_BUSY;
		refused += r == RVS_ERR_REFUSED;
		if (whole + corrupt + busy + refused != i + 1) {
			fprintf(stderr, "place %u: %d, %s\n", i, r, err.text);
			return EXIT_FAILURE;
		}
	}
	printf("{\"whole\":%u,\"corrupt\":%u,\"busy\":%u,\"refused\":%u}\n",
	       whole, corrupt, busy, refused);
	return EXIT_SUCCESS;
}
