/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Folders of units on disk: a fresh one for each test, removed afterwards. */
#include "unit_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "temp_folder.h"
#include "util/file.h"
#include "util/path.h"

static char root[] = "/tmp/cleat-load-XXXXXX";

static inline const char *at(const char *rel)
{
	static char paths[8][512];
	static unsigned next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof(paths[0]), "%s%s%s", root, rel[0] ? "/" : "", rel);
	return path;
}

static inline void put(const char *rel, const char *text)
{
	struct err err;
	char folder[512];

	snprintf(folder, sizeof(folder), "%s", at(rel));
	*strrchr(folder, '/') = '\0';
	if (path_mkdirs(folder, 0755, &err) < 0 ||
	    file_write_atomic(AT_FDCWD, at(rel), text, strlen(text), 0644, false, &err) < 0)
		fail_msg("%s", err.msg);
}

static inline void put_link(const char *rel, const char *target)
{
	struct err err;
	char folder[512];

	snprintf(folder, sizeof(folder), "%s", at(rel));
	*strrchr(folder, '/') = '\0';
	assert_int_equal(path_mkdirs(folder, 0755, &err), 0);
	assert_int_equal(symlink(target, at(rel)), 0);
}

static int make_root(void **state)
{
	(void)state;
	return mkdir(root, 0755);
}

static int remove_root(void **state)
{
	(void)state;
	return temp_folder_remove(root);
}

static inline struct unit_set load_with(const char *rel, const struct unit_facts *facts)
{
	struct unit_set set = { 0 };
	struct err err;

	if (unit_set_load(&set, at(rel), facts, &err) < 0)
		fail_msg("%s", err.msg);
	return set;
}

static inline struct unit_set load_dir(const char *rel)
{
	return load_with(rel, &test_facts);
}

/* As podman's generator finds files. */
static inline struct unit_set load_as_generator(const char *rel)
{
	struct unit_facts facts = test_facts;

	facts.is_generator = true;
	return load_with(rel, &facts);
}

static inline const struct unit *find_or_null(const struct unit_set *set, const char *name)
{
	for (size_t i = 0; i < set->count; i++)
		if (str_eq(set->units[i].name, name))
			return &set->units[i];
	return NULL;
}

static inline const struct unit *find(const struct unit_set *set, const char *name)
{
	const struct unit *unit = find_or_null(set, name);

	if (!unit)
		fail_msg("no unit %s", name);
	return unit;
}

/* What the engine would run, as one string. */
static inline const char *words_of(const struct unit_set *set, const char *name)
{
	static char words[8192];

	return join_words(&find(set, name)->spec_args, words, sizeof(words));
}

static inline void assert_words(const struct unit_set *set, const char *name, const char *part)
{
	if (!strstr(words_of(set, name), part))
		fail_msg("%s:%s; expected:%s", name, words_of(set, name), part);
}

/* Some complaint of this severity holds the text. */
static inline const struct diag *said(const struct unit_set *set, enum diag_severity severity,
				      const char *text)
{
	for (size_t i = 0; i < set->diags.count; i++)
		if (set->diags.items[i].severity == severity &&
		    strstr(set->diags.items[i].text, text))
			return &set->diags.items[i];
	return NULL;
}

#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

/* Before the tests: each makes the folder anew. */
static inline bool name_root(void)
{
	return mkdtemp(root) && rmdir(root) == 0;
}
