/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup v2 through its files. Only names that we made or that the kernel told us are used as
 * paths. Never removes a directory: teardown owns that.
 */
#include "util/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/buf.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/path.h"
#include "util/places.h"
#include "util/str.h"

/* mountinfo escapes blank, tab, newline and backslash as \ooo (proc_pid_mountinfo(5)). */
static void unescape_octal(char *s)
{
	char *out = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
		    s[3] >= '0' && s[3] <= '7') {
			*out++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
			s += 4;
		} else {
			*out++ = *s++;
		}
	}
	*out = '\0';
}

/* "ID PARENT MAJ:MIN ROOT MOUNTPOINT OPTIONS [TAGS...] - TYPE SOURCE OPTIONS" */
static bool line_is_cgroup2(char *line, char **mount_point)
{
	char *type = strstr(line, " - ");
	char *field = line;

	if (!type || !str_starts(type + 3, "cgroup2 "))
		return false;
	for (int i = 0; i < 4; i++) {
		field = strchr(field, ' ');
		if (!field)
			return false;
		field++;
	}
	field[strcspn(field, " ")] = '\0';
	unescape_octal(field);
	*mount_point = field;
	return true;
}

int cgroup_find_mount(char *out, size_t size, struct err *err)
{
	auto_file FILE *file = fopen("/proc/self/mountinfo", "re");
	auto_free char *line = NULL;
	size_t cap = 0, best = SIZE_MAX;
	char *mount_point;

	if (!file)
		return err_sys(err, "/proc/self/mountinfo");
	while (getline(&line, &cap, file) > 0) {
		if (!line_is_cgroup2(line, &mount_point) || strlen(mount_point) >= best)
			continue;
		if (!str_copy(out, size, mount_point))
			return err_set(err, ERR_LIMIT, "cgroup2 mount point is too long");
		best = strlen(mount_point);
	}
	if (best == SIZE_MAX)
		return err_set(err, ERR_NOT_FOUND, "no cgroup2 file system is mounted");
	return 0;
}

int cgroup_of_pid(int pid, char *out, size_t size, struct err *err)
{
	char path[64];
	auto_buf text = BUF_INIT(65536);
	char *line, *save = NULL;

	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	else
		str_copy(path, sizeof(path), "/proc/self/cgroup");
	if (file_read_at(AT_FDCWD, path, 65536, &text, err) < 0)
		return -1;
	if (!text.data)
		return err_set(err, ERR_NOT_FOUND, "%s is empty", path);
	for (line = strtok_r(text.data, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (!str_starts(line, "0::/"))
			continue;
		if (!str_copy(out, size, line + 4))
			return err_set(err, ERR_LIMIT, "%s: path is too long", path);
		return 0;
	}
	return err_set(err, ERR_NOT_FOUND, "%s names no cgroup2 group", path);
}

static int make_each(const char *mount, const char *rel, struct err *err)
{
	char path[4096];
	size_t base = strlen(mount);
	int n = snprintf(path, sizeof(path), "%s/%s", mount, rel);

	if (n < 0 || (size_t)n >= sizeof(path))
		return err_set(err, ERR_LIMIT, "cgroup %s: path is too long", rel);
	for (char *p = path + base + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return err_sys(err, "cgroup %s: mkdir", path);
		*p = '/';
	}
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return err_sys(err, "cgroup %s: mkdir", path);
	return 0;
}

int cgroup_open(const char *mount, const char *rel, bool make, struct err *err)
{
	char path[4096];
	int fd, n;

	if (make && rel[0] && make_each(mount, rel, err) < 0)
		return -1;
	n = snprintf(path, sizeof(path), "%s/%s", mount, rel);
	if (n < 0 || (size_t)n >= sizeof(path))
		return err_set(err, ERR_LIMIT, "cgroup %s: path is too long", rel);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "cgroup %s", path);
	return fd;
}

static bool list_has(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = strstr(list, word); p; p = strstr(p + 1, word))
		if ((p == list || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\n' || !p[len]))
			return true;
	return false;
}

int cgroup_delegate(int dirfd, struct cgroup_controllers *out, struct err *err)
{
	static const char *const names[] = { "cpu", "memory", "pids", "io", "cpuset" };
	bool *const flags[] = { &out->cpu, &out->memory, &out->pids, &out->io, &out->cpuset };
	auto_buf have = BUF_INIT(4096);
	struct err ignored;

	*out = (struct cgroup_controllers){ 0 };
	if (file_read_at(dirfd, "cgroup.controllers", 4096, &have, err) < 0)
		return err_wrap(err, "cgroup");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char word[16];

		if (!list_has(buf_str(&have), names[i]))
			continue;
		snprintf(word, sizeof(word), "+%s", names[i]);
		/* one by one: a single refused controller must not cost the others */
		*flags[i] = file_write_text_at(dirfd, "cgroup.subtree_control", word, &ignored) ==
			    0;
	}
	return 0;
}

int cgroup_kill(int dirfd, struct err *err)
{
	return file_write_text_at(dirfd, "cgroup.kill", "1", err);
}

static int open_child(int parent, const char *name)
{
	return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Of the pods there, the one that has it: it becomes *parent. */
static int open_in_pods(int *parent, const char *run_id)
{
	struct err ignored; /* errno says it as well */
	auto_dir DIR *dir = path_list(*parent, &ignored);
	struct dirent *entry;

	if (!dir)
		return -1;
	while ((errno = 0, entry = readdir(dir))) {
		auto_fd int pod = -1;
		int fd;

		if (!str_starts(entry->d_name, CLEAT_CGROUP_POD))
			continue;
		pod = open_child(*parent, entry->d_name);
		fd = pod < 0 ? -1 : open_child(pod, run_id);
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0)
			return -1; /* it may be in there */
		close_fd(parent);
		*parent = take_fd(&pod);
		return fd;
	}
	errno = errno ? errno : ENOENT;
	return -1;
}

int cgroup_open_run(const char *mount, const char *run_id, int *parent_out, struct err *err)
{
	auto_fd int parent = cgroup_open(mount, CLEAT_CGROUP_CONTAINERS, false, err);
	int fd;

	if (parent < 0)
		return -1;
	fd = open_child(parent, run_id);
	if (fd < 0 && errno == ENOENT)
		fd = open_in_pods(&parent, run_id);
	if (fd < 0)
		return err_sys(err, "cgroup %s", run_id);
	if (parent_out)
		*parent_out = take_fd(&parent);
	return fd;
}

int cgroup_open_events(int dirfd, struct err *err)
{
	int fd = openat(dirfd, "cgroup.events", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? err_sys(err, "cgroup.events") : fd;
}

int cgroup_is_populated(int dirfd, struct err *err)
{
	auto_fd int fd = cgroup_open_events(dirfd, err);

	return fd < 0 ? -1 : cgroup_events_populated(fd, err);
}

int cgroup_events_populated(int events_fd, struct err *err)
{
	char text[256]; /* asked after each probe: two lines are no reason to ask for memory */
	ssize_t n = pread(events_fd, text, sizeof(text) - 1, 0);

	if (n < 0)
		return err_sys(err, "cgroup.events");
	text[n] = '\0';
	return strstr(text, "populated 1") ? 1 : 0;
}

static uint64_t meminfo_total(void)
{
	auto_buf text = BUF_INIT(65536);
	struct err ignored;
	uint64_t total = 0;
	const char *p;

	if (file_read_at(AT_FDCWD, "/proc/meminfo", 65536, &text, &ignored) < 0)
		return UINT64_MAX;
	p = strstr(buf_str(&text), "MemTotal:");
	if (!p)
		return UINT64_MAX;
	for (p += strlen("MemTotal:"); *p == ' '; p++)
		;
	for (; *p >= '0' && *p <= '9' && total < UINT64_MAX / 20480; p++)
		total = total * 10 + (uint64_t)(*p - '0');
	return total * 1024;
}

uint64_t cgroup_memory_limit(const char *mount)
{
	uint64_t limit = meminfo_total();
	char rel[4096], path[8192];
	struct err ignored;

	if (cgroup_of_pid(0, rel, sizeof(rel), &ignored) < 0)
		return limit;
	for (;;) {
		auto_buf text = BUF_INIT(64);
		uint64_t value;
		char *slash;

		snprintf(path, sizeof(path), "%s/%s/memory.max", mount, rel);
		if (file_read_at(AT_FDCWD, path, 64, &text, &ignored) == 0 && text.data) {
			text.data[strcspn(text.data, "\n")] = '\0';
			if (str_to_u64(text.data, UINT64_MAX, &value) && value < limit)
				limit = value;
		}
		if (!rel[0])
			return limit;
		slash = strrchr(rel, '/');
		if (slash)
			*slash = '\0';
		else
			rel[0] = '\0';
	}
}
