/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One measured start: from just before a program is spawned to the moment that
 * the container it starts has written into a stamp file (stamp.c, floor.c).
 * Prints microseconds, and for how many of them somebody had to wait for a processor that another
 * used; "-" where the kernel does not count that (PSI).
 *
 *   latency STAMP [--shim RUN-DIR] [--hide-cgroup2 V1 V2] -- PROGRAM [WORD...]
 *
 * --shim: as the engine starts one: listening control socket RUN-DIR/ctl as
 * descriptor 3, born in the shims' cgroup, no environment.
 * --hide-cgroup2: in a mount namespace of its own where V1 is bound over V2
 * (crun 1.8 gives up on a hybrid cgroup tree).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "util/buf.h"
#include "util/cgroup.h"
#include "util/file.h"
#include "util/places.h"
#include "util/proc.h"
#include "util/str.h"

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now_nsec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void hide_cgroup2(const char *v1, const char *v2)
{
	if (unshare(CLONE_NEWNS) < 0 ||
	    syscall(SYS_mount, NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    syscall(SYS_mount, v1, v2, NULL, MS_BIND, NULL) < 0)
		die("hide cgroup2");
}

static int listen_ctl(const char *run_dir)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/ctl", run_dir);
	unlink(address.sun_path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 4) < 0)
		die("ctl");
	return fd;
}

static int shims_cgroup(void)
{
	char mount[4096];
	struct err err;
	int fd;

	if (cgroup_find_mount(mount, sizeof(mount), &err) < 0)
		return -1;
	fd = cgroup_open(mount, CLEAT_CGROUP_SHIMS, true, &err);
	if (fd < 0)
		fprintf(stderr, "latency: %s\n", err.msg);
	return fd;
}

/* Told by the kernel, so that waiting costs no processor time. */
static int watch_directory_of(const char *path)
{
	char directory[4096];
	int fd = inotify_init1(IN_CLOEXEC);
	const char *slash = strrchr(path, '/');

	if (!slash || (size_t)(slash - path) >= sizeof(directory)) {
		fprintf(stderr, "latency: %s: not an absolute path\n", path);
		exit(64);
	}
	memcpy(directory, path, (size_t)(slash - path));
	directory[slash - path] = '\0';
	if (fd < 0 || inotify_add_watch(fd, directory, IN_CLOSE_WRITE) < 0)
		die(path);
	return fd;
}

/* The stamp, or the end without one. */
static void wait_for_stamp(int watch, const struct proc *proc)
{
	struct pollfd fds[] = { { .fd = watch, .events = POLLIN },
				{ .fd = proc->pidfd, .events = POLLIN } };

	while (poll(fds, 2, -1) < 0 && errno == EINTR)
		;
}

static void wait_for(const struct proc *proc)
{
	siginfo_t info = { 0 };

	if (waitid(P_PIDFD, (id_t)proc->pidfd, &info, WEXITED) < 0)
		die("waitid");
	if (info.si_code != CLD_EXITED || info.si_status != 0) {
		fprintf(stderr, "latency: the program ended with %d\n", info.si_status);
		exit(1);
	}
}

static uint64_t read_stamp(const char *path)
{
	auto_buf text = BUF_INIT(64);
	struct err err;
	uint64_t stamp;

	if (file_read_at(AT_FDCWD, path, 64, &text, &err) < 0 || !text.len) {
		fprintf(stderr, "latency: %s\n", err.msg);
		exit(1);
	}
	text.data[strcspn(text.data, "\n")] = '\0';
	if (!str_to_u64(text.data, UINT64_MAX, &stamp))
		die("stamp");
	return stamp;
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=1234": microseconds since boot. */
static bool read_stalled_usec(uint64_t *usec)
{
	auto_buf text = BUF_INIT(512);
	const char *total;
	struct err err;

	if (file_read_at(AT_FDCWD, "/proc/pressure/cpu", 512, &text, &err) < 0)
		return false;
	total = strstr(buf_str(&text), "total=");
	if (!total)
		return false;
	text.data[(size_t)(total - text.data) + strcspn(total, "\n")] = '\0';
	return str_to_u64(total + strlen("total="), UINT64_MAX, usec);
}

static void print_result(uint64_t usec, bool counted, uint64_t stalled_usec)
{
	if (counted)
		printf("%llu %llu\n", (unsigned long long)usec, (unsigned long long)stalled_usec);
	else
		printf("%llu -\n", (unsigned long long)usec);
}

int main(int argc, char **argv)
{
	struct proc_spawn spawn = { .cgroup_fd = -1, .fds = { -1, -1, 2, -1 }, .fd_count = 3 };
	char *const full[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	struct proc proc;
	struct err err;
	uint64_t begin, stalled_before = 0, stalled_after = 0;
	bool counted;
	int i = 2, watch;

	spawn.envp = full;
	for (; i < argc && !str_eq(argv[i], "--"); i++) {
		if (str_eq(argv[i], "--shim") && i + 1 < argc) {
			spawn.fds[3] = listen_ctl(argv[++i]);
			spawn.fd_count = 4;
			spawn.cgroup_fd = shims_cgroup();
			spawn.envp = NULL;
		} else if (str_eq(argv[i], "--hide-cgroup2") && i + 2 < argc) {
			hide_cgroup2(argv[i + 1], argv[i + 2]);
			i += 2;
		} else {
			return 64;
		}
	}
	if (i + 1 >= argc)
		return 64;
	spawn.path = argv[i + 1];
	spawn.argv = argv + i + 1;
	unlink(argv[1]);
	watch = watch_directory_of(argv[1]);
	counted = read_stalled_usec(&stalled_before);
	begin = now_nsec();
	if (proc_spawn(&spawn, &proc, &err) < 0) {
		fprintf(stderr, "latency: %s\n", err.msg);
		return 1;
	}
	wait_for_stamp(watch, &proc);
	counted = counted && read_stalled_usec(&stalled_after);
	wait_for(&proc);
	print_result((read_stamp(argv[1]) - begin) / 1000, counted, stalled_after - stalled_before);
	return 0;
}
