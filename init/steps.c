/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is more than a mount or a signal is done by children, "cleat boot NAME": they may parse, allocate, wait for a disk, crash or hang.
 * The boot goes on without one that does not end in time; one that even SIGKILL does not end (a disk or a virtiofs that
 * does not answer) is left behind. Must never wait for a child longer than its row says.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init.h"
#include "util/cleanup.h"
#include "util/path.h"
#include "util/places.h"
#include "util/proc.h"

#define KILLED_USEC 500000u /* what SIGKILL may take */
#define STAY_DELAY_USEC 5000000u

#define IN(world) (1u << (world))
#define MACHINE IN(WORLD_MACHINE)
#define EVERYWHERE (MACHINE | IN(WORLD_CONTAINER) | IN(WORLD_BARE))

/* In their order. Disks come with modules, the identity and the seed lie on /data, and /etc is written from "identity" on. */
/* clang-format off */
static const struct step {
	const char *name;
	unsigned worlds;
	unsigned limit_sec;
} first[] = {
	{ "modules", MACHINE, 20 },
	{ "etc", MACHINE, 0 }, /* mounts only: done here */
	{ "data", MACHINE, 660 },
	{ "identity", EVERYWHERE, 5 },
	{ "clock", MACHINE, 5 },
	{ "config", EVERYWHERE, 30 },
};
/* clang-format on */

/* Time waits: a server is asked once there is a network, and until then the processor is the containers'. */
static const struct {
	const char *name;
	unsigned delay_usec;
} staying[STEP_STAYS] = { { "button", 0 }, { "ntp", 3000000 } };
#define SEED_LIMIT_SEC 3

static int start(const char *name, enum world world, int out, pid_t *pid)
{
	char *argv[] = { "cleat", "boot", (char *)name, NULL };
	char *envp[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
			 (char *)world_variable(world), NULL };
	struct proc_spawn spawn = {
		.path = CLEAT_PROGRAM,
		.argv = argv,
		.envp = envp,
		.cgroup_fd = -1,
		.fds = { -1, out, out },
		.fd_count = 3,
		.new_session = true,
	};
	struct proc proc;
	struct err err;

	if (proc_spawn(&spawn, &proc, &err) < 0) {
		say("%s: %s", name, err.msg);
		return -1;
	}
	close(proc.pidfd);
	*pid = proc.pid;
	return 0;
}

/* What the step had to say, in one line. It does not block: whoever the step has left behind may have the other end. */
static void read_words(int fd, char *out, size_t size)
{
	ssize_t n = read(fd, out, size - 1);

	while (n > 0 && out[n - 1] == '\n')
		n--;
	out[n > 0 ? n : 0] = '\0';
	for (char *c = out; *c; c++)
		if ((unsigned char)*c < ' ')
			*c = ' ';
}

static void wait_for_step(struct init *init, uint64_t deadline)
{
	enum goal goal =
		init->ending.goal; /* asked to stop meanwhile: nobody waits for this any more */

	while (init->step_pid && init->ending.goal == goal && now_usec() < deadline)
		wait_for_signals(init, deadline);
	if (!init->step_pid)
		return;
	kill(init->step_pid, SIGKILL);
	deadline = now_usec() + KILLED_USEC;
	while (init->step_pid && now_usec() < deadline)
		wait_for_signals(init, deadline);
}

int step_run(struct init *init, const char *name, unsigned limit_sec)
{
	uint64_t began = now_usec();
	char words[400];
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;

	auto_fd int in = ends[0];
	auto_fd int out = ends[1];

	if (start(name, init->world, out, &init->step_pid) < 0)
		return -1;
	close_fd(&out);
	wait_for_step(init, began + limit_sec * UINT64_C(1000000));
	read_words(in, words, sizeof(words));

	bool is_left = init->step_pid != 0;
	bool is_done = !is_left && WIFEXITED(init->step_status) &&
		       WEXITSTATUS(init->step_status) == 0;
	const char *how = is_done			 ? "" :
			  is_left			 ? ": does not end; left behind" :
			  WIFSIGNALED(init->step_status) ? ": was ended" :
							   ": failed";

	init->step_pid = 0;
	say("%s %llu ms%s%s%s", name, (unsigned long long)((now_usec() - began) / 1000), how,
	    words[0] ? ": " : "", words);
	return is_done ? 0 : -1;
}

/* A file of appliance.ini's own world lies there already, or the manager's mount is all there will be. */
static bool is_needless(const struct step *s)
{
	return strcmp(s->name, "config") == 0 && path_is_mount(CLEAT_CONFIG_DIR, 0);
}

void steps_before_engine(struct init *init)
{
	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
		const struct step *s = &first[i];

		if (!(s->worlds & IN(init->world)) || init->ending.goal != GOAL_RUN ||
		    is_needless(s))
			continue;
		if (s->limit_sec)
			step_run(init, s->name, s->limit_sec);
		else
			mounts_make_etc();
	}
	for (size_t i = 0; i < STEP_STAYS; i++)
		init->stays[i].next_start_usec = now_usec() + staying[i].delay_usec;
}

void steps_after_engine(struct init *init)
{
	if (init->world == WORLD_MACHINE)
		step_run(init, "seed", SEED_LIMIT_SEC);
}

uint64_t steps_keep(struct init *init, uint64_t now)
{
	uint64_t next = UINT64_MAX;

	if (init->world != WORLD_MACHINE || init->ending.goal != GOAL_RUN)
		return next;
	for (size_t i = 0; i < STEP_STAYS; i++) {
		struct stay *stay = &init->stays[i];

		if (stay->pid || stay->is_over)
			continue;
		if (stay->next_start_usec <= now) {
			stay->next_start_usec = now + STAY_DELAY_USEC;
			if (start(staying[i].name, init->world, STDERR_FILENO, &stay->pid) == 0)
				continue;
		}
		if (stay->next_start_usec < next)
			next = stay->next_start_usec;
	}
	return next;
}

void steps_ended(struct init *init, pid_t pid, int wait_status)
{
	if (pid == init->step_pid) {
		init->step_pid = 0;
		init->step_status = wait_status;
	}
	for (size_t i = 0; i < STEP_STAYS; i++) {
		struct stay *stay = &init->stays[i];

		if (pid != stay->pid)
			continue;
		stay->pid = 0;
		stay->is_over = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0;
		if (!stay->is_over && init->ending.goal == GOAL_RUN)
			say("%s: ended; started again", staying[i].name);
	}
}
