/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folders and files of a service: RuntimeDirectory= and its like, WorkingDirectory=, StandardOutput=. Makes none of them.
 * Must never let a path out of its place.
 */
#include "unit/service_internal.h"
#include "util/path.h"
#include "util/str.h"

static const struct {
	const char *variable, *root;
} places[SERVICE_PLACE_COUNT] = {
	[SERVICE_PLACE_RUNTIME] = { "RUNTIME_DIRECTORY", "%t" },
	[SERVICE_PLACE_STATE] = { "STATE_DIRECTORY", "%S" },
	[SERVICE_PLACE_CACHE] = { "CACHE_DIRECTORY", "%C" },
	[SERVICE_PLACE_LOGS] = { "LOGS_DIRECTORY", "%L" },
	[SERVICE_PLACE_CONFIGURATION] = { "CONFIGURATION_DIRECTORY", "%E" },
};

/* No "", ".", ".." between the slashes, and not what systemd keeps for itself. */
static bool is_inside(const char *path)
{
	if (!path[0] || path[0] == '/' || str_eq(path, "private") || str_starts(path, "private/"))
		return false;
	for (const char *p = path; *p;) {
		size_t len = strcspn(p, "/");

		if (len == 0 || (len == 1 && p[0] == '.') ||
		    (len == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p += len;
		if (*p == '/' && !*++p)
			return false;
	}
	return true;
}

/* Cuts the part before the next colon off *text; "" when nothing is left. */
static const char *next_part(struct reading *r, const char **text)
{
	size_t len = strcspn(*text, ":");
	const char *part = arena_strndup(r->arena, *text, len);

	*text += len + ((*text)[len] == ':');
	return part;
}

/* "NAME[:LINK[:ro]]" */
static bool read_directory(struct reading *r, const struct arg *word, bool is_configuration,
			   struct service_directory *directory)
{
	const char *rest = word->text, *flags;

	directory->path = expand_specifiers(r, next_part(r, &rest), word->origin);
	directory->link = expand_specifiers(r, next_part(r, &rest), word->origin);
	flags = next_part(r, &rest);
	directory->is_read_only = str_eq(flags, "ro");
	directory->origin = word->origin;
	return directory->path && directory->link && is_inside(directory->path) &&
	       (!directory->link[0] || (is_inside(directory->link) && !is_configuration)) &&
	       (!flags[0] || directory->is_read_only) && !rest[0];
}

void service_read_directories(struct reading *r, const struct service_rule *rule,
			      const struct syntax_entry *entry)
{
	struct service_directories *place = &r->unit->service.directories[rule->low];
	struct arg_list words;

	if (!entry->value[0]) {
		place->count = 0;
		return;
	}
	words = service_words(r, entry, WORDS_PLAIN);
	for (size_t i = 0; i < words.count; i++) {
		struct service_directory read;

		if (read_directory(r, &words.items[i], rule->low == SERVICE_PLACE_CONFIGURATION,
				   &read))
			*(struct service_directory *)arena_push(r->arena, place->items,
								place->count) = read;
		else
			service_reject(r, rule, words.items[i].origin,
				       "'%s' is no relative path without . and .. (or PATH:LINK)",
				       words.items[i].text);
	}
}

const char *service_directory_variable(struct reading *r, const char *name)
{
	static const struct origin nobody = { .file = "", .key = "" };
	auto_buf out = BUF_INIT(UNIT_MAX_WORD_BYTES);

	for (unsigned i = 0; i < SERVICE_PLACE_COUNT; i++) {
		const struct service_directories *place = &r->unit->service.directories[i];
		const char *root = place->count && str_eq(places[i].variable, name) ?
					   expand_specifiers(r, places[i].root, &nobody) :
					   NULL;

		for (size_t k = 0; root && k < place->count; k++)
			buf_printf(&out, "%s%s/%s", k ? ":" : "", root, place->items[k].path);
	}
	return out.len && !out.failed ? arena_strdup(r->arena, buf_str(&out)) : NULL;
}

/* "file:/x", "append:/x", "truncate:/x" name a file, "fd:NAME" a descriptor. */
static bool is_stdio(struct reading *r, const char **text, const struct origin *origin)
{
	static const char *const files[] = { "file:", "append:", "truncate:" };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (str_starts(*text, files[i])) {
			*text = expand_specifiers(r, *text, origin);
			return *text && (*text)[strlen(files[i])] == '/';
		}
	return str_eq(*text, "fd") || (str_starts(*text, "fd:") && (*text)[3]);
}

void service_read_stdio(struct reading *r, const struct service_rule *rule,
			const struct syntax_entry *entry)
{
	const char *text = entry->value;
	bool is_input_only = rule->low &&
			     (str_starts(text, "append:") || str_starts(text, "truncate:"));

	for (int i = 0; rule->words[i]; i++)
		if (str_eq(text, rule->words[i])) {
			*(const char **)service_target(r, rule) = text;
			return;
		}
	if (!is_input_only && is_stdio(r, &text, entry->origin))
		*(const char **)service_target(r, rule) = text;
	else if (text)
		service_reject(r, rule, entry->origin,
			       "'%s' is no place that systemd knows (like %s or file:/PATH)",
			       entry->value, rule->words[0]);
}

void service_read_working_directory(struct reading *r, const struct service_rule *rule,
				    const struct syntax_entry *entry)
{
	struct service *service = &r->unit->service;
	bool may_miss = entry->value[0] == '-';
	const char *path = expand_specifiers(r, entry->value + may_miss, entry->origin);

	if (!path)
		return;
	if (path[0] && path[0] != '/' && !str_eq(path, "~")) {
		service_reject(r, rule, entry->origin, "'%s' is no absolute path and not ~", path);
		return;
	}
	service->working_directory = path;
	service->may_miss_working_directory = may_miss && path[0];
}
