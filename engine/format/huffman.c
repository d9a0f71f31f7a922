#include "huffman.h"

#include <assert.h>
#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* RFC 1951, 3.2.5 to 3.2.7. */
enum {
	BLOCK_END = 256, /* after the literals */
	SYMBOLS,
	DISTANCES = 2, /* of which none is used: the fewest any reader takes */
	LENGTH_SYMBOLS = 19,
	LENGTH_SYMBOLS_MIN = 4,
	SAME_AGAIN = 16, /* the length before, 3 to 6 times */
	FEW_ZEROS, /* 3 to 10 */
	MANY_ZEROS, /* 11 to 138 */
	FINAL_DYNAMIC = 1 | 2 << 1, /* the last block; type 2 */
};

/*
 * The format would allow 15 bits for a literal.  Four of 13 and seven bits held
 * leave the lowest of 64 bits to a length (see align_codes).  Normally
 * distributed bytes become 0.05 % larger by it, vectors not at all.
 */
enum { LITERAL_MAX = 13, LENGTH_MAX = 7, CODE_MAX = LITERAL_MAX };

/* How a symbol is written; none of the bits when it does not occur. */
struct code {
	uint16_t bits; /* the first is the lowest */
	uint16_t len;
};

/* Where bits go; fewer than eight are held between calls. */
struct writer {
	uint8_t *at;
	uint64_t bits;
	unsigned held;
};

/* How the lengths of the codes are written: runs of SYMBOLS + DISTANCES. */
struct lengths {
	uint8_t symbols[SYMBOLS + DISTANCES];
	uint8_t extra[SYMBOLS + DISTANCES];
	unsigned n;
	uint32_t counts[LENGTH_SYMBOLS];
	struct code codes[LENGTH_SYMBOLS];
	unsigned listed; /* of the codes, in length_order */
};

static void store(void *bytes, uint64_t word)
{
	word = htole64(word);
	memcpy(bytes, &word, sizeof(word));
}

/* ---- counts ---- */

static void count(const uint8_t *plain, size_t len, uint32_t *ret)
{
	/* Four in step: no count waits for that of the byte before. */
	uint32_t counts[4][BLOCK_END] = { { 0 } };
	size_t quarter = len / 4, i;

	for (i = 0; i < quarter; i++) {
		counts[0][plain[i]]++;
		counts[1][plain[quarter + i]]++;
		counts[2][plain[2 * quarter + i]]++;
		counts[3][plain[3 * quarter + i]]++;
	}
	for (i = 4 * quarter; i < len; i++)
		counts[0][plain[i]]++;
	for (i = 0; i < BLOCK_END; i++)
		ret[i] = counts[0][i] + counts[1][i] + counts[2][i] +
			 counts[3][i];
	ret[BLOCK_END] = 1;
}

/* ---- codes ---- */

/* A symbol and how often it occurs, as one number: (count << 9) + symbol. */
enum { SYMBOL_BITS = 9, DIGIT_BITS = 8, DIGITS = 1 << DIGIT_BITS };

static unsigned symbol_of(uint64_t leaf)
{
	return (unsigned)leaf & ((1 << SYMBOL_BITS) - 1);
}

static void sort_digit(const uint64_t *from, uint64_t *to, unsigned n,
		       unsigned shift)
{
	uint16_t at[DIGITS + 1] = { 0 };
	unsigned i;

	for (i = 0; i < n; i++)
		at[(from[i] >> shift) % DIGITS + 1]++;
	for (i = 1; i < DIGITS; i++)
		at[i] += at[i - 1];
	for (i = 0; i < n; i++)
		to[at[(from[i] >> shift) % DIGITS]++] = from[i];
}

/* Rarest first.  Returns how many symbols do occur. */
static unsigned sort(const uint32_t *counts, unsigned n, uint64_t *leaves)
{
	uint64_t other[SYMBOLS];
	unsigned used = 0, shift, i;
	uint64_t all = 0;

	for (i = 0; i < n; i++) {
		if (!counts[i])
			continue;
		leaves[used++] = (uint64_t)counts[i] << SYMBOL_BITS | i;
		all |= counts[i];
	}
	for (shift = 0; all >> shift; shift += 2 * DIGIT_BITS) {
		sort_digit(leaves, other, used, SYMBOL_BITS + shift);
		sort_digit(other, leaves, used,
			   SYMBOL_BITS + shift + DIGIT_BITS);
	}
	return used;
}

/*
 * Of Huffman's code for @n leaves, two or more, count the lengths; what is
 * longer than @max counts as that.  In order of weight, leaves and the nodes
 * made are two queues (van Leeuwen 1976): the lightest is first in either.
 */
static void count_lengths(const uint64_t *leaves, unsigned n, unsigned max,
			  unsigned *ret)
{
	uint32_t weights[2 * SYMBOLS];
	uint16_t parents[2 * SYMBOLS], depths[2 * SYMBOLS];
	unsigned leaf = 0, node = n, made, i;

	for (i = 0; i < n; i++)
		weights[i] = (uint32_t)(leaves[i] >> SYMBOL_BITS);
	for (made = n; made < 2 * n - 1; made++) {
		weights[made] = 0;
		for (i = 0; i < 2; i++) {
			bool is_leaf = node == made ||
				       (leaf < n &&
					weights[leaf] <= weights[node]);
			unsigned child = is_leaf ? leaf++ : node++;

			weights[made] += weights[child];
			parents[child] = (uint16_t)made;
		}
	}
	memset(ret, 0, (max + 1) * sizeof(*ret));
	depths[2 * n - 2] = 0;
	for (i = 2 * n - 2; i-- > 0;) {
		depths[i] = depths[parents[i]] + 1;
		if (i < n)
			ret[depths[i] < max ? depths[i] : max]++;
	}
}

/*
 * Lengths that were cut to @max take more room than there is, which is 2^@max
 * codes of that length.  While that is so, the longest code that is shorter
 * becomes two of one bit more, its own and one of the longest's (as ITU-T T.81,
 * K.3 does).
 */
static void limit_lengths(unsigned *lens, unsigned max)
{
	unsigned room = 0, len;

	for (len = 1; len <= max; len++)
		room += lens[len] << (max - len);
	for (; room > 1u << max; room--) {
		lens[max]--;
		for (len = max - 1; lens[len] == 0;)
			len--;
		lens[len]--;
		lens[len + 1] += 2;
	}
}

static uint16_t reversed(unsigned bits, unsigned len)
{
	bits = (bits & 0x5555) << 1 | (bits >> 1 & 0x5555);
	bits = (bits & 0x3333) << 2 | (bits >> 2 & 0x3333);
	bits = (bits & 0x0f0f) << 4 | (bits >> 4 & 0x0f0f);
	bits = (bits & 0x00ff) << 8 | (bits >> 8 & 0x00ff);
	return (uint16_t)(bits >> (16 - len));
}

/* RFC 1951, 3.2.2: shorter codes first, those of one length in symbols' order. */
static void number_codes(struct code *codes, unsigned n, const unsigned *lens,
			 unsigned max)
{
	unsigned next[CODE_MAX + 1] = { 0 }, len, i;

	for (len = 2; len <= max; len++)
		next[len] = (next[len - 1] + lens[len - 1]) << 1;
	for (i = 0; i < n; i++)
		if (codes[i].len)
			codes[i].bits = reversed(next[codes[i].len]++,
						 codes[i].len);
}

/* Make a code for @n symbols that occur @counts times, of at most @max bits.
 * It is complete: a symbol that is alone is joined by another. */
static void make_codes(const uint32_t *counts, unsigned n, unsigned max,
		       struct code *ret)
{
	uint64_t leaves[SYMBOLS];
	unsigned lens[CODE_MAX + 1], used = sort(counts, n, leaves), len, i;
	const uint64_t *leaf = leaves;

	if (used == 1)
		leaves[used++] = symbol_of(leaves[0]) == 0;
	count_lengths(leaves, used, max, lens);
	limit_lengths(lens, max);
	memset(ret, 0, n * sizeof(*ret));
	for (len = max; len > 0; len--)
		for (i = 0; i < lens[len]; i++)
			ret[symbol_of(*leaf++)].len = (uint16_t)len;
	number_codes(ret, n, lens, max);
}

static uint64_t coded_bits(const uint32_t *counts, const struct code *codes,
			   unsigned n)
{
	uint64_t bits = 0;
	unsigned i;

	for (i = 0; i < n; i++)
		bits += (uint64_t)counts[i] * codes[i].len;
	return bits;
}

/* ---- the lengths of the codes, RFC 1951, 3.2.7 ---- */

static const uint8_t extra_bits[LENGTH_SYMBOLS] = {
	[SAME_AGAIN] = 2, [FEW_ZEROS] = 3, [MANY_ZEROS] = 7
};

static const uint8_t length_order[LENGTH_SYMBOLS] = { 16, 17, 18, 0, 8,	 7, 9,
						      6,  10, 5,  11, 4, 12, 3,
						      13, 2,  14, 1,  15 };

static void add_length(struct lengths *lengths, unsigned symbol, unsigned extra)
{
	lengths->symbols[lengths->n] = (uint8_t)symbol;
	lengths->extra[lengths->n++] = (uint8_t)extra;
	lengths->counts[symbol]++;
}

static unsigned at_most(unsigned n, unsigned max)
{
	return n < max ? n : max;
}

static void add_run(struct lengths *lengths, unsigned len, unsigned n)
{
	unsigned some;

	if (len > 0) {
		add_length(lengths, len, 0);
		n--;
	}
	for (; n >= 3; n -= some) {
		if (len > 0) {
			some = at_most(n, 6);
			add_length(lengths, SAME_AGAIN, some - 3);
		} else if (n <= 10) {
			some = n;
			add_length(lengths, FEW_ZEROS, some - 3);
		} else {
			some = at_most(n, 138);
			add_length(lengths, MANY_ZEROS, some - 11);
		}
	}
	while (n-- > 0)
		add_length(lengths, len, 0);
}

static void list_lengths(const struct code *codes, struct lengths *ret)
{
	unsigned at = 0, next;

	memset(ret, 0, sizeof(*ret));
	for (; at < SYMBOLS; at = next) {
		next = at + 1;
		while (next < SYMBOLS && codes[next].len == codes[at].len)
			next++;
		add_run(ret, codes[at].len, next - at);
	}
	add_run(ret, 1, DISTANCES);
	make_codes(ret->counts, LENGTH_SYMBOLS, LENGTH_MAX, ret->codes);
	ret->listed = LENGTH_SYMBOLS;
	while (ret->listed > LENGTH_SYMBOLS_MIN &&
	       ret->codes[length_order[ret->listed - 1]].len == 0)
		ret->listed--;
}

static uint64_t header_bits(const struct lengths *lengths)
{
	uint64_t bits = 3 + 5 + 5 + 4 + 3 * lengths->listed;
	unsigned i;

	for (i = 0; i < LENGTH_SYMBOLS; i++)
		bits += (uint64_t)lengths->counts[i] * extra_bits[i];
	return bits + coded_bits(lengths->counts, lengths->codes,
				 LENGTH_SYMBOLS);
}

/* ---- writing ---- */

static void put(struct writer *writer, unsigned bits, unsigned n)
{
	writer->bits |= (uint64_t)bits << writer->held;
	for (writer->held += n; writer->held >= 8; writer->held -= 8) {
		*writer->at++ = (uint8_t)writer->bits;
		writer->bits >>= 8;
	}
}

static void put_code(struct writer *writer, struct code code)
{
	put(writer, code.bits, code.len);
}

static void put_header(struct writer *writer, const struct lengths *lengths)
{
	unsigned i;

	put(writer, FINAL_DYNAMIC, 3);
	put(writer, SYMBOLS - 257, 5);
	put(writer, DISTANCES - 1, 5);
	put(writer, lengths->listed - LENGTH_SYMBOLS_MIN, 4);
	for (i = 0; i < lengths->listed; i++)
		put(writer, lengths->codes[length_order[i]].len, 3);
	for (i = 0; i < lengths->n; i++) {
		put_code(writer, lengths->codes[lengths->symbols[i]]);
		put(writer, lengths->extra[i],
		    extra_bits[lengths->symbols[i]]);
	}
}

/*
 * For the literals, a code is one number: its bits are the highest, its length
 * is lowest.  To shift by such a number is to shift by the length, and a sum of
 * a few has the sum of their lengths in its last byte.
 */
static void align_codes(const struct code *codes, uint64_t *ret)
{
	unsigned i;

	for (i = 0; i < BLOCK_END; i++)
		ret[i] = codes[i].len ? (uint64_t)codes[i].bits
							<< (64 - codes[i].len) |
						codes[i].len :
					0;
}

/* Of @len literals, four at a time, while there is room for eight bytes before
 * @end.  Returns how many were put. */
static size_t put_fours(struct writer *writer, const uint64_t *codes,
			const uint8_t *plain, size_t len, const uint8_t *end)
{
	uint8_t *at = writer->at;
	uint64_t held = writer->held;
	/* Those held are the highest; what is below them is of no use. */
	uint64_t bits = held ? writer->bits << (64 - held) : 0;
	size_t i;

	for (i = 0; len - i >= 4 && end - at >= 8; i += 4) {
		uint64_t a = codes[plain[i]], b = codes[plain[i + 1]],
			 c = codes[plain[i + 2]], d = codes[plain[i + 3]],
			 sum = a + b + c + d;

		a = a >> b % 64 | b;
		a = a >> c % 64 | c;
		a = a >> d % 64 | d;
		bits = bits >> sum % 64 | a;
		held += (uint8_t)sum;
		store(at, bits >> (64 - held));
		at += held / 8;
		held %= 8;
	}
	*writer = (struct writer){ at, held ? bits >> (64 - held) : 0,
				   (unsigned)held };
	return i;
}

static void put_literals(struct writer *writer, const struct code *codes,
			 const uint8_t *plain, size_t len, const uint8_t *end)
{
	uint64_t aligned[BLOCK_END];
	size_t i;

	align_codes(codes, aligned);
	i = put_fours(writer, aligned, plain, len, end);
	for (; i < len; i++)
		put_code(writer, codes[plain[i]]);
	put_code(writer, codes[BLOCK_END]);
}

size_t rvs_huffman_deflate(const void *plain, size_t len, void *ret, size_t max)
{
	uint32_t counts[SYMBOLS];
	struct code codes[SYMBOLS];
	struct lengths lengths;
	struct writer writer = { .at = ret };
	uint64_t bits;

	assert(len < UINT32_MAX);
	count(plain, len, counts);
	make_codes(counts, SYMBOLS, LITERAL_MAX, codes);
	list_lengths(codes, &lengths);
	bits = header_bits(&lengths) + coded_bits(counts, codes, SYMBOLS);
	if ((bits + 7) / 8 > max)
		return 0;
	put_header(&writer, &lengths);
	put_literals(&writer, codes, plain, len, (uint8_t *)ret + max);
	put(&writer, 0, -writer.held % 8); /* to the end of a byte */
	return (size_t)(writer.at - (uint8_t *)ret);
}
