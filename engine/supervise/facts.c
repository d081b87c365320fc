/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Facts of the machine, probed once at start; what is missing becomes a note that /status shows, because a limit that is
 * not enforced must not look as if it were.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

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

static void probe_cgroups(struct engine *e)
{
	struct cgroup_controllers top = { 0 };
	struct err err;
	auto_fd int base = -1;
	auto_fd int containers = -1;

	e->shims_cgroup = e->work_cgroup = -1;
	if (cgroup_find_mount(e->cgroup_mount, sizeof(e->cgroup_mount), &err) < 0) {
		publish_note(e, 2, "cgroup: %s: containers cannot be started", err.msg);
		return;
	}
	e->shims_cgroup = cgroup_open(e->cgroup_mount, CLEAT_CGROUP_SHIMS, true, &err);
	if (e->shims_cgroup >= 0)
		e->work_cgroup = cgroup_open(e->cgroup_mount, CLEAT_CGROUP_WORK, true, &err);
	if (e->work_cgroup >= 0)
		base = cgroup_open(e->cgroup_mount, "cleat", false, &err);
	if (base >= 0)
		containers = cgroup_open(e->cgroup_mount, CLEAT_CGROUP_CONTAINERS, true, &err);
	if (containers < 0) {
		publish_note(
			e, 2,
			"cgroup: %s: containers cannot be started; is the cgroup tree delegated?",
			err.msg);
		return;
	}
	if (cgroup_delegate(base, &top, &err) < 0 ||
	    cgroup_delegate(containers, &e->controllers, &err) < 0)
		publish_note(e, 1, "cgroup: %s", err.msg);
}

static void note_controllers(struct engine *e)
{
	const struct cgroup_controllers *c = &e->controllers;

	if (!c->memory || !c->cpu || !c->pids)
		publish_note(
			e, 0,
			"cgroup v2 gives no controller for:%s%s%s: limits of that kind are not enforced",
			c->memory ? "" : " memory", c->cpu ? "" : " cpu", c->pids ? "" : " pids");
}

/* Without these no container starts as isolated as its unit asks for. */
static void note_capabilities(struct engine *e)
{
	static const struct {
		int number;
		const char *name;
	} needed[] = {
		{ CAP_SYS_ADMIN, "sys_admin" }, { CAP_NET_ADMIN, "net_admin" },
		{ CAP_SETPCAP, "setpcap" },	{ CAP_SETUID, "setuid" },
		{ CAP_SETGID, "setgid" },	{ CAP_CHOWN, "chown" },
		{ CAP_FOWNER, "fowner" },	{ CAP_DAC_OVERRIDE, "dac_override" },
		{ CAP_KILL, "kill" },
	};
	auto_buf missing = BUF_INIT(256);

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (prctl(PR_CAPBSET_READ, needed[i].number, 0, 0, 0) != 1)
			buf_printf(&missing, " %s", needed[i].name);
	if (missing.len)
		publish_note(
			e, 2,
			"this machine is without the capabilities%s: containers cannot be started; on the host, take them out of lxc.cap.drop",
			buf_str(&missing));
}

static void probe_data(struct engine *e)
{
	struct stat st;
	bool is_foreign;

	e->data_present = stat(CLEAT_DATA_DIR, &st) == 0 && S_ISDIR(st.st_mode);
	e->data_writable = e->data_present && access(CLEAT_DATA_DIR, W_OK) == 0;
	is_foreign = e->data_present && !e->data_writable && errno == EACCES;
	if (!e->data_present)
		publish_note(
			e, 2,
			"%s is absent: images, volumes and logs cannot be kept; mount a directory or a disk there",
			CLEAT_DATA_DIR);
	else if (is_foreign) /* in a user namespace root may write only what one of its own ids owns */
		publish_note(
			e, 2,
			"%s cannot be written: it belongs to id %u; on the host, give it to the id that is root here; only images that are already in the store can run, logs go to %s",
			CLEAT_DATA_DIR, st.st_uid, CLEAT_RUN_LOGS);
	else if (!e->data_writable)
		publish_note(
			e, 2,
			"%s is read-only: only images that are already in the store can run, logs go to %s",
			CLEAT_DATA_DIR, CLEAT_RUN_LOGS);
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
	probe_cgroups(e);
	note_controllers(e);
	note_capabilities(e);
	probe_data(e);
	probe_home(e);
	e->host.cgroup_mount = e->cgroup_mount;
	e->host.has_memory_controller = e->controllers.memory;
	e->host.has_cpu_controller = e->controllers.cpu;
	e->host.has_pids_controller = e->controllers.pids;
	e->host.memory_bytes = cgroup_memory_limit(e->cgroup_mount);
	e->host.nofile_hard = hard_limit(RLIMIT_NOFILE);
	e->host.nproc_hard = hard_limit(RLIMIT_NPROC);
	e->host.can_make_data = e->data_writable;
	e->host.hostname = e->hostname;
	e->host.containerenv_file = make_containerenv();
	e->host.resolv_conf = access("/etc/resolv.conf", R_OK) == 0 ? "/etc/resolv.conf" : "";
}
