/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The early mounts. In a container most are there and may not be made: whatever is a mount point already stays as it is, and
 * a refused mount is said, not fatal. Every tmpfs has an explicit size: without one it would take half of the *host's* memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "init.h"
#include "util/file.h"
#include "util/path.h"

struct early_mount {
	const char *target, *type, *data;
	unsigned long flags;
	mode_t mode;
};

static const struct early_mount early_mounts[] = {
	{ "/proc", "proc", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC, 0555 },
	{ "/sys", "sysfs", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC, 0555 },
	{ "/dev", "devtmpfs", "mode=0755,size=512k", MS_NOSUID, 0755 },
	{ "/dev/pts", "devpts", "mode=0620,gid=5,ptmxmode=0666", MS_NOSUID | MS_NOEXEC, 0755 },
	{ "/dev/shm", "tmpfs", "mode=1777,size=4m", MS_NOSUID | MS_NODEV, 01777 },
	{ "/run", "tmpfs", "mode=0755,size=16m", MS_NOSUID | MS_NODEV, 0755 },
	{ "/tmp", "tmpfs", "mode=1777,size=8m", MS_NOSUID | MS_NODEV, 01777 },
	{ "/sys/fs/cgroup", "cgroup2", "nsdelegate,memory_recursiveprot",
	  MS_NOSUID | MS_NODEV | MS_NOEXEC, 0555 },
};

/* devtmpfs belongs to the first user namespace and shows the whole machine's devices: a plain namespace gets a tmpfs
 * in which nodes are made where that is allowed. */
static bool is_wanted(const struct early_mount *m, enum world world)
{
	struct stat st;

	if (world != WORLD_MACHINE && strcmp(m->target, "/dev") == 0)
		return stat("/dev/null", &st) < 0 || !S_ISCHR(st.st_mode);
	/* a hybrid host's container has cgroup2 one level down */
	if (strcmp(m->type, "cgroup2") == 0)
		return !path_is_mount("/sys/fs/cgroup/unified", 0);
	return true;
}

static void make_nodes(void)
{
	static const struct {
		const char *path;
		unsigned major, minor;
	} nodes[] = {
		{ "/dev/null", 1, 3 },	 { "/dev/zero", 1, 5 },	   { "/dev/full", 1, 7 },
		{ "/dev/random", 1, 8 }, { "/dev/urandom", 1, 9 }, { "/dev/tty", 5, 0 },
	};
	mode_t mask = umask(0);

	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
		if (mknod(nodes[i].path, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)) <
			    0 &&
		    errno != EEXIST)
			say("mknod %s: %s", nodes[i].path, strerror(errno));
	umask(mask);
}

static void mount_one(const struct early_mount *m, enum world world)
{
	const char *type = m->type;

	if (path_is_mount(m->target, 0) || !is_wanted(m, world))
		return;
	mkdir(m->target, m->mode); /* if it cannot be made, mount says why */
	if (world != WORLD_MACHINE && strcmp(type, "devtmpfs") == 0)
		type = "tmpfs";
	if (mount(type, m->target, type, m->flags, m->data) < 0 && errno == EINVAL)
		mount(type, m->target, type, m->flags,
		      NULL); /* an option that this kernel does not know */
	if (!path_is_mount(m->target, 0))
		say("mount %s on %s: %s", type, m->target, strerror(errno));
	else if (strcmp(m->target, "/dev") == 0 && strcmp(type, "tmpfs") == 0)
		make_nodes();
}

static void link_dev(void)
{
	static const char *const links[][2] = {
		{ "/proc/self/fd", "/dev/fd" }, { "fd/0", "/dev/stdin" },
		{ "fd/1", "/dev/stdout" },	{ "fd/2", "/dev/stderr" },
		{ "pts/ptmx", "/dev/ptmx" },
	};

	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (symlink(links[i][0], links[i][1]) < 0 && errno != EEXIST)
			say("%s: %s", links[i][1], strerror(errno));
}

void mounts_make(enum world world)
{
	for (size_t i = 0; i < sizeof(early_mounts) / sizeof(early_mounts[0]); i++)
		mount_one(&early_mounts[i], world);
	link_dev();
}

/* Of a root that is read-only, one file system: what has to be written in /etc lives as long as the boot. */
void mounts_make_etc(void)
{
	struct statvfs st;

	if (statvfs("/etc", &st) < 0 || !(st.f_flag & ST_RDONLY))
		return;
	mkdir("/run/etc", 0700);
	if (mount("tmpfs", "/run/etc", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  "mode=0700,size=1m") < 0 ||
	    mkdir("/run/etc/upper", 0755) < 0 || mkdir("/run/etc/work", 0700) < 0 ||
	    mount("overlay", "/etc", "overlay", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  "lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work") < 0)
		say("overlay over /etc: %s", strerror(errno));
}

void mounts_set_kernel(enum world world)
{
	static const struct {
		const char *path, *value;
		bool is_machine_only;
	} settings[] = {
		/* ping of containers with Network=host; a group that the user namespace does not have would be refused */
		{ "/proc/sys/net/ipv4/ping_group_range", "0 65535", false },
		{ "/proc/sys/net/ipv4/ip_unprivileged_port_start", "0", false },
		/* a machine that nobody looks at comes back */
		{ "/proc/sys/kernel/panic", "10", true },
		/* of a small machine each zone would set 2 MiB aside, more than its processes have */
		{ "/proc/sys/vm/watermark_boost_factor", "0", true },
	};

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		struct err err;

		if (settings[i].is_machine_only && world != WORLD_MACHINE)
			continue;
		if (file_write_text_at(AT_FDCWD, settings[i].path, settings[i].value, &err) < 0)
			say("%s", err.msg);
	}
}

void mounts_end(void)
{
	sync();
	if (path_is_mount("/data", 0) && umount2("/data", UMOUNT_NOFOLLOW) < 0 &&
	    mount(NULL, "/data", NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0)
		say("/data: %s", strerror(errno));
	mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL);
}
