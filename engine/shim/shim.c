/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shim: takes the lock, starts the container, stays with it, writes down how it ended. Whatever
 * the engine does, including dying, does not concern the container. Must never end before the
 * container has, and never block: the disk is the writer's business, probes run in children, a
 * client that does not read is put off.
 */
#include "shim/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "log/files.h"
#include "log/log.h"
#include "shim/internal.h"
#include "util/cleanup.h"
#include "util/lock.h"
#include "util/places.h"
#include "util/str.h"

#define EXIT_USAGE 2
#define EXIT_BUSY 3
#define EXIT_NO_GO 4
#define CTL_FD 3
#define NOTIFY_FD 4
#define DRAIN_USEC SHIM_SEC	       /* for the last output: somebody outside may hold the pipe */
#define DRAIN_MAX_USEC (10 * SHIM_SEC) /* and with a writer that gets ahead, but slowly */
#define REPORT_USEC SHIM_SEC	       /* drop counters are told at most this often */
#define SETTLE_USEC SHIM_SEC	       /* memory goes back after this long without any event */
/* A sleep that was shorter than this has cost more than it gave (a probe every 10 s, say): the next one waits as long. */
#define RESTLESS_USEC (60 * SHIM_SEC)

enum poll_slot {
	SLOT_LISTEN,
	SLOT_CLIENT,
	SLOT_INIT,
	SLOT_STDOUT,
	SLOT_STDERR,
	SLOT_ROOM,
	SLOT_WRITER,
	SLOT_PROBE,
	SLOT_PROBE_OUTPUT,
	SLOT_FILES,
	SLOT_EXEC, /* the first of SHIM_EXEC_MAX_SESSIONS */
	SLOT_COUNT = SLOT_EXEC + SHIM_EXEC_MAX_SESSIONS
};

static uint64_t monotonic_usec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * SHIM_SEC + (uint64_t)ts.tv_nsec / 1000;
}

static int64_t real_usec(void)
{
	return log_stamp_now() / 1000;
}

/* --- arguments --- */

static int set_number(const char *text, uint64_t min, uint64_t max, uint64_t *out,
		      const char *option, struct err *err)
{
	if (!str_to_u64(text, max, out) || *out < min)
		return err_set(err, ERR_INPUT, "%s %s: not a number from %llu to %llu", option,
			       text, (unsigned long long)min, (unsigned long long)max);
	return 0;
}

static int set_option(struct shim_args *a, const char *option, const char *value, struct err *err)
{
	uint64_t number;

	if (str_eq(option, "--id"))
		a->run_id = value;
	else if (str_eq(option, "--name"))
		a->name = value;
	else if (str_eq(option, "--run-dir"))
		a->run_dir = value;
	else if (str_eq(option, "--log"))
		a->log_dir = value;
	else if (str_eq(option, "--log-chosen")) {
		a->log_dir = value;
		a->log_is_chosen = true;
	} else if (str_eq(option, "--passthrough"))
		a->passthrough = value;
	else if (str_eq(option, "--log-max-bytes"))
		return set_number(value, 1, INT64_MAX, &a->log_max_bytes, option, err);
	else if (str_eq(option, "--log-max-files")) {
		if (set_number(value, 1, LOG_MAX_FILES, &number, option, err) < 0)
			return -1;
		a->log_max_files = (unsigned)number;
	} else if (str_eq(option, "--notify-fd")) {
		if (set_number(value, 0, NOTIFY_FD, &number, option, err) < 0)
			return -1;
		if (number != 0 && number != NOTIFY_FD)
			return err_set(err, ERR_INPUT, "%s %s: neither 0 nor %d", option, value,
				       NOTIFY_FD);
		a->notify_fd = (int)number;
	} else if (str_eq(option, "--go-fd")) {
		if (set_number(value, NOTIFY_FD, NOTIFY_FD + 1, &number, option, err) < 0)
			return -1;
		a->go_fd = (int)number;
	} else
		return err_set(err, ERR_INPUT, "%s: unknown option", option);
	return 0;
}

static int parse_args(int argc, char **argv, struct shim_args *a, char run_dir[128],
		      struct err *err)
{
	*a = (struct shim_args){ .log_max_bytes = LOG_DEFAULT_MAX_BYTES,
				 .log_max_files = LOG_DEFAULT_MAX_FILES };
	for (int i = 1; i < argc; i += 2) {
		if (i + 1 == argc)
			return err_set(err, ERR_INPUT, "%s: needs a value", argv[i]);
		if (set_option(a, argv[i], argv[i + 1], err) < 0)
			return -1;
	}
	if (!a->run_id || !str_is_hex(a->run_id, CLEAT_RUNID_LEN))
		return err_set(err, ERR_INPUT, "--id: needs %d hex digits", CLEAT_RUNID_LEN);
	if ((a->log_dir && a->log_dir[0] != '/') || (a->run_dir && a->run_dir[0] != '/'))
		return err_set(err, ERR_INPUT, "--log, --run-dir: need an absolute path");
	/* Less would be a file for a handful of lines; the disk does not notice the difference. */
	if (a->log_max_bytes < LOG_MIN_BYTES)
		a->log_max_bytes = LOG_MIN_BYTES;
	snprintf(run_dir, 128, "%s/%s", CLEAT_CONTAINER_DIR, a->run_id);
	if (!a->run_dir)
		a->run_dir = run_dir;
	if (!a->name)
		a->name = a->log_dir ? strrchr(a->log_dir, '/') + 1 : "";
	if (a->go_fd && a->go_fd == a->notify_fd)
		return err_set(err, ERR_INPUT, "--go-fd %d: is --notify-fd", a->go_fd);
	return 0;
}

/* --- start --- */

/* Started by the engine it has none and, as it never opens one, gets none. */
static bool find_terminal(void)
{
	auto_fd int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);

	return fd >= 0 || errno != ENXIO;
}

/* Everything that would end or stop a process by default. Blocked, not ignored: whoever is born here has all at their defaults
 * and takes the mask away in one call instead of one for each signal, with each probe. The raw call, because libc would
 * leave out those that it uses itself. */
static void block_signals(void)
{
	static const int keep[] = { SIGCHLD, SIGCONT, SIGSEGV, SIGBUS, SIGFPE,
				    SIGILL,  SIGABRT, SIGTRAP, SIGSYS };
	uint64_t mask = UINT64_MAX;

	for (size_t i = 0; i < sizeof(keep) / sizeof(keep[0]); i++)
		mask &= ~(UINT64_C(1) << (keep[i] - 1));
	proc_default_signals(false);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
}

/* fcntl locks belong to the process: the descriptor is kept and the file never opened again. */
static int take_lock(struct shim *s, struct err *err)
{
	s->run_dirfd = open(s->args.run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->run_dirfd < 0)
		return err_sys(err, "%s", s->args.run_dir);
	s->lock_fd = openat(s->run_dirfd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (s->lock_fd < 0)
		return err_sys(err, "%s/lock", s->args.run_dir);
	if (lock_take(s->lock_fd, err) < 0)
		return err_wrap(err, "%s", s->args.run_dir);
	return 0;
}

static int check_ctl(struct err *err)
{
	int type = 0, listening = 0;
	socklen_t length = sizeof(type);

	if (getsockopt(CTL_FD, SOL_SOCKET, SO_TYPE, &type, &length) < 0)
		return err_sys(err, "descriptor %d", CTL_FD);
	length = sizeof(listening);
	if (type != SOCK_SEQPACKET ||
	    getsockopt(CTL_FD, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) < 0 || !listening)
		return err_set(err, ERR_INPUT,
			       "descriptor %d: not a listening SOCK_SEQPACKET socket", CTL_FD);
	if (fcntl(CTL_FD, F_SETFD, FD_CLOEXEC) < 0 || fcntl(CTL_FD, F_SETFL, O_NONBLOCK) < 0)
		return err_sys(err, "descriptor %d", CTL_FD);
	return 0;
}

/* The engine writes what is to be started while we come to life. False: it has given up, or has ended: whoever comes next sees a
 * start that has not begun, for nothing says that we were here. */
static bool wait_for_go(const struct shim_args *a)
{
	char byte;
	ssize_t n;

	if (!a->go_fd)
		return true;
	do
		n = read(a->go_fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	close(a->go_fd);
	return n == 1;
}

/* No log is no reason not to run: the record says what is wrong, the output goes nowhere. */
static void open_output(struct shim *s, int write_fds[2])
{
	struct err err;

	write_fds[0] = write_fds[1] = -1;
	if ((!s->args.log_dir && !s->args.passthrough) ||
	    shim_output_open(&s->output, &s->args, write_fds, &err) == 0)
		return;
	str_copy(s->status.log_error, sizeof(s->status.log_error), err.msg);
	log_msg(LOG_ERROR, "shim", "log: %s", err.msg);
}

/* Nothing here can be seen from outside. */
static int prepare(struct shim *s, int write_fds[2], struct err *err)
{
	if (check_ctl(err) < 0)
		return -1;
	s->listen_fd = CTL_FD;
	s->has_terminal = find_terminal();
	if (s->args.notify_fd && shim_notify_hold(s, s->args.notify_fd, err) < 0)
		return -1;
	s->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (s->null_fd < 0)
		return err_sys(err, "/dev/null");
	s->message = log_memory_map(SHIM_MESSAGE_MAX + 1, err);
	if (!s->message)
		return -1;
	shim_record_init(s);
	open_output(s, write_fds);
	return 0;
}

static void note_running(struct shim *s)
{
	s->status.phase = SHIM_RUNNING;
	str_copy(s->status.unenforced, sizeof(s->status.unenforced), s->container.unenforced);
	s->status.lost = s->container.lost;
	s->status.container_pid = s->container.init.pid;
	s->status.started_real_usec = real_usec();
	s->status.started_monotonic_usec = monotonic_usec();
}

/* The last process to leave takes a mount namespace apart before anybody hears that it has ended, which takes as long as half of all that we do
 * then. With this one that falls to us, and we do it behind everything else. It is a process of ours that nobody has waited for, so the number is
 * still its own. */
static void hold_mounts(struct shim *s, pid_t init)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)init);
	s->mounts_fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
}

/* What does not change any more, while it makes its root: a program may end as soon as it has begun. */
static void note_born(void *arg, const struct proc *init)
{
	struct shim *s = arg;

	hold_mounts(s, init->pid);
	s->status.container_start_ticks = proc_start_ticks(init->pid);
}

static void note_failed(struct shim *s, const struct err *err)
{
	s->status.phase = SHIM_FAILED;
	s->status.container_start_ticks = 0;
	s->status.error_code = (uint32_t)err->code;
	s->status.error_errno = err->sys_errno;
	str_copy(s->status.error, sizeof(s->status.error), err->msg);
}

/* Not inlined: what it needs of the stack would stay with the shim for years. */
static __attribute__((noinline)) void start_container(struct shim *s, int write_fds[2])
{
	char config[4096];
	struct err err = { 0 };
	struct runtime_start start = { .config_path = config,
				       .run_id = s->args.run_id,
				       .signals_are_default = true,
				       .born = note_born,
				       .born_arg = s };
	int n = snprintf(config, sizeof(config), "%s/config.json", s->args.run_dir);
	int rc = -1;

	start.stdio[0] = s->null_fd;
	for (int i = 0; i < 2; i++)
		start.stdio[i + 1] = write_fds[i] >= 0 ? write_fds[i] : s->null_fd;
	if (n < 0 || (size_t)n >= sizeof(config))
		err_set(&err, ERR_LIMIT, "%s: path too long", s->args.run_dir);
	else
		rc = runtime_start(&start, &s->container, &err);
	close_fd(&write_fds[0]);
	close_fd(&write_fds[1]);
	if (rc == 0) {
		note_running(s);
		/* Its preparations take as long as a start: they shall not take the processor away
		 * from one. The ring holds what comes meanwhile. */
		shim_output_start_writer(&s->output, monotonic_usec());
	} else {
		close_fd(&s->mounts_fd);
		s->container =
			(struct runtime_container){ .init = { .pidfd = -1 }, .cgroup_fd = -1 };
		note_failed(s, &err);
	}
	shim_record_publish(s);
}

/* --- the end --- */

static void note_memory(struct shim *s, const struct rusage *usage)
{
	int group = s->container.cgroup_fd;
	struct shim_status *st = &s->status;

	st->oom_kills = shim_group_oom_kills(group);
	st->oom_killed = st->oom_kills > 0;
	st->memory_max_bytes = shim_group_number(group, "memory.max");
	st->memory_peak_bytes = shim_group_number(group, "memory.peak");
	st->max_rss_bytes = usage->ru_maxrss > 0 ? (uint64_t)usage->ru_maxrss * 1024 : 0;
}

/* Other processes of the container may have outlived the first one; nothing of it stays. */
static void on_container_ended(struct shim *s)
{
	siginfo_t info = { 0 };

	struct rusage usage = { 0 };

	/* the system call itself: it tells what the dead have used, the C library's does not pass that on */
	while (syscall(SYS_waitid, P_PIDFD, s->container.init.pidfd, &info, WEXITED | __WALL,
		       &usage) < 0 &&
	       errno == EINTR)
		;
	s->status.exit_signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
	s->status.exit_code = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
	s->status.exited_real_usec = real_usec();
	note_memory(s, &usage);
	shim_group_kill(s->container.cgroup_fd);
	close_fd(&s->container.init.pidfd);
	s->is_ended = true;
	s->drain_until_usec = s->now_usec + DRAIN_USEC;
	s->drain_limit_usec = s->now_usec + DRAIN_MAX_USEC;
	shim_probe_stop(s, SHIM_PROBE_CANCELLED);
}

/* A client that is just connecting shall hear it too; after us it reads the record. */
static void say_goodbye(struct shim *s)
{
	struct pollfd client = { .events = POLLIN };

	shim_record_publish(s);
	shim_control_accept(s);
	client.fd = s->client_fd;
	while (!s->is_greeted && poll(&client, 1, 0) > 0 && s->client_fd >= 0)
		shim_control_receive(s);
}

static void finish(struct shim *s)
{
	shim_output_finish(&s->output);
	shim_output_report(&s->output, &s->status);
	if (s->is_ended) {
		s->status.phase = SHIM_EXITED;
		shim_probe_leave(s);
		shim_notify_keep(s);
	}
	say_goodbye(s);
	/* Whoever waits for our end needs not wait for that of our memory and of the container's mounts. The lock is free before ctl ends. */
	close_fd(&s->lock_fd);
	close_fd(&s->client_fd);
	close_fd(&s->listen_fd);
}

/* --- the loop --- */

static void fill_slots(const struct shim *s, struct pollfd slots[SLOT_COUNT])
{
	const struct shim_output *o = &s->output;
	const int fds[SLOT_EXEC] = {
		[SLOT_LISTEN] = s->listen_fd,
		[SLOT_CLIENT] = s->client_fd,
		[SLOT_INIT] = s->container.init.pidfd,
		[SLOT_STDOUT] = o->is_open && !o->streams[0].is_stalled ? o->streams[0].fd : -1,
		[SLOT_STDERR] = o->is_open && !o->streams[1].is_stalled ? o->streams[1].fd : -1,
		[SLOT_ROOM] = o->is_open ? o->ring.room_event : -1,
		[SLOT_WRITER] = o->is_open ? o->writer_pidfd : -1,
		[SLOT_PROBE] = s->probe.pidfd,
		[SLOT_PROBE_OUTPUT] = shim_probe_output_fd(s),
		[SLOT_FILES] = s->files.pidfd,
	};

	for (int i = 0; i < SLOT_EXEC; i++)
		slots[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
	for (unsigned i = 0; i < SHIM_EXEC_MAX_SESSIONS; i++)
		slots[SLOT_EXEC + i] =
			(struct pollfd){ .fd = shim_exec_pidfd(s, i), .events = POLLIN };
}

static uint64_t next_deadline(const struct shim *s)
{
	uint64_t at = s->probe.deadline_usec;

	if (s->output.is_open && shim_output_deadline(&s->output) < at)
		at = shim_output_deadline(&s->output);
	if (s->report_at_usec < at)
		at = s->report_at_usec;
	if (s->settle_at_usec < at)
		at = s->settle_at_usec;
	if (s->is_ended && s->drain_until_usec < at)
		at = s->drain_until_usec;
	return at;
}

/* Nothing has happened for a while: memory goes back before a sleep without a limit. False: this is
 * not the moment. */
static bool may_settle(struct shim *s)
{
	if (s->now_usec < s->settle_at_usec)
		return false;
	s->settle_at_usec = SHIM_NEVER;
	/* With a stalled disk the ring's lines have to stay; a probe under way is no idleness. */
	if (next_deadline(s) == SHIM_NEVER &&
	    (!s->output.is_open || shim_output_release(&s->output))) {
		log_memory_release(s->message, SHIM_MESSAGE_MAX + 1);
		return true;
	}
	s->settle_at_usec = s->now_usec + SETTLE_USEC;
	return false;
}

static int sleep_until_event(struct shim *s, struct pollfd slots[SLOT_COUNT])
{
	if (may_settle(s)) {
		int count = log_memory_sleep(slots, SLOT_COUNT);

		log_memory_woken();
		s->is_restless = monotonic_usec() - s->now_usec < RESTLESS_USEC;
		return count;
	}

	uint64_t deadline = next_deadline(s), now = monotonic_usec();
	uint64_t left = deadline > now ? deadline - now : 0;
	struct timespec timeout = { .tv_sec = (time_t)(left / SHIM_SEC),
				    .tv_nsec = (long)(left % SHIM_SEC * 1000) };

	return ppoll(slots, SLOT_COUNT, deadline == SHIM_NEVER ? NULL : &timeout, NULL);
}

static void wait_for_events(struct shim *s, struct pollfd slots[SLOT_COUNT])
{
	fill_slots(s, slots);
	if (sleep_until_event(s, slots) < 0)
		memset(slots, 0, sizeof(*slots) * SLOT_COUNT);
	s->now_usec = monotonic_usec();
	for (int i = 0; i < SLOT_COUNT; i++)
		if (slots[i].revents)
			s->settle_at_usec =
				s->now_usec + (s->is_restless ? RESTLESS_USEC : SETTLE_USEC);
}

/* Each handler may close what a later slot stands for; so each slot's descriptor is compared with
 * the one of now. */
static void handle_events(struct shim *s, const struct pollfd slots[SLOT_COUNT])
{
	struct shim_output *o = &s->output;

	if (slots[SLOT_ROOM].revents)
		shim_output_room(o);
	for (unsigned i = 0; i < 2; i++)
		if (slots[SLOT_STDOUT + i].revents)
			shim_output_read(o, i, s->now_usec);
	if (slots[SLOT_WRITER].revents)
		shim_output_writer_ended(o, s->now_usec);
	if (slots[SLOT_PROBE_OUTPUT].revents)
		shim_probe_output(s);
	if (slots[SLOT_PROBE].revents)
		shim_probe_ended(s);
	if (slots[SLOT_FILES].revents)
		shim_files_ended(s);
	for (unsigned i = 0; i < SHIM_EXEC_MAX_SESSIONS; i++)
		if (slots[SLOT_EXEC + i].revents)
			shim_exec_ended(s, i);
	/* Before the end of the container: an order of this turn was given while it ran. */
	if (slots[SLOT_CLIENT].revents && s->client_fd == slots[SLOT_CLIENT].fd)
		shim_control_receive(s);
	if (slots[SLOT_LISTEN].revents)
		shim_control_accept(s);
	if (slots[SLOT_INIT].revents && s->container.init.pidfd >= 0)
		on_container_ended(s);
}

static void handle_time(struct shim *s)
{
	shim_probe_tick(s);
	if (!s->output.is_open)
		return;
	shim_output_tick(&s->output, s->now_usec);
	if (shim_output_report(&s->output, &s->status) && s->report_at_usec == SHIM_NEVER)
		s->report_at_usec = s->now_usec + REPORT_USEC;
	if (s->now_usec >= s->report_at_usec) {
		s->report_at_usec = SHIM_NEVER;
		shim_record_publish(s);
	}
}

/* The last lines wait for a writer that gets ahead; one that does not is given up by output.c. */
static void prolong_drain(struct shim *s)
{
	uint64_t until = s->now_usec + DRAIN_USEC;

	if (s->is_ended && shim_output_is_waiting(&s->output))
		s->drain_until_usec = until < s->drain_limit_usec ? until : s->drain_limit_usec;
}

static bool is_over(const struct shim *s)
{
	if (s->status.phase == SHIM_FAILED)
		return true;
	return s->is_ended &&
	       (shim_output_is_done(&s->output) || s->now_usec >= s->drain_until_usec);
}

static void stay(struct shim *s)
{
	struct pollfd slots[SLOT_COUNT];

	s->settle_at_usec = monotonic_usec() + SETTLE_USEC;
	while (!is_over(s)) {
		wait_for_events(s, slots);
		prolong_drain(s);
		handle_events(s, slots);
		handle_time(s);
	}
}

int cmd_shim(int argc, char **argv)
{
	struct shim s = {
		.run_dirfd = -1,
		.lock_fd = -1,
		.null_fd = -1,
		.listen_fd = -1,
		.client_fd = -1,
		.mounts_fd = -1,
		.notify_fd = -1,
		.report_at_usec = SHIM_NEVER,
		.files = { .pidfd = -1 },
		.container = { .init = { .pidfd = -1 }, .cgroup_fd = -1 },
		.probe = { .pidfd = -1,
			   .result_fd = -1,
			   .output_fd = -1,
			   .output_write_fd = -1,
			   .cgroup_fd = -1,
			   .events_fd = -1,
			   .deadline_usec = SHIM_NEVER,
			   .joiner = RUNTIME_JOINER_INIT },
	};
	char run_dir[128];
	struct err err = { 0 };
	int write_fds[2], rc;

	log_init("cleat-shim", LOG_INFO);
	prctl(PR_SET_NAME, "cleat-shim", 0, 0, 0);
	block_signals();
	if (parse_args(argc, argv, &s.args, run_dir, &err) < 0) {
		log_msg(LOG_ERROR, "shim", "%s", err.msg);
		return EXIT_USAGE;
	}
	rc = prepare(&s, write_fds, &err);
	if (rc == 0 && !wait_for_go(&s.args))
		return EXIT_NO_GO;
	if (rc < 0 || take_lock(&s, &err) < 0) {
		log_msg(LOG_ERROR, "shim", "%s", err.msg);
		return err.code == ERR_BUSY ? EXIT_BUSY : 1;
	}
	s.now_usec = monotonic_usec();
	shim_record_publish(&s);
	start_container(&s, write_fds);
	stay(&s);
	finish(&s);
	return 0;
}
