/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup v2 allows processes only in leaves once controllers are given to children (EBUSY otherwise), so PID 1 moves into a
 * leaf of its own before it delegates. Children that others make (".lxc" by lxc-attach) are left alone.
 */
#include "util/cgroup.h"

#include <unistd.h>

#include "init.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/places.h"

static int delegate(const char *mount, const char *rel, struct err *err)
{
	struct cgroup_controllers have;
	auto_fd int fd = cgroup_open(mount, rel, true, err);

	return fd < 0 ? -1 : cgroup_delegate(fd, &have, err);
}

int cgroup_prepare(void)
{
	char mount[256];
	struct err err;
	auto_fd int leaf = -1;
	int engine;

	if (cgroup_find_mount(mount, sizeof(mount), &err) < 0) {
		say("cgroup: %s", err.msg);
		return -1;
	}
	leaf = cgroup_open(mount, CLEAT_CGROUP_INIT, true, &err);
	if (leaf < 0 || file_write_text_at(leaf, "cgroup.procs", "0", &err) < 0) {
		say("cgroup: %s: %s", CLEAT_CGROUP_INIT, err.msg);
		return -1;
	}
	if (delegate(mount, "", &err) < 0 || delegate(mount, "cleat", &err) < 0)
		say("cgroup: %s", err.msg);
	engine = cgroup_open(mount, CLEAT_CGROUP_ENGINE, true, &err);
	if (engine < 0)
		say("cgroup: %s", err.msg);
	return engine;
}
