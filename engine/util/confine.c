/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker gives up before its first foreign byte. The order is the argument: each step needs
 * a right that a later one takes away. Separate from proc.c, so that programs that only start
 * others do not carry it. Must never let a missing step but Landlock pass.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/confine_filter.h"
#include "util/proc.h"

/* Headers as old as Linux 6.1 build this; the kernel's answer to the version query decides. */
#define FS_REFER (UINT64_C(1) << 13)	 /* ABI 2 */
#define FS_TRUNCATE (UINT64_C(1) << 14)	 /* ABI 3 */
#define FS_IOCTL_DEV (UINT64_C(1) << 15) /* ABI 5 */
#define SCOPE_ABSTRACT_UNIX_SOCKET (UINT64_C(1) << 0)
#define SCOPE_SIGNAL (UINT64_C(1) << 1)
#define FS_BASE ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1) /* ABI 1: all bits up to this one */
#define FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_OF_FILES                                                  \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | \
	 LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

struct ruleset_attr { /* of ABI 6 */
	uint64_t handled_access_fs;
	uint64_t handled_access_net;
	uint64_t scoped;
};

struct limit { /* struct rlimit64 of the kernel; libc's names for its types differ */
	uint64_t soft, hard;
};

static int lower_limit(int resource, uint64_t value, const char *name, struct err *err)
{
	struct limit limit;

	if (syscall(SYS_prlimit64, 0, resource, NULL, &limit) < 0)
		return err_sys(err, "%s", name);
	if (limit.hard > value)
		limit.hard = value;
	limit.soft = limit.hard;
	if (syscall(SYS_prlimit64, 0, resource, &limit, NULL) < 0)
		return err_sys(err, "%s", name);
	return 0;
}

static int set_limits(const struct proc_confine *c, struct err *err)
{
	/* A core file would hold what the worker read. */
	if (lower_limit(RLIMIT_CORE, 0, "RLIMIT_CORE", err) < 0)
		return -1;
	if (c->memory_max_bytes &&
	    lower_limit(RLIMIT_AS, c->memory_max_bytes, "RLIMIT_AS", err) < 0)
		return -1;
	if (c->max_fds && lower_limit(RLIMIT_NOFILE, c->max_fds, "RLIMIT_NOFILE", err) < 0)
		return -1;
	return 0;
}

static bool is_kept(const struct proc_confine *c, int cap)
{
	for (const int *p = c->keep_caps; p && *p >= 0; p++)
		if (*p == cap)
			return true;
	return false;
}

struct cap_sets {
	struct __user_cap_header_struct header;
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
};

static int cap_sets_get(struct cap_sets *caps, struct err *err)
{
	*caps = (struct cap_sets){ .header.version = _LINUX_CAPABILITY_VERSION_3 };
	if (syscall(SYS_capget, &caps->header, caps->data) < 0)
		return err_sys(err, "capget");
	return 0;
}

/*
 * While CAP_SETPCAP is still effective, so before the ids change. Without it there is nothing to
 * do: no_new_privs keeps the bounding set from ever being used.
 */
static int drop_bounding(const struct proc_confine *c, struct err *err)
{
	struct cap_sets caps;

	if (cap_sets_get(&caps, err) < 0)
		return -1;
	if (!(caps.data[0].effective & (1u << CAP_SETPCAP)))
		return 0;
	for (int cap = 0; cap < 64; cap++) {
		if (is_kept(c, cap))
			continue;
		/* EINVAL: past the last capability that this kernel knows. */
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EINVAL)
			return err_sys(err, "PR_CAPBSET_DROP %d", cap);
	}
	return 0;
}

static int change_ids(const struct proc_confine *c, struct err *err)
{
	/* In a user namespace with setgroups denied an empty list cannot be set, nor a list be
	 * there that we did not start with: only a full one has to go. */
	if ((c->uid || getgroups(0, NULL) != 0) && setgroups(0, NULL) < 0)
		return err_sys(err, "setgroups");
	if (c->uid == 0)
		return 0;
	if (c->keep_caps && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_sys(err, "PR_SET_KEEPCAPS");
	if (setresgid(c->gid, c->gid, c->gid) < 0)
		return err_sys(err, "setresgid %u", c->gid);
	if (setresuid(c->uid, c->uid, c->uid) < 0)
		return err_sys(err, "setresuid %u", c->uid);
	if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		return err_sys(err, "PR_SET_KEEPCAPS");
	return 0;
}

static int drop_caps(const struct proc_confine *c, struct err *err)
{
	struct cap_sets caps = { .header.version = _LINUX_CAPABILITY_VERSION_3 };

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return err_sys(err, "PR_CAP_AMBIENT_CLEAR_ALL");
	for (int cap = 0; cap < 64; cap++)
		if (is_kept(c, cap))
			caps.data[cap / 32].permitted |= 1u << (cap % 32);
	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		caps.data[i].effective = caps.data[i].permitted;
		caps.data[i].inheritable = c->keep_over_exec ? caps.data[i].permitted : 0;
	}
	if (syscall(SYS_capset, &caps.header, caps.data) < 0)
		return err_sys(err, "capset");
	for (int cap = 0; cap < 64 && c->keep_over_exec; cap++)
		if (is_kept(c, cap) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return err_sys(err, "PR_CAP_AMBIENT_RAISE %d", cap);
	return 0;
}

static int forbid_gains(const struct proc_confine *c, struct err *err)
{
	(void)c;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(err, "PR_SET_NO_NEW_PRIVS");
	/* After the ids: changing them sets it anew. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(err, "PR_SET_DUMPABLE");
	return 0;
}

int proc_landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return abi > 0 ? (int)abi : 0;
}

static uint64_t landlock_fs_rights(int abi)
{
	return FS_BASE | (abi >= 2 ? FS_REFER : 0) | (abi >= 3 ? FS_TRUNCATE : 0) |
	       (abi >= 5 ? FS_IOCTL_DEV : 0);
}

static int landlock_allow(int ruleset, const char *path, uint64_t rights, struct err *err)
{
	auto_fd int fd = open(path, O_PATH | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return err_sys(err, "%s: open", path);
	if (fstat(fd, &st) < 0)
		return err_sys(err, "%s: fstat", path);
	/* Rights of directories on anything else are EINVAL. */
	if (!S_ISDIR(st.st_mode))
		rights &= FS_OF_FILES;

	struct landlock_path_beneath_attr rule = { .allowed_access = rights, .parent_fd = fd };

	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		return err_sys(err, "%s: landlock_add_rule", path);
	return 0;
}

static int restrict_paths(const struct proc_confine *c, struct err *err)
{
	int abi = proc_landlock_abi();
	struct ruleset_attr attr = { .handled_access_fs = landlock_fs_rights(abi) };

	/* ABI 1 (before 5.19) refuses every link and rename between directories, which an
	 * unpacker needs: as good as missing for whoever writes. */
	if (abi == 0 || (abi == 1 && c->write_paths && c->write_paths[0]))
		return 0;
	if (abi >= 6)
		attr.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | (c->signals_others ? 0 : SCOPE_SIGNAL);

	size_t size = abi >= 6 ? sizeof(attr) : sizeof(attr.handled_access_fs);
	auto_fd int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);

	if (ruleset < 0)
		return err_sys(err, "landlock_create_ruleset");
	for (const char *const *p = c->list_paths; p && *p; p++)
		if (landlock_allow(ruleset, *p, LANDLOCK_ACCESS_FS_READ_DIR, err) < 0)
			return -1;
	for (const char *const *p = c->read_paths; p && *p; p++)
		if (landlock_allow(ruleset, *p, FS_READ, err) < 0)
			return -1;
	for (const char *const *p = c->exec_paths; p && *p; p++)
		if (landlock_allow(ruleset, *p, FS_READ | LANDLOCK_ACCESS_FS_EXECUTE, err) < 0)
			return -1;
	for (const char *const *p = c->write_paths; p && *p; p++)
		if (landlock_allow(ruleset, *p,
				   attr.handled_access_fs & ~(uint64_t)LANDLOCK_ACCESS_FS_EXECUTE,
				   err) < 0)
			return -1;
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return err_sys(err, "landlock_restrict_self");
	return 0;
}

static int load_filter(const struct proc_confine *c, struct err *err)
{
	struct sock_filter code[CONFINE_MAX_INSNS];
	struct sock_fprog program;
	size_t length;

	if (confine_filter(c, code, &length, err) < 0)
		return -1;
	program.len = (unsigned short)length;
	program.filter = code + CONFINE_MAX_INSNS - length;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		return err_sys(err, "SECCOMP_SET_MODE_FILTER");
	return 0;
}

/* clang-format off */
static const struct confine_step {
	const char *name;
	int (*run)(const struct proc_confine *, struct err *);
} confine_steps[] = {
	{ "limits", set_limits },
	{ "bounding set", drop_bounding },	/* needs CAP_SETPCAP */
	{ "ids", change_ids },			/* needs CAP_SETUID, CAP_SETGID */
	{ "capabilities", drop_caps },
	{ "privileges", forbid_gains },		/* the next two need no_new_privs */
	{ "landlock", restrict_paths },
	{ "seccomp", load_filter },		/* last: it forbids all of the above */
};
/* clang-format on */

int proc_confine(const struct proc_confine *confine, struct err *err)
{
	for (size_t i = 0; i < sizeof(confine_steps) / sizeof(confine_steps[0]); i++)
		if (confine_steps[i].run(confine, err) < 0)
			return err_wrap(err, "confine: %s", confine_steps[i].name);
	return 0;
}
