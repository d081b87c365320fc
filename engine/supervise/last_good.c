/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of units on the disk, and the child that makes them. The child loads the units anew, because the engine keeps no text of
 * them, and copies only what has the digest that the engine has seen come up: a file that has been changed meanwhile is not
 * what ran. Must never make a copy that would not be read back as the same unit.
 */
#include "supervise/last_good.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "log/log.h"
#include "supervise/units_confine.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/path.h"
#include "util/places.h"
#include "util/str.h"

#define HEAD "#cleat unit 1\n"
#define ORDERS_MAX_BYTES (1024 * 1024)

/* The rest of the line behind the word, cut off text; NULL: it is another line. */
static const char *take_line(const char **text, const char *word, struct arena *arena)
{
	const char *begin = *text + strlen(word), *end;

	if (!str_starts(*text, word))
		return NULL;
	end = strchr(begin, '\n');
	if (!end)
		return NULL;
	*text = end + 1;
	return arena_strndup(arena, begin, (size_t)(end - begin));
}

int last_good_read(const char *dir, const char *name, struct arena *arena,
		   struct unit_substitute *out, struct err *err)
{
	auto_buf text = BUF_INIT(LAST_GOOD_MAX_BYTES);
	const char *path = arena_printf(arena, "%s/%s", dir, name), *at;

	*out = (struct unit_substitute){ .name = arena_strdup(arena, name), .copy_path = path };
	if (file_read_at(AT_FDCWD, path, LAST_GOOD_MAX_BYTES, &text, err) < 0)
		return -1;
	at = buf_str(&text);
	if (strlen(at) != text.len || !str_starts(at, HEAD))
		return err_set(err, ERR_INTEGRITY, "%s: not a copy of a unit", path);
	at += strlen(HEAD);
	if (!(out->path = take_line(&at, "#path ", arena)) ||
	    !(out->folder = take_line(&at, "#folder ", arena)) ||
	    !(out->service = take_line(&at, "#service ", arena)) || out->path[0] != '/' ||
	    out->folder[0] != '/')
		return err_set(err, ERR_INTEGRITY, "%s: not a copy of a unit", path);
	out->length = text.len;
	out->text = arena_strndup(arena, buf_str(&text), text.len);
	return 0;
}

static bool is_same(const char *path, const struct buf *text)
{
	auto_buf old = BUF_INIT(LAST_GOOD_MAX_BYTES);
	struct err err;

	return file_read_at(AT_FDCWD, path, LAST_GOOD_MAX_BYTES, &old, &err) == 0 &&
	       old.len == text->len && memcmp(buf_str(&old), buf_str(text), text->len) == 0;
}

int last_good_write(const char *dir, const struct unit *unit, struct err *err)
{
	auto_buf text = BUF_INIT(LAST_GOOD_MAX_BYTES);
	char path[512];

	if (!unit->source_text || !unit->source_text[0] || strchr(unit->path, '\n') ||
	    strchr(unit->folder, '\n') || unit->path[0] != '/')
		return err_set(err, ERR_UNSUPPORTED,
			       "%s: too large, or too strange a text, for a copy", unit->name);
	buf_printf(&text, HEAD "#path %s\n#folder %s\n#service %s\n%s", unit->path, unit->folder,
		   unit->source_service, unit->source_text);
	if (buf_check(&text, unit->name, err) < 0)
		return -1;
	if (snprintf(path, sizeof(path), "%s/%s", dir, unit->name) >= (int)sizeof(path))
		return err_set(err, ERR_LIMIT, "%s: the name is too long", unit->name);
	if (is_same(path, &text))
		return 0;
	return file_write_atomic(AT_FDCWD, path, text.data, text.len, 0600, true, err);
}

int last_good_remove(const char *dir, const char *name, struct err *err)
{
	char path[512];

	if (strchr(name, '/') ||
	    snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return err_set(err, ERR_INPUT, "%s: no name of a unit", name);
	if (unlink(path) < 0 && errno != ENOENT)
		return err_sys(err, "%s", path);
	return 0;
}

static int compare_names(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

int last_good_list(const char *dir, struct arena *arena, const char ***names, size_t *count,
		   struct err *err)
{
	auto_dir DIR *d = opendir(dir);
	struct dirent *entry;

	*names = NULL;
	*count = 0;
	if (!d && errno == ENOENT)
		return 0;
	if (!d)
		return err_sys(err, "%s", dir);
	while (*count < UNIT_MAX_FILES && (entry = readdir(d)))
		if (entry->d_name[0] != '.' && unit_is_file_name(entry->d_name))
			*arena_push(arena, *names, *count) = arena_strdup(arena, entry->d_name);
	if (*count)
		qsort(*names, *count, sizeof((*names)[0]), compare_names);
	return 0;
}

/* --- the child ------------------------------------------------------------------------------------------------------------ */

struct keeping {
	struct unit_set set;
	struct arena arena;
	int failures;
};

static const struct unit *find_unit(const struct unit_set *set, const char *name)
{
	for (size_t i = 0; i < set->count; i++)
		if (str_eq(set->units[i].name, name))
			return &set->units[i];
	return NULL;
}

/* What no later try would cure is said, and no failure. */
static void complain(struct keeping *k, const struct err *err)
{
	log_msg(LOG_WARN, "units-keep", "%s", err->msg);
	k->failures += err->code != ERR_UNSUPPORTED;
}

/* A unit that refers to others could not be read back without them. Those refer to no more than one level further (an .image
 * unit that a .build unit makes), and in no circle. */
static void keep(struct keeping *k, const struct unit *unit, unsigned depth)
{
	struct err err;

	if (last_good_write(CLEAT_LAST_GOOD_DIR, unit, &err) < 0)
		complain(k, &err);
	for (size_t i = 0; depth < 3 && i < unit->ref_count; i++) {
		const struct unit *other = find_unit(&k->set, unit->refs[i].file);

		if (other && other->is_valid)
			keep(k, other, depth + 1);
	}
}

static void order_keep(struct keeping *k, const char *digest, const char *name)
{
	const struct unit *unit = find_unit(&k->set, name);
	char hex[65];

	if (!unit || !unit->is_valid)
		return;
	str_hex(unit->source_digest, sizeof(unit->source_digest), hex);
	if (strncmp(hex, digest, 64) == 0)
		keep(k, unit, 0);
}

static void order_sync(struct keeping *k, const char *path)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	auto_fd int folder = open(CLEAT_UNIT_STATE_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err err;

	if (fd < 0 || folder < 0 || fsync(fd) < 0 || fsync(folder) < 0) {
		err_sys(&err, "%s", path);
		complain(k, &err);
	}
}

static void obey(struct keeping *k, const char *line)
{
	struct err err;

	if (str_starts(line, "keep ") && strlen(line) > 70 && line[69] == ' ')
		order_keep(k, line + 5, line + 70);
	else if (str_starts(line, "sync "))
		order_sync(k, line + 5);
	else if (str_starts(line, "drop ") &&
		 last_good_remove(CLEAT_LAST_GOOD_DIR, line + 5, &err) < 0)
		complain(k, &err);
}

static void obey_all(struct keeping *k, char *orders)
{
	for (char *line = orders, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		obey(k, line);
	}
}

/* One after the other: a child of an earlier engine, which may still be at its copies, must not undo what this one does. The end of
 * the process ends it. */
static void wait_for_others(void)
{
	int fd = open(CLEAT_LAST_GOOD_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	do
		rc = fd < 0 ? 0 : flock(fd, LOCK_EX);
	while (rc < 0 && errno == EINTR);
}

int cmd_units_keep(int argc, char **argv)
{
	auto_buf orders = BUF_INIT(ORDERS_MAX_BYTES);
	struct keeping k = { .failures = 0 };
	struct unit_facts facts = { 0 };
	bool is_quiet = argc == 2 && str_eq(argv[1], "--quiet");
	struct err err;

	log_init("cleat-units", is_quiet ? LOG_ERROR : LOG_INFO);
	if (argc > 1 + is_quiet || file_read_fd(STDIN_FILENO, ORDERS_MAX_BYTES, &orders, &err) < 0)
		return 2;
	unit_facts_init(&facts, &k.arena, CLEAT_HOME_DIR);
	facts.keeps_sources = true;
	if (path_mkdirs(CLEAT_LAST_GOOD_DIR, 0700, &err) < 0 ||
	    units_confine(UNITS_KEEP, &err) < 0) {
		complain(&k, &err);
		return 1;
	}
	/* Nothing to copy is no reason not to remove. */
	if (strstr(buf_str(&orders), "keep ") &&
	    unit_set_load(&k.set, CLEAT_UNIT_DIR, &facts, &err) < 0)
		complain(&k, &err);
	wait_for_others();
	if (orders.data)
		obey_all(&k, orders.data);
	unit_set_fini(&k.set);
	arena_fini(&k.arena);
	return k.failures ? 1 : 0;
}
