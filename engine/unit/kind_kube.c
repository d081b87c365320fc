/* SPDX-License-Identifier: Apache-2.0 */
/*
 * .kube units: "podman kube play" of one or more files, and "podman kube down" of the same after
 * the stop. Must never read those files.
 */
#include <strings.h>

#include "unit/convert_internal.h"
#include "unit/kinds_internal.h"
#include "unit/names_internal.h"
#include "util/path.h"
#include "util/str.h"

#define AUTO_UPDATE "--annotation=io.containers.autoupdate"

static struct arg_list yaml_files(struct reading *r)
{
	struct arg_list values = value_words(r, r->own, "Yaml"), files = { 0 };

	for (size_t i = 0; i < values.count; i++)
		arg_push(r->arena, &files,
			 convert_path(r, values.items[i].text, values.items[i].origin),
			 values.items[i].origin);
	return files;
}

/* "registry" for all containers, "web/registry" for one of them. */
static void convert_auto_update(struct reading *r, struct arg_list *words)
{
	struct arg_list values = value_words(r, r->own, "AutoUpdate");

	for (size_t i = 0; i < values.count; i++) {
		const char *text = values.items[i].text, *slash = strchr(text, '/');

		if (slash)
			text = arena_printf(r->arena, AUTO_UPDATE "/%.*s=%s", (int)(slash - text),
					    text, slash + 1);
		else
			text = arena_printf(r->arena, AUTO_UPDATE "=%s", text);
		arg_push(r->arena, words, text, values.items[i].origin);
	}
}

static void convert_config_maps(struct reading *r, struct arg_list *words)
{
	struct arg_list values = value_words(r, r->own, "ConfigMap");

	for (size_t i = 0; i < values.count; i++) {
		const struct origin *origin = values.items[i].origin;

		convert_flag(r, words, "--configmap", convert_path(r, values.items[i].text, origin),
			     origin);
	}
}

static void convert_exit_code(struct reading *r, struct arg_list *words)
{
	struct arg value;

	if (value_text(r, r->own, "ExitCodePropagation", &value))
		arg_push(r->arena, words,
			 arena_join(r->arena, "--service-exit-code-propagation=", value.text),
			 value.origin);
}

bool special_kube(struct reading *r, const struct key *key, struct arg_list *words)
{
	static const struct {
		const char *name;
		void (*convert)(struct reading *r, struct arg_list *words);
	} rules[] = {
		{ "AutoUpdate", convert_auto_update },
		{ "ConfigMap", convert_config_maps },
		{ "ExitCodePropagation", convert_exit_code },
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		if (!str_eq(rules[i].name, key->name))
			continue;
		rules[i].convert(r, words);
		return true;
	}
	return false;
}

struct arg_list convert_kube(struct reading *r, size_t *image_index)
{
	struct arg_list words = { 0 }, files = yaml_files(r);

	(void)image_index;
	if (!files.count)
		reading_fail(r, reading_place(r, "Kube.Yaml"), "no Yaml file named: write Yaml=");
	if (r->is_podman) {
		convert_push(r, &words, "--replace");
		convert_push(r, &words, "--service-container=true");
	}
	convert_keys(r, &words);
	for (size_t i = 0; i < files.count; i++)
		arg_push(r->arena, &words, files.items[i].text, files.items[i].origin);
	return words;
}

/* Without "." and "..", as if a path that begins with a specifier began at the root. */
static const char *folder_of(struct reading *r, const char *path)
{
	char clean[4096];
	const char *slash = strrchr(path, '/');
	bool is_rooted = path[0] == '/';

	if (!slash)
		return ".";
	path = arena_printf(r->arena, "%s%.*s", is_rooted ? "" : "/", (int)(slash - path + 1),
			    path);
	if (!path_clean(path, clean, sizeof(clean)))
		return path;
	return arena_strdup(r->arena, is_rooted ? clean : clean[1] ? clean + 1 : ".");
}

/* The folder that SetWorkingDirectory= means, NULL for none. */
static const char *working_directory(struct reading *r, const struct arg_list *files)
{
	struct arg value;

	if (!value_text(r, r->own, "SetWorkingDirectory", &value))
		return NULL;
	if (strcasecmp(value.text, "unit") == 0)
		return r->unit->folder;
	if (strcasecmp(value.text, "yaml") != 0) {
		reading_fail(r, value.origin, "'%s' is neither yaml nor unit", value.text);
		return NULL;
	}
	if (files->count > 1)
		reading_fail(r, value.origin, "yaml is for one Yaml file: there are %zu",
			     files->count);
	return files->count == 1 ? folder_of(r, files->items[0].text) : NULL;
}

static void add_kube_down(struct reading *r, const struct arg_list *files)
{
	struct arg_list words = { 0 };
	enum value_bool force = value_bool(r, r->own, "KubeDownForce");

	service_text_push(r, &words, (const char *const[]){ "kube", "down", NULL });
	if (force != VALUE_UNSET)
		arg_push(r->arena, &words, force == VALUE_TRUE ? "--force" : "--force=false", NULL);
	for (size_t i = 0; i < files->count; i++)
		arg_push(r->arena, &words, files->items[i].text, NULL);
	service_text_command(r, "ExecStopPost", "", &words);
}

void service_kube(struct reading *r, const struct arg_list *words)
{
	const struct syntax_group *service = syntax_group(r->file, "Service");
	struct arg_list play = { 0 }, files = yaml_files(r);
	const char *folder = working_directory(r, &files);
	struct arg own;

	service_text_kill_mode(r);
	convert_add(r, "Service", "Environment", "PODMAN_SYSTEMD_UNIT=%n");
	service_text_type(r);
	if (!syntax_last(service, "SyslogIdentifier"))
		service_text_set(r, "SyslogIdentifier", "%N");
	service_text_push(r, &play, (const char *const[]){ "kube", "play", NULL });
	for (size_t i = 0; i < words->count; i++)
		arg_push(r->arena, &play, words->items[i].text, NULL);
	service_text_command(r, "ExecStart", "", &play);
	add_kube_down(r, &files);
	if (folder && !value_text(r, service, "WorkingDirectory", &own))
		convert_add(r, "Service", "WorkingDirectory", folder);
}
