/* SPDX-License-Identifier: Apache-2.0 */
/*
 * .pod units: "podman pod create" before the start, and one service that stands for the pod's first
 * process. Must come after all containers: those that start with the pod are known only then.
 */
#include "unit/kinds_internal.h"
#include "unit/names_internal.h"
#include "unit/service_internal.h"
#include "util/str.h"

/* Unlike volumes and networks, pods keep the @ of a template. */
const char *resource_pod(struct reading *r)
{
	const char *given = name_given(r, "PodName");

	return given[0] ? given :
			  arena_join(r->arena, "systemd-", kind_base_name(r->arena, r->unit->name));
}

/* An empty ExitPolicy= podman passes on as it is. */
static void convert_exit_policy(struct reading *r, struct arg_list *words)
{
	struct arg value;

	if (value_string(r, r->own, "ExitPolicy", &value)) {
		if (value.text[0] || r->is_podman)
			convert_push_pair(r, words, "--exit-policy", &value);
	} else if (r->is_podman) {
		convert_push(r, words, "--exit-policy");
		convert_push(r, words, "stop");
	}
}

bool special_pod(struct reading *r, const struct key *key, struct arg_list *words)
{
	if (!str_eq(key->name, "ExitPolicy"))
		return false;
	convert_exit_policy(r, words);
	return true;
}

static void add_members(struct reading *r)
{
	const struct unit_name *own = unit_name_find(r->names, r->unit->name);

	for (size_t i = 0; own && i < own->member_count; i++) {
		convert_add(r, "Unit", "Wants", own->members[i]);
		convert_add(r, "Unit", "Before", own->members[i]);
	}
}

struct arg_list convert_pod_unit(struct reading *r, size_t *image_index)
{
	const char *name = resource_pod(r);
	struct arg_list words = { 0 };
	struct arg given;

	(void)image_index;
	if (r->is_podman) {
		add_members(r);
		convert_push(r, &words, "--infra-conmon-pidfile=%t/%N.pid");
		convert_push(r, &words, "--replace");
		convert_push(r, &words, "--infra-name");
		convert_push(r, &words, arena_join(r->arena, name, "-infra"));
	}
	if (value_text(r, r->own, "PodName", &given)) {
		convert_push_pair(r, &words, "--name", &given);
	} else {
		convert_push(r, &words, "--name");
		convert_push(r, &words, name);
	}
	convert_keys(r, &words);
	if (!r->is_podman)
		service_push_limits(r, &words);
	/* podman has it in "pod stop" only, which is none of our commands. */
	if (!r->is_podman && value_string(r, r->own, "StopTimeout", &given) && given.text[0])
		convert_push_pair(r, &words, "--stop-timeout", &given);
	return words;
}

static void add_command(struct reading *r, const char *key, const char *const *texts,
			const char *name)
{
	struct arg_list words = { 0 };

	service_text_push(r, &words, texts);
	arg_push(r->arena, &words, name, NULL);
	service_text_command(r, key, "", &words);
}

static const char *stop_time(struct reading *r)
{
	struct arg value;

	if (!value_string(r, r->own, "StopTimeout", &value))
		return "--time=10";
	return arena_join(r->arena, "--time=", value.text);
}

void service_pod(struct reading *r, const struct arg_list *words)
{
	const struct syntax_group *service = syntax_group(r->file, "Service");
	const char *name = resource_pod(r);
	struct arg_list create = { 0 };

	if (!syntax_last(service, "SyslogIdentifier"))
		service_text_set(r, "SyslogIdentifier", "%N");
	add_command(r, "ExecStart", (const char *const[]){ "pod", "start", NULL }, name);
	add_command(r, "ExecStop",
		    (const char *const[]){ "pod", "stop", "--ignore", stop_time(r), NULL }, name);
	add_command(r, "ExecStopPost",
		    (const char *const[]){ "pod", "rm", "--ignore", "--force", NULL }, name);
	service_text_push(r, &create, (const char *const[]){ "pod", "create", NULL });
	for (size_t i = 0; i < words->count; i++)
		arg_push(r->arena, &create, words->items[i].text, NULL);
	service_text_command(r, "ExecStartPre", "", &create);
	convert_add(r, "Service", "Environment", "PODMAN_SYSTEMD_UNIT=%n");
	service_text_set(r, "Type", "forking");
	if (!syntax_last(service, "Restart"))
		service_text_set(r, "Restart", "on-failure");
	service_text_set(r, "PIDFile", "%t/%N.pid");
}
