/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be known of the host without trying it out: numbers of this process and files of /proc and /sys. The engine asks when it starts,
 * so nothing here may wait, make or change anything.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "supervise/host_probe.h"
#include "util/buf.h"
#include "util/cgroup.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/loop.h"
#include "util/places.h"
#include "util/proc.h"
#include "util/str.h"

#define KERNEL_MAJOR 5
#define KERNEL_MINOR 15
#define FILES_WANTED 65536
#define IDS_WANTED 65536
#define MAX_TEXT (256u * 1024)

static uint64_t effective_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 }, { 0 } };

	if (syscall(SYS_capget, &header, data) < 0)
		return 0;
	return data[0].effective | (uint64_t)data[1].effective << 32;
}

static void look_capabilities(struct host_record *record)
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
	uint64_t have = effective_capabilities();
	auto_buf missing = BUF_INIT(256);

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!(have & UINT64_C(1) << needed[i].number))
			buf_printf(&missing, " %s", needed[i].name);
	if (missing.len)
		host_record_no(record, "capabilities", 0, "withheld:%s%s", buf_str(&missing),
			       geteuid() ? " (not asked as root)" : "");
	else
		host_record_yes(record, "capabilities");
}

/* "5.15.0-91-generic" */
static void look_kernel(struct host_record *record)
{
	unsigned long major, minor = 0;
	char *rest;

	major = strtoul(record->kernel, &rest, 10);
	if (*rest == '.')
		minor = strtoul(rest + 1, NULL, 10);
	if (major > KERNEL_MAJOR || (major == KERNEL_MAJOR && minor >= KERNEL_MINOR))
		host_record_yes(record, "kernel");
	else
		host_record_no(record, "kernel", 0, "it is %s", record->kernel);
}

/* Without arguments it is refused for that (EINVAL) and starts nothing. */
static void look_clone3(struct host_record *record)
{
	if (syscall(SYS_clone3, NULL, 0) < 0 && errno == EINVAL)
		host_record_yes(record, "clone3");
	else
		host_record_no(record, "clone3", errno, "clone3: %s", strerror(errno));
}

/* How many of the ids from 0 on have a place in the map; the lines come in the order of their first id. */
static uint64_t ids_from_zero(const char *map)
{
	uint64_t next = 0;

	while (*map) {
		char *end;
		uint64_t inside = strtoull(map, &end, 10), count;

		strtoull(end, &end, 10);
		count = strtoull(end, &end, 10);
		if (end == map || inside != next)
			break;
		next += count;
		map = end + strspn(end, "\n");
	}
	return next;
}

static bool is_initial_map(const char *map)
{
	char *end;

	return strtoull(map, &end, 10) == 0 && strtoull(end, &end, 10) == 0 &&
	       strtoull(end, &end, 10) == UINT32_MAX;
}

static void look_ids(struct host_record *record)
{
	static const char *const files[] = { "/proc/self/uid_map", "/proc/self/gid_map" };
	bool is_initial = true;
	struct err err;

	host_record_yes(record, "id-range");
	for (size_t i = 0; i < 2; i++) {
		auto_buf map = BUF_INIT(65536);
		uint64_t count;

		if (file_read_at(AT_FDCWD, files[i], 65536, &map, &err) < 0) {
			host_record_no(record, "id-range", err.sys_errno, "%s", err.msg);
			return;
		}
		is_initial &= is_initial_map(buf_str(&map));
		count = ids_from_zero(buf_str(&map));
		if (count < IDS_WANTED)
			host_record_no(record, "id-range", 0, "%s: %llu ids from 0 on", files[i],
				       (unsigned long long)count);
	}
	if (!(effective_capabilities() & UINT64_C(1) << CAP_SYS_RESOURCE))
		host_record_no(record, "resources", 0, "sys_resource is withheld");
	else if (!is_initial)
		host_record_no(record, "resources", 0,
			       "in a user namespace sys_resource does not count for the machine");
	else
		host_record_yes(record, "resources");
}

static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (; *list; list += strspn(list, " \n")) {
		size_t n = strcspn(list, " \n");

		if (n == len && strncmp(list, word, n) == 0)
			return true;
		list += n;
	}
	return false;
}

static void look_controllers(struct host_record *record, const char *mount)
{
	static const char *const wanted[] = { "memory", "cpu", "pids" };
	auto_fd int dir = open(mount, O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_buf have = BUF_INIT(4096), missing = BUF_INIT(64);
	struct err err;

	if (dir < 0 || file_read_at(dir, "cgroup.controllers", 4096, &have, &err) < 0)
		return;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (!has_word(buf_str(&have), wanted[i]))
			buf_printf(&missing, " %s", wanted[i]);
	if (missing.len)
		host_record_no(record, "limits", 0, "cgroup v2 has no controller for:%s%s%s",
			       buf_str(&missing),
			       str_eq(mount, "/sys/fs/cgroup") ? "" : "; a hybrid tree, it is at ",
			       str_eq(mount, "/sys/fs/cgroup") ? "" : mount);
	else
		host_record_yes(record, "limits");
}

static void look_swap(struct host_record *record, const char *mount)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/" CLEAT_CGROUP_CONTAINERS "/memory.max", mount);
	if (access(path, F_OK) < 0)
		return;
	snprintf(path, sizeof(path), "%s/" CLEAT_CGROUP_CONTAINERS "/memory.swap.max", mount);
	if (access(path, F_OK) < 0)
		host_record_no(record, "swap-limit", errno, "memory.swap.max: %s", strerror(errno));
	else
		host_record_yes(record, "swap-limit");
}

static void look_cgroups(struct host_record *record)
{
	char mount[256];
	struct err err;

	if (cgroup_find_mount(mount, sizeof(mount), &err) < 0) {
		host_record_no(record, "cgroup-tree", err.sys_errno, "%s", err.msg);
		return;
	}
	if (access(mount, W_OK) < 0)
		host_record_no(record, "cgroup-tree", errno, "%s: %s", mount, strerror(errno));
	else
		host_record_yes(record, "cgroup-tree");
	look_controllers(record, mount);
	look_swap(record, mount);
}

static void look_data(struct host_record *record, const char *data_dir)
{
	struct statvfs fs;
	struct stat st;

	if (!data_dir)
		return;
	if (stat(data_dir, &st) < 0) {
		host_record_no(record, "data", errno, "%s is absent", data_dir);
		return;
	}
	if (!S_ISDIR(st.st_mode))
		host_record_no(record, "data", 0, "%s is no folder", data_dir);
	else if (access(data_dir, W_OK) == 0)
		host_record_yes(record, "data");
	else if (errno ==
		 EACCES) /* in a user namespace root may write only what one of its own ids owns */
		host_record_no(record, "data", 0, "%s cannot be written: it belongs to id %u",
			       data_dir, st.st_uid);
	else
		host_record_no(record, "data", errno, "%s is read-only", data_dir);
	if (statvfs(data_dir, &fs) == 0 && fs.f_flag & ST_NOEXEC)
		host_record_no(record, "data-exec", 0, "%s is mounted noexec", data_dir);
	else
		host_record_yes(record, "data-exec");
}

static void look_open_files(struct host_record *record)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	if (limit.rlim_max < FILES_WANTED)
		host_record_no(record, "open-files", 0, "the hard limit is %llu",
			       (unsigned long long)limit.rlim_max);
	else
		host_record_yes(record, "open-files");
}

/* The build sets all times of the root file system to that of the release. */
void host_look_clock(struct host_record *record, int64_t now_sec)
{
	if (now_sec < CLOCK_RELEASE_SEC)
		host_record_no(record, "clock", 0,
			       "it says %lld s since 1970, this version is of %lld s",
			       (long long)now_sec, (long long)CLOCK_RELEASE_SEC);
	else
		host_record_yes(record, "clock");
}

static void look_entropy(struct host_record *record)
{
	char byte;

	if (getrandom(&byte, 1, GRND_NONBLOCK) < 0)
		host_record_no(record, "entropy", errno, "getrandom: %s", strerror(errno));
	else
		host_record_yes(record, "entropy");
}

/* util/confine.c goes without it where it would forbid renames between folders. */
void host_look_landlock(struct host_record *record, int abi)
{
	if (abi > 1)
		host_record_yes(record, "landlock");
	else if (abi == 1)
		host_record_no(
			record, "landlock", 0,
			"this kernel's first version of it is not used for workers that write");
	else
		host_record_no(record, "landlock", 0, "this kernel has none, or not switched on");
}

static bool file_contains(const char *path, const char *text)
{
	auto_buf content = BUF_INIT(MAX_TEXT);
	struct err err;

	return file_read_at(AT_FDCWD, path, MAX_TEXT, &content, &err) == 0 &&
	       strstr(buf_str(&content), text);
}

/* Its disks: /dev/mapper/pve-vm--101--disk--0, rpool/data/subvol-101-disk-0, .../vm-101-disk-0.raw */
static bool has_proxmox_disk(const char *mounts)
{
	return (strstr(mounts, "subvol-") || strstr(mounts, "vm-")) &&
	       (strstr(mounts, "-disk-") || strstr(mounts, "--disk--"));
}

/* What PID 1 was started with: NAME=VALUE, each with its NUL. */
static void read_container_word(char out[64])
{
	static const char name[] = "container=";
	auto_buf text = BUF_INIT(65536);
	struct err err;

	out[0] = '\0';
	if (file_read_at(AT_FDCWD, "/proc/1/environ", 65536, &text, &err) < 0)
		return;
	for (size_t at = 0; at < text.len; at += strlen(text.data + at) + 1)
		if (str_starts(text.data + at, name))
			str_copy(out, 64, text.data + at + strlen(name));
}

static enum host_kind find_kind(void)
{
	auto_buf mounts = BUF_INIT(MAX_TEXT);
	char word[64];
	struct err err;
	bool is_lxc;

	if (access("/dev/incus/sock", F_OK) == 0)
		return HOST_INCUS;
	if (access("/dev/lxd/sock", F_OK) == 0)
		return HOST_LXD;
	read_container_word(word);
	if (file_read_at(AT_FDCWD, "/proc/self/mountinfo", MAX_TEXT, &mounts, &err) < 0)
		buf_clear(&mounts);
	is_lxc = str_eq(word, "lxc") || access("/dev/.lxc", F_OK) == 0 ||
		 strstr(buf_str(&mounts), "fuse.lxcfs");
	if (is_lxc && (file_contains("/etc/hosts", "# --- BEGIN PVE ---") ||
		       file_contains("/etc/network/interfaces", "# --- BEGIN PVE ---") ||
		       has_proxmox_disk(buf_str(&mounts))))
		return HOST_PROXMOX;
	if (is_lxc)
		return HOST_LXC;
	return word[0] ? HOST_CONTAINER : HOST_MACHINE;
}

/* AppArmor's or SELinux' word for us: who says EACCES. */
static void look_label(struct host_record *record)
{
	auto_buf text = BUF_INIT(4096);
	struct err err;

	if (file_read_at(AT_FDCWD, "/proc/self/attr/current", 4096, &text, &err) < 0 || !text.len)
		return;
	text.data[strcspn(text.data, "\n")] = '\0';
	if (!str_starts(text.data, "unconfined"))
		str_copy_text(record->label, sizeof(record->label), text.data);
}

void host_look_here(struct host_record *record, const char *data_dir)
{
	record->kind = find_kind();
	look_label(record);
	look_kernel(record);
	look_clone3(record);
	look_capabilities(record);
	look_ids(record);
	look_cgroups(record);
	look_data(record, data_dir);
	look_open_files(record);
	host_look_clock(record, clock_real_usec() / 1000000);
	look_entropy(record);
	host_look_landlock(record, proc_landlock_abi());
}
