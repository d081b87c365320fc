/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FailureAction= and its like: their words, and what a person should know of some of them before the whole appliance does it. Must
 * never refuse one: what there is no counterpart for becomes the nearest that there is, and that is said.
 */
#include "unit/service_internal.h"
#include "util/str.h"

const char *const service_actions[] = {
	[SERVICE_ACTION_NONE] = "none",
	[SERVICE_ACTION_REBOOT] = "reboot",
	[SERVICE_ACTION_REBOOT_FORCE] = "reboot-force",
	[SERVICE_ACTION_REBOOT_IMMEDIATE] = "reboot-immediate",
	[SERVICE_ACTION_POWEROFF] = "poweroff",
	[SERVICE_ACTION_POWEROFF_FORCE] = "poweroff-force",
	[SERVICE_ACTION_POWEROFF_IMMEDIATE] = "poweroff-immediate",
	[SERVICE_ACTION_EXIT] = "exit",
	[SERVICE_ACTION_EXIT_FORCE] = "exit-force",
	[SERVICE_ACTION_SOFT_REBOOT] = "soft-reboot",
	[SERVICE_ACTION_SOFT_REBOOT_FORCE] = "soft-reboot-force",
	[SERVICE_ACTION_KEXEC] = "kexec",
	[SERVICE_ACTION_KEXEC_FORCE] = "kexec-force",
	[SERVICE_ACTION_HALT] = "halt",
	[SERVICE_ACTION_HALT_FORCE] = "halt-force",
	[SERVICE_ACTION_HALT_IMMEDIATE] = "halt-immediate",
	NULL,
};

const char *service_action_name(enum service_action action)
{
	return service_actions[action];
}

/* The line that counts: [Unit] and the old place in [Service] are read in the order of the file. */
static const struct origin *origin_of(struct reading *r, const char *key)
{
	const struct origin *origin = NULL;

	for (size_t i = 0; i < r->file->group_count; i++) {
		const struct syntax_group *group = &r->file->groups[i];
		const struct syntax_entry *entry = str_eq(group->name, "Unit") ||
								   str_eq(group->name, "Service") ?
							   syntax_last(group, key) :
							   NULL;

		origin = entry ? entry->origin : origin;
	}
	return origin ? origin : reading_place(r, key);
}

static void check_word(struct reading *r, const char *key, enum service_action action)
{
	if (action == SERVICE_ACTION_SOFT_REBOOT || action == SERVICE_ACTION_SOFT_REBOOT_FORCE ||
	    action == SERVICE_ACTION_KEXEC || action == SERVICE_ACTION_KEXEC_FORCE)
		reading_warn(
			r, origin_of(r, key),
			"%s: the appliance has no counterpart of it and does a whole reboot instead",
			service_action_name(action));
}

/* systemd's unit is failed or inactive for a moment before each automatic restart. */
static void check_restart(struct reading *r, const char *key, const char *what)
{
	if (r->unit->service.restart_mode != SERVICE_RESTART_MODE_DIRECT)
		reading_warn(
			r, origin_of(r, key),
			"acts on the first %s, before Restart= does, as in systemd: RestartMode=direct waits until it is not started again",
			what);
}

/* reboot(2) takes so much with LINUX_REBOOT_CMD_RESTART2. */
#define ARGUMENT_MAX_BYTES 255

static void check_argument(struct reading *r, const char *key, const char **argument)
{
	if (strlen(*argument) <= ARGUMENT_MAX_BYTES)
		return;
	reading_ignore(r, origin_of(r, key), "longer than the %d bytes that reboot(2) takes",
		       ARGUMENT_MAX_BYTES);
	*argument = "";
}

void service_check_actions(struct reading *r)
{
	struct service *s = &r->unit->service;

	check_argument(r, "RebootArgument", &s->reboot_argument);
	check_argument(r, "JobTimeoutRebootArgument", &s->job_timeout_reboot_argument);
	check_word(r, "StartLimitAction", s->start_limit_action);
	check_word(r, "FailureAction", s->failure_action);
	check_word(r, "SuccessAction", s->success_action);
	check_word(r, "JobTimeoutAction", s->job_timeout_action);
	if (s->failure_action != SERVICE_ACTION_NONE && s->restart != SERVICE_RESTART_NO &&
	    s->restart != SERVICE_RESTART_ON_SUCCESS)
		check_restart(r, "FailureAction", "failure");
	if (s->success_action != SERVICE_ACTION_NONE &&
	    (s->restart == SERVICE_RESTART_ALWAYS || s->restart == SERVICE_RESTART_ON_SUCCESS))
		check_restart(r, "SuccessAction", "end");
}
