/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of io.max that name a disk by a path: a block device, or any file on it. The kernel wants "MAJOR:MINOR" of a whole disk
 * (block/blk-cgroup.c: a partition is ENODEV), so a partition stands for its disk. Must never limit another disk than the one meant.
 */
#include "runtime/disks.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "util/buf.h"
#include "util/cleanup.h"
#include "util/file.h"

/* sysfs keeps a partition in the folder of its disk. */
static int whole_disk(dev_t device, char *out, size_t size, struct err *err)
{
	auto_buf text = BUF_INIT(64);
	char path[96];

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/partition", major(device),
		 minor(device));
	if (access(path, F_OK) < 0) {
		snprintf(out, size, "%u:%u", major(device), minor(device));
		return 0;
	}
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/../dev", major(device), minor(device));
	if (file_read_at(AT_FDCWD, path, 64, &text, err) < 0)
		return -1;
	snprintf(out, size, "%.*s", (int)strcspn(buf_str(&text), "\n"), buf_str(&text));
	return 0;
}

int disks_number(const char *path, char *out, size_t size, struct err *err)
{
	struct stat st;
	dev_t device;

	if (stat(path, &st) < 0)
		return err_sys(err, "%s", path);
	device = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev;
	/* overlay, tmpfs, btrfs, zfs: numbers without a device */
	if (!major(device))
		return err_set(err, ERR_INPUT, "%s is on no disk of its own: name the block device",
			       path);
	return whole_disk(device, out, size, err);
}

int disks_write_io_max(int cgroup, const char *text, struct err *err)
{
	while (*text) {
		size_t len = strcspn(text, "\n"), name = strcspn(text, " \n");
		char path[4096], number[32], line[256];

		if (name >= sizeof(path) || len - name >= sizeof(line) - sizeof(number))
			return err_set(err, ERR_LIMIT, "io.max: a line is too long");
		memcpy(path, text, name);
		path[name] = '\0';
		if (path[0] != '/')
			snprintf(number, sizeof(number), "%.20s", path);
		else if (disks_number(path, number, sizeof(number), err) < 0)
			return err_wrap(err, "io.max");
		snprintf(line, sizeof(line), "%s%.*s", number, (int)(len - name), text + name);
		if (file_write_text_at(cgroup, "io.max", line, err) < 0)
			return err->code == ERR_NOT_FOUND ? -1 : err_wrap(err, "%s", path);
		text += len + (text[len] == '\n');
	}
	return 0;
}
