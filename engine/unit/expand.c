/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What systemd does to each word of a command when its specifiers are expanded: variables ($NAME, ${NAME}). They come only
 * from the unit's own [Service] Environment= and EnvironmentFile=, and from what every service has. Expansion multiplies, so
 * words and bytes are counted; must never give out more than unit.h allows.
 */
#include "unit/keep_internal.h"
#include "unit/service_internal.h"
#include "util/str.h"

struct expansion {
	struct reading *r;
	const char *
		whose; /* variables that are not set here may be meant to be "the container's" or "the shell's" */
	struct arg_list *out;
	size_t room; /* of out: a power of two, from where on arg_push() makes more */
	size_t bytes;
	bool is_full;	 /* complained of the bounds already */
	bool has_secret; /* the word at hand has a value from EnvironmentFile= */
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
	const struct arg_list *unset = &r->unit->service.unset_environment;

	for (size_t i = 0; i < unset->count; i++)
		if (str_eq(unset->items[i].text, name))
			return NULL;

	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		if (str_eq(variables[i].name, name))
			return variables[i].value;
	return service_directory_variable(r, name);
}

/* The last assignment wins; files come after the unit's own lines. NULL: not set. */
static const char *variable(struct expansion *e, const char *name)
{
	const struct arg_list *environment = &e->r->unit->service.environment;
	size_t len = strlen(name);

	for (size_t i = environment->count; i > 0; i--) {
		const char *text = environment->items[i - 1].text;

		if (strncmp(text, name, len) != 0 || text[len] != '=')
			continue;
		e->has_secret |=
			str_eq(environment->items[i - 1].origin->key, "Service.EnvironmentFile");
		return text + len + 1;
	}
	return manager_variable(e->r, name);
}

/* Most words stay one. */
static void make_room(struct expansion *e, size_t count)
{
	size_t room = ARENA_FIRST_ELEMS;

	if (e->out->count || !count)
		return;
	while (room < count && room < UNIT_MAX_WORDS)
		room *= 2;
	e->out->items = arena_alloc(e->r->arena, room * sizeof(e->out->items[0]));
	e->room = room;
}

static void give_more(struct expansion *e, const char *text, const struct origin *origin)
{
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

static inline void give(struct expansion *e, const char *text, size_t len,
			const struct origin *origin)
{
	e->bytes += len + 1;
	if (e->out->count < e->room && e->bytes <= UNIT_MAX_WORD_BYTES)
		e->out->items[e->out->count++] = (struct arg){ text, origin };
	else
		give_more(e, text, origin);
}

/* "$NAME" alone: the value's words, quotes off; no word at all when it is not set. An option whose value vanishes
 * would take the next word for it, so that is for the command's words only. */
static void give_split(struct expansion *e, const char *name, const struct origin *origin,
		       bool may_vanish)
{
	const char *value = variable(e, name);

	if (!value && may_vanish && name[0] == '(')
		reading_warn(
			e->r, origin,
			"no shell reads this: $%s is taken for a variable, which is set nowhere, so the word vanishes; write sh -c \"... $$%s\"",
			name, name);
	else if (!value && may_vanish)
		reading_warn(
			e->r, origin,
			"$%s is set nowhere in [Service], so the word vanishes: write $$%s for %s own",
			name, name, e->whose);
	else if (!value)
		reading_refuse(e->r, origin, "$%s is set nowhere in [Service]%s", name,
			       strpbrk(name, "/:,=.") ?
				       ": a variable that is a part of a word is written ${NAME}" :
				       "");
	if (!value)
		return;

	struct words words = words_split(e->r->arena, value, WORDS_VARIABLE);

	for (size_t i = 0; i < words.count && !e->is_full; i++)
		give(e, words.items[i].text, strlen(words.items[i].text), origin);
}

/* "${NAME}" inside a word is put in as it is; "$$" is a dollar sign; any other dollar sign stays. */
static void give_joined(struct expansion *e, const char *text, const struct origin *origin)
{
	char first[256] __attribute__((uninitialized));
	auto_buf out = BUF_IN(first, UNIT_MAX_WORD_BYTES);

	for (const char *p = text; *p; p++) {
		const char *close = p[0] == '$' && p[1] == '{' ? strchr(p, '}') : NULL;

		if (close) {
			const char *name =
				arena_strndup(e->r->arena, p + 2, (size_t)(close - p - 2));
			const char *value = variable(e, name);

			if (!value)
				reading_warn(
					e->r, origin,
					"${%s} is set nowhere in [Service] and is empty: write $${%s} for %s own",
					name, name, e->whose);
			buf_puts(&out, value ? value : "");
			p = close;
		} else {
			buf_putc(&out, *p);
			p += p[0] == '$' && p[1] == '$';
		}
	}
	/* A word that is too long is too long for the list, too, which says so. */
	give(e, arena_strdup(e->r->arena, buf_str(&out)), out.len, origin);
	if (out.failed && !e->is_full)
		reading_refuse(e->r, origin, "longer than %d bytes after its variables",
			       UNIT_MAX_WORD_BYTES);
}

/* One word, its specifiers expanded. */
static void give_word(struct expansion *e, const char *text, const struct origin *origin,
		      bool may_vanish)
{
	if (text[0] == '$' && text[1] && text[1] != '{' && text[1] != '$')
		give_split(e, text + 1, origin, may_vanish);
	else if (strchr(text, '$'))
		give_joined(e, text, origin);
	else
		give(e, text, strlen(text), origin);
}

void expand_command(struct reading *r, const struct arg_list *words, struct arg_list *out)
{
	struct expansion e = { .r = r, .whose = "the shell's", .out = out };

	make_room(&e, words->count);
	for (size_t i = 0; i < words->count && !e.is_full; i++) {
		const struct arg *word = &words->items[i];

		if (i == 0)
			give(&e, word->text, strlen(word->text), word->origin);
		else
			give_word(&e, word->text, word->origin, true);
	}
}

/* Most words have nothing to put in. No option of ours has: those of a line's own are no constants of the program. */
static bool is_plain(const char *text, size_t len)
{
	return (text[0] == '-' && keep_is_constant(text)) || !words_has_sign(text, len);
}

void expand_words(struct reading *r, const struct arg_list *words, struct arg_list *out,
		  size_t *image_index)
{
	struct expansion e = { .r = r, .whose = "the container's", .out = out };
	size_t image = *image_index;

	make_room(&e, words->count);
	for (size_t i = 0; i < words->count && !e.is_full; i++) {
		const struct arg *word = &words->items[i];
		size_t len = strlen(word->text);
		bool is_text = is_plain(word->text, len);
		const char *text = is_text ? word->text :
					     expand_specifiers(r, word->text, word->origin);
		size_t before = out->count;

		if (i == image)
			*image_index = before;
		if (!text)
			continue;
		e.has_secret = false;
		if (is_text)
			give(&e, text, len, word->origin);
		else
			give_word(&e, text, word->origin, i > image);
		if (e.has_secret)
			arg_push(r->arena, &r->unit->hidden_words, text, word->origin);
		if (i == image && (out->count == before || !out->items[before].text[0]))
			reading_refuse(r, word->origin, "the image's name is empty");
	}
}

/* PodmanArgs= may have option and value on two lines of one assignment. */
static bool is_of_word(const struct diag *diag, const struct origin *origin)
{
	return str_eq(diag->key, origin->key) && str_eq(diag->file, origin->file) &&
	       (diag->line == origin->line || str_ends(diag->key, ".PodmanArgs"));
}

const char *unit_shown_text(const struct unit *unit, const struct diag *diag, struct arena *arena)
{
	for (size_t i = 0; i < unit->hidden_words.count; i++) {
		const struct arg *word = &unit->hidden_words.items[i];

		if (is_of_word(diag, word->origin))
			return arena_printf(
				arena,
				"what '%s' becomes is %s; its value comes from EnvironmentFile= and is not shown",
				word->text,
				diag->severity == DIAG_ERROR ? "not accepted" : "noted");
	}
	return diag->text;
}
