/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who has the appliance's terminal: nobody, the status screen, or a shell. They are processes that are started again when they end, later and
 * later when they end at once. Must never open the terminal itself: that may wait.
 */
#include "supervise/screen.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "supervise/internal.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/lock.h"
#include "util/str.h"

#define ACTIVE_FILE "/sys/class/tty/console/active"
#define ACTIVE_MAX_BYTES 256u
#define SHARED_DELAY_USEC (2 * USEC_SEC) /* the lines of the boot are read first */
#define GONE_FAILURES 7			 /* in a row; then nothing is shown any more */
#define LOGIN_MAX_DELAY_SEC 60u
#define LOCKED_LOOK_USEC (2 * USEC_SEC)
#define MAX_WORDS 10

struct screen {
	struct engine *e;
	char terminal[64];
	bool is_shared;
	bool is_shell, wants_login; /* what runs; what comes next */
	pid_t pid;		    /* 0: nothing of this engine's */
	int wake_fd;		    /* -1 */
	uint64_t told;		    /* generation that the screen has been woken for */
	struct respawn respawn;
	unsigned refused; /* logins in a row */
};

/* --- which terminal ------------------------------------------------------------------------------------------------------- */

void screen_last_console(const char *active, char *out, size_t size)
{
	size_t end = strlen(active), begin;

	while (end && strchr(" \n", active[end - 1]))
		end--;
	for (begin = end; begin && active[begin - 1] != ' ';)
		begin--;
	if (begin == end || memchr(active + begin, '/', end - begin))
		str_copy(out, size, "");
	else if (end - begin == 4 && strncmp(active + begin, "tty0", 4) == 0)
		str_copy(out, size, "/dev/tty1"); /* tty0 is whichever is in front */
	else
		snprintf(out, size, "/dev/%.*s", (int)(end - begin), active + begin);
}

static bool is_device(const char *root, const char *path)
{
	char full[512];
	struct stat st;

	snprintf(full, sizeof(full), "%s%s", root, path);
	return stat(full, &st) == 0 && S_ISCHR(st.st_mode);
}

static bool find_in_machine(const char *root, char *out, size_t size)
{
	auto_buf active = BUF_INIT(ACTIVE_MAX_BYTES);
	char path[512];
	struct err err;

	snprintf(path, sizeof(path), "%s" ACTIVE_FILE, root);
	if (file_read_at(AT_FDCWD, path, ACTIVE_MAX_BYTES, &active, &err) < 0)
		return false;
	screen_last_console(buf_str(&active), out, size);
	return out[0] && is_device(root, out);
}

bool screen_find_terminal(const char *root, const char *world, char *out, size_t size,
			  bool *is_shared)
{
	*is_shared = true;
	if (str_eq(world, "machine"))
		return find_in_machine(root, out, size);
	if (!str_eq(world, "container"))
		return false; /* in bare namespaces the console is the user's own terminal, with other things on it */
	/* what Proxmox shows, and lxc-console opens first */
	str_copy(out, size, "/dev/tty1");
	*is_shared = false;
	if (is_device(root, out))
		return true;
	str_copy(out, size, "/dev/console");
	*is_shared = true;
	return is_device(root, out);
}

unsigned screen_login_delay_sec(unsigned refused)
{
	if (refused == 0)
		return 0;
	return refused > 6 ? LOGIN_MAX_DELAY_SEC : 1u << (refused - 1);
}

/* --- processes ------------------------------------------------------------------------------------------------------------ */

static void start_next(void *arg);

static void note_end(struct screen *s, int code)
{
	if (s->is_shell && code == SCREEN_EXIT_REFUSED) {
		s->refused += 3;
		log_msg(LOG_WARN, "console", "%s: a login was refused", s->terminal);
	} else if (s->is_shell && code == 0) {
		s->refused = 0;
	}
	s->wants_login = !s->is_shell && code == SCREEN_EXIT_LOGIN;
}

static void on_ended(void *arg, pid_t pid, int wait_status)
{
	struct screen *s = arg;
	struct engine *e = s->e;
	int code = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : -1;
	bool is_fine = code == 0 || code == SCREEN_EXIT_LOGIN || code == SCREEN_EXIT_REFUSED;

	if (pid != s->pid)
		return;
	s->pid = 0;
	close_fd(&s->wake_fd);
	if (e->stopping)
		return;
	note_end(s, code);
	/* a shell that is left at once is no failure, but one that cannot be begun again at once, for ever, is */
	respawn_ended(&s->respawn);
	if (s->wants_login ||
	    (s->is_shell && is_fine && e->appliance.console == APPLIANCE_CONSOLE_STATUS)) {
		start_next(s);
		return;
	}
	if (code == SCREEN_EXIT_GONE && s->respawn.failures >= GONE_FAILURES) {
		log_msg(LOG_WARN, "console", "%s is gone: nothing is shown there any more",
			s->terminal);
		return;
	}
	if (!is_fine && code != SCREEN_EXIT_GONE)
		log_msg(LOG_WARN, "console",
			"%s: its process ended (wait status %d): starting it again", s->terminal,
			wait_status);
	respawn_again(&s->respawn);
}

/* Somebody may be logged in since before this engine. If it cannot be told, nobody is. */
static bool is_locked(void)
{
	auto_fd int fd = open(SCREEN_LOCK, O_RDWR | O_CLOEXEC);
	struct err err;
	long holder = fd < 0 ? 0 : lock_holder(fd, &err);

	return holder > 0 || holder == -2;
}

static int spawn(struct screen *s, char **argv, int third, int fourth, struct err *err)
{
	struct engine *e = s->e;
	struct proc_spawn spawn = {
		.path = "/proc/self/exe",
		.argv = argv,
		.cgroup_fd = e->work_cgroup,
		.fds = { -1, -1, STDERR_FILENO, third, fourth },
		.fd_count = fourth >= 0 ? 5 :
			    third >= 0	? 4 :
					  3,
		.new_session = true,
	};

	respawn_began(&s->respawn);
	return children_spawn(e, &spawn, on_ended, s, &s->pid, err);
}

/* What a monitor asks: a port of every address, or one address. */
static void status_place(const struct engine *e, char *out, size_t size)
{
	const char *address = e->appliance.status_address;
	bool is_v6 = address && strchr(address, ':');
	unsigned port = e->appliance.status_port ? e->appliance.status_port : CLEAT_STATUS_PORT;

	if (address)
		snprintf(out, size, "%s%s%s:%u", is_v6 ? "[" : "", address, is_v6 ? "]" : "", port);
	else
		snprintf(out, size, "%u", port);
}

static int spawn_status(struct screen *s, struct err *err)
{
	auto_fd int published = open(CLEAT_PUBLISHED, O_RDONLY | O_CLOEXEC);
	char status[96];
	char *argv[MAX_WORDS] = {
		"cleat", "console", "--terminal", s->terminal, "--status", status
	};
	unsigned n = 6;
	int ends[2], rc;

	if (published < 0)
		return err_sys(err, "%s", CLEAT_PUBLISHED);
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(err, "pipe");
	status_place(s->e, status, sizeof(status));
	if (s->is_shared)
		argv[n++] = "--shared";
	if (s->e->appliance.root_password && s->e->appliance.root_password[0])
		argv[n++] = "--login";
	argv[n] = NULL;
	rc = spawn(s, argv, published, ends[0], err);
	close(ends[0]);
	s->wake_fd = ends[1];
	s->is_shell = false;
	if (rc < 0)
		close_fd(&s->wake_fd);
	return rc;
}

/* The hash goes through a pipe: words of a command line are for everybody to see. */
static int spawn_shell(struct screen *s, bool with_password, struct err *err)
{
	const char *hash = s->e->appliance.root_password;
	char refused[16];
	char *argv[MAX_WORDS] = { "cleat",
				  "console-shell",
				  "--terminal",
				  s->terminal,
				  "--refused",
				  refused,
				  with_password ? "--password" : NULL,
				  NULL };
	int ends[2] = { -1, -1 }, rc = 0;

	snprintf(refused, sizeof(refused), "%u", s->refused < 1000 ? s->refused : 1000);
	if (with_password && pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, "pipe");
	if (with_password)
		rc = file_write_all(ends[1], hash, strlen(hash), err);
	close_fd(&ends[1]);
	if (rc == 0)
		rc = spawn(s, argv, ends[0], -1, err);
	close_fd(&ends[0]);
	s->is_shell = true;
	s->wants_login = false;
	return rc;
}

static void start_next(void *arg)
{
	struct screen *s = arg;
	struct engine *e = s->e;
	struct err err;
	int rc;

	if (s->pid || e->stopping)
		return;
	if (is_locked()) {
		respawn_later(&s->respawn, LOCKED_LOOK_USEC);
		return;
	}
	if (e->appliance.console == APPLIANCE_CONSOLE_SHELL)
		rc = spawn_shell(s, false, &err);
	else if (s->wants_login)
		rc = spawn_shell(s, true, &err);
	else
		rc = spawn_status(s, &err);
	if (rc == 0)
		return;
	log_msg(LOG_ERROR, "console", "%s: %s", s->terminal, err.msg);
	respawn_again(&s->respawn);
}

/* --- the engine's calls --------------------------------------------------------------------------------------------------- */

void screen_start(struct engine *e)
{
	static const struct respawn_policy policy = { start_next, USEC_SEC / 2, 64 * USEC_SEC,
						      5 * USEC_SEC };
	enum appliance_console console = e->appliance.console;
	const char *world = getenv("CLEAT_WORLD");
	struct screen *s;

	if (console == APPLIANCE_CONSOLE_LOG || console == APPLIANCE_CONSOLE_OFF || !world ||
	    e->run_layout_unknown)
		return;
	s = arena_new(&e->arena, struct screen);
	*s = (struct screen){ .e = e, .wake_fd = -1 };
	respawn_init(&s->respawn, &policy, e->loop, s);
	if (!screen_find_terminal("", world, s->terminal, sizeof(s->terminal), &s->is_shared))
		return;
	e->screen = s;
	if (s->is_shared)
		respawn_later(&s->respawn, SHARED_DELAY_USEC);
	else
		start_next(s);
}

void screen_wake(struct engine *e)
{
	struct screen *s = e->screen;
	uint64_t generation;

	if (!s || s->wake_fd < 0)
		return;
	generation = published_generation(e->published);
	if (generation == s->told)
		return;
	/* a pipe that is full is as good as another byte in it */
	if (write(s->wake_fd, "", 1) > 0 || errno == EAGAIN)
		s->told = generation;
}

void screen_stop(struct engine *e)
{
	if (!e->screen)
		return;
	respawn_stop(&e->screen->respawn);
	close_fd(&e->screen->wake_fd);
}
