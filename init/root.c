/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root of a machine. Direct boot: the initramfs is the whole root, and has to become one that pivot_root(2) works in, which it does not on
 * the kernel's first mount. From a disk: the initramfs holds a folder /newroot and what is needed to mount the verified root there
 * ("cleat boot root"); that root's own PID 1 goes on. Must never go on with another root than the one asked for.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "init.h"
#include "util/path.h"
#include "util/str.h"

#define NEW_ROOT "/newroot"
#define ROOT_LIMIT_SEC 60
#define REFUSED_SEC 60 /* that a person has for reading why, before the machine tries again */
#define DEPTH_MAX 8

#define RAMFS_MAGIC 0x858458f6
#define TMPFS_MAGIC 0x01021994

static bool is_initramfs(enum world world)
{
	struct statfs fs;

	return world == WORLD_MACHINE && statfs("/", &fs) == 0 &&
	       (fs.f_type == RAMFS_MAGIC || fs.f_type == TMPFS_MAGIC);
}

/* The first mount of all has no parent, and pivot_root(2) needs one; a bind mount of it on itself has. Whoever joins this mount namespace
 * gets there too: the kernel follows what is mounted on a namespace's root. */
static void become_mount(void)
{
	if (mount("/", "/run", NULL, MS_BIND, NULL) < 0 || chdir("/run") < 0 ||
	    mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
		say("root: %s", strerror(errno));
}

void root_prepare(enum world world)
{
	if (is_initramfs(world) && access(NEW_ROOT, F_OK) < 0)
		become_mount();
}

/* The initramfs is memory as long as its files are there. Not followed: other file systems, and more than a few levels. */
static void remove_all(int dirfd, dev_t device, unsigned depth)
{
	DIR *dir = fdopendir(dirfd);
	const struct dirent *entry;
	struct stat st;

	if (!dir) {
		close(dirfd);
		return;
	}
	while ((entry = readdir(dir)) != NULL) {
		const char *name = entry->d_name;

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
		    fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_dev != device)
			continue;
		if (!S_ISDIR(st.st_mode)) {
			unlinkat(dirfd, name, 0);
			continue;
		}
		int below = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (below >= 0 && depth > 0)
			remove_all(below, device, depth - 1);
		else if (below >= 0)
			close(below);
		unlinkat(dirfd, name, AT_REMOVEDIR);
	}
	closedir(dir);
}

static void refuse(const char *why)
{
	say("no root to boot from: %s; trying again in %u s", why, REFUSED_SEC);
	for (unsigned left = REFUSED_SEC; left > 0;)
		left = sleep(left);
	sync();
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

static int move_mounts(void)
{
	static const char *const mounts[] = { "/dev", "/proc", "/sys", "/run", "/tmp" };
	char target[32] = NEW_ROOT;

	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		str_copy(target + strlen(NEW_ROOT), sizeof(target) - strlen(NEW_ROOT), mounts[i]);
		if (path_is_mount(mounts[i], 0) &&
		    mount(mounts[i], target, NULL, MS_MOVE, NULL) < 0)
			return -1;
	}
	return 0;
}

void root_switch(struct init *init)
{
	char *argv[] = { "/sbin/init", NULL };
	char began[24];
	struct stat st;
	int old;

	if (!is_initramfs(init->world) || access(NEW_ROOT, F_OK) < 0)
		return;
	if (step_run(init, "root", ROOT_LIMIT_SEC) < 0 || !path_is_mount(NEW_ROOT, 0))
		refuse("see above");
	old = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (move_mounts() < 0 || old < 0 || fstat(old, &st) < 0 || chdir(NEW_ROOT) < 0)
		refuse(strerror(errno));
	remove_all(old, st.st_dev, DEPTH_MAX);
	if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
		refuse(strerror(errno));
	snprintf(began, sizeof(began), "%llu", (unsigned long long)start_usec());
	setenv(BEGAN_VARIABLE, began, true);
	execv(argv[0], argv);
	refuse(strerror(errno));
}
