/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network namespace without interfaces is a third of what a start waits for the kernel, and nobody looks at it before /sys is mounted. So a
 * process of the child's makes it and brings it up meanwhile, on another processor. It has the child's rights and is gone before the old root
 * is. Must never outlive the child's steps.
 */
#include "runtime/network.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/child.h"
#include "runtime/kernel.h"
#include "util/cleanup.h"
#include "util/pass_fd.h"
#include "util/proc.h"

bool network_may_be_made_aside(const struct plan *plan)
{
	/* with a single processor the second process is but one more to make */
	return plan->namespaces & ~plan->joined & CLONE_NEWNET && plan->network_count == 0 &&
	       !plan->is_holder && proc_processors() > 1;
}

static int leave_network(struct err *err)
{
	if (unshare(CLONE_NEWNET) == 0)
		return 0;
	if (errno == ENOSPC)
		return err_sys(err, "a limit below /proc/sys/user (max_net_namespaces) is reached");
	return err_sys(err, "unshare");
}

/* The files of /proc/sys/net speak of ids, which mean nothing before the maps are written. */
static int await_maps(int peer, struct err *err)
{
	struct sync_message message;

	if (sync_receive(peer, &message, NULL, err) < 0)
		return -1;
	if (message.type != SYNC_MAPPED)
		return err_set(err, ERR_BUSY, "the child is gone");
	return child_become_inner_root(err);
}

static int open_new_network(struct err *err)
{
	int network;

	if (leave_network(err) < 0)
		return -1;
	/* as long as the process is root outside, whose the file is */
	network = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	return network < 0 ? err_sys(err, "/proc/self/ns/net") : network;
}

static int say(int peer, const struct err *what, int network)
{
	return pass_fd_send(peer, what, sizeof(*what), network, 0) < 0 ? -1 : 0;
}

/* Two words: the namespace, as soon as there is one, and that it is up. Bad news waits for the maps as well: a word that nobody has read would
 * take it away. */
static int make_network(const struct plan *plan, int peer)
{
	struct err err = { 0 };
	auto_fd int network = open_new_network(&err);
	bool is_made = network >= 0 && say(peer, &err, network) == 0;

	if (await_maps(peer, is_made ? &err : NULL) == 0 && is_made &&
	    network_set_up(plan, &err) == 0)
		return say(peer, &err, -1);
	say(peer, &err, -1);
	return -1;
}

static _Noreturn void run_maker(const struct child *c, int peer)
{
	/* as the child does, and for the same reason: step_session() */
	_exit(prctl(PR_SET_DUMPABLE, 0) < 0 || make_network(c->plan, peer) < 0);
}

int network_begin(struct child *c, struct err *err)
{
	struct clone_args args = { 0 }; /* no signal at its end: the program shall find none */
	int ends[2];

	if (!c->makes_network)
		return 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(err, "socketpair");

	auto_fd int ours = ends[0];
	auto_fd int theirs = ends[1];

	c->network_maker = kernel_clone3(&args);
	if (c->network_maker == 0) {
		close(ours);
		close(c->sync); /* whose end is the word that the program runs */
		run_maker(c, theirs);
	}
	/* a unit may allow one process only */
	if (c->network_maker < 0)
		return errno == EAGAIN ? leave_network(err) : err_sys(err, "clone3");
	c->network = take_fd(&ours);
	return 0;
}

static int hear(const struct child *c, int *network, struct err *err)
{
	struct err reason = { 0 };
	ssize_t n;

	do
		n = pass_fd_receive(c->network, &reason, sizeof(reason), network, 0);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(reason))
		return err_set(err, ERR_SYS, "network: whoever made it was killed");
	if (!reason.code)
		return 0;
	*err = reason;
	return err_wrap(err, "network");
}

int network_enter(struct child *c, struct err *err)
{
	auto_fd int network = -1;

	if (c->network < 0 || c->is_in_network)
		return 0;
	if (hear(c, &network, err) < 0)
		return -1;
	if (setns(network, CLONE_NEWNET) < 0)
		return err_sys(err, "network: setns");
	c->is_in_network = true;
	return 0;
}

int network_end(struct child *c, struct err *err)
{
	auto_fd int none = -1;
	pid_t pid;

	if (c->network < 0)
		return 0;
	if (network_enter(c, err) < 0 || hear(c, &none, err) < 0)
		return -1;
	close_fd(&c->network);
	do
		pid = waitpid(c->network_maker, NULL, __WALL);
	while (pid < 0 && errno == EINTR);
	return pid < 0 ? err_sys(err, "waitpid") : 0;
}
