/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What config.json says of pods: "org.cleat.hold" makes a holder of namespaces out of a container, "org.cleat.pod" and the paths of
 * "linux.namespaces" let a container join one. A process number alone is nobody's name: it is used again, so the time of the process's
 * start belongs to it. Must accept no path but that of a holder.
 */
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "runtime/plan.h"
#include "util/str.h"

#define HOLD_MAX_BYTES (UINT64_C(1) << 50)
#define HOLDER_NEEDS (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS)

/* Those that a pod shares; the other ones belong to a container. */
static const struct {
	uint64_t flag;
	const char *file;
} shared[] = {
	{ CLONE_NEWUSER, "user" },
	{ CLONE_NEWIPC, "ipc" },
	{ CLONE_NEWUTS, "uts" },
	{ CLONE_NEWNET, "net" },
};

int plan_hold(struct plan *plan, yyjson_val *value, struct err *err)
{
	const char *text;

	if (plan_str(value, &text, err) < 0)
		return -1;
	plan->is_holder = true;
	if (!str_starts(text, "memory:") ||
	    !str_to_u64(text + strlen("memory:"), HOLD_MAX_BYTES, &plan->hold_bytes) ||
	    !plan->hold_bytes)
		return err_set(err, ERR_INPUT, "\"%s\" is not memory:BYTES", text);
	return 0;
}

int plan_pod(struct plan *plan, yyjson_val *value, struct err *err)
{
	const char *text, *colon;
	char pid_text[12];
	uint64_t pid;

	if (plan_str(value, &text, err) < 0)
		return -1;
	colon = strchr(text, ':');
	if (!colon || (size_t)(colon - text) >= sizeof(pid_text))
		return err_set(err, ERR_INPUT, "\"%s\" is not PID:TICKS", text);
	memcpy(pid_text, text, (size_t)(colon - text));
	pid_text[colon - text] = '\0';
	if (!str_to_u64(pid_text, INT32_MAX, &pid) || !pid ||
	    !str_to_u64(colon + 1, UINT64_MAX - 1, &plan->holder_ticks))
		return err_set(err, ERR_INPUT, "\"%s\" is not PID:TICKS", text);
	plan->holder_pid = (uint32_t)pid;
	return 0;
}

/* "/proc/PID/ns/FILE" and nothing else. */
static bool parse_path(const char *path, const char *file, uint32_t *pid)
{
	char number[12];
	const char *rest;
	uint64_t value;
	size_t len;

	if (!str_starts(path, "/proc/"))
		return false;
	path += strlen("/proc/");
	len = strcspn(path, "/");
	if (!len || len >= sizeof(number))
		return false;
	memcpy(number, path, len);
	number[len] = '\0';
	rest = path + len;
	if (!str_starts(rest, "/ns/") || !str_eq(rest + strlen("/ns/"), file) ||
	    !str_to_u64(number, INT32_MAX, &value) || !value)
		return false;
	*pid = (uint32_t)value;
	return true;
}

int plan_joined(struct plan *plan, const char *path, uint64_t flag, struct err *err)
{
	size_t i = 0;
	uint32_t pid;

	while (i < sizeof(shared) / sizeof(shared[0]) && shared[i].flag != flag)
		i++;
	if (i == sizeof(shared) / sizeof(shared[0]))
		return err_set(err, ERR_UNSUPPORTED, "an existing one cannot be joined");
	if (!parse_path(path, shared[i].file, &pid))
		return err_set(err, ERR_UNSUPPORTED,
			       "\"%s\": only those of a pod's holder, /proc/PID/ns/%s, are joined",
			       path, shared[i].file);
	if (plan->joined && pid != plan->joined_pid)
		return err_set(err, ERR_INPUT, "\"%s\": the others are those of process %u", path,
			       plan->joined_pid);
	plan->joined |= flag;
	plan->joined_pid = pid;
	return 0;
}

int plan_check_holder(const struct plan *plan, struct err *err)
{
	const uint64_t foreign = CLONE_NEWPID | CLONE_NEWCGROUP;

	if ((plan->namespaces & HOLDER_NEEDS) != HOLDER_NEEDS || plan->namespaces & foreign ||
	    plan->joined)
		return err_set(
			err, ERR_INPUT,
			"linux: namespaces: a holder has user, mount, ipc, uts, and network or not");
	if (plan->args.count || plan->root_path || plan->layers.count || plan->mount_count ||
	    plan->secret_count || plan->device_count || plan->seccomp)
		return err_set(err, ERR_INPUT,
			       "org.cleat.hold: a holder has no program, no root and no mounts");
	if (plan->uid_map_count == 0 || plan->gid_map_count == 0)
		return err_set(err, ERR_INPUT, "linux: uidMappings and gidMappings are required");
	if (plan->network_count && !(plan->namespaces & CLONE_NEWNET))
		return err_set(err, ERR_INPUT,
			       "annotations: org.cleat.network: needs a network namespace");
	return 0;
}

int plan_check_joined(const struct plan *plan, struct err *err)
{
	for (size_t i = 0; i < plan->mount_count; i++)
		if (plan->mounts[i].kind == PLAN_MOUNT_POD_MEMORY && !plan->joined)
			return err_set(err, ERR_INPUT, "mounts: %s: there is no pod to join",
				       plan->mounts[i].target);
	if (!plan->joined && !plan->holder_pid)
		return 0;
	if (plan->joined_pid != plan->holder_pid)
		return err_set(err, ERR_INPUT,
			       "linux: namespaces and org.cleat.pod have to name one process");
	if (!(plan->joined & CLONE_NEWUSER))
		return err_set(err, ERR_INPUT,
			       "linux: namespaces: who joins a pod joins its user namespace");
	if (plan->joined & CLONE_NEWUTS && (plan->hostname || plan->domainname))
		return err_set(err, ERR_INPUT, "hostname: is that of the pod");
	if (plan->joined & CLONE_NEWNET && plan->network_count)
		return err_set(err, ERR_INPUT,
			       "annotations: org.cleat.network: is that of the pod");
	return 0;
}
