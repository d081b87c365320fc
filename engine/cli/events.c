/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "cleat events": what has happened and what happens now. Read from the ring beside the control socket; the engine is not asked, so it
 * works without one, too. Never writes.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/events.h"
#include "util/cleanup.h"
#include "util/loop.h"
#include "util/places.h"
#include "util/str.h"

#define WAIT_MSEC 1000
#define PATH_BYTES 512

struct watching {
	struct event_filter filter;
	char path[PATH_BYTES];
	bool is_json, follows, has_since;
	int fd; /* owned */
	struct stat st;
	struct event_reader reader;
};

static void ring_path(char *out, size_t size)
{
	char *slash;

	cli_published_path(out, size);
	slash = strrchr(out, '/');
	if (slash)
		str_copy(slash, size - (size_t)(slash - out), strrchr(CLEAT_EVENTS, '/'));
}

static int open_ring(struct watching *w, bool at_end, struct err *err)
{
	close_fd(&w->fd);
	w->fd = open(w->path, O_RDONLY | O_CLOEXEC);
	if (w->fd < 0 || fstat(w->fd, &w->st) < 0)
		return err_sys(err, "%s", w->path);
	return event_reader_init(&w->reader, w->fd, at_end, err) < 0 ?
		       err_wrap(err, "%s", w->path) :
		       0;
}

static void print(const struct watching *w, const struct event *event)
{
	auto_buf line = BUF_INIT(8192);

	if (!event_filter_fits(&w->filter, event))
		return;
	if (w->is_json)
		cli_event_json(event, &line);
	else
		cli_event_text(event, &line);
	puts(buf_str(&line));
}

static int catch_up(struct watching *w, struct err *err)
{
	struct event event;
	uint64_t lost;
	int rc;

	while ((rc = event_read(&w->reader, &event, &lost, err)) >= 0) {
		if (lost)
			fprintf(stderr,
				"cleat events: %" PRIu64 " events were overwritten unread\n", lost);
		if (rc == 0)
			break;
		print(w, &event);
	}
	return fflush(stdout) == 0 && rc >= 0 ? 0 : rc < 0 ? -1 : err_sys(err, "standard output");
}

/* A new boot's ring has taken the place of the one that is open. */
static bool is_replaced(const struct watching *w)
{
	struct stat st;

	return stat(w->path, &st) == 0 && (st.st_ino != w->st.st_ino || st.st_dev != w->st.st_dev);
}

static int follow(struct watching *w, struct err *err)
{
	auto_fd int inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct pollfd fds[] = { { .fd = inotify_fd, .events = POLLIN },
				{ .fd = STDOUT_FILENO, .events = 0 } };
	char events[1024];

	/* without events of the file system looking now and then does it */
	if (inotify_fd >= 0)
		inotify_add_watch(inotify_fd, w->path, IN_MODIFY);
	for (;;) {
		if (catch_up(w, err) < 0)
			return -1;
		if (w->filter.until_usec && clock_real_usec() > w->filter.until_usec)
			return 0;
		if (is_replaced(w)) {
			if (open_ring(w, false, err) < 0)
				return -1;
			if (inotify_fd >= 0)
				inotify_add_watch(inotify_fd, w->path, IN_MODIFY);
			continue;
		}
		poll(fds, 2, WAIT_MSEC);
		if (fds[1].revents & (POLLERR | POLLHUP | POLLNVAL))
			return 0;
		while (fds[0].revents && read(inotify_fd, events, sizeof(events)) > 0)
			;
	}
}

/* "unit=web"; a word may come several times, which cli_options() does not know: they are taken out of argv here. */
static int take_filters(int *argc, char **argv, struct event_filter *filter, struct err *err)
{
	int kept = 1;

	for (int i = 1; i < *argc; i++) {
		char *word = argv[i], *value;

		if (str_starts(word, "--filter=")) {
			word += strlen("--filter=");
		} else if (str_eq(word, "--filter") && i + 1 < *argc) {
			word = argv[++i];
		} else {
			argv[kept++] = argv[i];
			continue;
		}
		value = strchr(word, '=');
		if (!value)
			return err_set(err, ERR_INPUT, "--filter %s: KEY=VALUE is expected", word);
		*value++ = '\0';
		if (event_filter_add(filter, word, value, err) < 0)
			return -1;
	}
	argv[kept] = NULL;
	*argc = kept;
	return 0;
}

static int read_time(const char *option, const char *text, int64_t *usec, struct err *err)
{
	if (!text || cli_parse_time(text, clock_real_usec(), usec))
		return 0;
	return err_set(
		err, ERR_INPUT,
		"%s %s: not a time (10m, 1h30m, 2026-11-21T10:00:00Z, or seconds since 1970)",
		option, text);
}

static int read_words(struct watching *w, int argc, char **argv, struct err *err)
{
	const char *format = "text", *since = NULL, *until = NULL, *stream = "true";
	bool follows = false, is_once = false;
	const struct cli_option options[] = {
		{ "-f", "--follow", &follows, NULL }, { NULL, "--no-follow", &is_once, NULL },
		{ NULL, "--format", NULL, &format },  { NULL, "--since", NULL, &since },
		{ NULL, "--until", NULL, &until },    { NULL, "--stream", NULL, &stream },
	};
	int count;

	if (take_filters(&argc, argv, &w->filter, err) < 0)
		return -1;
	count = cli_options(argc, argv, options, sizeof(options) / sizeof(options[0]));
	if (count < 0)
		return -1;
	if (count > 0)
		return err_set(err, ERR_INPUT,
			       "\"%s\" is not understood; see \"cleat help events\"", argv[1]);
	if (!str_eq(format, "text") && !str_eq(format, "json") && !str_eq(format, "jsonl"))
		return err_set(err, ERR_INPUT, "--format %s: known are text, json, jsonl", format);
	if (follows && is_once)
		return err_set(err, ERR_INPUT, "--follow and --no-follow exclude each other");
	w->is_json = !str_eq(format, "text");
	w->follows = !is_once && !str_eq(stream, "false");
	w->has_since = since != NULL;
	return read_time("--since", since, &w->filter.since_usec, err) < 0 ||
			       read_time("--until", until, &w->filter.until_usec, err) < 0 ?
		       -1 :
		       0;
}

int cmd_events(int argc, char **argv)
{
	struct watching w = { .fd = -1 };
	struct err err = { 0 };
	int rc;

	if (read_words(&w, argc, argv, &err) < 0) {
		if (err.code)
			fprintf(stderr, "cleat events: %s\n", err.msg);
		return CLI_USAGE;
	}
	ring_path(w.path, sizeof(w.path));
	/* As podman: what is still there is told when somebody asks for the past, or does not want to wait. */
	rc = open_ring(&w, w.follows && !w.has_since && !w.filter.until_usec, &err);
	if (rc == 0)
		rc = w.follows ? follow(&w, &err) : catch_up(&w, &err);
	close_fd(&w.fd);
	return rc == 0 ? CLI_OK : cli_fail("events", &err);
}
