/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watching the sources of /config that are no files. Sleeps until something happens; must never mount anything itself, and must end with the
 * engine that started it. The socket of the container manager answers to root by the credentials at connect(2), that of the kernel's
 * device messages is for CAP_NET_ADMIN: both are opened first, then all rights go.
 */
#include "boot/config_watch.h"

#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "boot/guest.h"
#include "util/cleanup.h"
#include "util/ids.h"
#include "util/loop.h"
#include "util/places.h"
#include "util/proc.h"
#include "util/str.h"

#define QUIET_USEC (100 * USEC_MSEC)	   /* several keys are often set one after the other */
#define DISKS_QUIET_USEC (500 * USEC_MSEC) /* a disk, then its partitions */
#define UEVENT_MAX_BYTES 8192
#define UEVENT_GROUP 1 /* the kernel's own; 2 is udev's */

/* -1: the engine has gone. */
static int tell(const struct config_problems *problems)
{
	char message[CONFIG_WATCH_MAX_BYTES] = "c";

	if (problems)
		str_copy_text(message + 1, sizeof(message) - 1, buf_str(&problems->text));
	return send(STDOUT_FILENO, message, strlen(message), MSG_NOSIGNAL | MSG_DONTWAIT) > 0 ||
			       errno == EAGAIN ?
		       0 :
		       -1;
}

static int timeout_msec(usec_t due)
{
	usec_t now = clock_now_usec();

	if (due == USEC_NEVER)
		return -1;
	return due <= now ? 0 : (int)((due - now) / USEC_MSEC) + 1;
}

/* The other end of descriptor 1 is the engine. */
static bool is_alone(const struct pollfd *engine)
{
	return (engine->revents & (POLLHUP | POLLERR)) != 0;
}

/* --- keys ----------------------------------------------------------------------------------------------------------------------- */

/* last: the problems that were told last. */
static int sync_and_tell(struct guest *requests, struct config_tree *tree, char *last, size_t size,
			 bool is_first, struct err *err)
{
	struct config_problems problems = { .text = BUF_INIT(CONFIG_MAX_PROBLEMS_BYTES) };
	int rc = guest_sync(requests, tree, &problems, err);
	bool is_new;

	config_problems_end(&problems);
	is_new = !str_eq(last, buf_str(&problems.text));
	if (rc == 0 && (is_first || is_new || tree->has_changed))
		rc = tell(&problems);
	str_copy(last, size, buf_str(&problems.text));
	buf_fini(&problems.text);
	return rc;
}

/* The manager's answer is of no consequence here: who is refused has lost a word in a list of the host's. -1: the connection has ended. */
static int pass_on(struct guest *requests, struct err *err)
{
	char message[8];
	ssize_t n = recv(STDOUT_FILENO, message, sizeof(message) - 1, MSG_DONTWAIT);

	if (n <= 0)
		return 0;
	message[n] = '\0';
	if (!str_eq(message, CONFIG_WATCH_READY) || guest_say_ready(requests, err) == 0)
		return 0;
	fprintf(stderr, "cleat-config: %s\n", err->msg);
	return err->code == ERR_UNSUPPORTED ? 0 : -1;
}

static int follow_keys(struct guest *requests, struct guest *events, struct config_tree *tree,
		       struct err *err)
{
	char last[CONFIG_WATCH_MAX_BYTES] = "";
	usec_t due = clock_now_usec();
	bool is_first = true;

	while (true) {
		struct pollfd fds[] = { { .fd = STDOUT_FILENO, .events = POLLIN },
					{ .fd = events->fd, .events = POLLIN } };
		int rc;

		if (poll(fds, 2, timeout_msec(due)) < 0 && errno != EINTR)
			return err_sys(err, "poll");
		if (is_alone(&fds[0]))
			return 0;
		if (fds[0].revents && pass_on(requests, err) < 0)
			return -1;
		/* the first time too: what came in one piece with the answer to the subscription is in no socket any more */
		rc = fds[1].revents || is_first ? guest_hear(events, err) : 0;
		if (rc < 0)
			return -1;
		if (rc && due == USEC_NEVER)
			due = clock_now_usec() + QUIET_USEC;
		if (clock_now_usec() < due)
			continue;
		due = USEC_NEVER;
		if (sync_and_tell(requests, tree, last, sizeof(last), is_first, err) < 0)
			return -1;
		is_first = false;
	}
}

/* Subscribed before the first look, so that nothing falls between. */
static int watch_keys(struct err *err)
{
	const char *path = guest_socket();
	struct guest requests = { .fd = -1 }, events = { .fd = -1 };
	struct config_tree tree = { .dir = -1 };
	int rc;

	if (!path)
		return err_set(err, ERR_NOT_FOUND, "there is no guest socket");
	rc = guest_connect(&requests, path, err) < 0 || guest_connect(&events, path, err) < 0 ||
			     config_tree_open(&tree, CLEAT_CONFIG_MADE, IDS_WORKER_CONFIG, err) <
				     0 ||
			     guest_confine(CLEAT_CONFIG_MADE, err) < 0 ||
			     guest_subscribe(&events, err) < 0 ?
		     -1 :
		     follow_keys(&requests, &events, &tree, err);
	config_tree_close(&tree);
	guest_close(&requests);
	guest_close(&events);
	return rc;
}

/* --- disks ---------------------------------------------------------------------------------------------------------------------- */

bool config_watch_is_source(const char *message, size_t len)
{
	bool is_new = false, is_kind = false;

	while (len) {
		size_t n = strnlen(message, len);

		if (n == len)
			return false; /* cut off */
		is_new |= str_eq(message, "ACTION=add") || str_eq(message, "ACTION=change") ||
			  str_eq(message, "ACTION=bind");
		is_kind |= str_eq(message, "SUBSYSTEM=block") ||
			   str_eq(message, "SUBSYSTEM=virtio");
		message += n + 1;
		len -= n + 1;
	}
	return is_new && is_kind;
}

static int open_uevents(struct err *err)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = UEVENT_GROUP };
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			NETLINK_KOBJECT_UEVENT);

	if (fd < 0)
		return err_sys(err, "socket");
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	err_sys(err, "bind");
	close(fd);
	return -1;
}

static int confine_disks(struct err *err)
{
	static const int calls[] = { SCMP_SYS(recvfrom), SCMP_SYS(sendto), -1 };
	static const char *const nothing[] = { NULL };
	struct proc_confine c = { .uid = IDS_WORKER_CONFIG,
				  .gid = IDS_WORKER_CONFIG,
				  .read_paths = nothing,
				  .memory_max_bytes = 64u * 1024 * 1024,
				  .max_fds = 16,
				  .syscalls = calls };

	return proc_confine(&c, err);
}

/* A message that was lost because too many came (ENOBUFS) may have been about a disk. */
static bool read_uevents(int fd)
{
	static char message[UEVENT_MAX_BYTES];
	bool is_source = false;

	while (true) {
		struct sockaddr_nl from = { 0 };
		socklen_t size = sizeof(from);
		ssize_t n =
			recvfrom(fd, message, sizeof(message), 0, (struct sockaddr *)&from, &size);

		if (n < 0 && errno == ENOBUFS)
			is_source = true;
		else if (n <= 0)
			return is_source;
		else if (from.nl_pid == 0) /* the kernel, and not another process */
			is_source |= config_watch_is_source(message, (size_t)n);
	}
}

static int watch_disks(struct err *err)
{
	auto_fd int uevents = open_uevents(err);
	usec_t due = clock_now_usec(); /* what came between the boot's own look and this one */

	if (uevents < 0 || confine_disks(err) < 0)
		return -1;
	while (true) {
		struct pollfd fds[] = { { .fd = STDOUT_FILENO },
					{ .fd = uevents, .events = POLLIN } };

		if (poll(fds, 2, timeout_msec(due)) < 0 && errno != EINTR)
			return err_sys(err, "poll");
		if (is_alone(&fds[0]))
			return 0;
		if (fds[1].revents && read_uevents(uevents))
			due = clock_now_usec() + DISKS_QUIET_USEC;
		if (clock_now_usec() < due)
			continue;
		due = USEC_NEVER;
		if (tell(NULL) < 0)
			return 0;
	}
}

int cmd_config_watch(int argc, char **argv)
{
	struct err err;
	int rc;

	if (argc != 2 || (!str_eq(argv[1], "keys") && !str_eq(argv[1], "disks")))
		return 2;
	signal(SIGPIPE, SIG_IGN);
	rc = str_eq(argv[1], "keys") ? watch_keys(&err) : watch_disks(&err);
	if (rc == 0)
		return 0;
	if (err.code == ERR_NOT_FOUND)
		return CONFIG_WATCH_EXIT_NO_SOCKET;
	fprintf(stderr, "cleat-config: %s\n", err.msg);
	return err.code == ERR_UNSUPPORTED ? 0 : 1; /* 0: it need not be tried again */
}
