/*
 * Little: little-endian integers that lie anywhere in memory.
 */
#ifndef RVS_LITTLE_H
#define RVS_LITTLE_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t rvs_little_u16(const uint8_t *bytes)
{
	uint16_t value;

	memcpy(&value, bytes, sizeof(value));
	return le16toh(value);
}

static inline uint32_t rvs_little_u32(const uint8_t *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return le32toh(value);
}

static inline uint64_t rvs_little_u64(const uint8_t *bytes)
{
	uint64_t value;

	memcpy(&value, bytes, sizeof(value));
	return le64toh(value);
}

#endif
