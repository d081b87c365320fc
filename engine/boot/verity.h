/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * dm-verity by the device mapper's own calls (linux/dm-ioctl.h, Documentation/admin-guide/device-mapper/verity.rst): a block device whose
 * every block is checked against one hash. The layout is veritysetup's with --no-superblock --salt=-: blocks of 4096 bytes, BLAKE2b-512, which
 * takes a processor without instructions for hashing far fewer of them than SHA-256, the tree behind the data on the same device.
 */
#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"

#define VERITY_BLOCK_BYTES 4096u
#define VERITY_HASH_DIGITS 128
#define VERITY_MAX_BLOCKS (UINT32_C(1) << 24) /* 64 GiB */

struct verity_root {
	char hash[VERITY_HASH_DIGITS + 1]; /* lower-case hex */
	uint32_t blocks;		   /* of data; the tree begins behind them */
};

/* "HASH/BLOCKS", the value of cleat.root= on the kernel's command line. */
bool verity_root_read(struct verity_root *out, const char *text);
/* The value of cleat.root= in a kernel's command line (NUL-terminated); the last one counts. ERR_NOT_FOUND without one. */
int verity_root_find(struct verity_root *out, const char *command_line, struct err *err) MUST_CHECK;

#define VERITY_DEVICE_SIZE 32
/* Makes the device NAME over the partition (a path) and writes its path into device. */
int verity_open(const char *name, const char *partition, const struct verity_root *root,
		char device[VERITY_DEVICE_SIZE], struct err *err) MUST_CHECK;
int verity_close(const char *name, struct err *err) MUST_CHECK;
/* Reads every block once: ERR_INTEGRITY names the first one that is not what it was. */
int verity_check(const char *device, const struct verity_root *root, struct err *err) MUST_CHECK;
