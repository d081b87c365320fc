/* SPDX-License-Identifier: Apache-2.0 */
/* A verified block device. Must never trust a byte of the device: what it should hold stands on the kernel's command line. */
#include "boot/verity.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h> /* for _IOWR: the call itself takes an int in one C library, a long in the other */
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/str.h"

#define CONTROL "/dev/mapper/control"
#define WORD "cleat.root="
#define SECTORS_PER_BLOCK (VERITY_BLOCK_BYTES / 512)
#define READ_BYTES (64u * VERITY_BLOCK_BYTES)

bool verity_root_read(struct verity_root *out, const char *text)
{
	uint64_t blocks;

	if (strlen(text) < VERITY_HASH_DIGITS + 2 || text[VERITY_HASH_DIGITS] != '/')
		return false;
	memcpy(out->hash, text, VERITY_HASH_DIGITS);
	out->hash[VERITY_HASH_DIGITS] = '\0';
	if (!str_is_hex(out->hash, VERITY_HASH_DIGITS) ||
	    !str_to_u64(text + VERITY_HASH_DIGITS + 1, VERITY_MAX_BLOCKS, &blocks) || !blocks)
		return false;
	out->blocks = (uint32_t)blocks;
	return true;
}

int verity_root_find(struct verity_root *out, const char *command_line, struct err *err)
{
	char word[192] = "";
	bool is_there = false;

	for (const char *at = command_line; *at;) {
		size_t len = strcspn(at, " \n");

		if (str_starts(at, WORD)) {
			is_there = true;
			/* one that is too long is cut, and is none then */
			snprintf(word, sizeof(word), "%.*s",
				 (int)(len < sizeof(word) ? len : sizeof(word)), at);
		}
		at += len;
		at += strspn(at, " \n");
	}
	if (!is_there)
		return err_set(err, ERR_NOT_FOUND,
			       "the kernel's command line has no " WORD "HASH/BLOCKS");
	if (!verity_root_read(out, word + strlen(WORD)))
		return err_set(err, ERR_INPUT,
			       "%s: want " WORD "HASH/BLOCKS, a BLAKE2b-512 in hex and a number",
			       word);
	return 0;
}

/* Head, one target, and the words of its table. */
struct request {
	struct dm_ioctl head;
	struct dm_target_spec target;
	char words[384];
};

static void fill(struct request *r, const char *name)
{
	memset(r, 0, sizeof(*r));
	r->head.version[0] = DM_VERSION_MAJOR;
	r->head.data_size = sizeof(*r);
	r->head.data_start = sizeof(r->head);
	str_copy(r->head.name, sizeof(r->head.name), name);
}

static int call(int control, unsigned long number, struct request *r, const char *what,
		struct err *err)
{
	if (syscall(SYS_ioctl, control, number, r) < 0)
		return err_sys(err, "device mapper: %s", what);
	return 0;
}

static void fill_table(struct request *r, const char *partition, const struct verity_root *root)
{
	r->head.flags = DM_READONLY_FLAG;
	r->head.target_count = 1;
	r->target.length = (uint64_t)root->blocks * SECTORS_PER_BLOCK;
	r->target.next = sizeof(r->target) + sizeof(r->words);
	str_copy(r->target.target_type, sizeof(r->target.target_type), "verity");
	snprintf(r->words, sizeof(r->words), "1 %s %s %u %u %u %u blake2b-512 %s -", partition,
		 partition, VERITY_BLOCK_BYTES, VERITY_BLOCK_BYTES, root->blocks, root->blocks,
		 root->hash);
}

static int open_control(struct err *err)
{
	int fd = open(CONTROL, O_RDWR | O_CLOEXEC);

	return fd < 0 ? err_sys(err, CONTROL) : fd;
}

int verity_open(const char *name, const char *partition, const struct verity_root *root,
		char device[VERITY_DEVICE_SIZE], struct err *err)
{
	struct request r;
	unsigned number;

	auto_fd int control = open_control(err);

	if (control < 0)
		return -1;
	fill(&r, name);
	r.head.flags = DM_READONLY_FLAG;
	if (call(control, DM_DEV_CREATE, &r, "create", err) < 0)
		return -1;
	number = minor(r.head.dev);
	fill(&r, name);
	fill_table(&r, partition, root);
	if (call(control, DM_TABLE_LOAD, &r, "verity", err) == 0) {
		fill(&r, name);
		if (call(control, DM_DEV_SUSPEND, &r, "start", err) == 0) {
			snprintf(device, VERITY_DEVICE_SIZE, "/dev/dm-%u", number);
			return 0;
		}
	}
	fill(&r, name);
	call(control, DM_DEV_REMOVE, &r, "remove", NULL);
	return -1;
}

int verity_close(const char *name, struct err *err)
{
	struct request r;

	auto_fd int control = open_control(err);

	if (control < 0)
		return -1;
	fill(&r, name);
	return call(control, DM_DEV_REMOVE, &r, "remove", err);
}

/* A read ahead of a bad block fails as a whole: block by block tells which it is. */
static int name_bad_block(int fd, off_t from, struct err *err)
{
	char block[VERITY_BLOCK_BYTES];

	for (off_t at = from; at < from + (off_t)READ_BYTES; at += VERITY_BLOCK_BYTES)
		if (pread(fd, block, sizeof(block), at) < 0)
			return errno == EIO ?
				       err_set(err, ERR_INTEGRITY,
					       "block %lld is not what it was when it was built",
					       (long long)(at / VERITY_BLOCK_BYTES)) :
				       err_sys(err, "read");
	return err_set(err, ERR_INTEGRITY, "it cannot be read twice alike");
}

int verity_check(const char *device, const struct verity_root *root, struct err *err)
{
	const off_t end = (off_t)root->blocks * VERITY_BLOCK_BYTES;
	auto_free char *bytes = malloc(READ_BYTES);
	auto_fd int fd = open(device, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;

	if (fd < 0 || !bytes)
		return err_sys(err, "%s", device);
	for (off_t at = 0; at < end; at += n) {
		n = pread(fd, bytes, READ_BYTES, at);
		if (n < 0 && errno != EIO)
			return err_sys(err, "%s", device);
		if (n < 0)
			return name_bad_block(fd, at, err);
		if (n == 0)
			return err_set(err, ERR_INTEGRITY, "it is shorter than %u blocks",
				       root->blocks);
	}
	return 0;
}
