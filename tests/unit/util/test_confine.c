/* SPDX-License-Identifier: Apache-2.0 */
/* Confinement seen from inside (what fails) and from outside (what /proc says). Every case runs in
 * a child: there is no way back. */
#include "unit_test.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "scratch.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/loop.h"
#include "util/proc.h"

#define NOBODY 65534

static const int with_open[] = { SYS_openat,   SYS_mkdirat, SYS_linkat, SYS_renameat,
				 SYS_unlinkat, SYS_execve,  -1 };

/* Ends the child with 200 and the reason on stderr when the confinement itself fails. */
static void confine_or_exit(struct proc_confine *c, const int *extra)
{
	struct err err = { 0 };

	c->syscalls = extra;
	if (proc_confine(c, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		_exit(200);
	}
}

/* Exit code of fn in a child, 128 + signal if it was killed. */
static int in_child(struct scratch *s, int (*fn)(struct scratch *))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGSYS, SIG_DFL);
		_exit(fn(s));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ------------------------------------------------------------------ from outside */

/* A confined child that waits; its /proc files go into out. */
static void observe(struct proc_confine *c, const char *file, struct buf *out, uid_t *owner)
{
	int ready[2], stop[2], status;
	struct err err = { 0 };
	char path[64], byte = 0;
	struct stat st;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(stop), 0);
	pid = fork();
	if (pid == 0) {
		close(stop[1]);
		confine_or_exit(c, NULL);
		if (write(ready[1], "y", 1) != 1)
			_exit(1);
		_exit(read(stop[0], &byte, 1) == 0 ? 0 : 1);
	}
	close(ready[1]);
	close(stop[0]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, file);
	assert_int_equal(file_read_at(AT_FDCWD, path, out->max, out, &err), 0);
	assert_int_equal(stat(path, &st), 0);
	if (owner)
		*owner = st.st_uid;
	close(ready[0]);
	close(stop[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void assert_has(const struct buf *text, const char *line)
{
	if (!strstr(buf_str(text), line))
		fail_msg("no line \"%s\" in:\n%s", line, buf_str(text));
}

static void nothing_is_left_of_root(void **state)
{
	struct proc_confine c = { .uid = NOBODY, .gid = NOBODY };
	auto_buf status = BUF_INIT(65536);
	uid_t owner = 1;

	(void)state;
	observe(&c, "status", &status, &owner);
	assert_has(&status, "\nUid:\t65534\t65534\t65534\t65534\n");
	assert_has(&status, "\nGid:\t65534\t65534\t65534\t65534\n");
	assert_has(&status, "\nGroups:\t \n");
	assert_has(&status, "\nCapInh:\t0000000000000000\n");
	assert_has(&status, "\nCapPrm:\t0000000000000000\n");
	assert_has(&status, "\nCapEff:\t0000000000000000\n");
	assert_has(&status, "\nCapBnd:\t0000000000000000\n");
	assert_has(&status, "\nCapAmb:\t0000000000000000\n");
	assert_has(&status, "\nNoNewPrivs:\t1\n");
	assert_has(&status, "\nSeccomp:\t2\n");
	/* not dumpable: its files in /proc are root's, so no neighbour of its uid gets at it */
	assert_int_equal(owner, 0);
}

static void kept_capabilities_are_the_only_ones(void **state)
{
	const int keep[] = { CAP_CHOWN, CAP_FOWNER, -1 };
	struct proc_confine c = { .uid = NOBODY, .gid = NOBODY, .keep_caps = keep };
	auto_buf status = BUF_INIT(65536);

	(void)state;
	observe(&c, "status", &status, NULL);
	assert_has(&status, "\nUid:\t65534\t65534\t65534\t65534\n");
	assert_has(&status, "\nCapInh:\t0000000000000000\n");
	assert_has(&status, "\nCapPrm:\t0000000000000009\n");
	assert_has(&status, "\nCapEff:\t0000000000000009\n");
	assert_has(&status, "\nCapBnd:\t0000000000000009\n");
}

static void kept_capabilities_can_stay_with_the_next_program(void **state)
{
	const int keep[] = { CAP_NET_BIND_SERVICE, CAP_NET_RAW, -1 };
	struct proc_confine c = {
		.uid = NOBODY, .gid = NOBODY, .keep_caps = keep, .keep_over_exec = true
	};
	auto_buf status = BUF_INIT(65536);

	(void)state;
	observe(&c, "status", &status, NULL);
	assert_has(&status, "\nCapInh:\t0000000000002400\n");
	assert_has(&status, "\nCapPrm:\t0000000000002400\n");
	assert_has(&status, "\nCapBnd:\t0000000000002400\n");
	assert_has(&status, "\nCapAmb:\t0000000000002400\n");
}

static void root_of_a_namespace_keeps_its_ids(void **state)
{
	const int keep[] = { CAP_DAC_OVERRIDE, -1 };
	struct proc_confine c = { .keep_caps = keep };
	auto_buf status = BUF_INIT(65536);

	(void)state;
	observe(&c, "status", &status, NULL);
	assert_has(&status, "\nUid:\t0\t0\t0\t0\n");
	assert_has(&status, "\nCapEff:\t0000000000000002\n");
	assert_has(&status, "\nCapBnd:\t0000000000000002\n");
	assert_has(&status, "\nSeccomp:\t2\n");
}

/* As the unpacker: a user namespace whose maps the parent wrote with setgroups denied. */
static int confine_in_namespace(struct scratch *s)
{
	struct proc_confine c = { .uid = 0 };
	struct err err = { 0 };

	(void)s;
	if (unshare(CLONE_NEWUSER) < 0 ||
	    file_write_text_at(AT_FDCWD, "/proc/self/setgroups", "deny", &err) < 0 ||
	    file_write_text_at(AT_FDCWD, "/proc/self/uid_map", "0 0 1", &err) < 0 ||
	    file_write_text_at(AT_FDCWD, "/proc/self/gid_map", "0 0 1", &err) < 0)
		return 10;
	confine_or_exit(&c, NULL);
	return getuid() == 0 ? 0 : 1;
}

static int drop_groups_then_confine_in_namespace(struct scratch *s)
{
	if (syscall(SYS_setgroups, 0, NULL) < 0)
		return 11;
	return confine_in_namespace(s);
}

static void namespace_that_denies_setgroups(void **state)
{
	(void)state;
	assert_int_equal(in_child(NULL, drop_groups_then_confine_in_namespace), 0);
}

static int supplementary_groups(struct scratch *s)
{
	const gid_t groups[] = { 100, 101 };
	const int extra[] = { SYS_getgroups, -1 };
	struct proc_confine c = { .uid = 0 };

	(void)s;
	if (syscall(SYS_setgroups, 2, groups) < 0)
		return 10;
	confine_or_exit(&c, extra);
	return getgroups(0, NULL);
}

static void root_of_a_namespace_keeps_no_groups(void **state)
{
	(void)state;
	assert_int_equal(in_child(NULL, supplementary_groups), 0);
}

static void limits_are_lowered(void **state)
{
	struct proc_confine c = {
		.uid = NOBODY, .gid = NOBODY, .max_fds = 17, .memory_max_bytes = UINT64_C(1) << 46
	};
	auto_buf limits = BUF_INIT(65536);

	(void)state;
	observe(&c, "limits", &limits, NULL);
	assert_has(&limits, "\nMax core file size        0                    0 ");
	assert_has(&limits, "\nMax open files            17                   17 ");
	assert_has(&limits, "\nMax address space         70368744177664       70368744177664 ");
}

static void limit_above_the_present_one_is_clamped(void **state)
{
	struct proc_confine first = { .uid = NOBODY, .gid = NOBODY, .max_fds = 1u << 31 };
	auto_buf limits = BUF_INIT(65536);
	auto_buf own = BUF_INIT(65536);
	struct err err = { 0 };
	const char *line;
	char soft[32], hard[32];

	(void)state;
	observe(&first, "limits", &limits, NULL);
	assert_int_equal(file_read_at(AT_FDCWD, "/proc/self/limits", own.max, &own, &err), 0);
	line = strstr(buf_str(&own), "\nMax open files");
	assert_non_null(line);
	/* the hard limit of before is both limits now */
	snprintf(hard, sizeof(hard), "%.*s", (int)strcspn(line + 48, " "), line + 48);
	line = strstr(buf_str(&limits), "\nMax open files");
	assert_non_null(line);
	snprintf(soft, sizeof(soft), "%.*s", (int)strcspn(line + 27, " "), line + 27);
	assert_string_equal(soft, hard);
}

/* ------------------------------------------------------------------ system calls */

static int forbidden_calls(struct scratch *s)
{
	struct proc_confine c = { .uid = NOBODY, .gid = NOBODY };
	char *argv[] = { "true", NULL };

	(void)s;
	confine_or_exit(&c, NULL);
	if (open("/etc/passwd", O_WRONLY | O_CLOEXEC) != -1 || errno != EPERM)
		return 1;
	if (open("/etc/passwd", O_RDONLY | O_CLOEXEC) != -1 || errno != EPERM)
		return 2;
	if (syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL) != -1 || errno != EPERM)
		return 3;
	if (execve("/bin/true", argv, argv + 1) != -1 || errno != EPERM)
		return 4;
	if (socket(AF_INET, SOCK_STREAM, 0) != -1 || errno != EPERM)
		return 5;
	if (kill(getppid(), 0) != -1 || errno != EPERM)
		return 6;
	if (unshare(CLONE_NEWUSER) != -1 || errno != EPERM)
		return 7;
	if (syscall(SYS_ptrace, 0, 0, 0, 0) != -1 || errno != EPERM)
		return 8;
	if (syscall(SYS_clone3, NULL, 0) != -1 || errno != EPERM)
		return 9;
	/* the filter cannot be taken off, nor privileges taken back */
	if (prctl(PR_SET_SECCOMP, 0, 0, 0, 0) != -1 || errno != EPERM)
		return 10;
	return setuid(0) == -1 && errno == EPERM ? 0 : 11;
}

static void unlisted_calls_fail(void **state)
{
	(void)state;
	assert_int_equal(in_child(NULL, forbidden_calls), 0);
}

static int signal_parent(bool is_asked)
{
	const int extra[] = { SYS_kill, -1 };
	struct proc_confine c = { .signals_others = is_asked };
	pid_t parent = getppid(); /* not a call that is allowed afterwards */

	confine_or_exit(&c, extra);
	return kill(parent, 0) == 0 ? 0 : errno;
}

static int signal_with_leave(struct scratch *s)
{
	(void)s;
	return signal_parent(true);
}

static int signal_without_leave(struct scratch *s)
{
	(void)s;
	return signal_parent(false);
}

/* Landlock keeps signals in since ABI 6, whatever the filter and the ids allow. */
static void signals_to_others_where_asked(void **state)
{
	(void)state;
	assert_int_equal(in_child(NULL, signal_with_leave), 0);
	assert_int_equal(in_child(NULL, signal_without_leave),
			 proc_landlock_abi() >= 6 ? EPERM : 0);
}

/* fcntl(2): a descriptor may send any signal to its owner, which root names freely. */
static _Noreturn void signal_by_descriptor(pid_t victim)
{
	/* Landlock is out of the way, as on kernels before 6.12 */
	struct proc_confine c = { .signals_others = true };
	int ends[2];

	if (pipe(ends) < 0)
		_exit(201);
	confine_or_exit(&c, NULL);
	fcntl(ends[0], F_SETOWN, victim);
	fcntl(ends[0], F_SETSIG, SIGKILL);
	fcntl(ends[0], F_SETFL, O_ASYNC);
	_exit(write(ends[1], "", 1) == 1 ? 0 : 202);
}

static int end_of_victim(struct scratch *s)
{
	pid_t victim = fork(), other;
	int status;

	(void)s;
	while (victim == 0)
		pause();
	other = fork();
	if (other == 0)
		signal_by_descriptor(victim);
	if (waitpid(other, &status, 0) != other || status != 0)
		return 1;
	kill(victim, SIGTERM);
	return waitpid(victim, &status, 0) == victim && WIFSIGNALED(status) ? WTERMSIG(status) : 2;
}

static int ordinary_fcntl(struct scratch *s)
{
	struct proc_confine c = { .uid = NOBODY, .gid = NOBODY };
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	int fd = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING), ends[2];

	(void)s;
	if (fd < 0 || pipe(ends) < 0)
		return 1;
	confine_or_exit(&c, NULL);
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_GETFD) != FD_CLOEXEC)
		return 2;
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 || !(fcntl(fd, F_GETFL) & O_NONBLOCK))
		return 3;
	if (fcntl(fd, F_SETLK, &lock) < 0)
		return 4;
	lock.l_start = 1; /* elsewhere: the two kinds are strangers to each other */
	if (fcntl(fd, F_OFD_SETLK, &lock) < 0)
		return 8;
	if (fcntl(fd, F_DUPFD, 0) < 0 || fcntl(fd, F_DUPFD_CLOEXEC, 0) < 0)
		return 5;
	if (fcntl(ends[0], F_SETPIPE_SZ, 8192) < 0 || fcntl(ends[0], F_GETPIPE_SZ) != 8192)
		return 6;
	return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) < 0 || fcntl(fd, F_GET_SEALS) < 0 ? 7 : 0;
}

static void descriptors_send_no_signals(void **state)
{
	(void)state;
	assert_int_equal(in_child(NULL, end_of_victim), SIGTERM);
	assert_int_equal(in_child(NULL, ordinary_fcntl), 0);
}

static int killed_by_open(struct scratch *s)
{
	struct proc_confine c = { .uid = NOBODY, .gid = NOBODY, .kill_on_violation = true };

	(void)s;
	confine_or_exit(&c, NULL);
	open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	return 1;
}

static void unlisted_calls_kill_where_asked(void **state)
{
	(void)state;
	assert_int_equal(in_child(NULL, killed_by_open), 128 + SIGSYS);
}

static int executable_memory(struct scratch *s)
{
	struct proc_confine c = { .uid = NOBODY, .gid = NOBODY };
	void *p;

	(void)s;
	confine_or_exit(&c, NULL);
	if (mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
	    MAP_FAILED)
		return 1;
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return 2;
	if (mprotect(p, 4096, PROT_READ | PROT_WRITE | PROT_EXEC) != -1)
		return 3;
	return mprotect(p, 4096, PROT_READ) == 0 ? 0 : 4;
}

static void memory_is_never_executable(void **state)
{
	(void)state;
	assert_int_equal(in_child(NULL, executable_memory), 0);
}

static void stop_now(struct loop *loop, usec_t now, void *arg)
{
	(void)now;
	(void)arg;
	loop_stop(loop);
}

/* All that workers do anyway, with death for the first call that is missing from the list. */
static int ordinary_work(struct scratch *s)
{
	struct proc_confine c = { .uid = NOBODY, .gid = NOBODY, .kill_on_violation = true };
	auto_file FILE *null = fopen("/dev/null", "w");
	auto_buf b = BUF_INIT(1 << 22);
	struct err err = { 0 };
	struct loop *loop;
	int ends[2];
	char *large;

	(void)s;
	if (!null || pipe(ends) < 0)
		return 10;
	confine_or_exit(&c, NULL);
	if (fprintf(null, "hello %d\n", 1) < 0 || fflush(null) != 0)
		return 1;
	for (int i = 0; i < 100000; i++)
		buf_printf(&b, "%d", i);
	large = calloc(1, 8 << 20);
	large = realloc(large, 32 << 20);
	if (!large)
		return 2;
	free(large);
	if (file_write_all(ends[1], "x", 1, &err) < 0)
		return 3;
	loop = loop_new(&err);
	if (!loop || !loop_add(loop, ends[0], EPOLLIN | EPOLLET, NULL, NULL, &err))
		return 4;
	loop_free(loop);
	loop = loop_new(&err);
	loop_timer(loop, clock_now_usec() + 500, stop_now, NULL);
	if (loop_run(loop, &err) < 0)
		return 5;
	loop_free(loop);
	return clock_real_usec() > 0 ? 0 : 6;
}

static void ordinary_work_needs_nothing_else(void **state)
{
	(void)state;
	assert_int_equal(in_child(NULL, ordinary_work), 0);
}

/* ------------------------------------------------------------------ Landlock */

static int check_paths(struct scratch *s)
{
	char reading[128], writing[128];
	const char *reads[] = { reading, NULL }, *writes[] = { writing, NULL };
	struct proc_confine c = {
		.uid = NOBODY, .gid = NOBODY, .read_paths = reads, .write_paths = writes
	};

	snprintf(reading, sizeof(reading), "%s/read", s->path);
	snprintf(writing, sizeof(writing), "%s/write", s->path);
	confine_or_exit(&c, with_open);
	if (openat(s->fd, "read/f", O_RDONLY | O_CLOEXEC) < 0)
		return 1;
	/* the modes of all files would allow everything here */
	if (openat(s->fd, "read/f", O_WRONLY | O_CLOEXEC) != -1 || errno != EACCES)
		return 2;
	if (openat(s->fd, "read/new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) != -1 ||
	    errno != EACCES)
		return 3;
	if (openat(s->fd, "other/f", O_RDONLY | O_CLOEXEC) != -1 || errno != EACCES)
		return 4;
	if (openat(s->fd, "write/../other/f", O_RDONLY | O_CLOEXEC) != -1 || errno != EACCES)
		return 5;
	if (openat(s->fd, "write/link", O_RDONLY | O_CLOEXEC) != -1 || errno != EACCES)
		return 6;
	if (open("/etc/passwd", O_RDONLY | O_CLOEXEC) != -1 || errno != EACCES)
		return 7;
	if (openat(s->fd, "write/new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0)
		return 8;
	/* what an unpacker does: links and renames between directories */
	if (mkdirat(s->fd, "write/a", 0755) < 0 || mkdirat(s->fd, "write/b", 0755) < 0)
		return 9;
	if (linkat(s->fd, "write/new", s->fd, "write/a/hard", 0) < 0)
		return 10;
	if (renameat(s->fd, "write/a/hard", s->fd, "write/b/moved") < 0)
		return 11;
	if (linkat(s->fd, "read/f", s->fd, "write/stolen", 0) == 0)
		return 12;
	if (unlinkat(s->fd, "read/f", 0) == 0)
		return 13;
	char *argv[] = { "true", NULL };
	return execve("/bin/true", argv, argv + 1) == -1 && errno == EACCES ? 0 : 14;
}

static void make_open_dir(const struct scratch *s, const char *rel)
{
	scratch_mkdir(s, rel);
	assert_int_equal(fchmodat(s->fd, rel, 0777, 0), 0);
}

static void landlock_setup(struct scratch *s)
{
	if (proc_landlock_abi() < 2) {
		print_message("this kernel's Landlock ABI is %d: paths are not confined\n",
			      proc_landlock_abi());
		skip();
	}
	assert_int_equal(fchmod(s->fd, 0755), 0);
	make_open_dir(s, "read");
	make_open_dir(s, "write");
	make_open_dir(s, "other");
	scratch_write(s, "read/f", "x");
	scratch_write(s, "other/f", "x");
	assert_int_equal(fchmodat(s->fd, "read/f", 0666, 0), 0);
	assert_int_equal(fchmodat(s->fd, "other/f", 0666, 0), 0);
	scratch_link(s, "../other/f", "write/link");
}

static void paths_are_confined(void **state)
{
	landlock_setup(*state);
	assert_int_equal(in_child(*state, check_paths), 0);
}

static int check_no_paths(struct scratch *s)
{
	struct proc_confine c = { .uid = NOBODY, .gid = NOBODY };

	confine_or_exit(&c, with_open);
	if (openat(s->fd, "read/f", O_RDONLY | O_CLOEXEC) != -1 || errno != EACCES)
		return 1;
	return open("/", O_RDONLY | O_CLOEXEC) == -1 && errno == EACCES ? 0 : 2;
}

static void no_list_permits_nothing(void **state)
{
	landlock_setup(*state);
	assert_int_equal(in_child(*state, check_no_paths), 0);
}

static int check_single_file(struct scratch *s)
{
	char file[128];
	const char *reads[] = { file, "/dev/null", NULL };
	struct proc_confine c = { .uid = NOBODY, .gid = NOBODY, .read_paths = reads };

	snprintf(file, sizeof(file), "%s/read/f", s->path);
	confine_or_exit(&c, with_open);
	if (openat(s->fd, "read/f", O_RDONLY | O_CLOEXEC) < 0)
		return 1;
	if (open("/dev/null", O_RDONLY | O_CLOEXEC) < 0)
		return 2;
	return openat(s->fd, "read", O_RDONLY | O_CLOEXEC) == -1 && errno == EACCES ? 0 : 3;
}

static void single_files_can_be_listed(void **state)
{
	landlock_setup(*state);
	assert_int_equal(in_child(*state, check_single_file), 0);
}

/* What the kernel would run if it were a program, and what it does not even look at. */
static int check_execution(struct scratch *s)
{
	static const int with_execve[] = { SYS_openat, SYS_execve, -1 };
	char allowed[PATH_MAX], inside[PATH_MAX], outside[PATH_MAX];
	const char *executes[] = { allowed, NULL };
	char *argv[] = { "f", NULL };
	struct proc_confine c = { .uid = NOBODY, .gid = NOBODY, .exec_paths = executes };

	snprintf(allowed, sizeof(allowed), "%s/read", s->path);
	snprintf(inside, sizeof(inside), "%s/read/f", s->path);
	snprintf(outside, sizeof(outside), "%s/other/f", s->path);
	if (chmod(inside, 0755) < 0 || chmod(outside, 0755) < 0)
		return 10;
	confine_or_exit(&c, with_execve);
	if (execve(outside, argv, NULL) != -1 || errno != EACCES)
		return 1;
	if (execve(inside, argv, NULL) != -1 || errno != ENOEXEC)
		return 2;
	if (openat(s->fd, "read/f", O_RDONLY | O_CLOEXEC) < 0)
		return 3;
	return openat(s->fd, "read/f", O_WRONLY | O_CLOEXEC) == -1 && errno == EACCES ? 0 : 4;
}

static void only_listed_programs_can_be_executed(void **state)
{
	landlock_setup(*state);
	assert_int_equal(in_child(*state, check_execution), 0);
}

static int check_list(struct scratch *s)
{
	const char *lists[] = { s->path, NULL };
	struct proc_confine c = { .uid = NOBODY, .gid = NOBODY, .list_paths = lists };

	confine_or_exit(&c, with_open);
	if (openat(s->fd, "read", O_RDONLY | O_DIRECTORY | O_CLOEXEC) < 0)
		return 1;
	if (openat(s->fd, "read/f", O_RDONLY | O_CLOEXEC) != -1 || errno != EACCES)
		return 2;
	if (openat(s->fd, "read/f", O_WRONLY | O_CLOEXEC) != -1 || errno != EACCES)
		return 3;
	return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC) == -1 && errno == EACCES ? 0 : 4;
}

static void names_can_be_listed_where_files_cannot_be_read(void **state)
{
	landlock_setup(*state);
	assert_int_equal(in_child(*state, check_list), 0);
}

/* By the filter alone, which every kernel has: EPERM, where Landlock would say EACCES. */
static int check_folders_only(struct scratch *s)
{
	static const char *const lists[] = { "/", NULL };
	struct proc_confine c = { .list_paths = lists, .opens_folders_only = true };

	confine_or_exit(&c, NULL);
	if (openat(s->fd, "folder", O_RDONLY | O_DIRECTORY | O_CLOEXEC) < 0)
		return 1;
	if (openat(s->fd, "file", O_RDONLY | O_CLOEXEC) != -1 || errno != EPERM)
		return 2;
	if (openat(s->fd, "file", O_RDWR | O_DIRECTORY | O_CLOEXEC) != -1 || errno != EPERM)
		return 3;
	if (openat(s->fd, "new", O_CREAT | O_DIRECTORY | O_CLOEXEC, 0600) != -1 || errno != EPERM)
		return 4;
	if (openat(s->fd, "folder", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) != -1 || errno != EPERM)
		return 5;
	return openat(s->fd, "file", O_RDONLY | O_DIRECTORY | O_CLOEXEC) == -1 && errno == ENOTDIR ?
		       0 :
		       6;
}

static void only_folders_can_be_opened_where_asked(void **state)
{
	scratch_mkdir(*state, "folder");
	scratch_write(*state, "file", "x");
	assert_int_equal(in_child(*state, check_folders_only), 0);
}

/* ------------------------------------------------------------------ errors */

static int expect_error(struct proc_confine *c, const char *text)
{
	struct err err = { 0 };

	if (proc_confine(c, &err) == 0)
		return 1;
	if (strcmp(err.msg, text) != 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 2;
	}
	return 0;
}

static int missing_path(struct scratch *s)
{
	const char *reads[] = { "/nonexistent/dir", NULL };
	struct proc_confine c = { .uid = NOBODY, .gid = NOBODY, .read_paths = reads };

	(void)s;
	return expect_error(&c,
			    "confine: landlock: /nonexistent/dir: open: No such file or directory");
}

static int no_right_to_change_ids(struct scratch *s)
{
	struct proc_confine c = { .uid = 1000, .gid = 1000 };

	(void)s;
	if (setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
		return 10;
	return expect_error(&c, "confine: ids: setgroups: Operation not permitted");
}

static int no_right_to_keep_caps(struct scratch *s)
{
	const int keep[] = { CAP_CHOWN, -1 };
	struct proc_confine c = { .keep_caps = keep };

	(void)s;
	if (syscall(SYS_setgroups, 0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
		return 10;
	return expect_error(&c, "confine: capabilities: capset: Operation not permitted");
}

static void failing_steps_are_named(void **state)
{
	(void)state;
	if (proc_landlock_abi() > 0)
		assert_int_equal(in_child(NULL, missing_path), 0);
	assert_int_equal(in_child(NULL, no_right_to_change_ids), 0);
	assert_int_equal(in_child(NULL, no_right_to_keep_caps), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_left_of_root),
		cmocka_unit_test(kept_capabilities_are_the_only_ones),
		cmocka_unit_test(kept_capabilities_can_stay_with_the_next_program),
		cmocka_unit_test(root_of_a_namespace_keeps_its_ids),
		cmocka_unit_test(namespace_that_denies_setgroups),
		cmocka_unit_test(root_of_a_namespace_keeps_no_groups),
		cmocka_unit_test(limits_are_lowered),
		cmocka_unit_test(limit_above_the_present_one_is_clamped),
		cmocka_unit_test(unlisted_calls_fail),
		cmocka_unit_test(unlisted_calls_kill_where_asked),
		cmocka_unit_test(signals_to_others_where_asked),
		cmocka_unit_test(descriptors_send_no_signals),
		cmocka_unit_test(memory_is_never_executable),
		cmocka_unit_test(ordinary_work_needs_nothing_else),
		scratch_test(paths_are_confined),
		scratch_test(no_list_permits_nothing),
		scratch_test(single_files_can_be_listed),
		scratch_test(only_listed_programs_can_be_executed),
		scratch_test(names_can_be_listed_where_files_cannot_be_read),
		scratch_test(only_folders_can_be_opened_where_asked),
		cmocka_unit_test(failing_steps_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
