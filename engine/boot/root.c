/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "cleat boot root", in the initramfs of a disk: finds the partition whose contents have the hash that the kernel's command line names, and mounts
 * it at /newroot. The name of a partition is a hint only, so which slot it lies in, and which disks are there besides, does not matter. Must
 * never mount what has not been read to its end without an error.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include "boot/boot.h"
#include "boot/modules.h"
#include "boot/verity.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/str.h"

#define BLOCK_DIR "/sys/class/block"
#define NEW_ROOT "/newroot"
#define DEVICE_NAME "cleat-root"
#define LABEL "PARTNAME=cleat-root-"
#define TRIED_MAX 16
#define PAUSE_USEC 20000
#define WAIT_SEC 20	/* for the first disk */
#define WAIT_MORE_SEC 2 /* for another one, when what there is is not it */

struct search {
	struct verity_root root;
	char tried[TRIED_MAX][32];
	unsigned count;
	struct buf reasons; /* of those that were not it */
};

static time_t now_sec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static bool is_slot(const char *device)
{
	char path[300];
	struct buf text = BUF_INIT(4096);
	bool is = false;

	snprintf(path, sizeof(path), BLOCK_DIR "/%s/uevent", device);
	if (file_read_at(-1, path, 4096, &text, NULL) == 0)
		is = str_starts(buf_str(&text), LABEL) || strstr(buf_str(&text), "\n" LABEL);
	buf_fini(&text);
	return is;
}

static bool is_new(struct search *s, const char *device)
{
	for (unsigned i = 0; i < s->count; i++)
		if (str_eq(s->tried[i], device))
			return false;
	if (s->count == TRIED_MAX || !str_copy(s->tried[s->count], sizeof(s->tried[0]), device))
		return false;
	s->count++;
	return true;
}

static int mount_root(const char *device, struct err *err)
{
	if (mount(device, NEW_ROOT, "erofs", MS_RDONLY | MS_NODEV, NULL) < 0)
		return err_sys(err, "mount erofs");
	return 0;
}

static int try_slot(const struct search *s, const char *name, struct err *err)
{
	char partition[272], device[VERITY_DEVICE_SIZE];

	snprintf(partition, sizeof(partition), "/dev/%s", name);
	if (verity_open(DEVICE_NAME, partition, &s->root, device, err) < 0)
		return -1;
	if (verity_check(device, &s->root, err) == 0 && mount_root(device, err) == 0)
		return 0;
	if (verity_close(DEVICE_NAME, NULL) < 0)
		return err_wrap(err, "cannot be let go");
	return -1;
}

/* 1: mounted, 0: none of the new ones. */
static int try_new_ones(struct search *s)
{
	auto_dir DIR *dir = opendir(BLOCK_DIR);
	const struct dirent *entry;
	struct err err;

	while (dir && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.' || !is_slot(entry->d_name) || !is_new(s, entry->d_name))
			continue;
		if (try_slot(s, entry->d_name, &err) == 0)
			return 1;
		buf_printf(&s->reasons, "%s%s: %s", s->reasons.len ? "; " : "", entry->d_name,
			   err.msg);
	}
	return 0;
}

static int find_root(struct search *s, struct err *err)
{
	time_t deadline = now_sec() + WAIT_SEC;
	unsigned before = 0;

	while (now_sec() < deadline) {
		if (try_new_ones(s))
			return 0;
		if (s->count > before)
			deadline = now_sec() + WAIT_MORE_SEC;
		before = s->count;
		usleep(PAUSE_USEC);
	}
	if (!s->count)
		return err_set(err, ERR_NOT_FOUND,
			       "no disk has a partition named cleat-root-a or -b");
	return err_set(err, ERR_INTEGRITY, "refused: %s", buf_str(&s->reasons));
}

int boot_root(int argc, char **argv)
{
	static const char *const modules[] = { "erofs", "dm_verity", "blake2b_generic", NULL };
	struct search search = { .reasons = BUF_INIT(1024) };
	struct buf line = BUF_INIT(8192);
	struct err err;
	int rc;

	(void)argc;
	(void)argv;
	rc = file_read_at(-1, "/proc/cmdline", 8192, &line, &err);
	if (rc == 0)
		rc = verity_root_find(&search.root, buf_str(&line), &err);
	buf_fini(&line);
	/* a module that fails shows in what is missing then */
	if (rc == 0 && modules_load(false, &err) < 0)
		fprintf(stderr, "%s\n", err.msg);
	if (rc == 0 && (rc = modules_load_named(modules, &err)) == 0)
		rc = find_root(&search, &err);
	if (rc < 0)
		fprintf(stderr, "%s\n", err.msg);
	buf_fini(&search.reasons);
	return rc < 0;
}
