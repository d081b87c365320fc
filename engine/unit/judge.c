/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the engine says to each key: unknown, not yet, refused, noted, or acted on but not with this value. Nothing is
 * passed over in silence: each line of the unit is acted on, noted with its reason, or refused with its place.
 */
#include <strings.h>

#include "unit/reading_internal.h"
#include "util/str.h"

static bool text_is(const struct arg *value, const char *const *list)
{
	for (; *list; list++)
		if (str_eq(value->text, *list))
			return true;
	return false;
}

/* PodmanArgs= may name the network, too. */
static bool args_name_network(struct reading *r)
{
	struct arg_list args = value_args(r, r->container, "PodmanArgs");

	for (size_t i = 0; i < args.count; i++) {
		const char *text = args.items[i].text;

		if (str_eq(text, "--network") || str_eq(text, "--net") ||
		    str_starts(text, "--network=") || str_starts(text, "--net="))
			return true;
	}
	return false;
}

/* What is missing has no line: the image's will do, because the option table complains there, too. */
static const struct origin *network_place(struct reading *r)
{
	struct origin *origin = arena_new(r->arena, struct origin);
	const struct syntax_entry *image = syntax_last(r->container, "Image");

	*origin = image ? *image->origin : *reading_place(r, "");
	origin->key = "Container.Network";
	return origin;
}

static void judge_network(struct reading *r)
{
	struct arg_list values = value_list(r, r->container, "Network");

	if (!values.count && r->container && !args_name_network(r))
		reading_refuse(
			r, network_place(r),
			"no network named: write Network=host or Network=none (networks of their own are not supported yet)");
	for (size_t i = 0; i < values.count; i++) {
		const char *text = values.items[i].text;

		if (str_ends(text, ".network") || str_ends(text, ".container"))
			continue; /* said where the reference is resolved */
		if (!str_eq(text, "host") && !str_eq(text, "none"))
			reading_refuse(
				r, values.items[i].origin,
				"'%s' is not supported yet: write Network=host or Network=none",
				text);
	}
	if (values.count > 1)
		reading_refuse(r, values.items[1].origin, "only one network is supported yet");
}

static bool has_host_network(struct reading *r)
{
	struct arg_list values = value_list(r, r->container, "Network");
	struct arg_list args = value_args(r, r->container, "PodmanArgs");

	for (size_t i = 0; i < args.count; i++) {
		const char *text = args.items[i].text;

		if (str_eq(text, "--network=host") || str_eq(text, "--net=host"))
			return true;
		if (i + 1 < args.count && (str_eq(text, "--network") || str_eq(text, "--net")) &&
		    str_eq(args.items[i + 1].text, "host"))
			return true;
	}
	return values.count == 1 && str_eq(values.items[0].text, "host");
}

static void judge_ports(struct reading *r)
{
	struct arg_list values = value_list(r, r->container, "PublishPort");
	bool is_host = has_host_network(r);

	for (size_t i = 0; i < values.count; i++) {
		if (!is_host)
			reading_refuse(r, values.items[i].origin,
				       "published ports need Network=host in this version");
		else if (i == 0)
			reading_note(
				r, values.items[i].origin,
				"with Network=host every port that the container opens is open as it is");
	}
}

static void judge_notify(struct reading *r)
{
	const struct syntax_group *service = syntax_group(r->file, "Service");
	struct arg value, type;

	if (value_string(r, service, "Type", &type) && str_eq(type.text, "oneshot"))
		return;
	if (!value_text(r, r->container, "Notify", &value) ||
	    strcasecmp(value.text, "healthy") == 0 ||
	    value_bool(r, r->container, "Notify") != VALUE_TRUE)
		return;
	reading_refuse(
		r, value.origin,
		"there is no NOTIFY_SOCKET inside in this version: write Notify=healthy with a HealthCmd=");
}

static void judge_log_driver(struct reading *r)
{
	static const char *const noted[] = { "journald", "k8s-file", "json-file", NULL };
	static const char *const known[] = { "none", "passthrough", "passthrough-tty", NULL };
	struct arg value;

	if (!value_text(r, r->container, "LogDriver", &value))
		return;
	if (text_is(&value, noted))
		reading_note(
			r, value.origin,
			"output goes to rotated files of our own: read it with \"cleat logs\"");
	else if (text_is(&value, known))
		reading_refuse(r, value.origin,
			       "'%s' is not supported yet: output always goes to rotated files",
			       value.text);
	else
		reading_refuse(r, value.origin, "there is no log driver '%s'", value.text);
}

static void judge_userns(struct reading *r)
{
	struct arg value;

	if (value_text(r, r->container, "UserNS", &value) && !str_eq(value.text, "keep-id") &&
	    !str_starts(value.text, "keep-id:"))
		reading_refuse(
			r, value.origin,
			"'%s' is not supported yet: write UserNS=keep-id, or nothing for the appliance's own id map",
			value.text);
}

static void judge_apparmor(struct reading *r)
{
	struct arg value;

	if (!value_text(r, r->container, "AppArmor", &value))
		return;
	if (str_eq(value.text, "unconfined"))
		reading_note(r, value.origin,
			     "no AppArmor profile is ever put on a container here");
	else
		reading_refuse(
			r, value.origin,
			"profiles are not supported yet: write AppArmor=unconfined, or nothing");
}

static void judge_cgroups(struct reading *r)
{
	static const char *const fine[] = { "split", "enabled", "no-conmon", NULL };
	struct arg value;

	if (!value_text(r, r->container, "CgroupsMode", &value))
		return;
	if (text_is(&value, fine))
		reading_note(r, value.origin, "each container has a control group of its own");
	else
		reading_refuse(
			r, value.origin,
			"'%s' is not supported: each container has a control group of its own",
			value.text);
}

static void judge_env_file(struct reading *r)
{
	struct arg_list values = value_args(r, r->container, "EnvironmentFile");

	for (size_t i = 0; i < values.count; i++)
		if (values.items[i].text[0] == '-')
			reading_refuse(
				r, values.items[i].origin,
				"a leading - means nothing in [Container] (podman looks for a folder named -): the file has to exist");
}

static void judge_auto_update(struct reading *r)
{
	static const char *const known[] = { "registry", "local", NULL };
	struct arg value;

	if (value_text(r, r->container, "AutoUpdate", &value) && !text_is(&value, known))
		reading_warn(r, value.origin, "'%s' is neither registry nor local", value.text);
}

/* A name without a registry is looked up by guesses elsewhere; here it has to be the name in the archive. */
static void judge_image(struct reading *r)
{
	struct arg value;

	if (!value_text(r, r->container, "Image", &value) || strpbrk(value.text, "$%") ||
	    str_ends(value.text, ".image") || str_ends(value.text, ".build") ||
	    str_starts(value.text, "sha256:"))
		return;

	size_t host = strcspn(value.text, "/");

	if (!value.text[host] ||
	    (!memchr(value.text, '.', host) && !memchr(value.text, ':', host) &&
	     strncmp(value.text, "localhost/", 10) != 0))
		reading_warn(
			r, value.origin,
			"'%s' names no registry: write docker.io/library/NAME, localhost/NAME or the like",
			value.text);
}

/* "ContainerName=web # main": a value, not a comment. Booleans and systemd's keys say so themselves. */
static void judge_comment(struct reading *r, const struct key *key,
			  const struct syntax_entry *entry)
{
	const char *hash = strstr(entry->value, " #");

	if (hash && entry->value[0] != '"' && (key->kind == KEY_STRING || key->kind == KEY_LIST) &&
	    str_eq(key->section, "Container"))
		reading_warn(r, syntax_origin(r->arena, entry, (size_t)(hash + 1 - entry->value)),
			     "'%s' is part of the value: comments stand on lines of their own",
			     hash + 1);
}

/* A switch that is off asks for nothing; an empty value takes back what came before. */
static bool asks_for_nothing(struct reading *r, const struct syntax_group *group,
			     const struct key *key, const struct syntax_entry *entry)
{
	if (key->kind == KEY_BOOL)
		return value_bool(r, group, key->name) != VALUE_TRUE;
	return !entry->value[0];
}

static void judge_entry(struct reading *r, const struct syntax_group *group,
			const struct syntax_entry *entry)
{
	const struct key *key = key_find(group->name, entry->key);

	if (!key) {
		auto_buf hint = BUF_INIT(512);

		if (str_starts(entry->key, "X-") && !str_eq(group->name, "Container"))
			return; /* systemd leaves these to others */
		key_suggest(group->name, entry->key, &hint);
		if (str_eq(group->name, "Container") || str_eq(group->name, "Quadlet"))
			reading_fail(r, entry->origin, "unknown key%s", buf_str(&hint));
		else
			reading_refuse(r, entry->origin, "unknown key%s", buf_str(&hint));
		return;
	}
	judge_comment(r, key, entry);
	if (key->state == KEY_ACTED || asks_for_nothing(r, group, key, entry))
		return;
	if (key->state == KEY_NOTED) {
		if (syntax_last(group, key->name) == entry)
			reading_note(r, entry->origin, key->reason);
	} else {
		bool says_so = key->state == KEY_REFUSED || strstr(key->reason, "in this version");

		reading_refuse(r, entry->origin, "%s%s",
			       says_so ? "" : "not supported yet: ", key->reason);
	}
}

static void judge_group(struct reading *r, const struct syntax_group *group)
{
	auto_buf hint = BUF_INIT(256);

	if (str_starts(group->name, "X-"))
		return;
	if (!key_section_is_known(group->name)) {
		key_suggest_section(group->name, &hint);
		reading_refuse(r, group->origin, "unknown section%s", buf_str(&hint));
		return;
	}
	for (size_t i = 0; i < group->entry_count; i++)
		if (group->entries[i].key)
			judge_entry(r, group, &group->entries[i]);
}

void judge_unit(struct reading *r)
{
	static void (*const rules[])(struct reading * r) = {
		judge_network,	judge_ports,   judge_notify,   judge_log_driver,  judge_userns,
		judge_apparmor, judge_cgroups, judge_env_file, judge_auto_update, judge_image,
	};

	for (size_t i = 0; i < r->file->group_count; i++)
		judge_group(r, &r->file->groups[i]);
	if (r->is_podman)
		return;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		rules[i](r);
}
