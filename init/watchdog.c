/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's watchdog: it is fed while the engine's loop turns, which a number in the published state shows; that the engine is being
 * replaced, or started again after a crash, takes less time than it may be silent. Read with pread at a fixed place: a
 * mapping of a file that somebody cuts short would be the end of PID 1. Must never be disarmed: whatever stops feeding it is what it is for.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init.h"
#include "util/cleanup.h"
#include "util/places.h"
#include "util/published.h"
#include "util/str.h"

#define DEVICE "/dev/watchdog"
#define DEFAULT_SEC 60
#define MAX_SEC 600
#define LOOKS 6 /* in its time; half of it is how long the loop may stand still */

/* musl's ioctl() takes an int, which these numbers are not. */
static long control(int fd, unsigned long request, void *arg)
{
	return syscall(SYS_ioctl, fd, request, arg);
}

/* Any byte but 'V' feeds. */
static void feed(const struct watchdog *dog)
{
	if (write(dog->fd, "1", 1) < 0)
		say("watchdog: %s", strerror(errno));
}

void watchdog_find(struct watchdog *dog, enum world world)
{
	const char *text = getenv("CLEAT_WATCHDOG_SEC");
	/* whoever gives the host's to a container has to say so: it would reset the host */
	uint64_t sec = world == WORLD_MACHINE ? DEFAULT_SEC : 0;

	*dog = (struct watchdog){ .fd = -1, .next_usec = UINT64_MAX };
	if (text && !str_to_u64(text, MAX_SEC, &sec))
		say("watchdog: CLEAT_WATCHDOG_SEC=%s: a number from 0 to %d is expected", text,
		    MAX_SEC);
	if (!sec || access(DEVICE, W_OK) < 0)
		return;
	dog->period_usec = sec * 1000000 / LOOKS;
	dog->next_usec = 0;
}

/* When the loop turned last, by CLOCK_MONOTONIC; 0: it has not yet. */
static uint64_t last_turn(void)
{
	auto_fd int fd = open(CLEAT_PUBLISHED, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	uint64_t usec;

	if (fd < 0 || pread(fd, &usec, sizeof(usec),
			    offsetof(struct published_header, heartbeat_monotonic_usec)) !=
			      (ssize_t)sizeof(usec))
		return 0;
	return usec;
}

static void arm(struct watchdog *dog)
{
	int sec = (int)(dog->period_usec * LOOKS / 1000000);

	dog->fd = open(DEVICE, O_WRONLY | O_CLOEXEC);
	if (dog->fd < 0) {
		say(DEVICE ": in use by somebody else, or gone");
		*dog = (struct watchdog){ .fd = -1, .next_usec = UINT64_MAX };
		return;
	}
	/* some devices know one time only, or round */
	if (control(dog->fd, WDIOC_SETTIMEOUT, &sec) < 0)
		control(dog->fd, WDIOC_GETTIMEOUT, &sec);
	if (sec < 1)
		sec = 1;
	dog->period_usec = (uint64_t)sec * 1000000 / LOOKS;
	say("watchdog: armed, %d s", sec);
}

void watchdog_turn(struct watchdog *dog, uint64_t now)
{
	uint64_t last, silent;

	if (now < dog->next_usec)
		return;
	dog->next_usec = now + dog->period_usec;
	last = last_turn();
	if (last && dog->fd < 0)
		arm(dog);
	if (dog->fd < 0)
		return;
	silent = now > last ? now - last : 0;
	if (silent > dog->period_usec * LOOKS / 2) {
		if (!dog->is_hungry)
			say("watchdog: the engine's loop has not turned for %llu ms; not fed until it does",
			    (unsigned long long)(silent / 1000));
		dog->is_hungry = true;
		return;
	}
	dog->is_hungry = false;
	feed(dog);
}

void watchdog_last_feed(struct watchdog *dog, unsigned sec)
{
	if (dog->fd < 0)
		return;
	control(dog->fd, WDIOC_SETTIMEOUT, &sec);
	feed(dog);
}
