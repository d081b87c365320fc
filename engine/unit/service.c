/* SPDX-License-Identifier: Apache-2.0 */
/*
 * systemd's half of a unit as data. Values that systemd would log and ignore are ignored here, too, but said aloud;
 * those that only look like systemd's (Restart=unless-stopped) are read as they are meant. Must never
 * leave a wrong value in place of a default.
 */
#include <strings.h>

#include "unit/env_file_internal.h"
#include "unit/reading_internal.h"
#include "unit/span_internal.h"
#include "util/str.h"

static const struct service defaults = {
	.type = SERVICE_NOTIFY,
	.restart = SERVICE_RESTART_NO,
	.restart_usec = 100 * USEC_MSEC,
	.restart_max_usec = USEC_NEVER,
	.start_limit_interval_usec = 10 * USEC_SEC,
	.start_limit_burst = 5,
	.timeout_start_usec = 90 * USEC_SEC,
	.timeout_stop_usec = 90 * USEC_SEC,
	.runtime_max_usec = USEC_NEVER,
	.description = "",
};

static bool read_span(struct reading *r, const char *section, const char *key, uint64_t *usec)
{
	const struct syntax_entry *entry = syntax_last(syntax_group(r->file, section), key);
	uint64_t value;

	if (!entry || !entry->value[0])
		return false;
	if (!span_parse(entry->value, &value)) {
		reading_warn(
			r, entry->origin,
			"'%s' is no time span (like 90, 5min 20s or infinity): ignored, as systemd does",
			entry->value);
		return false;
	}
	*usec = value;
	return true;
}

static bool read_count(struct reading *r, const char *section, const char *key, unsigned *count)
{
	const struct syntax_entry *entry = syntax_last(syntax_group(r->file, section), key);
	uint64_t value;

	if (!entry || !entry->value[0])
		return false;
	if (!str_to_u64(entry->value, UINT32_MAX, &value)) {
		reading_warn(r, entry->origin, "'%s' is no number: ignored, as systemd does",
			     entry->value);
		return false;
	}
	*count = (unsigned)value;
	return true;
}

static void read_restart(struct reading *r, struct service *service)
{
	static const char *const names[] = {
		[SERVICE_RESTART_NO] = "no",
		[SERVICE_RESTART_ON_SUCCESS] = "on-success",
		[SERVICE_RESTART_ON_FAILURE] = "on-failure",
		[SERVICE_RESTART_ON_ABNORMAL] = "on-abnormal",
		[SERVICE_RESTART_ON_ABORT] = "on-abort",
		[SERVICE_RESTART_ON_WATCHDOG] = "on-watchdog",
		[SERVICE_RESTART_ALWAYS] = "always",
	};
	const struct syntax_entry *entry = syntax_last(syntax_group(r->file, "Service"), "Restart");

	if (!entry || !entry->value[0])
		return;
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (str_eq(entry->value, names[i])) {
			service->restart = (enum service_restart)i;
			return;
		}
		if (strcasecmp(entry->value, names[i]) == 0) {
			reading_warn(
				r, entry->origin,
				"systemd ignores '%s', so the unit is not restarted: write Restart=%s",
				entry->value, names[i]);
			return;
		}
	}
	if (str_eq(entry->value, "unless-stopped")) {
		service->restart = SERVICE_RESTART_ALWAYS;
		reading_warn(
			r, entry->origin,
			"'unless-stopped' is read as always (systemd would ignore it): write Restart=always");
		return;
	}
	reading_warn(r, entry->origin, "systemd ignores '%s', so the unit is not restarted%s",
		     entry->value,
		     strchr(entry->value, '#') ? ": comments stand on lines of their own" : "");
}

static void read_type(struct reading *r, struct service *service)
{
	struct arg type;

	if (!value_text(r, syntax_group(r->file, "Service"), "Type", &type))
		return;
	if (str_eq(type.text, "oneshot")) {
		service->type = SERVICE_ONESHOT;
		service->timeout_start_usec = USEC_NEVER;
	}
}

/* 0 means no limit for starting and stopping (systemd.service(5)). */
static void read_limit(struct reading *r, const char *key, uint64_t *usec)
{
	if (read_span(r, "Service", key, usec) && *usec == 0)
		*usec = USEC_NEVER;
}

static void read_times(struct reading *r, struct service *service)
{
	uint64_t both = 0;

	read_span(r, "Service", "RestartSec", &service->restart_usec);
	read_span(r, "Service", "RestartMaxDelaySec", &service->restart_max_usec);
	read_count(r, "Service", "RestartSteps", &service->restart_steps);
	if (read_span(r, "Service", "TimeoutSec", &both))
		service->timeout_start_usec = service->timeout_stop_usec = both ? both : USEC_NEVER;
	read_limit(r, "TimeoutStartSec", &service->timeout_start_usec);
	read_limit(r, "TimeoutStopSec", &service->timeout_stop_usec);
	if (read_span(r, "Service", "RuntimeMaxSec", &service->runtime_max_usec) &&
	    !service->runtime_max_usec) {
		reading_refuse(
			r, syntax_last(syntax_group(r->file, "Service"), "RuntimeMaxSec")->origin,
			"0 would end the container at once: write infinity for no limit");
		service->runtime_max_usec = USEC_NEVER;
	}
	if (service->restart_usec == USEC_NEVER) {
		reading_warn(r, syntax_last(syntax_group(r->file, "Service"), "RestartSec")->origin,
			     "infinity means that it is never started again");
		service->restart = SERVICE_RESTART_NO;
	}
}

/* The newest name in [Unit] wins over the older spellings. */
static void read_start_limit(struct reading *r, struct service *service)
{
	const struct syntax_entry *misplaced =
		syntax_last(syntax_group(r->file, "Service"), "StartLimitIntervalSec");

	read_span(r, "Service", "StartLimitInterval", &service->start_limit_interval_usec);
	if (read_span(r, "Service", "StartLimitIntervalSec", &service->start_limit_interval_usec))
		reading_warn(
			r, misplaced->origin,
			"read as if it stood in [Unit], where it belongs: systemd ignores it here");
	read_span(r, "Unit", "StartLimitInterval", &service->start_limit_interval_usec);
	read_span(r, "Unit", "StartLimitIntervalSec", &service->start_limit_interval_usec);
	read_count(r, "Service", "StartLimitBurst", &service->start_limit_burst);
	read_count(r, "Unit", "StartLimitBurst", &service->start_limit_burst);
	if (!service->start_limit_burst)
		service->start_limit_interval_usec = 0;
}

static void read_exit_set(struct reading *r, const char *key, struct exit_set *set)
{
	struct arg_list words = value_words(r, syntax_group(r->file, "Service"), key);

	for (size_t i = 0; i < words.count; i++)
		if (!exit_set_add(set, words.items[i].text))
			reading_warn(
				r, words.items[i].origin,
				"'%s' is no exit code (0-255) and no signal (like SIGTERM): ignored, as systemd does",
				words.items[i].text);
}

static bool is_variable_name(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!((text[i] >= 'A' && text[i] <= 'Z') || (text[i] >= 'a' && text[i] <= 'z') ||
		      text[i] == '_' || (i && text[i] >= '0' && text[i] <= '9')))
			return false;
	return len > 0;
}

static void read_environment(struct reading *r, struct service *service)
{
	struct arg_list words = value_args(r, syntax_group(r->file, "Service"), "Environment");

	for (size_t i = 0; i < words.count; i++) {
		const struct arg *word = &words.items[i];
		const char *text = expand_specifiers(r, word->text, word->origin);
		const char *equals = text ? strchr(text, '=') : NULL;

		if (text && (!equals || !is_variable_name(text, (size_t)(equals - text))))
			reading_warn(r, word->origin,
				     "'%s' is no NAME=VALUE: ignored, as systemd does", text);
		else if (text)
			arg_push(r->arena, &service->environment, text, word->origin);
	}
}

static void read_environment_files(struct reading *r, struct service *service)
{
	struct arg_list lines = value_list(r, syntax_group(r->file, "Service"), "EnvironmentFile");

	for (size_t i = 0; i < lines.count; i++) {
		bool may_be_missing = lines.items[i].text[0] == '-';
		const struct origin *origin = lines.items[i].origin;
		const char *path =
			expand_specifiers(r, lines.items[i].text + may_be_missing, origin);
		struct err err;

		if (!path)
			continue;
		if (path[0] != '/') {
			reading_warn(r, origin,
				     "'%s' is no absolute path: ignored, as systemd does", path);
		} else if (path[strcspn(path, "*?[")]) {
			reading_refuse(r, origin, "patterns are not supported yet: name the file");
		} else if (env_file_read(r->arena, path, origin, &service->environment, &err) < 0 &&
			   !(may_be_missing && err.code == ERR_NOT_FOUND)) {
			reading_refuse(r, origin, "%s", err.msg);
		}
	}
}

/* Units that are there from the first moment on an appliance: nothing to wait for, nothing to say. */
static bool is_built_in(const char *target)
{
	static const char *const names[] = {
		"basic.target",
		"cryptsetup.target",
		"default.target",
		"getty.target",
		"graphical.target",
		"local-fs-pre.target",
		"local-fs.target",
		"multi-user.target",
		"network-online.target",
		"network-pre.target",
		"network.target",
		"nss-lookup.target",
		"nss-user-lookup.target",
		"paths.target",
		"podman-user-wait-network-online.service",
		"remote-fs-pre.target",
		"remote-fs.target",
		"shutdown.target",
		"slices.target",
		"sockets.target",
		"sysinit.target",
		"time-set.target",
		"time-sync.target",
		"timers.target",
		"umount.target",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_eq(names[i], target))
			return true;
	return false;
}

static void add_dep(struct reading *r, struct unit *unit, enum service_dep_kind kind,
		    const char *target, const struct origin *origin)
{
	struct service_dep *dep = arena_push(r->arena, unit->service.deps, unit->service.dep_count);

	dep->kind = kind;
	dep->target = target;
	dep->origin = origin;
}

static void missing_dep(struct reading *r, enum service_dep_kind kind, const char *target,
			const struct origin *origin)
{
	if (kind == SERVICE_DEP_REQUIRES || kind == SERVICE_DEP_BINDS_TO)
		reading_refuse(r, origin, "there is no unit %s, and it is required", target);
	else
		reading_note(r, origin,
			     arena_printf(r->arena, "there is no unit %s: ignored", target));
}

static void read_dep(struct reading *r, enum service_dep_kind kind, const struct arg *word)
{
	const char *target = expand_specifiers(r, word->text, word->origin), *dot;

	if (!target)
		return;
	dot = strrchr(target, '.');

	const struct unit_name *name = unit_name_find(r->names, target);

	if (name && !str_ends(target, ".container"))
		reading_refuse(r, word->origin,
			       "%s: references to other kinds of units are not supported yet",
			       target);
	else if (name)
		add_dep(r, r->unit, kind, name->service, word->origin);
	else if (unit_name_find_service(r->names, target))
		add_dep(r, r->unit, kind, target, word->origin);
	else if (!dot)
		reading_warn(r, word->origin,
			     "'%s' has no suffix like .service: ignored, as systemd does", target);
	else if (!is_built_in(target) && !str_ends(target, ".container"))
		missing_dep(r, kind, target, word->origin);
}

static void read_deps(struct reading *r)
{
	static const struct {
		const char *key;
		enum service_dep_kind kind;
	} keys[] = {
		{ "After", SERVICE_DEP_AFTER },	     { "Before", SERVICE_DEP_BEFORE },
		{ "Wants", SERVICE_DEP_WANTS },	     { "Requires", SERVICE_DEP_REQUIRES },
		{ "BindsTo", SERVICE_DEP_BINDS_TO }, { "PartOf", SERVICE_DEP_PART_OF },
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct arg_list words = value_words(r, syntax_group(r->file, "Unit"), keys[i].key);

		for (size_t j = 0; j < words.count; j++)
			read_dep(r, keys[i].kind, &words.items[j]);
	}
}

static struct unit *find_unit(struct unit_set *set, const char *service)
{
	for (size_t i = 0; i < set->count; i++)
		if (str_eq(set->units[i].service_name, service))
			return &set->units[i];
	return NULL;
}

/* WantedBy=web.service makes web.service want this unit: the dependency belongs to the other. */
static void read_install_word(struct reading *r, enum service_dep_kind kind, const struct arg *word)
{
	static const char *const boot[] = { "default.target", "multi-user.target",
					    "graphical.target" };
	const char *target = expand_specifiers(r, word->text, word->origin);

	if (!target)
		return;
	for (size_t i = 0; i < sizeof(boot) / sizeof(boot[0]); i++)
		if (str_eq(target, boot[i])) {
			r->unit->service.boot = true;
			return;
		}

	struct unit *other = find_unit(r->set, target);

	if (other)
		add_dep(r, other, kind, r->unit->service_name, word->origin);
	else
		reading_warn(r, word->origin,
			     "'%s' is never started here: write default.target to start at boot",
			     target);
}

static void read_install(struct reading *r)
{
	struct arg_list wanted = value_words(r, syntax_group(r->file, "Install"), "WantedBy");
	struct arg_list required = value_words(r, syntax_group(r->file, "Install"), "RequiredBy");

	for (size_t i = 0; i < wanted.count; i++)
		read_install_word(r, SERVICE_DEP_WANTS, &wanted.items[i]);
	for (size_t i = 0; i < required.count; i++)
		read_install_word(r, SERVICE_DEP_REQUIRES, &required.items[i]);
}

void service_read(struct reading *r)
{
	struct service *service = &r->unit->service;
	struct service_dep *deps = service->deps; /* other units may have added to them */
	size_t dep_count = service->dep_count;
	struct arg description;

	*service = defaults;
	service->deps = deps;
	service->dep_count = dep_count;
	if (value_string(r, syntax_group(r->file, "Unit"), "Description", &description)) {
		const char *text = expand_specifiers(r, description.text, description.origin);

		service->description = text ? text : description.text;
	}
	read_type(r, service);
	read_restart(r, service);
	read_times(r, service);
	read_start_limit(r, service);
	service->remain_after_exit =
		value_bool(r, syntax_group(r->file, "Service"), "RemainAfterExit") == VALUE_TRUE;
	read_exit_set(r, "SuccessExitStatus", &service->success);
	read_exit_set(r, "RestartPreventExitStatus", &service->restart_prevent);
	read_exit_set(r, "RestartForceExitStatus", &service->restart_force);
	read_environment(r, service);
	read_environment_files(r, service);
	read_deps(r);
	read_install(r);
}
