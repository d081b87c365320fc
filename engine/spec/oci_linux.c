/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The "linux" object: namespaces, the one id map, the cgroup and its limits, hidden paths, the
 * seccomp profile. A limit that this machine cannot enforce is left out and said aloud.
 */
#include "spec/oci_internal.h"

#include <fnmatch.h>
#include <stdio.h>

#include "spec/pod.h"
#include "util/ids.h"
#include "util/places.h"
#include "util/str.h"

/* podman's lists (containers/common: DefaultMaskedPaths, DefaultReadOnlyPaths). */
static const char *const masked[] = {
	"/proc/acpi",
	"/proc/interrupts",
	"/proc/kcore",
	"/proc/keys",
	"/proc/latency_stats",
	"/proc/sched_debug",
	"/proc/scsi",
	"/proc/timer_list",
	"/proc/timer_stats",
	"/sys/dev/block",
	"/sys/devices/virtual/powercap",
	"/sys/firmware",
	"/sys/fs/selinux",
};
static const char *const read_only[] = {
	"/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

bool oci_is_unmasked(const struct container_spec *spec, const char *path)
{
	for (size_t i = 0; i < spec->unmask.count; i++) {
		const char *pattern = spec->unmask.items[i];

		if (str_eq(pattern, "ALL") || fnmatch(pattern, path, FNM_PATHNAME) == 0)
			return true;
	}
	return false;
}

static void write_paths(struct oci *o, const char *const *paths, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!oci_is_unmasked(o->spec, paths[i]))
			json_str(o->json, NULL, paths[i]);
}

static void write_hidden(struct oci *o)
{
	/* The appliance's sysfs shows more than a fresh one would (podman masks it, too). */
	static const char *const bound_sysfs[] = { "/sys/kernel" };

	json_array(o->json, "maskedPaths");
	write_paths(o, masked, sizeof(masked) / sizeof(masked[0]));
	if (oci_binds_sysfs(o->spec))
		write_paths(o, bound_sysfs, 1);
	for (size_t i = 0; i < o->spec->mask.count; i++)
		json_str(o->json, NULL, o->spec->mask.items[i]);
	json_array_end(o->json);
	json_array(o->json, "readonlyPaths");
	write_paths(o, read_only, sizeof(read_only) / sizeof(read_only[0]));
	json_array_end(o->json);
}

void oci_write_namespaces(struct oci *o, const char *const *names)
{
	json_array(o->json, "namespaces");
	for (; *names; names++)
		oci_write_namespace(o, *names);
	if (o->spec->network != SPEC_NETWORK_HOST)
		oci_write_namespace(o, "network");
	json_array_end(o->json);
}

static void write_namespaces(struct oci *o)
{
	static const char *const names[] = { "user", "pid", "mount", "ipc", "uts", "cgroup", NULL };

	oci_write_namespaces(o, names);
}

static void write_map(struct oci *o, const char *key)
{
	json_array(o->json, key);
	for (size_t i = 0; i < sizeof(ids_map) / sizeof(ids_map[0]); i++) {
		json_object(o->json, NULL);
		json_uint(o->json, "containerID", ids_map[i].inside);
		json_uint(o->json, "hostID", ids_map[i].outside);
		json_uint(o->json, "size", ids_map[i].count);
		json_object_end(o->json);
	}
	json_array_end(o->json);
}

static void not_enforced(struct oci *o, const char *what, const char *controller)
{
	oci_remark(o,
		   "%s is not enforced: there is no %s controller in this machine's cgroup v2 tree",
		   what, controller);
}

/* OCI counts memory plus swap; podman's default is as much swap as memory. A lower memory.max leaves the swap as it is. */
static void write_swap(struct oci *o, uint64_t limit)
{
	const struct container_spec *spec = o->spec;
	uint64_t bytes;

	if (spec_cgroup_bytes(spec, o->host, "memory.swap.max", &bytes))
		return; /* it says what is meant */
	if (spec->memory_swap_bytes < 0)
		json_int(o->json, "swap", -1);
	else if (spec->memory_swap_bytes)
		json_uint(o->json, "swap",
			  (uint64_t)spec->memory_swap_bytes - spec->memory_bytes + limit);
	else
		json_uint(o->json, "swap", spec->memory_bytes + limit);
}

static void write_memory(struct oci *o)
{
	const struct container_spec *spec = o->spec;
	uint64_t limit = spec->memory_bytes, most;

	if (!limit)
		return;
	if (!o->host->has_memory_controller) {
		not_enforced(o, "Memory=", "memory");
		return;
	}
	if (spec_cgroup_bytes(spec, o->host, "memory.max", &most) && most < limit)
		limit = most;
	json_object(o->json, "memory");
	json_uint(o->json, "limit", limit);
	write_swap(o, limit);
	json_object_end(o->json);
}

static bool has_controller(const struct host_facts *host, const char *file)
{
	return str_starts(file, "memory.") ? host->has_memory_controller :
	       str_starts(file, "cpuset.") ? host->has_cpuset_controller :
	       str_starts(file, "cpu.")	   ? host->has_cpu_controller :
	       str_starts(file, "io.")	   ? host->has_io_controller :
					     host->has_pids_controller;
}

/* All lines of io.max as one text, a line a device. */
static void write_io_max(struct oci *o)
{
	const struct container_spec *spec = o->spec;
	auto_buf text = BUF_INIT(256 * 1024);

	for (size_t i = 0; i < spec->cgroup_count; i++)
		if (str_eq(spec->cgroup[i].name, "io.max"))
			buf_printf(&text, "%s%s", text.len ? "\n" : "", spec->cgroup[i].value);
	if (text.len && o->host->has_io_controller)
		json_str(o->json, "io.max", buf_str(&text));
	else if (text.len)
		not_enforced(o, "the limit of a disk", "io");
}

static void write_setting(struct oci *o, const struct spec_pair *setting)
{
	uint64_t bytes;

	if (str_eq(setting->name, "io.max") ||
	    (str_eq(setting->name, "memory.max") && o->spec->memory_bytes))
		return; /* said elsewhere */
	if (!has_controller(o->host, setting->name))
		not_enforced(o, setting->name,
			     arena_strndup(o->arena, setting->name, strcspn(setting->name, ".")));
	else if (spec_cgroup_bytes(o->spec, o->host, setting->name, &bytes) &&
		 str_starts(setting->name, "memory."))
		json_str(o->json, setting->name,
			 arena_printf(o->arena, "%llu", (unsigned long long)bytes));
	else
		json_str(o->json, setting->name, setting->value);
}

/* What OCI has no word for, or only a word of cgroup v1. */
static void write_unified(struct oci *o)
{
	if (!o->spec->cgroup_count)
		return;
	json_object(o->json, "unified");
	for (size_t i = 0; i < o->spec->cgroup_count; i++)
		write_setting(o, &o->spec->cgroup[i]);
	write_io_max(o);
	json_object_end(o->json);
}

static void write_cpu(struct oci *o)
{
	const struct container_spec *spec = o->spec;

	if (!spec->cpu_quota_usec)
		return;
	if (!o->host->has_cpu_controller) {
		not_enforced(o, "the processor limit", "cpu");
		return;
	}
	json_object(o->json, "cpu");
	json_uint(o->json, "quota", spec->cpu_quota_usec);
	json_uint(o->json, "period", spec->cpu_period_usec);
	json_object_end(o->json);
}

static void write_pids(struct oci *o)
{
	int64_t limit = o->spec->pids_limit ? o->spec->pids_limit : SPEC_PIDS_DEFAULT;

	if (!o->host->has_pids_controller) {
		if (o->spec->pids_limit > 0)
			not_enforced(o, "PidsLimit=", "pids");
		return;
	}
	json_object(o->json, "pids");
	json_int(o->json, "limit", limit);
	json_object_end(o->json);
}

static void write_sysctls(struct oci *o)
{
	const struct container_spec *spec = o->spec;

	if (!spec->sysctl_count)
		return;
	json_object(o->json, "sysctl");
	for (size_t i = 0; i < spec->sysctl_count; i++)
		json_str(o->json, spec->sysctls[i].name, spec->sysctls[i].value);
	json_object_end(o->json);
}

void oci_write_maps(struct oci *o)
{
	write_map(o, "uidMappings");
	write_map(o, "gidMappings");
}

void oci_write_cgroup(struct oci *o)
{
	const struct container_spec *pod = o->spec->is_pod ? o->spec : o->spec->limited_by;

	if (pod && spec_has_limits(pod))
		json_str(o->json, "cgroupsPath",
			 arena_printf(o->arena,
				      CLEAT_CGROUP_CONTAINERS "/" CLEAT_CGROUP_POD "%s/%s",
				      pod->name, o->run_id));
	else
		json_str(o->json, "cgroupsPath",
			 arena_printf(o->arena, CLEAT_CGROUP_CONTAINERS "/%s", o->run_id));
	json_object(o->json, "resources");
	write_memory(o);
	write_cpu(o);
	if (!o->spec->is_pod || o->spec->pids_limit)
		write_pids(o);
	write_unified(o);
	json_object_end(o->json);
}

void oci_write_linux(struct oci *o)
{
	json_object(o->json, "linux");
	oci_write_maps(o);
	write_namespaces(o);
	oci_write_cgroup(o);
	write_sysctls(o);
	if (o->seccomp)
		json_raw(o->json, "seccomp", o->seccomp);
	write_hidden(o);
	json_object_end(o->json);
}
