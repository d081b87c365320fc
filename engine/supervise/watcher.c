/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process that watches the unit directory, and single files besides. Events only say when to look; what it sees by looking
 * (signature.c) decides, so that an event that is lost, or never comes (9p, virtiofs, NFS, a link's target, a mount), costs time only.
 * Must never open a file, and must end with the engine that started it.
 */
#include "supervise/watcher.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "log/log.h"
#include "supervise/signature.h"
#include "supervise/units_confine.h"
#include "unit/unit.h"
#include "util/arena.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/places.h"
#include "util/str.h"

#define MAX_WATCHES 8192
#define MAX_PATHS 4096
#define PATHS_MAX_BYTES (2 * 1024 * 1024)
#define EVENTS                                                                              \
	(IN_CREATE | IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO | \
	 IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF)
#define XFS_MAGIC 0x58465342
#define ZFS_MAGIC 0x2fc12fc1
#define BCACHEFS_MAGIC 0xca451a4e

void watcher_init(struct watcher *w, usec_t now, usec_t poll_usec)
{
	*w = (struct watcher){ .poll_usec = poll_usec, .next_poll = now + poll_usec };
}

void watcher_event(struct watcher *w, usec_t now)
{
	if (!w->first)
		w->first = now;
	w->last = now;
}

usec_t watcher_deadline(const struct watcher *w)
{
	usec_t quiet = w->last + WATCHER_QUIET_USEC, longest = w->first + WATCHER_LONGEST_USEC;

	if (!w->first)
		return w->next_poll;
	return quiet < longest ? quiet : longest;
}

bool watcher_looked(struct watcher *w, usec_t now, struct watcher_look look)
{
	bool by_events = w->first && !w->is_by_poll;
	bool too_long = w->first && now >= w->first + WATCHER_LONGEST_USEC;
	usec_t first = w->first;

	w->first = w->last = 0;
	w->is_by_poll = false;
	w->next_poll = now + w->poll_usec;
	if (!look.differs)
		return false;
	if (too_long || !look.differs_from_last || (by_events && !look.is_blind))
		return true;
	w->first = first ? first : now;
	w->last = now;
	w->is_by_poll = !by_events;
	return false;
}

struct watching {
	struct watcher state;
	struct arena arena;
	const char **paths;
	size_t path_count;
	int events; /* inotify; -1: none are to be had */
	int mounts; /* /proc/self/mountinfo; -1 */
	int images; /* the watch of the folder of archives, which have any name */
	unsigned watch_count;
	bool is_blind;		     /* some place gives no events */
	uint8_t known[64], last[64]; /* signatures of units and of paths */
};

/* Where what others change behind this kernel's back does not exist, or is told. */
static bool gives_events(const char *path)
{
	struct statfs fs;

	if (statfs(path, &fs) < 0)
		return true; /* what is not there comes with its folder's event, or a mount */
	switch ((unsigned)fs.f_type) {
	case EXT4_SUPER_MAGIC:
	case XFS_MAGIC:
	case BTRFS_SUPER_MAGIC:
	case TMPFS_MAGIC:
	case RAMFS_MAGIC:
	case F2FS_SUPER_MAGIC:
	case ZFS_MAGIC:
	case BCACHEFS_MAGIC:
	case SQUASHFS_MAGIC:
	case EROFS_SUPER_MAGIC_V1:
	case ISOFS_SUPER_MAGIC:
		return true;
	default:
		return false;
	}
}

static void add_watch(void *arg, const char *path)
{
	struct watching *w = arg;
	int number;

	if (!gives_events(path))
		w->is_blind = true;
	if (w->events < 0 || w->watch_count >= MAX_WATCHES) {
		w->is_blind = true;
		return;
	}
	w->watch_count++;
	/* without a name of its own, for a moment or for good: the folder's event will tell */
	number = inotify_add_watch(w->events, path, EVENTS);
	if (number < 0 && errno != ENOENT)
		w->is_blind = true;
	if (str_eq(path, CLEAT_IMAGE_DIR))
		w->images = number;
}

static void add_parent(struct watching *w, const char *path)
{
	char folder[4096];
	char *slash;

	if (!str_copy(folder, sizeof(folder), path))
		return;
	slash = strrchr(folder, '/');
	if (!slash)
		return;
	slash[slash == folder] = '\0';
	add_watch(w, folder);
}

/* The number of watches is counted anew each time: the kernel gives the same one for the same folder. */
static void look(struct watching *w, uint8_t out[64])
{
	w->watch_count = 0;
	w->is_blind = false;
	add_watch(w, CLEAT_CONFIG_DIR);
	signature_of_config(CLEAT_CONFIG_DIR, add_watch, w, out);
	for (size_t i = 0; i < w->path_count; i++) {
		add_parent(w, w->paths[i]);
		add_watch(w, w->paths[i]);
	}
	signature_of_paths(w->paths, w->path_count, out + 32);
	w->state.poll_usec = w->is_blind ? WATCHER_QUICK_POLL_USEC : WATCHER_POLL_USEC;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool is_path_name(const struct watching *w, const char *name)
{
	for (size_t i = 0; i < w->path_count; i++)
		if (str_eq(base_name(w->paths[i]), name))
			return true;
	return false;
}

/* An editor's temporary file, a log that somebody writes beside a watched file: not worth a look. */
static bool is_relevant(const struct watching *w, const struct inotify_event *event)
{
	if (!event->len || (event->mask & (IN_ISDIR | IN_Q_OVERFLOW | IN_IGNORED)))
		return true;
	return event->wd == w->images || signature_is_relevant(event->name) ||
	       is_path_name(w, event->name);
}

static bool read_events(struct watching *w)
{
	char bytes[8192] __attribute__((aligned(__alignof__(struct inotify_event))));
	bool is_any = false;
	ssize_t n;

	while ((n = read(w->events, bytes, sizeof(bytes))) > 0)
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *event = (const void *)(bytes + at);

			is_any |= is_relevant(w, event);
			at += (ssize_t)(sizeof(*event) + event->len);
		}
	return is_any;
}

/* -1: the engine has gone. */
static int tell(void)
{
	return write(STDOUT_FILENO, "c", 1) == 1 || errno == EAGAIN ? 0 : -1;
}

static int look_and_tell(struct watching *w, usec_t now)
{
	uint8_t found[64];
	struct watcher_look result;

	look(w, found);
	result = (struct watcher_look){ memcmp(found, w->known, sizeof(found)) != 0,
					memcmp(found, w->last, sizeof(found)) != 0, w->is_blind };
	memcpy(w->last, found, sizeof(found));
	if (!watcher_looked(&w->state, now, result))
		return 0;
	memcpy(w->known, found, sizeof(found));
	return tell();
}

static int timeout_msec(const struct watching *w, usec_t now)
{
	usec_t deadline = watcher_deadline(&w->state);

	return deadline <= now ? 0 : (int)((deadline - now) / USEC_MSEC) + 1;
}

static int watch(struct watching *w)
{
	while (true) {
		struct pollfd fds[] = {
			{ .fd = STDOUT_FILENO, .events = 0 },
			{ .fd = w->events, .events = POLLIN },
			{ .fd = w->mounts, .events = POLLPRI },
		};
		usec_t now;

		if (poll(fds, 3, timeout_msec(w, clock_now_usec())) < 0 && errno != EINTR)
			return 1;
		now = clock_now_usec();
		if (fds[0].revents)
			return 0;
		if ((fds[1].revents && read_events(w)) || fds[2].revents)
			watcher_event(&w->state, now);
		if (now >= watcher_deadline(&w->state) && look_and_tell(w, now) < 0)
			return 0;
	}
}

static bool read_hex(const char *text, uint8_t out[32])
{
	if (!str_is_hex(text, 64))
		return false;
	for (size_t i = 0; i < 32; i++)
		out[i] = (uint8_t)((unsigned)str_hex_value(text[2 * i]) << 4 |
				   (unsigned)str_hex_value(text[2 * i + 1]));
	return true;
}

static int read_paths(struct watching *w, struct err *err)
{
	auto_buf text = BUF_INIT(PATHS_MAX_BYTES);

	if (file_read_fd(STDIN_FILENO, PATHS_MAX_BYTES, &text, err) < 0)
		return -1;
	for (size_t at = 0; at < text.len && w->path_count < MAX_PATHS;
	     at += strlen(text.data + at) + 1)
		*arena_push(&w->arena, w->paths, w->path_count) =
			arena_strdup(&w->arena, text.data + at);
	return 0;
}

int cmd_units_watch(int argc, char **argv)
{
	static struct watching w;
	struct err err;

	log_init("cleat-units", LOG_INFO);
	if (argc != 3 || !read_hex(argv[1], w.known) || !read_hex(argv[2], w.known + 32))
		return 2;
	if (read_paths(&w, &err) < 0) {
		log_msg(LOG_ERROR, "units", "%s", err.msg);
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	w.events = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	w.mounts = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	memcpy(w.last, w.known, sizeof(w.known));
	watcher_init(&w.state, clock_now_usec(), WATCHER_POLL_USEC);
	watcher_event(&w.state, clock_now_usec()); /* what has changed since the engine looked */
	if (units_confine(UNITS_WATCH, &err) < 0) {
		log_msg(LOG_ERROR, "units", "%s", err.msg);
		return 1;
	}
	return watch(&w);
}
