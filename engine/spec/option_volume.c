/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "podman volume create": its words -> struct volume_spec. A volume is a folder of the appliance, a folder under another name,
 * or a tmpfs; whatever would need a device, a server or a privilege is refused here and not when a container starts. Pure.
 */
#include "spec/volume.h"

#include <stdlib.h>

#include "spec/options.h"
#include "unit/unit.h"
#include "util/ids.h"
#include "util/places.h"
#include "util/str.h"

static bool is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '.' || c == '-';
}

bool volume_name_is_valid(const char *name)
{
	const char *end = name;

	while (is_name_byte(*end))
		end++;
	return name[0] && !strchr("._-", name[0]) && !*end;
}

void volume_spec_init(struct volume_spec *out, const char *name)
{
	*out = (struct volume_spec){
		.name = name, .uid = UINT32_MAX, .gid = UINT32_MAX, .mode = 01777
	};
}

static void parse_driver(struct options *o, const char *value)
{
	if (str_eq(value, "local"))
		return;
	o->volume->is_image = str_eq(value, "image");
	if (o->volume->is_image)
		option_error(
			o,
			"volumes made of an image are not supported: let the container copy the content at its first start (Copy=true)");
	else
		option_error(o, "driver \"%s\": there are no volume plugins here, only local",
			     option_shown(o, value));
}

static void parse_volume_label(struct options *o, const char *value)
{
	size_t len = strcspn(value, "=");
	struct spec_pair *pair;

	if (!len || !option_is_text(o, "the label", value)) {
		if (!len)
			option_error(o, "\"%s\" has no name", option_shown(o, value));
		return;
	}
	if (o->volume->label_count >= VOLUME_MAX_LABELS) {
		option_error(o, "more than %d labels", VOLUME_MAX_LABELS);
		return;
	}
	pair = arena_push(o->arena, o->volume->labels, o->volume->label_count);
	pair->name = arena_strndup(o->arena, value, len);
	pair->value = arena_strdup(o->arena, value[len] ? value + len + 1 : "");
	pair->origin = o->word->origin;
}

static void parse_owner(struct options *o, const char *what, const char *value, uint32_t *out)
{
	uint32_t outside;
	uint64_t id;

	if (!str_to_u64(value, UINT32_MAX, &id) || !ids_to_outside((uint32_t)id, &outside))
		option_error(o, "%s \"%s\" is no id of a container (0-%u, %u-%u)", what,
			     option_shown(o, value), IDS_RESERVED_FIRST - 1, IDS_RESERVED_LAST + 1,
			     IDS_LAST);
	else if (*out != UINT32_MAX && *out != id)
		option_error(o, "%s is given twice", what);
	else
		*out = (uint32_t)id;
}

static void parse_uid(struct options *o, const char *value)
{
	parse_owner(o, "uid", value, &o->volume->uid);
}

static void parse_gid(struct options *o, const char *value)
{
	parse_owner(o, "gid", value, &o->volume->gid);
}

/* Judged when all are known: o= means one thing for a folder and another for a tmpfs. */
static void parse_opt(struct options *o, const char *value)
{
	size_t len = strcspn(value, "=");
	struct spec_pair *pair;

	if (!option_is_text(o, "the option", value))
		return;
	if (o->volume->option_count >= VOLUME_MAX_OPTIONS) {
		option_error(o, "more than %d options", VOLUME_MAX_OPTIONS);
		return;
	}
	pair = arena_push(o->arena, o->volume->options, o->volume->option_count);
	pair->name = arena_strndup(o->arena, value, len);
	pair->value = arena_strdup(o->arena, value[len] ? value + len + 1 : "");
	pair->origin = o->word->origin;
}

static void parse_ignore(struct options *o, const char *value)
{
	o->volume->ignore = str_eq(value, "true");
}

#define ACT(name, letter, arg, parse, text, example, bad)                           \
	{                                                                           \
		name, letter, OPTION_##arg, OPTION_ACTED, parse, text, example, bad \
	}

/* clang-format off */
static const struct option rows[] = {
	ACT("driver", 'd', VALUE, parse_driver, "local", "local", "nfs"),
	ACT("gid", 0, VALUE, parse_gid, "group that owns the volume's folder", "1001", "staff"),
	ACT("ignore", 0, BOOL, parse_ignore, "a volume that exists is no error", "true", "maybe"),
	ACT("label", 'l', VALUE, parse_volume_label, "NAME=VALUE", "backup=daily", "=x"),
	ACT("opt", 'o', VALUE, parse_opt, "type=, device=, o=, copy, nocopy", "o=uid=1001,nodev", NULL),
	ACT("uid", 0, VALUE, parse_uid, "user that owns the volume's folder", "1001", "moe"),
};
/* clang-format on */

static const struct option_table options_of_volume = { rows, sizeof(rows) / sizeof(rows[0]) };

static void set_size(struct options *o, const char *value)
{
	if (o->volume->kind != VOLUME_TMPFS)
		option_error(
			o,
			"o=size= of a folder would need quotas of the file system, which are not supported: only a tmpfs has a size");
	else
		option_tmpfs_size(o, value, &o->volume->size_bytes, &o->volume->size_percent);
}

static void set_mode(struct options *o, const char *value)
{
	if (o->volume->kind != VOLUME_TMPFS)
		option_error(o, "o=mode= is an option of a tmpfs");
	else if (!str_to_mode(value, &o->volume->mode))
		option_error(o, "mode=%s is no octal mode", option_shown(o, value));
}

static bool set_flag(struct volume_spec *v, const char *word)
{
	const struct {
		const char *name;
		bool *flag;
		bool value;
	} flags[] = {
		{ "ro", &v->read_only, true },	 { "rw", &v->read_only, false },
		{ "noexec", &v->no_exec, true }, { "exec", &v->no_exec, false },
		{ "nosuid", &v->no_suid, true }, { "suid", &v->no_suid, false },
		{ "nodev", &v->no_dev, true },	 { "dev", &v->no_dev, false },
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (str_eq(word, flags[i].name)) {
			*flags[i].flag = flags[i].value;
			return true;
		}
	return false;
}

/* One word of o=. */
static void mount_word(struct options *o, const char *word)
{
	static const char *const nothing[] = { "bind",	   "rbind",    "private", "rprivate",
					       "relatime", "defaults", "noquota" };

	for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++)
		if (str_eq(word, nothing[i]))
			return;
	if (!word[0] || set_flag(o->volume, word))
		return;
	if (str_starts(word, "uid="))
		parse_uid(o, word + 4);
	else if (str_starts(word, "gid="))
		parse_gid(o, word + 4);
	else if (str_starts(word, "size="))
		set_size(o, word + 5);
	else if (str_starts(word, "mode="))
		set_mode(o, word + 5);
	else if (str_eq(word, "noatime"))
		option_note(
			o,
			"noted: o=noatime: times of access are kept as the appliance's file system does");
	else
		option_error(o, "o=%s is no option of a volume here", option_shown(o, word));
}

static const struct spec_pair *last_option(const struct volume_spec *v, const char *name)
{
	for (size_t i = v->option_count; i > 0; i--)
		if (str_eq(v->options[i - 1].name, name))
			return &v->options[i - 1];
	return NULL;
}

static void point_to(struct options *o, const struct spec_pair *option)
{
	struct arg *arg = arena_new(o->arena, struct arg);

	*arg = (struct arg){ .text = option->value, .origin = option->origin };
	o->word = arg;
	o->row = option_find(o->table, "opt", strlen("opt"));
}

static bool has_word(struct options *o, const struct spec_pair *option, const char *word)
{
	struct strv words = { 0 };

	if (option)
		words = strv_split(o->arena, option->value, ',');
	return strv_has(&words, word);
}

static void judge_bind(struct options *o, const char *device)
{
	if (!device) {
		option_error(o, "a bind needs device=/path");
		return;
	}
	o->volume->kind = VOLUME_BIND;
	o->volume->device = option_path(o, "device", device);
	if (o->volume->uid != UINT32_MAX || o->volume->gid != UINT32_MAX)
		option_error(o, "the owner of a folder elsewhere is not changed: mount it with U");
}

/* Which of the three it is; podman hands the rest to mount(8). */
static void judge_kind(struct options *o)
{
	struct volume_spec *v = o->volume;
	const struct spec_pair *type = last_option(v, "type"), *device = last_option(v, "device");
	const struct spec_pair *words = last_option(v, "o");
	const char *name = type ? type->value : "";

	if (type || device || words)
		point_to(o, type ? type : device ? device : words);
	if (str_eq(name, "tmpfs")) {
		v->kind = VOLUME_TMPFS;
		v->no_suid = v->no_dev = true;
	} else if (str_eq(name, "bind") || has_word(o, words, "bind") ||
		   has_word(o, words, "rbind")) {
		judge_bind(o, device ? device->value : NULL);
	} else if (type && !str_eq(name, "none") && name[0]) {
		option_error(
			o,
			"type=%s is not supported: only a folder (type=none, o=bind) and tmpfs; let the appliance's host mount it below " CLEAT_DATA_DIR
			" and name the folder",
			option_shown(o, name));
	} else if (device) {
		option_error(
			o,
			"device=%s needs type=tmpfs or o=bind: devices and servers are not mounted here",
			option_shown(o, device->value));
	}
}

static void judge_options(struct options *o)
{
	struct volume_spec *v = o->volume;
	bool copy_said = false;

	for (size_t i = 0; i < v->option_count; i++) {
		const struct spec_pair *option = &v->options[i];
		struct strv words;

		point_to(o, option);
		if (str_eq(option->name, "copy") || str_eq(option->name, "nocopy")) {
			v->no_copy = option->name[0] == 'n';
			copy_said = !v->no_copy;
		} else if (str_eq(option->name, "o")) {
			words = strv_split(o->arena, option->value, ',');
			for (size_t k = 0; k < words.count; k++)
				mount_word(o, words.items[k]);
		} else if (!str_eq(option->name, "type") && !str_eq(option->name, "device") &&
			   !(v->is_image && str_eq(option->name, "image"))) {
			option_error(o, "option %s is not known: type, device, o, copy, nocopy",
				     option_shown(o, option->name));
		}
	}
	if (v->kind != VOLUME_BIND)
		return;
	if (copy_said)
		option_error(
			o,
			"nothing is ever copied into a folder of the appliance: leave out device= or copy");
	v->no_copy = true;
}

static void take_name(struct options *o, const struct arg *word)
{
	o->word = word;
	o->row = NULL;
	if (o->volume->name[0])
		option_error(o, "a second name: %s", option_shown(o, word->text));
	else if (!volume_name_is_valid(word->text) || strlen(word->text) > VOLUME_NAME_MAX_BYTES)
		option_error(
			o,
			"\"%s\" is no name for a volume: letters, digits, '_', '.', '-', at most %d, a letter or digit first",
			option_shown(o, word->text), VOLUME_NAME_MAX_BYTES);
	else
		o->volume->name = arena_strdup(o->arena, word->text);
}

int volume_from_args(struct volume_spec *out, struct arena *arena, const struct arg_list *args,
		     struct diags *diags)
{
	static const struct origin nowhere = { .file = "", .key = "" };
	static const struct arg no_word = { .text = "", .origin = &nowhere };
	struct options o = { .table = &options_of_volume,
			     .volume = out,
			     .arena = arena,
			     .diags = diags,
			     .word = args->count ? &args->items[0] : &no_word };
	size_t errors_before = diags->error_count;

	volume_spec_init(out, "");
	out->origin = o.word->origin;
	if (args->count > OPTIONS_MAX_WORDS) {
		option_error(&o, "%zu words; at most %u are allowed", args->count,
			     (unsigned)OPTIONS_MAX_WORDS);
		return -1;
	}
	for (size_t next = 0; next < args->count;) {
		next = options_take(&o, args, next);
		if (next < args->count)
			take_name(&o, &args->items[next++]);
	}
	judge_kind(&o);
	judge_options(&o);
	return diags->error_count == errors_before ? 0 : -1;
}

void volumes_of_units(const struct unit_set *set, struct arena *arena, struct volume_spec **out,
		      size_t *count)
{
	struct diags unsaid = { 0 };

	for (size_t i = 0; i < set->count; i++) {
		const struct unit *unit = &set->units[i];
		struct volume_spec volume;

		if (unit->kind == UNIT_VOLUME && unit->is_valid && !unit->is_template &&
		    volume_from_args(&volume, arena, &unit->spec_args, &unsaid) == 0)
			*arena_push(arena, *out, *count) = volume;
	}
	diags_fini(&unsaid);
}

const struct volume_spec *volume_find(const struct volume_spec *volumes, size_t count,
				      const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (str_eq(volumes[i].name, name))
			return &volumes[i];
	return NULL;
}
