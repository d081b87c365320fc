/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the engine says to each key: unknown, not yet, refused, noted, or acted on but not with this value. Nothing is
 * passed over in silence: each line of the unit is acted on, noted with its reason, or refused with its place.
 */
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "unit/kinds_internal.h"
#include "unit/span_internal.h"
#include "unit/words_internal.h"
#include "util/str.h"

static bool text_is(const struct arg *value, const char *const *list)
{
	for (; *list; list++)
		if (str_eq(value->text, *list))
			return true;
	return false;
}

bool judge_has_host_network(struct reading *r)
{
	struct arg_list values = value_list(r, r->own, "Network");
	struct arg_list args = value_args(r, r->own, "PodmanArgs");

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
	struct arg_list values = value_list(r, r->own, "PublishPort");

	if (values.count && judge_has_host_network(r))
		reading_note(
			r, values.items[0].origin,
			"with Network=host every port that the container opens is open as it is");
}

/* A oneshot is ready when it has ended, so podman does not look at Notify= then, nor systemd at its watchdog. */
static void judge_notify(struct reading *r)
{
	const struct syntax_group *service = syntax_group(r->file, "Service");
	struct arg value, type;

	if (!value_string(r, service, "Type", &type) || !str_eq(type.text, "oneshot"))
		return;
	if (value_text(r, r->own, "Notify", &value) && strcasecmp(value.text, "healthy") != 0 &&
	    value_bool(r, r->own, "Notify") == VALUE_TRUE)
		reading_note(
			r, value.origin,
			"a oneshot counts as started when it has ended: there is no NOTIFY_SOCKET");
	if (value_text(r, service, "WatchdogSec", &value))
		reading_note(r, value.origin, "a oneshot has no watchdog: write TimeoutStartSec=");
}

static void judge_log_driver(struct reading *r)
{
	static const char *const noted[] = { "journald", "k8s-file", "json-file", NULL };
	static const char *const acted[] = { "none", "passthrough", NULL };
	static const char *const known[] = { "passthrough-tty", NULL };
	static const char *const all[] = { "journald", "k8s-file",    "json-file",
					   "none",     "passthrough", NULL };
	struct arg value;

	if (!value_text(r, r->own, "LogDriver", &value))
		return;
	if (text_is(&value, noted))
		reading_note(
			r, value.origin,
			"output goes to rotated files of our own: read it with \"cleat logs\"");
	else if (text_is(&value, known))
		reading_refuse(
			r, value.origin,
			"'%s' is not supported: nobody's terminal is there; write passthrough",
			value.text);
	else if (!text_is(&value, acted))
		reading_refuse(r, value.origin, "there is no log driver '%s'%s", value.text,
			       str_hint((char[STR_HINT_BYTES]){ 0 }, value.text, all));
}

static void judge_userns(struct reading *r)
{
	static const char *const known[] = { "keep-id", NULL };
	struct arg value;

	if (value_text(r, r->own, "UserNS", &value) && !str_eq(value.text, "keep-id") &&
	    !str_starts(value.text, "keep-id:"))
		reading_refuse(
			r, value.origin,
			"'%s' is not supported yet: write UserNS=keep-id, or nothing for the appliance's own id map%s",
			value.text, str_hint((char[STR_HINT_BYTES]){ 0 }, value.text, known));
}

static void judge_apparmor(struct reading *r)
{
	static const char *const known[] = { "unconfined", NULL };
	struct arg value;

	if (!value_text(r, r->own, "AppArmor", &value))
		return;
	if (str_eq(value.text, "unconfined"))
		reading_note(r, value.origin,
			     "no AppArmor profile is ever put on a container here");
	else
		reading_refuse(
			r, value.origin,
			"profiles are not supported yet: write AppArmor=unconfined, or nothing%s",
			str_hint((char[STR_HINT_BYTES]){ 0 }, value.text, known));
}

static void judge_cgroups(struct reading *r)
{
	static const char *const fine[] = { "split", "enabled", "no-conmon", NULL };
	struct arg value;

	if (!value_text(r, r->own, "CgroupsMode", &value))
		return;
	if (text_is(&value, fine))
		reading_note(r, value.origin, "each container has a control group of its own");
	else
		reading_refuse(
			r, value.origin,
			"'%s' is not supported: each container has a control group of its own%s",
			value.text, str_hint((char[STR_HINT_BYTES]){ 0 }, value.text, fine));
}

static void judge_env_file(struct reading *r)
{
	struct arg_list values = value_args(r, r->own, "EnvironmentFile");

	for (size_t i = 0; i < values.count; i++)
		if (values.items[i].text[0] == '-')
			reading_refuse(
				r, values.items[i].origin,
				"a leading - means nothing in [Container] (podman looks for a folder named -): the file has to exist");
}

static void judge_auto_update(struct reading *r)
{
	/* The third is an older word for the first, also in podman. */
	static const char *const known[] = { "registry", "local", "image", "disabled", NULL };
	struct arg value;
	bool is_on;

	if (value_text(r, r->own, "AutoUpdate", &value) && !text_is(&value, known))
		reading_warn(r, value.origin,
			     "'%s' is neither registry nor local, so nothing is updated%s",
			     value.text,
			     systemd_bool_parse(value.text, &is_on) && is_on ?
				     ": write registry" :
				     str_hint((char[STR_HINT_BYTES]){ 0 }, value.text, known));
}

/* A name without a registry is looked up by guesses elsewhere; here it has to be the name in the archive. */
void judge_image(struct reading *r)
{
	struct arg value;

	if (!value_text(r, r->own, "Image", &value) || strchr(value.text, '$') ||
	    strchr(value.text, '%') || str_ends(value.text, ".image") ||
	    str_ends(value.text, ".build") || str_starts(value.text, "sha256:"))
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

static void warn_of_comment(struct reading *r, const struct syntax_entry *entry, size_t offset)
{
	reading_warn(r, syntax_origin(r->arena, entry, offset),
		     "'%s' is part of the value: comments stand on lines of their own",
		     entry->value + offset);
}

/* A word behind another that begins like a comment. Of a command only # alone looks like one: "#general" may be meant. */
static void judge_comment_word(struct reading *r, const struct key *key,
			       const struct syntax_entry *entry)
{
	struct words words = words_split(r->arena, entry->value,
					 key->kind == KEY_WORDS ? WORDS_PLAIN : WORDS_ESCAPES);

	for (size_t i = 1; i < words.count; i++) {
		size_t offset = words.items[i].offset;

		if (entry->value[offset] != '#' ||
		    (key->kind == KEY_LAST_ARGS && words.items[i].text[1]))
			continue;
		warn_of_comment(r, entry, offset);
		return;
	}
}

/* "ContainerName=web # main": a value, not a comment. Booleans, pairs and systemd's keys say so themselves. */
static void judge_comment(struct reading *r, const struct key *key,
			  const struct syntax_entry *entry)
{
	const char *hash;

	if (!syntax_is_same(key->section, r->kind->section))
		return;
	hash = strchr(entry->value, '#');
	if (!hash)
		return;
	if (key->kind == KEY_STRING || key->kind == KEY_LIST) {
		hash = strstr(entry->value, " #");
		if (hash && entry->value[0] != '"')
			warn_of_comment(r, entry, (size_t)(hash + 1 - entry->value));
	} else if (key->kind == KEY_WORDS || key->kind == KEY_ARGS || key->kind == KEY_LAST_ARGS) {
		judge_comment_word(r, key, entry);
	}
}

/* Where a quote is opened that nothing closes, as words are read; SIZE_MAX: none is. */
static size_t find_open_quote(const char *text)
{
	size_t open = SIZE_MAX;

	for (size_t i = strcspn(text, "\"'\\"); text[i]; i++) {
		if (text[i] == '\\' && text[i + 1])
			i++;
		else if (open != SIZE_MAX)
			open = text[i] == text[open] ? SIZE_MAX : open;
		else if (text[i] == '"' || text[i] == '\'')
			open = i;
	}
	return open;
}

/* podman says nothing of both, and goes on with other words than were meant. Of KEY_WORDS an open quote is an error. */
static void judge_command_line(struct reading *r, const struct key *key,
			       const struct syntax_entry *entry)
{
	size_t open, len = entry->value_bytes;

	if (!syntax_is_same(key->section, r->kind->section) ||
	    (key->kind != KEY_ARGS && key->kind != KEY_LAST_ARGS && key->kind != KEY_PAIRS))
		return;
	open = find_open_quote(entry->value);
	if (open != SIZE_MAX)
		reading_warn(
			r, syntax_origin(r->arena, entry, open),
			"nothing closes this quote: it is taken away, and all behind it is one word; the letter itself is written \\%c",
			entry->value[open]);
	if (key->kind == KEY_LAST_ARGS && len > 3 && str_starts(entry->value, "[\"") &&
	    entry->value[len - 1] == ']')
		reading_warn(
			r, entry->origin,
			"a command line, not JSON, which podman would run as it stands: write the words with blanks between");
}

/* A switch that is off asks for nothing; an empty value takes back what came before. */
static bool asks_for_nothing(struct reading *r, const struct syntax_group *group,
			     const struct key *key, const struct syntax_entry *entry)
{
	if (!str_eq(group->name, r->kind->section) && !str_eq(group->name, "Quadlet"))
		return service_asks_for_nothing(group->name, key, entry->value);
	if (key->kind == KEY_BOOL)
		return value_bool(r, group, key->name) != VALUE_TRUE;
	return !entry->value[0];
}

/* A later line may take the place of this one, or take it back. Of systemd's keys an empty line does so only where a text is
 * wanted: an empty switch or number is a bad value, which leaves in place what was said before. */
static bool is_taken_back(const struct reading *r, const struct syntax_group *group,
			  const struct syntax_entry *entry)
{
	const struct key *key = entry->row;
	bool is_podmans = str_eq(group->name, r->kind->section) || str_eq(group->name, "Quadlet");

	for (size_t i = group->entry_count; i > 0 && &group->entries[i - 1] != entry; i--) {
		const struct syntax_entry *later = &group->entries[i - 1];

		if (later->row != key)
			continue;
		if (!key_last_counts(key->kind)) {
			if (is_podmans && !later->value[0])
				return true;
		} else if (is_podmans || later->value[0] || key->kind == KEY_STRING) {
			return true;
		}
	}
	return false;
}

static void judge_unknown(struct reading *r, const struct syntax_group *group,
			  const struct syntax_entry *entry)
{
	bool is_own = str_eq(group->name, r->kind->section);
	bool is_podmans = is_own || str_eq(group->name, "Quadlet"); /* who refuses the unit, too */
	auto_buf hint = BUF_INIT(512);

	if (str_starts(entry->key, "X-") && !is_own)
		return; /* systemd leaves these to others */
	if (r->is_podman != (is_podmans && !r->facts->unknown_keys_are_warnings)) {
		r->has_unknown_key |= is_podmans && r->is_podman;
		return;
	}
	if (reading_repeat(r, entry->origin, "unknown key")) {
		r->has_failed |= r->is_podman;
		return;
	}
	if (!reading_is_full(r, DIAG_ERROR)) {
		judge_describe_sign(entry->key, &hint);
		key_suggest_in(r->kind->section, group->name, entry->key, &hint);
	}
	if (!is_podmans) {
		reading_refuse(r, entry->origin, "unknown key%s (systemd ignores the line)",
			       buf_str(&hint));
	} else if (r->facts->unknown_keys_are_warnings) {
		reading_warn(r, entry->origin, "unknown key, ignored%s", buf_str(&hint));
	} else {
		reading_fail(r, entry->origin, "unknown key%s", buf_str(&hint));
	}
}

/* One reason why the whole kind is not run is enough. */
static bool is_said_of_kind(const struct reading *r, const struct key *key)
{
	return key->state == KEY_NOT_YET && r->kind->not_yet[0] &&
	       str_eq(key->section, r->kind->section);
}

/* No words come of these keys, so that nobody else reads them in the engine's pass. */
static void judge_wordless(struct reading *r, const struct syntax_group *group,
			   const struct key *key)
{
	const struct syntax_entry *entry;

	if (!syntax_is_same(group->name, r->kind->section) &&
	    !syntax_is_same(group->name, "Quadlet"))
		return;
	if (key->kind == KEY_BOOL && !r->is_podman)
		value_bool(r, group, key->name);
	/* Only an escape can be wrong. */
	else if (key->kind == KEY_LAST_ARGS && (entry = syntax_last(group, key->name)) != NULL &&
		 strchr(entry->value, '\\'))
		value_args_of_entry(r, entry);
}

static void judge_entry(struct reading *r, const struct syntax_group *group,
			const struct syntax_entry *entry)
{
	const struct key *key = entry->row;

	if (!key) {
		judge_unknown(r, group, entry);
		return;
	}
	if (!r->is_podman) {
		judge_comment(r, key, entry);
		judge_command_line(r, key, entry);
		judge_slips(r, key, entry);
	}
	if (key->form == KEY_FORM_NONE)
		judge_wordless(r, group, key);
	/* The rest is for people, who hear it from the engine's pass. */
	if (r->is_podman)
		return;
	if (key->state == KEY_ACTED || is_said_of_kind(r, key) ||
	    asks_for_nothing(r, group, key, entry))
		return;
	if (key->state == KEY_NOTED) {
		if (syntax_last(group, key->name) == entry)
			reading_note(r, entry->origin, key->reason);
	} else if (!is_taken_back(r, group, entry)) {
		bool says_so = key->state == KEY_REFUSED || strstr(key->reason, "in this version");

		reading_refuse(r, entry->origin, "%s%s",
			       says_so ? "" : "not supported yet: ", key->reason);
	}
}

/* [Pod] in a .container unit and so on: podman passes it on and nobody reads it. */
static bool is_of_other_kind(struct reading *r, const struct syntax_group *group)
{
	const struct kind *kind;

	for (size_t i = 0; (kind = kind_at(i)) != NULL; i++)
		if (kind != r->kind && str_eq(kind->section, group->name)) {
			reading_refuse(r, group->origin,
				       "the section belongs in a %s unit: nobody reads it here",
				       kind->suffix);
			return true;
		}
	return false;
}

/* The sections of all files, and nearly of all that there are. */
static bool is_usual(const struct reading *r, const struct syntax_group *group)
{
	const char *const names[] = { r->kind->section, "Unit", "Service", "Install", "Quadlet" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (syntax_is_same(group->name, names[i]))
			return true;
	return false;
}

static void judge_group(struct reading *r, const struct syntax_group *group)
{
	auto_buf hint = BUF_INIT(256);

	if (!is_usual(r, group)) {
		if (str_starts(group->name, "X-") || is_of_other_kind(r, group))
			return;
		if (!key_section_is_known(group->name)) {
			judge_describe_sign(group->name, &hint);
			key_suggest_section(group->name, &hint);
			reading_refuse(r, group->origin, "unknown section%s", buf_str(&hint));
			return;
		}
	}
	for (size_t i = 0; i < group->entry_count; i++)
		if (group->entries[i].key)
			judge_entry(r, group, &group->entries[i]);
}

void judge_container(struct reading *r)
{
	static void (*const rules[])(struct reading * r) = {
		judge_ports,	judge_notify,		judge_log_driver, judge_userns,
		judge_apparmor, judge_cgroups,		judge_env_file,	  judge_auto_update,
		judge_image,	judge_container_values,
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		rules[i](r);
}

void judge_unit(struct reading *r)
{
	for (size_t i = 0; i < r->file->group_count; i++)
		judge_group(r, &r->file->groups[i]);
	if (!r->is_podman && r->kind->judge)
		r->kind->judge(r);
}
