/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's cgroup: birth and limits. They are written before any process is in it, so that
 * there is no moment without them.
 */
#include "runtime/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "runtime/disks.h"
#include "util/buf.h"
#include "util/cgroup.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/places.h"
#include "util/str.h"

int limits_find_mount(char *out, size_t size, struct err *err)
{
	static const char *const usual[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	struct statfs fs;

	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		if (statfs(usual[i], &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC &&
		    str_copy(out, size, usual[i]))
			return 0;
	return cgroup_find_mount(out, size, err);
}

struct setting {
	const char *file;
	char value[48];
	bool quiet; /* goes with another one: not worth a word of its own when it is missing */
};

#define MAX_SETTINGS 8
#define POD_TRIES 128

static void add_amount(struct setting *list, size_t *count, const char *file, uint64_t value)
{
	struct setting *s = &list[(*count)++];

	*s = (struct setting){ .file = file };
	if (value == UINT64_MAX)
		str_copy(s->value, sizeof(s->value), "max");
	else
		snprintf(s->value, sizeof(s->value), "%llu", (unsigned long long)value);
}

static size_t list_settings(const struct plan_limits *l, struct setting list[MAX_SETTINGS])
{
	size_t n = 0;

	/* Half a container is no container: the whole group goes when memory is out. Of a pod one container may. */
	if (!l->is_pods) {
		add_amount(list, &n, "memory.oom.group", 1);
		list[0].quiet = true;
	}
	if (l->memory_bytes)
		add_amount(list, &n, "memory.max", l->memory_bytes);
	if (l->has_swap)
		add_amount(list, &n, "memory.swap.max", l->swap_bytes);
	if (l->memory_low_bytes)
		add_amount(list, &n, "memory.low", l->memory_low_bytes);
	if (l->cpu_weight)
		add_amount(list, &n, "cpu.weight", l->cpu_weight);
	if (l->pids)
		add_amount(list, &n, "pids.max", l->pids);
	if (l->cpu_quota_usec) {
		list[n] = (struct setting){ .file = "cpu.max" };
		snprintf(list[n].value, sizeof(list[n].value), "%llu %llu",
			 (unsigned long long)l->cpu_quota_usec,
			 (unsigned long long)(l->cpu_period_usec ? l->cpu_period_usec : 100000));
		n++;
	}
	return n;
}

/* Hands the controllers down to where our directory is. What somebody above keeps stays his. */
static void delegate_down(const char *mount)
{
	static const char *const levels[] = { "", "cleat", CLEAT_CGROUP_CONTAINERS };
	struct cgroup_controllers got;
	struct err ignored;

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		auto_fd int dir = cgroup_open(mount, levels[i], false, &ignored);

		if (dir < 0 || cgroup_delegate(dir, &got, &ignored) < 0)
			return;
	}
}

static void note_unenforced(char *out, size_t size, const char *file)
{
	size_t len = out ? strlen(out) : 0;

	if (out && len < size)
		snprintf(out + len, size - len, "%s%s", len ? ", " : "", file);
}

static int write_settings(int dir, const struct setting *list, size_t count, char *unenforced,
			  size_t size, struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		if (file_write_text_at(dir, list[i].file, list[i].value, err) == 0)
			continue;
		if (err->code != ERR_NOT_FOUND)
			return -1;
		if (!list[i].quiet)
			note_unenforced(unenforced, size, list[i].file);
	}
	return 0;
}

static bool has_file(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, 0) == 0;
}

static int write_unified(int dir, const struct plan_limits *l, char *unenforced, size_t size,
			 struct err *err)
{
	for (size_t i = 0; i < l->setting_count; i++) {
		const struct plan_setting *s = &l->settings[i];
		int rc = str_eq(s->file, "io.max") ?
				 disks_write_io_max(dir, s->value, err) :
				 file_write_text_at(dir, s->file, s->value, err);

		if (rc == 0)
			continue;
		if (err->code != ERR_NOT_FOUND || has_file(dir, s->file))
			return err_wrap(err, "%s = %s", s->file, s->value);
		note_unenforced(unenforced, size, s->file);
	}
	return 0;
}

/*
 * The pod's, which a holder makes and a member finds. It holds no process itself, so that its controllers can go on to those in it
 * (cgroup-v2.rst, "No Internal Process Constraint"). One that has nobody in it is made anew: its limits may be those of an earlier version.
 */
static int open_pod(int containers, const struct plan_limits *limits, bool *is_old, struct err *err)
{
	int dir;

	if (limits->is_pods) {
		unlinkat(containers, limits->pod, AT_REMOVEDIR);
		*is_old = mkdirat(containers, limits->pod, 0755) < 0;
		if (*is_old && errno != EEXIST)
			return err_sys(err, "cgroup %s: mkdir", limits->pod);
	}
	dir = openat(containers, limits->pod, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return dir < 0 ? err_sys(err, "cgroup %s", limits->pod) : dir;
}

/* An empty one may be left over from a start that failed; one with processes is somebody's life. */
static int make_cgroup(int parent, const char *run_id, struct err *err)
{
	bool existed;

	existed = mkdirat(parent, run_id, 0755) < 0;
	if (existed && errno != EEXIST)
		return err_sys(err, "cgroup %s: mkdir", run_id);

	auto_fd int dir = openat(parent, run_id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (dir < 0)
		return err_sys(err, "cgroup %s: open", run_id);
	if (existed && cgroup_is_populated(dir, err) != 0)
		return err_set(err, ERR_BUSY, "run id %s is in use: its cgroup has processes",
			       run_id);
	return take_fd(&dir);
}

static int write_limits(int dir, const char *mount, const struct plan_limits *limits,
			char *unenforced, size_t size, struct err *err)
{
	struct setting list[MAX_SETTINGS];
	size_t count = list_settings(limits, list);

	/* One look instead of three writes a start: the engine has delegated at boot. */
	if ((count > (limits->is_pods ? 0 : 1) && !has_file(dir, list[count - 1].file)) ||
	    (limits->setting_count && !has_file(dir, limits->settings[0].file)))
		delegate_down(mount);
	if (write_settings(dir, list, count, unenforced, size, err) < 0 ||
	    write_unified(dir, limits, unenforced, size, err) < 0)
		return err_wrap(err, "cgroup");
	return 0;
}

static int lift_io_max(int dir, struct err *err)
{
	auto_buf text = BUF_INIT(65536), none = BUF_INIT(65536);

	if (file_read_at(dir, "io.max", text.max, &text, err) < 0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	for (const char *line = buf_str(&text); *line; line += *line == '\n') {
		buf_printf(&none, "%.*s rbps=max wbps=max riops=max wiops=max\n",
			   (int)strcspn(line, " \n"), line);
		line += strcspn(line, "\n");
	}
	if (buf_check(&none, "io.max", err) < 0)
		return -1;
	return disks_write_io_max(dir, buf_str(&none), err);
}

/* As they are in a new one: every file that a limit may be written to (spec/option_cgroup.c). While cpu.idle is on there is no weight. */
static int lift_limits(int dir, struct err *err)
{
	static const struct setting list[] = {
		{ "memory.max", "max", true },
		{ "memory.high", "max", true },
		{ "memory.low", "0", true },
		{ "memory.min", "0", true },
		{ "memory.swap.max", "max", true },
		{ "memory.zswap.max", "max", true },
		{ "cpu.idle", "0", true },
		{ "cpu.weight", "100", true },
		{ "cpu.max", "max 100000", true },
		{ "cpuset.cpus", "\n", true },
		{ "cpuset.mems", "\n", true },
		{ "pids.max", "max", true },
		{ "io.weight", "default 100", true },
	};

	if (write_settings(dir, list, sizeof(list) / sizeof(list[0]), NULL, 0, err) < 0 ||
	    lift_io_max(dir, err) < 0)
		return err_wrap(err, "cgroup");
	return 0;
}

/* The pod's own limits, and the controllers for those in it: that one cannot be handed on is said by whoever needs it. */
static int limit_pod(int dir, const char *mount, const struct plan_limits *limits, bool is_old,
		     char *unenforced, size_t size, struct err *err)
{
	struct cgroup_controllers got;
	struct err ignored;

	if ((is_old && lift_limits(dir, err) < 0) ||
	    write_limits(dir, mount, limits, unenforced, size, err) < 0)
		return -1;
	(void)!cgroup_delegate(dir, &got, &ignored);
	return 0;
}

/*
 * Every teardown clears away pods' cgroups in which nobody is: also this one, until the holder's lies in it, which therefore comes before
 * limits are written. A member's pod has its holder.
 */
static int make_in_pod(int containers, const char *run_id, const struct plan_limits *limits,
		       int *pod, bool *is_old, struct err *err)
{
	int dir = -1;

	for (int i = 0; i < POD_TRIES; i++) {
		close_fd(pod);
		*pod = open_pod(containers, limits, is_old, err);
		dir = *pod < 0 ? -1 : make_cgroup(*pod, run_id, err);
		if (dir >= 0 || err->code != ERR_NOT_FOUND || !limits->is_pods)
			break;
	}
	return dir;
}

int limits_open_cgroup(const char *mount, const char *run_id, const struct plan_limits *limits,
		       char *unenforced, size_t size, struct err *err)
{
	static const struct plan_limits none = { 0 };
	auto_fd int containers = cgroup_open(mount, CLEAT_CGROUP_CONTAINERS, true, err);
	auto_fd int pod = -1, dir = -1;
	bool is_old = false; /* the pod's, in which somebody of an earlier life still is */

	if (unenforced && size)
		unenforced[0] = '\0';
	if (containers < 0)
		return -1;
	dir = limits->pod ? make_in_pod(containers, run_id, limits, &pod, &is_old, err) :
			    make_cgroup(containers, run_id, err);
	if (dir < 0 ||
	    (limits->is_pods && limit_pod(pod, mount, limits, is_old, unenforced, size, err) < 0) ||
	    write_limits(dir, mount, limits->is_pods ? &none : limits, unenforced, size, err) < 0)
		return -1;
	return take_fd(&dir);
}
