/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine as a child: started, started again with growing delay when it ends unasked. Containers do not notice: they
 * belong to their shims, and the next engine adopts them.
 */
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init.h"
#include "util/places.h"
#include "util/proc.h"

#define LONG_LIFE_USEC 10000000u
#define FIRST_DELAY_USEC 100000u
#define MAX_DELAY_USEC 10000000u

/* What stays with PID 1: modules, reboot, the clock and raw hardware are none of the engine's business. */
static const int kept_by_init[] = { CAP_SYS_MODULE, CAP_SYS_BOOT, CAP_SYS_TIME, CAP_SYS_RAWIO, -1 };

void engine_start(struct engine_child *engine, int cgroup_fd)
{
	static char boot[64], stop[64];
	static char *argv[] = { "cleat", "engine", NULL };
	static char *envp[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
				boot, NULL, NULL };
	struct proc_spawn spawn = {
		.path = CLEAT_PROGRAM,
		.argv = argv,
		.envp = envp,
		.cgroup_fd = cgroup_fd,
		.fds = { -1, STDOUT_FILENO, STDERR_FILENO },
		.fd_count = 3,
		.new_session = true,
		/* an engine that is young must not die of being asked to stop */
		.signals_blocked = true,
		.drop_caps = kept_by_init,
	};
	struct proc proc;
	struct err err;

	snprintf(boot, sizeof(boot), "CLEAT_BOOT_USEC=%llu", (unsigned long long)start_usec());
	snprintf(stop, sizeof(stop), "CLEAT_STOP_USEC=%llu", (unsigned long long)engine->stop_usec);
	envp[2] = engine->stop_usec ? stop : NULL;
	engine->started_usec = now_usec();
	if (proc_spawn(&spawn, &proc, &err) < 0) {
		say("engine: %s", err.msg);
		engine_ended(engine, -1, GOAL_RUN);
		return;
	}
	close(proc.pidfd);
	engine->pid = proc.pid;
}

void engine_ended(struct engine_child *engine, int wait_status, enum goal goal)
{
	uint64_t now = now_usec(), delay = FIRST_DELAY_USEC;

	engine->pid = 0;
	if (goal != GOAL_RUN && wait_status == 0)
		return; /* asked for */
	if (now - engine->started_usec > LONG_LIFE_USEC)
		engine->failures = 0;
	for (unsigned i = 0; i < engine->failures && delay < MAX_DELAY_USEC; i++)
		delay *= 2;
	if (delay > MAX_DELAY_USEC)
		delay = MAX_DELAY_USEC;
	engine->failures++;
	engine->next_start_usec = now + delay;
	if (wait_status >= 0 && WIFSIGNALED(wait_status))
		say("engine: ended by signal %d; starting it again in %llu ms",
		    WTERMSIG(wait_status), (unsigned long long)(delay / 1000));
	else if (wait_status >= 0)
		say("engine: exited with code %d; starting it again in %llu ms",
		    WEXITSTATUS(wait_status), (unsigned long long)(delay / 1000));
}
