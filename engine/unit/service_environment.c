/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the values of $NAME come from: [Service] Environment=, EnvironmentFile=, less UnsetEnvironment=. The engine's own
 * environment is never one of them.
 */
#include "unit/env_file_internal.h"
#include "unit/service_internal.h"
#include "util/str.h"

static bool is_variable_name(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!((text[i] >= 'A' && text[i] <= 'Z') || (text[i] >= 'a' && text[i] <= 'z') ||
		      text[i] == '_' || (i && text[i] >= '0' && text[i] <= '9')))
			return false;
	return len > 0;
}

void service_read_environment(struct reading *r, const struct service_rule *rule,
			      const struct syntax_entry *entry)
{
	struct arg_list *environment = &r->unit->service.environment, words;

	if (!entry->value[0]) {
		environment->count = 0;
		return;
	}
	words = service_words(r, entry, WORDS_ESCAPES);
	for (size_t i = 0; i < words.count; i++) {
		const struct arg *word = &words.items[i];
		const char *text = expand_specifiers(r, word->text, word->origin);
		const char *equals = text ? strchr(text, '=') : NULL;

		if (text && (!equals || !is_variable_name(text, (size_t)(equals - text))))
			service_reject(r, rule, word->origin, "'%s' is no NAME=VALUE", text);
		else if (text)
			arg_push(r->arena, environment, text, word->origin);
	}
}

/* UnsetEnvironment= takes NAME=VALUE, too: only that value is taken away. */
void service_read_variable_names(struct reading *r, const struct service_rule *rule,
				 const struct syntax_entry *entry)
{
	struct arg_list *names = service_target(r, rule), words;

	if (!entry->value[0]) {
		names->count = 0;
		return;
	}
	words = service_words(r, entry, WORDS_ESCAPES);
	for (size_t i = 0; i < words.count; i++) {
		const struct arg *word = &words.items[i];
		const char *text = expand_specifiers(r, word->text, word->origin);
		size_t len = text ? strcspn(text, "=") : 0;

		if (text && (!is_variable_name(text, len) || (text[len] && !rule->low)))
			service_reject(r, rule, word->origin, "'%s' is no name of a variable",
				       text);
		else if (text)
			arg_push(r->arena, names, text, word->origin);
	}
}

static void read_file(struct reading *r, const char *path, const struct origin *origin,
		      bool may_be_missing)
{
	struct err err;

	if (env_file_read(r->arena, path, origin, &r->unit->service.environment, &err) < 0 &&
	    !(may_be_missing && err.code == ERR_NOT_FOUND))
		reading_refuse(r, origin, "%s", err.msg);
}

static void read_pattern(struct reading *r, const char *pattern, const struct origin *origin,
			 bool may_be_missing)
{
	struct arg_list paths = { 0 };
	struct err err;

	if (env_file_match(r->arena, pattern, origin, &paths, &err) < 0) {
		if (!may_be_missing || err.code != ERR_NOT_FOUND)
			reading_refuse(r, origin, "%s", err.msg);
		return;
	}
	for (size_t i = 0; i < paths.count; i++)
		read_file(r, paths.items[i].text, origin, false);
}

static void read_line(struct reading *r, const struct arg *line)
{
	bool may_be_missing = line->text[0] == '-';
	const char *path = expand_specifiers(r, line->text + may_be_missing, line->origin);

	if (!path)
		return;
	if (path[0] != '/')
		reading_ignore(r, line->origin,
			       "'%s' is no absolute path: ignored, as systemd does", path);
	else if (path[strcspn(path, "*?[")])
		read_pattern(r, path, line->origin, may_be_missing);
	else
		read_file(r, path, line->origin, may_be_missing);
}

/* "NAME" takes every value away, "NAME=VALUE" that one. */
static bool is_unset(const struct arg_list *unset, const char *assignment)
{
	size_t len = strcspn(assignment, "=");

	for (size_t i = 0; i < unset->count; i++) {
		const char *text = unset->items[i].text;

		if (strchr(text, '=') ? str_eq(text, assignment) :
					strlen(text) == len && strncmp(text, assignment, len) == 0)
			return true;
	}
	return false;
}

/* Files come behind the unit's own lines, whatever their order (systemd.exec(5)), and what is unset is unset at last. */
void service_read_environment_files(struct reading *r)
{
	struct service *service = &r->unit->service;
	struct arg_list lines = value_list(r, syntax_group(r->file, "Service"), "EnvironmentFile");
	size_t kept = 0;

	for (size_t i = 0; i < lines.count; i++)
		read_line(r, &lines.items[i]);
	if (!service->unset_environment.count)
		return;
	for (size_t i = 0; i < service->environment.count; i++)
		if (!is_unset(&service->unset_environment, service->environment.items[i].text))
			service->environment.items[kept++] = service->environment.items[i];
	service->environment.count = kept;
}
