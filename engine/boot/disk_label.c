/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Labels out of superblocks. Everything that is read was written by somebody else: each offset is computed in 64 bits and bounded before
 * it is used, and a superblock that contradicts itself is no file system. Must never write, and never follow what a device says to
 * another one.
 */
#include "boot/disk_label.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/str.h"

#define SECTOR 512u
#define SUPER_OFFSET 1024u
#define ISO_OFFSET 32768u
#define EXT4_MAGIC 0xef53u
#define EROFS_MAGIC 0xe0f5e1e2u
#define FAT_ENTRY 32u
#define FAT_VOLUME_ID 0x08u
#define FAT_LONG_NAME 0x0fu
#define FAT_DELETED 0xe5u

const char *disk_fs_name(enum disk_fs fs)
{
	switch (fs) {
	case DISK_FS_EXT4:
		return "ext4";
	case DISK_FS_VFAT:
		return "vfat";
	case DISK_FS_ISO9660:
		return "iso9660";
	case DISK_FS_EROFS:
		return "erofs";
	case DISK_FS_NONE:
		break;
	}
	return "";
}

static bool read_at(int fd, uint64_t offset, uint8_t *out, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, out + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

static void set_label(struct disk_label *out, enum disk_fs fs, const uint8_t *text, size_t max)
{
	size_t len = 0;

	*out = (struct disk_label){ .fs = fs };
	while (len < max && len < sizeof(out->text) - 1 && text[len]) {
		bool is_plain = text[len] >= 0x20 && text[len] < 0x7f;

		out->text[len] = (char)(is_plain ? text[len] : '?');
		len++;
	}
	while (len && out->text[len - 1] == ' ')
		len--;
	out->text[len] = '\0';
}

static bool read_ext4(int fd, struct disk_label *out)
{
	uint8_t super[136];

	if (!read_at(fd, SUPER_OFFSET, super, sizeof(super)) || get_le16(super + 56) != EXT4_MAGIC)
		return false;
	set_label(out, DISK_FS_EXT4, super + 120, 16);
	return true;
}

static bool read_erofs(int fd, struct disk_label *out)
{
	uint8_t super[80];

	if (!read_at(fd, SUPER_OFFSET, super, sizeof(super)) || get_le32(super) != EROFS_MAGIC)
		return false;
	set_label(out, DISK_FS_EROFS, super + 64, 16);
	return true;
}

/* The primary volume descriptor comes first (ECMA-119, 6.7.1). */
static bool read_iso9660(int fd, struct disk_label *out)
{
	uint8_t descriptor[72];

	if (!read_at(fd, ISO_OFFSET, descriptor, sizeof(descriptor)) || descriptor[0] != 1 ||
	    memcmp(descriptor + 1, "CD001", 5) != 0)
		return false;
	set_label(out, DISK_FS_ISO9660, descriptor + 40, 32);
	return true;
}

struct fat {
	uint64_t root_offset, root_bytes;
	bool is_fat32;
};

/* Where the root folder lies: at its own place in FAT12 and FAT16, in a cluster in FAT32. */
static bool parse_fat(const uint8_t *boot, struct fat *out)
{
	uint64_t sector = get_le16(boot + 11), cluster_sectors = boot[13],
		 reserved = get_le16(boot + 14);
	uint64_t copies = boot[16], entries = get_le16(boot + 17), short_size = get_le16(boot + 22);
	uint64_t fat_sectors = short_size ? short_size : get_le32(boot + 36);
	uint64_t first = (reserved + copies * fat_sectors) * sector;

	if (boot[510] != 0x55 || boot[511] != 0xaa || sector < SECTOR || sector > 4096 ||
	    (sector & (sector - 1)) || !cluster_sectors ||
	    (cluster_sectors & (cluster_sectors - 1)) || !reserved || !copies || copies > 2 ||
	    !fat_sectors)
		return false;
	out->is_fat32 = !short_size;
	out->root_offset = first;
	out->root_bytes = entries * FAT_ENTRY;
	if (out->is_fat32) {
		uint64_t cluster = get_le32(boot + 44);

		if (entries || cluster < 2)
			return false;
		out->root_offset = first + (cluster - 2) * cluster_sectors * sector;
		/* further clusters would need the table: mkfs and Windows put the label into the first */
		out->root_bytes = cluster_sectors * sector;
	}
	if (out->root_bytes > DISK_MAX_ROOT_BYTES)
		out->root_bytes = DISK_MAX_ROOT_BYTES;
	return out->root_bytes >= FAT_ENTRY;
}

/* The entry in the root folder counts: systems that rename a volume change only that one. */
static bool read_fat_root(int fd, const struct fat *fat, struct disk_label *out)
{
	uint8_t entries[SECTOR];

	for (uint64_t at = 0; at < fat->root_bytes; at += sizeof(entries)) {
		if (!read_at(fd, fat->root_offset + at, entries, sizeof(entries)))
			return false;
		for (size_t i = 0; i < sizeof(entries); i += FAT_ENTRY) {
			const uint8_t *entry = entries + i;

			if (entry[0] == 0)
				return false;
			if (entry[0] == FAT_DELETED ||
			    (entry[11] & FAT_LONG_NAME) == FAT_LONG_NAME ||
			    !(entry[11] & FAT_VOLUME_ID))
				continue;
			set_label(out, DISK_FS_VFAT, entry, 11);
			return true;
		}
	}
	return false;
}

static bool read_vfat(int fd, struct disk_label *out)
{
	uint8_t boot[SECTOR];
	struct fat fat;
	size_t extended;

	if (!read_at(fd, 0, boot, sizeof(boot)) || !parse_fat(boot, &fat))
		return false;
	if (read_fat_root(fd, &fat, out))
		return true;
	/* 0x28, 0x29: the fields behind it are there; "NO NAME" stands for none */
	extended = fat.is_fat32 ? 66 : 38;
	if ((boot[extended] | 1) == 0x29 && memcmp(boot + extended + 5, "NO NAME    ", 11) != 0)
		set_label(out, DISK_FS_VFAT, boot + extended + 5, 11);
	else
		*out = (struct disk_label){ .fs = DISK_FS_VFAT };
	return true;
}

void disk_read_label(int fd, struct disk_label *out)
{
	/* a boot sector is the weakest sign: isohybrid and ext4 disks may begin with one */
	if (read_iso9660(fd, out) || read_ext4(fd, out) || read_erofs(fd, out) ||
	    read_vfat(fd, out))
		return;
	*out = (struct disk_label){ .fs = DISK_FS_NONE };
}

/* --- devices -------------------------------------------------------------------------------------------------------------------- */

static bool is_disk_name(const char *name)
{
	/* fd: a drive that is not there takes seconds to say so */
	static const char *const not_disks[] = { "loop", "ram", "zram", "dm-", "md", "fd", "nbd" };

	if (name[0] == '.' || strlen(name) >= sizeof(((struct disk *)NULL)->name))
		return false;
	for (size_t i = 0; i < sizeof(not_disks) / sizeof(not_disks[0]); i++)
		if (str_starts(name, not_disks[i]))
			return false;
	for (const char *p = name; *p; p++)
		if (*p <= ' ' || *p >= 0x7f || *p == '!')
			return false;
	return true;
}

static int compare_names(const void *left, const void *right)
{
	return strcmp(left, right);
}

static int list_names(const char *sys, char (*names)[32], unsigned *count, struct err *err)
{
	auto_dir DIR *dir = opendir(sys);
	struct dirent *entry;

	*count = 0;
	if (!dir)
		return err_sys(err, "%s", sys);
	while (*count < DISK_MAX_DEVICES && (entry = readdir(dir)))
		if (is_disk_name(entry->d_name))
			str_copy(names[(*count)++], sizeof(names[0]), entry->d_name);
	qsort(names, *count, sizeof(names[0]), compare_names);
	return 0;
}

/* "PARTNAME=cleat-data" among the lines of uevent. */
static void read_partition_name(int dir, char *out, size_t size)
{
	auto_buf text = BUF_INIT(4096);
	const char *at;
	size_t len;
	struct err err;

	out[0] = '\0';
	if (file_read_at(dir, "uevent", 4096, &text, &err) < 0)
		return;
	at = strstr(buf_str(&text), "\nPARTNAME=");
	if (!at)
		return;
	at += strlen("\nPARTNAME=");
	len = strcspn(at, "\n");
	snprintf(out, size, "%.*s", (int)len, at);
}

static void look_at(const char *sys, const char *dev, const char *name, struct disk *out)
{
	auto_fd int sys_dir = open(sys, O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_fd int dir = openat(sys_dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_fd int fd = -1;

	*out = (struct disk){ .label.fs = DISK_FS_NONE };
	str_copy(out->name, sizeof(out->name), name);
	if (dir < 0 || snprintf(out->device, sizeof(out->device), "%s/%s", dev, name) >=
			       (int)sizeof(out->device))
		return;
	read_partition_name(dir, out->partition_name, sizeof(out->partition_name));
	/* not blocking: a drive without a medium answers at once */
	fd = open(out->device, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0)
		disk_read_label(fd, &out->label);
}

int disk_each(const char *sys, const char *dev, disk_fn *fn, void *arg, struct err *err)
{
	char names[DISK_MAX_DEVICES][32];
	unsigned count;

	if (list_names(sys, names, &count, err) < 0)
		return -1;
	for (unsigned i = 0; i < count; i++) {
		struct disk disk;

		look_at(sys, dev, names[i], &disk);
		if (fn(arg, &disk))
			break;
	}
	return 0;
}

struct search {
	const char *label;
	char *out;
	size_t size;
	bool is_found;
};

static bool is_wanted(void *arg, const struct disk *disk)
{
	struct search *s = arg;
	bool by_label = disk->label.fs != DISK_FS_NONE && str_eq(disk->label.text, s->label);

	if (!by_label && !str_eq(disk->partition_name, s->label))
		return false;
	s->is_found = str_copy(s->out, s->size, disk->device);
	return s->is_found;
}

int disk_find(const char *label, char *device_out, size_t size, struct err *err)
{
	struct search search = { .label = label, .out = device_out, .size = size };

	if (disk_each(DISK_SYS, DISK_DEV, is_wanted, &search, err) < 0)
		return -1;
	if (!search.is_found)
		return err_set(err, ERR_NOT_FOUND, "no disk has the label %s", label);
	return 0;
}
