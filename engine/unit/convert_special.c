/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys whose words the table cannot say: keys that are read together, have words when they are not
 * set, or are checked. Those that name other units are in convert_refer.c. Must never drop a value
 * that podman would take.
 */
#include <errno.h>
#include <strings.h>
#include <sys/stat.h>

#include "unit/convert_internal.h"
#include "util/str.h"

static void convert_notify(struct reading *r, struct arg_list *words)
{
	static const struct origin nobody = { .file = "", .key = "" };
	struct arg value = { .text = "", .origin = &nobody }, type;
	const struct syntax_group *service = syntax_group(r->file, "Service");

	if (value_string(r, service, "Type", &type) && str_eq(type.text, "oneshot"))
		return;

	bool is_set = value_string(r, r->own, "Notify", &value);

	if (is_set && strcasecmp(value.text, "healthy") == 0)
		arg_push(r->arena, words, "--sdnotify=healthy", value.origin);
	else if (value_bool(r, r->own, "Notify") == VALUE_TRUE)
		arg_push(r->arena, words, "--sdnotify=container", value.origin);
	else if (r->is_podman)
		arg_push(r->arena, words, "--sdnotify=conmon", value.origin);
	if (r->is_podman)
		arg_push(r->arena, words, "-d", &nobody);
}

static void convert_device(struct reading *r, struct arg_list *words)
{
	struct arg_list values = value_words(r, r->own, "AddDevice");

	for (size_t i = 0; i < values.count; i++) {
		const char *device = values.items[i].text;

		if (device[0] == '-') {
			const char *path =
				arena_strndup(r->arena, device + 1, strcspn(device + 1, ":"));
			struct stat st;

			device++;
			if (stat(path, &st) < 0 && errno == ENOENT)
				continue;
		}
		convert_flag(r, words, "--device", device, values.items[i].origin);
	}
}

static void convert_volatile_tmp(struct reading *r, struct arg_list *words)
{
	const struct syntax_entry *entry = syntax_last(r->own, "VolatileTmp");

	if (value_bool(r, r->own, "VolatileTmp") == VALUE_TRUE &&
	    value_bool(r, r->own, "ReadOnly") != VALUE_TRUE)
		convert_flag(r, words, "--tmpfs", "/tmp:rw,size=512M,mode=1777", entry->origin);
}

static void convert_user(struct reading *r, struct arg_list *words)
{
	struct arg user, group;
	bool has_user = value_text(r, r->own, "User", &user);
	bool has_group = value_text(r, r->own, "Group", &group);

	if (has_group && !has_user)
		reading_fail(r, group.origin, "Group without User");
	if (!has_user)
		return;
	if (has_group)
		user.text = arena_join(r->arena, user.text, ":", group.text);
	convert_flag(r, words, "--user", user.text, user.origin);
}

static void convert_auto_update(struct reading *r, struct arg_list *words)
{
	struct arg value;

	if (value_text(r, r->own, "AutoUpdate", &value))
		convert_flag(r, words, "--label",
			     arena_join(r->arena, "io.containers.autoupdate=", value.text),
			     value.origin);
}

static bool is_port_range(const char *text)
{
	size_t len = strlen(text);

	if (str_ends(text, "/tcp") || str_ends(text, "/udp"))
		len -= 4;
	return len && text[len - 1] >= '0' && text[len - 1] <= '9';
}

static void convert_expose(struct reading *r, struct arg_list *words)
{
	struct arg_list values = value_list(r, r->own, "ExposeHostPort");

	for (size_t i = 0; i < values.count; i++) {
		if (!is_port_range(values.items[i].text))
			reading_fail(r, values.items[i].origin,
				     "'%s' is not PORT[-PORT][/tcp|/udp]", values.items[i].text);
		convert_flag(r, words, "--expose", values.items[i].text, values.items[i].origin);
	}
}

static void convert_cgroups(struct reading *r, struct arg_list *words)
{
	static const struct origin nobody = { .file = "", .key = "" };
	struct arg value;

	if (value_text(r, r->own, "CgroupsMode", &value))
		convert_flag(r, words, "--cgroups", value.text, value.origin);
	else if (r->is_podman)
		convert_flag(r, words, "--cgroups=split", NULL, &nobody);
}

static void convert_env_file(struct reading *r, struct arg_list *words)
{
	struct arg_list values = value_args(r, r->own, "EnvironmentFile");

	for (size_t i = 0; i < values.count; i++)
		convert_flag(r, words, "--env-file",
			     convert_path(r, values.items[i].text, values.items[i].origin),
			     values.items[i].origin);
}

void convert_special(struct reading *r, const struct key *key, struct arg_list *words)
{
	static const struct {
		const char *name;
		void (*convert)(struct reading *r, struct arg_list *words);
		bool is_refused; /* podman does not take every value */
	} rules[] = {
		/* asked for in every unit */
		{ "CgroupsMode", convert_cgroups, false },
		{ "Notify", convert_notify, false },
		{ "RemapUsers", convert_user_mapping, true },
		{ "User", convert_user, true },
		/* in most */
		{ "Network", convert_networks, true },
		{ "Volume", convert_volumes, true },
		{ "AutoUpdate", convert_auto_update, false },
		{ "EnvironmentFile", convert_env_file, true },
		{ "AddDevice", convert_device, false },
		{ "ExposeHostPort", convert_expose, true },
		{ "Mount", convert_mounts, true },
		{ "Pod", convert_pod, true },
		{ "VolatileTmp", convert_volatile_tmp, false },
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (syntax_is_same(rules[i].name, key->name)) {
			if (rules[i].is_refused || convert_wants_words(r))
				rules[i].convert(r, words);
			return;
		}
}
