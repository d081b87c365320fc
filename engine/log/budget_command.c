/* SPDX-License-Identifier: Apache-2.0 */
/* "cleat log-budget": opens the folders as root, then is IDS_WORKER_LOG, who owns what it may remove. Says what it removed. */
#include <dirent.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log/budget.h"
#include "log/directory.h"
#include "log/log.h"
#include "log/roots.h"
#include "util/cleanup.h"
#include "util/ids.h"
#include "util/path.h"
#include "util/proc.h"
#include "util/str.h"

#define MAX_ROOTS 4
#define MAX_PLACES 80

struct work {
	struct log_budget budget;
	const char *paths[MAX_PLACES + 1]; /* roots first; NULL-terminated */
	unsigned root_count, path_count;
	int roots[MAX_ROOTS];
	int dirs[LOG_BUDGET_MAX_DIRS];
	unsigned dir_count;
};

static int parse(struct work *w, int argc, char **argv, struct err *err)
{
	for (int i = 1; i < argc; i += 2) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";
		const char *path = strchr(value, '=');
		uint64_t number;

		if (str_eq(argv[i], "--bytes") && str_to_u64(value, INT64_MAX, &number)) {
			w->budget.bytes = number;
		} else if (str_eq(argv[i], "--percent") && str_to_u64(value, 100, &number)) {
			w->budget.percent = (unsigned)number;
		} else if (str_eq(argv[i], "--root") && value[0] == '/' &&
			   w->root_count < MAX_ROOTS && w->path_count == w->root_count) {
			w->paths[w->path_count++] = value;
			w->root_count++;
		} else if (str_eq(argv[i], "--dir") && path && w->path_count < MAX_PLACES) {
			w->paths[w->path_count++] = path + 1;
		} else {
			return err_set(err, ERR_INPUT, "%s %s: not understood", argv[i], value);
		}
	}
	return w->root_count ? 0 : err_set(err, ERR_INPUT, "--root is needed");
}

static int open_places(struct work *w, struct err *err)
{
	unsigned kept = w->root_count;

	for (unsigned i = 0; i < w->root_count; i++) {
		w->roots[i] = log_root_open(w->paths[i], err);
		if (w->roots[i] < 0)
			return -1;
	}
	for (unsigned i = w->root_count; i < w->path_count; i++) {
		struct err ignored;
		int fd = log_directory_open(w->paths[i], false, &ignored);

		if (fd < 0) /* no output yet */
			continue;
		w->dirs[w->dir_count++] = fd;
		w->paths[kept++] = w->paths[i];
	}
	w->paths[kept] = NULL;
	return 0;
}

static void open_below(struct work *w, int root)
{
	struct err ignored; /* nothing to look at */
	auto_dir DIR *dir = path_list(root, &ignored);
	struct dirent *d;

	while (dir && (d = readdir(dir)) && w->dir_count < LOG_BUDGET_MAX_DIRS) {
		int fd = d->d_name[0] == '.' ?
				 -1 :
				 openat(root, d->d_name,
					O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (fd >= 0)
			w->dirs[w->dir_count++] = fd;
	}
}

static int confine(const struct work *w, struct err *err)
{
	static const int extra[] = { SCMP_SYS(openat),	SCMP_SYS(open),	    SCMP_SYS(getdents64),
				     SCMP_SYS(fstatfs), SCMP_SYS(unlinkat), -1 };
	struct proc_confine c = {
		.uid = IDS_WORKER_LOG,
		.gid = IDS_WORKER_LOG,
		.write_paths = w->paths,
		.syscalls = extra,
	};

	return proc_confine(&c, err);
}

static int run(struct work *w, int argc, char **argv, struct err *err)
{
	uint64_t bytes, freed;
	unsigned removed;

	log_raise_descriptors();
	if (parse(w, argc, argv, err) < 0 || open_places(w, err) < 0 || confine(w, err) < 0)
		return -1;
	for (unsigned i = 0; i < w->root_count; i++)
		open_below(w, w->roots[i]);
	if (log_budget_bytes(&w->budget, w->roots[0], &bytes, err) < 0 ||
	    log_budget_apply(w->dirs, w->dir_count, bytes, &removed, &freed, err) < 0)
		return -1;
	if (removed)
		log_msg(LOG_INFO, "log",
			"%u old log files removed (%llu KiB): all logs together may take %llu KiB",
			removed, (unsigned long long)(freed / 1024),
			(unsigned long long)(bytes / 1024));
	return 0;
}

int cmd_log_budget(int argc, char **argv)
{
	static struct work work;
	struct err err;

	log_init("cleat log-budget", LOG_INFO);
	if (run(&work, argc, argv, &err) == 0)
		return 0;
	log_msg(LOG_ERROR, "log", "%s", err.msg);
	return 1;
}
