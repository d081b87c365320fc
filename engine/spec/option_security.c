/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capabilities, profiles, masks, namespaces. What is asked for is either given or refused:
 * isolation is never silently less.
 */
#include "spec/options.h"

#include <stdlib.h>

#include "util/ids.h"
#include "util/path.h"
#include "util/str.h"

static void push_capability(struct options *o, struct strv *v, const char *value)
{
	const char *name = capability_name(value);

	if (!name) {
		option_error(o, "\"%s\" is no capability of capabilities(7)",
			     option_shown(o, value));
		return;
	}
	o->capability_word = o->word;
	if (!strv_has(v, name))
		strv_push(o->arena, v, name);
}

void parse_cap_add(struct options *o, const char *value)
{
	push_capability(o, &o->spec->cap_add, value);
}

void parse_cap_drop(struct options *o, const char *value)
{
	push_capability(o, &o->spec->cap_drop, value);
}

static void push_masks(struct options *o, const char *value)
{
	struct strv paths = strv_split(o->arena, value, ':');

	for (size_t i = 0; i < paths.count; i++) {
		const char *path = option_path(o, "mask", paths.items[i]);

		if (path)
			strv_push(o->arena, &o->spec->mask, path);
	}
}

/* Unmasked paths may be patterns (fnmatch with slashes kept). */
static void push_unmasks(struct options *o, const char *value)
{
	struct strv paths = strv_split(o->arena, value, ':');

	for (size_t i = 0; i < paths.count; i++) {
		if (strcasecmp(paths.items[i], "all") == 0) {
			strv_push(o->arena, &o->spec->unmask, "ALL");
			continue;
		}

		const char *path = option_path(o, "unmask", paths.items[i]);

		if (path)
			strv_push(o->arena, &o->spec->unmask, path);
	}
}

static void set_seccomp(struct options *o, const char *value)
{
	if (str_eq(value, "unconfined")) {
		o->spec->seccomp = "unconfined";
		return;
	}

	const char *path = option_path(o, "seccomp profile", value);

	if (path)
		o->spec->seccomp = path;
}

static void set_no_new_privileges(struct options *o, const char *value)
{
	bool on;

	if (option_to_bool(value, &on))
		o->spec->no_new_privileges = on;
	else
		option_error(o, "no-new-privileges is true or false, not \"%s\"",
			     option_shown(o, value));
}

static void set_apparmor(struct options *o, const char *value)
{
	if (str_eq(value, "unconfined"))
		option_note(o, "noted: there are no AppArmor profiles of containers here");
	else
		option_error(o, "AppArmor profile %s: profiles are not supported in this version",
			     option_shown(o, value));
}

static void set_system_paths(struct options *o, const char *value)
{
	if (str_eq(value, "unconfined"))
		strv_push(o->arena, &o->spec->unmask, "ALL");
	else
		option_error(o, "systempaths=%s: only unconfined is known", option_shown(o, value));
}

static void note_label(struct options *o, const char *value)
{
	(void)value;
	option_note(o, "noted: there is no SELinux here");
}

static void refuse_proc_opts(struct options *o, const char *value)
{
	option_error(o, "proc-opts=%s is not supported in this version", option_shown(o, value));
}

static const struct security_row {
	const char *name;
	void (*set)(struct options *o, const char *value);
} security_rows[] = {
	{ "apparmor", set_apparmor },
	{ "label", note_label },
	{ "mask", push_masks },
	{ "no-new-privileges", set_no_new_privileges },
	{ "proc-opts", refuse_proc_opts },
	{ "seccomp", set_seccomp },
	{ "systempaths", set_system_paths },
	{ "unmask", push_unmasks },
};

/* NAME=VALUE; Docker's NAME:VALUE is still met in the wild. */
void parse_security_opt(struct options *o, const char *value)
{
	size_t len = strcspn(value, "=:");
	const char *rest = value[len] ? value + len + 1 : "";

	if (str_eq(value, "no-new-privileges")) {
		o->spec->no_new_privileges = true;
		return;
	}
	if (str_eq(value, "label") || str_eq(value, "disable")) {
		note_label(o, rest);
		return;
	}
	for (size_t i = 0; i < sizeof(security_rows) / sizeof(security_rows[0]); i++) {
		const struct security_row *row = &security_rows[i];

		if (strlen(row->name) != len || strncmp(row->name, value, len) != 0)
			continue;
		if (rest[0])
			row->set(o, rest);
		else
			option_error(o, "%s needs a value", row->name);
		return;
	}
	option_error(
		o,
		"\"%s\" is no security option; known are no-new-privileges, seccomp=, mask=, unmask=, label=, apparmor=",
		option_shown(o, value));
}

void parse_read_only(struct options *o, const char *value)
{
	o->spec->read_only = str_eq(value, "true");
}

void parse_read_only_tmpfs(struct options *o, const char *value)
{
	o->spec->read_only_tmpfs = str_eq(value, "true");
}

void parse_init(struct options *o, const char *value)
{
	o->spec->init = str_eq(value, "true");
}

static bool keep_id_number(struct options *o, const char *name, const char *text, uint32_t *out)
{
	uint64_t number;
	uint32_t outside;

	if (!str_to_u64(text, UINT32_MAX, &number) || !ids_to_outside((uint32_t)number, &outside)) {
		option_error(o, "keep-id: %s=%s: ids of containers are 0 to %u without %u to %u",
			     name, option_shown(o, text), IDS_LAST, IDS_RESERVED_FIRST,
			     IDS_RESERVED_LAST);
		return false;
	}
	*out = (uint32_t)number;
	return true;
}

static void parse_keep_id(struct options *o, const char *parameters)
{
	struct strv parts = { 0 };

	o->spec->userns = SPEC_USERNS_KEEP_ID;
	if (*parameters)
		parts = strv_split(o->arena, parameters, ',');
	for (size_t i = 0; i < parts.count; i++) {
		const char *part = parts.items[i];

		if (str_starts(part, "uid="))
			keep_id_number(o, "uid", part + 4, &o->spec->keep_uid);
		else if (str_starts(part, "gid="))
			keep_id_number(o, "gid", part + 4, &o->spec->keep_gid);
		else
			option_error(o, "keep-id: \"%s\" is not supported, only uid= and gid=",
				     option_shown(o, part));
	}
}

void parse_userns(struct options *o, const char *value)
{
	if (!value[0] || str_eq(value, "private"))
		return;
	if (str_eq(value, "keep-id")) {
		parse_keep_id(o, "");
	} else if (str_starts(value, "keep-id:")) {
		parse_keep_id(o, value + strlen("keep-id:"));
	} else if (str_eq(value, "host")) {
		option_error(
			o,
			"every container has a user namespace: root inside is never root outside");
	} else {
		option_error(o, "\"%s\" is not supported in this version: use keep-id or nothing",
			     option_shown(o, value));
	}
}

void parse_private_namespace(struct options *o, const char *value)
{
	if (value[0] && !str_eq(value, "private"))
		option_error(o, "\"%s\" is not supported: every container has its own",
			     option_shown(o, value));
}

void parse_ipc(struct options *o, const char *value)
{
	if (!str_eq(value, "shareable") && !str_eq(value, "none"))
		parse_private_namespace(o, value);
}

void parse_cgroups(struct options *o, const char *value)
{
	if (!str_eq(value, "split") && !str_eq(value, "enabled") && !str_eq(value, "no-conmon"))
		option_error(
			o,
			"\"%s\" is not supported: every container has a cgroup, which is how it is stopped",
			option_shown(o, value));
}

void parse_systemd(struct options *o, const char *value)
{
	bool on;

	if (!option_to_bool(value, &on))
		option_error(o,
			     "\"%s\": systemd inside a container is not supported in this version",
			     option_shown(o, value));
	else if (on)
		option_note(
			o,
			"noted: nothing is prepared for systemd as the container's program in this version");
}

void parse_seccomp_policy(struct options *o, const char *value)
{
	if (!str_eq(value, "default"))
		option_error(o, "\"%s\" is not supported: only default", option_shown(o, value));
}
