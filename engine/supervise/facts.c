/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Facts of the machine that the engine works with, looked at once at start. What is missing is told by host_probe.c: a limit that is not
 * enforced must not look as if it were.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "supervise/host_probe.h"
#include "supervise/internal.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/str.h"

static uint64_t hard_limit(int resource)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) < 0 || limit.rlim_max == RLIM_INFINITY)
		return UINT64_MAX;
	return limit.rlim_max;
}

/* The kernel sums up stalls in each level at every switch of tasks, which costs requests through a published port four in a hundred;
 * of these two nobody asks. Since Linux 6.1 (cgroup-v2.rst, cgroup.pressure). */
static void count_no_pressure(int group)
{
	struct err ignored;

	(void)!file_write_text_at(group, "cgroup.pressure", "0", &ignored);
}

/* What containers, their shims and workers live in; host_probe.c says what it means when there is none. */
static int open_cgroups(struct engine *e, struct err *err)
{
	struct cgroup_controllers top = { 0 };
	struct err not_all;
	auto_fd int base = -1;
	auto_fd int containers = -1;

	e->shims_cgroup = e->work_cgroup = -1;
	if (cgroup_find_mount(e->cgroup_mount, sizeof(e->cgroup_mount), err) < 0)
		return -1;
	e->shims_cgroup = cgroup_open(e->cgroup_mount, CLEAT_CGROUP_SHIMS, true, err);
	if (e->shims_cgroup < 0)
		return -1;
	e->work_cgroup = cgroup_open(e->cgroup_mount, CLEAT_CGROUP_WORK, true, err);
	if (e->work_cgroup < 0)
		return -1;
	base = cgroup_open(e->cgroup_mount, "cleat", false, err);
	if (base < 0)
		return -1;
	containers = cgroup_open(e->cgroup_mount, CLEAT_CGROUP_CONTAINERS, true, err);
	if (containers < 0)
		return -1;
	if (cgroup_delegate(base, &top, &not_all) < 0 ||
	    cgroup_delegate(containers, &e->controllers, &not_all) < 0)
		log_msg(LOG_WARN, "engine", "%s", not_all.msg);
	count_no_pressure(base);
	count_no_pressure(containers);
	return 0;
}

/* What there is after delegating counts, not what a file says that there could be. */
static void probe_cgroups(struct engine *e)
{
	static const char usual[] = "/sys/fs/cgroup";
	struct host_record *record = host_probe_record(e);
	const struct cgroup_controllers *c = &e->controllers;
	bool is_hybrid;
	struct err err;

	if (open_cgroups(e, &err) < 0) {
		host_record_no(record, "cgroup-tree", err.sys_errno, "%s", err.msg);
		return;
	}
	is_hybrid = !str_eq(e->cgroup_mount, usual);
	if (c->memory && c->cpu && c->pids)
		host_record_yes(record, "limits");
	else
		host_record_no(record, "limits", 0, "cgroup v2 gives no controller for:%s%s%s%s%s",
			       c->memory ? "" : " memory", c->cpu ? "" : " cpu",
			       c->pids ? "" : " pids", is_hybrid ? "; the tree is hybrid, at " : "",
			       is_hybrid ? e->cgroup_mount : "");
}

static void probe_data(struct engine *e)
{
	struct stat st;

	e->data_present = stat(CLEAT_DATA_DIR, &st) == 0 && S_ISDIR(st.st_mode);
	e->data_writable = e->data_present && access(CLEAT_DATA_DIR, W_OK) == 0;
	str_copy(e->log_root, sizeof(e->log_root),
		 e->data_writable ? CLEAT_LOG_DIR : CLEAT_RUN_LOGS);
}

static void probe_home(struct engine *e)
{
	struct stat st;

	e->host.home_uid = e->host.home_gid = 1000;
	if (stat(CLEAT_HOME_DIR, &st) == 0) {
		if (st.st_uid != 0) {
			e->host.home_uid = st.st_uid;
			e->host.home_gid = st.st_gid;
		}
		return;
	}
	if (!e->data_writable)
		return;
	if (mkdir(CLEAT_HOME_DIR, 0755) < 0 || chown(CLEAT_HOME_DIR, 1000, 1000) < 0)
		publish_note(e, 1, "%s: %s", CLEAT_HOME_DIR, strerror(errno));
}

static void probe_boot_id(struct engine *e)
{
	auto_buf text = BUF_INIT(64);
	struct err err;

	if (file_read_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &text, &err) == 0 &&
	    text.len)
		text.data[strcspn(text.data, "\n")] = '\0';
	str_copy(e->boot_id, sizeof(e->boot_id), buf_str(&text));
}

/* podman's mark of a container, which programs look for: an empty file is enough. */
static const char *make_containerenv(void)
{
	auto_fd int fd = open(CLEAT_CONTAINERENV, O_WRONLY | O_CREAT | O_CLOEXEC, 0444);

	return fd < 0 ? "" : CLEAT_CONTAINERENV;
}

void facts_probe(struct engine *e)
{
	probe_boot_id(e);
	host_look_here(host_probe_record(e), CLEAT_DATA_DIR);
	probe_cgroups(e);
	probe_data(e);
	probe_home(e);
	e->host.cgroup_mount = e->cgroup_mount;
	e->host.has_memory_controller = e->controllers.memory;
	e->host.has_cpu_controller = e->controllers.cpu;
	e->host.has_pids_controller = e->controllers.pids;
	e->host.has_io_controller = e->controllers.io;
	e->host.has_cpuset_controller = e->controllers.cpuset;
	e->host.memory_bytes = cgroup_memory_limit(e->cgroup_mount);
	e->host.nofile_hard = hard_limit(RLIMIT_NOFILE);
	e->host.nproc_hard = hard_limit(RLIMIT_NPROC);
	e->host.can_make_data = e->data_writable;
	e->host.hostname = e->hostname;
	e->host.containerenv_file = make_containerenv();
	e->host.resolv_conf = access("/etc/resolv.conf", R_OK) == 0 ? "/etc/resolv.conf" : "";
}
