/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where we run and how that world wants to be left. In a pid namespace reboot(2) ends PID 1 as if by a signal:
 * RB_AUTOBOOT by SIGHUP, which liblxc takes for "reboot", RB_POWER_OFF by SIGINT, which it takes for "halt"
 * (reboot(2), "Behavior inside PID namespaces").
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init.h"
#include "util/places.h"

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

/* What RebootArgument= asks for; firmware and virtual machines know few, and none is an error. */
static void reboot_with_argument(void)
{
	char text[256];
	int fd = open(CLEAT_REBOOT_ARGUMENT, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	if (n <= 0)
		return;
	text[n] = '\0';
	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_RESTART2,
		text);
	say("reboot with the argument %s: %s", text, strerror(errno));
}

void world_end_at_once(enum world world, const struct ending *ending)
{
	bool is_reboot = ending->goal == GOAL_REBOOT;

	if (world == WORLD_MACHINE && is_reboot)
		reboot_with_argument();
	/* a container's exit code is its manager's to hand on; reboot(2) would make a signal of it */
	if ((world == WORLD_MACHINE || (world == WORLD_CONTAINER && !ending->has_status)) &&
	    reboot(is_reboot ? RB_AUTOBOOT : RB_POWER_OFF) < 0)
		say("reboot: %s", strerror(errno));
	/* without CAP_SYS_BOOT a container's manager still understands a plain exit as a halt; whoever made bare
	 * namespaces learns what was asked for */
	_exit(is_reboot ? EXIT_REBOOT : ending->has_status ? ending->status : 0);
}

void world_end(enum world world, const struct ending *ending)
{
	if (world == WORLD_MACHINE)
		mounts_end();
	sync();
	world_end_at_once(world, ending);
}
