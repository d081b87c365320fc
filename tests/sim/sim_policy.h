/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The policy of a unit that says nothing: systemd's defaults for what Quadlet generates, podman's
 * for the container. */
#include "supervise/core.h"

static inline struct core_policy sim_policy(const char *name)
{
	return (struct core_policy){
		.name = name,
		.type = SERVICE_NOTIFY,
		.restart = SERVICE_RESTART_NO,
		.restart_usec = 100 * USEC_MSEC,
		.restart_max_usec = USEC_NEVER,
		.start_limit_interval_usec = 10 * USEC_SEC,
		.start_limit_burst = 5,
		.timeout_start_usec = 90 * USEC_SEC,
		.timeout_stop_usec = 90 * USEC_SEC,
		.runtime_max_usec = USEC_NEVER,
		.timeout_abort_usec = 90 * USEC_SEC,
		.stop_timeout_usec = 10 * USEC_SEC,
		.health = { .interval_usec = 30 * USEC_SEC,
			    .timeout_usec = 30 * USEC_SEC,
			    .retries = 3 },
	};
}

static inline const char *sim_action_name(enum core_action_type type)
{
	static const char *const names[] = {
		[CORE_ACT_IMAGE] = "image",
		[CORE_ACT_START] = "start",
		[CORE_ACT_SIGNAL_STOP] = "signal-stop",
		[CORE_ACT_KILL] = "kill",
		[CORE_ACT_TEARDOWN] = "teardown",
		[CORE_ACT_PROBE] = "probe",
		[CORE_ACT_PROBE_CANCEL] = "probe-cancel",
		[CORE_ACT_CONDITIONS] = "conditions",
		[CORE_ACT_COMMAND] = "command",
		[CORE_ACT_COMMAND_KILL] = "command-kill",
		[CORE_ACT_SIGNAL_WATCHDOG] = "signal-watchdog",
		[CORE_ACT_MACHINE] = "machine",
		[CORE_ACT_PUBLISH] = "publish",
		[CORE_ACT_ALL_DOWN] = "all-down",
	};

	return names[type];
}

static inline const char *sim_command_name(enum core_command which)
{
	static const char *const names[] = {
		[CORE_COMMAND_NONE] = "none",		[CORE_COMMAND_CONDITION] = "condition",
		[CORE_COMMAND_START_PRE] = "start-pre", [CORE_COMMAND_START_POST] = "start-post",
		[CORE_COMMAND_RELOAD] = "reload",	[CORE_COMMAND_STOP] = "stop",
		[CORE_COMMAND_STOP_POST] = "stop-post",
	};

	return names[which];
}
#define SIM_COMMANDS (CORE_COMMAND_STOP_POST + 1)
