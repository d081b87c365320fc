/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where we run and how that world wants to be left. In a pid namespace reboot(2) ends PID 1 as if by a signal:
 * RB_AUTOBOOT by SIGHUP, which liblxc takes for "reboot", RB_POWER_OFF by SIGINT, which it takes for "halt"
 * (reboot(2), "Behavior inside PID namespaces").
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <unistd.h>

#include "init.h"

/* What systemd-nspawn ends with for a reboot, too. */
#define EXIT_REBOOT 133

/* Turning Ctrl-Alt-Del off is refused with EINVAL in any pid namespace but the first: the surest test, and in the first one
 * it is wanted (the key then sends SIGINT to PID 1 instead of an immediate reset). */
enum world world_detect(void)
{
	const char *container = getenv("container");

	if (container && container[0])
		return WORLD_CONTAINER;
	if (reboot(RB_DISABLE_CAD) == 0)
		return WORLD_MACHINE;
	return WORLD_BARE;
}

const char *world_variable(enum world world)
{
	switch (world) {
	case WORLD_BARE:
		return "CLEAT_WORLD=namespaces";
	case WORLD_CONTAINER:
		return "CLEAT_WORLD=container";
	case WORLD_MACHINE:
		break;
	}
	return "CLEAT_WORLD=machine";
}

const char *world_name(enum world world)
{
	return strchr(world_variable(world), '=') + 1;
}

/* What containers may have of files; a container's limits are its host's. */
void limits_raise(enum world world)
{
	const struct rlimit files = { 1024, 1048576 };

	if (world == WORLD_MACHINE && setrlimit(RLIMIT_NOFILE, &files) < 0)
		say("RLIMIT_NOFILE: %s", strerror(errno));
}

void world_end(enum world world, enum goal goal)
{
	if (world == WORLD_MACHINE)
		mounts_end();
	sync();
	if (world != WORLD_BARE && reboot(goal == GOAL_REBOOT ? RB_AUTOBOOT : RB_POWER_OFF) < 0)
		say("reboot: %s", strerror(errno));
	/* without CAP_SYS_BOOT a container's manager still understands a plain exit as a halt; whoever made bare
	 * namespaces learns what was asked for */
	_exit(goal == GOAL_REBOOT ? EXIT_REBOOT : 0);
}
