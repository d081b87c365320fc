/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The parts of /data's step that read what others have written. */
#include <stdbool.h>
#include <stdint.h>

/* Is word one of the words of line (a kernel's command line)? */
bool data_has_word(const char *line, const char *word);
/* From the bytes of a superblock: was it unmounted, without an error ever since, and wants no check by count or date? Then e2fsck -p would only
 * say so. */
bool data_ext4_is_clean(const unsigned char sb[1024]);
/* From the bytes of a superblock (fs/ext4/ext4.h): how large it says the file system is. -1: none of ext4's. */
int data_ext4_blocks(const unsigned char sb[1024], uint64_t *blocks, unsigned *block_bytes);
