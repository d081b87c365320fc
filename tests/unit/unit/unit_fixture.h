/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Reading units from memory, with the facts of a machine that exists nowhere. */
#include "unit_test.h"

#include "unit/machine.h"
#include "unit/unit.h"
#include "util/str.h"

static const struct unit_facts test_facts = { TEST_MACHINE };

static inline void load_named(struct unit_set *set, const char *name, const char *text)
{
	struct err err;
	char path[256];

	snprintf(path, sizeof(path), "/units/%s", name);
	if (unit_set_load_text(set, name, path, text, strlen(text), &test_facts, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(set->count, 1);
}

static inline struct unit *load_text(struct unit_set *set, const char *text)
{
	*set = (struct unit_set){ 0 };
	load_named(set, "web.container", text);
	return &set->units[0];
}

/* A unit that is fine but for what is added: keys of [Container] first, then any other section. */
#define FINE "[Container]\nImage=localhost/web:1\nNetwork=host\n"

/* The only complaint of this severity, or a failure that shows all of them. */
static inline const struct diag *only_diag(const struct unit_set *set, enum diag_severity severity)
{
	const struct diag *found = NULL;

	for (size_t i = 0; i < set->diags.count; i++) {
		const struct diag *d = &set->diags.items[i];

		if (d->severity != severity)
			continue;
		if (found)
			fail_msg("two complaints: %s: %s / %s: %s", found->key, found->text, d->key,
				 d->text);
		found = d;
	}
	if (!found)
		fail_msg("no complaint of severity %s", diag_severity_name(severity));
	return found;
}

static inline void assert_quiet(const struct unit_set *set)
{
	for (size_t i = 0; i < set->diags.count; i++)
		if (set->diags.items[i].severity != DIAG_NOTE)
			fail_msg("%u:%u: %s: %s", set->diags.items[i].line,
				 set->diags.items[i].column, set->diags.items[i].key,
				 set->diags.items[i].text);
}

static inline void assert_diag(const struct unit_set *set, enum diag_severity severity,
			       unsigned line, unsigned column, const char *key, const char *text)
{
	const struct diag *d = only_diag(set, severity);

	if (!strstr(d->text, text) || d->line != line || d->column != column ||
	    !str_eq(d->key, key))
		fail_msg("%u:%u: %s: %s; expected %u:%u: %s: %s", d->line, d->column, d->key,
			 d->text, line, column, key, text);
}

/* Loads FINE with more behind it and expects one complaint. */
static inline void assert_complaint(const char *more, enum diag_severity severity, unsigned line,
				    unsigned column, const char *key, const char *text)
{
	struct unit_set set;
	char all[4096];

	snprintf(all, sizeof(all), FINE "%s", more);
	load_text(&set, all);
	assert_diag(&set, severity, line, column, key, text);
	assert_int_equal(set.units[0].is_valid, severity != DIAG_ERROR);
	unit_set_fini(&set);
}

/* Words as one string with blanks between and round them: " --name web localhost/web:1 ". */
static inline char *join_words(const struct arg_list *words, char *out, size_t size)
{
	size_t len = 1;

	snprintf(out, size, " ");
	for (size_t i = 0; i < words->count && len < size; i++)
		len += (size_t)snprintf(out + len, size - len, "%s ", words->items[i].text);
	return out;
}

/* Loads FINE with more behind it; the engine's words have to hold the part. */
static inline void assert_engine_words(const char *more, const char *part)
{
	struct unit_set set;
	char all[4096], words[8192];

	snprintf(all, sizeof(all), FINE "%s", more);
	load_text(&set, all);
	assert_quiet(&set);
	join_words(&set.units[0].spec_args, words, sizeof(words));
	if (!strstr(words, part))
		fail_msg("engine's words:%s; expected:%s", words, part);
	unit_set_fini(&set);
}

static inline void assert_podman_words(const char *more, const char *part)
{
	struct unit_set set;
	char all[4096], words[8192];

	snprintf(all, sizeof(all), FINE "%s", more);
	load_text(&set, all);
	join_words(&set.units[0].run_args, words, sizeof(words));
	if (!strstr(words, part))
		fail_msg("podman's words:%s; expected:%s", words, part);
	unit_set_fini(&set);
}
