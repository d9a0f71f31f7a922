#include "redb.h"

#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "redb_header.h"
#include "redb_proved.h"
#include "redb_tree.h"
#include "sparse.h"

/* Between two looks at a header that did not change: the writer may be in the
 * middle of a commit, whose header goes before its pages. */
enum { POLL_MS = 2 };

bool rvs_redb_detect(const void *bytes, size_t len)
{
	return rvs_redb_header_detect(bytes, len);
}

static int read_header(const struct rvs_input *input,
		       struct rvs_redb_header *ret, struct rvs_error *err)
{
	uint8_t bytes[RVS_REDB_HEADER_LEN];
	int r = rvs_input_read(input, bytes, sizeof(bytes), 0, err);

	if (r == RVS_INPUT_SHORT)
		return rvs_error_set(err, RVS_ERR_CORRUPT,
				     "redb header: the file is too short");
	if (r < 0)
		return r;
	return rvs_redb_header_decode(bytes, ret, err);
}

static int no_valid_slot(struct rvs_error *err)
{
	return rvs_error_set(err, RVS_ERR_CORRUPT,
			     "redb header: no valid commit slot");
}

/* Ruvector's own tables, and those of its graph. */
static int count_at(const struct rvs_redb_header *header,
		    const struct rvs_input *input,
		    const struct rvs_redb_slot *slot, uint64_t *ret,
		    struct rvs_error *err)
{
	static const char *const names[] = { "vectors", "nodes" };
	struct rvs_redb_table table;
	int r = RVS_REDB_NO_TABLE;

	for (size_t i = 0; i < 2 && r == RVS_REDB_NO_TABLE; i++)
		r = rvs_redb_tree_find(header, input, slot, names[i], &table,
				       err);
	if (r == 0)
		*ret = table.entries;
	return r == RVS_REDB_NO_TABLE ? RVS_REDB_NO_VECTORS : r;
}

int rvs_redb_count(const struct rvs_input *input, uint64_t *ret,
		   struct rvs_error *err)
{
	struct rvs_redb_header header;
	unsigned order[RVS_REDB_SLOTS], count;
	int r = read_header(input, &header, err);

	if (r < 0)
		return r;
	count = rvs_redb_header_candidates(&header, order);
	r = no_valid_slot(err);
	for (unsigned i = 0; i < count && r == RVS_ERR_CORRUPT; i++)
		r = count_at(&header, input, &header.slots[order[i]], ret, err);
	return r;
}

static uint64_t monotonic_now_ms(void *arg)
{
	struct timespec now;

	(void)arg;
	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void monotonic_sleep_ms(void *arg, unsigned ms)
{
	struct timespec time = { ms / 1000, (long)(ms % 1000) * 1000000 };

	(void)arg;
	(void)nanosleep(&time, NULL); /* a signal may end it early */
}

static const struct rvs_redb_clock monotonic = { monotonic_now_ms,
						 monotonic_sleep_ms, NULL };

/* The live file as it was seen when a round failed. */
struct sighting {
	uint8_t header[RVS_REDB_HEADER_LEN];
	uint64_t size;
	struct timespec mtime;
};

struct capture {
	const struct rvs_redb_limits *limits;
	const struct rvs_redb_clock *clock;
	int copy_fd;
	struct rvs_input copy;
	struct rvs_redb_mend mend;
	struct rvs_redb_proved proved;
	uint8_t header_before[RVS_REDB_HEADER_LEN]; /* before the copy */
	uint64_t deadline_ms; /* 0: no round has failed yet */
	struct sighting failed_at;
	uint64_t failed_since_ms;
	bool cloned;
	bool rolled_back;
	unsigned rounds;
};

static void capture_done(struct capture *capture)
{
	rvs_redb_proved_done(&capture->proved);
}

/* These two are called between rounds, and in walks. */

static int check_cancelled(void *arg, struct rvs_error *err)
{
	const struct capture *capture = arg;
	const struct rvs_monitor *monitor = capture->limits->monitor;

	if (monitor && monitor->cancelled && monitor->cancelled(monitor->arg))
		return rvs_error_set(err, RVS_ERR_INTERRUPTED, "cancelled");
	return 0;
}

static int check_limits(void *arg, struct rvs_error *err)
{
	const struct capture *capture = arg;
	const struct rvs_redb_clock *clock = capture->clock;
	int r = check_cancelled(arg, err);

	if (r < 0)
		return r;
	if (capture->deadline_ms > 0 &&
	    clock->now_ms(clock->arg) > capture->deadline_ms)
		return rvs_error_set(err, RVS_ERR_BUSY,
				     "the database kept changing: not caught "
				     "up with in time");
	return 0;
}

static int look_at_live(struct capture *capture, struct sighting *ret,
			struct rvs_error *err)
{
	struct rvs_input *live = &capture->mend.live;
	struct stat st;
	int r;

	if (fstat(live->fd, &st) < 0)
		return rvs_error_errno(err, "cannot stat");
	live->size = (uint64_t)st.st_size;
	*ret = (struct sighting){ .size = live->size, .mtime = st.st_mtim };
	r = rvs_input_read(live, ret->header, sizeof(ret->header), 0, err);
	if (r == RVS_INPUT_SHORT)
		return rvs_error_set(err, RVS_ERR_CORRUPT,
				     "redb header: the file is too short");
	return r;
}

static bool same_sighting(const struct sighting *a, const struct sighting *b)
{
	return memcmp(a->header, b->header, sizeof(a->header)) == 0 &&
	       a->size == b->size && a->mtime.tv_sec == b->mtime.tv_sec &&
	       a->mtime.tv_nsec == b->mtime.tv_nsec;
}

/* Whether the live header still is @header.  As long as it is, the writer has
 * not touched a page of the commit it names. */
static bool still_current(struct capture *capture,
			  const struct rvs_redb_header *header)
{
	uint8_t bytes[RVS_REDB_HEADER_LEN];

	return rvs_input_read(&capture->mend.live, bytes, sizeof(bytes), 0,
			      NULL) == 0 &&
	       memcmp(bytes, header->bytes, sizeof(bytes)) == 0;
}

/*
 * Prove the newest commit that @header names; *ret is its slot.
 *
 * The commit before counts only while the newest is not whole in a file whose
 * header stands still: then its pages are still being written, or never were
 * because the writer died.  Once the header moved on, the commit before may be
 * older than what its user was told is safe.
 */
static int prove_newest(struct capture *capture,
			const struct rvs_redb_header *header,
			struct rvs_redb_mend *mend, unsigned *ret,
			struct rvs_error *err)
{
	const struct rvs_redb_walk walk = { .header = header,
					    .input = &capture->copy,
					    .mend = mend,
					    .proved = &capture->proved,
					    .pause = check_limits,
					    .arg = capture };
	unsigned order[RVS_REDB_SLOTS];
	unsigned count = rvs_redb_header_candidates(header, order);
	int r = no_valid_slot(err);

	for (unsigned i = 0; i < count && r == RVS_ERR_CORRUPT; i++) {
		if (i > 0 && mend && !still_current(capture, header))
			break;
		*ret = order[i];
		capture->rolled_back = i > 0;
		r = rvs_redb_tree_prove(&walk, &header->slots[order[i]], err);
	}
	return r;
}

/* Make the copy a file whose newest commit is @slot of @header. */
static int finish(struct capture *capture, const struct rvs_redb_header *header,
		  unsigned slot, uint64_t source_size, struct rvs_error *err)
{
	uint8_t bytes[RVS_REDB_HEADER_LEN];
	bool untouched = capture->cloned ||
			 (capture->mend.pages == 0 &&
			  memcmp(capture->header_before, header->bytes,
				 sizeof(bytes)) == 0);
	uint64_t length = rvs_redb_header_accepts(header, source_size)
				  ? source_size
				  : rvs_redb_header_length(header);

	rvs_redb_header_promote(header, slot, bytes);
	/* After an orderly close the allocator state is taken from pages that
	 * have no checksums: only where nobody wrote are they sure to fit. */
	if (!untouched)
		rvs_redb_header_require_recovery(bytes);
	if (rvs_io_pwrite(capture->copy_fd, bytes, sizeof(bytes), 0) < 0 ||
	    ftruncate(capture->copy_fd, (off_t)length) < 0)
		return rvs_error_errno(err, "cannot write the copy");
	capture->copy.size = length;
	return 0;
}

/* What redb will find: from the copy's own header, with nothing remembered. */
static int verify(struct capture *capture, struct rvs_redb_capture *ret,
		  struct rvs_error *err)
{
	RVS_CLEANUP(rvs_redb_proved_done)
	struct rvs_redb_proved proved =
		rvs_redb_proved_of(capture->limits->proved_bytes);
	struct rvs_redb_header header;
	const struct rvs_redb_walk walk = { .header = &header,
					    .input = &capture->copy,
					    .proved = &proved,
					    .pause = check_cancelled,
					    .arg = capture };
	unsigned order[RVS_REDB_SLOTS];
	int r = read_header(&capture->copy, &header, err);

	if (r < 0)
		return r;
	if (rvs_redb_header_candidates(&header, order) == 0)
		return no_valid_slot(err);
	r = rvs_redb_tree_prove(&walk, &header.slots[order[0]], err);
	if (r < 0)
		return r;
	*ret = (struct rvs_redb_capture){
		.length = capture->copy.size,
		.transaction = header.slots[order[0]].transaction,
		.mended_pages = capture->mend.pages,
		.rounds = capture->rounds,
		.cloned = capture->cloned,
		.rolled_back = capture->rolled_back,
	};
	return 0;
}

/* One attempt, from a header just read; RVS_ERR_CORRUPT when some page of what
 * it names is not to be had. */
static int try_header(struct capture *capture,
		      const struct rvs_redb_header *header,
		      uint64_t source_size, struct rvs_redb_mend *mend,
		      struct rvs_redb_capture *ret, struct rvs_error *err)
{
	unsigned slot;
	int r;

	/* Pages beyond the copied part are mended like torn ones. */
	capture->copy.size = source_size;
	/* A writer grows its file before it says so. */
	if (rvs_redb_header_length(header) > source_size)
		return rvs_error_set(err, RVS_ERR_CORRUPT,
				     "redb header: the file is shorter than "
				     "its layout");
	r = prove_newest(capture, header, mend, &slot, err);
	if (r == 0)
		r = finish(capture, header, slot, source_size, err);
	if (r < 0)
		return r;

	r = verify(capture, ret, err);
	if (r == RVS_ERR_CORRUPT) /* what was remembered misled */
		rvs_redb_proved_clear(&capture->proved);
	return r;
}

static void start_timer(struct capture *capture, uint64_t now_ms)
{
	uint64_t gib = 1 + (capture->mend.live.size >> 30);

	capture->deadline_ms = now_ms + gib * capture->limits->timeout_ms;
}

/* After a failure: 0 to go on, RVS_ERR_CORRUPT when the file has stood still
 * and failed for long enough.  Leaves @err as the failure set it. */
static int wait_for_writer(struct capture *capture, const struct sighting *seen)
{
	const struct rvs_redb_clock *clock = capture->clock;
	uint64_t now_ms = clock->now_ms(clock->arg);
	bool moved = memcmp(capture->failed_at.header, seen->header,
			    sizeof(seen->header)) != 0;

	if (capture->deadline_ms == 0)
		start_timer(capture, now_ms);

	if (!same_sighting(&capture->failed_at, seen)) {
		capture->failed_at = *seen;
		capture->failed_since_ms = now_ms;
	} else if (now_ms - capture->failed_since_ms >=
		   capture->limits->still_ms) {
		return RVS_ERR_CORRUPT;
	}
	if (!moved)
		clock->sleep_ms(clock->arg, POLL_MS);
	return 0;
}

static int try_live(struct capture *capture, const struct sighting *seen,
		    struct rvs_redb_capture *ret, struct rvs_error *err)
{
	struct rvs_redb_header header;
	struct sighting now;
	int r = rvs_redb_header_decode(seen->header, &header, err);

	if (r == 0)
		r = try_header(capture, &header, seen->size, &capture->mend,
			       ret, err);
	if (r < 0 || !ret->rolled_back)
		return r;
	/* A writer that went on was in the middle of its commit. */
	r = look_at_live(capture, &now, err);
	ret->rolled_back = same_sighting(seen, &now);
	return r;
}

static int catch_up(struct capture *capture, struct rvs_redb_capture *ret,
		    struct rvs_error *err)
{
	while (capture->rounds < capture->limits->rounds) {
		struct sighting seen;
		int r = check_limits(capture, err);

		capture->rounds++;
		if (r == 0)
			r = look_at_live(capture, &seen, err);
		if (r == 0)
			r = try_live(capture, &seen, ret, err);
		if (r != RVS_ERR_CORRUPT)
			return r;
		r = wait_for_writer(capture, &seen);
		if (r < 0)
			return r;
	}
	return rvs_error_set(err, RVS_ERR_BUSY,
			     "the database kept changing: not caught up "
			     "with in %u rounds",
			     capture->rounds);
}

/* A clone is an image of one instant, such as a crash would leave: its own
 * header names a whole commit. */
static int try_clone(struct capture *capture, struct rvs_redb_capture *ret,
		     struct rvs_error *err)
{
	struct rvs_redb_header header;
	int r = read_header(&capture->copy, &header, err);

	capture->rounds++;
	if (r < 0)
		return r;
	return try_header(capture, &header, capture->copy.size, NULL, ret, err);
}

static int copy_live(struct capture *capture, struct rvs_error *err)
{
	struct sighting seen;
	struct stat st;
	int r = look_at_live(capture, &seen, err);

	if (r < 0)
		return r;
	memcpy(capture->header_before, seen.header, sizeof(seen.header));
	capture->cloned = rvs_sparse_clone(capture->mend.live.fd,
					   capture->copy_fd) == 0;
	if (!capture->cloned)
		r = rvs_sparse_copy(capture->mend.live.fd, capture->copy_fd,
				    seen.size, capture->limits->monitor, err);
	if (r < 0)
		return r;
	if (fstat(capture->copy_fd, &st) < 0)
		return rvs_error_errno(err, "cannot stat the copy");
	capture->copy.size = (uint64_t)st.st_size;
	return 0;
}

static struct capture capture_of(const struct rvs_redb_limits *limits,
				 int live_fd, int copy_fd)
{
	static const struct rvs_redb_limits defaults = RVS_REDB_LIMITS_DEFAULT;
	struct capture ret = {
		.limits = limits ? limits : &defaults,
		.copy_fd = copy_fd,
		.copy = rvs_input_of_fd(copy_fd, 0),
		.mend = { rvs_input_of_fd(live_fd, 0), copy_fd, 0 },
	};

	ret.clock = ret.limits->clock ? ret.limits->clock : &monotonic;
	ret.proved = rvs_redb_proved_of(ret.limits->proved_bytes);
	return ret;
}

int rvs_redb_capture(int live_fd, int copy_fd,
		     const struct rvs_redb_limits *limits,
		     struct rvs_redb_capture *ret, struct rvs_error *err)
{
	RVS_CLEANUP(capture_done)
	struct capture capture = capture_of(limits, live_fd, copy_fd);
	int r = copy_live(&capture, err);

	if (r < 0)
		return r;
	if (capture.cloned) {
		r = try_clone(&capture, ret, err);
		if (r != RVS_ERR_CORRUPT)
			return r;
		capture.cloned = false; /* an instant no more, once mended */
	}
	return catch_up(&capture, ret, err);
}

int rvs_redb_prove(int fd, const struct rvs_redb_limits *limits,
		   struct rvs_redb_capture *ret, struct rvs_error *err)
{
	RVS_CLEANUP(capture_done)
	struct capture capture = capture_of(limits, fd, fd);
	struct stat st;

	if (fstat(fd, &st) < 0)
		return rvs_error_errno(err, "cannot stat the clone");
	capture.copy.size = (uint64_t)st.st_size;
	capture.cloned = true;
	return try_clone(&capture, ret, err);
}
