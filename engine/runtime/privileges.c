/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the process may do: limits, ids, capabilities, no_new_privs, the seccomp filter. Must
 * leave exactly the sets of config.json, and must not be able to raise anything above what the
 * appliance has.
 */
#include "runtime/child.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/seccomp.h"

/* Without CAP_SYS_RESOURCE over the machine a hard limit cannot be raised (LXC): take what there
 * is. The engine has told the user so when it made config.json. */
int privileges_rlimits(struct child *c, struct err *err)
{
	for (size_t i = 0; i < c->plan->rlimit_count; i++) {
		const struct plan_rlimit *want = &c->plan->rlimits[i];
		struct rlimit now, was;

		if (getrlimit(want->resource, &now) < 0)
			return err_sys(err, "getrlimit %d", want->resource);
		was = now;
		if (want->hard < now.rlim_max)
			now.rlim_max = want->hard;
		now.rlim_cur = want->soft < now.rlim_max ? want->soft : now.rlim_max;
		if (now.rlim_cur == was.rlim_cur && now.rlim_max == was.rlim_max)
			continue;
		if (setrlimit(want->resource, &now) < 0)
			return err_sys(err, "setrlimit %d", want->resource);
	}
	return 0;
}

/* Loading a filter without no_new_privs needs CAP_SYS_ADMIN in the user namespace, which is gone
 * after the next step. */
int privileges_early_filter(struct child *c, struct err *err)
{
	if (!c->plan->filter || c->plan->no_new_privs)
		return 0;
	return seccomp_load_filter(c->plan, err);
}

static int drop_bounding(uint64_t keep, struct err *err)
{
	for (int cap = 0; cap < 64; cap++) {
		if (keep & (UINT64_C(1) << cap))
			continue;
		if (prctl(PR_CAPBSET_DROP, cap) == 0)
			continue;
		/* Above the last one that this kernel knows. */
		if (errno == EINVAL)
			return 0;
		return err_sys(err, "bounding set: capability %d", cap);
	}
	return 0;
}

static int become_user(const struct identity *id, struct err *err)
{
	if (syscall(SYS_setgroups, id->group_count, id->groups) < 0)
		return err_sys(err, "setgroups");
	if (syscall(SYS_setresgid, id->gid, id->gid, id->gid) < 0)
		return err_sys(err, "setresgid %u", id->gid);
	if (syscall(SYS_setresuid, id->uid, id->uid, id->uid) < 0)
		return err_sys(err, "setresuid %u", id->uid);
	return 0;
}

static int set_caps(const uint64_t caps[CAPS_SETS], struct err *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	for (int i = 0; i < 2; i++)
		data[i] = (struct __user_cap_data_struct){
			.permitted = (uint32_t)(caps[CAPS_PERMITTED] >> (32 * i)),
			.effective = (uint32_t)(caps[CAPS_EFFECTIVE] >> (32 * i)),
			.inheritable = (uint32_t)(caps[CAPS_INHERITABLE] >> (32 * i)),
		};
	if (syscall(SYS_capset, &header, data) < 0)
		return err_sys(err, "capset");
	return 0;
}

static int set_ambient(uint64_t may_be, uint64_t caps, struct err *err)
{
	/* capset leaves nothing ambient that is not permitted and inheritable: mostly that is nothing at all */
	if (may_be && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return err_sys(err, "ambient set");
	for (unsigned long cap = 0; cap < 64; cap++)
		if ((caps & (UINT64_C(1) << cap)) &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return err_sys(err, "ambient set: capability %lu", cap);
	return 0;
}

int privileges_ids_and_caps(struct child *c, struct err *err)
{
	const uint64_t *caps = c->plan->caps;
	uint64_t may_be = caps[CAPS_PERMITTED] & caps[CAPS_INHERITABLE];

	if (c->plan->umask >= 0)
		umask((mode_t)c->plan->umask);
	if (drop_bounding(caps[CAPS_BOUNDING], err) < 0)
		return -1;
	/* Leaving id 0 would clear the permitted set. execve forgets this wish. */
	if (c->id.uid != 0 && prctl(PR_SET_KEEPCAPS, 1) < 0)
		return err_sys(err, "keepcaps");
	/* The kernel lets nothing be ambient that is not permitted and inheritable as well;
	 * "crun spec" asks for it. */
	if (become_user(&c->id, err) < 0 || set_caps(caps, err) < 0 ||
	    set_ambient(may_be, caps[CAPS_AMBIENT] & may_be, err) < 0)
		return -1;
	if (c->plan->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(err, "no_new_privs");
	return 0;
}

/* The last thing before execve, so that the filter need not allow what the steps need. */
int privileges_late_filter(struct child *c, struct err *err)
{
	if (!c->plan->filter || !c->plan->no_new_privs)
		return 0;
	return seccomp_load_filter(c->plan, err);
}
