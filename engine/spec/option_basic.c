/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container is called, runs, and is told: names, words, environment, user, stop, log. Values
 * of variables may hold anything but NUL; names may not hold control bytes, because they end up in
 * lines of text.
 */
#include "spec/options.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>
#include <yyjson.h>

#include "unit/zones.h"
#include "util/ids.h"
#include "util/signals.h"
#include "util/str.h"

#define NAME_MAX_BYTES 128
#define GROUPS_MAX 256

static bool is_name_byte(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '-';
}

/* podman: [a-zA-Z0-9][a-zA-Z0-9_.-]*; the bound is ours: names become file names and log lines. */
void parse_name(struct options *o, const char *value)
{
	size_t len = strlen(value);
	bool good = len > 0 && len <= NAME_MAX_BYTES && isalnum((unsigned char)value[0]);

	for (size_t i = 0; good && i < len; i++)
		good = is_name_byte(value[i]);
	if (!good) {
		option_error(
			o,
			"name \"%s\": 1 to %d letters, digits, '_', '.', '-', a letter or digit first",
			option_shown(o, value), NAME_MAX_BYTES);
		return;
	}
	o->spec->name = arena_strdup(o->arena, value);
}

/* 64 bytes are the kernel's bound (__NEW_UTS_LEN). */
void parse_hostname(struct options *o, const char *value)
{
	size_t len = strlen(value);
	bool good = len > 0 && len <= 64 && isalnum((unsigned char)value[0]);

	for (size_t i = 0; good && i < len; i++)
		good = is_name_byte(value[i]);
	if (!good) {
		option_error(
			o,
			"host name \"%s\": 1 to 64 letters, digits, '_', '.', '-', a letter or digit first",
			option_shown(o, value));
		return;
	}
	o->spec->hostname = arena_strdup(o->arena, value);
}

bool parse_json_strings(struct arena *arena, const char *text, struct strv *out)
{
	yyjson_doc *doc = yyjson_read(text, strlen(text), 0);
	yyjson_val *root = yyjson_doc_get_root(doc);
	struct strv words = { 0 };
	size_t index, count;
	yyjson_val *item;
	bool good = yyjson_is_arr(root);

	if (good) {
		yyjson_arr_foreach(root, index, count, item)
		{
			const char *s = yyjson_get_str(item);

			/* A NUL inside would cut the word. */
			if (!s || strlen(s) != yyjson_get_len(item)) {
				good = false;
				break;
			}
			strv_push(arena, &words, arena_strdup(arena, s));
		}
	}
	yyjson_doc_free(doc);
	if (good)
		*out = words;
	return good;
}

void parse_entrypoint(struct options *o, const char *value)
{
	struct strv words = { 0 };

	o->spec->entrypoint_set = true;
	if (!parse_json_strings(o->arena, value, &words))
		strv_push(o->arena, &words, arena_strdup(o->arena, value));
	/* podman: one empty word clears the image's entrypoint and puts nothing in its place. */
	if (words.count == 1 && !words.items[0][0])
		words.count = 0;
	o->spec->entrypoint = words;
}

void parse_env(struct options *o, const char *value)
{
	const char *equals = strchr(value, '=');
	struct spec_env *env;
	const char *name;

	if (!equals) {
		option_error(
			o,
			"\"%s\" has no value: write %s=VALUE (the engine's own environment is not handed to containers)",
			option_shown(o, value), option_shown(o, value));
		return;
	}
	name = arena_strndup(o->arena, value, (size_t)(equals - value));
	if (!name[0]) {
		option_error(o, "\"%s\" has no name", option_shown(o, value));
		return;
	}
	if (!option_is_text(o, "the variable's name", name))
		return;
	env = arena_push(o->arena, o->spec->env, o->spec->env_count);
	env->name = name;
	env->value = arena_strdup(o->arena, equals + 1);
	env->origin = o->word->origin;
}

void parse_env_file(struct options *o, const char *value)
{
	const char *path = option_path(o, "environment file", value);
	struct spec_env_file *file;

	if (!path)
		return;
	file = arena_push(o->arena, o->spec->env_files, o->spec->env_file_count);
	file->path = path;
	file->origin = o->word->origin;
}

void parse_unset_env(struct options *o, const char *value)
{
	if (!option_is_text(o, "the variable's name", value))
		return;
	if (!value[0] || strchr(value, '='))
		option_error(o, "\"%s\" is no variable's name", option_shown(o, value));
	else
		strv_push(o->arena, &o->spec->unset_env, arena_strdup(o->arena, value));
}

void parse_unset_env_all(struct options *o, const char *value)
{
	o->spec->unset_env_all = str_eq(value, "true");
}

/* NAME or NAME=VALUE; NULL after an error. The caller adds it where it belongs. */
static bool split_pair(struct options *o, const char *value, struct spec_pair *out)
{
	size_t len = strcspn(value, "=");

	out->name = arena_strndup(o->arena, value, len);
	out->value = arena_strdup(o->arena, value[len] ? value + len + 1 : "");
	out->origin = o->word->origin;
	if (!out->name[0]) {
		option_error(o, "\"%s\" has no name", option_shown(o, value));
		return false;
	}
	return option_is_text(o, "the name", out->name);
}

/* Later ones replace earlier ones of the same name. */
static void put_pair(struct options *o, struct spec_pair **pairs, size_t *count,
		     const struct spec_pair *pair)
{
	for (size_t i = 0; i < *count; i++)
		if (str_eq((*pairs)[i].name, pair->name)) {
			(*pairs)[i] = *pair;
			return;
		}
	*arena_push(o->arena, *pairs, *count) = *pair;
}

void parse_label(struct options *o, const char *value)
{
	struct spec_pair pair;

	if (!split_pair(o, value, &pair))
		return;
	put_pair(o, &o->spec->labels, &o->spec->label_count, &pair);
	if (!str_eq(pair.name, "io.containers.autoupdate"))
		return;
	o->spec->auto_update = pair.value;
	o->update_word = o->word;
}

void parse_annotation(struct options *o, const char *value)
{
	struct spec_pair pair;

	if (!split_pair(o, value, &pair))
		return;
	if (str_starts(pair.name, "org.cleat.")) {
		option_error(o, "annotation %s: names below org.cleat. are the engine's own",
			     option_shown(o, pair.name));
		return;
	}
	put_pair(o, &o->spec->annotations, &o->spec->annotation_count, &pair);
}

/* A number that the map has no place for is refused here, where the line is still known. */
static bool check_id(struct options *o, const char *what, const char *text)
{
	uint64_t number;
	uint32_t outside;

	if (!text[0]) {
		option_error(o, "the %s is empty", what);
		return false;
	}
	if (strspn(text, "0123456789") != strlen(text)) {
		if (strpbrk(text, ": \t,") == NULL && strlen(text) <= 64)
			return option_is_text(o, what, text);
		option_error(o, "\"%s\" is no %s", option_shown(o, text), what);
		return false;
	}
	if (!str_to_u64(text, UINT32_MAX, &number) || !ids_to_outside((uint32_t)number, &outside)) {
		option_error(o, "%s %s: ids of containers are 0 to %u without %u to %u", what,
			     option_shown(o, text), IDS_LAST, IDS_RESERVED_FIRST,
			     IDS_RESERVED_LAST);
		return false;
	}
	return true;
}

void parse_user(struct options *o, const char *value)
{
	size_t len = strcspn(value, ":");

	if (!value[0]) { /* podman: --user= means nothing was said */
		o->spec->user = NULL;
		return;
	}
	if (!check_id(o, "user", arena_strndup(o->arena, value, len)))
		return;
	if (value[len] && !check_id(o, "group", value + len + 1))
		return;
	o->spec->user = arena_strdup(o->arena, value);
}

void parse_group_add(struct options *o, const char *value)
{
	if (str_eq(value, "keep-groups")) {
		option_note(
			o,
			"noted: keep-groups has nothing to keep, the engine has no other groups");
		return;
	}
	if (o->spec->group_add.count >= GROUPS_MAX)
		option_error(o, "more than %d groups", GROUPS_MAX);
	else if (check_id(o, "group", value))
		strv_push(o->arena, &o->spec->group_add, arena_strdup(o->arena, value));
}

void parse_passwd(struct options *o, const char *value)
{
	o->spec->no_passwd = str_eq(value, "false");
}

#define ENTRY_MAX_BYTES 512

static const char *account_entry(struct options *o, const char *file, const char *value)
{
	size_t len = 0;

	while ((unsigned char)value[len] >= 0x20 && value[len] != 0x7f)
		len++;
	if (!value[len] && len <= ENTRY_MAX_BYTES)
		return len ? arena_strdup(o->arena, value) : NULL;
	option_error(o, "\"%s\" is no line of %s of at most %d bytes", option_shown(o, value), file,
		     ENTRY_MAX_BYTES);
	return NULL;
}

void parse_passwd_entry(struct options *o, const char *value)
{
	o->spec->passwd_entry = account_entry(o, "/etc/passwd", value);
}

void parse_group_entry(struct options *o, const char *value)
{
	o->spec->group_entry = account_entry(o, "/etc/group", value);
}

void parse_workdir(struct options *o, const char *value)
{
	const char *path = option_path(o, "working directory", value);

	if (path)
		o->spec->workdir = path;
}

void parse_stop_signal(struct options *o, const char *value)
{
	int number;

	if (!signal_parse(value, SIGNAL_OF_PODMAN, &number))
		option_error(o, "\"%s\" is no signal", option_shown(o, value));
	else
		o->spec->stop_signal = arena_strdup(o->arena, value);
}

void parse_stop_timeout(struct options *o, const char *value)
{
	uint64_t seconds;

	if (!str_to_u64(value, 366 * 24 * 3600, &seconds))
		option_error(o, "\"%s\" is no number of seconds below a year",
			     option_shown(o, value));
	else
		o->spec->stop_timeout_usec = seconds * 1000000;
}

/*
 * A zone's name as tzset(3) takes it; "..", a leading '/' or ':' would name a file outside the zone
 * directory.
 */
void parse_timezone(struct options *o, const char *value)
{
	bool good = value[0] && strlen(value) <= 64 && !strstr(value, "..") && value[0] != '/';
	char rule[ZONE_MAX_BYTES], meant[ZONE_MAX_BYTES];

	for (const char *p = value; good && *p; p++)
		good = isalnum((unsigned char)*p) || strchr("_+-/", *p) != NULL;
	if (!good) {
		option_error(o, "\"%s\" is no time zone's name, like Europe/Berlin",
			     option_shown(o, value));
		return;
	}
	o->spec->timezone = arena_strdup(o->arena, value);
	if (str_eq(value, "local") || zone_rule(value, rule, sizeof(rule)))
		return;
	if (zone_suggest(value, meant, sizeof(meant)))
		option_warn(
			o,
			"no time zone %s is known here: did you mean %s? Only images that bring it themselves have another time than UTC",
			value, meant);
	else
		option_warn(
			o,
			"no time zone %s is known here: only images that bring it themselves have another time than UTC",
			value);
}

void parse_umask(struct options *o, const char *value)
{
	unsigned mode;

	if (!value[0] || strlen(value) > 4 || !str_to_mode(value, &mode) || mode > 0777)
		option_error(o, "\"%s\" is no octal file mode mask", option_shown(o, value));
	else
		o->spec->umask = (int)mode;
}

/* podman takes Kubernetes' words, too. */
void parse_pull(struct options *o, const char *value)
{
	static const struct {
		const char *word;
		enum spec_pull pull;
	} rows[] = {
		{ "", SPEC_PULL_MISSING },
		{ "missing", SPEC_PULL_MISSING },
		{ "true", SPEC_PULL_MISSING },
		{ "false", SPEC_PULL_MISSING },
		{ "ifnotpresent", SPEC_PULL_MISSING },
		{ "never", SPEC_PULL_NEVER },
		{ "always", SPEC_PULL_ALWAYS },
		{ "newer", SPEC_PULL_NEWER },
		{ "ifnewer", SPEC_PULL_NEWER },
	};
	size_t i = 0;

	while (i < sizeof(rows) / sizeof(rows[0]) && strcasecmp(value, rows[i].word) != 0)
		i++;
	if (i < sizeof(rows) / sizeof(rows[0]))
		o->spec->pull = rows[i].pull;
	else
		option_error(o, "\"%s\" is none of always, missing, never, newer%s",
			     option_shown(o, value),
			     str_hint((char[STR_HINT_BYTES]){ 0 }, value,
				      (const char *const[]){ "always", "missing", "never", "newer",
							     NULL }));
}

void parse_sdnotify(struct options *o, const char *value)
{
	if (str_eq(value, "conmon") || str_eq(value, "ignore"))
		o->spec->notify = SPEC_NOTIFY_CONMON;
	else if (str_eq(value, "healthy"))
		o->spec->notify = SPEC_NOTIFY_HEALTHY;
	else if (str_eq(value, "container"))
		o->spec->notify = SPEC_NOTIFY_CONTAINER;
	else
		option_error(o, "\"%s\" is none of conmon, container, healthy, ignore%s",
			     option_shown(o, value),
			     str_hint((char[STR_HINT_BYTES]){ 0 }, value,
				      (const char *const[]){ "conmon", "container", "healthy",
							     "ignore", NULL }));
}

void parse_restart(struct options *o, const char *value)
{
	if (!str_eq(value, "no") && value[0])
		option_error(o, "refused: belongs into [Service]: Restart=%s",
			     str_eq(value, "unless-stopped") ? "always" : option_shown(o, value));
}

/* --detach, --rm, --replace: how things are done here anyway. */
void parse_own_way(struct options *o, const char *value)
{
	if (str_eq(value, "false"))
		option_note(o, "noted: %s", o->row->text);
}
