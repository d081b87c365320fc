/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What systemd does to each word of a command, in its order: specifiers (%h), then variables ($NAME, ${NAME}).
 * Facts come from the caller, variables only from the unit's own [Service] Environment= and EnvironmentFile=. Expansion
 * multiplies, so words and bytes are counted; must never give out more than unit.h allows.
 */
#include "unit/reading_internal.h"
#include "unit/words_internal.h"
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

static const char *place_specifier(struct reading *r, char letter)
{
	const struct unit_facts *facts = r->facts;
	const struct {
		char letter;
		const char *text;
	} places[] = {
		{ 't', facts->runtime_dir },
		{ 'S', "/var/lib" },
		{ 'C', "/var/cache" },
		{ 'L', "/var/log" },
		{ 'E', "/etc" },
		{ 'D', "/usr/share" },
		{ 'T', "/tmp" },
		{ 'V', "/var/tmp" },
		{ 'h', facts->home },
		{ 's', "/bin/sh" },
		{ 'u', facts->user },
		{ 'g', facts->group },
		{ 'U', facts->uid },
		{ 'G', facts->gid },
		{ 'H', facts->hostname },
		{ 'q', facts->hostname },
		{ 'm', facts->machine_id },
		{ 'b', facts->boot_id },
		{ 'v', facts->kernel_release },
		{ 'a', facts->arch },
	};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (places[i].letter == letter)
			return places[i].text;
	if (letter == 'l')
		return facts->hostname ? cut(r->arena, facts->hostname, '.') : NULL;
	return NULL;
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
	if (text && (text[0] || letter == 'i' || letter == 'I')) {
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
	auto_buf out = BUF_INIT(UNIT_MAX_WORD_BYTES);

	if (!strchr(text, '%'))
		return text;
	for (const char *p = text; *p; p++) {
		if (*p != '%') {
			buf_putc(&out, *p);
		} else if (p[1] == '%') {
			buf_putc(&out, '%');
			p++;
		} else {
			if (!expand_one(r, p[1], &out, origin))
				return NULL;
			if (!p[1])
				break;
			p++;
		}
	}
	if (out.failed) {
		reading_refuse(r, origin, "longer than %d bytes after its specifiers",
			       UNIT_MAX_WORD_BYTES);
		return NULL;
	}
	return arena_strdup(r->arena, buf_str(&out));
}

struct expansion {
	struct reading *r;
	struct arg_list *out;
	size_t bytes;
	bool is_full; /* complained of the bounds already */
};

/* Variables that the manager's own environment has in any case. */
static const char *manager_variable(struct reading *r, const char *name)
{
	const struct {
		const char *name, *value;
	} variables[] = {
		{ "HOME", r->facts->home },
		{ "USER", r->facts->user },
		{ "LOGNAME", r->facts->user },
		{ "XDG_RUNTIME_DIR", r->facts->runtime_dir },
	};

	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		if (str_eq(variables[i].name, name))
			return variables[i].value;
	return NULL;
}

/* The last assignment wins; files come after the unit's own lines. NULL: not set. */
static const char *variable(struct reading *r, const char *name)
{
	const struct arg_list *environment = &r->unit->service.environment;
	size_t len = strlen(name);

	for (size_t i = environment->count; i > 0; i--) {
		const char *text = environment->items[i - 1].text;

		if (strncmp(text, name, len) == 0 && text[len] == '=')
			return text + len + 1;
	}
	return manager_variable(r, name);
}

static void give(struct expansion *e, const char *text, const struct origin *origin)
{
	e->bytes += strlen(text) + 1;
	if (e->out->count < UNIT_MAX_WORDS && e->bytes <= UNIT_MAX_WORD_BYTES) {
		arg_push(e->r->arena, e->out, text, origin);
		return;
	}
	if (!e->is_full)
		reading_refuse(e->r, origin,
			       "the unit's command has more than %d words or %d bytes",
			       UNIT_MAX_WORDS, UNIT_MAX_WORD_BYTES);
	e->is_full = true;
}

/* "$NAME" alone: the value's words, quotes off; no word at all when it is not set. An option whose value vanishes
 * would take the next word for it, so that is for the command's words only. */
static void give_split(struct expansion *e, const char *name, const struct origin *origin,
		       bool may_vanish)
{
	const char *value = variable(e->r, name);

	if (!value && may_vanish)
		reading_warn(
			e->r, origin,
			"$%s is set nowhere in [Service], so the word vanishes: write $$%s for the container's own",
			name, name);
	else if (!value)
		reading_refuse(e->r, origin, "$%s is set nowhere in [Service]", name);
	if (!value)
		return;

	struct words words = words_split(e->r->arena, value, WORDS_VARIABLE);

	for (size_t i = 0; i < words.count && !e->is_full; i++)
		give(e, words.items[i].text, origin);
}

/* "${NAME}" inside a word is put in as it is; "$$" is a dollar sign; any other dollar sign stays. */
static void give_joined(struct expansion *e, const char *text, const struct origin *origin)
{
	auto_buf out = BUF_INIT(UNIT_MAX_WORD_BYTES);

	for (const char *p = text; *p; p++) {
		const char *close = p[0] == '$' && p[1] == '{' ? strchr(p, '}') : NULL;

		if (close) {
			const char *name =
				arena_strndup(e->r->arena, p + 2, (size_t)(close - p - 2));
			const char *value = variable(e->r, name);

			if (!value)
				reading_warn(
					e->r, origin,
					"${%s} is set nowhere in [Service] and is empty: write $${%s} for the container's own",
					name, name);
			buf_puts(&out, value ? value : "");
			p = close;
		} else {
			buf_putc(&out, *p);
			p += p[0] == '$' && p[1] == '$';
		}
	}
	/* A word that is too long is too long for the list, too, which says so. */
	give(e, arena_strdup(e->r->arena, buf_str(&out)), origin);
	if (out.failed && !e->is_full)
		reading_refuse(e->r, origin, "longer than %d bytes after its variables",
			       UNIT_MAX_WORD_BYTES);
}

void expand_words(struct reading *r, const struct arg_list *words, struct arg_list *out,
		  size_t *image_index)
{
	struct expansion e = { .r = r, .out = out };
	size_t image = *image_index;

	for (size_t i = 0; i < words->count && !e.is_full; i++) {
		const struct arg *word = &words->items[i];
		const char *text = expand_specifiers(r, word->text, word->origin);
		size_t before = out->count;

		if (i == image)
			*image_index = before;
		if (!text)
			continue;
		if (text[0] == '$' && text[1] && text[1] != '{' && text[1] != '$')
			give_split(&e, text + 1, word->origin, i > image);
		else if (strchr(text, '$'))
			give_joined(&e, text, word->origin);
		else
			give(&e, text, word->origin);
		if (i == image && (out->count == before || !out->items[before].text[0]))
			reading_refuse(r, word->origin, "the image's name is empty");
	}
}
