/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two children: one that watches and has no rights, one that mounts and does not stay. Without a guest socket there is no child: two
 * descriptors sleep until there may be one. The loop must never touch /config for them: a dead server behind it would hold it for ever.
 */
#include "supervise/sources.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervise/boot.h"
#include "supervise/internal.h"
#include "util/cleanup.h"
#include "util/host.h"
#include "util/str.h"

#define START_USEC (500 * USEC_MSEC) /* what a machine starts has the processor first */
#define NOTE CLEAT_CONFIG_DIR ": "   /* what all notes about it begin with */
#define MESSAGE_MAX_BYTES 512
/* boot/config_watch.h */
#define WATCH_READY "r"
#define WATCH_EXIT_NO_SOCKET 3
#define READY_HOLD_USEC \
	(2 * USEC_SEC) /* a container that crashes as it starts is up for a moment */
#define TOLD_VARIABLE \
	"CLEAT_TOLD_READY" /* for the engine that this one becomes, to read its units anew */

struct sources {
	struct engine *e;
	const char *what; /* "keys", "disks" */
	pid_t watch_pid, look_pid;
	int fd; /* -1 */
	struct loop_source *source;
	struct respawn respawn; /* of the watcher */
	/* while there is no guest socket: the mount table, and the folders that would have it; -1 */
	int mounts_fd, folders_fd;
	struct loop_source *mounts, *folders;
	uint64_t judged;	  /* generation of what is published */
	struct loop_source *hold; /* ready, but only just */
	bool is_ready;		  /* has been so since the boot */
	bool is_told;		  /* the manager, of that */
	bool again;		  /* something has come while somebody looked */
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
	respawn_well(&s->respawn);
	str_copy_text(s->problems, sizeof(s->problems), message + 1);
	look(s);
}

static void wait_for_socket(struct sources *s);

static bool has_socket(void)
{
	return access(CLEAT_INCUS_SOCKET, F_OK) == 0 || access(CLEAT_LXD_SOCKET, F_OK) == 0;
}

static void on_watch_ended(void *arg, pid_t pid, int wait_status)
{
	struct sources *s = arg;

	if (pid != s->watch_pid)
		return;
	s->watch_pid = 0;
	s->is_told = false;
	stop_hearing(s);
	if (s->e->stopping || wait_status == 0)
		return;
	if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == WATCH_EXIT_NO_SOCKET &&
	    !has_socket()) {
		wait_for_socket(s);
		return;
	}
	respawn_again(&s->respawn);
}

/* A packet that finds no room or no reader is one for a child that has ended: the next one is told. */
static void tell_ready(struct sources *s)
{
	if (!s->is_ready || s->is_told || s->fd < 0)
		return;
	send(s->fd, WATCH_READY, strlen(WATCH_READY), MSG_DONTWAIT | MSG_NOSIGNAL);
	s->is_told = true;
	setenv(TOLD_VARIABLE, "1", 1);
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

static void start_watch(void *arg)
{
	struct sources *s = arg;
	int ends[2] = { -1, -1 };
	struct err err;
	int rc;

	if (s->e->stopping || s->watch_pid || engine_puts_off(s->e, &s->respawn))
		return;
	respawn_began(&s->respawn);
	rc = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0 ?
		     err_sys(&err, "socketpair") :
		     spawn_watch(s, ends, &err);
	close_fd(&ends[1]);
	s->fd = ends[0];
	if (rc == 0) {
		s->source = loop_add(s->e->loop, s->fd, EPOLLIN, on_message, s, &err);
		rc = s->source ? 0 : -1;
	}
	if (rc == 0) {
		tell_ready(s);
		return;
	}
	close_fd(&s->fd);
	log_msg(LOG_ERROR, "config", "sources of %s are not watched: %s", CLEAT_CONFIG_DIR,
		err.msg);
	if (!s->watch_pid)
		respawn_again(&s->respawn);
}

/* --- a socket that is not there yet ------------------------------------------------------------------------------------------ */

static void stop_waiting(struct sources *s)
{
	loop_remove(s->e->loop, s->mounts);
	loop_remove(s->e->loop, s->folders);
	s->mounts = s->folders = NULL;
	close_fd(&s->mounts_fd);
	close_fd(&s->folders_fd);
}

/* A folder that came with a mount is watched from now on; asking twice for one is asking once. */
static void watch_folders(struct sources *s)
{
	static const char *const sockets[] = { CLEAT_INCUS_SOCKET, CLEAT_LXD_SOCKET };
	char folder[64];

	for (size_t i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++) {
		snprintf(folder, sizeof(folder), "%.*s",
			 (int)(strrchr(sockets[i], '/') - sockets[i]), sockets[i]);
		inotify_add_watch(s->folders_fd, folder, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
	}
}

static void on_place_changed(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	struct sources *s = arg;
	char bytes[4096];

	(void)loop;
	(void)events;
	(void)now;
	while (read(s->folders_fd, bytes, sizeof(bytes)) > 0)
		;	  /* only that something has come counts */
	watch_folders(s); /* before the look, so that nothing falls between */
	if (!has_socket())
		return;
	stop_waiting(s);
	start_watch(s);
}

/* A manager that is replaced takes its socket away for a while; one may begin to offer it, by a mount. */
static void wait_for_socket(struct sources *s)
{
	struct loop *loop = s->e->loop;
	struct err err;

	s->mounts_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	s->folders_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (s->mounts_fd >= 0)
		s->mounts = loop_add(loop, s->mounts_fd, EPOLLPRI, on_place_changed, s, &err);
	if (s->folders_fd >= 0)
		s->folders = loop_add(loop, s->folders_fd, EPOLLIN, on_place_changed, s, &err);
	on_place_changed(loop, 0, loop_now(loop), s);
}

/* --- readiness --------------------------------------------------------------------------------------------------------------- */

/* As /readyz judges (status/check.c), of what this engine has published. */
static bool is_ready(const struct engine *e)
{
	const struct published_header *h = &e->header;
	struct published_unit unit;
	struct err err;

	if (!e->settled || e->stopping)
		return false;
	for (unsigned i = 0; i < h->note_count; i++)
		if (h->notes[i].level >= 2)
			return false;
	for (unsigned i = 0; i < h->finding_count; i++)
		if (h->findings[i].level >= HOST_MISSING)
			return false;
	for (unsigned i = 0; published_get_unit(e->published, i, &unit, &err) == 0; i++)
		if (published_unit_fault(&unit))
			return false;
	return true;
}

static void on_held(struct loop *loop, usec_t now, void *arg)
{
	struct sources *s = arg;

	(void)now;
	loop_remove(loop, s->hold);
	s->hold = NULL;
	s->is_ready = is_ready(s->e);
	tell_ready(s);
}

void sources_wake(struct engine *e)
{
	struct sources *s = e->sources;
	uint64_t generation;

	if (!s || s->is_ready || s->fd < 0 || !str_eq(s->what, "keys"))
		return;
	generation = published_generation(e->published);
	if (generation == s->judged)
		return;
	s->judged = generation;
	if (!is_ready(e)) {
		loop_remove(e->loop, s->hold);
		s->hold = NULL;
	} else if (!s->hold) {
		s->hold = loop_timer(e->loop, loop_now(e->loop) + READY_HOLD_USEC, on_held, s);
	}
}

void sources_start(struct engine *e)
{
	static const struct respawn_policy policy = { start_watch, USEC_SEC, 64 * USEC_SEC,
						      60 * USEC_SEC };
	const char *world = getenv("CLEAT_WORLD");
	bool is_machine = world && str_eq(world, "machine");
	struct sources *s;

	if (!is_machine && !(world && str_eq(world, "container")) && !has_socket())
		return;
	s = arena_new(&e->arena, struct sources);
	*s = (struct sources){ .e = e,
			       .what = is_machine ? "disks" : "keys",
			       .fd = -1,
			       .mounts_fd = -1,
			       .folders_fd = -1 };
	respawn_init(&s->respawn, &policy, e->loop, s);
	s->is_ready = s->is_told = getenv(TOLD_VARIABLE) != NULL;
	e->sources = s;
	if (is_machine)
		respawn_later(&s->respawn, START_USEC);
	else if (has_socket())
		start_watch(s);
	else
		wait_for_socket(s);
}

void sources_stop(struct engine *e)
{
	if (!e->sources)
		return;
	stop_waiting(e->sources);
	respawn_stop(&e->sources->respawn);
	loop_remove(e->loop, e->sources->hold);
	e->sources->hold = NULL;
	stop_hearing(e->sources);
}
