#include "tree.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "ahead.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "reader.h"
#include "store.h"
#include "tree_inside.h"
#include "volume.h"

/* A member held for the length of a read, and what was read of it. */
struct grip {
	struct rvs_held held;
	uint64_t base;  /* where in the file its first byte would lie */
	size_t used;    /* bytes read */
	bool scattered; /* its parts lie apart in the file */
	bool ended;     /* its last byte was read */
};

enum {
	GRIPS = 96,             /* members held at once */
	PARTS_MAX = 512,        /* runs of bytes handed out as they lie */
	HANDED_MAX = 16 << 20,  /* bytes of members held meanwhile */
	ZEROS = 64 << 10,
};

struct holding {
	struct rvs_reader *reader;
	struct grip grips[GRIPS];
	unsigned next; /* the place taken next */
	bool keep;     /* none may go before the end */
	size_t bytes;  /* of members held, when none may go */
	bool in_order; /* the file is read from front to back */
	uint64_t at;   /* up to here */
};

/* Whether a read in order is through with the member.  Of one whose end was
 * superseded the end is never read, but that it lay there shows. */
static bool is_done(const struct holding *h, const struct grip *g)
{
	return h->in_order &&
	       (g->ended || (!g->scattered && g->used > g->held.len / 2 &&
			     g->base + g->held.len <= h->at));
}

static void let_go(struct holding *h, struct grip *g)
{
	enum rvs_use use = h->in_order ? RVS_USE_PART : RVS_USE_AGAIN;

	if (is_done(h, g))
		use = RVS_USE_LAST;
	rvs_reader_release(h->reader, &g->held, use);
}

static void holding_done(struct holding *h)
{
	unsigned i;

	for (i = 0; i < GRIPS; i++)
		let_go(h, &h->grips[i]);
}

/* Hold the member of @e; *ret is valid until the next call.  1: all places are
 * taken, and must be kept. */
static int hold(struct holding *h, const struct rvs_tree *tree,
		const struct rvs_extent *e, struct grip **ret,
		struct rvs_damage *damage, struct rvs_error *err)
{
	uint32_t volume = tree->slots[e->volume];
	uint64_t base = e->at - e->offset;
	struct grip *g;
	unsigned i;

	for (i = 0; i < GRIPS; i++) {
		g = *ret = &h->grips[i];
		if (g->held.slot && g->held.number == e->member &&
		    g->held.volume == volume) {
			g->scattered |= g->base != base;
			return 0;
		}
	}
	g = *ret = &h->grips[h->next];
	if (h->keep && (g->held.slot || h->bytes > HANDED_MAX))
		return 1;
	h->next = (h->next + 1) % GRIPS;
	let_go(h, g);
	*g = (struct grip){ .base = base };
	return rvs_reader_hold(h->reader, tree->volumes[e->volume], volume,
			       e->member, &g->held, damage, err);
}

/* The @len bytes of the file from @offset on, all in the extent @e, in memory;
 * 1 as hold(). */
static int find_bytes(struct holding *h, const struct rvs_tree *tree,
		      const struct rvs_extent *e, size_t len, uint64_t offset,
		      const uint8_t **ret, struct rvs_damage *damage,
		      struct rvs_error *err)
{
	uint32_t start = e->offset + (uint32_t)(offset - e->at);
	struct grip *g;
	int r = hold(h, tree, e, &g, damage, err);

	if (r == 0)
		r = rvs_held_check(&g->held, len, start, damage, err);
	if (r != 0)
		return r;
	if (g->used == 0)
		h->bytes += g->held.len;
	*ret = g->held.bytes + start;
	g->used += len;
	g->ended = start + len == g->held.len;
	h->at = offset + len;
	return 0;
}

static int read_extent(struct holding *h, const struct rvs_tree *tree,
		       const struct rvs_extent *e, void *bytes, size_t len,
		       uint64_t offset, struct rvs_damage *damage,
		       struct rvs_error *err)
{
	const uint8_t *found;
	int r;

	if (e->volume == RVS_HOLE) {
		memset(bytes, 0, len);
		return 0;
	}
	r = find_bytes(h, tree, e, len, offset, &found, damage, err);
	if (r == 0)
		memcpy(bytes, found, len);
	return r;
}

static bool same_member(const struct rvs_extent *a, const struct rvs_extent *b)
{
	return a && a->volume == b->volume && a->member == b->member;
}

/* Have the members of [from, to) loaded side by side, and when the file is read
 * from front to back, which is the answer, those behind them, too. */
static bool load_ahead(struct rvs_tree *tree, const struct rvs_entry *file,
		       uint64_t from, uint64_t to)
{
	struct rvs_ahead *ahead = tree->store->ahead;
	size_t count, i;
	const struct rvs_extent *items = rvs_tree_extents(tree, file, &count);
	const struct rvs_extent *last[2] = { NULL, NULL };
	uint64_t until, at;

	if (count == 1) {
		if (items->volume != RVS_HOLE)
			rvs_ahead_follow(ahead, tree->store->volumes,
					 tree->volumes[items->volume],
					 tree->slots[items->volume],
					 items->member);
		return false;
	}
	until = rvs_ahead_plan(ahead, tree->number << 32 | file->extents, from,
			       to, &at);
	if (at >= file->size)
		return until > to;
	for (i = rvs_extent_find(items, count, at);
	     i < count && items[i].at < until; i++) {
		/* The first of them this thread loads by itself. */
		if (items[i].volume == RVS_HOLE || items[i].at < from ||
		    same_member(last[0], &items[i]) ||
		    same_member(last[1], &items[i]))
			continue;
		/* Pages of an old member and of a newer one take turns. */
		last[1] = last[0];
		last[0] = &items[i];
		rvs_ahead_load(ahead, tree->volumes[items[i].volume],
			       tree->slots[items[i].volume], items[i].member);
	}
	return until > to;
}

/* How much of [offset, offset + len) there is. */
static size_t within(const struct rvs_entry *file, size_t len, uint64_t offset)
{
	if (offset >= file->size)
		return 0;
	return len > file->size - offset ? (size_t)(file->size - offset) : len;
}

static ssize_t copy_all(struct holding *h, struct rvs_tree *tree,
			const struct rvs_entry *file, void *buf, size_t len,
			uint64_t offset, struct rvs_damage *damage,
			struct rvs_error *err)
{
	size_t count, i, done = 0;
	const struct rvs_extent *items = rvs_tree_extents(tree, file, &count);

	for (i = rvs_extent_find(items, count, offset); done < len; i++) {
		uint64_t end = rvs_extent_end(items, count, i, file->size);
		uint64_t left = end - (offset + done);
		size_t n = len - done < left ? len - done : (size_t)left;
		int r = read_extent(h, tree, &items[i], (char *)buf + done, n,
				    offset + done, damage, err);

		if (r < 0)
			return r;
		done += n;
	}
	return (ssize_t)done;
}

ssize_t rvs_tree_read(struct rvs_tree *tree, const struct rvs_entry *file,
		      void *buf, size_t len, uint64_t offset,
		      struct rvs_damage *damage, struct rvs_error *err)
{
	RVS_CLEANUP(holding_done)
	struct holding h = { .reader = tree->store->reader };

	len = within(file, len, offset);
	if (len == 0)
		return 0;
	h.in_order = load_ahead(tree, file, offset, offset + len);
	return copy_all(&h, tree, file, buf, len, offset, damage, err);
}

ssize_t rvs_tree_peek(struct rvs_tree *tree, const struct rvs_entry *file,
		      void *buf, size_t len, uint64_t offset,
		      struct rvs_error *err)
{
	RVS_CLEANUP(holding_done)
	struct holding h = { .reader = tree->store->reader, .in_order = true };

	len = within(file, len, offset);
	if (len == 0)
		return 0;
	return copy_all(&h, tree, file, buf, len, offset, NULL, err);
}

/* ---- handing out bytes as they lie ---- */

struct parts {
	struct iovec items[PARTS_MAX];
	int count;
};

/* False when there are too many. */
static bool add_part(struct parts *parts, const uint8_t *bytes, size_t len)
{
	struct iovec *last;

	if (parts->count > 0) {
		last = &parts->items[parts->count - 1];
		if ((const uint8_t *)last->iov_base + last->iov_len == bytes) {
			last->iov_len += len;
			return true;
		}
	}
	if (parts->count == PARTS_MAX)
		return false;
	parts->items[parts->count++] =
		(struct iovec){ (void *)(uintptr_t)bytes, len };
	return true;
}

static bool add_zeros(struct parts *parts, size_t len)
{
	static const uint8_t zeros[ZEROS];

	for (; len > ZEROS; len -= ZEROS)
		if (!add_part(parts, zeros, ZEROS))
			return false;
	return add_part(parts, zeros, len);
}

/* 1: the bytes lie in too many places. */
static int gather(struct holding *h, struct rvs_tree *tree,
		  const struct rvs_entry *file, size_t len, uint64_t offset,
		  struct parts *ret, struct rvs_damage *damage,
		  struct rvs_error *err)
{
	uint64_t at = offset, to = offset + len;
	size_t count, i;
	const struct rvs_extent *items = rvs_tree_extents(tree, file, &count);

	for (i = rvs_extent_find(items, count, at); at < to; i++) {
		uint64_t end = rvs_extent_end(items, count, i, file->size);
		size_t n = (size_t)((end < to ? end : to) - at);
		const uint8_t *bytes;
		int r;

		if (items[i].volume == RVS_HOLE) {
			if (!add_zeros(ret, n))
				return 1;
		} else {
			r = find_bytes(h, tree, &items[i], n, at, &bytes,
				       damage, err);
			if (r != 0)
				return r;
			if (!add_part(ret, bytes, n))
				return 1;
		}
		at += n;
	}
	return 0;
}

static ssize_t give_copy(struct holding *h, struct rvs_tree *tree,
			 const struct rvs_entry *file, size_t len,
			 uint64_t offset, const struct rvs_sink *sink,
			 struct rvs_damage *damage, struct rvs_error *err)
{
	struct rvs_buf buf = rvs_reader_lend(h->reader, len);
	struct iovec part = { rvs_buf_reserve(&buf, len), len };
	ssize_t n = part.iov_base ? copy_all(h, tree, file, part.iov_base, len,
					     offset, damage, err) :
				    rvs_error_no_memory(err);

	if (n >= 0)
		sink->give(sink->arg, &part, 1);
	rvs_reader_take_back(h->reader, &buf);
	return n;
}

ssize_t rvs_tree_give(struct rvs_tree *tree, const struct rvs_entry *file,
		      size_t len, uint64_t offset, const struct rvs_sink *sink,
		      struct rvs_damage *damage, struct rvs_error *err)
{
	RVS_CLEANUP(holding_done)
	struct holding h = { .reader = tree->store->reader, .keep = true };
	struct parts parts = { .count = 0 };
	int r;

	len = within(file, len, offset);
	if (len == 0) {
		sink->give(sink->arg, NULL, 0);
		return 0;
	}
	h.in_order = load_ahead(tree, file, offset, offset + len);
	r = gather(&h, tree, file, len, offset, &parts, damage, err);
	if (r < 0)
		return r;
	h.keep = false;
	if (r > 0)
		return give_copy(&h, tree, file, len, offset, sink, damage,
				 err);
	sink->give(sink->arg, parts.items, parts.count);
	return (ssize_t)len;
}
