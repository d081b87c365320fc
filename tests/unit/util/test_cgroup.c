/* SPDX-License-Identifier: Apache-2.0 */
/* The cgroup v2 tree of this machine (made and removed below our own name), and limits read from
 * a tree of plain files. */
#include "unit_test.h"

#include <errno.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "scratch.h"
#include "util/cgroup.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/proc.h"
#include "util/str.h"

static char mount_point[256];

static void need_cgroup2(void)
{
	struct err err = { 0 };

	if (cgroup_find_mount(mount_point, sizeof(mount_point), &err) < 0) {
		print_message("%s\n", err.msg);
		skip();
	}
}

static void mount_point_is_cgroup2(void **state)
{
	struct statfs fs;
	struct err err = { 0 };
	char tiny[3];

	(void)state;
	need_cgroup2();
	assert_int_equal(statfs(mount_point, &fs), 0);
	assert_true(fs.f_type == CGROUP2_SUPER_MAGIC);
	assert_int_equal(cgroup_find_mount(tiny, sizeof(tiny), &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
}

static void group_of_a_process(void **state)
{
	char own[4096], same[4096], tiny[1], path[8192];
	struct err err = { 0 };

	(void)state;
	need_cgroup2();
	assert_int_equal(cgroup_of_pid(0, own, sizeof(own), &err), 0);
	assert_int_equal(cgroup_of_pid(getpid(), same, sizeof(same), &err), 0);
	assert_string_equal(own, same);
	assert_int_not_equal(own[0], '/');
	snprintf(path, sizeof(path), "%s/%s/cgroup.procs", mount_point, own);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(cgroup_of_pid(0x3fffffff, same, sizeof(same), &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	if (own[0]) {
		assert_int_equal(cgroup_of_pid(0, tiny, sizeof(tiny), &err), -1);
		assert_int_equal(err.code, ERR_LIMIT);
	}
}

static void missing_groups_are_made_on_demand_only(void **state)
{
	char rel[64], path[400];
	struct err err = { 0 };

	(void)state;
	need_cgroup2();
	snprintf(rel, sizeof(rel), "cleat-unit-%ld/a/b", (long)getpid());
	assert_int_equal(cgroup_open(mount_point, rel, false, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	auto_fd int fd = cgroup_open(mount_point, rel, true, &err);
	auto_fd int again = cgroup_open(mount_point, rel, true, &err);
	for (int level = 0; level < 3; level++) {
		snprintf(path, sizeof(path), "%s/%s", mount_point, rel);
		assert_int_equal(rmdir(path), 0);
		if (level < 2)
			*strrchr(rel, '/') = '\0';
	}
	assert_true(fd >= 0 && again >= 0);
	auto_fd int root = cgroup_open(mount_point, "", false, &err);
	assert_true(root >= 0);
}

static void endless_names_are_refused(void **state)
{
	char name[5000];
	struct err err = { 0 };

	(void)state;
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(cgroup_open("/nonexistent", name, false, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	assert_int_equal(cgroup_open("/nonexistent", name, true, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
}

/* Waits for the kernel's own notice that the group is empty. */
static void wait_until_empty(int dir)
{
	auto_fd int events = openat(dir, "cgroup.events", O_RDONLY | O_CLOEXEC);
	struct pollfd pfd = { .fd = events, .events = POLLPRI };
	struct err err = { 0 };
	char text[256];

	while (cgroup_is_populated(dir, &err) == 1) {
		/* a notice needs a read before it; one that came between is not lost */
		assert_true(pread(events, text, sizeof(text), 0) > 0);
		if (cgroup_is_populated(dir, &err) == 1)
			assert_int_equal(poll(&pfd, 1, 10000), 1);
	}
}

static void killing_ends_all_that_live_in_it(void **state)
{
	/* what a shell starts with & reads /dev/null, unless told otherwise */
	char *argv[] = { "sh", "-c", "exec 3<&0; cat <&3 & cat <&3 & wait", NULL };
	char *envp[] = { "PATH=/usr/bin:/bin", NULL };
	struct proc_spawn spawn = { .path = "/bin/sh", .argv = argv, .envp = envp, .fd_count = 1 };
	char rel[64], path[400];
	struct err err = { 0 };
	struct proc proc;
	siginfo_t info;
	int ends[2];

	(void)state;
	need_cgroup2();
	snprintf(rel, sizeof(rel), "cleat-unit-%ld", (long)getpid());
	snprintf(path, sizeof(path), "%s/%s", mount_point, rel);
	auto_fd int dir = cgroup_open(mount_point, rel, true, &err);
	assert_true(dir >= 0);
	auto_fd int events = cgroup_open_events(dir, &err);
	assert_int_equal(cgroup_is_populated(dir, &err), 0);
	assert_int_equal(cgroup_events_populated(events, &err), 0);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	spawn.fds[0] = ends[0];
	spawn.cgroup_fd = dir;
	assert_int_equal(proc_spawn(&spawn, &proc, &err), 0);
	assert_int_equal(cgroup_is_populated(dir, &err), 1);
	assert_int_equal(cgroup_events_populated(events, &err),
			 1); /* asked again, it is as it is now */
	assert_int_equal(cgroup_kill(dir, &err), 0);
	assert_int_equal(waitid(P_PIDFD, (id_t)proc.pidfd, &info, WEXITED), 0);
	assert_int_equal(info.si_status, SIGKILL);
	close(proc.pidfd);
	close(ends[0]);
	close(ends[1]);
	wait_until_empty(dir);
	assert_int_equal(rmdir(path), 0);
}

static void controllers_that_are_told_are_on(void **state)
{
	struct cgroup_controllers c;
	auto_buf on = BUF_INIT(4096);
	char rel[64], path[400];
	struct err err = { 0 };

	(void)state;
	need_cgroup2();
	snprintf(rel, sizeof(rel), "cleat-unit-%ld", (long)getpid());
	snprintf(path, sizeof(path), "%s/%s", mount_point, rel);
	auto_fd int dir = cgroup_open(mount_point, rel, true, &err);
	assert_true(dir >= 0);

	int rc = cgroup_delegate(dir, &c, &err);

	if (rc == 0)
		rc = file_read_at(dir, "cgroup.subtree_control", 4096, &on, &err);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rc, 0);
	assert_int_equal(c.memory, strstr(buf_str(&on), "memory") != NULL);
	assert_int_equal(c.pids, strstr(buf_str(&on), "pids") != NULL);
	assert_int_equal(c.io, strstr(buf_str(&on), "io") != NULL);
}

static void delegation_outside_a_cgroup_tree_is_an_error(void **state)
{
	struct scratch *s = *state;
	struct cgroup_controllers c = { .cpu = true };
	struct err err = { 0 };

	assert_int_equal(cgroup_delegate(s->fd, &c, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_false(c.cpu);
	assert_int_equal(cgroup_is_populated(s->fd, &err), -1);
	assert_int_equal(cgroup_kill(s->fd, &err), -1);
	/* what is on is told by the kernel's answer to the write, one controller at a time */
	scratch_write(s, "cgroup.controllers", "cpuset cpu io memoryfoo pids\n");
	scratch_write(s, "cgroup.subtree_control", "");
	assert_int_equal(cgroup_delegate(s->fd, &c, &err), 0);
	assert_true(c.cpu && c.io && c.pids);
	assert_false(c.memory);
}

static uint64_t memory_total(void)
{
	auto_buf text = BUF_INIT(65536);
	struct err err = { 0 };
	const char *p;

	assert_int_equal(file_read_at(AT_FDCWD, "/proc/meminfo", 65536, &text, &err), 0);
	p = strstr(buf_str(&text), "MemTotal:");
	assert_non_null(p);
	return strtoull(p + 9, NULL, 10) * 1024;
}

/* Below the scratch directory: the path of our own group, with a limit at its end and its top. */
static void limit_is_the_least_of_all_ancestors_and_memory(void **state)
{
	struct scratch *s = *state;
	char own[3000], path[4096];
	struct err err = { 0 };

	assert_true(cgroup_memory_limit(s->path) == memory_total());
	scratch_write(s, "memory.max", "max\n");
	assert_true(cgroup_memory_limit(s->path) == memory_total());
	scratch_write(s, "memory.max", "9223372036854771712\n");
	assert_true(cgroup_memory_limit(s->path) == memory_total());
	scratch_write(s, "memory.max", "67108864\n");
	assert_true(cgroup_memory_limit(s->path) == 67108864);
	if (cgroup_of_pid(0, own, sizeof(own), &err) < 0 || !own[0])
		return;
	snprintf(path, sizeof(path), "%s/%s", s->path, own);
	if (mkdir(path, 0755) < 0 && errno == ENOENT)
		return; /* nested deeper than one group: the top has been shown */
	snprintf(path, sizeof(path), "%s/memory.max", own);
	scratch_write(s, path, "33554432\n");
	assert_true(cgroup_memory_limit(s->path) == 33554432);
	scratch_write(s, path, "134217728\n");
	assert_true(cgroup_memory_limit(s->path) == 67108864);
}

/* "There is none" means that nothing has to be killed: it must not be said of one that could not be looked for. */
static void a_run_that_cannot_be_looked_for_is_not_absent(void **state)
{
	static const char *const folders[] = { "cleat", "cleat/c", "cleat/c/pod-a", "cleat/c/pod-b",
					       "cleat/c/pod-b/run" };
	struct scratch *s = *state;
	struct rlimit before, few;
	struct err err = { 0 };
	int parent = -1, lowest = dup(STDERR_FILENO), fd;

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		scratch_mkdir(s, folders[i]);
	close(lowest);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	for (rlim_t spare = 0; spare < 4; spare++) {
		few.rlim_cur = (rlim_t)lowest + spare;
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
		fd = cgroup_open_run(s->path, "run", &parent, &err);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
		assert_int_equal(fd, -1);
		assert_int_equal(err.code, ERR_SYS);
		assert_int_equal(err.sys_errno, EMFILE);
	}
	fd = cgroup_open_run(s->path, "run", &parent, &err);
	assert_true(fd >= 0 && parent >= 0);
	assert_int_equal(faccessat(parent, "run", F_OK, 0), 0);
	close(fd);
	close(parent);
	assert_int_equal(cgroup_open_run(s->path, "none", NULL, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mount_point_is_cgroup2),
		cmocka_unit_test(group_of_a_process),
		cmocka_unit_test(missing_groups_are_made_on_demand_only),
		cmocka_unit_test(endless_names_are_refused),
		cmocka_unit_test(killing_ends_all_that_live_in_it),
		cmocka_unit_test(controllers_that_are_told_are_on),
		scratch_test(delegation_outside_a_cgroup_tree_is_an_error),
		scratch_test(limit_is_the_least_of_all_ancestors_and_memory),
		scratch_test(a_run_that_cannot_be_looked_for_is_not_absent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
