/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probes on order: one at a time, each in a child that the shim can end at its deadline whatever it
 * does. The shim itself neither connects nor starts programs. Every order gets exactly one result,
 * unless its client has gone. Must never wait for a probe but the few milliseconds that a killed
 * one needs to die.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/internal.h"
#include "util/cgroup.h"
#include "util/cleanup.h"

#define DEATH_WAIT_MSEC 20
/* A deadline that is seen so much later has passed while nobody ran, the probe neither. */
#define FROZEN_USEC SHIM_SEC
#define GROUP_NAME_MAX 40

static void send_result(struct shim *s, uint64_t order, const struct shim_probe_answer *answer,
			uint64_t took_usec)
{
	struct shim_probe_result m = {
		.header = { SHIM_PROTOCOL_VERSION, SHIM_PROBE_RESULT, sizeof(m) },
		.order = order,
		.verdict = answer->verdict,
		.exit_code = answer->exit_code,
		.took_usec = took_usec,
		.output_length = answer->output_length,
	};

	memcpy(m.output, answer->output, answer->output_length);
	shim_control_send(s, &m, sizeof(m));
}

static void send_error(struct shim *s, uint64_t order, uint32_t verdict, const char *text)
{
	struct shim_probe_answer answer = { 0 };

	shim_probe_say(&answer, verdict, "%s", text);
	send_result(s, order, &answer, 0);
}

static void forget(struct shim_probe_run *p)
{
	close_fd(&p->pidfd);
	close_fd(&p->result_fd);
	p->is_active = p->is_dying = false;
	p->deadline_usec = SHIM_NEVER;
}

/* The child's descriptors come from anywhere: first out of the way, then into place. */
static int place(struct shim *s, int answer_fd)
{
	const int from[SHIM_CHILD_COUNT] = {
		s->null_fd,	   s->null_fd, s->null_fd, answer_fd, s->container.init.pidfd,
		s->probe.cgroup_fd
	};
	int high[SHIM_CHILD_COUNT];

	for (int i = 0; i < SHIM_CHILD_COUNT; i++) {
		high[i] = fcntl(from[i] < 0 ? s->null_fd : from[i], F_DUPFD_CLOEXEC,
				SHIM_CHILD_COUNT);
		if (high[i] < 0)
			return -1;
	}
	for (int i = 0; i < SHIM_CHILD_COUNT; i++)
		if (dup3(high[i], i, i < 3 ? 0 : O_CLOEXEC) < 0 && high[i] != i)
			return -1;
	/* The engine's end of ctl above all: it must close with the shim. */
	if (syscall(SYS_close_range, (unsigned)SHIM_CHILD_COUNT, ~0u, 0) < 0)
		return -1;
	s->container.init.pidfd = SHIM_CHILD_PIDFD;
	s->probe.cgroup_fd = SHIM_CHILD_CGROUP;
	return 0;
}

/* The one signal that such a child sends to itself; of the others it wants as little as the shim. */
static void unblock_alarm(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static _Noreturn void run_child(struct shim *s, const struct shim_order *order, int answer_fd)
{
	struct shim_probe_answer answer = { .verdict = SHIM_PROBE_ERROR };

	prctl(PR_SET_NAME, "cleat-probe", 0, 0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	unblock_alarm();
	if (place(s, answer_fd) < 0)
		_exit(1);
	if (order->kind == SHIM_PROBE_HTTPS)
		shim_probe_https(s, order->text, order->timeout_usec, &answer);
	else
		shim_probe_net(s, order->kind, order->text, order->timeout_usec, &answer);
	/* Less than PIPE_BUF: whole or not at all. */
	_exit(write(SHIM_CHILD_ANSWER, &answer, sizeof(answer)) == (ssize_t)sizeof(answer) ? 0 : 1);
}

static const char *group_name(uint32_t number, char out[GROUP_NAME_MAX])
{
	snprintf(out, GROUP_NAME_MAX, "cleat-probe-%u", number);
	return out;
}

/* A cgroup of its own below the container's: whatever the probe leaves behind is ended with it. */
static int open_group(struct shim *s, struct err *err)
{
	struct shim_probe_run *p = &s->probe;
	char name[GROUP_NAME_MAX];

	if (p->cgroup_fd >= 0)
		return 0;
	/* What the one before could not be removed for has had time to die. */
	if (p->group_number > 0)
		unlinkat(s->container.cgroup_fd, group_name(p->group_number - 1, name),
			 AT_REMOVEDIR);
	group_name(p->group_number, name);
	if (mkdirat(s->container.cgroup_fd, name, 0755) < 0 && errno != EEXIST)
		return err_sys(err, "cgroup %s", name);
	p->cgroup_fd = openat(s->container.cgroup_fd, name,
			      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (p->cgroup_fd < 0)
		return err_sys(err, "cgroup %s", name);
	/* without it each probe's cgroup is killed and gone */
	p->events_fd = cgroup_open_events(p->cgroup_fd, err);
	return 0;
}

static void close_group(struct shim_probe_run *p)
{
	close_fd(&p->events_fd);
	close_fd(&p->cgroup_fd);
}

/*
 * Ends what the probe left behind. An empty group serves again; a killed one never does: since
 * Linux 6.14 a process born by CLONE_INTO_CGROUP into a group on which cgroup.kill was used before
 * is killed at birth (its kill sequence number is compared with that of the parent's group).
 */
static void clear_group(struct shim *s)
{
	struct shim_probe_run *p = &s->probe;
	char name[GROUP_NAME_MAX];
	struct err ignored;

	if (p->cgroup_fd < 0 || cgroup_events_populated(p->events_fd, &ignored) == 0)
		return;
	shim_group_kill(p->cgroup_fd);
	close_group(p);
	unlinkat(s->container.cgroup_fd, group_name(p->group_number, name), AT_REMOVEDIR);
	p->group_number++;
}

static int open_pipe(int *read_fd, int *write_fd, struct err *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, "pipe2");
	*read_fd = ends[0];
	*write_fd = ends[1];
	return fcntl(*read_fd, F_SETFL, O_NONBLOCK) < 0 ? err_sys(err, "O_NONBLOCK") : 0;
}

static void close_output(struct shim_probe_run *p)
{
	close_fd(&p->output_fd);
	close_fd(&p->output_write_fd);
}

/* Something of the container may have kept the pipe open (by its name in /proc) and go on writing: that is no word of the next probe. */
static int open_output(struct shim_probe_run *p, struct err *err)
{
	char byte;

	if (p->output_fd >= 0 && read(p->output_fd, &byte, 1) < 0 && errno == EAGAIN)
		return 0;
	close_output(p);
	return open_pipe(&p->output_fd, &p->output_write_fd, err);
}

static int launch_program(struct shim *s, const struct shim_order *order, struct err *err)
{
	if (open_group(s, err) < 0 || open_output(&s->probe, err) < 0)
		return -1;
	return shim_probe_exec(s, order, s->probe.output_write_fd, err);
}

static int launch(struct shim *s, const struct shim_order *order, struct err *err)
{
	struct shim_probe_run *p = &s->probe;
	auto_fd int answer_fd = -1;
	pid_t pid;

	if (order->kind == SHIM_PROBE_EXEC)
		return launch_program(s, order, err);
	if (open_pipe(&p->result_fd, &answer_fd, err) < 0)
		return -1;
	pid = shim_fork(&p->pidfd, err);
	if (pid == 0)
		run_child(s, order, answer_fd);
	return pid < 0 ? -1 : 0;
}

void shim_probe_start(struct shim *s, const struct shim_order *order)
{
	struct shim_probe_run *p = &s->probe;
	struct err err;

	if (p->is_active || p->is_dying) {
		send_error(s, order->probe, SHIM_PROBE_BUSY, "another probe is running");
		return;
	}
	if (order->kind == 0) {
		send_error(s, order->probe, SHIM_PROBE_ERROR,
			   "the order has no command, no timeout or an unknown kind");
		return;
	}
	if (s->container.init.pidfd < 0 || s->is_ended) {
		send_error(s, order->probe, SHIM_PROBE_ERROR, "the container is not running");
		return;
	}
	p->output_length = 0;
	p->kind = order->kind;
	if (launch(s, order, &err) < 0) {
		forget(p);
		send_error(s, order->probe, SHIM_PROBE_ERROR, err.msg);
		return;
	}
	p->is_active = true;
	p->order = order->probe;
	p->started_usec = s->now_usec;
	p->deadline_usec = s->now_usec + order->timeout_usec;
}

/* Between two programs nobody has a word for us there. */
int shim_probe_output_fd(const struct shim *s)
{
	return s->probe.pidfd >= 0 && s->probe.kind == SHIM_PROBE_EXEC ? s->probe.output_fd : -1;
}

/* Keeps the first bytes, reads the rest so that the program is not stopped by a full pipe. */
void shim_probe_output(struct shim *s)
{
	struct shim_probe_run *p = &s->probe;
	char text[4096];
	ssize_t n;

	for (int i = 0; i < 16 && shim_probe_output_fd(s) >= 0; i++) {
		n = read(p->output_fd, text, sizeof(text));
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			close_output(p);
			return;
		}

		size_t room = sizeof(p->output) - p->output_length;
		size_t kept = (size_t)n < room ? (size_t)n : room;

		memcpy(p->output + p->output_length, text, kept);
		p->output_length += (uint32_t)kept;
	}
}

/* The end of the program is the verdict. */
static void judge_end(struct shim_probe_run *p, const siginfo_t *end,
		      struct shim_probe_answer *answer)
{
	struct err err;

	if (runtime_exec_outcome(&p->joiner, &err) < 0) {
		shim_probe_say(answer, SHIM_PROBE_ERROR, "%s", err.msg);
		return;
	}
	answer->exit_code = end->si_code == CLD_EXITED ? end->si_status : 128 + end->si_status;
	answer->verdict = answer->exit_code == 0 ? SHIM_PROBE_PASS : SHIM_PROBE_FAIL;
	memcpy(answer->output, p->output, p->output_length);
	answer->output_length = p->output_length;
}

/* What came from the child, which may have been taken over by what it read: every number is
 * checked. */
static void read_answer(struct shim_probe_run *p, struct shim_probe_answer *answer)
{
	ssize_t n = read(p->result_fd, answer, sizeof(*answer));

	if (n != (ssize_t)sizeof(*answer) || answer->output_length > sizeof(answer->output) ||
	    answer->verdict < SHIM_PROBE_PASS || answer->verdict > SHIM_PROBE_ERROR)
		shim_probe_say(answer, SHIM_PROBE_ERROR,
			       "the probe's process ended without an answer");
}

void shim_probe_ended(struct shim *s)
{
	struct shim_probe_run *p = &s->probe;
	struct shim_probe_answer answer = { 0 };
	siginfo_t end = { 0 };

	while (waitid(P_PIDFD, (id_t)p->pidfd, &end, WEXITED | __WALL) < 0 && errno == EINTR)
		;
	shim_probe_output(s);
	if (p->kind == SHIM_PROBE_EXEC)
		judge_end(p, &end, &answer);
	else if (p->is_active)
		read_answer(p, &answer);
	if (p->is_active) {
		clear_group(s);
		send_result(s, p->order, &answer, s->now_usec - p->started_usec);
	}
	forget(p);
}

void shim_probe_stop(struct shim *s, uint32_t verdict)
{
	struct shim_probe_run *p = &s->probe;
	struct shim_probe_answer answer = { .verdict = verdict, .exit_code = -1 };
	struct pollfd death = { .fd = p->pidfd, .events = POLLIN };

	if (!p->is_active)
		return;
	shim_probe_output(s);
	p->is_active = false;
	p->is_dying = true;
	p->deadline_usec = SHIM_NEVER;
	syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0);
	clear_group(s);
	memcpy(answer.output, p->output, p->output_length);
	answer.output_length = p->output_length;
	if (poll(&death, 1, DEATH_WAIT_MSEC) > 0)
		shim_probe_ended(s);
	if (verdict)
		send_result(s, p->order, &answer, s->now_usec - p->started_usec);
}

void shim_probe_leave(struct shim *s)
{
	struct shim_probe_run *p = &s->probe;
	char name[GROUP_NAME_MAX];

	close_output(p);
	close_group(p);
	/* The one before the last as well: it may have been killed a moment ago. Where somebody is still dying, the teardown waits. */
	for (uint32_t n = p->group_number > 0 ? p->group_number - 1 : 0; n <= p->group_number; n++)
		unlinkat(s->container.cgroup_fd, group_name(n, name), AT_REMOVEDIR);
}

void shim_probe_tick(struct shim *s)
{
	uint64_t deadline = s->probe.deadline_usec;

	if (s->probe.is_active && s->now_usec >= deadline)
		shim_probe_stop(s, s->now_usec - deadline < FROZEN_USEC ? SHIM_PROBE_TIMEOUT :
									  SHIM_PROBE_CANCELLED);
}
