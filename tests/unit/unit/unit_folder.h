/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Folders of units below /tmp: make_root and remove_root are set-up and tear-down of the test group. */
#include "unit_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "temp_folder.h"
#include "util/file.h"
#include "util/path.h"

static char root[] = "/tmp/cleat-units-XXXXXX";

struct text_file {
	const char *name, *text;
};

static inline int make_root(void **state)
{
	(void)state;
	return mkdtemp(root) ? 0 : -1;
}

static inline int remove_root(void **state)
{
	(void)state;
	return temp_folder_remove(root);
}

/* Files, up to one without a name, as a folder of units: "ROOT/units". */
static inline struct unit_set load_files(const struct text_file *files)
{
	struct unit_set set = { 0 };
	struct err err;
	char folder[64];
	int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (faccessat(fd, "units", F_OK, 0) == 0 && path_remove_tree(fd, "units", &err) < 0)
		fail_msg("%s", err.msg);
	close(fd);
	snprintf(folder, sizeof(folder), "%s/units", root);
	assert_int_equal(mkdir(folder, 0755), 0);
	for (; files->name; files++) {
		char path[256];

		snprintf(path, sizeof(path), "%s/%s", folder, files->name);
		if (file_write_atomic(AT_FDCWD, path, files->text, strlen(files->text), 0644, false,
				      &err) < 0)
			fail_msg("%s", err.msg);
	}
	if (unit_set_load(&set, folder, &test_facts, &err) < 0)
		fail_msg("%s", err.msg);
	return set;
}

#define LOAD(...) load_files((const struct text_file[]){ __VA_ARGS__, { NULL, NULL } })

static inline const struct unit *find(const struct unit_set *set, const char *name)
{
	for (size_t i = 0; i < set->count; i++)
		if (str_eq(set->units[i].name, name))
			return &set->units[i];
	fail_msg("no unit %s", name);
	return NULL;
}

static inline void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in:\n%s", part, text);
}

static inline void assert_has_not(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("'%s' is in:\n%s", part, text);
}
