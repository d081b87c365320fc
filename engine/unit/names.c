/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names: of services and of what the units make. Must never give out a name that systemd would not
 * take for a service's.
 */
#include "unit/names_internal.h"

#include "unit/kinds_internal.h"
#include "util/str.h"

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '-' && c <= ':' && c != '/') || c == '_' || c == '\\' || c == '@';
}

bool name_is_spelled(const char *name)
{
	while (is_letter(*name))
		name++;
	return !*name;
}

bool name_is_valid(const char *name)
{
	return name[0] && strlen(name) < UNIT_MAX_NAME_BYTES && name_is_spelled(name);
}

const char *name_service(struct reading *r)
{
	const char *base = kind_base_name(r->arena, r->unit->name);
	size_t len = strlen(base);
	struct arg given;

	if (value_text(r, r->own, "ServiceName", &given)) {
		if (name_is_valid(given.text))
			return arena_join(r->arena, given.text, ".service");
		reading_fail(
			r, given.origin,
			"'%s' is no name of a service: letters, digits and :-_.\\@, at most %d of them",
			given.text, UNIT_MAX_NAME_BYTES - 1);
	}
	/* The template sign comes last: "web@-volume" would be an instance. */
	if (len && base[len - 1] == '@')
		return arena_printf(r->arena, "%.*s%s@.service", (int)(len - 1), base,
				    r->kind->service_suffix);
	return arena_join(r->arena, base, r->kind->service_suffix, ".service");
}

bool name_is_template(const char *service)
{
	return str_ends(service, "@.service");
}

const char *name_given(struct reading *r, const char *key)
{
	struct arg given;

	return value_text(r, r->own, key, &given) ? given.text : "";
}

const char *name_default(struct reading *r)
{
	const char *base = kind_base_name(r->arena, r->unit->name), *at = strchr(base, '@');

	if (!at)
		return arena_join(r->arena, "systemd-", base);
	/* podman cuts one letter, the @ of a template; of an instance it cuts a letter of the
	 * name. */
	if (r->is_podman)
		return arena_printf(r->arena, "systemd-%.*s-%%i", (int)strlen(base) - 1, base);
	return arena_printf(r->arena, "systemd-%.*s-%s", (int)(at - base), base,
			    at[1] ? at + 1 : "%i");
}

const char *name_expand(struct reading *r, const char *text)
{
	const char *service = r->unit->service_name, *mark = strchr(text, '%');
	size_t service_len = strlen(service) - strlen(".service"), len = strlen(text);
	char *out, *to;

	if (!mark)
		return text;
	if (memchr(service, '%', service_len))
		return "";
	for (; mark; mark = strchr(mark + 2, '%')) {
		if (mark[1] != 'N')
			return "";
		len += service_len;
	}
	if (len >= 4 * UNIT_MAX_LINE_BYTES)
		return "";
	to = out = arena_alloc(r->arena, len + 1);
	for (; (mark = strchr(text, '%')) != NULL; text = mark + 2) {
		to = mempcpy(to, text, (size_t)(mark - text));
		to = mempcpy(to, service, service_len);
	}
	memcpy(to, text, strlen(text));
	return out;
}

const char *resource_container(struct reading *r)
{
	const char *name = name_given(r, "ContainerName");

	if (!name[0] && strchr(r->unit->name, '@'))
		return "";
	return name_expand(r, name[0] ? name : "systemd-%N");
}

const char *resource_none(struct reading *r)
{
	(void)r;
	return "";
}
