/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words, descriptors and rights of cleat log-ship. What needs root (folders, certificates) is opened here, before anything is read from
 * outside; then the worker is IDS_WORKER_SHIP. Must never follow a link below a root.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "log/directory.h"
#include "log/log.h"
#include "log/roots.h"
#include "log/ship_internal.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/ids.h"
#include "util/lock.h"
#include "util/path.h"
#include "util/places.h"
#include "util/proc.h"
#include "util/str.h"

#define PUBLISHED_FD 3
#define EVENTS_FD 4
#define CA_MAX_BYTES (1024u * 1024)
#define WATCHED (IN_MODIFY | IN_CREATE | IN_MOVED_TO)

_Static_assert(sizeof(((struct ship *)NULL)->buffer) >= 64 * 1024, "a scan's buffer");

static int parse(struct ship *s, int argc, char **argv, struct err *err)
{
	bool has_url = false;

	for (int i = 1; i < argc; i += 2) {
		if (i + 1 == argc)
			return err_set(err, ERR_INPUT, "%s: needs a value", argv[i]);
		if (str_eq(argv[i], "--url")) {
			if (syslog_url_parse(argv[i + 1], &s->url, err) < 0)
				return -1;
			has_url = true;
		} else if (str_eq(argv[i], "--ca")) {
			s->ca_path = argv[i + 1];
		} else if (str_eq(argv[i], "--root") && s->root_count < SHIP_MAX_ROOTS) {
			s->roots[s->root_count++] = argv[i + 1];
		} else if (str_eq(argv[i], "--dir") && s->dir_count < SHIP_MAX_DIRS &&
			   strchr(argv[i + 1], '=')) {
			s->dirs[s->dir_count++] = argv[i + 1];
		} else {
			return err_set(err, ERR_INPUT, "%s %s: not understood", argv[i],
				       argv[i + 1]);
		}
	}
	if (!has_url || !s->root_count)
		return err_set(err, ERR_INPUT, "--url and --root are needed");
	return 0;
}

/* A folder of our own below dirfd. */
static int own_folder(int dirfd, const char *name, struct err *err)
{
	auto_fd int fd = -1;

	if (mkdirat(dirfd, name, 0700) < 0 && errno != EEXIST)
		return err_sys(err, "%s: mkdir", name);
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fchown(fd, IDS_WORKER_SHIP, IDS_WORKER_SHIP) < 0)
		return err_sys(err, "%s", name);
	return take_fd(&fd);
}

static int open_folders(struct ship *s, struct err *err)
{
	auto_fd int run = -1;

	for (unsigned i = 0; i < s->root_count; i++) {
		s->root_fds[i] = log_root_open(s->roots[i], err);
		if (s->root_fds[i] < 0)
			return -1;
	}
	s->folder = own_folder(s->root_fds[0], SHIP_FOLDER, err);
	if (s->folder < 0)
		return err_wrap(err, "%s", s->roots[0]);
	run = open(CLEAT_RUN_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (run < 0)
		return err_sys(err, "%s", CLEAT_RUN_DIR);
	s->run_folder = own_folder(run, "ship", err);
	return s->run_folder < 0 ? err_wrap(err, "%s", CLEAT_RUN_DIR) : 0;
}

/* The worker of the engine before us may still be at its last words: two would send everything twice. */
static int wait_for_lock(struct ship *s, struct err *err)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = openat(s->run_folder, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(err, "lock");
	while (fcntl(fd, F_SETLKW, &lock) < 0)
		if (errno != EINTR)
			return err_sys(err, "lock");
	return 0; /* held until the process ends */
}

static int read_ca(const struct ship *s, struct buf *out, struct err *err)
{
	static const char *const bundles[] = { "/etc/ssl/certs/ca-certificates.crt",
					       "/etc/ssl/cert.pem" };

	if (s->url.transport != SYSLOG_TLS)
		return 0;
	if (s->ca_path)
		return file_read_at(AT_FDCWD, s->ca_path, CA_MAX_BYTES, out, err);
	for (size_t i = 0; i < sizeof(bundles) / sizeof(bundles[0]); i++)
		if (file_read_at(AT_FDCWD, bundles[i], CA_MAX_BYTES, out, err) == 0)
			return 0;
	return err_set(err, ERR_NOT_FOUND, "no certificates in %s", bundles[0]);
}

static void add_source(struct ship *s, const char *name, int dirfd)
{
	struct ship_source *source = &s->sources[s->source_count];
	struct err err;

	if (s->source_count == SHIP_MAX_SOURCES) {
		close(dirfd);
		return;
	}
	ship_source_init(source, name, dirfd);
	if (ship_source_load(source, s->folder, &err) < 0)
		log_msg(LOG_WARN, "ship", "%s: sending from the oldest line on", err.msg);
	s->source_count++;
	if (s->inotify_fd >= 0 && fchdir(dirfd) == 0)
		inotify_add_watch(s->inotify_fd, ".", WATCHED);
}

static void open_dirs(struct ship *s)
{
	for (unsigned i = 0; i < s->dir_count; i++) {
		const char *path = strchr(s->dirs[i], '=');
		char name[128];
		struct err err;
		/* made here, too: its writer may come later than we */
		int fd = log_directory_open(path + 1, true, &err);

		if (fd < 0 || log_directory_adopt(fd, true, &err) < 0) {
			log_msg(LOG_WARN, "ship", "%s: %s", path + 1, err.msg);
			close_fd(&fd);
			continue;
		}
		str_copy(name, sizeof(name), s->dirs[i]);
		name[strcspn(name, "=")] = '\0';
		add_source(s, name, fd);
	}
}

static bool is_source(const struct ship *s, const char *name)
{
	for (unsigned i = 0; i < s->source_count; i++)
		if (str_eq(s->sources[i].name, name))
			return true;
	return false;
}

/* False: not everything could be opened yet: its writer is just about to give it to the logs' group. */
static bool find_below(struct ship *s, int root)
{
	struct err ignored; /* it is looked at again */
	auto_dir DIR *dir = path_list(root, &ignored);
	struct dirent *d;
	bool all = true;

	while (dir && (d = readdir(dir))) {
		int fd;

		if (d->d_name[0] == '.' || strlen(d->d_name) >= sizeof(s->sources[0].name) ||
		    is_source(s, d->d_name))
			continue;
		fd = openat(root, d->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0)
			add_source(s, d->d_name, fd);
		else if (errno == EACCES)
			all = false;
	}
	return all;
}

void ship_find_sources(struct ship *s)
{
	for (unsigned i = 0; i < s->root_count; i++) {
		struct stat st;

		/* a new container's folder changes the root's time */
		if (fstat(s->root_fds[i], &st) < 0 ||
		    (st.st_mtim.tv_sec == s->root_times[i].tv_sec &&
		     st.st_mtim.tv_nsec == s->root_times[i].tv_nsec))
			continue;
		/* a time is coarse: one more change may bear the same */
		if (find_below(s, s->root_fds[i]) && time(NULL) - st.st_mtim.tv_sec > 2)
			s->root_times[i] = st.st_mtim;
	}
}

static int confine(const struct ship *s, struct err *err)
{
	static const int extra[] = {
		SCMP_SYS(socket),
		SCMP_SYS(connect),
		SCMP_SYS(bind),
		SCMP_SYS(getsockname),
		SCMP_SYS(getpeername),
		SCMP_SYS(getsockopt),
		SCMP_SYS(setsockopt),
		SCMP_SYS(sendto),
		SCMP_SYS(recvfrom),
		SCMP_SYS(sendmsg),
		SCMP_SYS(recvmsg),
		SCMP_SYS(shutdown),
		SCMP_SYS(open),
		SCMP_SYS(openat),
		SCMP_SYS(getdents64),
		SCMP_SYS(fchdir),
		SCMP_SYS(inotify_add_watch),
		SCMP_SYS(renameat),
		SCMP_SYS(renameat2),
		SCMP_SYS(unlinkat),
		SCMP_SYS(fsync),
		SCMP_SYS(rename),
		SCMP_SYS(fchmod),
		SCMP_SYS(sendmmsg),
		SCMP_SYS(recvmmsg),
		-1,
	};
	const char *read_paths[SHIP_MAX_ROOTS + SHIP_MAX_DIRS + 2] = { 0 };
	char own[512];
	const char *const write_paths[] = { own, CLEAT_RUN_DIR "/ship", NULL };
	unsigned n = 0;
	struct proc_confine c = {
		.uid = IDS_WORKER_SHIP,
		.gid = IDS_WORKER_LOG, /* whose files its group may read */
		.read_paths = read_paths,
		.write_paths = write_paths,
		.syscalls = extra,
	};

	for (unsigned i = 0; i < s->root_count; i++)
		read_paths[n++] = s->roots[i];
	for (unsigned i = 0; i < s->dir_count; i++)
		if (access(strchr(s->dirs[i], '=') + 1, F_OK) == 0)
			read_paths[n++] = strchr(s->dirs[i], '=') + 1;
	/* The folder: hosts and resolv.conf are replaced, by a lease or by the host, and what was granted of a file ends with it. */
	read_paths[n++] = "/etc";
	snprintf(own, sizeof(own), "%s/%s", s->roots[0], SHIP_FOLDER);
	return proc_confine(&c, err);
}

void ship_facts_of(struct ship *s, const char *container)
{
	struct published_unit u;
	int64_t begun;

	s->facts = (struct ship_facts){ .is_known = true };
	for (unsigned i = 0; s->published; i++) {
		struct err err;

		if (published_get_unit(s->published, i, &u, &err) < 0) {
			if (err.code == ERR_NOT_FOUND)
				return;
			continue;
		}
		if (!str_eq(u.name, container))
			continue;
		str_copy(s->facts.unit, sizeof(s->facts.unit), u.unit);
		str_copy(s->facts.tag, sizeof(s->facts.tag), u.log_tag);
		/* what has been told to start may speak before the engine has heard that it runs */
		begun = u.started_real_usec > 0	      ? u.started_real_usec :
			u.state == PUBLISHED_STARTING ? u.since_real_usec :
							0;
		if (begun > 0) {
			str_copy(s->facts.run_id, sizeof(s->facts.run_id), u.run_id);
			log_stamp_format(begun * 1000, s->facts.started);
		}
		return;
	}
}

int ship_prepare(struct ship *s, int argc, char **argv, struct err *err)
{
	auto_buf ca = BUF_INIT(CA_MAX_BYTES);

	s->folder = s->run_folder = s->inotify_fd = s->wire.fd = -1;
	for (unsigned i = 0; i < SHIP_MAX_ROOTS; i++)
		s->root_fds[i] = -1;
	s->message = (struct buf)BUF_INIT(SHIP_MESSAGE_MAX + 4096);
	s->report = (struct ship_report){ .magic = SHIP_REPORT_MAGIC,
					  .version = 1,
					  .length = sizeof(s->report) };
	if (parse(s, argc, argv, err) < 0 || open_folders(s, err) < 0 || read_ca(s, &ca, err) < 0 ||
	    wait_for_lock(s, err) < 0)
		return -1;
	log_raise_descriptors();
	gethostname(s->hostname, sizeof(s->hostname) - 1);
	/* without events of the file system it looks every second */
	s->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	s->published = published_open_fd(PUBLISHED_FD, err);
	open_dirs(s);
	if (confine(s, err) < 0)
		return -1;
	ship_events_open(s, EVENTS_FD);
	for (unsigned i = 0; i < s->root_count; i++)
		if (s->inotify_fd >= 0 && fchdir(s->root_fds[i]) == 0)
			inotify_add_watch(s->inotify_fd, ".", IN_CREATE | IN_MOVED_TO);
	return ship_wire_open(&s->wire, &s->url, buf_str(&ca), ca.len, STDIN_FILENO, err);
}

void ship_finish(struct ship *s)
{
	if (s->wire.url.host[0])
		ship_wire_close(&s->wire);
	while (s->source_count > 0)
		ship_source_fini(&s->sources[--s->source_count]);
	for (unsigned i = 0; i < SHIP_MAX_ROOTS; i++)
		close_fd(&s->root_fds[i]);
	close_fd(&s->folder);
	close_fd(&s->run_folder);
	close_fd(&s->inotify_fd);
	published_close(s->published);
	buf_fini(&s->message);
}
