/* SPDX-License-Identifier: Apache-2.0 */
/*
 * %h and its like (systemd.unit(5), "Specifiers"). Facts come from the caller. Expansion multiplies, so bytes are counted;
 * must never give out more than unit.h allows, nor be silent about a letter that systemd refuses.
 */
#include "unit/reading_internal.h"
#include "util/str.h"

static const char *cut(struct arena *arena, const char *text, char at)
{
	return arena_strndup(arena, text, strcspn(text, (char[]){ at, '\0' }));
}

/* The service's name without ".service". */
static const char *bare_name(struct reading *r)
{
	const char *name = r->unit->service_name, *dot = strrchr(name, '.');

	return arena_strndup(r->arena, name, dot ? (size_t)(dot - name) : strlen(name));
}

static const char *instance(struct reading *r)
{
	const char *at = strchr(bare_name(r), '@');

	return at ? at + 1 : "";
}

/* systemd's escaping of names: - stands for /, \xHH for a byte. */
static const char *unescape_name(struct reading *r, const char *name)
{
	char *out = arena_strdup(r->arena, name), *to = out;

	for (const char *p = name; *p; p++) {
		const char *hex = "0123456789abcdef";
		const char *high = p[0] == '\\' && p[1] == 'x' && p[2] ? strchr(hex, p[2]) : NULL;
		const char *low = high && p[3] ? strchr(hex, p[3]) : NULL;

		if (low && (high != hex || low != hex)) {
			*to++ = (char)((high - hex) * 16 + (low - hex));
			p += 3;
		} else {
			*to++ = *p == '-' ? '/' : *p;
		}
	}
	*to = '\0';
	return out;
}

static const char *last_dash_part(const char *prefix)
{
	const char *dash = strrchr(prefix, '-');

	return dash ? dash + 1 : prefix;
}

static const char *path_form(struct reading *r)
{
	const char *name = instance(r);

	return arena_printf(r->arena, "/%s",
			    unescape_name(r, *name ? name : cut(r->arena, bare_name(r), '@')));
}

static const char *name_specifier(struct reading *r, char letter)
{
	const char *prefix = cut(r->arena, bare_name(r), '@');

	switch (letter) {
	case 'n':
		return r->unit->service_name;
	case 'N':
		return bare_name(r);
	case 'p':
		return prefix;
	case 'P':
		return unescape_name(r, prefix);
	case 'i':
		return instance(r);
	case 'I':
		return unescape_name(r, instance(r));
	case 'j':
		return last_dash_part(prefix);
	case 'J':
		return unescape_name(r, last_dash_part(prefix));
	case 'f':
		return path_form(r);
	case 'y':
		return arena_printf(r->arena, "%s/%s", r->unit->folder, r->unit->name);
	case 'Y':
		return r->unit->folder;
	default:
		return NULL;
	}
}

/* Folders that a user's own manager has elsewhere: below the home folder. */
static const char *folder_specifier(struct reading *r, char letter)
{
	static const struct {
		char letter;
		const char *system, *user;
	} folders[] = {
		{ 'S', "/var/lib", ".local/state" },	 { 'C', "/var/cache", ".cache" },
		{ 'L', "/var/log", ".local/state/log" }, { 'E', "/etc", ".config" },
		{ 'D', "/usr/share", ".local/share" },
	};

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (folders[i].letter == letter)
			return r->facts->is_user && r->facts->home ?
				       arena_printf(r->arena, "%s/%s", r->facts->home,
						    folders[i].user) :
				       folders[i].system;
	return NULL;
}

static const char *place_specifier(struct reading *r, char letter)
{
	const struct unit_facts *facts = r->facts;
	const struct {
		char letter;
		const char *text;
	} places[] = {
		{ 't', facts->runtime_dir },
		{ 'T', "/tmp" },
		{ 'V', "/var/tmp" },
		{ 'h', facts->home },
		{ 's', "/bin/sh" },
		{ 'u', facts->user },
		{ 'g', facts->group },
		{ 'U', facts->uid },
		{ 'G', facts->gid },
		{ 'H', facts->hostname },
		{ 'm', facts->machine_id },
		{ 'b', facts->boot_id },
		{ 'v', facts->kernel_release },
		{ 'a', facts->arch },
	};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (places[i].letter == letter)
			return places[i].text ? places[i].text : "";
	if (letter == 'l')
		return facts->hostname ? cut(r->arena, facts->hostname, '.') : "";
	if (letter == 'q')
		return facts->pretty_hostname && facts->pretty_hostname[0] ?
			       facts->pretty_hostname :
		       facts->hostname ? facts->hostname :
					 "";
	if (letter == 'd')
		return arena_printf(r->arena, "%s/credentials/%s", facts->runtime_dir,
				    r->unit->service_name);
	return folder_specifier(r, letter);
}

static const char *release_specifier(struct reading *r, char letter)
{
	const struct unit_facts *facts = r->facts;
	const struct {
		char letter;
		const char *text;
	} fields[] = {
		{ 'o', facts->os_id },	       { 'w', facts->os_version_id },
		{ 'W', facts->os_variant_id }, { 'B', facts->os_build_id },
		{ 'M', facts->os_image_id },   { 'A', facts->os_image_version },
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (fields[i].letter == letter)
			return fields[i].text ? fields[i].text : "";
	return NULL;
}

/* A unit without an instance, and fields of os-release that are not there. */
static bool may_be_empty(char letter)
{
	return letter && strchr("iIowWBMA", letter);
}

static bool is_alphanumeric(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* The specifier whose letter stands at *at, appended to out; false after a complaint. */
static bool expand_one(struct reading *r, char letter, struct buf *out, const struct origin *origin)
{
	const char *text = name_specifier(r, letter);

	if (!text)
		text = place_specifier(r, letter);
	if (!text)
		text = release_specifier(r, letter);
	if (text && (text[0] || may_be_empty(letter))) {
		buf_puts(out, text);
		return true;
	}
	if (is_alphanumeric(letter)) {
		reading_refuse(
			r, origin,
			text ? "nothing is known for %%%c on this machine" :
			       "%%%c is no specifier that is known here: write %%%% for a percent sign",
			letter);
		return false;
	}
	/* systemd leaves a percent sign alone that stands before anything else. */
	buf_putc(out, '%');
	if (letter)
		buf_putc(out, letter);
	return true;
}

const char *expand_specifiers(struct reading *r, const char *text, const struct origin *origin)
{
	char first[256] __attribute__((uninitialized));
	auto_buf out = BUF_IN(first, UNIT_MAX_WORD_BYTES);

	if (!strchr(text, '%'))
		return text;
	for (const char *p = text, *sign; *p; p = sign[1] ? sign + 2 : sign + 1) {
		sign = strchr(p, '%');
		if (!sign) {
			buf_puts(&out, p);
			break;
		}
		buf_add(&out, p, (size_t)(sign - p));
		if (sign[1] == '%')
			buf_putc(&out, '%');
		else if (!expand_one(r, sign[1], &out, origin))
			return NULL;
	}
	if (out.failed) {
		reading_refuse(r, origin, "longer than %d bytes after its specifiers",
			       UNIT_MAX_WORD_BYTES);
		return NULL;
	}
	return arena_strdup(r->arena, buf_str(&out));
}
