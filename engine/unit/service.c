/* SPDX-License-Identifier: Apache-2.0 */
/*
 * systemd's half of a unit as data. Values that systemd would log and ignore are ignored here, too, but said aloud;
 * those that only look like systemd's (Restart=unless-stopped) are read as they are meant. Must never
 * leave a wrong value in place of a default.
 */
#include <signal.h>

#include "unit/service_internal.h"
#include "util/str.h"

static const struct service defaults = {
	.type = SERVICE_NOTIFY,
	.restart = SERVICE_RESTART_NO,
	.restart_usec = 100 * USEC_MSEC,
	.restart_max_usec = USEC_NEVER,
	.start_limit_interval_usec = 10 * USEC_SEC,
	.start_limit_burst = 5,
	.timeout_start_usec = 0, /* the type decides, when all lines were read */
	.timeout_stop_usec = 90 * USEC_SEC,
	.timeout_abort_usec = USEC_NEVER,
	.runtime_max_usec = USEC_NEVER,
	.job_timeout_usec = USEC_NEVER,
	.job_running_timeout_usec = USEC_NEVER,
	.failure_exit_status = -1,
	.success_exit_status = -1,
	.reboot_argument = "",
	.job_timeout_reboot_argument = "",
	.kill = { .mode = SERVICE_KILL_MIXED,
		  .signal = SIGTERM,
		  .final_signal = SIGKILL,
		  .watchdog_signal = SIGABRT,
		  .reload_signal = SIGHUP,
		  .sends_sigkill = true },
	.notify_access = SERVICE_NOTIFY_ALL,
	.oom_policy = SERVICE_OOM_STOP,
	.umask = 0022,
	.resources = { .cpu_quota_period_usec = 100 * USEC_MSEC,
		       .allowed_cpus = "",
		       .startup_allowed_cpus = "",
		       .allowed_memory_nodes = "",
		       .startup_allowed_memory_nodes = "",
		       .slice = "" },
	.directories = { [SERVICE_PLACE_RUNTIME] = { .mode = 0755 },
			 [SERVICE_PLACE_STATE] = { .mode = 0755 },
			 [SERVICE_PLACE_CACHE] = { .mode = 0755 },
			 [SERVICE_PLACE_LOGS] = { .mode = 0755 },
			 [SERVICE_PLACE_CONFIGURATION] = { .mode = 0755 } },
	.working_directory = "",
	.standard_input = "",
	.standard_output = "",
	.standard_error = "",
	.description = "",
	.default_instance = "",
};

void service_reset(struct reading *r, const struct service_rule *rule, size_t size)
{
	memcpy(service_target(r, rule), (const char *)&defaults + rule->offset, size);
}

/* Comments have no key; keys without a rule have nothing to read. */
static void read_group(struct reading *r, const struct syntax_group *group)
{
	const struct service_rule *rules;

	if (!service_rules(group->name, &rules))
		return;
	for (size_t i = 0; i < group->entry_count; i++) {
		const struct syntax_entry *entry = &group->entries[i];
		const struct service_rule *rule = entry->row ? service_rule_of(entry->row) : NULL;

		if (rule)
			rule->read(r, rule, entry);
	}
}

void service_read(struct reading *r)
{
	struct service *service = &r->unit->service;
	struct service_dep *deps = service->deps; /* other units may have added to them */
	size_t dep_count = service->dep_count;

	*service = defaults;
	service->deps = deps;
	service->dep_count = dep_count;
	for (size_t i = 0; i < r->file->group_count; i++)
		read_group(r, &r->file->groups[i]);
	/* podman's generator writes it into a pod's service that says nothing of its own */
	if (r->unit->kind == UNIT_POD && !syntax_last(syntax_group(r->file, "Service"), "Restart"))
		service->restart = SERVICE_RESTART_ON_FAILURE;
	service_check_times(r);
	service_check_actions(r);
	service_check_limits(r);
	service_read_environment_files(r);
	service_expand_execs(r);
}
