/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "cleat boot modules": loads the modules that this machine needs, and no others: all of them would take a second that nobody has. The kernel
 * asks for more through /sbin/modprobe, which is "cleat boot modules NAME" in a machine. Must never guess a file's name: what is not in the
 * table of the root is not loaded.
 */
#include "boot/modules.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "boot/boot.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/str.h"

#define BUS_DIR "/sys/bus"
#define MODALIAS_MAX 4096u
#define ATTRIBUTE_MAX 64u /* class, vendor, device of a PCI function */
#define PCI_CLASS_NETWORK "0x02"
/* a driver brings devices, which want drivers: virtio over SCSI to a disk is two */
#define ROUNDS_MAX 4

/* --- the table -------------------------------------------------------------------------------- */

static bool read_when(struct module *m, const char *word)
{
	if (str_eq(word, "always"))
		m->when = MODULE_ALWAYS;
	else if (str_eq(word, "soon"))
		m->when = MODULE_SOON;
	else if (str_eq(word, "device"))
		m->when = MODULE_DEVICE;
	else if (str_starts(word, "after:") && word[6])
		m->when = MODULE_AFTER, m->after = word + 6;
	else if (!str_eq(word, "asked"))
		return false;
	return true;
}

/* A name becomes a file's name: letters, digits and '_' only. */
static bool is_name(const char *name)
{
	return name[0] && strlen(name) < 64 &&
	       name[strspn(name,
			   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")] ==
		       '\0';
}

static bool read_module(struct module_table *table, struct arena *arena, char **rest)
{
	const char *name = strsep(rest, " "), *when = strsep(rest, " "), *need;

	if (!name || !when || !is_name(name) || table->count == MODULES_MAX)
		return false;

	struct module *m = arena_push(arena, table->modules, table->count);

	m->name = name;
	while ((need = strsep(rest, " ")) != NULL)
		*arena_push(arena, m->needs, m->need_count) = need;
	return read_when(m, when);
}

static bool read_line(struct module_table *table, struct arena *arena, char *line)
{
	const char *word = strsep(&line, " ");

	if (str_eq(word, "kernel") && line) {
		table->release = line;
		return true;
	}
	if (str_eq(word, "module") && line)
		return read_module(table, arena, &line);
	if (str_eq(word, "alias") && line && table->count > 0) {
		struct module *m = &table->modules[table->count - 1];

		*arena_push(arena, m->aliases, m->alias_count) = line;
		return true;
	}
	return false;
}

int module_table_read(struct module_table *out, struct arena *arena, const char *text,
		      struct err *err)
{
	char *rest = arena_strdup(arena, text), *line;

	*out = (struct module_table){ .release = "" };
	for (unsigned number = 1; (line = strsep(&rest, "\n")) != NULL; number++)
		if (line[0] && !read_line(out, arena, line))
			return err_set(err, ERR_INPUT, "line %u is none of a table of modules",
				       number);
	return 0;
}

static struct module *find(struct module_table *table, const char *name)
{
	for (size_t i = 0; i < table->count; i++)
		if (str_eq(table->modules[i].name, name))
			return &table->modules[i];
	return NULL;
}

/* In the table's order a module stands behind those that it needs and before those that come after it: what is wanted first is
 * passed on backwards, then forwards. True: that has to be done once more. */
static bool pass_on(struct module_table *table)
{
	bool is_new = false;

	for (size_t i = table->count; i-- > 0;) {
		const struct module *m = &table->modules[i];

		for (size_t n = 0; m->is_wanted && n < m->need_count; n++) {
			struct module *need = find(table, m->needs[n]);

			if (need && !need->is_wanted)
				need->is_wanted = true;
		}
	}
	for (size_t i = 0; i < table->count; i++) {
		struct module *m = &table->modules[i];
		const struct module *first = m->when == MODULE_AFTER ? find(table, m->after) : NULL;

		if (first && first->is_wanted && !m->is_wanted)
			m->is_wanted = is_new = true;
	}
	return is_new;
}

static void spread(struct module_table *table)
{
	while (pass_on(table))
		;
}

void module_table_want_when(struct module_table *table, enum module_when when)
{
	for (size_t i = 0; i < table->count; i++)
		if (table->modules[i].when == when)
			table->modules[i].is_wanted = true;
	spread(table);
}

static inline bool is_wildcard(char c)
{
	return c == '*' || c == '?' || c == '[' || c == '\\';
}

/* Every device is held against every alias, and nearly all of them differ in their first letters: no call of the library's before that is
 * known, or this would be the longest part of the step. */
static bool is_match(const char *pattern, const char *name)
{
	while (*pattern == *name && *name && !is_wildcard(*pattern))
		pattern++, name++;
	if (*pattern != *name && !is_wildcard(*pattern))
		return false;
	return fnmatch(pattern, name, 0) == 0;
}

static bool has_alias(const struct module *m, const char *name)
{
	for (size_t i = 0; i < m->alias_count; i++)
		if (is_match(m->aliases[i], name))
			return true;
	return false;
}

bool module_table_want_device(struct module_table *table, const char *modalias)
{
	bool is_any = false;

	for (size_t i = 0; i < table->count; i++) {
		struct module *m = &table->modules[i];

		if (m->when == MODULE_ASKED || !has_alias(m, modalias))
			continue;
		is_any = true;
		m->is_wanted = true;
	}
	if (is_any)
		spread(table);
	return is_any;
}

bool module_table_want(struct module_table *table, const char *name)
{
	char plain[64];
	bool is_any = false;

	if (!str_copy(plain, sizeof(plain), name))
		plain[0] = '\0'; /* an alias may be as long as it likes */
	for (char *c = plain; *c; c++)
		if (*c == '-')
			*c = '_';
	for (size_t i = 0; i < table->count; i++) {
		struct module *m = &table->modules[i];

		if (!str_eq(m->name, plain) && !has_alias(m, name))
			continue;
		is_any = true;
		m->is_wanted = true;
	}
	if (is_any)
		spread(table);
	return is_any;
}

/* --- the kernel ------------------------------------------------------------------------------- */

/* A root that is an initramfs. */
static bool is_in_memory(int dirfd)
{
	struct statfs fs;

	return fstatfs(dirfd, &fs) == 0 && (fs.f_type == RAMFS_MAGIC || fs.f_type == TMPFS_MAGIC);
}

static bool is_in_kernel(const char *name)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/module/%s", name);
	return access(path, F_OK) == 0;
}

static int load_one(int dirfd, bool is_memory, struct module *m, struct err *err)
{
	char file[80];

	snprintf(file, sizeof(file), "%s.ko", m->name);
	m->is_loaded = true; /* one that cannot be is not tried again */

	auto_fd int fd = openat(dirfd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 && errno == ENOENT && is_in_kernel(m->name))
		return 0; /* it was loaded from memory before */
	if (fd < 0)
		return err_sys(err, MODULES_DIR "/%s", file);
	/* somebody else may have been faster: the kernel asks for modules on its own */
	if (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST)
		return err_sys(err, "module %s", m->name);
	/* nothing unloads a module, and in a small machine its file would be memory for good: half of the root */
	if (is_memory)
		unlinkat(dirfd, file, 0);
	return 0;
}

/* All are tried; the first reason is reported. */
static int load_wanted(int dirfd, struct module_table *table, struct err *err)
{
	bool is_memory = is_in_memory(dirfd);
	int rc = 0;

	for (size_t i = 0; i < table->count; i++) {
		struct module *m = &table->modules[i];

		if (m->is_wanted && !m->is_loaded &&
		    load_one(dirfd, is_memory, m, rc == 0 ? err : NULL) < 0)
			rc = -1;
	}
	return rc;
}

/* The devices that have been asked, by the number that sysfs gives each entry and none twice: the next round looks at new ones only. */
struct seen {
	struct arena *arena;
	ino_t *entries;
	size_t count;
};

static bool is_seen(struct seen *seen, ino_t entry)
{
	for (size_t i = 0; i < seen->count; i++)
		if (seen->entries[i] == entry)
			return true;
	*arena_push(seen->arena, seen->entries, seen->count) = entry;
	return false;
}

/* A device that is gone meanwhile, or has no modalias, wants nothing. */
static void want_device(struct module_table *table, int devices, const char *name)
{
	char path[300];
	struct buf text = BUF_INIT(MODALIAS_MAX);

	snprintf(path, sizeof(path), "%s/modalias", name);
	if (file_read_at(devices, path, MODALIAS_MAX, &text, NULL) == 0 && text.len > 0) {
		if (text.data[text.len - 1] == '\n')
			text.data[text.len - 1] = '\0';
		module_table_want_device(table, text.data);
	}
	buf_fini(&text);
}

static void want_bus(struct module_table *table, struct seen *seen, const char *bus)
{
	const struct dirent *entry;
	char path[300];

	snprintf(path, sizeof(path), BUS_DIR "/%s/devices", bus);

	auto_dir DIR *devices = opendir(path);

	while (devices && (entry = readdir(devices)) != NULL)
		if (entry->d_name[0] != '.' && !is_seen(seen, entry->d_ino))
			want_device(table, dirfd(devices), entry->d_name);
}

static void want_devices(struct module_table *table, struct seen *seen)
{
	auto_dir DIR *buses = opendir(BUS_DIR);
	const struct dirent *entry;

	while (buses && (entry = readdir(buses)) != NULL)
		if (entry->d_name[0] != '.')
			want_bus(table, seen, entry->d_name);
}

static size_t count_wanted(const struct module_table *table)
{
	size_t count = 0;

	for (size_t i = 0; i < table->count; i++)
		count += table->modules[i].is_wanted;
	return count;
}

/* The folder and what its table says; -1 without an error's text when this root has no modules. */
static int open_table(struct module_table *table, struct arena *arena, struct err *err)
{
	struct buf text = BUF_INIT(MODULES_MAX_BYTES);
	struct utsname kernel;
	int dirfd = open(MODULES_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = -1;

	err->code = ERR_NONE;
	if (dirfd < 0 || faccessat(dirfd, "table", F_OK, 0) < 0) {
		close_fd(&dirfd);
		return -1;
	}
	if (file_read_at(dirfd, "table", MODULES_MAX_BYTES, &text, err) == 0)
		rc = module_table_read(table, arena, buf_str(&text), err);
	buf_fini(&text);
	if (rc == 0 && uname(&kernel) == 0 && !str_eq(kernel.release, table->release))
		rc = err_set(
			err, ERR_UNSUPPORTED,
			"these modules are for the kernel %s, which runs is %s: boot the kernel that came "
			"with this root",
			table->release, kernel.release);
	if (rc == 0)
		return dirfd;
	close_fd(&dirfd);
	return err_wrap(err, MODULES_DIR "/table");
}

/* In the background, beside the steps that follow; not behind them, or whoever wants a network of the kernel would wait for both. What it cannot
 * load shows where it is missed. */
static void load_soon(int dirfd, struct module_table *table)
{
	int null;

	module_table_want_when(table, MODULE_SOON);
	if (fork() != 0)
		return;
	setsid();
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd < 3 && null >= 0; fd++)
		dup2(null, fd);
	_exit(load_wanted(dirfd, table, NULL) < 0);
}

int modules_load(bool soon, struct err *err)
{
	auto_arena arena = { 0 };
	struct seen seen = { .arena = &arena };
	struct module_table table;
	size_t before;
	int rc = 0;

	auto_fd int dirfd = open_table(&table, &arena, err);

	if (dirfd < 0)
		return err->code ? -1 : 0;
	module_table_want_when(&table, MODULE_ALWAYS);
	for (int round = 0; round < ROUNDS_MAX; round++) {
		before = count_wanted(&table);
		want_devices(&table, &seen);
		if (round > 0 && count_wanted(&table) == before)
			break;
		if (load_wanted(dirfd, &table, rc == 0 ? err : NULL) < 0)
			rc = -1;
	}
	if (soon)
		load_soon(dirfd, &table);
	return rc;
}

int modules_load_named(const char *const *names, struct err *err)
{
	auto_arena arena = { 0 };
	struct module_table table;

	auto_fd int dirfd = open_table(&table, &arena, err);

	if (dirfd < 0)
		return err->code ? -1 : 0;
	for (; *names; names++)
		module_table_want(&table, *names);
	return load_wanted(dirfd, &table, err);
}

/* "0x8086" as it stands there. */
static bool read_attribute(int device, const char *name, struct buf *out)
{
	buf_clear(out);
	if (file_read_at(device, name, ATTRIBUTE_MAX, out, NULL) < 0 || !out->len)
		return false;
	out->data[strcspn(buf_str(out), "\n")] = '\0';
	return true;
}

/* An emulated e1000 or rtl8139, which hypervisors give to systems that they do not know: the machine would be without a network and not say why. */
static void name_card(int devices, const char *address, struct buf *out)
{
	auto_buf class = BUF_INIT(ATTRIBUTE_MAX), vendor = BUF_INIT(ATTRIBUTE_MAX),
		 id = BUF_INIT(ATTRIBUTE_MAX);
	auto_fd int device = openat(devices, address, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (device < 0 || faccessat(device, "driver", F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
	    !read_attribute(device, "class", &class) ||
	    !str_starts(buf_str(&class), PCI_CLASS_NETWORK) ||
	    !read_attribute(device, "vendor", &vendor) || !read_attribute(device, "device", &id))
		return;
	buf_printf(out, "%s%s (%s %s)", out->len ? ", " : "", address, buf_str(&vendor),
		   buf_str(&id));
}

static int note_cards(struct err *err)
{
	auto_dir DIR *devices = opendir(BUS_DIR "/pci/devices");
	auto_buf cards = BUF_INIT(256);
	const struct dirent *entry;
	char text[400] = "";

	while (devices && (entry = readdir(devices)) != NULL)
		if (entry->d_name[0] != '.')
			name_card(dirfd(devices), entry->d_name, &cards);
	if (cards.len)
		snprintf(text, sizeof(text),
			 "network card without a driver: %s; give the machine one of virtio",
			 buf_str(&cards));
	return boot_note("modules", 1, text, err);
}

/* "modules" is all; "modules NAME..." is what the kernel asks for: one that is not there is the usual answer. */
int boot_modules(int argc, char **argv)
{
	struct err err;
	int rc;

	if (argc > 1) {
		rc = modules_load_named((const char *const *)argv + 1, &err);
	} else {
		rc = modules_load(true, &err);
		if (note_cards(rc == 0 ? &err : NULL) < 0)
			rc = -1;
	}
	if (rc < 0)
		fprintf(stderr, "%s\n", err.msg);
	return rc < 0;
}
