/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The holder of a pod: born with the namespaces that the members share. Its root is an empty tmpfs, the /dev/shm of them all, so that
 * it keeps nothing of the appliance busy. It ends as a program that sleeps; must never resolve a name once members may write to
 * that memory.
 */
#include "runtime/join.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/kernel.h"
#include "util/cleanup.h"

/* The program's descriptor is to outlive "descriptors", which keeps 0 to 3; the holder needs no standard streams. */
#define PROGRAM_FD 0

int hold_open_program(struct child *c, struct err *err)
{
	int fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);

	(void)c;
	if (fd < 0)
		return err_sys(err, "/proc/self/exe");
	if (dup3(fd, PROGRAM_FD, O_CLOEXEC) < 0)
		return err_sys(err, "dup3");
	close(fd);
	close(1);
	close(2);
	return 0;
}

/* Inodes cost kernel memory that size= does not count: one for each 2 KiB, and some. */
static int make_memory(uint64_t bytes, struct err *err)
{
	auto_fd int fs = kernel_fsopen("tmpfs");
	char size[24], inodes[24];
	int mount;

	if (fs < 0)
		return err_sys(err, "tmpfs: fsopen");
	snprintf(size, sizeof(size), "%llu", (unsigned long long)bytes);
	snprintf(inodes, sizeof(inodes), "%llu", (unsigned long long)(bytes / 2048 + 4096));
	if (kernel_fsconfig_string(fs, "source", "shm") < 0 ||
	    kernel_fsconfig_string(fs, "size", size) < 0 ||
	    kernel_fsconfig_string(fs, "nr_inodes", inodes) < 0 ||
	    kernel_fsconfig_string(fs, "mode", "1777") < 0 || kernel_fsconfig_create(fs) < 0)
		return err_sys(err, "tmpfs: fsconfig");
	mount = kernel_fsmount(fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return mount < 0 ? err_sys(err, "tmpfs: fsmount") : mount;
}

int hold_memory(struct child *c, struct err *err)
{
	auto_fd int slash = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (slash < 0)
		return err_sys(err, "/");
	if (kernel_mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(err, "/: private");
	c->root = make_memory(c->plan->hold_bytes, err);
	if (c->root < 0)
		return -1;
	return kernel_move_mount(c->root, slash) < 0 ? err_sys(err, "move_mount") : 0;
}

/* Root of the pod in name only: execve gives back nothing that is not in the bounding set. */
int hold_drop(struct child *c, struct err *err)
{
	(void)c;
	for (int cap = 0; cap < 64; cap++)
		if (prctl(PR_CAPBSET_DROP, cap) < 0 && errno != EINVAL)
			return err_sys(err, "bounding set: capability %d", cap);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(err, "no_new_privs");
	return 0;
}

int hold_become(struct child *c, struct err *err)
{
	static char *const argv[] = { (char *)(uintptr_t) "cleat-runtime",
				      (char *)(uintptr_t) "hold", NULL };
	static char *const env[] = { NULL };

	(void)c;
	syscall(SYS_execveat, PROGRAM_FD, "", argv, env, AT_EMPTY_PATH);
	return err_sys(err, "cleat-runtime");
}
