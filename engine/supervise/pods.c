/* SPDX-License-Identifier: Apache-2.0 */
/*
 * .pod units -> entries, members -> their pods. When a pod is to run and when to end is the core's business, by dependencies
 * (unit/kind_pod.c) and ExitPolicy=. Must never start a member in anything but the holder that runs now.
 */
#include "supervise/pods.h"

#include <stdio.h>
#include <string.h>

#include "spec/pod.h"
#include "supervise/network.h"
#include "util/str.h"

int pods_convert(struct engine *e, struct engine_entry *entry)
{
	return spec_pod_from_args(entry->spec, &e->units.arena, &entry->unit->spec_args,
				  &e->units.diags);
}

const struct engine_entry *pods_of(const struct engine *e, const struct engine_entry *entry)
{
	return entry->pod ? &e->entries[entry->pod - 1] : NULL;
}

static struct engine_entry *find_pod(struct engine *e, const char *name)
{
	for (unsigned i = 0; i < e->count; i++) {
		struct engine_entry *entry = &e->entries[i];

		if (entry->spec && entry->spec->is_pod && str_eq(entry->spec->name, name))
			return entry;
	}
	return NULL;
}

static void refuse(struct engine *e, struct engine_entry *member)
{
	struct unit *unit = &e->units.units[member - e->entries];
	const struct arg at = { .text = member->spec->pod, .origin = member->spec->pod_origin };

	arg_diag(&e->units.diags, DIAG_ERROR, &at,
		 "pod %s cannot be made: its unit has errors, or there is none", at.text);
	unit->is_valid = false;
	unit->first_error = e->units.diags.count - 1;
	member->spec = NULL;
}

void pods_link(struct engine *e)
{
	for (unsigned i = 0; i < e->count; i++) {
		struct engine_entry *member = &e->entries[i], *pod;

		if (!member->spec || !member->spec->pod)
			continue;
		pod = find_pod(e, member->spec->pod);
		if (!pod) {
			refuse(e, member);
			continue;
		}
		member->pod = (unsigned)(pod - e->entries) + 1;
		spec_join_pod(member->spec, pod->spec, &e->arena);
	}
}

void pods_policy(const struct container_spec *spec, struct core_policy *policy)
{
	if (!spec->is_pod)
		return;
	policy->type = SERVICE_NOTIFY; /* podman writes "forking" whatever the unit says */
	policy->stops_when_alone = !spec->pod_continues;
	policy->ready_by_notify = policy->ready_when_healthy = false;
	policy->watchdog_usec = 0;
}

int pods_config(struct engine *e, unsigned index, struct spec_remarks *remarks, struct arena *arena,
		struct buf *out, struct err *err)
{
	const struct engine_entry *entry = &e->entries[index];
	struct host_facts host = e->host;

	if (network_files_make(e, index, arena, &host, err) < 0)
		return -1;
	return spec_pod_to_oci(entry->spec, &host, entry->run.id, remarks, arena, out, err);
}

static const char *file_of(const struct engine *e, const struct engine_entry *pod, const char *file,
			   struct arena *arena)
{
	char path[128];

	network_run_path(e, (unsigned)(pod - e->entries), file, path);
	return arena_strdup(arena, path);
}

int pods_describe(const struct engine *e, const struct engine_entry *member, struct arena *arena,
		  struct host_facts *host, struct err *err)
{
	const struct engine_entry *pod = pods_of(e, member);
	const struct run_status *status = &pod->run.status;

	if (pod->run.phase != RUN_RUNNING || status->container_pid <= 0)
		return err_set(err, ERR_BUSY, "pod %s does not run", pod->name);
	host->pod_pid = (uint32_t)status->container_pid;
	host->pod_start_ticks = status->container_start_ticks;
	host->hosts = file_of(e, pod, "hosts", arena);
	host->hostname_file = file_of(e, pod, "hostname", arena);
	if (pod->spec->network != SPEC_NETWORK_NONE)
		host->resolv_conf = file_of(e, pod, "resolv.conf", arena);
	return 0;
}
