/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --secret, in podman's forms. What comes out is a reference: a name, and where the runtime is to
 * put the value that it finds under it. Must never look for the value.
 */
#include "spec/options.h"

#include <stdlib.h>

#include "util/ids.h"
#include "util/secret.h"
#include "util/str.h"

#define DEFAULT_MODE 0444
#define DIRECTORY "/run/secrets"

struct secret_parse {
	struct spec_secret secret;
	const char *type, *target;
	bool is_mount_only; /* an option was given that only a file has */
};

static void set_id(struct options *o, const char *name, const char *value, uint32_t *out)
{
	uint64_t number;
	uint32_t outside;

	if (!str_to_u64(value, UINT32_MAX, &number))
		option_error(o, "%s=%s: not a number", name, option_shown(o, value));
	else if (!ids_to_outside((uint32_t)number, &outside))
		option_error(o, "%s=%s: containers have the numbers 0-%u and %u-%u", name,
			     option_shown(o, value), IDS_RESERVED_FIRST - 1, IDS_RESERVED_LAST + 1,
			     IDS_LAST);
	else
		*out = (uint32_t)number;
}

static void set_type(struct options *o, struct secret_parse *p, const char *value)
{
	if (p->type)
		option_error(o, "the type is given twice");
	else if (!str_eq(value, "mount") && !str_eq(value, "env"))
		option_error(o, "type=%s: neither mount nor env%s", option_shown(o, value),
			     str_hint((char[STR_HINT_BYTES]){ 0 }, value,
				      (const char *const[]){ "mount", "env", NULL }));
	p->type = value;
}

static bool name_is(const char *text, size_t len, const char *name)
{
	return strlen(name) == len && strncmp(text, name, len) == 0;
}

static void take_element(struct options *o, struct secret_parse *p, const char *text)
{
	size_t len = strcspn(text, "=");
	const char *value = text + len + 1;

	if (!text[len]) {
		option_error(o, "\"%s\" is not NAME=VALUE", option_shown(o, text));
	} else if (name_is(text, len, "source")) {
		p->secret.name = value;
	} else if (name_is(text, len, "type")) {
		set_type(o, p, value);
	} else if (name_is(text, len, "target")) {
		p->target = value;
	} else if (name_is(text, len, "mode")) {
		p->is_mount_only = true;
		if (!str_to_mode(value, &p->secret.mode) || p->secret.mode > 0777)
			option_error(o, "mode=%s: not an octal mode up to 0777",
				     option_shown(o, value));
	} else if (name_is(text, len, "uid") || name_is(text, len, "UID")) {
		p->is_mount_only = true;
		set_id(o, "uid", value, &p->secret.uid);
	} else if (name_is(text, len, "gid") || name_is(text, len, "GID")) {
		p->is_mount_only = true;
		set_id(o, "gid", value, &p->secret.gid);
	} else {
		option_error(o, "\"%s\" is not known: type, target, uid, gid, mode are",
			     option_shown(o, text));
	}
}

static void set_variable(struct options *o, struct secret_parse *p)
{
	const char *name = p->target && p->target[0] ? p->target : p->secret.name;

	if (p->is_mount_only)
		option_error(o, "uid, gid and mode cannot be given with type=env");
	if (strchr(name, '='))
		option_error(o, "target=%s: a variable's name has no \"=\"", option_shown(o, name));
	p->secret.is_env = true;
	p->secret.target = name;
}

static void set_file(struct options *o, struct secret_parse *p)
{
	const char *target = p->target && p->target[0] ? p->target : p->secret.name;

	if (target[0] != '/')
		target = arena_printf(o->arena, "%s/%s", DIRECTORY, target);
	p->secret.target = option_path(o, "target", target);
	if (p->secret.target &&
	    (str_eq(p->secret.target, "/") || str_eq(p->secret.target, DIRECTORY) ||
	     str_starts(p->secret.target, "/proc/")))
		option_error(o, "target=%s: no place for a file", option_shown(o, target));
}

/* podman: a lone word is a name, whatever it holds; with more words the first may be the name. */
void parse_secret(struct options *o, const char *value)
{
	size_t errors_before = o->diags->error_count;
	struct secret_parse p = { .secret = { .mode = DEFAULT_MODE, .origin = o->word->origin } };
	struct strv words;

	if (!option_is_text(o, "secret", value))
		return;
	words = strv_split(o->arena, value, ',');
	for (size_t i = 0; i < words.count; i++) {
		if (i == 0 && (words.count == 1 || !strchr(words.items[0], '=')))
			p.secret.name = words.items[0];
		else
			take_element(o, &p, words.items[i]);
	}
	if (!p.secret.name || !p.secret.name[0]) {
		option_error(o, "there is no name of a secret in \"%s\"", option_shown(o, value));
		return;
	}
	if (!secret_name_is_valid(p.secret.name))
		option_error(o,
			     "\"%s\" is no name of a secret: 1 to %u characters without \"=\", "
			     "\",\", \"/\" or a dot in front",
			     option_shown(o, p.secret.name), SECRET_NAME_MAX);
	if (p.type && str_eq(p.type, "env"))
		set_variable(o, &p);
	else
		set_file(o, &p);
	if (o->spec->secret_count == SPEC_MAX_SECRETS)
		option_error(o, "more than %d secrets", SPEC_MAX_SECRETS);
	if (o->diags->error_count == errors_before)
		*arena_push(o->arena, o->spec->secrets, o->spec->secret_count) = p.secret;
}

static const struct origin *other_user(const struct container_spec *spec, size_t index)
{
	const struct spec_secret *s = &spec->secrets[index];

	for (size_t i = 0; i < index; i++)
		if (spec->secrets[i].is_env == s->is_env &&
		    str_eq(spec->secrets[i].target, s->target))
			return spec->secrets[i].origin;
	for (size_t i = 0; !s->is_env && i < spec->mount_count; i++)
		if (spec->mounts[i].target && str_eq(spec->mounts[i].target, s->target))
			return spec->mounts[i].origin;
	return NULL;
}

void secrets_judge(struct options *o)
{
	const struct container_spec *spec = o->spec;

	for (size_t i = 0; i < spec->secret_count; i++) {
		const struct origin *other = other_user(spec, i);
		struct arg *word;

		if (!other)
			continue;
		word = arena_new(o->arena, struct arg);
		*word = (struct arg){ .text = "", .origin = spec->secrets[i].origin };
		o->word = word;
		o->row = option_find(o->table, "secret", strlen("secret"));
		option_error(o, "%s %s is already used at %s:%u",
			     spec->secrets[i].is_env ? "variable" : "mount target",
			     option_shown(o, spec->secrets[i].target), other->file, other->line);
	}
}
