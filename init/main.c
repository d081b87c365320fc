/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleat-init: PID 1 of the appliance. Mounts, reaping, signals, respawn of the engine, shutdown. It parses nothing,
 * allocates nothing in steady state, and cannot exit before everything else has: in LXC the container would die silently, in a VM the
 * kernel would panic.
 */
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init.h"
#include "util/ending.h"
#include "util/relro.h"

#define STOP_TRIES 3
#define KILL_WAIT_USEC 2000000u
#define MAX_SLEEP_USEC 3600000000u
#define AFTER_ENGINE_SEC 60 /* for ending the rest, writing what is dirty and leaving */

/* Raw numbers: managers mean the kernel's, and musl's SIGRTMIN differs from glibc's (35, not 34). */
enum {
	SIGNAL_PWR = 30,	   /* liblxc: halt, when PID 1 does not block 37 */
	SIGNAL_HALT = ENDING_HALT, /* systemd's SIGRTMIN+3; liblxc sends it to whoever blocks it */
	SIGNAL_POWEROFF = ENDING_POWEROFF,
	SIGNAL_REBOOT = ENDING_REBOOT,
	SIGNAL_KEXEC = 40,
	/* the same three without waiting for anybody */
	SIGNAL_HALT_NOW = ENDING_HALT + ENDING_FORCE,
	SIGNAL_POWEROFF_NOW = ENDING_POWEROFF + ENDING_FORCE,
	SIGNAL_REBOOT_NOW = ENDING_REBOOT + ENDING_FORCE,
};

static enum goal goal_of_signal(int number, enum world world)
{
	switch (number) {
	case SIGNAL_PWR:
	case SIGNAL_HALT:
	case SIGNAL_POWEROFF:
	case SIGNAL_HALT_NOW:
	case SIGNAL_POWEROFF_NOW:
	case SIGUSR1: /* busybox halt */
	case SIGUSR2: /* busybox poweroff */
		return GOAL_HALT;
	case SIGNAL_REBOOT:
	case SIGNAL_REBOOT_NOW:
	case SIGNAL_KEXEC: /* there is no other kernel to go to */
	case SIGINT:	   /* lxc-stop -r, Ctrl-Alt-Del */
		return GOAL_REBOOT;
	case SIGTERM: /* busybox reboot in a machine; what Proxmox's OCI mode halts a container with */
		return world == WORLD_MACHINE ? GOAL_REBOOT : GOAL_HALT;
	default:
		return GOAL_RUN;
	}
}

/* Every signal that means something here; the others stay blocked and are never taken. */
static int signals_open(void)
{
	sigset_t set, all;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGHUP);
	for (int number = 1; number < _NSIG; number++)
		if (goal_of_signal(number, WORLD_BARE) != GOAL_RUN)
			sigaddset(&set, number);
	/* blocked before anything else; musl's sigfillset leaves its own 32-34 out, which nobody sends */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	if (ioctl(fd, SIOCGIFFLAGS, &request) == 0 && !(request.ifr_flags & IFF_UP)) {
		request.ifr_flags = (short)(request.ifr_flags | IFF_UP | IFF_RUNNING);
		if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
			say("lo: %s", strerror(errno));
	}
	close(fd);
}

/* Takes every zombie there is: one SIGCHLD may stand for many. */
static void reap(struct init *init)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == init->engine.pid)
			engine_ended(&init->engine, status, init->ending.goal);
		else
			steps_ended(init, pid, status);
	}
}

static void ask_engine_to_stop(struct init *init)
{
	if (init->engine.pid > 0)
		kill(init->engine.pid, SIGTERM);
}

static void begin_stop(struct init *init, enum goal goal)
{
	if (init->ending.goal == GOAL_RUN)
		say(goal == GOAL_REBOOT ? "reboot: stopping containers" :
					  "halt: stopping containers");
	if (init->ending.goal == GOAL_RUN)
		init->engine.stop_usec = now_usec();
	init->engine.failures = 0; /* not in safe mode: containers are to be stopped in order */
	init->ending.goal = goal;
	ask_engine_to_stop(init);
}

/* What the engine asks for because a unit does: its value says more than its number. */
static void take_value(struct init *init, int value)
{
	init->ending.has_status = (value & ENDING_HAS_STATUS) != 0;
	init->ending.status = value & ENDING_STATUS;
	if (init->ending.has_status)
		say("to end with code %d", init->ending.status);
	if (value & ENDING_AT_ONCE) {
		say("ending at once");
		world_end_at_once(init->world, &init->ending);
	}
}

static void handle_signals(struct init *init)
{
	struct signalfd_siginfo info;

	while (read(init->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		int number = (int)info.ssi_signo;
		enum goal goal = goal_of_signal(number, init->world);
		bool is_queued = goal != GOAL_RUN && info.ssi_code == SI_QUEUE;

		if (is_queued && init->ending.goal != GOAL_RUN)
			continue; /* a person was first */
		if (number == SIGCHLD)
			reap(init);
		else if (number == SIGHUP && init->engine.pid > 0)
			kill(init->engine.pid, SIGHUP);
		if (number == SIGNAL_KEXEC)
			say("kexec is not supported: a reboot it is");
		if (goal != GOAL_RUN)
			begin_stop(init, goal);
		init->ending.is_immediate |= number >= SIGNAL_HALT_NOW &&
					     number <= SIGNAL_REBOOT_NOW;
		if (is_queued)
			take_value(init, info.ssi_int);
	}
}

void wait_for_signals(struct init *init, uint64_t until_usec)
{
	struct pollfd pfd = { .fd = init->signal_fd, .events = POLLIN };
	uint64_t now = now_usec();
	int timeout = -1;

	if (until_usec <= now)
		timeout = 0;
	else if (until_usec - now < MAX_SLEEP_USEC)
		timeout = (int)((until_usec - now) / 1000) + 1;
	else if (until_usec != UINT64_MAX)
		timeout = MAX_SLEEP_USEC / 1000;
	poll(&pfd, 1, timeout);
	handle_signals(init);
}

/* An engine that crashes while it stops containers is started again and asked again: it adopts what is left. */
static bool stop_is_over(struct init *init)
{
	if (init->ending.is_immediate)
		return true;
	if (init->engine.pid)
		return false;
	return init->engine.next_start_usec <= init->engine.started_usec ||
	       init->stop_tries == STOP_TRIES;
}

static void serve(struct init *init)
{
	for (;;) {
		if (init->ending.goal != GOAL_RUN && stop_is_over(init))
			return;
		if (!init->engine.pid && init->engine.next_start_usec <= now_usec()) {
			engine_start(&init->engine, init->world, init->engine_cgroup);
			if (init->ending.goal != GOAL_RUN) {
				init->stop_tries++;
				ask_engine_to_stop(init);
			}
		}

		uint64_t now = now_usec(), until = steps_keep(init, now);

		watchdog_turn(&init->watchdog, now);
		if (init->watchdog.next_usec < until)
			until = init->watchdog.next_usec;
		if (!init->engine.pid && init->engine.next_start_usec < until)
			until = init->engine.next_start_usec;
		wait_for_signals(init, until);
	}
}

static bool anybody_left(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		;
	return pid == 0;
}

/* Whoever is still there after the engine's orderly stop: TERM, a moment, KILL. */
static void end_all_others(int signal_fd)
{
	struct pollfd pfd = { .fd = signal_fd, .events = POLLIN };
	uint64_t deadline = now_usec() + KILL_WAIT_USEC;
	struct signalfd_siginfo info;

	if (!anybody_left())
		return;
	kill(-1, SIGTERM);
	kill(-1, SIGCONT);
	while (anybody_left() && now_usec() < deadline) {
		poll(&pfd, 1, 50);
		while (read(signal_fd, &info, sizeof(info)) > 0)
			;
	}
	kill(-1, SIGKILL);
	while (anybody_left() && now_usec() < deadline + KILL_WAIT_USEC)
		poll(&pfd, 1, 50);
}

int main(int argc, char **argv)
{
	struct init init = { .ending = { .goal = GOAL_RUN } };

	relro_protect();
	if (argc > 1 && strcmp(argv[1], "--version") == 0) {
		printf("cleat-init %s\n", CLEAT_VERSION);
		return 0;
	}
	if (getpid() != 1) {
		fprintf(stderr,
			"cleat-init runs as PID 1 of a container, a VM or a pid namespace\n");
		return 2;
	}
	init.signal_fd = signals_open();
	console_init();
	init.world = world_detect();
	say("cleat-init %s (%s)", CLEAT_VERSION, world_name(init.world));
	root_prepare(init.world);
	mounts_make(init.world);
	root_switch(&init);
	say("mounts ready");
	mounts_set_kernel(init.world);
	init.engine_cgroup = cgroup_prepare();
	loopback_up();
	limits_raise(init.world);
	steps_before_engine(&init);
	watchdog_find(&init.watchdog, init.world);
	init.engine.watchdog_usec = init.watchdog.period_usec;
	say("starting the engine");
	serve(&init);
	watchdog_last_feed(&init.watchdog, AFTER_ENGINE_SEC);
	end_all_others(init.signal_fd);
	steps_after_engine(&init);
	say(init.ending.goal == GOAL_REBOOT ? "all stopped; rebooting" : "all stopped");
	world_end(init.world, &init.ending);
}
