/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A partition grown to the end of its disk, in both copies of the GUID partition table (UEFI 2.10, chapter 5.3). What the disk says is believed only
 * as far as its checksums and its size allow. Reads and writes with pread and pwrite: fd may be an image.
 */
#include <stdint.h>

#include "util/err.h"

#define GPT_MAX_TABLE_BYTES (64u * 1024)

struct gpt_partition {
	uint64_t start_bytes, size_bytes;
};

/* block_bytes: 512 or 4096. number: from 1. *out: how it is afterwards, whether it has grown (1) or was as large as it can be, or is not the
 * last one (0). A table that is damaged, or that is not there, is an error and nothing is written; so is one without room for a second set of
 * entries before the first partition. Cut off at any write, it leaves a valid table at the beginning, of before or of after. */
int gpt_grow(int fd, uint64_t disk_bytes, unsigned block_bytes, unsigned number,
	     struct gpt_partition *out, struct err *err) MUST_CHECK;
