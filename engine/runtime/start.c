/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The half of a start that stays outside: reads the plan, opens what the child may not, makes
 * the child in its namespaces and its cgroup at once, writes its id maps, and waits for the word
 * that the program runs. Must leave no process and no descriptor behind when it fails.
 */
#include "runtime/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/child.h"
#include "runtime/join.h"
#include "runtime/kernel.h"
#include "runtime/limits.h"
#include "runtime/network.h"
#include "runtime/plan.h"
#include "runtime/seccomp.h"
#include "runtime/secret.h"
#include "runtime/sources.h"
#include "runtime/sync.h"
#include "runtime/volume.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/places.h"
#include "util/str.h"

/* A stalled disk may hold the child; nobody's patience is endless. */
#define CHILD_TIMEOUT_MSEC 60000

/* A child on its way to execve, seen from outside. */
struct birth {
	struct plan *plan;
	struct sync_report *report;
	const char *data_dir;
	int *terminal; /* where the master of an exec's terminal goes; NULL: none is asked for */
	int sync;
	struct proc proc;
	uint32_t own_files;
	uint32_t lost;			   /* of the report, which goes before we do */
	struct identity *identity;	   /* likewise, where to; NULL */
	const struct runtime_start *start; /* NULL: an exec */
};

bool runtime_id_is_valid(const char *run_id)
{
	size_t len = strspn(run_id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789._-");

	return len > 0 && len <= 64 && run_id[len] == '\0' && run_id[0] != '.';
}

static void end_child(struct birth *b)
{
	siginfo_t info;

	kernel_pidfd_signal(b->proc.pidfd, SIGKILL);
	while (waitid(P_PIDFD, (id_t)b->proc.pidfd, &info, WEXITED) < 0 && errno == EINTR)
		;
	close_fd(&b->proc.pidfd);
}

static int map_text(const struct plan_id_range *map, size_t count, struct buf *out)
{
	for (size_t i = 0; i < count; i++)
		buf_printf(out, "%u %u %u\n", map[i].inside, map[i].outside, map[i].count);
	return out->failed ? -1 : 0;
}

static int write_map(pid_t pid, const char *file, const struct plan_id_range *map, size_t count,
		     struct err *err)
{
	auto_buf text = BUF_INIT(4096);
	char path[64];

	if (map_text(map, count, &text) < 0)
		return buf_check(&text, file, err);
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	if (file_write_text_at(AT_FDCWD, path, buf_str(&text), err) < 0)
		return err_wrap(err, "id map");
	return 0;
}

/* The child's own: what its root is, is root on disk. */
static int open_user_namespace(const struct birth *b, struct err *err)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)b->proc.pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? err_sys(err, "%s", path) : fd;
}

/* only: one that was missing until now; NULL: all. */
static int map_ids(const struct birth *b, const struct plan_mount *only, struct err *err)
{
	for (size_t i = 0; i < b->plan->mount_count; i++) {
		const struct plan_mount *mount = &b->plan->mounts[i];

		if (mount->kind != PLAN_MOUNT_BIND || !mount->idmap || (only && mount != only))
			continue;

		auto_fd int ns = open_user_namespace(b, err);

		if (ns < 0 || sources_map_ids(mount, ns, err) < 0)
			return err_wrap(err, "mounts: %s", mount->target);
	}
	return 0;
}

static int write_maps(struct birth *b, struct err *err)
{
	const struct sync_message mapped = { .type = SYNC_MAPPED };
	const struct plan *plan = b->plan;

	if (write_map(b->proc.pid, "uid_map", plan->uid_map, plan->uid_map_count, err) < 0 ||
	    write_map(b->proc.pid, "gid_map", plan->gid_map, plan->gid_map_count, err) < 0)
		return -1;
	/* Before the child can mount them: a mount that was seen anywhere keeps its ids. */
	if (map_ids(b, NULL, err) < 0)
		return -1;
	return sync_send(b->sync, &mapped, -1, err);
}

/* Who joins a pod finds them written. */
static int pass_maps(const struct birth *b, struct err *err)
{
	const struct sync_message mapped = { .type = SYNC_MAPPED };

	return map_ids(b, NULL, err) < 0 ? -1 : sync_send(b->sync, &mapped, -1, err);
}

static int give_away(const struct birth *b, const struct sync_message *wish, struct err *err)
{
	for (size_t i = 0; i < b->plan->mount_count; i++) {
		const struct plan_mount *mount = &b->plan->mounts[i];

		if (mount->kind != PLAN_MOUNT_BIND || !mount->change_owner)
			continue;
		if (sources_change_owner(mount, b->data_dir,
					 mount->idmap ? wish->inside_uid : wish->uid,
					 mount->idmap ? wish->inside_gid : wish->gid, err) < 0)
			return err_wrap(err, "volumes: %s", mount->target);
	}
	return 0;
}

static int make_missing(struct birth *b, const struct sync_message *wish, struct err *err)
{
	const struct sync_message answer = { .type = SYNC_VOLUME };

	for (size_t i = 0; i < b->plan->mount_count; i++) {
		struct plan_mount *mount = &b->plan->mounts[i];

		if (mount->kind != PLAN_MOUNT_BIND || mount->tree >= 0)
			continue;
		if (sources_make(mount, b->data_dir, mount->idmap ? wish->inside_uid : wish->uid,
				 mount->idmap ? wish->inside_gid : wish->gid, err) < 0)
			return err_wrap(err, "volumes: %s", mount->target);
		if (map_ids(b, mount, err) < 0 || sync_send(b->sync, &answer, mount->tree, err) < 0)
			return -1;
	}
	return 0;
}

static int make_volumes(struct birth *b, const struct sync_message *wish, struct err *err)
{
	const struct sync_message ready = { .type = SYNC_READY };

	for (size_t i = 0; i < b->plan->mount_count; i++)
		if (volume_settle(&b->plan->mounts[i], b->data_dir, err) < 0)
			return err_wrap(err, "volumes: %s", b->plan->mounts[i].target);
	if (make_missing(b, wish, err) < 0 || give_away(b, wish, err) < 0)
		return -1;
	return sync_send(b->sync, &ready, -1, err);
}

static int wait_readable(struct birth *b, struct err *err)
{
	struct pollfd p = { .fd = b->sync, .events = POLLIN };
	int n;

retry:
	n = poll(&p, 1, CHILD_TIMEOUT_MSEC);
	if (n < 0 && errno == EINTR)
		goto retry;
	if (n < 0)
		return err_sys(err, "poll");
	if (n == 0)
		return err_set(err, ERR_LIMIT, "%.31s: hangs for more than %d s", b->report->step,
			       CHILD_TIMEOUT_MSEC / 1000);
	return 0;
}

/* End of file: the child has executed the program, or has ended. */
static int judge(const struct sync_report *report, struct err *err)
{
	switch (report->state) {
	case SYNC_EXECUTING:
		return 0;
	case SYNC_FAILED:
		*err = report->err;
		return -1;
	case SYNC_STEPS:
		break;
	}
	return err_set(err, ERR_SYS, "%.31s: killed before the program started", report->step);
}

/* The process between has gone into the pod; from now on it is about the one that was born there. */
static int await_member(struct birth *b, struct err *err)
{
	struct sync_message message;
	struct proc member = { .pidfd = -1 };
	siginfo_t info;

	if (wait_readable(b, err) < 0 || sync_receive(b->sync, &message, &member.pidfd, err) < 0)
		return -1;
	if (message.type == SYNC_END && b->report->state == SYNC_STEPS)
		return err_set(err, ERR_SYS, "pod: killed before the program started");
	if (message.type == SYNC_END)
		return judge(b->report, err);
	if (message.type != SYNC_BORN || member.pidfd < 0)
		return err_set(err, ERR_BUG, "pod: message %d", (int)message.type);
	while (waitid(P_PIDFD, (id_t)b->proc.pidfd, &info, WEXITED) < 0 && errno == EINTR)
		;
	close_fd(&b->proc.pidfd);
	member.pid = (pid_t)message.uid;
	b->proc = member;
	return 0;
}

static int attend(struct birth *b, struct err *err)
{
	struct sync_message message;

	for (;;) {
		if (wait_readable(b, err) < 0 ||
		    sync_receive(b->sync, &message, b->terminal, err) < 0)
			return -1;
		if (message.type == SYNC_END)
			return judge(b->report, err);
		if (message.type == SYNC_BUSY || (message.type == SYNC_TERMINAL && b->terminal))
			continue;
		if (message.type != SYNC_VOLUMES)
			return err_set(err, ERR_BUG, "message %d", (int)message.type);
		if (make_volumes(b, &message, err) < 0)
			return -1;
	}
}

/* The child passes pipes on to the container's user; the appliance's root they belong to is
 * nobody there. */
static int lend_stdio(const struct plan *plan, const int stdio[3], struct err *err)
{
	uint32_t uid, gid;

	if (!plan_id_outside(plan->uid_map, plan->uid_map_count, 0, &uid) ||
	    !plan_id_outside(plan->gid_map, plan->gid_map_count, 0, &gid))
		return err_set(err, ERR_INPUT, "the id maps have no place for id 0");
	for (int i = 0; i < 3; i++) {
		struct stat st;

		if (fstat(stdio[i], &st) < 0)
			return err_sys(err, "descriptor %d", i);
		/* output and errors are often one pipe */
		if (S_ISFIFO(st.st_mode) && (st.st_uid != uid || st.st_gid != gid) &&
		    fchown(stdio[i], uid, gid) < 0)
			return err_sys(err, "descriptor %d: chown", i);
	}
	return 0;
}

/* The usual causes are settings of the host. Of several limits the kernel does not say which. */
static int clone_refused(uint64_t namespaces, struct err *err)
{
	int number = errno;

	if (number == ENOSPC)
		return err_errno(
			err, number,
			"clone3: a limit below /proc/sys/user (max_user_namespaces%s) is reached",
			namespaces & CLONE_NEWNET ? " or max_net_namespaces" : "");
	if (number == EPERM)
		return err_errno(
			err, number,
			"clone3: user namespaces are not allowed here, allow nesting for this machine");
	return err_errno(err, number, "clone3");
}

/* clone3 with everything; in the child it does not return. */
static int give_birth(struct birth *b, struct child *child, uint64_t namespaces, int cgroup_fd,
		      struct err *err)
{
	struct clone_args args = {
		.flags = (child->holder >= 0 ? 0 : namespaces) | CLONE_PIDFD | CLONE_INTO_CGROUP,
		.pidfd = (uint64_t)(uintptr_t)&b->proc.pidfd,
		.exit_signal = SIGCHLD,
		.cgroup = (uint64_t)(unsigned)cgroup_fd,
	};
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(err, "socketpair");
	b->sync = ends[0];

	auto_fd int theirs = ends[1];

	child->sync = theirs;
	child->report = b->report;
	b->proc.pid = kernel_clone3(&args);
	if (b->proc.pid == 0) {
		close(b->sync);
		if (child->target_pidfd >= 0)
			child_exec(child);
		if (child->holder >= 0)
			join_and_bear(child, child->holder, namespaces);
		child_start(child);
	}
	return b->proc.pid < 0 ? clone_refused(args.flags, err) : 0;
}

static int run_birth(struct birth *b, struct child *child, uint64_t namespaces, int cgroup_fd,
		     struct err *err)
{
	int rc = lend_stdio(b->plan, child->stdio, err);

	if (rc == 0)
		rc = give_birth(b, child, namespaces, cgroup_fd, err);
	if (rc == 0) {
		/* Before the maps, for which the child waits: it finds its interfaces there. */
		if (namespaces & CLONE_NEWNET)
			rc = network_connect(b->plan, b->proc.pid, err);
		if (rc == 0 && (namespaces & CLONE_NEWUSER))
			rc = write_maps(b, err);
		if (child->holder >= 0)
			rc = await_member(b, err) < 0 ? -1 : pass_maps(b, err);
		if (rc == 0 && b->start && b->start->born)
			b->start->born(b->start->born_arg, &b->proc);
		/* What the child has to say about its end comes first. */
		if (rc < 0 && b->report->state == SYNC_FAILED)
			*err = b->report->err;
		if (rc == 0)
			rc = attend(b, err);
		if (rc < 0)
			end_child(b);
	}
	close_fd(&b->sync);
	return rc;
}

static int with_report(struct birth *b, struct child *child, uint64_t namespaces, int cgroup_fd,
		       struct err *err)
{
	int rc;

	b->report = sync_report_map(err);
	if (!b->report)
		return -1;
	rc = run_birth(b, child, namespaces, cgroup_fd, err);
	b->lost = b->report->lost;
	b->own_files = b->report->own_files;
	if (b->identity)
		*b->identity = b->report->identity;
	sync_report_unmap(b->report);
	b->report = NULL;
	return rc;
}

/* root.path as a detached mount; relative to the bundle, which is where config.json is. */
static int open_root_path(const struct plan *plan, const char *config_path, struct err *err)
{
	const char *slash = strrchr(config_path, '/');
	char path[PATH_MAX];
	int fd, n;

	if (plan->layers.count || plan->is_holder)
		return -1;
	if (plan->root_path[0] == '/')
		n = snprintf(path, sizeof(path), "%s", plan->root_path);
	else
		n = snprintf(path, sizeof(path), "%.*s%s",
			     slash ? (int)(slash - config_path) + 1 : 0, config_path,
			     plan->root_path);
	if (n < 0 || (size_t)n >= sizeof(path))
		return err_set(err, ERR_LIMIT, "root.path is too long");
	fd = kernel_open_tree(AT_FDCWD, path, AT_RECURSIVE);
	if (fd >= 0)
		return fd;
	err_sys(err, "root: %s", path);
	if (err->code == ERR_NOT_FOUND)
		err->code = ERR_INPUT;
	return -1;
}

/* Those of a pod are there. One more clone3 flag would make the caller's cgroup the namespace's root: child.c does that. */
static uint64_t clone_namespaces(const struct plan *plan, bool makes_network)
{
	uint64_t later = CLONE_NEWCGROUP;

	if (makes_network)
		later |= CLONE_NEWNET;
	return plan->namespaces & ~plan->joined & ~later;
}

static int start_child(struct plan *plan, const struct runtime_start *start, const char *data_dir,
		       int root, struct runtime_container *out, struct identity *identity,
		       struct err *err)
{
	struct birth birth = { .plan = plan,
			       .data_dir = data_dir,
			       .sync = -1,
			       .proc = { .pidfd = -1 },
			       .identity = identity,
			       .start = start };
	auto_fd int holder = plan->joined ? join_open_holder(plan, err) : -1;
	struct child child = { .plan = plan,
			       .signals_are_default = start->signals_are_default,
			       .root = root,
			       .makes_network = network_may_be_made_aside(plan),
			       .network = -1,
			       .staging = -1,
			       .target_pidfd = -1,
			       .holder = holder };

	if (plan->joined && holder < 0)
		return -1;
	memcpy(child.stdio, start->stdio, sizeof(child.stdio));
	if (with_report(&birth, &child, clone_namespaces(plan, child.makes_network), out->cgroup_fd,
			err) < 0)
		return -1;
	out->init = birth.proc;
	out->lost = birth.lost;
	out->own_files = birth.own_files;
	return 0;
}

static int open_volumes(struct plan *plan, const char *data_dir, struct err *err)
{
	uint32_t uid, gid;

	if (!plan_id_outside(plan->uid_map, plan->uid_map_count, 0, &uid) ||
	    !plan_id_outside(plan->gid_map, plan->gid_map_count, 0, &gid))
		return err_set(err, ERR_INPUT, "the id maps have no place for id 0");
	return volume_open_all(plan, data_dir, uid, gid, err);
}

static int prepare_and_start(struct plan *plan, const struct runtime_start *start,
			     struct runtime_container *out, struct identity *identity,
			     struct err *err)
{
	const char *cache = start->cache_dir ? start->cache_dir : CLEAT_CACHE_DIR;
	const char *data = start->data_dir ? start->data_dir : CLEAT_DATA_DIR;
	char found[PATH_MAX];
	const char *mount = start->cgroup_mount;

	if (seccomp_prepare(plan, cache, err) < 0)
		return -1;
	if (!mount && limits_find_mount(found, sizeof(found), err) < 0)
		return -1;

	plan->limits.is_pods = plan->is_holder && plan->limits.pod;
	auto_fd int cgroup = limits_open_cgroup(mount ? mount : found, start->run_id, &plan->limits,
						out->unenforced, sizeof(out->unenforced), err);

	if (cgroup < 0)
		return -1;

	auto_fd int root = open_root_path(plan, start->config_path, err);
	int rc = plan->layers.count || plan->is_holder || root >= 0 ?
			 sources_open(plan, data, err) :
			 -1;

	if (rc == 0)
		rc = open_volumes(plan, data, err);

	if (rc == 0)
		rc = secrets_open(plan, start->secrets, SECRETS_ALL, err);
	out->cgroup_fd = cgroup;
	if (rc == 0)
		rc = start_child(plan, start, data, root, out, identity, err);
	volume_close_all(plan);
	sources_close(plan);
	secrets_close(plan);
	if (rc == 0)
		take_fd(&cgroup);
	else
		out->cgroup_fd = -1;
	return rc;
}

int runtime_start(const struct runtime_start *start, struct runtime_container *out, struct err *err)
{
	struct plan plan;
	struct identity identity;
	int rc;

	*out = (struct runtime_container){ .init = { .pidfd = -1 }, .cgroup_fd = -1 };
	if (!runtime_id_is_valid(start->run_id))
		return err_set(err, ERR_INPUT, "\"%s\" is not a run id", start->run_id);
	rc = plan_read(&plan, start->config_path, err);
	if (rc == 0)
		rc = prepare_and_start(&plan, start, out, &identity, err);
	if (rc == 0) {
		out->kept = plan_keep(&plan, &identity);
		if (!plan_id_outside(plan.uid_map, plan.uid_map_count, 0, &out->root_uid) ||
		    !plan_id_outside(plan.gid_map, plan.gid_map_count, 0, &out->root_gid))
			out->own_files = 0;
	}
	plan_fini(&plan);
	return rc;
}

/* The argument list of an exec takes the place of config.json's. */
static int replace_args(struct plan *plan, const char *const *argv, struct err *err)
{
	size_t n = 0;

	while (argv[n])
		n++;
	if (n == 0 || n > PLAN_MAX_WORDS)
		return err_set(err, ERR_INPUT, "no program to run, or too many words");
	plan->args.items = plan_alloc(plan, n + 1, sizeof(*plan->args.items), err);
	if (!plan->args.items)
		return -1;
	memcpy(plan->args.items, argv, n * sizeof(*argv));
	plan->args.count = n;
	return 0;
}

/* The way back from where children are born. */
static int open_own_pid_namespace(struct err *err)
{
	int own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);

	return own < 0 ? err_sys(err, "/proc/self/ns/pid") : own;
}

/* From here on children are born in the pid namespace of the target. */
static int choose_pid_namespace(int target_pidfd, struct err *err)
{
	return setns(target_pidfd, CLONE_NEWPID) < 0 ? err_sys(err, "pid namespace") : 0;
}

/*
 * Children are born in the pid namespace that setns(2) chose for them; the caller itself stays
 * where it is, and goes back afterwards. So an exec needs one process, a direct child of the
 * caller, instead of two.
 */
static int birth_in_pid_namespace(struct birth *b, struct child *child,
				  const struct runtime_exec *exec, struct err *err)
{
	auto_fd int own = open_own_pid_namespace(err);
	int rc;

	if (own < 0 || choose_pid_namespace(exec->target_pidfd, err) < 0)
		return -1;
	rc = with_report(b, child, 0, exec->cgroup_fd, err);
	if (setns(own, CLONE_NEWPID) == 0)
		return rc;
	if (rc == 0)
		end_child(b);
	return err_sys(err, "own pid namespace");
}

/* The plan as an exec has it. */
static int prepare_exec(struct plan *plan, const struct runtime_exec *exec, struct child *child,
			struct err *err)
{
	*child = (struct child){ .plan = plan,
				 .user = exec->user,
				 .cwd = exec->cwd,
				 .env = exec->env,
				 .wants_terminal = exec->terminal != NULL,
				 .signals_are_default = exec->signals_are_default,
				 .stays_in_session = exec->stays_in_session,
				 .rows = exec->rows,
				 .columns = exec->columns,
				 .sync = -1,
				 .root = -1,
				 .staging = -1,
				 .target_pidfd = exec->target_pidfd,
				 .holder = -1 };
	memcpy(child->stdio, exec->stdio, sizeof(child->stdio));
	/* what was kept has its filter */
	if (replace_args(plan, exec->argv, err) < 0 ||
	    seccomp_prepare(plan, exec->cache_dir ? exec->cache_dir : CLEAT_CACHE_DIR, err) < 0)
		return -1;
	return secrets_open(plan, exec->secrets, SECRETS_ENV, err);
}

static int exec_in(struct plan *plan, const struct runtime_exec *exec, struct proc *out,
		   struct err *err)
{
	struct birth birth = {
		.plan = plan, .sync = -1, .proc = { .pidfd = -1 }, .terminal = exec->terminal
	};
	struct child child;

	if (prepare_exec(plan, exec, &child, err) < 0 ||
	    birth_in_pid_namespace(&birth, &child, exec, err) < 0)
		return -1;
	*out = birth.proc;
	return 0;
}

int runtime_exec(const struct runtime_exec *exec, struct proc *out, struct err *err)
{
	struct plan plan;
	int rc = plan_read(&plan, exec->config_path, err);

	*out = (struct proc){ .pidfd = -1 };
	if (exec->terminal)
		*exec->terminal = -1;
	if (rc == 0 && exec->cwd && exec->cwd[0] != '/')
		rc = err_set(err, ERR_INPUT, "workdir: %s: not an absolute path", exec->cwd);
	if (rc == 0) {
		rc = exec_in(&plan, exec, out, err);
		secrets_close(&plan);
	}
	plan_fini(&plan);
	return rc;
}

#define JOINING_ROOM_BYTES 2048u /* for the lists of a few dozen words and variables */

/* What a process needs to become a program, in memory of the caller's until it is born. */
struct joining {
	struct runtime_exec exec;
	int (*early)(struct runtime_exec *exec, void *arg, struct err *err);
	void *arg;
	struct sync_report *report;
};

static int read_joining(struct plan *plan, const struct runtime_exec *exec, void *room, size_t size,
			struct err *err)
{
	if (!exec->kept)
		return plan_read(plan, exec->config_path, err);
	plan_from_kept(plan, exec->kept, room, size);
	return 0;
}

static _Noreturn void become_program(struct joining *j)
{
	_Alignas(max_align_t) char room[JOINING_ROOM_BYTES];
	struct sync_report *report = j->report;
	struct child child;
	struct plan plan;

	str_copy(report->step, sizeof(report->step), "plan");
	/* nobody in the container may look into this process while it still is one of ours */
	if (prctl(PR_SET_DUMPABLE, 0) < 0) {
		err_sys(&report->err, "prctl");
	} else if (j->early(&j->exec, j->arg, &report->err) == 0 &&
		   read_joining(&plan, &j->exec, room, sizeof(room), &report->err) == 0 &&
		   prepare_exec(&plan, &j->exec, &child, &report->err) == 0 &&
		   lend_stdio(&plan, child.stdio, &report->err) == 0) {
		child.report = report;
		child_exec(&child);
	}
	report->state = SYNC_FAILED;
	_exit(127);
}

static int bear_joiner(struct joining *j, int own, struct proc *out, struct err *err)
{
	struct clone_args args = {
		.flags = CLONE_PIDFD | CLONE_INTO_CGROUP,
		.pidfd = (uint64_t)(uintptr_t)&out->pidfd,
		.exit_signal = SIGCHLD,
		.cgroup = (uint64_t)(unsigned)j->exec.cgroup_fd,
	};

	if (choose_pid_namespace(j->exec.target_pidfd, err) < 0)
		return -1;
	out->pid = kernel_clone3(&args);
	if (out->pid == 0)
		become_program(j);
	if (out->pid < 0)
		clone_refused(args.flags, err);
	if (setns(own, CLONE_NEWPID) == 0)
		return out->pid < 0 ? -1 : 0;
	err_sys(err, "own pid namespace");
	if (out->pid > 0)
		end_child(&(struct birth){ .proc = *out });
	return -1;
}

/* Who joined before is gone or has become a program: nobody else writes to the report. */
static int prepare_joiner(struct runtime_joiner *joiner, struct err *err)
{
	joiner->proc = (struct proc){ .pidfd = -1 };
	if (joiner->pid_namespace < 0)
		joiner->pid_namespace = open_own_pid_namespace(err);
	if (joiner->pid_namespace < 0)
		return -1;
	if (joiner->report)
		*joiner->report = (struct sync_report){ 0 };
	else
		joiner->report = sync_report_map(err);
	return joiner->report ? 0 : -1;
}

int runtime_exec_begin(const struct runtime_exec *exec,
		       int (*early)(struct runtime_exec *exec, void *arg, struct err *err),
		       void *arg, struct runtime_joiner *joiner, struct err *err)
{
	struct joining j = { .exec = *exec, .early = early, .arg = arg };

	if (prepare_joiner(joiner, err) < 0)
		return -1;
	j.report = joiner->report;
	if (bear_joiner(&j, joiner->pid_namespace, &joiner->proc, err) == 0)
		return 0;
	joiner->proc = (struct proc){ .pidfd = -1 };
	return -1;
}

int runtime_exec_outcome(const struct runtime_joiner *joiner, struct err *err)
{
	return judge(joiner->report, err);
}

void runtime_joiner_fini(struct runtime_joiner *joiner)
{
	if (joiner->report)
		sync_report_unmap(joiner->report);
	joiner->report = NULL;
	close_fd(&joiner->pid_namespace);
}

int runtime_compile_seccomp(const char *file, const char *cache_dir, char *out, size_t size,
			    struct err *err)
{
	return seccomp_compile_file(file, cache_dir ? cache_dir : CLEAT_CACHE_DIR, out, size, err);
}
