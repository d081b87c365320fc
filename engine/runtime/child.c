/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From clone3 to execve, one step after the other. The process begins as appliance root (outside
 * id 0) with all capabilities in a new user namespace and none over the appliance; each step
 * gives something up. Must never run a byte of the image before "seccomp".
 */
#include "runtime/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/join.h"
#include "runtime/kernel.h"
#include "runtime/network.h"
#include "runtime/secret.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/path.h"
#include "util/proc.h"
#include "util/str.h"

struct step {
	const char *name;
	int (*run)(struct child *c, struct err *err);
};

/* The keyring that a login shell or a container's manager gave to us would be shared by all that we
 * start, and whoever possesses it may read and write what is in it. A kernel without keys
 * (ENOSYS) and a manager's filter (EPERM) leave nothing to share. */
static int leave_keyring(struct err *err)
{
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) >= 0 || errno == ENOSYS ||
	    errno == EPERM || errno == EACCES)
		return 0;
	return err_sys(err, "session keyring");
}

static bool is_in_place(const int stdio[3])
{
	return stdio[0] == 0 && stdio[1] == 1 && stdio[2] == 2;
}

/* The three descriptors may be 0, 1 and 2 in any order, so they go out of the way first. */
static int place_stdio(struct child *c, struct err *err)
{
	for (int i = 0; is_in_place(c->stdio) && i < 3; i++)
		if (fcntl(i, F_SETFD, 0) < 0)
			return err_sys(err, "descriptor %d", i);
	if (is_in_place(c->stdio))
		return 0;
	for (int i = 0; i < 3; i++) {
		c->stdio[i] = fcntl(c->stdio[i], F_DUPFD_CLOEXEC, 3);
		if (c->stdio[i] < 0)
			return err_sys(err, "descriptor %d", i);
	}
	for (int i = 0; i < 3; i++)
		if (dup2(c->stdio[i], i) < 0)
			return err_sys(err, "descriptor %d", i);
	return 0;
}

static int step_session(struct child *c, struct err *err)
{
	if (c->signals_are_default)
		proc_unblock_signals();
	else
		proc_default_signals(true);
	/* What is made on the way must not depend on whoever started us. */
	umask(022);
	/* Nobody with the container's ids may look into this process while it still holds
	 * descriptors of the appliance (CVE-2019-5736, CVE-2016-9962). execve makes it dumpable
	 * again. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return err_sys(err, "prctl");
	/* For a session the kernel makes a scheduling group, with a part for each processor. */
	if (c->stays_in_session ? setpgid(0, 0) < 0 : setsid() < 0)
		return err_sys(err, "session");
	if (leave_keyring(err) < 0)
		return -1;
	return place_stdio(c, err);
}

/* By raw calls: the C library would first tell other threads, of which there are none, three calls more each. */
int child_become_inner_root(struct err *err)
{
	/* Until now the ids are the appliance's root, which the map does not hold. */
	if (syscall(SYS_setgroups, 0, NULL) < 0)
		return err_sys(err, "setgroups");
	if (syscall(SYS_setresgid, 0, 0, 0) < 0)
		return err_sys(err, "setresgid");
	if (syscall(SYS_setresuid, 0, 0, 0) < 0)
		return err_sys(err, "setresuid");
	return 0;
}

static int step_ids(struct child *c, struct err *err)
{
	struct sync_message message;

	if (sync_receive(c->sync, &message, NULL, err) < 0)
		return -1;
	if (message.type != SYNC_MAPPED)
		return err_set(err, ERR_BUSY, "whoever started this process is gone");
	return child_become_inner_root(err);
}

/* clone3 would take the cgroup of the caller as the namespace's root, not the one that the child is
 * born in; so this one is made from inside. */
static int step_cgroup_namespace(struct child *c, struct err *err)
{
	if (!(c->plan->namespaces & CLONE_NEWCGROUP))
		return 0;
	if (unshare(CLONE_NEWCGROUP) < 0)
		return err_sys(err, "unshare");
	return 0;
}

static int step_hostname(struct child *c, struct err *err)
{
	const char *host = c->plan->hostname, *domain = c->plan->domainname;

	if (host && sethostname(host, strlen(host)) < 0)
		return err_sys(err, "sethostname %s", host);
	if (domain && setdomainname(domain, strlen(domain)) < 0)
		return err_sys(err, "setdomainname %s", domain);
	return 0;
}

/* The image's word, as it was when the container began: what it has written over passwd since then is none. */
static bool knows_user(const struct child *c)
{
	return c->plan->identity && !c->user;
}

static int step_identity(struct child *c, struct err *err)
{
	const char *user = c->user ? c->user : c->plan->user_text;

	if (knows_user(c)) {
		memcpy(&c->id, c->plan->identity, identity_size(c->plan->identity));
		return 0;
	}
	if (identity_resolve(c->plan, user, c->plan->groups_text, c->root, &c->id, err) < 0)
		return -1;
	if (c->target_pidfd < 0 && accounts_add(c, err) < 0)
		return -1;
	if (c->target_pidfd < 0)
		c->report->identity = c->id;
	return 0;
}

/* Programs open /dev/stdout again (nginx logs that way): a pipe must belong to whoever does.
 * start.c gave it to the container's root, who may pass it on. */
static int step_stdio_owner(struct child *c, struct err *err)
{
	for (int fd = 0; fd < 3; fd++) {
		struct stat st;

		if (fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode) ||
		    (st.st_uid == c->id.uid && st.st_gid == c->id.gid))
			continue;
		if (fchown(fd, c->id.uid, c->id.gid) < 0)
			return err_sys(err, "descriptor %d: chown", fd);
	}
	return 0;
}

/* Before the read-only paths, of which /proc/sys is one. */
static int step_sysctl(struct child *c, struct err *err)
{
	for (size_t i = 0; i < c->plan->sysctl_count; i++) {
		const struct plan_sysctl *sysctl = &c->plan->sysctls[i];
		char path[256];
		int n = snprintf(path, sizeof(path), "proc/sys/%s", sysctl->name);

		if (n < 0 || (size_t)n >= sizeof(path))
			return err_set(err, ERR_LIMIT, "%s: name is too long", sysctl->name);
		/* "net.ipv4.x" and "net/ipv4/eth0.1/x" are both in use; a slash decides. */
		for (char *p = path + strlen("proc/sys/"); !strchr(sysctl->name, '/') && *p; p++)
			if (*p == '.')
				*p = '/';

		auto_fd int fd = path_open_in_root(c->root, path, O_WRONLY, 0, err);

		if (fd < 0 || file_write_all(fd, sysctl->value, strlen(sysctl->value), err) < 0)
			return err_wrap(err, "%s", sysctl->name);
	}
	return 0;
}

static int step_oom_score(struct child *c, struct err *err)
{
	char text[16];

	if (!c->plan->has_oom_score)
		return 0;
	snprintf(text, sizeof(text), "%d", c->plan->oom_score_adj);
	return file_write_text_at(AT_FDCWD, "/proc/self/oom_score_adj", text, err);
}

/* All that the appliance lent is closed before the working directory is entered: a descriptor of
 * a directory outside, reached as /proc/self/fd/N, would be a way out (CVE-2024-21626). */
static int step_descriptors(struct child *c, struct err *err)
{
	if (c->sync >= 0 && c->sync != 3) {
		if (dup3(c->sync, 3, O_CLOEXEC) < 0)
			return err_sys(err, "dup3");
		c->sync = 3;
	}
	if (kernel_close_from(c->sync < 0 ? 3 : 4, 0) < 0)
		return err_sys(err, "close_range");
	c->root = -1;
	return 0;
}

static int step_join(struct child *c, struct err *err)
{
	int flags = (int)(c->plan->namespaces & ~(uint64_t)CLONE_NEWPID);

	/* The pid namespace is the one that the process was born in: start.c. */
	if (setns(c->target_pidfd, flags) < 0)
		return err_sys(err, "setns");
	return child_become_inner_root(err);
}

/* Only for those who look for something there: a probe does not. */
static int step_open_root(struct child *c, struct err *err)
{
	if (!c->wants_terminal && knows_user(c))
		return 0;
	c->root = openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return c->root < 0 ? err_sys(err, "/") : 0;
}

/* clang-format off */
static const struct step start_steps[] = {
	{ "network",		network_begin },	/* goes on beside all that comes until it is entered */
	{ "session",		step_session },
	{ "layers",		root_open_layers },	/* as outside root: its store, its business */
	{ "oom score",		step_oom_score },	/* still as owner of the file */
	{ "ids",		step_ids },
	{ "network",		network_configure },	/* sysctls through the old /proc, before the unit's own */
	{ "cgroup namespace",	step_cgroup_namespace },
	{ "hostname",		step_hostname },
	{ "root",		root_build },
	{ "user",		step_identity },	/* needs the image, and volumes need it */
	{ "stdio",		step_stdio_owner },
	{ "volumes",		volumes_prepare },	/* the image before anything hides it */
	{ "secrets",		secrets_place },	/* files of theirs are mounts */
	{ "mounts",		mounts_attach_all },	/* proc while the old one is visible */
	{ "devices",		devices_make },
	{ "network",		network_end },		/* /sys has entered it; the unit's sysctls come after its own */
	{ "sysctl",		step_sysctl },
	{ "masked paths",	mounts_mask },
	{ "read-only paths",	mounts_read_only_paths },
	{ "read-only root",	root_make_read_only },	/* the last that writes to the root */
	{ "pivot",		root_pivot },		/* nothing outside can be named now */
	{ "descriptors",	step_descriptors },	/* nor to reach it */
	{ "workdir",		exec_workdir },
	{ "environment",	exec_environment },
	{ "rlimits",		privileges_rlimits },
	{ "seccomp",		privileges_early_filter }, /* needs a capability then */
	{ "capabilities",	privileges_ids_and_caps },
	{ "seccomp",		privileges_late_filter },
	{ "exec",		exec_program },
};

static const struct step hold_steps[] = {
	{ "session",		step_session },
	{ "program",		hold_open_program },
	{ "ids",		step_ids },
	{ "hostname",		step_hostname },
	{ "network",		network_configure },
	{ "memory",		hold_memory },
	{ "pivot",		root_pivot },
	{ "descriptors",	step_descriptors },
	{ "capabilities",	hold_drop },
	{ "exec",		hold_become },
};

static const struct step exec_steps[] = {
	{ "session",		step_session },
	{ "join",		step_join },
	{ "root",		step_open_root },
	{ "user",		step_identity },
	{ "terminal",		exec_terminal },	/* belongs to the user */
	{ "stdio",		step_stdio_owner },
	{ "secrets",		secrets_place },	/* before their descriptors are closed */
	{ "descriptors",	step_descriptors },
	{ "environment",	exec_own_environment },
	{ "workdir",		exec_workdir },
	{ "environment",	exec_environment },
	{ "rlimits",		privileges_rlimits },
	{ "seccomp",		privileges_early_filter },
	{ "capabilities",	exec_own_rights },
	{ "seccomp",		privileges_late_filter },
	{ "exec",		exec_program },
};
/* clang-format on */

static _Noreturn void run_steps(struct child *c, const struct step *steps, size_t count)
{
	struct sync_report *report = c->report;

	for (size_t i = 0; i < count; i++) {
		str_copy(report->step, sizeof(report->step), steps[i].name);
		if (i == count - 1)
			report->state = SYNC_EXECUTING;
		if (steps[i].run(c, &report->err) < 0)
			break;
	}
	err_wrap(&report->err, "%s", report->step);
	report->state = SYNC_FAILED;
	_exit(127);
}

_Noreturn void child_start(struct child *child)
{
	if (child->plan->is_holder)
		run_steps(child, hold_steps, sizeof(hold_steps) / sizeof(hold_steps[0]));
	run_steps(child, start_steps, sizeof(start_steps) / sizeof(start_steps[0]));
}

_Noreturn void child_exec(struct child *child)
{
	run_steps(child, exec_steps, sizeof(exec_steps) / sizeof(exec_steps[0]));
}
