#include "cut.h"

/*
 * Before NORMAL bytes a boundary must match more bits, after it fewer, which
 * gathers chunk lengths around 32 KiB + 64 KiB.  The masks take the high bits,
 * where the gear hash has seen the last 64 bytes.
 */
enum { NORMAL = 80 << 10, STRICT_BITS = 18, LOOSE_BITS = 14 };

static uint64_t splitmix64(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

void rvs_cut_init(struct rvs_cut *cut)
{
	uint64_t state = 0;
	size_t i;

	for (i = 0; i < 256; i++)
		cut->gear[i] = splitmix64(&state);
}

/* Where in [@from, @to) the @bits highest bits of the hash are first zero;
 * @to when nowhere, and then *hash goes on from there. */
static size_t find_boundary(const struct rvs_cut *cut, const uint8_t *bytes,
			    size_t from, size_t to, unsigned bits,
			    uint64_t *hash)
{
	const uint64_t mask = ~(uint64_t)0 << (64 - bits);
	uint64_t h = *hash;
	size_t i = from, k;

	/* The compiler unrolls the inner loop: one look at @to in four. */
	for (; i + 4 <= to; i += 4)
		for (k = 0; k < 4; k++) {
			h = (h << 1) + cut->gear[bytes[i + k]];
			if (!(h & mask))
				return i + k;
		}
	for (; i < to; i++) {
		h = (h << 1) + cut->gear[bytes[i]];
		if (!(h & mask))
			return i;
	}
	*hash = h;
	return to;
}

size_t rvs_cut_next(const struct rvs_cut *cut, const uint8_t *bytes, size_t len)
{
	size_t end = len < RVS_CUT_MAX ? len : RVS_CUT_MAX;
	size_t normal = end < NORMAL ? end : NORMAL;
	uint64_t hash = 0;
	size_t at;

	if (end <= RVS_CUT_MIN)
		return end;
	at = find_boundary(cut, bytes, RVS_CUT_MIN, normal, STRICT_BITS, &hash);
	if (at == normal)
		at = find_boundary(cut, bytes, normal, end, LOOSE_BITS, &hash);
	return at < end ? at + 1 : end;
}
