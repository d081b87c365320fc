/* SPDX-License-Identifier: Apache-2.0 */
/* The table of steps and the notes that they leave for the engine. Must never do anything itself. */
#include "boot/boot.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/file.h"
#include "util/path.h"
#include "util/places.h"
#include "util/str.h"

static const struct step {
	const char *name;
	int (*run)(int argc, char **argv);
} steps[] = {
	{ "root", boot_root },	   { "modules", boot_modules },
	{ "data", boot_data },	   { "identity", boot_identity },
	{ "clock", boot_clock },   { "seed", boot_seed },
	{ "button", boot_button }, { "ntp", boot_ntp },
	{ "config", boot_config }, { NULL, NULL },
};

int boot_note(const char *step, unsigned level, const char *text, struct err *err)
{
	char path[96], line[512];

	snprintf(path, sizeof(path), CLEAT_BOOT_DIR "/%s.note", step);
	if (!text[0]) {
		unlink(path);
		return 0;
	}
	if (path_mkdirs(CLEAT_BOOT_DIR, 0755, err) < 0)
		return -1;
	snprintf(line, sizeof(line), "%u %s\n", level, text);
	return file_write_atomic(AT_FDCWD, path, line, strlen(line), 0644, false, err);
}

int cmd_boot(int argc, char **argv)
{
	for (const struct step *s = steps; argc > 1 && s->name; s++)
		if (str_eq(argv[1], s->name))
			return s->run(argc - 1, argv + 1);
	fprintf(stderr, "cleat boot: no such step; cleat-init knows them\n");
	return 2;
}
