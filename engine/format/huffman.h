/*
 * Huffman: deflate (RFC 1951) by literals alone, one block with a code of its
 * own, for bytes in which there is no repetition to be found.
 */
#ifndef RVS_HUFFMAN_H
#define RVS_HUFFMAN_H

#include <stddef.h>

/* Compress @len bytes, fewer than 4 GiB, into at most @max at @ret.  Returns
 * the number of bytes, or 0 when they do not fit, which is known before any is
 * made. */
size_t rvs_huffman_deflate(const void *plain, size_t len, void *ret,
			   size_t max);

#endif
