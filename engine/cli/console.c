/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "cleat console": the status screen, a process of the engine's own. What it needs (its terminal, the published state, the links' folder) is
 * open before it gives up its rights. It sleeps until the engine says that something has changed, a link has, or a key was pressed; a
 * terminal that nobody reads holds up nothing: of a frame that does not fit the rest waits, and after it comes the newest.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/console_draw.h"
#include "log/log.h"
#include "supervise/screen.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/ids.h"
#include "util/loop.h"
#include "util/path.h"
#include "util/proc.h"
#include "util/str.h"

#define FRAME_MAX_BYTES (192u * 1024)
#define LINKS_MAX_BYTES 8192u
#define PAUSE_USEC (USEC_SEC / 5) /* between two frames */
#define OPEN_FDS 16

struct console {
	const char *path;
	struct console_view view;
	struct published *published;
	struct published_header header;
	int terminal, inotify; /* -1: links are looked at when something else happens */
	struct buf shown,
		next; /* the frame that the terminal has or gets, and one that is being made */
	size_t sent;  /* of shown */
	char links[LINKS_MAX_BYTES + 1];
	bool is_dirty, is_forced;
	usec_t drawn_at;
};

/* --- what is shown -------------------------------------------------------------------------------------------------------- */

static bool get_unit(void *arg, unsigned index, struct published_unit *out)
{
	struct console *c = arg;

	return published_get_unit(c->published, index, out, NULL) == 0;
}

/* The folder is our root. A file that is not there is no link. */
static void read_links(struct console *c)
{
	auto_buf text = BUF_INIT(LINKS_MAX_BYTES);
	struct err err;

	c->links[0] = '\0';
	if (file_read_at(AT_FDCWD, "state", LINKS_MAX_BYTES, &text, &err) == 0)
		str_copy(c->links, sizeof(c->links), buf_str(&text));
}

static void look_at_size(struct console *c)
{
	struct winsize size = { 0 };

	if (ioctl(c->terminal, TIOCGWINSZ, &size) < 0)
		return;
	if (size.ws_row != c->view.rows || size.ws_col != c->view.columns)
		c->view.min_lines = 0;
	c->view.rows = size.ws_row;
	c->view.columns = size.ws_col;
}

static void draw(struct console *c)
{
	struct err err;
	struct buf old;
	unsigned lines;

	/* a header that is being written is written soon, and then we are woken */
	if (published_get_header(c->published, &c->header, &err) < 0)
		return;
	read_links(c);
	look_at_size(c);
	buf_clear(&c->next);
	lines = console_frame(&c->view, &c->next);
	c->is_dirty = false;
	if (!c->is_forced && c->next.len == c->shown.len && c->shown.len &&
	    memcmp(c->next.data, c->shown.data, c->next.len) == 0)
		return;
	if (lines > c->view.min_lines)
		c->view.min_lines = lines;
	c->view.is_first = c->is_forced = false;
	old = c->shown;
	c->shown = c->next;
	c->next = old;
	c->sent = 0;
}

static bool has_more(const struct console *c)
{
	return c->sent < c->shown.len;
}

/* False: the terminal is gone. */
static bool send_more(struct console *c)
{
	while (has_more(c)) {
		ssize_t n = write(c->terminal, c->shown.data + c->sent, c->shown.len - c->sent);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		c->sent += (size_t)n;
	}
	return true;
}

/* Nobody waits for it to be read. */
static void leave(struct console *c)
{
	auto_buf bytes = BUF_INIT(256);

	console_leave(&c->view, &bytes);
	if (write(c->terminal, buf_str(&bytes), bytes.len) < 0)
		return;
}

/* --- what happens --------------------------------------------------------------------------------------------------------- */

/* Keys mean nothing but "draw it anew", for whoever has just come with a terminal of another size. -1: go on. */
static int take_keys(struct console *c)
{
	char keys[256];
	ssize_t n = read(c->terminal, keys, sizeof(keys));

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		return SCREEN_EXIT_GONE;
	if (n < 0)
		return -1;
	c->is_dirty = c->is_forced = true;
	if (c->view.can_log_in && (memchr(keys, '\r', (size_t)n) || memchr(keys, '\n', (size_t)n)))
		return SCREEN_EXIT_LOGIN;
	return -1;
}

static int take_wake(struct console *c)
{
	char bytes[64];
	ssize_t n = read(SCREEN_WAKE_FD, bytes, sizeof(bytes));

	c->is_dirty = true;
	return n == 0 ? CLI_OK : -1;
}

static void take_link_events(struct console *c)
{
	char events[4096];

	while (read(c->inotify, events, sizeof(events)) > 0)
		c->is_dirty = true;
}

/* Until when poll() may sleep, in its own unit. */
static int sleep_msec(const struct console *c, usec_t now)
{
	if (!c->is_dirty || has_more(c))
		return -1;
	return now >= c->drawn_at + PAUSE_USEC ?
		       0 :
		       (int)((c->drawn_at + PAUSE_USEC - now) / USEC_MSEC) + 1;
}

/* One turn; -1: go on, else the program's exit code. */
static int turn(struct console *c)
{
	struct pollfd fds[] = {
		{ .fd = SCREEN_WAKE_FD, .events = POLLIN },
		{ .fd = c->terminal, .events = POLLIN },
		{ .fd = c->inotify, .events = POLLIN },
	};
	int code = -1;

	if (has_more(c))
		fds[1].events |= POLLOUT;
	if (poll(fds, 3, sleep_msec(c, clock_now_usec())) < 0 && errno != EINTR)
		return CLI_FAILED;
	if (fds[0].revents)
		code = take_wake(c);
	if (code < 0 && fds[1].revents & ~POLLOUT)
		code = take_keys(c);
	if (fds[2].revents)
		take_link_events(c);
	if (code < 0 && c->is_dirty && !has_more(c) &&
	    clock_now_usec() >= c->drawn_at + PAUSE_USEC) {
		draw(c);
		c->drawn_at = clock_now_usec();
	}
	return code < 0 && !send_more(c) ? SCREEN_EXIT_GONE : code;
}

/* --- setting up ----------------------------------------------------------------------------------------------------------- */

static int parse(struct console *c, int argc, char **argv, struct err *err)
{
	bool login = false, shared = false;
	const struct cli_option options[] = {
		{ NULL, "--terminal", NULL, &c->path },
		{ NULL, "--status", NULL, &c->view.status },
		{ NULL, "--login", &login, NULL },
		{ NULL, "--shared", &shared, NULL },
	};

	if (cli_options(argc, argv, options, sizeof(options) / sizeof(options[0])) != 0 ||
	    !c->path || !c->view.status)
		return err_set(err, ERR_INPUT, "--terminal and --status are needed");
	c->view.can_log_in = login;
	c->view.is_shared = shared;
	return 0;
}

/* What is typed is not shown, and every key counts at once. */
static int open_terminal(struct console *c, struct err *err)
{
	struct termios mode;

	c->terminal = open(c->path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (c->terminal < 0 || tcgetattr(c->terminal, &mode) < 0)
		return err_sys(err, "%s", c->path);
	mode.c_iflag |= BRKINT | IGNPAR;
	mode.c_oflag |= OPOST | ONLCR;
	mode.c_lflag &= ~(tcflag_t)(ECHO | ICANON);
	mode.c_cc[VMIN] = 1;
	mode.c_cc[VTIME] = 0;
	return tcsetattr(c->terminal, TCSANOW, &mode) < 0 ? err_sys(err, "%s", c->path) : 0;
}

static int enter_links(struct console *c, struct err *err)
{
	if (path_mkdirs(CLEAT_LINKS_DIR, 0755, err) < 0)
		return -1;
	c->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (c->inotify >= 0)
		inotify_add_watch(c->inotify, CLEAT_LINKS_DIR,
				  IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE);
	if (chdir(CLEAT_LINKS_DIR) < 0 || chroot(".") < 0)
		return err_sys(err, "%s", CLEAT_LINKS_DIR);
	return 0;
}

static int confine(struct err *err)
{
	static const int extra[] = { SCMP_SYS(open), SCMP_SYS(openat), -1 };
	static const char *const root[] = { "/", NULL };
	struct proc_confine confine = {
		.uid = IDS_WORKER_CONSOLE,
		.gid = IDS_WORKER_CONSOLE,
		.read_paths = root,
		.syscalls = extra,
		.max_fds = OPEN_FDS,
	};

	return proc_confine(&confine, err);
}

static int set_up(struct console *c, struct err *err)
{
	time_t now = time(NULL);
	struct tm tm;

	if (open_terminal(c, err) < 0)
		return -1;
	c->published = published_open_fd(SCREEN_PUBLISHED_FD, err);
	if (!c->published)
		return -1;
	localtime_r(&now, &tm); /* libc reads the zone's file once, and then cannot */
	return enter_links(c, err) < 0 ? -1 : confine(err);
}

int cmd_console(int argc, char **argv)
{
	static struct console c;
	struct err err = { 0 };
	int code = -1;

	c = (struct console){
		.terminal = -1,
		.inotify = -1,
		.shown = BUF_INIT(FRAME_MAX_BYTES),
		.next = BUF_INIT(FRAME_MAX_BYTES),
		.is_dirty = true,
	};
	c.view.header = &c.header;
	c.view.get = get_unit;
	c.view.arg = &c;
	c.view.links = c.links;
	c.view.is_first = c.view.with_colours = true;
	prctl(PR_SET_NAME, "cleat-console");
	log_init("cleat-console", LOG_INFO);
	if (parse(&c, argc, argv, &err) < 0)
		return CLI_USAGE;
	if (set_up(&c, &err) < 0) {
		log_msg(LOG_WARN, "console", "%s", err.msg);
		return c.published ? CLI_FAILED : SCREEN_EXIT_GONE;
	}
	while (code < 0)
		code = turn(&c);
	if (code != SCREEN_EXIT_GONE)
		leave(&c);
	return code;
}
