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

/* What the engine is told. */
static void fill_environment(const struct engine_child *engine, enum world world, char **envp)
{
	static char boot[64], stop[64], watchdog[64];
	unsigned n = 0;

	snprintf(boot, sizeof(boot), "CLEAT_BOOT_USEC=%llu", (unsigned long long)start_usec());
	snprintf(stop, sizeof(stop), "CLEAT_STOP_USEC=%llu", (unsigned long long)engine->stop_usec);
	snprintf(watchdog, sizeof(watchdog), "CLEAT_WATCHDOG_USEC=%llu",
		 (unsigned long long)engine->watchdog_usec);
	envp[n++] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	envp[n++] = (char *)world_variable(world);
	envp[n++] = boot;
	if (engine->stop_usec)
		envp[n++] = stop;
	if (engine->watchdog_usec)
		envp[n++] = watchdog;
	if (engine->failures >= SAFE_MODE_FAILURES)
		envp[n++] = "CLEAT_SAFE_MODE=1";
}

void engine_start(struct engine_child *engine, enum world world, int cgroup_fd)
{
	static char *argv[] = { "cleat", "engine", NULL };
	char *envp[8] = { NULL };
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

	fill_environment(engine, world, envp);
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
	if (engine->failures == SAFE_MODE_FAILURES)
		say("engine: %u ends in a row: the next one is in safe mode", engine->failures);
	if (wait_status >= 0 && WIFSIGNALED(wait_status))
		say("engine: ended by signal %d; starting it again in %llu ms",
		    WTERMSIG(wait_status), (unsigned long long)(delay / 1000));
	else if (wait_status >= 0)
		say("engine: exited with code %d; starting it again in %llu ms",
		    WEXITSTATUS(wait_status), (unsigned long long)(delay / 1000));
}
