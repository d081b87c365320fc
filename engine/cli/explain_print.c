/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "cleat explain" for people: file and line at the left, the line as written, below it what became of it. Decides nothing; must
 * never print a text that explain_shown() or explain_clean() has not seen.
 */
#include "cli/explain_internal.h"

#include <stdio.h>

#include "util/str.h"

#define MAX_PLACE 44	    /* columns; a longer place has a line of its own */
#define MAX_VALUE_BYTES 160 /* of a field; JSON has the whole */
#define LABEL "%*s    %-8s "

struct printing {
	struct explain *e;
	struct buf *out;
	int width; /* of the places */
};

/* Below the unit's folder: the folder is said once. */
static const char *short_file(const struct explain *e, const char *file)
{
	const char *slash = strrchr(e->unit->path, '/');
	size_t len = slash ? (size_t)(slash + 1 - e->unit->path) : 0;

	return len && strncmp(file, e->unit->path, len) == 0 ? file + len : file;
}

static const char *place_of(struct explain *e, const struct origin *origin)
{
	return explain_clean(e, arena_printf(&e->arena, "%s:%u", short_file(e, origin->file),
					     origin->line));
}

static void say(struct printing *p, const char *label, const char *text)
{
	buf_printf(p->out, LABEL "%s\n", p->width, "", label, text);
}

static const char *cut(struct explain *e, const char *text)
{
	char *out;

	if (strlen(text) <= MAX_VALUE_BYTES)
		return text;
	out = arena_alloc(&e->arena, MAX_VALUE_BYTES + 1);
	str_copy_text(out, MAX_VALUE_BYTES + 1, text);
	return out;
}

/* An array's member needs no path by itself: "mounts[] type=bind .."; the rest is PATH=VALUE. */
static void say_fields(struct printing *p, const char *label, const struct explain_fields *fields)
{
	for (size_t i = 0; i < fields->count && i < EXPLAIN_MAX_FIELDS; i++) {
		const struct explain_field *field = &fields->items[i];
		bool is_member = str_ends(field->path, "[]");

		buf_printf(p->out, LABEL "%s%s%s\n", p->width, "", i ? "" : label, field->path,
			   is_member ? " " : "=", cut(p->e, field->value));
	}
	if (fields->count > EXPLAIN_MAX_FIELDS)
		buf_printf(p->out, LABEL "and %zu more: see --json\n", p->width, "", "",
			   fields->count - EXPLAIN_MAX_FIELDS);
}

static bool say_diags(struct printing *p, const struct unit_line *line)
{
	bool is_any = false;

	for (size_t i = 0; i < p->e->diags.count; i++) {
		const struct diag *diag = &p->e->diags.items[i];

		if (!explain_is_about(diag, line))
			continue;
		say(p, diag_severity_name(diag->severity), explain_shown(p->e, diag->text));
		is_any = true;
	}
	return is_any;
}

static void say_words(struct printing *p, const struct explain_effect *effect)
{
	if (effect->podman[0])
		say(p, "podman", effect->podman);
	if (effect->is_hidden && (effect->here[0] || effect->podman[0]))
		say(p, "here", "values of [Service] EnvironmentFile= are in it: not shown");
	else if (effect->here[0] && !str_eq(effect->here, effect->podman))
		say(p, "here", effect->here);
	if (effect->is_skipped)
		say(p, "spec", "not looked at: too many lines");
	say_fields(p, "spec", &effect->spec);
	say_fields(p, "spec -", &effect->spec_gone);
	say_fields(p, "config", &effect->config);
	say_fields(p, "config -", &effect->config_gone);
}

/* A line that stands, acts and has words of its own changes something, unless another says the same. */
static void say_nothing_changed(struct printing *p, const struct unit_line *line,
				const struct explain_effect *effect)
{
	size_t changes = effect->spec.count + effect->config.count + effect->spec_gone.count +
			 effect->config_gone.count;

	if (!effect->here[0] || changes || effect->is_hidden || effect->is_skipped ||
	    !p->e->has_spec || p->e->unit->kind != UNIT_CONTAINER)
		return;
	say(p, "spec",
	    line->row && line->row->state == KEY_ACTED ?
		    "nothing changes without it: it is so anyway, or another line says the same" :
		    "nothing");
}

static void say_standing(struct printing *p, const struct unit_line *line,
			 const struct explain_effect *effect)
{
	const char *text = explain_say(p->e, line);

	if (text[0])
		say(p, "means", text);
	say_words(p, effect);
	if (line->change[0])
		say(p, "podman", explain_clean(p->e, line->change));
	say_nothing_changed(p, line, effect);

	bool is_told = say_diags(p, line);

	if (!text[0] && !effect->podman[0] && !line->change[0] && !is_told && line->row)
		say(p, "means", line->row->help);
	if (!line->row && !is_told)
		say(p, "", "left to others");
}

static void say_line(struct printing *p, const struct unit_line *line,
		     const struct explain_effect *effect)
{
	const char *place = place_of(p->e, line->origin);

	if ((int)strlen(place) > p->width)
		buf_printf(p->out, "%s\n%*s", place, p->width, "");
	else
		buf_printf(p->out, "%-*s", p->width, place);
	buf_printf(p->out, "  %s=%s\n", explain_clean(p->e, line->key),
		   explain_clean(p->e, line->value));
	switch (line->fate) {
	case UNIT_LINE_STANDS:
	case UNIT_LINE_PASSED_OVER:
		say_standing(p, line, effect);
		return;
	case UNIT_LINE_OVERRIDDEN:
		say(p, "nothing",
		    arena_printf(&p->e->arena, "overridden by %s", place_of(p->e, line->by)));
		break;
	case UNIT_LINE_CLEARED:
		say(p, "nothing",
		    arena_printf(&p->e->arena, "cleared by the empty assignment at %s",
				 place_of(p->e, line->by)));
		break;
	case UNIT_LINE_CLEARS:
		say(p, "means", "takes back what was said before it");
		say_words(p, effect);
		break;
	}
	say_diags(p, line);
}

static void say_header(struct printing *p)
{
	struct explain *e = p->e;
	const char *slash = strrchr(e->unit->path, '/');

	buf_printf(p->out, "%s: %s, %s\n", explain_clean(e, e->unit->service_name),
		   e->unit->is_template				  ? "a template" :
		   e->unit->is_valid && e->diags.error_count == 0 ? "valid" :
								    "invalid",
		   explain_start(e));
	if (slash)
		buf_printf(p->out, "in %s\n",
			   explain_clean(e, arena_strndup(&e->arena, e->unit->path,
							  (size_t)(slash - e->unit->path))));
}

static bool is_about_any(const struct explain *e, const struct diag *diag)
{
	for (size_t i = 0; i < e->unit->line_count; i++)
		if (explain_is_about(diag, &e->unit->lines[i]))
			return true;
	return false;
}

/* Complaints that belong to no line: something is missing, or a line could not be read. */
static void say_others(struct printing *p)
{
	bool is_first = true;

	for (size_t i = 0; i < p->e->diags.count; i++) {
		const struct diag *diag = &p->e->diags.items[i];

		if (is_about_any(p->e, diag))
			continue;
		if (is_first)
			buf_puts(p->out, "\nthe unit as a whole\n");
		is_first = false;
		buf_printf(p->out, "  %s:%u: %s: %s%s%s\n",
			   explain_clean(p->e, short_file(p->e, diag->file)), diag->line,
			   diag_severity_name(diag->severity), explain_clean(p->e, diag->key),
			   diag->key[0] ? ": " : "", explain_shown(p->e, diag->text));
	}
}

static void say_pairs(struct printing *p, const char *title, const struct explain_default *list,
		      size_t count)
{
	int width = 0;

	for (size_t i = 0; i < count; i++)
		if ((int)strlen(list[i].key) > width)
			width = (int)strlen(list[i].key);
	if (count)
		buf_printf(p->out, "\n%s\n", title);
	for (size_t i = 0; i < count; i++)
		buf_printf(p->out, "  %-*s  %s\n", width, list[i].key, list[i].text);
}

static void say_graph(struct printing *p)
{
	size_t count;
	const struct explain_edge *edges = explain_edges(p->e, &count);
	int width = 0, other = 0;

	for (size_t i = 0; i < count; i++) {
		if ((int)strlen(edges[i].verb) > width)
			width = (int)strlen(edges[i].verb);
		if ((int)strlen(edges[i].other) > other)
			other = (int)strlen(edges[i].other);
	}
	if (count)
		buf_puts(p->out, "\ngraph\n");
	for (size_t i = 0; i < count; i++)
		buf_printf(p->out, "  %-*s  %-*s  %s%s%s%s\n", width,
			   i && str_eq(edges[i].verb, edges[i - 1].verb) ? "" : edges[i].verb,
			   other, edges[i].other, edges[i].through[0] ? "through " : "",
			   edges[i].through, edges[i].through[0] ? ", " : "", edges[i].reasons);
}

void explain_print(struct explain *e, struct buf *out)
{
	struct printing p = { .e = e, .out = out };
	const char *section = "";
	size_t count;
	const struct explain_default *list;

	for (size_t i = 0; i < e->unit->line_count; i++) {
		int len = (int)strlen(place_of(e, e->unit->lines[i].origin));

		if (len > p.width && len <= MAX_PLACE)
			p.width = len;
	}
	say_header(&p);
	for (size_t i = 0; i < e->unit->line_count; i++) {
		const struct unit_line *line = &e->unit->lines[i];

		if (!str_eq(section, line->section))
			buf_printf(out, "\n[%s]\n", explain_clean(e, line->section));
		section = line->section;
		say_line(&p, line, &e->effects[i]);
	}
	say_others(&p);
	list = explain_defaults(e, &count);
	say_pairs(&p, "not said", list, count);
	say_graph(&p);
	list = explain_names(e, &count);
	say_pairs(&p, "names", list, count);
}
