/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Block devices by what is written on them: the label of a file system, the name of a partition. Reads a few KiB of each device, and
 * nothing that these bytes say moves it outside the device or makes it read more than DISK_MAX_ROOT_BYTES. Formats: ext4
 * (fs/ext4/ext4.h), vfat (Microsoft's FAT specification 1.03), ISO 9660 (ECMA-119), EROFS (fs/erofs/erofs_fs.h).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

#define DISK_SYS "/sys/class/block"
#define DISK_DEV "/dev"
#define DISK_MAX_DEVICES 128		 /* more are not looked at */
#define DISK_MAX_ROOT_BYTES (64u * 1024) /* of a vfat root folder, which has the label */

enum disk_fs { DISK_FS_NONE, DISK_FS_EXT4, DISK_FS_VFAT, DISK_FS_ISO9660, DISK_FS_EROFS };

struct disk_label {
	enum disk_fs fs;
	char text[40]; /* trailing blanks removed, control bytes are '?'; "": none */
};

struct disk {
	char name[32];		  /* "vda1" */
	char device[64];	  /* "/dev/vda1" */
	char partition_name[112]; /* of the GPT, as the kernel tells it; "": none */
	struct disk_label label;
};

/* What mount(2) calls it, "" for DISK_FS_NONE. */
const char *disk_fs_name(enum disk_fs fs);

/* The file system that fd (a device or an image; read with pread only) holds. No file system, or one that cannot be read, is
 * DISK_FS_NONE and no error. */
void disk_read_label(int fd, struct disk_label *out);

/* Of each disk and partition that is none of the kernel's own making (loop, ram, dm, md), in the order of their names. True ends it. */
typedef bool disk_fn(void *arg, const struct disk *disk);
int disk_each(const char *sys, const char *dev, disk_fn *fn, void *arg, struct err *err) MUST_CHECK;

/* The first one whose file system has that label, or whose partition has that name; the letters' case counts. ERR_NOT_FOUND. Blocks
 * as long as a device takes to read: for children only. */
int disk_find(const char *label, char *device_out, size_t size, struct err *err) MUST_CHECK;
