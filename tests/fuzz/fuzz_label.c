/* SPDX-License-Identifier: Apache-2.0 */
/* The beginning of a disk: whatever it says, a label is short, printable text. The input is spread so that few bytes reach all superblocks. */
#include <assert.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "boot/disk_label.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SUPER 1024
#define ISO 32768
#define BYTES (ISO + 2048)

/* The boot sector first, then what ext4 and erofs have, then the descriptor of an ISO, then a folder where the boot sector says. */
static void spread(int fd, const uint8_t *data, size_t size)
{
	static const struct {
		size_t offset, len;
	} parts[] = { { 0, 512 }, { SUPER, 136 }, { ISO, 72 }, { 512, 512 }, { 2048, 4096 } };

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && size; i++) {
		size_t n = size < parts[i].len ? size : parts[i].len;

		assert(pwrite(fd, data, n, (off_t)parts[i].offset) == (ssize_t)n);
		data += n;
		size -= n;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	struct disk_label label;

	if (fd < 0)
		fd = memfd_create("disk", MFD_CLOEXEC);
	assert(fd >= 0 && ftruncate(fd, 0) == 0 && ftruncate(fd, BYTES) == 0);
	spread(fd, data, size);
	disk_read_label(fd, &label);
	assert(strnlen(label.text, sizeof(label.text)) < sizeof(label.text));
	assert(label.fs != DISK_FS_NONE || !label.text[0]);
	for (const char *p = label.text; *p; p++)
		assert(*p >= 0x20 && *p < 0x7f);
	return 0;
}
