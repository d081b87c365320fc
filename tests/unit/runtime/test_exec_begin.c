/* SPDX-License-Identifier: Apache-2.0 */
/* A process that is born inside and becomes a program there: what it became, and what is said when it did not. */
#include "runtime/kernel.h"

#include "runtime_test.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "runtime/limits.h"
#include "runtime/runtime.h"
#include "util/file.h"
#include "util/str.h"

#define CONFIG                                                                           \
	"{\"ociVersion\":\"1.1.0\",\"process\":{\"args\":[\"/bin/true\"],\"cwd\":\"/\"," \
	"\"env\":[\"WORD=told\"],\"user\":{\"uid\":0,\"gid\":0}},"                       \
	"\"root\":{\"path\":\"rootfs\"},\"linux\":{"                                     \
	"\"uidMappings\":[{\"containerID\":0,\"hostID\":65000,\"size\":1}],"             \
	"\"gidMappings\":[{\"containerID\":0,\"hostID\":65000,\"size\":1}],"             \
	"\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"pid\"},{\"type\":\"user\"}]}}"

/* The container: a process in namespaces of its own, and a cgroup. */
static struct world {
	pid_t pid;
	int pidfd, cgroup, output[2];
	char cgroup_path[PATH_MAX];
} world;

static void write_map(const char *file)
{
	char path[64];
	struct err err;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)world.pid, file);
	if (file_write_text_at(AT_FDCWD, path, "0 65000 1", &err) < 0)
		fail_msg("%s: %s", path, err.msg);
}

static void bear_container(void)
{
	struct clone_args args = { .flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID |
					    CLONE_PIDFD,
				   .pidfd = (uint64_t)(uintptr_t)&world.pidfd,
				   .exit_signal = SIGCHLD };

	world.pid = kernel_clone3(&args);
	assert_true(world.pid >= 0);
	while (world.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		pause();
	}
	write_map("uid_map");
	write_map("gid_map");
}

static int world_setup(void **state)
{
	char mount[PATH_MAX / 2];
	struct err err;

	if (geteuid() != 0)
		skip();
	if (scratch_setup(state) < 0 || limits_find_mount(mount, sizeof(mount), &err) < 0)
		return -1;
	snprintf(world.cgroup_path, sizeof(world.cgroup_path), "%s/cleat-unit-%d", mount,
		 (int)getpid());
	if (mkdir(world.cgroup_path, 0755) < 0 || pipe2(world.output, O_CLOEXEC) < 0)
		return -1;
	world.cgroup = open(world.cgroup_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	write_text("config.json", CONFIG);
	bear_container();
	return world.cgroup < 0 ? -1 : 0;
}

static int world_teardown(void **state)
{
	kill(world.pid, SIGKILL);
	/* whoever else is in its pid namespace: before that it does not end */
	while (waitpid(-1, NULL, 0) > 0)
		;
	close(world.pidfd);
	close(world.cgroup);
	close(world.output[0]);
	close(world.output[1]);
	/* whoever was waited for may still count for a moment */
	for (int i = 0; rmdir(world.cgroup_path) < 0; i++)
		if (errno != EBUSY || i == 1000 || usleep(1000) < 0)
			return -1;
	return scratch_teardown(state);
}

/* --- what comes first in the new process --- */

/* From the first moment on nobody inside may look into it (ptrace(2)). */
static int ready(struct runtime_exec *exec, void *arg, struct err *err)
{
	(void)exec;
	(void)arg;
	return prctl(PR_GET_DUMPABLE) ? err_set(err, ERR_BUG, "it can be looked into") : 0;
}

static int refuse(struct runtime_exec *exec, void *arg, struct err *err)
{
	(void)exec;
	return err_set(err, ERR_LIMIT, "%s", (const char *)arg);
}

static int die(struct runtime_exec *exec, void *arg, struct err *err)
{
	(void)exec;
	(void)arg;
	(void)err;
	raise(SIGKILL);
	return 0;
}

/* As the shim's: other numbers than the caller's, all else closed. */
static int move(struct runtime_exec *exec, void *arg, struct err *err)
{
	(void)arg;
	if (dup2(exec->stdio[1], 1) < 0 || dup2(exec->target_pidfd, 3) < 0 ||
	    syscall(SYS_close_range, 4u, ~0u, 0) < 0)
		return err_sys(err, "descriptors");
	exec->stdio[0] = exec->stdio[1] = exec->stdio[2] = 1;
	exec->target_pidfd = 3;
	return 0;
}

/* As a probe's: in their places already; what would close them at execve is taken back. */
static int in_place(struct runtime_exec *exec, void *arg, struct err *err)
{
	(void)arg;
	for (int fd = 0; fd < 3; fd++)
		if (dup3(exec->stdio[1], fd, O_CLOEXEC) < 0)
			return err_sys(err, "descriptors");
	for (int fd = 0; fd < 3; fd++)
		exec->stdio[fd] = fd;
	return 0;
}

typedef int early_fn(struct runtime_exec *exec, void *arg, struct err *err);

static struct runtime_exec exec_of(const char *const *argv)
{
	return (struct runtime_exec){ .config_path = in_scratch("config.json"),
				      .cache_dir = scratch,
				      .target_pidfd = world.pidfd,
				      .cgroup_fd = world.cgroup,
				      .argv = argv,
				      .stdio = { world.output[1], world.output[1],
						 world.output[1] } };
}

static void assert_own_pid_namespace(void)
{
	char own[64] = "", children[64] = "";

	assert_true(readlink("/proc/self/ns/pid", own, sizeof(own) - 1) > 0);
	assert_true(readlink("/proc/self/ns/pid_for_children", children, sizeof(children) - 1) > 0);
	assert_string_equal(own, children);
}

/* Returns how the process ended; err of the outcome. */
static siginfo_t run(const struct runtime_exec *exec, early_fn *early, void *arg, int *rc,
		     struct err *err)
{
	static struct runtime_joiner joiner = RUNTIME_JOINER_INIT; /* one after the other */
	siginfo_t end = { 0 };

	if (runtime_exec_begin(exec, early, arg, &joiner, err) < 0)
		fail_msg("%s", err->msg);
	assert_true(joiner.proc.pid > 0);
	assert_own_pid_namespace();
	assert_int_equal(waitid(P_PIDFD, (id_t)joiner.proc.pidfd, &end, WEXITED), 0);
	close(joiner.proc.pidfd);
	*rc = runtime_exec_outcome(&joiner, err);
	return end;
}

static const char *output(void)
{
	static char text[1024];
	struct pollfd p = { .fd = world.output[0], .events = POLLIN };
	ssize_t n = poll(&p, 1, 0) > 0 ? read(world.output[0], text, sizeof(text) - 1) : 0;

	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static void assert_not_begun(const struct runtime_exec *exec, early_fn *early, void *arg,
			     const char *why)
{
	struct err err = { 0 };
	siginfo_t end;
	int rc;

	end = run(exec, early, arg, &rc, &err);
	assert_int_equal(rc, -1);
	if (!strstr(err.msg, why))
		fail_msg("\"%s\" does not say \"%s\"", err.msg, why);
	assert_true(early == die ? end.si_code == CLD_KILLED : end.si_status == 127);
}

static void it_becomes_the_program_inside(void **state)
{
	/* its ids there, a number of the container's, its environment, the group it was born in; no descriptor of ours beside ls' own */
	static const char script[] =
		"echo $(id -u):$(id -g) $(($$ < 100)) $WORD "
		"$(grep -c cleat-unit /proc/self/cgroup) $(ls /proc/self/fd | wc -l); exit 7";
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };
	struct runtime_exec exec = exec_of(argv);
	early_fn *const firsts[] = { ready, move, in_place };
	struct err err = { 0 };
	struct stat st;
	siginfo_t end;
	int rc;

	(void)state;
	for (size_t i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++) {
		end = run(&exec, firsts[i], NULL, &rc, &err);
		if (rc < 0)
			fail_msg("%s", err.msg);
		assert_int_equal(end.si_code, CLD_EXITED);
		assert_int_equal(end.si_status, 7);
		assert_string_equal(output(), "0:0 1 told 1 4\n");
	}
	/* else /dev/stdout could not be opened there */
	assert_int_equal(fstat(world.output[0], &st), 0);
	assert_int_equal(st.st_uid, 65000);
}

static void an_end_by_a_signal_is_the_programs(void **state)
{
	const char *const argv[] = { "/bin/sh", "-c", "kill -9 $$", NULL };
	struct runtime_exec exec = exec_of(argv);
	struct err err = { 0 };
	siginfo_t end;
	int rc;

	(void)state;
	end = run(&exec, ready, NULL, &rc, &err);
	assert_int_equal(rc, 0);
	assert_int_equal(end.si_code, CLD_KILLED);
	assert_int_equal(end.si_status, SIGKILL);
}

static void what_goes_wrong_inside_is_said(void **state)
{
	static char why[] = "no place";
	const char *const shell[] = { "/bin/sh", "-c", "exit 0", NULL };
	const char *const missing[] = { "/no/such", NULL };
	const char *const none[] = { NULL };
	struct runtime_exec exec = exec_of(shell);

	(void)state;
	assert_not_begun(&exec, refuse, why, "no place");
	assert_not_begun(&exec, die, NULL, "plan: killed before the program started");
	exec.argv = missing;
	assert_not_begun(&exec, ready, NULL, "/no/such: No such file or directory");
	exec.argv = none;
	assert_not_begun(&exec, ready, NULL, "no program to run");
	exec.argv = shell;
	exec.stdio[1] = 999;
	assert_not_begun(&exec, ready, NULL, "descriptor 1: Bad file descriptor");
	exec = exec_of(shell);
	exec.config_path = in_scratch("other.json");
	assert_not_begun(&exec, ready, NULL, "other.json");
	write_text("config.json", "{");
	exec = exec_of(shell);
	assert_not_begun(&exec, ready, NULL, "config.json");
	assert_string_equal(output(), "");
}

static void without_a_container_nobody_is_born(void **state)
{
	const char *const argv[] = { "/bin/true", NULL };
	struct runtime_exec exec = exec_of(argv);
	struct runtime_joiner joiner = RUNTIME_JOINER_INIT;
	struct err err = { 0 };
	siginfo_t info;

	(void)state;
	exec.cgroup_fd = -1;
	assert_int_equal(runtime_exec_begin(&exec, ready, NULL, &joiner, &err), -1);
	assert_non_null(strstr(err.msg, "clone3"));
	assert_own_pid_namespace();
	exec = exec_of(argv);
	kill(world.pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)world.pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(runtime_exec_begin(&exec, ready, NULL, &joiner, &err), -1);
	assert_true(err.msg[0] != '\0');
	assert_int_equal(joiner.proc.pidfd, -1);
	assert_own_pid_namespace();
	runtime_joiner_fini(&joiner);
	assert_null(joiner.report);
	assert_int_equal(joiner.pid_namespace, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_becomes_the_program_inside, world_setup,
						world_teardown),
		cmocka_unit_test_setup_teardown(an_end_by_a_signal_is_the_programs, world_setup,
						world_teardown),
		cmocka_unit_test_setup_teardown(what_goes_wrong_inside_is_said, world_setup,
						world_teardown),
		cmocka_unit_test_setup_teardown(without_a_container_nobody_is_born, world_setup,
						world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
