/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a disk says of itself, before anything of it is mounted: its partition table, which is rewritten when its last partition can grow. Oracle beside the
 * sanitizers: whatever was there, growing twice is growing once, and a table that is refused is not written.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "boot/data.h"
#include "boot/gpt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DISK_BYTES (256u * 1024)
#define BLOCK 512u

static void check(bool holds, const char *what)
{
	if (holds)
		return;
	dprintf(STDERR_FILENO, "does not hold: %s\n", what);
	abort();
}

static void put32(unsigned char *at, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		at[i] = (unsigned char)(value >> (8 * i));
}

/* A disk whose checksums are right, or nothing would get behind them; the first byte says which are left as they come. */
static void mend(unsigned char *disk, unsigned how)
{
	unsigned char *header = disk + BLOCK;

	if (how & 1)
		return;
	memcpy(header, "EFI PART", 8);
	put32(header + 12, 92);
	memset(header + 24, 0, 8);
	header[24] = 1;
	if (!(how & 2)) {
		memset(header + 72, 0, 8);
		header[72] = 2;
		put32(header + 80, 128);
		put32(header + 84, 128);
	}
	put32(header + 88, (uint32_t)crc32(0, disk + 2 * BLOCK, 128 * 128));
	put32(header + 16, 0);
	put32(header + 16, (uint32_t)crc32(0, header, 92));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned char before[DISK_BYTES], after[DISK_BYTES];
	struct gpt_partition part, again;
	unsigned number, block;
	uint64_t blocks;
	struct err err;
	int fd, rc;

	if (size < 2)
		return 0;
	number = data[1];
	memset(before, 0, sizeof(before));
	memcpy(before + BLOCK, data + 2,
	       size - 2 < sizeof(before) - BLOCK ? size - 2 : sizeof(before) - BLOCK);
	mend(before, data[0]);
	data_ext4_blocks(before + BLOCK, &blocks, &block);
	data_ext4_is_clean(before + BLOCK);
	fd = memfd_create("disk", MFD_CLOEXEC);
	check(fd >= 0 && write(fd, before, sizeof(before)) == (ssize_t)sizeof(before), "a disk");
	rc = gpt_grow(fd, 64 * (uint64_t)DISK_BYTES, BLOCK, number, &part, &err);
	check(pread(fd, after, sizeof(after), 0) == (ssize_t)sizeof(after),
	      "the disk is still there");
	if (rc <= 0)
		check(memcmp(before, after, sizeof(before)) == 0, "what is refused is not written");
	if (rc < 0)
		check(err.msg[0] != '\0', "a refusal says why");
	if (rc > 0) {
		check(gpt_grow(fd, 64 * (uint64_t)DISK_BYTES, BLOCK, number, &again, &err) == 0,
		      "once is enough");
		check(memcmp(&part, &again, sizeof(part)) == 0, "and nothing has moved");
	}
	close(fd);
	return 0;
}
