/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The "linux" object of config.json. Limits become the words of cgroup v2 here: OCI's
 * memory.swap counts memory and swap together, cgroup v2 swap alone; cpu.shares become a weight.
 */
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>

#include <linux/seccomp.h>

#include "runtime/plan.h"
#include "util/places.h"
#include "util/str.h"

static int read_id_map(struct plan *plan, yyjson_val *value, struct plan_id_range **out,
		       size_t *count, struct err *err)
{
	struct plan_id_range *map;
	yyjson_arr_iter it;
	yyjson_val *item;
	size_t n;

	if (plan_array(value, PLAN_MAX_ID_RANGES, &n, err) < 0)
		return -1;
	map = plan_alloc(plan, n, sizeof(*map), err);
	if (!map)
		return -1;
	*count = 0;
	it = yyjson_arr_iter_with(value);
	while ((item = yyjson_arr_iter_next(&it))) {
		struct plan_id_range *range = &map[(*count)++];

		if (plan_u32(yyjson_obj_get(item, "containerID"), &range->inside, err) < 0 ||
		    plan_u32(yyjson_obj_get(item, "hostID"), &range->outside, err) < 0 ||
		    plan_u32(yyjson_obj_get(item, "size"), &range->count, err) < 0)
			return err_wrap(err, "range %zu", *count);
		if (range->count == 0 || range->inside > UINT32_MAX - range->count ||
		    range->outside > UINT32_MAX - range->count)
			return err_set(err, ERR_INPUT, "range %zu: empty or too large", *count);
	}
	*out = map;
	return 0;
}

static int read_uid_map(struct plan *plan, yyjson_val *value, struct err *err)
{
	return read_id_map(plan, value, &plan->uid_map, &plan->uid_map_count, err);
}

static int read_gid_map(struct plan *plan, yyjson_val *value, struct err *err)
{
	return read_id_map(plan, value, &plan->gid_map, &plan->gid_map_count, err);
}

/* Dots separate, and a name in /proc/sys never holds "..": what is left cannot leave that tree. */
static bool sysctl_name_is_fine(const char *name)
{
	if (!name[0] || name[0] == '.' || name[0] == '/' || strstr(name, ".."))
		return false;
	return name[strspn(name, "abcdefghijklmnopqrstuvwxyz"
				 "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/")] == '\0';
}

static int read_sysctls(struct plan *plan, yyjson_val *value, struct err *err)
{
	yyjson_obj_iter it;
	yyjson_val *key;

	if (!yyjson_is_obj(value))
		return err_set(err, ERR_INPUT, "not an object");
	if (yyjson_obj_size(value) > PLAN_MAX_SYSCTLS)
		return err_set(err, ERR_LIMIT, "more than %d entries", PLAN_MAX_SYSCTLS);
	plan->sysctls = plan_alloc(plan, yyjson_obj_size(value), sizeof(*plan->sysctls), err);
	if (!plan->sysctls)
		return -1;
	it = yyjson_obj_iter_with(value);
	while ((key = yyjson_obj_iter_next(&it))) {
		struct plan_sysctl *sysctl = &plan->sysctls[plan->sysctl_count++];

		sysctl->name = yyjson_get_str(key);
		if (!sysctl_name_is_fine(sysctl->name))
			return err_set(err, ERR_INPUT, "\"%s\" is not a name", sysctl->name);
		if (plan_str(yyjson_obj_iter_get_val(key), &sysctl->value, err) < 0)
			return err_wrap(err, "%s", sysctl->name);
	}
	return 0;
}

/* -1 means no limit in every resource of the specification; 0 and absence mean none was asked
 * for. */
static int read_amount(yyjson_val *value, uint64_t *out, struct err *err)
{
	if (yyjson_is_uint(value))
		*out = yyjson_get_uint(value);
	else if (yyjson_is_sint(value) && yyjson_get_sint(value) == -1)
		*out = UINT64_MAX;
	else
		return err_set(err, ERR_INPUT, "not a number");
	return 0;
}

static int read_memory_limit(struct plan *plan, yyjson_val *value, struct err *err)
{
	return read_amount(value, &plan->limits.memory_bytes, err);
}

static int read_memory_low(struct plan *plan, yyjson_val *value, struct err *err)
{
	return read_amount(value, &plan->limits.memory_low_bytes, err);
}

static int read_memory_swap(struct plan *plan, yyjson_val *value, struct err *err)
{
	if (read_amount(value, &plan->limits.swap_bytes, err) < 0)
		return -1;
	plan->limits.has_swap = plan->limits.swap_bytes != 0;
	return 0;
}

static int read_memory(struct plan *plan, yyjson_val *value, struct err *err)
{
	static const struct plan_key keys[] = {
		{ "limit", read_memory_limit },
		{ "reservation", read_memory_low },
		{ "swap", read_memory_swap },
		{ NULL, NULL },
	};
	struct plan_limits *limits = &plan->limits;

	if (plan_walk(plan, value, keys, err) < 0)
		return -1;
	if (!limits->has_swap || limits->swap_bytes == UINT64_MAX)
		return 0;
	if (limits->memory_bytes == 0 || limits->memory_bytes > limits->swap_bytes)
		return err_set(err, ERR_INPUT,
			       "swap counts memory too, so it cannot be below limit");
	limits->swap_bytes -= limits->memory_bytes;
	return 0;
}

static int read_cpu_quota(struct plan *plan, yyjson_val *value, struct err *err)
{
	if (read_amount(value, &plan->limits.cpu_quota_usec, err) < 0)
		return -1;
	if (plan->limits.cpu_quota_usec == UINT64_MAX)
		plan->limits.cpu_quota_usec = 0;
	return 0;
}

static int read_cpu_period(struct plan *plan, yyjson_val *value, struct err *err)
{
	if (read_amount(value, &plan->limits.cpu_period_usec, err) < 0)
		return -1;
	if (plan->limits.cpu_period_usec > 1000000)
		return err_set(err, ERR_INPUT, "above one second");
	return 0;
}

/* Shares 2..262144 onto weights 1..10000, the formula that all runtimes use. */
static int read_cpu_shares(struct plan *plan, yyjson_val *value, struct err *err)
{
	uint64_t shares;

	if (read_amount(value, &shares, err) < 0)
		return -1;
	if (shares == 0)
		return 0;
	if (shares < 2)
		shares = 2;
	if (shares > 262144)
		shares = 262144;
	plan->limits.cpu_weight = 1 + (shares - 2) * 9999 / 262142;
	return 0;
}

static int read_cpu(struct plan *plan, yyjson_val *value, struct err *err)
{
	static const struct plan_key keys[] = {
		{ "quota", read_cpu_quota },
		{ "period", read_cpu_period },
		{ "shares", read_cpu_shares },
		{ NULL, NULL },
	};

	return plan_walk(plan, value, keys, err);
}

static int read_pids_limit(struct plan *plan, yyjson_val *value, struct err *err)
{
	return read_amount(value, &plan->limits.pids, err);
}

static int read_pids(struct plan *plan, yyjson_val *value, struct err *err)
{
	static const struct plan_key keys[] = { { "limit", read_pids_limit }, { NULL, NULL } };

	return plan_walk(plan, value, keys, err);
}

/* OCI: "list of files in the cgroup v2 unified hierarchy". One name, no path: what it may be is the spec's business. */
static int read_unified(struct plan *plan, yyjson_val *value, struct err *err)
{
	struct plan_limits *limits = &plan->limits;
	yyjson_obj_iter it;
	yyjson_val *key;

	if (!yyjson_is_obj(value))
		return err_set(err, ERR_INPUT, "not an object");
	if (yyjson_obj_size(value) > PLAN_MAX_SETTINGS)
		return err_set(err, ERR_LIMIT, "more than %d settings", PLAN_MAX_SETTINGS);
	limits->settings =
		plan_alloc(plan, yyjson_obj_size(value) + 1, sizeof(*limits->settings), err);
	if (!limits->settings)
		return -1;
	limits->setting_count = 0;
	it = yyjson_obj_iter_with(value);
	while ((key = yyjson_obj_iter_next(&it))) {
		struct plan_setting *setting = &limits->settings[limits->setting_count++];

		setting->file = yyjson_get_str(key);
		if (strchr(setting->file, '/') || !strchr(setting->file, '.') ||
		    str_starts(setting->file, "cgroup.") || str_starts(setting->file, "."))
			return err_set(err, ERR_UNSUPPORTED, "\"%s\" is no limit of a controller",
				       setting->file);
		if (plan_str(yyjson_obj_iter_get_val(key), &setting->value, err) < 0)
			return err_wrap(err, "%s", setting->file);
	}
	return 0;
}

static int read_resources(struct plan *plan, yyjson_val *value, struct err *err)
{
	static const struct plan_key keys[] = {
		/* Rules about device nodes: in a user namespace no node can be made, and those
		 * of /dev are binds of what the appliance itself may use. */
		{ "devices", NULL },   { "memory", read_memory },   { "cpu", read_cpu },
		{ "pids", read_pids }, { "unified", read_unified }, { NULL, NULL },
	};

	return plan_walk(plan, value, keys, err);
}

static const struct {
	const char *name;
	uint64_t flag;
} namespaces[] = {
	{ "mount", CLONE_NEWNS },      { "pid", CLONE_NEWPID },	  { "ipc", CLONE_NEWIPC },
	{ "uts", CLONE_NEWUTS },       { "user", CLONE_NEWUSER }, { "network", CLONE_NEWNET },
	{ "cgroup", CLONE_NEWCGROUP },
};

static int read_namespace(struct plan *plan, yyjson_val *item, struct err *err)
{
	const char *name, *path;

	if (plan_str(yyjson_obj_get(item, "type"), &name, err) < 0)
		return err_wrap(err, "type");
	for (size_t i = 0; i < sizeof(namespaces) / sizeof(namespaces[0]); i++) {
		if (!str_eq(namespaces[i].name, name))
			continue;
		plan->namespaces |= namespaces[i].flag;
		if (yyjson_get_len(yyjson_obj_get(item, "path")) == 0)
			return 0;
		if (plan_str(yyjson_obj_get(item, "path"), &path, err) < 0 ||
		    plan_joined(plan, path, namespaces[i].flag, err) < 0)
			return err_wrap(err, "%s", name);
		return 0;
	}
	return err_set(err, ERR_UNSUPPORTED, "namespace \"%s\" is not known", name);
}

static int read_namespaces(struct plan *plan, yyjson_val *value, struct err *err)
{
	yyjson_arr_iter it;
	yyjson_val *item;
	size_t n;

	if (plan_array(value, 16, &n, err) < 0)
		return -1;
	it = yyjson_arr_iter_with(value);
	while ((item = yyjson_arr_iter_next(&it)))
		if (read_namespace(plan, item, err) < 0)
			return -1;
	return 0;
}

static int read_device(struct plan *plan, yyjson_val *item, struct plan_device *device,
		       struct err *err)
{
	const char *type;

	*device = (struct plan_device){ .tree = -1 };
	if (plan_path(plan, yyjson_obj_get(item, "path"), &device->path, err) < 0)
		return err_wrap(err, "path");
	if (!str_starts(device->path, "/dev/"))
		return err_set(err, ERR_UNSUPPORTED, "%s: not below /dev", device->path);
	if (plan_str(yyjson_obj_get(item, "type"), &type, err) < 0)
		return err_wrap(err, "%s: type", device->path);
	if (!str_eq(type, "c") && !str_eq(type, "u"))
		return err_set(err, ERR_UNSUPPORTED,
			       "%s: type \"%s\": only character devices are given", device->path,
			       type);
	device->check = true;
	if (plan_u32(yyjson_obj_get(item, "major"), &device->major, err) < 0 ||
	    plan_u32(yyjson_obj_get(item, "minor"), &device->minor, err) < 0)
		return err_wrap(err, "%s: major, minor", device->path);
	return 0;
}

static int read_devices(struct plan *plan, yyjson_val *value, struct err *err)
{
	yyjson_arr_iter it;
	yyjson_val *item;
	size_t n;

	if (plan_array(value, PLAN_MAX_DEVICES, &n, err) < 0)
		return -1;
	plan->devices = plan_alloc(plan, n, sizeof(*plan->devices), err);
	if (!plan->devices)
		return -1;
	it = yyjson_arr_iter_with(value);
	while ((item = yyjson_arr_iter_next(&it)))
		if (read_device(plan, item, &plan->devices[plan->device_count++], err) < 0)
			return -1;
	return 0;
}

/* Inside paths, cleaned as those of mounts are. */
static int read_paths(struct plan *plan, yyjson_val *value, struct strings *out, struct err *err)
{
	yyjson_arr_iter it;
	yyjson_val *item;
	size_t n;

	if (plan_array(value, PLAN_MAX_PATHS, &n, err) < 0)
		return -1;
	out->items = plan_alloc(plan, n + 1, sizeof(*out->items), err);
	if (!out->items)
		return -1;
	out->count = 0;
	it = yyjson_arr_iter_with(value);
	while ((item = yyjson_arr_iter_next(&it)))
		if (plan_path(plan, item, &out->items[out->count++], err) < 0)
			return -1;
	return 0;
}

static int read_masked(struct plan *plan, yyjson_val *value, struct err *err)
{
	return read_paths(plan, value, &plan->masked, err);
}

static int read_read_only(struct plan *plan, yyjson_val *value, struct err *err)
{
	return read_paths(plan, value, &plan->read_only_paths, err);
}

/* The old tree is gone before the program runs, so there is nothing to propagate from or to. */
static int read_propagation(struct plan *plan, yyjson_val *value, struct err *err)
{
	const char *word;

	(void)plan;
	if (plan_str(value, &word, err) < 0)
		return -1;
	if (str_ends(word, "private") || str_ends(word, "slave") || !word[0])
		return 0;
	return err_set(err, ERR_UNSUPPORTED, "\"%s\": mounts do not propagate out of a container",
		       word);
}

static int read_mount_label(struct plan *plan, yyjson_val *value, struct err *err)
{
	(void)plan;
	if (yyjson_get_len(value) > 0)
		return err_set(err, ERR_UNSUPPORTED, "labels cannot be applied");
	return 0;
}

static int read_seccomp(struct plan *plan, yyjson_val *value, struct err *err)
{
	static const struct {
		const char *word;
		unsigned flag;
	} flags[] = {
		{ "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG },
		{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW },
		{ "SECCOMP_FILTER_FLAG_TSYNC", 0 }, /* there is one thread */
	};
	yyjson_val *list = yyjson_obj_get(value, "flags"), *item;
	yyjson_arr_iter it = yyjson_arr_iter_with(list);

	if (!yyjson_is_obj(value))
		return err_set(err, ERR_INPUT, "not an object");
	while ((item = yyjson_arr_iter_next(&it))) {
		const char *word;
		size_t i = 0;

		if (plan_str(item, &word, err) < 0)
			return err_wrap(err, "flags");
		while (i < sizeof(flags) / sizeof(flags[0]) && !str_eq(flags[i].word, word))
			i++;
		if (i == sizeof(flags) / sizeof(flags[0]))
			return err_set(err, ERR_UNSUPPORTED, "flag \"%s\" is not supported", word);
		plan->seccomp_flags |= flags[i].flag;
	}
	plan->seccomp = value;
	return 0;
}

/* The run id names the cgroup; all that counts of the path is the pod in which it lies. */
static int read_cgroups_path(struct plan *plan, yyjson_val *value, struct err *err)
{
	static const char above[] = CLEAT_CGROUP_CONTAINERS "/";
	const char *path, *slash;
	char *pod;
	size_t len;

	if (plan_str(value, &path, err) < 0)
		return -1;
	if (!str_starts(path, above) || !str_starts(path + strlen(above), CLEAT_CGROUP_POD))
		return 0;
	path += strlen(above);
	slash = strchr(path, '/');
	len = slash ? (size_t)(slash - path) : 0;
	if (len <= strlen(CLEAT_CGROUP_POD) || len > NAME_MAX)
		return err_set(err, ERR_INPUT, "\"%s\": no pod is named there", path);
	pod = plan_alloc(plan, len + 1, 1, err);
	if (!pod)
		return -1;
	memcpy(pod, path, len);
	plan->limits.pod = pod;
	return 0;
}

int plan_linux(struct plan *plan, yyjson_val *value, struct err *err)
{
	static const struct plan_key keys[] = {
		{ "uidMappings", read_uid_map },
		{ "gidMappings", read_gid_map },
		{ "sysctl", read_sysctls },
		{ "resources", read_resources },
		{ "cgroupsPath", read_cgroups_path },
		{ "namespaces", read_namespaces },
		{ "devices", read_devices },
		{ "seccomp", read_seccomp },
		{ "rootfsPropagation", read_propagation },
		{ "maskedPaths", read_masked },
		{ "readonlyPaths", read_read_only },
		{ "mountLabel", read_mount_label },
		{ NULL, NULL },
	};

	return plan_walk(plan, value, keys, err);
}
