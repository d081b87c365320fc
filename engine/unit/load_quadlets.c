/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ".quadlets" files: several units in one, cut at lines "---", each with a comment "# FileName=web"; the kind is that of
 * the first section that names one (podman-quadlet-install(1)). Lines keep their numbers in the file. Must never
 * guess a name or a kind.
 */
#include "unit/load_internal.h"

#include <strings.h>

#include "unit/kinds_internal.h"
#include "util/str.h"

#define SUFFIX ".quadlets"
#define NAME_MARK "FileName="

/* Bytes of the file without blanks at both ends. */
struct span {
	const char *begin, *end;
};

struct part {
	struct span text; /* lines between two cuts */
	unsigned line;	  /* of its first byte */
	struct span name;
	unsigned name_line;		 /* 0: none met */
	const struct kind *kind, *other; /* other: a second one in the same part */
	unsigned other_line;
	bool is_blank;
};

bool load_is_quadlets(const char *name)
{
	return str_ends(name, SUFFIX) && strlen(name) > strlen(SUFFIX);
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct span trim(struct span s)
{
	while (s.begin < s.end && is_blank(*s.begin))
		s.begin++;
	while (s.begin < s.end && is_blank(s.end[-1]))
		s.end--;
	return s;
}

static struct span line_at(const char *at, const char *end)
{
	const char *newline = memchr(at, '\n', (size_t)(end - at));

	return (struct span){ at, newline ? newline : end };
}

static bool starts(struct span s, const char *text)
{
	return (size_t)(s.end - s.begin) >= strlen(text) &&
	       memcmp(s.begin, text, strlen(text)) == 0;
}

/* Letters in any case, as podman has it: what is wrong with "[container]" is said when the unit is read. */
static const struct kind *kind_of_header(struct span line)
{
	const struct kind *kind;
	size_t len = (size_t)(line.end - line.begin);

	if (len < 3 || line.begin[0] != '[' || line.end[-1] != ']')
		return NULL;
	for (size_t i = 0; (kind = kind_at(i)) != NULL; i++)
		if (strlen(kind->section) == len - 2 &&
		    strncasecmp(kind->section, line.begin + 1, len - 2) == 0)
			return kind;
	return NULL;
}

static void look_at(struct part *part, struct span line, unsigned number)
{
	const struct kind *kind;

	line = trim(line);
	if (line.begin == line.end)
		return;
	part->is_blank = false;
	if (*line.begin == '#') {
		line.begin++;
		line = trim(line);
		if (!part->name_line && starts(line, NAME_MARK)) {
			part->name =
				trim((struct span){ line.begin + strlen(NAME_MARK), line.end });
			part->name_line = number;
		}
		return;
	}
	kind = kind_of_header(line);
	if (kind && !part->kind) {
		part->kind = kind;
	} else if (kind && kind != part->kind && !part->other) {
		part->other = kind;
		part->other_line = number;
	}
}

/* The lines up to the next cut or the end; *at moves behind the cut, *line to the line there. */
static struct part next_part(const char **at, const char *end, unsigned *line)
{
	struct part part = { .text = { *at, *at }, .line = *line, .is_blank = true };

	while (*at < end) {
		struct span raw = line_at(*at, end), text = trim(raw);
		unsigned number = (*line)++;

		*at = raw.end < end ? raw.end + 1 : end;
		if (text.end - text.begin == 3 && starts(text, "---"))
			return part;
		part.text.end = *at;
		look_at(&part, raw, number);
	}
	return part;
}

/* What is wrong with the name; NULL: nothing. */
static const char *name_problem(struct load *load, const struct part *part)
{
	const char *name = arena_strndup(&load->scratch, part->name.begin,
					 (size_t)(part->name.end - part->name.begin));

	if (!name[0])
		return "FileName= without a name";
	if (strlen(name) != (size_t)(part->name.end - part->name.begin) ||
	    name[strcspn(name, "/\\")] || name[0] == '.')
		return "a FileName= cannot hold path separators or begin with a dot";
	if (kind_of(name) || load_is_quadlets(name))
		return "a FileName= stands without its suffix: that follows from the section";
	return NULL;
}

/* False after a complaint. */
static bool check_part(struct load *load, const char *path, const struct part *part)
{
	const char *problem;

	if (!part->kind) {
		load_complain(
			load, path, part->line,
			"no section that names a kind of unit, like [Container], in this part of the file");
		return false;
	}
	if (part->other) {
		load_complain(
			load, path, part->other_line,
			arena_printf(&load->scratch,
				     "[%s] and [%s] in one part: put a line --- between units",
				     part->kind->section, part->other->section));
		return false;
	}
	if (!part->name_line) {
		load_complain(load, path, part->line,
			      "the unit has no name: write a comment like '# FileName=web'");
		return false;
	}
	problem = name_problem(load, part);
	if (problem)
		load_complain(load, path, part->name_line, problem);
	return !problem;
}

static void add_part(struct load *load, const struct load_folder *folder, const char *path,
		     const struct part *part)
{
	struct arena *arena = &load->scratch;
	size_t first_diag = load->set->diags.count;
	const struct load_name *taken;
	struct load_file *file;
	const char *name;

	if (!check_part(load, path, part))
		return;
	name = arena_printf(arena, "%.*s%s", (int)(part->name.end - part->name.begin),
			    part->name.begin, part->kind->suffix);
	taken = load_taken(load, name);
	if (taken && taken->folder == folder)
		load_complain(load, path, part->name_line,
			      arena_printf(&load->scratch, "%s is in %s, too: this one is not read",
					   name, taken->path));
	if (taken)
		return;
	file = load_new_file(load, name, folder, path, part->name_line);
	if (!file)
		return;
	load_take(load, name, folder, path);
	syntax_read_part(&file->text, arena, &load->set->diags, path, part->text.begin,
			 (size_t)(part->text.end - part->text.begin), part->line);
	if (file->text.error_count) {
		file->broken_path = path;
		file->first_error = load_first_error(load, first_diag);
	}
}

void load_add_quadlets(struct load *load, const struct load_folder *folder, const char *path,
		       const char *text, size_t len)
{
	const char *at = text, *end = text + len;
	unsigned line = 1;

	while (at < end) {
		struct part part = next_part(&at, end, &line);

		if (!part.is_blank)
			add_part(load, folder, path, &part);
	}
}
