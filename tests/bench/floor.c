/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The least that a start can cost on this machine: clone3 with user, pid,
 * mount, ipc, uts, cgroup and network namespaces, id maps, the bind of one
 * directory, proc, two tmpfs, read-only, pivot_root, and stop where execve
 * would follow. Frozen: figures are compared with those of earlier versions.
 *
 *   floor DIRECTORY STAMP
 *
 * DIRECTORY has proc, tmp and run. The moment (CLOCK_MONOTONIC, nanoseconds, as
 * text) goes to the file STAMP.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DETACH 2 /* MNT_DETACH */

static const char id_map[] = "0 65000 1\n1 1 64999\n65024 65024 512\n";

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	_exit(1);
}

static void must(long result, const char *what)
{
	if (result < 0)
		die(what);
}

static uint64_t now_nsec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static long do_mount(const char *source, const char *target, const char *type, unsigned long flags,
		     const char *data)
{
	return syscall(SYS_mount, source, target, type, flags, data);
}

static _Noreturn void child(const char *directory, int go, uint64_t *stamp)
{
	const unsigned long safe = MS_NOSUID | MS_NODEV;
	char byte;

	must(read(go, &byte, 1) - 1, "parent");
	must(setresgid(0, 0, 0), "setresgid");
	must(setresuid(0, 0, 0), "setresuid");
	must(do_mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private");
	must(do_mount(directory, directory, NULL, MS_BIND, NULL), "bind");
	must(chdir(directory), "chdir");
	must(do_mount("proc", "proc", "proc", safe | MS_NOEXEC, NULL), "proc");
	must(do_mount("tmpfs", "tmp", "tmpfs", safe, "mode=1777,size=64m"), "tmp");
	must(do_mount("tmpfs", "run", "tmpfs", safe, "mode=755,size=16m"), "run");
	must(do_mount(NULL, ".", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), "read-only");
	must(syscall(SYS_pivot_root, ".", "."), "pivot_root");
	must(syscall(SYS_umount2, ".", DETACH), "umount");
	must(sethostname("floor", 5), "sethostname");
	*stamp = now_nsec();
	_exit(0);
}

static void write_map(pid_t pid, const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	must(fd, path);
	must(write(fd, id_map, strlen(id_map)), path);
	close(fd);
}

static int save(const char *path, uint64_t stamp)
{
	FILE *file = fopen(path, "we");

	if (!file)
		die(path);
	fprintf(file, "%llu\n", (unsigned long long)stamp);
	return fclose(file) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct clone_args args = {
		.flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS |
			 CLONE_NEWCGROUP | CLONE_NEWNET,
		.exit_signal = SIGCHLD,
	};
	uint64_t *stamp = mmap(NULL, sizeof(*stamp), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int go[2], status;
	pid_t pid;

	if (argc != 3)
		return 64;
	if (stamp == MAP_FAILED)
		die("mmap");
	must(pipe2(go, O_CLOEXEC), "pipe");
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	must(pid, "clone3");
	if (pid == 0)
		child(argv[1], go[0], stamp);
	write_map(pid, "uid_map");
	write_map(pid, "gid_map");
	must(write(go[1], "x", 1), "go");
	must(waitpid(pid, &status, 0), "waitpid");
	return status == 0 ? save(argv[2], *stamp) : 1;
}
