/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Kernel modules of a machine. What there is stands in MODULES_DIR/table, which scripts/make-vm writes next to the modules, in the order of
 * loading (a module comes behind those that it needs):
 *
 *   kernel RELEASE
 *   module NAME WHEN NEEDED...     file NAME.ko; WHEN: always, soon (always, but nobody waits), device, asked, after:NAME (with that one)
 *   alias PATTERN                  of the module above: what the kernel, or a device's modalias, calls it
 *
 * A root without the table (a container's) has no modules: nothing to do.
 */
#include <stdbool.h>
#include <stddef.h>

#include "util/arena.h"
#include "util/err.h"

#define MODULES_DIR "/usr/lib/modules"
#define MODULES_MAX_BYTES (256u * 1024)
#define MODULES_MAX 256u

enum module_when {
	MODULE_ASKED,
	MODULE_DEVICE,
	MODULE_ALWAYS,
	MODULE_SOON,
	MODULE_AFTER,
};

struct module {
	const char *name; /* with '_', never '-' */
	enum module_when when;
	const char *after; /* MODULE_AFTER */
	const char **needs;
	size_t need_count;
	const char **aliases;
	size_t alias_count;
	bool is_wanted, is_loaded;
};

struct module_table {
	const char *release; /* of the kernel that they are for */
	struct module *modules;
	size_t count;
};

/* Texts and vectors in the arena. -1 and ERR_INPUT with the line's number when it is no such table. */
int module_table_read(struct module_table *out, struct arena *arena, const char *text,
		      struct err *err) MUST_CHECK;
/* Marks those of that WHEN, with those that they need and that come with them. */
void module_table_want_when(struct module_table *table, enum module_when when);
/* The same for those that are for a device ("pci:v00001AF4d..."). False: none is. */
bool module_table_want_device(struct module_table *table, const char *modalias);
/* The same for one by its name or alias, in either spelling, whatever its WHEN. */
bool module_table_want(struct module_table *table, const char *name);

/* Loads what is always wanted and what the devices of this machine want, until no new device appears. With soon: a child goes on with those
 * that nobody has to wait for, because the kernel asks for one that is needed before (and waits for one that is being loaded). */
int modules_load(bool soon, struct err *err) MUST_CHECK;
/* Loads these, for a step that is about to mount or to use what they bring. One that is not there (built in, or a
 * machine's root without modules) is no error here, but in what needs it. NULL-terminated. */
int modules_load_named(const char *const *names, struct err *err) MUST_CHECK;
