/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Numbers at unaligned places of records that others have laid out: little-endian on disks (ext4, erofs, FAT, GPT), big-endian on the network.
 * The caller has checked the length. Pure.
 */
#include <stdint.h>

static inline uint16_t get_le16(const unsigned char *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

static inline uint32_t get_le32(const unsigned char *at)
{
	return get_le16(at) | (uint32_t)get_le16(at + 2) << 16;
}

static inline uint64_t get_le64(const unsigned char *at)
{
	return get_le32(at) | (uint64_t)get_le32(at + 4) << 32;
}

static inline uint32_t get_be32(const unsigned char *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline void put_le32(unsigned char *at, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		at[i] = (unsigned char)(value >> (8 * i));
}

static inline void put_le64(unsigned char *at, uint64_t value)
{
	put_le32(at, (uint32_t)value);
	put_le32(at + 4, (uint32_t)(value >> 32));
}

static inline void put_be32(unsigned char *at, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		at[i] = (unsigned char)(value >> (24 - 8 * i));
}
