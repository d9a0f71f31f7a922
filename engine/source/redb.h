/*
 * Redb: capture of a redb database, such as Ruvector's, while it is written.
 *
 * A capture is one committed transaction of its source, whole to the last page
 * that redb reads, proved by the checksums in the file.  Neither lock, signal
 * nor pause reaches the writer.
 *
 * How: copy the file, torn pages and all.  Take the newest commit slot from the
 * live header and walk its trees in the copy; a page that fails its checksum
 * there is read again from the live file.  When that fails too, the writer has
 * moved on: start again from a new header, skipping the subtrees that were
 * found whole before.  At the end write that header into the copy and verify it
 * once more, from its own header.  redb never overwrites a page of a commit
 * before the next one is durable, so the walk has about one commit's time for
 * what changed since the walk before.
 */
#ifndef RVS_REDB_H
#define RVS_REDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rvs/job.h>

#include "base/error.h"
#include "input.h"

/* Whether a file that begins with these bytes says it is a redb file; nine of
 * them are enough. */
bool rvs_redb_detect(const void *bytes, size_t len);

#define RVS_REDB_NO_VECTORS 1

/*
 * The number of vectors in a Ruvector database: the entries of its table
 * `vectors`, or of `nodes` in a graph.  Costs the header and a page or two,
 * whatever the size.  Returns 0; RVS_REDB_NO_VECTORS when the database has
 * neither table; RVS_ERR_CORRUPT; RVS_ERR_REFUSED for an unknown format.
 */
int rvs_redb_count(const struct rvs_input *input, uint64_t *ret,
		   struct rvs_error *err);

/* Time that passes and waiting, for tests to replace. */
struct rvs_redb_clock {
	uint64_t (*now_ms)(void *arg); /* never goes back */
	void (*sleep_ms)(void *arg, unsigned ms);
	void *arg;
};

struct rvs_redb_limits {
	/* Headers to start from before the database is called busy. */
	unsigned rounds;
	/* Time from the first round that fails to the one that does not, for
	 * every GiB of the file and the last part.  A quiet file takes the time
	 * it takes: that of reading it and reading the copy twice. */
	unsigned timeout_ms;
	/* A file that fails its checksums and was not written for so long is
	 * damaged rather than busy. */
	unsigned still_ms;
	/* Memory for the subtrees found whole, 11 to 21 bytes for a page of the
	 * file; without enough of it rounds take longer. */
	size_t proved_bytes;
	const struct rvs_redb_clock *clock; /* NULL: CLOCK_MONOTONIC */
	const struct rvs_monitor *monitor;  /* NULL, or cancelled() is called */
};

#define RVS_REDB_LIMITS_DEFAULT                                                \
	{                                                                      \
		.rounds = 10000, .timeout_ms = 30000, .still_ms = 1000,        \
		.proved_bytes = 64 << 20,                                      \
	}

/* What a capture says about itself. */
struct rvs_redb_capture {
	uint64_t length;       /* of the copy, bytes */
	uint64_t transaction;  /* the commit that it holds */
	uint64_t mended_pages; /* read again after the copy */
	unsigned rounds;       /* headers started from */
	bool cloned;           /* the filesystem shared the blocks */
	bool rolled_back;      /* the newest commit was not whole, and nobody
				  went on with it: its writer died, or it is
				  damaged; the one before was taken, as redb
				  would */
};

/*
 * Capture the database open for reading at @live_fd into @copy_fd, an empty
 * file open for reading and writing; clones where both lie on one filesystem
 * that can.  The copy is not synced.  @limits may be NULL.
 *
 * The copy differs from a source that nobody writes in nothing; unless that
 * died in the middle of a commit, where both slots of the copy name the last
 * whole one.  A copy made of a source that was being written has the flag set
 * with which redb repairs its allocator state on opening.
 *
 * RVS_ERR_BUSY when the limits ran out; RVS_ERR_CORRUPT when the database is
 * damaged; RVS_ERR_REFUSED for a format that is not known; RVS_ERR_INTERRUPTED
 * when the monitor says so.  On failure the copy holds nothing of use.
 *
 * Memory: limits->proved_bytes twice while the copy is verified, half as much
 * again while the set grows, the longest page, what is left to visit of a walk
 * (64 bytes for each sibling on the path, at most 64 MiB).
 */
int rvs_redb_capture(int live_fd, int copy_fd,
		     const struct rvs_redb_limits *limits,
		     struct rvs_redb_capture *ret, struct rvs_error *err);

/*
 * Prove that the file open for reading and writing at @fd, a clone of a database
 * that nobody else has, is such a capture already: an image of one instant, as a
 * crash would leave it, holds a whole commit.  Its newest one is made so in its
 * header, when its writer was in the middle of it, and no more is written.
 */
int rvs_redb_prove(int fd, const struct rvs_redb_limits *limits,
		   struct rvs_redb_capture *ret, struct rvs_error *err);

#endif
