/*
 * Press: plain bytes become members of streams, on all cores, in order.
 *
 * One thread owns a press.  Members are packed side by side by the pool's
 * workers and appended in the order they were put.  What is in flight is
 * bounded, so putting may wait.  The first failure is kept, and is what every
 * later call returns.
 */
#ifndef RVS_PRESS_H
#define RVS_PRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rvs/digest.h>

#include "base/error.h"
#include "base/pool.h"
#include "store/writer.h"

struct rvs_press;
struct rvs_strand; /* a stream being filled */

int rvs_press_new(struct rvs_writer *writer, struct rvs_pool *pool, int level,
		  struct rvs_press **ret, struct rvs_error *err);
void rvs_press_free(struct rvs_press *press); /* accepts NULL */

/* Begin the stream @name; the object is made when its first member comes.  The
 * press owns the strand until rvs_press_end(). */
int rvs_press_begin(struct rvs_press *press, const char *name,
		    struct rvs_strand **ret, struct rvs_error *err);

/*
 * Put a member of its own.  @digest may be NULL: it is computed.  @bytes must
 * stay until @release(@owner), if that is not NULL, is called: on the thread of
 * the press's owner, always once, whatever this returns.
 */
int rvs_press_put(struct rvs_press *press, struct rvs_strand *strand,
		  const void *bytes, size_t len,
		  const struct rvs_digest *digest, void (*release)(void *owner),
		  void *owner, uint32_t *ret_number, struct rvs_error *err);

/* Put bytes (at most RVS_GATHER_MAX) together with others into one member;
 * they are copied. */
#define RVS_GATHER_MAX (128u << 10)
int rvs_press_gather(struct rvs_press *press, struct rvs_strand *strand,
		     const void *bytes, size_t len, uint32_t *ret_number,
		     uint32_t *ret_offset, struct rvs_error *err);

/* Whether anything was put. */
bool rvs_strand_is_empty(const struct rvs_strand *strand);

/* Nothing more comes; the stream is closed when all of it is written. */
int rvs_press_end(struct rvs_press *press, struct rvs_strand *strand,
		  struct rvs_error *err);

/* Wait until all that was put is written. */
int rvs_press_drain(struct rvs_press *press, struct rvs_error *err);

#endif
