/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two children: one that watches and has no rights, one that mounts and does not stay. The loop must never touch /config for them: a dead server
 * behind it would hold it for ever.
 */
#include "supervise/sources.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "supervise/boot.h"
#include "supervise/internal.h"
#include "util/cleanup.h"
#include "util/str.h"

#define RETRY_FIRST_USEC USEC_SEC
#define RETRY_MAX_SHIFT 6
#define NOTE CLEAT_CONFIG_DIR ": " /* what all notes about it begin with */
#define MESSAGE_MAX_BYTES 512

struct sources {
	struct engine *e;
	const char *what; /* "keys", "disks" */
	pid_t watch_pid, look_pid;
	int fd; /* -1 */
	struct loop_source *source, *timer;
	unsigned failures; /* of the watcher, in a row */
	bool again;	   /* something has come while somebody looked */
	char problems[MESSAGE_MAX_BYTES];
};

static void look(struct sources *s);

static void publish_notes(struct sources *s)
{
	publish_drop_notes(s->e, NOTE);
	boot_notes_read(s->e);
	if (s->problems[0])
		publish_note(s->e, 1, NOTE "left out: %s", s->problems);
}

static void on_looked(void *arg, pid_t pid, int wait_status)
{
	struct sources *s = arg;

	(void)wait_status; /* it has left a note */
	if (pid != s->look_pid)
		return;
	s->look_pid = 0;
	publish_notes(s);
	if (s->again)
		look(s);
}

/* One that hangs is not joined by others. */
static void look(struct sources *s)
{
	char *argv[] = { "cleat", "boot", "config", "late", NULL };
	char world[64];
	char *envp[] = { world, NULL };
	struct proc_spawn order = {
		.path = "/proc/self/exe",
		.argv = argv,
		.envp = envp,
		.cgroup_fd = s->e->work_cgroup,
		.fds = { -1, STDERR_FILENO, STDERR_FILENO },
		.fd_count = 3,
		.new_session = true,
	};
	struct err err;

	s->again = s->look_pid != 0;
	if (s->look_pid || s->e->stopping)
		return;
	snprintf(world, sizeof(world), "CLEAT_WORLD=%s",
		 str_eq(s->what, "disks") ? "machine" : "container");
	if (children_spawn(s->e, &order, on_looked, s, &s->look_pid, &err) < 0)
		log_msg(LOG_ERROR, "config", "%s", err.msg);
}

static void stop_hearing(struct sources *s)
{
	loop_remove(s->e->loop, s->source);
	s->source = NULL;
	close_fd(&s->fd);
}

static void on_message(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	struct sources *s = arg;
	char message[MESSAGE_MAX_BYTES + 1];
	ssize_t n = recv(s->fd, message, sizeof(message) - 1, MSG_DONTWAIT);

	(void)loop;
	(void)events;
	(void)now;
	if (n == 0)
		stop_hearing(s); /* its end is heard of by its pid */
	if (n <= 0 || message[0] != 'c')
		return;
	message[n] = '\0';
	s->failures = 0;
	str_copy_text(s->problems, sizeof(s->problems), message + 1);
	look(s);
}

static void start_watch(struct sources *s);

static void on_timer(struct loop *loop, usec_t now, void *arg)
{
	struct sources *s = arg;

	(void)now;
	loop_remove(loop, s->timer);
	s->timer = NULL;
	start_watch(s);
}

static void on_watch_ended(void *arg, pid_t pid, int wait_status)
{
	struct sources *s = arg;
	unsigned shift = s->failures < RETRY_MAX_SHIFT ? s->failures : RETRY_MAX_SHIFT;

	if (pid != s->watch_pid)
		return;
	s->watch_pid = 0;
	stop_hearing(s);
	s->failures++;
	if (s->e->stopping || s->timer || wait_status == 0)
		return;
	s->timer = loop_timer(s->e->loop,
			      loop_now(s->e->loop) + ((uint64_t)RETRY_FIRST_USEC << shift),
			      on_timer, s);
}

static int spawn_watch(struct sources *s, const int ends[2], struct err *err)
{
	char *argv[] = { "cleat", "config-watch", (char *)(uintptr_t)s->what, NULL };
	struct proc_spawn order = {
		.path = "/proc/self/exe",
		.argv = argv,
		.cgroup_fd = s->e->work_cgroup,
		.fds = { -1, ends[1], STDERR_FILENO },
		.fd_count = 3,
	};

	return children_spawn(s->e, &order, on_watch_ended, s, &s->watch_pid, err);
}

static void start_watch(struct sources *s)
{
	int ends[2] = { -1, -1 };
	struct err err;
	int rc;

	if (s->e->stopping || s->watch_pid)
		return;
	rc = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0 ?
		     err_sys(&err, "socketpair") :
		     spawn_watch(s, ends, &err);
	close_fd(&ends[1]);
	s->fd = ends[0];
	if (rc == 0) {
		s->source = loop_add(s->e->loop, s->fd, EPOLLIN, on_message, s, &err);
		rc = s->source ? 0 : -1;
	}
	if (rc == 0)
		return;
	close_fd(&s->fd);
	log_msg(LOG_ERROR, "config", "sources of %s are not watched: %s", CLEAT_CONFIG_DIR,
		err.msg);
}

void sources_start(struct engine *e)
{
	const char *world = getenv("CLEAT_WORLD");
	bool is_machine = world && str_eq(world, "machine");
	struct sources *s;

	if (!is_machine && access(CLEAT_INCUS_SOCKET, F_OK) < 0 &&
	    access(CLEAT_LXD_SOCKET, F_OK) < 0)
		return;
	s = arena_new(&e->arena, struct sources);
	*s = (struct sources){ .e = e, .what = is_machine ? "disks" : "keys", .fd = -1 };
	e->sources = s;
	start_watch(s);
}

void sources_stop(struct engine *e)
{
	if (!e->sources)
		return;
	loop_remove(e->loop, e->sources->timer);
	e->sources->timer = NULL;
	stop_hearing(e->sources);
}
